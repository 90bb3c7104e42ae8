//! Swaps the faces of a picture file.

use std::{fs, io::Write, path::Path};

use anyhow::{Context, Result};
use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, codecs};

use crate::{
    exit::{Exit, Failure, Outcome},
    job::beside,
    provenance,
    swapper::Swapper,
};

/// Writes `target` with its faces swapped to `output`, upright and in its own colours; whether it had any, and the
/// milliseconds it took.
pub fn swap(swapper: &Swapper, target: &Path, output: &Path, quality: u8) -> Outcome<(bool, f64)> {
    let (picture, profile) = read(target).map_err(|error| Failure {
        exit: Exit::Target,
        error: error.context(format!("{} cannot be read", target.display())),
    })?;
    let began = std::time::Instant::now();
    let swapped = swapper.picture(&picture.to_rgba8())?;
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;

    let part = beside(output, ".part");
    let opaque = !picture.color().has_alpha();
    let picture = DynamicImage::ImageRgba8(swapped.picture);
    let picture = if opaque { DynamicImage::ImageRgb8(picture.into_rgb8()) } else { picture };
    let origin = swapped.origin.as_deref();
    let written = ImageFormat::from_path(output)
        .map_err(anyhow::Error::from)
        .and_then(|format| provenance::tell(encoded(&picture, profile, format, quality)?, format, origin))
        .and_then(|bytes| write(&bytes, &part))
        .and_then(|()| fs::rename(&part, output).with_context(|| output.display().to_string()));
    written.map_err(|error| {
        let _ = fs::remove_file(&part);
        Failure { exit: Exit::Output, error }
    })?;
    Ok((swapped.any, milliseconds))
}

fn read(path: &Path) -> Result<(DynamicImage, Option<Vec<u8>>)> {
    let mut decoder = ImageReader::open(path)?.with_guessed_format()?.into_decoder()?;
    let profile = decoder.icc_profile()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok((picture, profile))
}

fn encoded(
    picture: &DynamicImage,
    profile: Option<Vec<u8>>,
    format: ImageFormat,
    quality: u8,
) -> Result<Vec<u8>> {
    let mut file = std::io::Cursor::new(Vec::new());
    match format {
        ImageFormat::Jpeg => {
            let encoder = codecs::jpeg::JpegEncoder::new_with_quality(&mut file, quality);
            encode(encoder, &DynamicImage::ImageRgb8(picture.to_rgb8()), profile)?;
        }
        ImageFormat::Png => encode(codecs::png::PngEncoder::new(&mut file), picture, profile)?,
        ImageFormat::WebP => encode(codecs::webp::WebPEncoder::new_lossless(&mut file), picture, profile)?,
        _ => picture.write_to(&mut file, format)?,
    }
    Ok(file.into_inner())
}

fn write(bytes: &[u8], part: &Path) -> Result<()> {
    let mut file = fs::File::create(part).with_context(|| part.display().to_string())?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

fn encode(mut encoder: impl ImageEncoder, picture: &DynamicImage, profile: Option<Vec<u8>>) -> Result<()> {
    if let Some(profile) = profile {
        // A format without profiles has the picture's numbers all the same.
        let _ = encoder.set_icc_profile(profile);
    }
    encoder.write_image(picture.as_bytes(), picture.width(), picture.height(), picture.color().into())?;
    Ok(())
}
