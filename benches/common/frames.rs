//! Frames with a moving face of a given size.

use std::path::{Path, PathBuf};

use image::{RgbImage, imageops};

/// The default pack's public-domain photos.
pub fn photo(name: &str) -> PathBuf {
    let dir = std::env::var_os("GST_FACESWAP_MODEL_DIR").map(PathBuf::from);
    dir.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("models")).join("demo").join(name)
}

/// Where the face is in the astronaut photo: centre and width of the landmarks' box, pixels.
const ASTRONAUT: (f32, f32, f32) = (224.0, 115.0, 88.0);

/// `count` RGB pictures of the astronaut, her face `face` pixels wide and swaying.
pub fn pictures(width: u32, height: u32, face: f32, count: u32) -> Vec<RgbImage> {
    let photo = image::open(photo("astronaut.png")).expect("run `make models` first").into_rgb8();
    let scale = face / ASTRONAUT.2;
    let scaled = imageops::resize(
        &photo,
        (photo.width() as f32 * scale) as u32,
        (photo.height() as f32 * scale) as u32,
        imageops::FilterType::CatmullRom,
    );
    (0..count)
        .map(|i| {
            let t = i as f32 / count as f32 * std::f32::consts::TAU;
            let (dx, dy) = (0.04 * width as f32 * t.sin(), 0.02 * height as f32 * (2.0 * t).sin());
            let mut frame = RgbImage::from_pixel(width, height, image::Rgb([90, 100, 110]));
            let x = 0.5 * width as f32 - ASTRONAUT.0 * scale + dx;
            let y = 0.5 * height as f32 - ASTRONAUT.1 * scale + dy;
            imageops::overlay(&mut frame, &scaled, x as i64, y as i64);
            frame
        })
        .collect()
}

/// A picture with `faces` of the astronaut's faces, each `face` pixels wide, in two rows.
pub fn crowd(width: u32, height: u32, face: f32, faces: usize) -> RgbImage {
    if faces <= 1 {
        return pictures(width, height, face, 1).remove(0);
    }
    let columns = faces.div_ceil(2) as u32;
    let tile = pictures(width / columns, height / 2, face, 1).remove(0);
    let mut crowd = RgbImage::from_pixel(width, height, image::Rgb([90, 100, 110]));
    for i in 0..faces as u32 {
        let (x, y) = (i % columns * tile.width(), i / columns * tile.height());
        imageops::replace(&mut crowd, &tile, x.into(), y.into());
    }
    crowd
}

/// BT.709 limited-range NV12, planes packed one after the other.
pub fn nv12(image: &RgbImage) -> Vec<u8> {
    let (w, h) = (image.width() as usize, image.height() as usize);
    let mut out = vec![0; w * h * 3 / 2];
    let (luma, chroma) = out.split_at_mut(w * h);
    for (i, p) in image.pixels().enumerate() {
        let [r, g, b] = p.0.map(f32::from);
        luma[i] = (16.5 + 0.1826 * r + 0.6142 * g + 0.0620 * b) as u8;
        let (x, y) = (i % w, i / w);
        if x % 2 == 0 && y % 2 == 0 {
            let at = y / 2 * w + x;
            chroma[at] = (128.5 - 0.1006 * r - 0.3386 * g + 0.4392 * b) as u8;
            chroma[at + 1] = (128.5 + 0.4392 * r - 0.3989 * g - 0.0403 * b) as u8;
        }
    }
    out
}

/// The picture as `info` says.
pub fn convert(image: &RgbImage, info: &gst_video::VideoInfo) -> Vec<u8> {
    let rgb = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, image.width(), image.height())
        .fps(info.fps())
        .build()
        .expect("a size that GStreamer knows");
    let row = 3 * image.width() as usize;
    let mut data = vec![0; rgb.size()];
    for (to, from) in data.chunks_exact_mut(rgb.stride()[0] as usize).zip(image.chunks_exact(row)) {
        to[..row].copy_from_slice(from);
    }
    let from = gst_video::VideoFrame::from_buffer_readable(gst::Buffer::from_slice(data), &rgb);
    let buffer = gst::Buffer::with_size(info.size()).expect("memory for a frame");
    let to = gst_video::VideoFrame::from_buffer_writable(buffer, info);
    let mut to = to.expect("a frame of that format");
    let converter = gst_video::VideoConverter::new(&rgb, info, None).expect("a format to convert to");
    converter.frame(&from.expect("an RGB frame"), &mut to);
    to.into_buffer().map_readable().expect("a frame to read").to_vec()
}
