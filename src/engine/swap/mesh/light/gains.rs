//! From one face's slow part to another's.

use super::{
    Gains, Lows, Scratch, Source, features,
    hair::hide_behind_hair,
    luma,
    seam::{Target, calm, close_seam},
    slow::lows,
};
use crate::engine::{params::ColourMatch, swap::mesh::topology::VERTICES};

/// Largest change of the face's mean luminance that is followed in full, in levels: beyond it the
/// person's own complexion shows through.
const FOLLOWED: f32 = 30.0;
const BEYOND: f32 = 0.8;
/// Added before logarithms are taken, so that black stays finite.
const DARK: f32 = 8.0;
/// Powers of the ratio of base colours that the detail's contrast follows: of the whole face, where
/// the target is darker and where it is brighter, and from place to place.
const DIMMED: f32 = 0.8;
const LIFTED: f32 = 0.6;
const SHADED: f32 = 0.7;
/// Luma at which no gleam is seen.
const ROOM: f32 = 275.0;

/// What brings `source` to the light of the target in `scratch`. Nothing seen leaves the source as it
/// is. Returns how likely both are one person's, 0–1.
pub(crate) fn gains(source: Source<'_>, mode: ColourMatch, scratch: &mut Scratch, out: &mut Gains) -> f32 {
    let Scratch { target, seen, order, sums } = scratch;
    let any = seen.iter().any(|&s| s);
    if mode == ColourMatch::None || !any {
        for (out, low) in out.iter_mut().zip(source.low) {
            *out = [1.0, low[0], low[1], low[2], 1.0, 1.0];
        }
        return 0.0;
    }
    let mut slow = [[0.0; 3]; VERTICES];
    let skin = lows(target, |i| f32::from(u8::from(seen[i])), order, sums, &mut slow);
    let mean = |lows: &Lows| -> [f32; 3] {
        std::array::from_fn(|k| lows.iter().map(|low| low[k]).sum::<f32>() / VERTICES as f32)
    };
    let (of_source, of_target) = (mean(source.low), mean(&slow));
    let change = luma(&of_target) - luma(&of_source);
    let excess = (change.abs() - FOLLOWED).max(0.0) * change.signum();
    let kept = -(1.0 - BEYOND) * excess;
    let log = |c: f32| (c.max(0.0) + DARK).ln();
    let ratio: Lows =
        std::array::from_fn(|v| std::array::from_fn(|k| log(slow[v][k]) - log(source.low[v][k])));
    let (light, one) = features::light(&ratio);
    let overall = (luma(&of_target) + kept).max(4.0) / luma(&of_source).max(4.0);
    let contrast_overall = overall.powf(if overall < 1.0 { DIMMED } else { LIFTED });
    for ((out, from), light) in out.iter_mut().zip(source.low).zip(&light) {
        let base: [f32; 3] = std::array::from_fn(|k| match mode {
            ColourMatch::Mean => from[k] + of_target[k] - of_source[k] + kept,
            _ => (from[k] + DARK) * light[k].exp() - DARK + kept,
        });
        let ratio = (luma(&base).max(4.0)) / luma(from).max(4.0);
        let contrast = contrast_overall * (ratio / overall).powf(SHADED);
        let room = |c: &[f32; 3]| (ROOM - luma(c)).max(1.0);
        let gleam = (room(&base) / room(from)).min(1.0);
        *out = [contrast.clamp(0.3, 1.8), base[0], base[1], base[2], 1.0, gleam];
    }
    let target = Target { colours: target, seen, skin: &skin, mean: of_target };
    if mode == ColourMatch::Light {
        calm(target, &slow, source, out);
        close_seam(target, source, sums, out);
    }
    hide_behind_hair(target, out);
    one
}
