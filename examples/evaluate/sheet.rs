//! Contact sheets.

use std::path::Path;

use anyhow::{Context, Result};
use gstfaceswap::engine::geometry::{Point, Similarity};
use image::{RgbImage, imageops};

use crate::judge::{Seen, warp};

/// Pixels a side of one picture.
const TILE: u32 = 160;
/// Pictures side by side before the next band begins.
const ACROSS: usize = 12;

/// The upright square around a face.
pub fn tile(picture: &RgbImage, face: &Seen) -> RgbImage {
    let middle = face.crop.apply(Point::new(96.0, 96.0));
    let map = Similarity::crop(middle, 192.0 * face.crop.scale(), 0.0, TILE as f32);
    let mut tile = RgbImage::new(TILE, TILE);
    let pixels: &mut [u8] = &mut tile;
    warp(picture, map, TILE as usize, |at, v| pixels[at] = v.round() as u8);
    tile
}

/// Columns of pictures, in bands.
pub fn bands(columns: &[Vec<&RgbImage>], path: &Path) -> Result<()> {
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let bands = columns.len().div_ceil(ACROSS);
    let (width, height) = (columns.len().min(ACROSS) as u32 * TILE, (bands * rows) as u32 * TILE);
    let mut sheet = RgbImage::new(width.max(1), height.max(1));
    for (i, column) in columns.iter().enumerate() {
        for (j, tile) in column.iter().enumerate() {
            let (x, y) = (i % ACROSS, i / ACROSS * rows + j);
            imageops::replace(&mut sheet, *tile, (x as u32 * TILE).into(), (y as u32 * TILE).into());
        }
    }
    sheet.save(path).with_context(|| path.display().to_string())
}

/// Rows of pictures.
pub fn rows(rows: &[Vec<&RgbImage>], path: &Path) -> Result<()> {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut sheet = RgbImage::new((width as u32 * TILE).max(1), (rows.len() as u32 * TILE).max(1));
    for (y, row) in rows.iter().enumerate() {
        for (x, tile) in row.iter().enumerate() {
            imageops::replace(&mut sheet, *tile, i64::from(x as u32 * TILE), i64::from(y as u32 * TILE));
        }
    }
    sheet.save(path).with_context(|| path.display().to_string())
}
