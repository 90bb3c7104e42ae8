//! What of the difference between two faces is light, and what a person's features.

use super::{Lows, luma, tables::TABLES};
use crate::engine::swap::mesh::harmonics;

/// What light on a matt surface cannot explain is a feature of one of the two faces: followed where its log
/// luminance is small against these, left where it is large. The first of each pair is for what is beside
/// brows, eyes and lips, the second for plain skin.
const FEATURE: [f32; 2] = [0.05, 0.15];
/// The same where the source is brighter, since features are mostly dark, and lights would glare.
const GLARE: f32 = 0.2;
/// What both become between two pictures of one person, where nearly all of it is light.
const FEATURE_OF_ONE: [f32; 2] = [0.2, 0.6];
const GLARE_OF_ONE: f32 = 0.8;
/// The same for its colour, since a person's skin is of one tint, but not a picture's shadows.
const TINT: f32 = 0.2;
/// By how much plain skin differs, in logarithms of brightness and of tint, where two pictures may as well be of
/// one person as of two, each alone.
const BRIGHTNESS: f32 = 0.117;
const TINGE: f32 = 0.039;

fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + share * (to - from)
}

/// The part of `ratio` that is followed as light, and how likely both faces are one person's, 0–1: `ratio` is the
/// logarithm of the target's slow colours over the source's.
pub(super) fn light(ratio: &Lows) -> (Lows, f32) {
    let lit = harmonics::of(ratio);
    let rest: Lows = std::array::from_fn(|v| std::array::from_fn(|k| ratio[v][k] - lit[v][k]));
    let one = likely_one_person(&rest);
    let feature = [0, 1].map(|i| mix(FEATURE[i], FEATURE_OF_ONE[i], one));
    let glare = mix(GLARE, GLARE_OF_ONE, one);
    let light = std::array::from_fn(|v| {
        let bright = luma(&rest[v]);
        let share = |feature: f32| 1.0 / (1.0 + (bright / feature).powi(2));
        let dark = mix(feature[0], feature[1], TABLES.plain[v]);
        let followed = share(if bright > 0.0 { dark } else { glare }) * bright;
        let tint = share(TINT);
        std::array::from_fn(|k| lit[v][k] + followed + tint * (rest[v][k] - bright))
    });
    (light, one)
}

/// 1 where what light leaves unexplained on plain skin is little, as of one person, 0 where it is much.
fn likely_one_person(rest: &Lows) -> f32 {
    let (mut total, mut brightness, mut tinge) = (1e-6, 0.0, 0.0);
    for (rest, plain) in rest.iter().zip(&TABLES.plain) {
        let bright = luma(rest);
        total += plain;
        brightness += plain * bright * bright;
        tinge += plain * rest.iter().map(|c| (c - bright).powi(2)).sum::<f32>();
    }
    let apart = (brightness / BRIGHTNESS.powi(2) + tinge / TINGE.powi(2)) / total;
    1.0 / (1.0 + apart.powi(4))
}
