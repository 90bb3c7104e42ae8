//! Detectors on photos, against values worked out by tests/golden/detect.py.

mod common;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use gstfaceswap::{
    engine::{
        detect::{Canvas, Detection, Detector, suppress},
        geometry::{Point, Rect},
    },
    models::{Model, Pack, Role, Search},
};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: String,
    photo: String,
    long_side: usize,
    threshold: f32,
    crop: Option<[u32; 4]>,
    placed: String,
    /// Score, box x, y, width, height, five points x, y.
    faces: Vec<[f32; 15]>,
}

fn shared() -> Option<PathBuf> {
    Some(common::shared("")?.join(".."))
}

fn pack() -> Pack {
    Pack::find(&Search::default()).unwrap()
}

fn demo() -> PathBuf {
    pack().landmarker.path.with_file_name("demo")
}

fn photo(path: &Path, crop: Option<[u32; 4]>) -> image::RgbImage {
    // Some photos are PNG whatever their name says.
    let reader = image::ImageReader::open(path).and_then(image::ImageReader::with_guessed_format);
    let photo = reader.map_err(image::ImageError::from).and_then(image::ImageReader::decode);
    let photo = photo.unwrap_or_else(|e| panic!("{}: {e}", path.display())).to_rgb8();
    match crop {
        Some([left, top, right, bottom]) => {
            image::imageops::crop_imm(&photo, left, top, right - left, bottom - top).to_image()
        }
        None => photo,
    }
}

/// Bilinear with pixel centres at half-integers, as detect.py does it.
fn canvas(photo: &image::RgbImage, long_side: usize) -> Canvas {
    let (width, height) = (photo.width() as usize, photo.height() as usize);
    let mut canvas = Canvas::layout(width, height, long_side);
    let scale = width.max(height) as f64 / long_side as f64;
    let tap = |at: usize, size: usize| {
        let position = ((at as f64 + 0.5) * scale - 0.5).clamp(0.0, size as f64 - 1.0);
        (position as u32, (position as usize + 1).min(size - 1) as u32, position.fract())
    };
    let area = canvas.width * canvas.height;
    for y in 0..canvas.content_height {
        let (y0, y1, fy) = tap(y, height);
        for x in 0..canvas.content_width {
            let (x0, x1, fx) = tap(x, width);
            for c in 0..3 {
                let at = |x, y| f64::from(photo.get_pixel(x, y)[c]);
                let top = at(x0, y0) + (at(x1, y0) - at(x0, y0)) * fx;
                let bottom = at(x0, y1) + (at(x1, y1) - at(x0, y1)) * fx;
                canvas.rgb[c * area + y * canvas.width + x] = (top + (bottom - top) * fy) as f32;
            }
        }
    }
    canvas
}

fn detector(file: &str, shared: Option<&Path>) -> Detector {
    let model = match file {
        "centerface.onnx" => pack().detector,
        file => Search::default().at(Role::Detector, &shared.unwrap().join("models").join(file)).unwrap(),
    };
    Detector::load(&model, 1).unwrap()
}

fn compare(case: &Case, found: &[Detection]) {
    let what = format!("{} on {} at {} ({})", case.model, case.photo, case.long_side, case.placed);
    assert_eq!(found.len(), case.faces.len(), "{what}: {found:#?}");
    // JPEG decoders may differ by a level or two; a PNG's pixels are the same everywhere.
    let exact = case.photo.ends_with(".png");
    for wanted in &case.faces {
        let width = wanted[3];
        let centre = |v: &[f32]| Point::new(v[1] + 0.5 * v[3], v[2] + 0.5 * v[4]);
        let off = |face: &&Detection| face.rect.centre().distance(centre(wanted));
        let face = found.iter().min_by(|a, b| off(a).total_cmp(&off(b))).unwrap();
        let mut values =
            vec![face.score * width, face.rect.x, face.rect.y, face.rect.width, face.rect.height];
        values.extend(face.points.iter().flat_map(|p| [p.x, p.y]));
        let mut wanted = wanted.to_vec();
        wanted[0] *= width;
        let worst = values.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let allowed = if exact { 0.004 } else { 0.04 };
        assert!(worst <= allowed * width, "{what}: off by {worst} px: {face:?}, wanted {wanted:?}");
    }
}

#[test]
fn detectors_agree_with_the_golden_values() {
    let shared = shared();
    let golden: Golden = toml::from_str(include_str!("golden/detect.toml")).unwrap();
    let (mut detectors, mut found, mut shrunk) = (HashMap::new(), Vec::new(), 0);
    for case in &golden.case {
        let (folder, name) = case.photo.split_once('/').unwrap();
        let own = folder == "demo" && case.model == "centerface.onnx";
        if !own && shared.is_none() {
            continue;
        }
        let path = match folder {
            "demo" => demo().join(name),
            _ => shared.as_ref().unwrap().join("media/photos").join(name),
        };
        let canvas = canvas(&photo(&path, case.crop), case.long_side);
        let detector =
            detectors.entry(&case.model).or_insert_with(|| detector(&case.model, shared.as_deref()));
        detector.detect(&canvas, case.threshold, &mut found).unwrap();
        compare(case, &found);
        shrunk += usize::from(case.placed == "shrunk");
    }
    assert!(shared.is_none() || shrunk > 0, "no case needs the second look");
}

#[test]
fn threads_change_no_detection() {
    let canvas = canvas(&photo(&demo().join("astronaut.png"), None), 640);
    let found = [1, 8].map(|threads| {
        let mut found = Vec::new();
        Detector::load(&pack().detector, threads).unwrap().detect(&canvas, 0.05, &mut found).unwrap();
        found
    });
    assert!(!found[0].is_empty());
    assert_eq!(found[0], found[1]);
}

#[test]
fn five_points_are_in_screen_order_inside_the_box() {
    let mut detector = Detector::load(&pack().detector, 1).unwrap();
    let mut found = Vec::new();
    for name in ["astronaut.png", "grace_hopper.jpg"] {
        let photo = photo(&demo().join(name), None);
        detector.detect(&canvas(&photo, 480), 0.5, &mut found).unwrap();
        let Detection { rect, points: [left, right, nose, mouth_left, mouth_right], .. } = found[0];
        assert!(left.x < nose.x && nose.x < right.x && mouth_left.x < mouth_right.x, "{name}");
        assert!(
            left.y < nose.y && right.y < nose.y && nose.y < mouth_left.y && nose.y < mouth_right.y,
            "{name}"
        );
        assert!(found[0].points.iter().all(|p| rect.overlap(Rect::new(p.x, p.y, 1.0, 1.0)) > 0.0), "{name}");
        let frame = Rect::new(0.0, 0.0, photo.width() as f32, photo.height() as f32);
        assert!(frame.overlap(rect) > 0.9 * rect.area(), "{name}: {rect:?}");
    }
}

#[test]
fn every_portrait_and_group_is_found_and_nothing_else() {
    let Some(shared) = shared() else { return };
    let mut detector = Detector::load(&pack().detector, 1).unwrap();
    let mut found = Vec::new();
    let mut count = |path: &Path| {
        detector.detect(&canvas(&photo(path, None), 480), 0.5, &mut found).unwrap();
        found.len()
    };
    for entry in std::fs::read_dir(shared.join("media/photos")).unwrap() {
        let path = entry.unwrap().path();
        let faces = match path.file_name().unwrap().to_str().unwrap() {
            "group_6.jpg" => 6,
            "group_7.jpg" => 7,
            "group_dark.jpg" => 3,
            _ => 1,
        };
        assert_eq!(count(&path), faces, "{}", path.display());
    }
    for name in ["animal_s31.jpg", "animal_s38.jpg", "animal_s39.jpg", "mask_blue.jpg"] {
        assert_eq!(count(&shared.join("media/negatives").join(name)), 0, "{name}");
    }
}

#[test]
fn canvases_that_do_not_add_up_and_odd_thresholds_are_no_panic() {
    let mut detector = Detector::load(&pack().detector, 1).unwrap();
    let mut found = Vec::new();
    let good = Canvas::layout(320, 200, 320);
    for bad in [
        Canvas::default(),
        Canvas { rgb: vec![0.0; 7], ..good.clone() },
        Canvas { content_width: 9999, ..good.clone() },
        Canvas { scale: f32::NAN, ..good.clone() },
        Canvas { width: usize::MAX, ..good.clone() },
    ] {
        let error = detector.detect(&bad, 0.5, &mut found).unwrap_err().to_string();
        assert!(error.contains("canvas"), "{error}");
    }
    for threshold in [f32::NAN, f32::INFINITY, -1.0, 0.0, 2.0] {
        detector.detect(&good, threshold, &mut found).unwrap();
        assert!(found.len() <= 512 && found.iter().all(|face| face.rect.is_finite()));
    }
    let mut hostile = good.clone();
    hostile.rgb.iter_mut().enumerate().for_each(|(i, v)| *v = [f32::NAN, f32::INFINITY, -1e30, 255.0][i % 4]);
    detector.detect(&hostile, 0.0, &mut found).unwrap();
    assert!(found.iter().all(|face| face.rect.is_finite()));
}

#[test]
fn a_card_of_another_family_is_refused() {
    let Pack { detector, .. } = pack();
    let mut card = detector.card.as_ref().unwrap().as_ref().clone();
    card.family = "yoloface".into();
    let error =
        Detector::load(&Model { card: Some(card.clone().into()), ..detector.clone() }, 1).unwrap_err();
    assert!(error.to_string().contains("`yoloface`"), "{error}");
    card.family = "centerface".into();
    for strides in [vec![], vec![0], vec![4, 8]] {
        card.decode.strides = strides;
        assert!(Detector::load(&Model { card: Some(card.clone().into()), ..detector.clone() }, 1).is_err());
    }
    card.decode.strides = vec![8];
    let mut wrong = Detector::load(&Model { card: Some(card.into()), ..detector }, 1).unwrap();
    let error = wrong.detect(&Canvas::layout(64, 64, 64), 0.5, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("output 0") && error.contains("centerface.onnx"), "{error}");
}

fn any_detection() -> impl Strategy<Value = Detection> {
    (0.0f32..100.0, 0.0f32..100.0, 1.0f32..60.0, 1.0f32..60.0, 0.0f32..=1.0).prop_map(
        |(x, y, w, h, score)| {
            let rect = Rect::new(x, y, w, h);
            Detection { rect, score, points: [rect.centre(); 5] }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn suppression_keeps_the_best_and_only_what_stands_apart(
        all in prop::collection::vec(any_detection(), 0..60),
        overlap in 0.0f32..1.0,
    ) {
        let mut kept = all.clone();
        suppress(&mut kept, overlap);
        for (i, face) in kept.iter().enumerate() {
            prop_assert!(all.contains(face));
            prop_assert!(i == 0 || kept[i - 1].score >= face.score);
            prop_assert!(kept[..i].iter().all(|better| better.rect.iou(face.rect) <= overlap));
        }
        for face in &all {
            let covered = |k: &Detection| k == face || (k.score >= face.score && k.rect.iou(face.rect) > overlap);
            prop_assert!(kept.iter().any(covered));
        }
        let mut again = kept.clone();
        suppress(&mut again, overlap);
        prop_assert_eq!(&again, &kept);
        let mut reversed: Vec<Detection> = all.iter().rev().copied().collect();
        suppress(&mut reversed, overlap);
        prop_assert_eq!(&reversed, &kept);
    }

    #[test]
    fn canvases_cover_the_frame(width in 1usize..9000, height in 1usize..9000, side in 1usize..20) {
        let side = side * 32;
        let canvas = Canvas::layout(width, height, side);
        prop_assert!(canvas.width.is_multiple_of(32) && canvas.height.is_multiple_of(32));
        prop_assert!((1..=canvas.width).contains(&canvas.content_width));
        prop_assert!((1..=canvas.height).contains(&canvas.content_height));
        prop_assert!(canvas.width - canvas.content_width < 32 && canvas.height - canvas.content_height < 32);
        prop_assert_eq!(canvas.content_width.max(canvas.content_height), side);
        prop_assert!(canvas.is_for(width, height, side) && !canvas.is_for(width, height, side + 32));
        prop_assert_eq!(canvas.rgb.len(), 3 * canvas.width * canvas.height);
        let corner = canvas.to_frame(Point::new(canvas.content_width as f32, canvas.content_height as f32));
        prop_assert!((corner.x - width as f32).abs() <= canvas.scale);
        prop_assert!((corner.y - height as f32).abs() <= canvas.scale);
    }
}
