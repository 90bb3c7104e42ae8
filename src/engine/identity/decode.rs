//! Image files as upright RGB pixels, within limits that are checked before decoding.

use std::{io::BufReader, path::Path};

use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};

use crate::{engine::SourceError, files};

/// Most megapixels that are decoded.
pub(super) const MAX_MEGAPIXELS: u32 = 120;
const MAX_SIDE: u32 = 32_768;
/// Most memory a decoder may take, and most that it may give, in bytes.
const MAX_ALLOC: u64 = 1 << 30;
/// Most bytes of a file: those of the most pixels, uncompressed.
pub(super) const MAX_BYTES: u64 = 1 << 29;

/// Reads and decodes `path`, turned as its EXIF orientation says.
pub(super) fn decode(path: &Path) -> Result<RgbImage, SourceError> {
    let not_an_image = |reason: String| SourceError::NotAnImage { path: path.to_path_buf(), reason };
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => SourceError::Missing { path: path.to_path_buf() },
        _ => SourceError::Unreadable { path: path.to_path_buf(), error },
    };
    let file = files::open(path, MAX_BYTES).map_err(unreadable)?;
    let reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(unreadable)?;
    if reader.format().is_none() {
        return Err(not_an_image("unknown format".into()));
    }
    let mut decoder = reader.into_decoder().map_err(|e| not_an_image(e.to_string()))?;
    let (width, height) = decoder.dimensions();
    let megapixels = u64::from(width) * u64::from(height) / 1_000_000;
    let too_many = megapixels > u64::from(MAX_MEGAPIXELS) || width.max(height) > MAX_SIDE;
    if too_many || decoder.total_bytes() > MAX_ALLOC {
        let path = path.to_path_buf();
        return Err(SourceError::TooLarge { path, width, height, limit: MAX_MEGAPIXELS });
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOC);
    decoder.set_limits(limits).map_err(|e| not_an_image(e.to_string()))?;
    let orientation = decoder.orientation().map_err(|e| not_an_image(e.to_string()))?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| not_an_image(e.to_string()))?;
    image.apply_orientation(orientation);
    Ok(image.into_rgb8())
}
