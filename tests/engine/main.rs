//! The engine on pictures, without GStreamer. `make models` brings what it needs.

#[path = "../common/mod.rs"]
mod common;

mod agree;
mod cures;
mod expression;
mod formats;
mod frames;
mod hybrid;
mod losses;
mod motion;
mod picture;
mod registration;
mod sources;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use gstfaceswap::{
    engine::{
        Engine, FaceReport, Params, Report, Source, SourceError, SourceLoader, SourceWarning, geometry::Rect,
    },
    models::{Pack, Search},
};
use image::RgbImage;
use picture::Picture;

fn pack() -> Pack {
    common::models();
    Pack::find(&Search::default()).unwrap()
}

fn engine() -> Engine {
    Engine::new(&pack(), 2).unwrap()
}

fn load(paths: &[PathBuf]) -> Result<(Arc<Source>, Vec<SourceWarning>), SourceError> {
    SourceLoader::new(&pack()).unwrap().load(paths)
}

/// Hopper, ready to be put in.
fn hopper() -> Arc<Source> {
    static SOURCE: OnceLock<Arc<Source>> = OnceLock::new();
    SOURCE.get_or_init(|| load(&[common::hopper().into()]).unwrap().0).clone()
}

/// Told by its content: some photos are PNG whatever their name says.
fn photo(path: &str) -> RgbImage {
    let reader = image::ImageReader::open(path).unwrap().with_guessed_format().unwrap();
    reader.decode().unwrap().to_rgb8()
}

/// The astronaut, `side` pixels a side; the face is 0.21 as wide.
fn astronaut(side: u32) -> RgbImage {
    image::imageops::resize(&photo(&common::astronaut()), side, side, image::imageops::FilterType::Triangle)
}

/// A grey picture with `photos` put at their places, cut at its edges.
fn collage(width: u32, height: u32, photos: &[(&RgbImage, i64, i64)]) -> RgbImage {
    let mut picture = RgbImage::from_pixel(width, height, image::Rgb([90, 110, 100]));
    for &(photo, x, y) in photos {
        image::imageops::overlay(&mut picture, photo, x, y);
    }
    picture
}

fn params() -> Params {
    Params { smoothing: 0.0, label: false, ..Params::default() }
}

fn at(frame: u64) -> Duration {
    Duration::from_millis(40 * frame)
}

/// What one frame through an engine left to check.
struct Outcome {
    swapped: usize,
    regions: Vec<Rect>,
    faces: Vec<FaceReport>,
}

impl Outcome {
    fn of(report: &Report) -> Outcome {
        Outcome { swapped: report.swapped, regions: report.regions.clone(), faces: report.faces.clone() }
    }
}

/// One frame through a fresh engine.
fn swap(picture: &mut Picture, source: &Source, params: &Params) -> Outcome {
    Outcome::of(engine().process(&mut picture.frame(), source, params, at(0)).unwrap())
}

/// Bytes that look random and are the same every time.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}
