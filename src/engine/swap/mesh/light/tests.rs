use super::*;
use crate::engine::{params::ColourMatch, swap::mesh::topology::topology};

fn flat(colour: [f32; 3]) -> Box<Colours> {
    Box::new([colour; TRIANGLES])
}

fn run(source: &Colours, target: Box<Colours>, mode: ColourMatch) -> Box<Gains> {
    let mut scratch = Scratch { target, ..Scratch::default() };
    scratch.seen.fill(true);
    let mut low = Box::new([[0.0; 3]; VERTICES]);
    scratch.lows(source, |_| 1.0, &mut low);
    let mut out = Box::new([[0.0; 6]; VERTICES]);
    gains(Source { low: &low, detail: &[[0.0; 3]; TRIANGLES] }, mode, &mut scratch, &mut out);
    out
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
    assert!(out.iter().all(|g| g[1] > 150.0 && g[1] < 190.0 && g[0] < 1.8), "{:?}", out[1]);
    let out = run(&flat([200.0; 3]), flat([70.0; 3]), ColourMatch::Light);
    assert!(out.iter().all(|g| g[1] > 75.0 && g[1] < 120.0 && g[0] < 0.75), "{:?}", out[1]);
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

#[test]
fn a_dark_patch_of_the_target_is_not_taken_for_light() {
    let t = topology();
    let mut target = flat([150.0; 3]);
    for (tri, c) in t.triangles.iter().zip(target.iter_mut()) {
        let beside = |v: &u16| {
            let p = t.canonical[usize::from(*v)];
            (p[0] - 0.25).hypot(p[1] + 0.05) < 0.15
        };
        if tri.iter().any(beside) {
            *c = [100.0; 3];
        }
    }
    let out = run(&flat([150.0; 3]), target, ColourMatch::Light);
    let darkest = out.iter().map(|g| g[1]).fold(255.0, f32::min);
    assert!(darkest > 113.0, "{darkest}");
}

#[test]
fn hair_on_the_forehead_and_a_beard_count_little() {
    let t = topology();
    for hairy in [|y: f32| y < -0.45, |y: f32| y > 0.25] {
        let mut target = flat([150.0; 3]);
        for (tri, c) in t.triangles.iter().zip(target.iter_mut()) {
            if tri.iter().any(|&v| hairy(t.canonical[usize::from(v)][1])) {
                *c = [20.0; 3];
            }
        }
        let out = run(&flat([150.0; 3]), target, ColourMatch::Light);
        let hidden = out.iter().filter(|g| g[4] < 0.1).count();
        assert_eq!(hidden > 10, hairy(-1.0), "{hidden}");
        let darkest = out.iter().map(|g| g[1]).fold(255.0, f32::min);
        assert!(darkest > 120.0, "{darkest}");
    }
}
