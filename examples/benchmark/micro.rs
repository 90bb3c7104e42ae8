//! What a pipeline does to whole frames around the element, one thread: resizing, colour conversion, blur.

use anyhow::{Context, Result};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image};
use gst_video::{VideoConverter, VideoFormat, VideoFrame, VideoInfo};
use image::{RgbaImage, imageops};

use crate::suite::Suite;

const SIZES: [(u32, u32, &str); 2] = [(960, 540, "960x540"), (1920, 1080, "1920x1080")];

pub fn measure(suite: &mut Suite) -> Result<()> {
    for (width, height, size) in SIZES {
        resize(suite, width, height, size)?;
        convert(suite, width, height, size)?;
        blur(suite, width, height, size);
    }
    Ok(())
}

/// To two thirds of each side.
fn resize(suite: &mut Suite, width: u32, height: u32, size: &str) -> Result<()> {
    let (w, h) = (width * 2 / 3, height * 2 / 3);
    let from = Image::new(width, height, PixelType::U8x4);
    let mut to = Image::new(w, h, PixelType::U8x4);
    for (name, filter) in [("bilinear", FilterType::Bilinear), ("lanczos3", FilterType::Lanczos3)] {
        let mut resizer = Resizer::new();
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
        suite.time(&format!("resize/{size}/fast_image_resize/RGBA/{name}"), || {
            resizer.resize(&from, &mut to, &options).expect("two pictures of one format");
        });
    }
    for format in [VideoFormat::Nv12, VideoFormat::Rgba] {
        let id = format!("resize/{size}/videoscale/{format}");
        converter(suite, &id, (format, width, height), (format, w, h))?;
    }
    Ok(())
}

fn convert(suite: &mut Suite, width: u32, height: u32, size: &str) -> Result<()> {
    let pairs = [
        (VideoFormat::Nv12, VideoFormat::Rgba),
        (VideoFormat::Rgba, VideoFormat::Nv12),
        (VideoFormat::I420, VideoFormat::Bgra),
        (VideoFormat::Yuy2, VideoFormat::I420),
        (VideoFormat::Uyvy, VideoFormat::Nv12),
    ];
    for (from, to) in pairs {
        let id = format!("colour/{size}/videoconvert/{from}-{to}");
        converter(suite, &id, (from, width, height), (to, width, height))?;
    }
    Ok(())
}

type Shape = (VideoFormat, u32, u32);

/// The code inside GStreamer's videoconvert and videoscale.
fn converter(suite: &mut Suite, id: &str, from: Shape, to: Shape) -> Result<()> {
    let info = |(format, width, height): Shape| -> Result<VideoInfo> {
        VideoInfo::builder(format, width, height).build().context("a size that GStreamer knows")
    };
    let (from, to) = (info(from)?, info(to)?);
    let input = gst::Buffer::with_size(from.size()).context("memory for a frame")?;
    let output = gst::Buffer::with_size(to.size()).context("memory for a frame")?;
    let mapped =
        (VideoFrame::from_buffer_readable(input, &from), VideoFrame::from_buffer_writable(output, &to));
    let (Ok(input), Ok(mut output)) = mapped else { anyhow::bail!("{id}: the frame cannot be mapped") };
    let converter = VideoConverter::new(&from, &to, None)?;
    suite.time(id, || converter.frame(&input, &mut output));
    Ok(())
}

fn blur(suite: &mut Suite, width: u32, height: u32, size: &str) {
    for sigma in [2.0, 8.0] {
        let id = format!("blur/{size}/image/RGBA/sigma={sigma}");
        if suite.wants(&id) {
            let picture = RgbaImage::from_pixel(width, height, image::Rgba([90, 100, 110, 255]));
            suite.time_of(&id, || imageops::fast_blur(&picture, sigma));
        }
    }
    let id = format!("blur/{size}/gaussianblur/AYUV/sigma=2");
    if !suite.wants(&id) {
        return;
    }
    if gst::ElementFactory::find("gaussianblur").is_none() {
        return suite.skip(&id, "GStreamer's bad plugins are not installed");
    }
    let mut harness = gst_check::Harness::new_parse("gaussianblur sigma=2");
    harness
        .set_src_caps_str(&format!("video/x-raw,format=AYUV,width={width},height={height},framerate=25/1"));
    let mut buffer = gst::Buffer::with_size(4 * width as usize * height as usize).ok();
    suite.time(&id, || buffer = buffer.take().and_then(|buffer| harness.push_and_pull(buffer).ok()));
}
