//! The mesh goes with the head: it neither trembles where the head is still nor trails where it moves.

use std::f32::consts::TAU;

use gstfaceswap::engine::{Params, PixelFormat, geometry::Point};
use image::{Rgb, RgbImage, imageops};

use super::{astronaut, at, engine, hopper, params, picture::Picture};

const FRAMES: u64 = 75;
const SETTLED: u64 = 25;
const SIZE: u32 = 480;

/// `big` at a quarter of its size, shifted by so many pixels of the result, with a camera's noise.
fn shown(big: &RgbImage, (dx, dy): (f32, f32), seed: &mut u32) -> RgbImage {
    let margin = (big.width() - 4 * SIZE) as f32 / 2.0;
    let (x, y) = ((margin - 4.0 * dx).round() as u32, (margin - 4.0 * dy).round() as u32);
    let cut = imageops::crop_imm(big, x, y, 4 * SIZE, 4 * SIZE).to_image();
    let mut small = imageops::resize(&cut, SIZE, SIZE, imageops::FilterType::Triangle);
    let mut noise = || {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((*seed >> 8) as f32 / 8_388_608.0 - 1.0) * 8.0
    };
    for Rgb(pixel) in small.pixels_mut() {
        let off = noise();
        pixel.iter_mut().for_each(|v| *v = (f32::from(*v) + off).round().clamp(0.0, 255.0) as u8);
    }
    small
}

/// How far the mesh, less the known motion, is from its mean place, in pixels: trembling and trailing together.
fn error(smoothing: f32, motion: impl Fn(f32) -> (f32, f32)) -> f32 {
    let big = astronaut(4 * SIZE + 320);
    let (source, params) = (hopper(), Params { smoothing, opacity: 0.0, ..params() });
    let (mut engine, mut seed) = (engine(), 1);
    let mut still: Vec<Vec<Point>> = Vec::new();
    for frame in 0..FRAMES {
        let (dx, dy) = motion(frame as f32 / 25.0);
        // Whole pixels of the large picture.
        let (dx, dy) = ((4.0 * dx).round() / 4.0, (4.0 * dy).round() / 4.0);
        let mut picture = Picture::of(&shown(&big, (dx, dy), &mut seed), PixelFormat::Rgb, 0);
        let report = engine.process(&mut picture.frame(), &source, &params, at(frame)).unwrap();
        let mesh = &report.faces[0].landmarks;
        if frame >= SETTLED {
            still.push(mesh.iter().map(|p| Point::new(p.x - dx, p.y - dy)).collect());
        }
    }
    let n = still.len() as f32;
    let mean = |v: usize| {
        let sum = still.iter().fold((0.0, 0.0), |sum, mesh| (sum.0 + mesh[v].x, sum.1 + mesh[v].y));
        Point::new(sum.0 / n, sum.1 / n)
    };
    let off = (0..still[0].len()).map(|v| {
        let mean = mean(v);
        still.iter().map(|mesh| mesh[v].distance(mean)).sum::<f32>() / n
    });
    off.sum::<f32>() / still[0].len() as f32
}

#[test]
fn a_nodding_head_is_followed_without_delay() {
    // 15 pixels either way in half a second, a quarter of the face.
    let nod = |t: f32| (15.0 * (TAU * 0.8 * t).sin(), 10.0 * (TAU * 1.3 * t).sin());
    let (raw, smooth) = (error(0.0, nod), error(0.5, nod));
    println!("raw {raw:.3}, smoothed {smooth:.3} pixels");
    assert!(smooth < 0.8 * raw, "{smooth} of {raw} pixels");
}

#[test]
fn a_still_head_does_not_tremble() {
    let still = |_: f32| (0.0, 0.0);
    let (raw, smooth) = (error(0.0, still), error(0.5, still));
    println!("raw {raw:.3}, smoothed {smooth:.3} pixels");
    assert!(smooth < 0.5 * raw, "{smooth} of {raw} pixels");
}
