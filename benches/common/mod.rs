//! Shared by the benchmarks: frames with a moving face of a given size, and an allocation counter.
#![allow(dead_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use image::{RgbImage, imageops};

/// Counts what Rust code allocates; the runtime's and GStreamer's own allocations go past it.
pub struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

fn count(size: usize) {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(size as u64, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        unsafe { System.realloc(ptr, layout, size) }
    }
}

/// Allocations and bytes since the program began.
pub fn allocated() -> (u64, u64) {
    (ALLOCATIONS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed))
}

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
