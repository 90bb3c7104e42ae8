//! Whatever a model puts out, the decoders stay sane.

use proptest::prelude::*;

use super::{candidates::Candidates, place::ToFrame, *};

type Decode = fn(&[&[f32]], &[Grid], (usize, usize), &mut Candidates) -> Result<(), WrongSize>;

const SIZE: (usize, usize) = (64, 32);
const NAN: f32 = f32::NAN;

/// Decoder, its grids, and the length of each of its outputs for an input of `SIZE`.
fn family(index: usize) -> (Decode, Vec<Grid>, Vec<usize>) {
    let levels = |anchors| [8, 16, 32].map(|stride| Grid { stride, anchors }).to_vec();
    let lengths = |anchors: usize, maps: &[usize]| {
        maps.iter().flat_map(|n| [32, 8, 2].map(|cells| cells * anchors * n)).collect()
    };
    match index {
        0 => (centerface::decode, vec![Grid { stride: 4, anchors: 1 }], vec![128, 256, 256, 1280]),
        1 => (yunet::decode, levels(1), lengths(1, &[1, 1, 4, 10])),
        _ => (scrfd::decode, levels(2), lengths(2, &[1, 4, 10])),
    }
}

fn decode(index: usize, maps: &[Vec<f32>], threshold: f32, scale: f32) -> Vec<Detection> {
    let (decode, grids, _) = family(index);
    let maps: Vec<&[f32]> = maps.iter().map(Vec::as_slice).collect();
    let (mut candidates, mut out) = (Candidates::new(), Vec::new());
    candidates.start(threshold, ToFrame { scale, offset: (3.0, 5.0) }, SIZE);
    decode(&maps, &grids, SIZE, &mut candidates).unwrap();
    candidates.finish(0.4, &mut out);
    out
}

fn filled(index: usize, value: impl Fn(usize, usize) -> f32) -> Vec<Vec<f32>> {
    let lengths = family(index).2.into_iter().enumerate();
    lengths.map(|(map, n)| (0..n).map(|i| value(map, i)).collect()).collect()
}

fn assert_sane(found: &[Detection]) {
    for (i, face) in found.iter().enumerate() {
        assert!(face.rect.is_finite() && face.rect.width > 0.0 && face.rect.height > 0.0, "{face:?}");
        assert!((0.0..=1.0).contains(&face.score), "{face:?}");
        assert!(face.points.iter().all(|p| p.x.is_finite() && p.y.is_finite()), "{face:?}");
        assert!(found[..i].iter().all(|better| better.rect.iou(face.rect) <= 0.4), "{face:?}");
        assert!(i == 0 || found[i - 1].score >= face.score);
    }
}

fn any_float() -> impl Strategy<Value = f32> {
    prop_oneof![
        any::<u32>().prop_map(f32::from_bits),
        -4.0f32..4.0,
        Just(NAN),
        Just(f32::INFINITY),
        Just(f32::MAX),
        Just(-0.0)
    ]
}

proptest! {
    #[test]
    fn any_bits_give_sane_faces(
        index in 0usize..3,
        pool in prop::collection::vec(any_float(), 64),
        step in 1usize..63,
        threshold in prop_oneof![0.0f32..1.0, any_float()],
        scale in 0.01f32..100.0,
    ) {
        let maps = filled(index, |map, i| pool[(map * 7 + i * step + i / 64) % pool.len()]);
        assert_sane(&decode(index, &maps, threshold, scale));
    }
}

#[test]
fn the_same_bad_value_everywhere_is_harmless() {
    for index in 0..3 {
        for value in
            [NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, -1.0, 0.0, 1.0, 1e-40, 88.0, 100.0]
        {
            assert_sane(&decode(index, &filled(index, |_, _| value), 0.0, 2.0));
            let scored = filled(index, |map, _| if map == 0 { 0.9 } else { value });
            assert_sane(&decode(index, &scored, 0.5, 1e30));
        }
    }
}

#[test]
fn outputs_of_another_size_are_named() {
    for index in 0..3 {
        let (decode, grids, lengths) = family(index);
        let mut maps = filled(index, |_, _| 0.0);
        let last = lengths.len() - 1;
        maps[last].pop();
        let maps: Vec<&[f32]> = maps.iter().map(Vec::as_slice).collect();
        let wrong = decode(&maps, &grids, SIZE, &mut Candidates::new()).unwrap_err();
        assert_eq!(wrong.output, last);
        assert!(decode(&[], &grids, SIZE, &mut Candidates::new()).is_err());
    }
}

#[test]
fn the_best_512_candidates_are_kept_without_growing() {
    let (mut candidates, mut out) = (Candidates::new(), Vec::new());
    candidates.start(0.0, ToFrame { scale: 1.0, offset: (0.0, 0.0) }, (4000, 4000));
    for i in 0..3000u32 {
        let i = i.wrapping_mul(7919) % 3000;
        let rect = Rect::new((i % 60) as f32 * 60.0, (i / 60) as f32 * 60.0, 50.0, 50.0);
        candidates.offer(i as f32 / 3000.0, rect, [rect.centre(); 5]);
    }
    candidates.finish(0.4, &mut out);
    assert_eq!(out.len(), 512);
    assert!(out.iter().enumerate().all(|(i, face)| face.score == (2999 - i) as f32 / 3000.0));
}

#[test]
fn one_cell_of_each_family_in_closed_form() {
    // CenterFace: row 2, column 5, size e^1·4 × e^0.5·4 (w × h), centre (5.25 + .5, 2 + .5)·4.
    let cell = 2 * 16 + 5;
    let maps = filled(0, |map, i| match (map, i) {
        (0, i) if i == cell => 0.8,
        (1, i) if i == cell => 0.5,
        (1, i) if i == 128 + cell => 1.0,
        (2, i) if i == 128 + cell => 0.25,
        (3, i) if i == 128 + cell => 0.5,
        _ => 0.0,
    });
    let face = decode(0, &maps, 0.5, 2.0)[0];
    let (w, h) = (4.0 * 1f32.exp(), 4.0 * 0.5f32.exp());
    let (x, y) = (23.0 - w / 2.0, 10.0 - h / 2.0);
    near(face.rect, Rect::new((x - 3.0) * 2.0, (y - 5.0) * 2.0, w * 2.0, h * 2.0));
    assert!((face.points[0].x - (x + 0.5 * w - 3.0) * 2.0).abs() < 1e-3);
    assert!((face.points[0].y - (y - 5.0) * 2.0).abs() < 1e-3);

    // YuNet, stride 16: row 1, column 2, score √(.9·.4).
    let maps = filled(1, |map, i| match (map, i) {
        (1, 6) => 0.9,
        (4, 6) => 0.4,
        (7, 24..=27) => [0.5, 0.25, 0.0, 0.5][i - 24],
        (10, 60..=69) => 0.1 * (i - 60) as f32,
        _ => 0.0,
    });
    let face = decode(1, &maps, 0.5, 1.0)[0];
    let (w, h) = (16.0, 16.0 * 0.5f32.exp());
    near(face.rect, Rect::new(40.0 - w / 2.0 - 3.0, 20.0 - h / 2.0 - 5.0, w, h));
    assert!((face.score - 0.6).abs() < 1e-6);
    assert!((face.points[4].x - (2.8 * 16.0 - 3.0)).abs() < 1e-3);

    // SCRFD, stride 32: second anchor of column 1.
    let maps = filled(2, |map, i| match (map, i) {
        (2, 3) => 0.7,
        (5, 12..=15) => [0.5, -0.25, 0.5, 0.75][i - 12],
        (8, 31) => 0.5,
        _ => 0.0,
    });
    let face = decode(2, &maps, 0.5, 1.0)[0];
    near(face.rect, Rect::new(16.0 - 3.0, 8.0 - 5.0, 32.0, 16.0));
    assert_eq!(face.points[0], Point::new(32.0 - 3.0, 16.0 - 5.0));
}

fn near(a: Rect, b: Rect) {
    let pairs = [(a.x, b.x), (a.y, b.y), (a.width, b.width), (a.height, b.height)];
    assert!(pairs.iter().all(|(a, b)| (a - b).abs() < 1e-3), "{a:?} {b:?}");
}
