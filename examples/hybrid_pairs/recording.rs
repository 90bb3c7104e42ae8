//! Clips that show a camera's picture beside a network's, and the network's half played back.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use gstfaceswap::{
    engine::{KeyCrop, KeySwapper, NetworkFacts, geometry::Point},
    models::Provider,
};
use image::{GenericImage, RgbImage, imageops};

use super::clip::Clip;

/// Pixels a side of the crops: more than the recordings hold, so that cropping costs little.
pub const SIDE: usize = 384;

/// The recordings are of full range and name no matrix, for which GStreamer would take limited range.
const FULL_RANGE: &str = "capssetter caps=video/x-raw,colorimetry=1:4:0:0";

/// One clip's halves.
#[derive(Debug)]
pub struct Pair {
    pub name: String,
    pub camera: Vec<RgbImage>,
    pub network: Vec<RgbImage>,
    pub times: Vec<Duration>,
}

impl Pair {
    pub fn read(path: &Path) -> Result<Pair> {
        let clip = Clip::read_through(path, FULL_RANGE)?;
        let half = |frame: &RgbImage, right: u32| {
            let width = frame.width() / 2;
            imageops::crop_imm(frame, right * width, 0, width, frame.height()).to_image()
        };
        Ok(Pair {
            camera: clip.frames.iter().map(|frame| half(frame, 0)).collect(),
            network: clip.frames.iter().map(|frame| half(frame, 1)).collect(),
            name: clip.name,
            times: clip.times,
        })
    }
}

/// The clips of a folder, by name.
pub fn clips(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "mp4"));
    paths.sort();
    if paths.is_empty() {
        bail!("{}: holds no .mp4 file", folder.display());
    }
    Ok(paths)
}

pub fn facts() -> NetworkFacts {
    NetworkFacts {
        name: "recording".into(),
        sha256: String::new(),
        licence: "recorded".into(),
        provider: Provider::Cpu,
        measured: None,
        batch: 1,
    }
}

/// Gives what the network gave for a crop's frame.
#[derive(Debug)]
pub struct Player {
    pair: Arc<Pair>,
}

impl Player {
    pub fn new(pair: Arc<Pair>) -> Player {
        Player { pair }
    }
}

impl KeySwapper for Player {
    fn swap(&mut self, crop: &KeyCrop<'_>, out: &mut [f32]) -> Result<(), String> {
        let number = self.pair.times.iter().position(|time| *time == crop.time);
        let frame = &self.pair.network[number.ok_or("no frame of that time was recorded")?];
        let area = crop.side * crop.side;
        for at in 0..area {
            let (x, y) = (at % crop.side, at / crop.side);
            let colour = bilinear(frame, crop.map.apply(Point::new(x as f32 + 0.5, y as f32 + 0.5)));
            (0..3).for_each(|k| out[k * area + at] = colour[k]);
        }
        Ok(())
    }
}

/// The frame's edge is repeated outside it.
fn bilinear(frame: &RgbImage, at: Point) -> [f32; 3] {
    let (width, height) = frame.dimensions();
    let x = (at.x - 0.5).clamp(0.0, width as f32 - 1.001);
    let y = (at.y - 0.5).clamp(0.0, height as f32 - 1.001);
    let (i, j) = (x as u32, y as u32);
    let (u, v) = (x.fract(), y.fract());
    let pixel = |x, y| frame.get_pixel(x, y).0.map(f32::from);
    let (a, b, c, d) = (pixel(i, j), pixel(i + 1, j), pixel(i, j + 1), pixel(i + 1, j + 1));
    std::array::from_fn(|k| {
        let top = a[k] + u * (b[k] - a[k]);
        let low = c[k] + u * (d[k] - c[k]);
        top + v * (low - top)
    })
}

/// Pictures of one height in a row.
pub fn side_by_side(pictures: &[&RgbImage]) -> RgbImage {
    let width = pictures.iter().map(|p| p.width()).sum();
    let height = pictures.iter().map(|p| p.height()).max().unwrap_or(0);
    let mut row = RgbImage::new(width, height);
    let mut x = 0;
    for picture in pictures {
        // It fits: the row was made for it.
        let _ = row.copy_from(*picture, x, 0);
        x += picture.width();
    }
    row
}
