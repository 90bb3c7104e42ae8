//! The oracle against NumPy's answer, `golden/neural.py`.

use gstfaceswap::engine::geometry::Point;
use serde::Deserialize;

use crate::{
    common::astronaut,
    enhancers::{ENHANCERS, enhanced},
    oracle::{Photo, align, box_mask, gains, occlusion_mask, paste, region_mask, swapped},
    standin::families,
};

#[derive(Deserialize)]
struct Golden {
    points: [[f32; 2]; 5],
    family: Vec<Row>,
    mask: Vec<Masked>,
    enhancer: Vec<Enhanced>,
}

#[derive(Deserialize)]
struct Enhanced {
    file: String,
    /// x, y, R, G, B.
    crop: Vec<[f64; 5]>,
    frame: Vec<[f64; 5]>,
}

#[derive(Deserialize)]
struct Masked {
    name: String,
    /// x, y, mask.
    at: Vec<[f64; 3]>,
}

#[derive(Deserialize)]
struct Row {
    file: String,
    gains: [f64; 3],
    /// x, y, R, G, B.
    crop: Vec<[f64; 5]>,
    frame: Vec<[f64; 5]>,
}

#[test]
fn the_oracle_agrees_with_numpy() {
    let golden: Golden = toml::from_str(include_str!("../golden/neural.toml")).unwrap();
    let points = golden.points.map(|[x, y]| Point::new(x, y));
    let photo = Photo::open(&astronaut());
    assert_eq!(golden.family.len(), 8);
    for row in &golden.family {
        let family = families().into_iter().find(|family| family.file == row.file).unwrap();
        let gains = gains(&family, &[(&photo, points)]);
        let apart = (0..3).map(|c| (gains[c] - row.gains[c]).abs()).fold(0.0, f64::max);
        assert!(apart < 2e-6, "{}: {gains:?}, NumPy {:?}", row.file, row.gains);
        let side = family.swap.size;
        let map = align(family.template, &points, side);
        let crop = swapped(&family.swap, &photo, map, 1, gains);
        for &[x, y, r, g, b] in &row.crop {
            let given = crop[y as usize * side + x as usize];
            let apart = given.iter().zip([r, g, b]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart < 1e-3, "{} at {x}, {y}: {given:?}, NumPy {:?}", row.file, [r, g, b]);
        }
        let (frame, _) = paste(&photo, map, side, &crop, &box_mask(side, 0.3));
        for &[x, y, r, g, b] in &row.frame {
            let at = 3 * (y as usize * photo.width + x as usize);
            let given = &frame[at..at + 3];
            let apart =
                given.iter().zip([r, g, b]).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(apart <= 1.0, "{} at {x}, {y}: {given:?}, NumPy {:?}", row.file, [r, g, b]);
        }
    }
}

#[test]
fn its_masks_agree_with_numpy() {
    let golden: Golden = toml::from_str(include_str!("../golden/neural.toml")).unwrap();
    let points = golden.points.map(|[x, y]| Point::new(x, y));
    let photo = Photo::open(&astronaut());
    let family = &families()[0];
    let map = align(family.template, &points, 128);
    let crop = swapped(&family.swap, &photo, map, 1, gains(family, &[(&photo, points)]));
    assert_eq!(golden.mask.len(), 2);
    for Masked { name, at } in &golden.mask {
        let mask = match name.as_str() {
            "occlusion" => occlusion_mask(&photo, map, 128),
            _ => region_mask(&crop, 128),
        };
        for &[x, y, value] in at {
            let given = mask[y as usize * 128 + x as usize];
            assert!((given - value).abs() < 1e-3, "{name} at {x}, {y}: {given}, NumPy {value}");
        }
        assert!(at.iter().any(|[_, _, v]| *v > 0.1 && *v < 0.9), "{name} tells nothing");
    }
}

#[test]
fn its_enhancers_agree_with_numpy() {
    let golden: Golden = toml::from_str(include_str!("../golden/neural.toml")).unwrap();
    let points = golden.points.map(|[x, y]| Point::new(x, y));
    let photo = Photo::open(&astronaut());
    assert_eq!(golden.enhancer.len(), ENHANCERS.len());
    for (row, enhancer) in golden.enhancer.iter().zip(ENHANCERS) {
        assert_eq!(row.file, enhancer.file);
        let side = enhancer.size;
        let map = align(enhancer.template, &points, side);
        let crop = enhanced(enhancer, &photo, map);
        let (frame, _) = paste(&photo, map, side, &crop, &box_mask(side, 0.3));
        let apart = |given: [f64; 3], wanted: &[f64]| {
            given.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        for numbers in &row.crop {
            let [x, y, ..] = numbers.map(|v| v as usize);
            let given = crop[y * side + x];
            assert!(apart(given, &numbers[2..]) < 1e-3, "{} at {x}, {y}: {given:?}", row.file);
        }
        for numbers in &row.frame {
            let [x, y, ..] = numbers.map(|v| v as usize);
            let at = 3 * (y * photo.width + x);
            let given = [0, 1, 2].map(|c| f64::from(frame[at + c]));
            assert!(apart(given, &numbers[2..]) <= 1.0, "{} at {x}, {y}: {given:?}", row.file);
        }
    }
}
