use super::*;
use crate::engine::{params::ColourMatch, swap::mesh::topology::topology};

fn flat(colour: [f32; 3]) -> Box<Colours> {
    Box::new([colour; TRIANGLES])
}

fn run(source: &Colours, target: Box<Colours>, mode: ColourMatch) -> Box<Gains> {
    matched(source, target, mode).0
}

/// The gains, and how likely both are one person's.
fn matched(source: &Colours, target: Box<Colours>, mode: ColourMatch) -> (Box<Gains>, f32) {
    let mut scratch = Scratch { target, ..Scratch::default() };
    scratch.seen.fill(true);
    let mut low = Box::new([[0.0; 3]; VERTICES]);
    scratch.lows(source, |_| 1.0, &mut low);
    let mut out = Box::new([[0.0; 6]; VERTICES]);
    let alike = gains(Source { low: &low, detail: &[[0.0; 3]; TRIANGLES] }, mode, &mut scratch, &mut out);
    (out, alike)
}

/// Away from the mask's edge, which takes the target's colour.
fn inside(gains: &Gains) -> impl Iterator<Item = &[f32; 6]> {
    gains.iter().zip(&topology().ring).filter(|(_, ring)| **ring > 3).map(|(gain, _)| gain)
}

#[test]
fn same_light_gives_the_same_colours() {
    for mode in [ColourMatch::None, ColourMatch::Mean, ColourMatch::Light] {
        let out = run(&flat([180.0, 140.0, 120.0]), flat([180.0, 140.0, 120.0]), mode);
        for g in out.iter() {
            let off = (0..4).map(|k| (g[k] - [1.0, 180.0, 140.0, 120.0][k]).abs()).fold(0.0, f32::max);
            assert!(off < 1e-2, "{mode:?} {g:?}");
        }
    }
}

#[test]
fn a_tint_is_followed_in_every_channel() {
    for mode in [ColourMatch::Mean, ColourMatch::Light] {
        let out = run(&flat([100.0; 3]), flat([120.0, 100.0, 80.0]), mode);
        for g in out.iter() {
            assert!((g[1] - 120.0).abs() < 0.5 && (g[3] - 80.0).abs() < 0.5, "{mode:?} {g:?}");
        }
    }
}

#[test]
fn a_much_brighter_target_does_not_bleach_the_source() {
    let out = run(&flat([70.0; 3]), flat([200.0; 3]), ColourMatch::Light);
    assert!(inside(&out).all(|g| g[1] > 150.0 && g[1] < 190.0 && g[0] < 1.8), "{:?}", out[1]);
    let out = run(&flat([200.0; 3]), flat([70.0; 3]), ColourMatch::Light);
    assert!(inside(&out).all(|g| g[1] > 75.0 && g[1] < 120.0 && g[0] < 0.75), "{:?}", out[1]);
}

#[test]
fn side_light_darkens_one_side() {
    let t = topology();
    let mut target = flat([150.0; 3]);
    for (tri, c) in t.triangles.iter().zip(target.iter_mut()) {
        let x: f32 = tri.iter().map(|&v| t.canonical[usize::from(v)][0]).sum::<f32>() / 3.0;
        *c = [150.0 * (0.85 + 0.6 * x); 3];
    }
    let out = run(&flat([150.0; 3]), target, ColourMatch::Light);
    let (left, right) = (out[50][1], out[280][1]);
    assert!(right - left > 25.0, "{left} {right}");
}

/// On one cheek of the canonical face.
fn beside(p: [f32; 3]) -> bool {
    (p[0] - 0.25).hypot(p[1] + 0.05) < 0.15
}

/// Skin of one brightness with a patch of another, and on the other cheek what makes it another person's.
fn patched(patch: f32, other_person: bool) -> Box<Colours> {
    let t = topology();
    let mut face = flat([150.0; 3]);
    for (tri, c) in t.triangles.iter().zip(face.iter_mut()) {
        let any = |on: fn([f32; 3]) -> bool| tri.iter().any(|&v| on(t.canonical[usize::from(v)]));
        if any(beside) {
            *c = [patch; 3];
        } else if other_person && any(|p| p[0] < -0.1) {
            *c = [185.0, 145.0, 105.0];
        }
    }
    face
}

/// The mean brightness of the patch in the swap, less that of the skin.
fn on_patch(source: &Colours, target: Box<Colours>) -> f32 {
    let out = run(source, target, ColourMatch::Light);
    let patch = (0..VERTICES).filter(|&v| beside(topology().canonical[v]));
    patch.clone().map(|v| out[v][1] - 150.0).sum::<f32>() / patch.count() as f32
}

#[test]
fn of_another_person_a_dark_patch_is_a_feature_and_of_the_same_a_shadow() {
    let of = |other| on_patch(&flat([150.0; 3]), patched(100.0, other));
    let (same, other) = (of(false), of(true));
    assert!(other > -34.0 && same < other - 5.0, "{same} {other}");
}

#[test]
fn one_person_in_another_light_is_told_from_another_person() {
    let alike = |target, mode| matched(&flat([150.0; 3]), target, mode).1;
    assert!(alike(flat([90.0, 80.0, 70.0]), ColourMatch::Light) > 0.95);
    assert!(alike(patched(150.0, true), ColourMatch::Light) < 0.3);
    assert_eq!(alike(flat([150.0; 3]), ColourMatch::None), 0.0, "nothing was compared");
}

#[test]
fn of_another_person_a_bright_patch_leaves_with_the_source_s_light_and_a_dark_one_stays() {
    let of = |level, other| on_patch(&patched(level, other), flat([150.0; 3]));
    let (bright, dark) = (of(190.0, true), of(118.0, true));
    assert!(dark < -5.0 && bright < -0.7 * dark, "{bright} {dark}");
    assert!(of(118.0, false) > 0.4 * dark, "of the same person it is a shadow: {}", of(118.0, false));
}

/// What is left of the swap on a face that is black where `hairy` has a triangle's middle: at each vertex 0 to 1.
fn shown_beside(hairy: impl Fn(f32, f32) -> bool) -> Vec<f32> {
    let t = topology();
    let mut target = flat([150.0; 3]);
    for (tri, c) in t.triangles.iter().zip(target.iter_mut()) {
        let middle = |k: usize| tri.iter().map(|&v| t.canonical[usize::from(v)][k]).sum::<f32>() / 3.0;
        if hairy(middle(0), middle(1)) {
            *c = [20.0; 3];
        }
    }
    let out = run(&flat([150.0; 3]), target, ColourMatch::Light);
    let darkest = out.iter().map(|g| g[1]).fold(255.0, f32::min);
    assert!(darkest > 120.0, "{darkest}");
    out.iter().map(|g| g[4]).collect()
}

#[test]
fn hair_on_the_forehead_and_a_beard_that_goes_on_below_lie_over_the_swap() {
    let t = topology();
    let fringe = shown_beside(|_, y| y < -0.45);
    assert!(fringe.iter().filter(|s| **s < 0.1).count() > 10);
    assert!(t.canonical.iter().zip(&fringe).all(|(p, shown)| p[1] < 0.0 || *shown == 1.0));
    const CHIN: usize = 152;
    let beard = shown_beside(|_, y| y > 0.38);
    assert!(beard[CHIN] < 0.1, "{}", beard[CHIN]);
    assert!(t.lips_outer.iter().all(|&v| beard[usize::from(v)] == 1.0));
    assert!(t.canonical.iter().zip(&beard).all(|(p, shown)| p[1] > 0.25 || *shown == 1.0));
}

#[test]
fn a_shadow_on_one_side_of_the_chin_and_stubble_inside_the_oval_are_no_beard() {
    let t = topology();
    assert!(shown_beside(|x, y| y > 0.38 && x > 0.0).iter().all(|shown| *shown == 1.0));
    let ring = |x: f32, y: f32| {
        let near =
            |v: &u16| (t.canonical[usize::from(*v)][0] - x).hypot(t.canonical[usize::from(*v)][1] - y) < 0.06;
        t.oval.iter().any(near)
    };
    assert!(shown_beside(|x, y| y > 0.38 && !ring(x, y)).iter().all(|shown| *shown == 1.0));
}

/// A face of medium skin with another colour at the mask's edge.
fn edged(colour: [f32; 3]) -> Box<Colours> {
    let t = topology();
    let mut target = flat([170.0, 130.0, 110.0]);
    for (target, tri) in target.iter_mut().zip(&t.triangles) {
        if tri.iter().any(|&v| t.ring[usize::from(v)] == 0) {
            *target = colour;
        }
    }
    target
}

#[test]
fn the_edge_takes_the_colour_of_the_skin_around_it() {
    let out = run(&flat([60.0, 40.0, 30.0]), edged([200.0, 160.0, 140.0]), ColourMatch::Light);
    let t = topology();
    let edge = |v: &u16| {
        (out[usize::from(*v)][1] - 200.0).abs() < 10.0 && (out[usize::from(*v)][3] - 140.0).abs() < 10.0
    };
    assert!(t.oval.iter().all(edge), "{:?}", t.oval.iter().map(|&v| out[usize::from(v)]).collect::<Vec<_>>());
    assert!(out[1][1] < 165.0, "the nose keeps its complexion: {:?}", out[1]);
}

#[test]
fn hair_at_the_edge_does_not_darken_it() {
    let out = run(&flat([170.0, 130.0, 110.0]), edged([20.0; 3]), ColourMatch::Light);
    assert!(out.iter().all(|g| g[1] > 160.0), "{:?}", out.iter().map(|g| g[1]).fold(255.0, f32::min));
}

#[test]
fn cloth_at_the_edge_does_not_tint_it() {
    // As bright as the skin, and blue.
    let out = run(&flat([170.0, 130.0, 110.0]), edged([90.0, 140.0, 240.0]), ColourMatch::Light);
    let most = out.iter().map(|g| g[3]).fold(0.0, f32::max);
    assert!(most < 122.0, "{most}");
}

#[test]
fn highlights_fit_into_the_room_that_a_bright_face_leaves() {
    let source = [110.0, 90.0, 80.0];
    let bright = run(&flat(source), flat([240.0, 225.0, 220.0]), ColourMatch::Light);
    assert!(bright.iter().all(|g| g[5] < 0.5), "{}", bright[1][5]);
    let same = run(&flat(source), flat(source), ColourMatch::Light);
    assert!(same.iter().all(|g| g[5] > 0.999));
}

#[test]
fn harsh_skin_is_calmed_where_the_target_is_smooth_and_its_brows_hardly() {
    let mut detail = flat([0.0; 3]);
    detail.iter_mut().enumerate().for_each(|(i, d)| d[0] = if i % 2 == 0 { 25.0 } else { -25.0 });
    let low = Box::new([[150.0, 120.0, 100.0]; VERTICES]);
    let gains_on = |target: Box<Colours>| {
        let mut scratch = Scratch { target, ..Scratch::default() };
        scratch.seen.fill(true);
        let mut out = Box::new([[0.0; 6]; VERTICES]);
        gains(Source { low: &low, detail: &detail }, ColourMatch::Light, &mut scratch, &mut out);
        out
    };
    let t = topology();
    let cheek = 50;
    let brow = usize::from(t.left_brow[2]);
    let smooth = gains_on(flat([150.0, 120.0, 100.0]));
    assert!(smooth[cheek][0] < 0.6 && smooth[brow][0] > 0.85, "{:?} {:?}", smooth[cheek], smooth[brow]);
    let mut rough = flat([150.0, 120.0, 100.0]);
    rough.iter_mut().zip(detail.iter()).for_each(|(c, d)| *c = c.map(|c| c + d[0]));
    let alike = gains_on(rough);
    assert!(alike[cheek][0] > 0.9, "{:?}", alike[cheek]);
}
