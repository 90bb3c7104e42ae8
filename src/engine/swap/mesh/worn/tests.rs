use super::*;
use crate::engine::{Colorimetry, PixelFormat, swap::mesh::topology::frontal};

const SIZE: usize = 480;

/// Skin, with `ink` where `line` says so, in face widths.
fn look(line: impl Fn(f32, f32) -> bool, ink: u8) -> Worn {
    let mut data: Vec<u8> = (0..SIZE * SIZE)
        .flat_map(|at| {
            let place = |v: usize| (v as f32 + 0.5 - 240.0) / 300.0;
            [if line(place(at % SIZE), place(at / SIZE)) { ink } else { 150 }; 3]
        })
        .collect();
    let planes = [&mut data[..], &mut [][..], &mut [][..]];
    let strides = [3 * SIZE, 0, 0];
    let frame = Frame::new(PixelFormat::Rgb, SIZE, SIZE, planes, strides, Colorimetry::default());
    let mut worn = Worn::default();
    if let Ok(frame) = frame {
        worn.observe(&frame, &frontal(), Duration::ZERO);
    }
    worn
}

fn glasses(x: f32, y: f32) -> bool {
    let rim = ((x.abs() - 0.22).hypot(y + 0.2) - 0.16).abs() < 0.008;
    rim || (y + 0.24).abs() < 0.008 && x.abs() < 0.08
}

#[test]
fn the_targets_glasses_stay() {
    for ink in [40, 230] {
        let worn = look(glasses, ink);
        assert!(worn.any, "{ink}");
        let level = &worn.keep;
        let shown = level.data.iter().filter(|&&v| v > 200).count() as f32 / level.data.len() as f32;
        assert!((0.02..0.2).contains(&shown), "{shown}");
    }
}

#[test]
fn skin_beside_a_rim_is_the_sources() {
    let worn = look(glasses, 40);
    let stride = SHEET.width + 1;
    let shown = |at: usize| worn.keep.data[at / SHEET.width * stride + at % SHEET.width] > 127;
    let count = |column: &Vec<usize>| column.iter().filter(|&&at| shown(at)).count();
    let mut thick: Vec<usize> = SHEET.cheek_columns.iter().map(count).collect();
    thick.sort_unstable();
    // The rim is two pixels of the sheet wide.
    let median = thick[thick.len() / 2];
    assert!((2..8).contains(&median), "{thick:?}");
}

#[test]
fn a_bare_face_a_crease_and_shade_are_no_glasses() {
    assert!(!look(|_, _| false, 0).any);
    assert!(!look(|x, y| (y + 0.1 - 0.3 * x.abs()).abs() < 0.006 && x.abs() > 0.15, 120).any);
    assert!(!look(|x, _| x > 0.03, 90).any);
}

#[test]
fn another_face_starts_bare() {
    let mut worn = look(glasses, 40);
    worn.forget();
    assert!(!worn.any);
}

#[test]
fn one_look_is_enough_for_a_thin_frame_and_creases_are_none() {
    let thin = |x: f32, y: f32| {
        ((x.abs() - 0.22).hypot(y + 0.2) - 0.16).abs() < 0.006 || (y + 0.24).abs() < 0.006 && x.abs() < 0.08
    };
    assert!(look(thin, 110).is_plain());
    let under_eyes =
        |x: f32, y: f32| (y + 0.08 + 0.2 * (x.abs() - 0.22).powi(2)).abs() < 0.008 && x.abs() > 0.12;
    let frown = |x: f32, y: f32| (x.abs() - 0.03).abs() < 0.01 && y < -0.2;
    assert!(!look(|x, y| under_eyes(x, y) || frown(x, y), 90).is_plain());
    assert!(!Worn::default().is_plain());
}
