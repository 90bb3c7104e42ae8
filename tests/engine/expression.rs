//! Whoever is put in, the expression stays the picture's: a smiling photo on a closed mouth, and the
//! reverse.

use gstfaceswap::engine::{Params, PixelFormat, geometry::Point};
use image::RgbImage;

use super::{astronaut, at, common, engine, hopper, load, params, photo, picture::Picture};
use crate::common::{film::ffmpeg, folder, shared};

/// Of the mouth, in distances of the outer corners of the eyes: how far it is open, how wide it is, how far its
/// corners are above the middle of its lips.
fn mouth(points: &[Point]) -> [f32; 3] {
    let eyes = points[33].distance(points[263]);
    let [right, left, upper, lower] = [61, 291, 13, 14].map(|v: usize| points[v]);
    // Down the face, so that a tilted head does not count.
    let (across, size) = (left.x - right.x, left.distance(right));
    let down = |p: Point| ((p.y - right.y) * across - (p.x - right.x) * (left.y - right.y)) / size.max(1.0);
    [upper.distance(lower) / eyes, size / eyes, 0.5 * (down(upper) + down(lower)) / eyes]
}

/// The mouth that an engine which knows nothing of the picture sees in it.
fn seen(image: &RgbImage) -> [f32; 3] {
    let mut picture = Picture::of(image, PixelFormat::Rgb, 0);
    let params = Params { opacity: 0.0, ..params() };
    let mut engine = engine();
    let report = engine.process(&mut picture.frame(), &hopper(), &params, at(0)).unwrap();
    mouth(&report.faces[0].landmarks)
}

#[test]
fn a_smile_is_the_pictures_and_not_the_photos() {
    let (smiling, earnest) = (astronaut(900), photo(&common::hopper()));
    let (open, closed) = (seen(&smiling), seen(&earnest));
    let apart: f32 = open[0] - closed[0];
    println!("smiling {open:.3?}, earnest {closed:.3?}");
    assert!(apart > 0.05, "{apart}");
    for (path, image, own, other) in
        [(common::astronaut(), &earnest, closed, open), (common::hopper(), &smiling, open, closed)]
    {
        let (source, _) = load(&[path.into()]).unwrap();
        for shape in [0.0, 0.5] {
            let mut picture = Picture::of(image, PixelFormat::Rgb, 0);
            let params = Params { shape, ..params() };
            assert_eq!(engine().process(&mut picture.frame(), &source, &params, at(0)).unwrap().swapped, 1);
            let swapped = seen(&picture.image());
            println!("shape {shape}: {swapped:.3?}");
            assert!((swapped[0] - own[0]).abs() < 0.25 * apart, "open {swapped:?}, was {own:?}");
            assert!((swapped[2] - own[2]).abs() < 0.35 * (other[2] - own[2]).abs().max(0.04), "{swapped:?}");
            assert!((swapped[1] / own[1] - 1.0).abs() < 0.08, "wide {swapped:?}, was {own:?}");
        }
    }
}

/// Of the middles of both eyes' openings, how many the swap drew over.
fn drawn_between_lids(image: &RgbImage) -> usize {
    // Upper margins, each with the lower one below it.
    const LIDS: [[usize; 2]; 6] = [[160, 144], [159, 145], [158, 153], [387, 373], [386, 374], [385, 380]];
    let mut picture = Picture::of(image, PixelFormat::Rgb, 0);
    let params = Params { shape: 0.0, ..params() };
    let mut engine = engine();
    let report = engine.process(&mut picture.frame(), &hopper(), &params, at(0)).unwrap();
    assert_eq!(report.swapped, 1);
    let points = report.faces[0].landmarks.to_vec();
    let swapped = picture.image();
    let changed = |[upper, lower]: [usize; 2]| {
        let middle = |a: f32, b: f32| (0.5 * (a + b)) as u32;
        let (x, y) = (middle(points[upper].x, points[lower].x), middle(points[upper].y, points[lower].y));
        let (before, after) = (image.get_pixel(x, y).0, swapped.get_pixel(x, y).0);
        (0..3).any(|k| before[k].abs_diff(after[k]) > 6)
    };
    LIDS.into_iter().filter(|&pair| changed(pair)).count()
}

#[test]
fn a_shut_eye_is_shut_and_an_open_one_is_the_pictures() {
    // In a blink; and beside it: half open, looking aside, open, and behind a lens that gleams. What is drawn may be
    // of the picture's colour by chance.
    let clips: [(&str, &[u32], &[u32]); 2] =
        [("talk_d14", &[198, 202], &[182, 209, 230]), ("talk_d12", &[136], &[24, 104, 120, 124])];
    for (name, shut, open) in clips {
        let Some(clip) = shared(&format!("clips/{name}.mp4")) else { return };
        let still = |number: u32| {
            let file = folder("shut-eyes").join(format!("{name}-{number}.png"));
            let picked = format!("-vf select=eq(n\\,{number}) -frames:v 1");
            ffmpeg(&format!("-i {} {picked} {}", clip.display(), file.display()));
            photo(file.to_str().unwrap())
        };
        for &number in shut {
            let drawn = drawn_between_lids(&still(number));
            assert!(drawn >= 4, "{name}, frame {number}: {drawn}");
        }
        for &number in open {
            assert_eq!(drawn_between_lids(&still(number)), 0, "{name}, frame {number}");
        }
    }
}
