//! The slow part of a face.

use super::{Colours, Lows, TRIANGLES, log_luma, luma, tables::*};
use crate::engine::swap::mesh::{chroma::chroma, raster::LUMA, topology::VERTICES};

/// Log luminance that skin has in each region. A forehead that is mostly fringe and a chin that is
/// mostly beard are judged by the cheeks.
fn expected(
    colours: &Colours,
    used: impl Fn(usize) -> bool,
    scratch: &mut [f32; TRIANGLES],
) -> [f32; REGIONS] {
    let mut medians = [None; REGIONS];
    for (region, median) in medians.iter_mut().enumerate() {
        let mut n = 0;
        for (i, c) in colours.iter().enumerate() {
            if usize::from(TABLES.region[i]) == region && used(i) {
                scratch[n] = log_luma(c);
                n += 1;
            }
        }
        if n > 4 {
            *median = Some(*scratch[..n].select_nth_unstable_by(n / 2, f32::total_cmp).1);
        }
    }
    let of = |list: [usize; 3]| {
        let (sum, n) = list.iter().filter_map(|&i| medians[i]).fold((0.0, 0.0), |(s, n), m| (s + m, n + 1.0));
        (n > 0.0).then(|| sum / n)
    };
    let skin = of([NOSE, LEFT, RIGHT]).or(medians[FOREHEAD]).or(medians[CHIN]).unwrap_or(5.0);
    let near = |median: Option<f32>, reach: f32| match median {
        Some(m) if (m - skin).abs() < reach => m,
        _ => skin,
    };
    let mut expected = medians.map(|m| m.unwrap_or(skin));
    expected[FOREHEAD] = near(medians[FOREHEAD], 0.45);
    expected[CHIN] = near(medians[CHIN], 0.35);
    expected
}

/// Weight of a triangle whose log luminance is `off` from what skin has there.
pub(super) fn trust(off: f32) -> f32 {
    let x = off / 0.6;
    1.0 / (1.0 + x.powi(8))
}

/// Difference in chroma from a face's middle, in levels, at which something is half taken for cloth or hair.
const FOREIGN: f32 = 30.0;

/// How far `colour` has the chroma of the face whose middle is `middle`, 0–1.
pub(super) fn likeness(colour: &[f32; 3], middle: &[f32; 3]) -> f32 {
    let (own, usual) = (chroma(colour), chroma(middle));
    1.0 / (1.0 + ((own[0] - usual[0]).hypot(own[1] - usual[1]) / FOREIGN).powi(6))
}

/// The sum of all triangles' weights, and their mean colour.
fn weighted_mean(colours: &Colours, weight: impl Fn(usize) -> f32) -> (f32, [f32; 3]) {
    let (mut total, mut sum) = (1e-9, [0.0; 3]);
    for (i, colour) in colours.iter().enumerate() {
        let weight = weight(i);
        total += weight;
        (0..3).for_each(|k| sum[k] += weight * colour[k]);
    }
    (total, sum.map(|s| s / total))
}

/// Working memory of [`gains`](super::gains()).
#[derive(Debug)]
pub(crate) struct Scratch {
    pub target: Box<Colours>,
    pub seen: Box<[bool; TRIANGLES]>,
    pub(super) order: Box<[f32; TRIANGLES]>,
    /// Per vertex: weight and luminance (narrow), weight and two chroma differences (wide).
    pub(super) sums: Box<[[f32; VERTICES]; 5]>,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch {
            target: Box::new([[0.0; 3]; TRIANGLES]),
            seen: Box::new([false; TRIANGLES]),
            order: Box::new([0.0; TRIANGLES]),
            sums: Box::new([[0.0; VERTICES]; 5]),
        }
    }
}

impl Scratch {
    /// The slow part of a face, see [`lows`].
    pub fn lows(&mut self, colours: &Colours, seen: impl Fn(usize) -> f32, out: &mut Lows) {
        lows(colours, seen, &mut self.order, &mut self.sums, out);
    }
}

#[multiversion::multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
pub(super) fn accumulate(sum: &mut [f32; VERTICES], kernel: &[f32], factor: f32) {
    for (s, k) in sum.iter_mut().zip(kernel) {
        *s += factor * k;
    }
}

/// The slow part of a face whose triangles have `colours`, each as far as it is `seen` (0–1).
/// Returns the log luminance of its skin in each region.
pub(super) fn lows(
    colours: &Colours,
    seen: impl Fn(usize) -> f32,
    order: &mut [f32; TRIANGLES],
    sums: &mut [[f32; VERTICES]; 5],
    out: &mut Lows,
) -> [f32; REGIONS] {
    let skin = expected(colours, |i| seen(i) > 0.5, order);
    let weights = order;
    for (i, (colour, weight)) in colours.iter().zip(weights.iter_mut()).enumerate() {
        let off = log_luma(colour) - skin[usize::from(TABLES.region[i])];
        *weight = TABLES.prior[i] * seen(i) * trust(off);
    }
    // Cloth at the edge may be as bright as skin.
    let is_middle = |i: usize| [NOSE, LEFT, RIGHT].contains(&usize::from(TABLES.region[i]));
    let (_, middle) = weighted_mean(colours, |i| if is_middle(i) { weights[i] } else { 0.0 });
    for (colour, weight) in colours.iter().zip(weights.iter_mut()) {
        *weight *= likeness(colour, &middle);
    }
    let (total, mean) = weighted_mean(colours, |i| weights[i]);
    for sum in sums.iter_mut() {
        sum.fill(0.0);
    }
    let [narrow, light, wide, red, blue] = sums;
    for (i, (colour, &w)) in colours.iter().zip(weights.iter()).enumerate() {
        if w < 1e-7 {
            continue;
        }
        let d: [f32; 3] = std::array::from_fn(|k| colour[k] - mean[k]);
        let l = luma(&d);
        let near = &TABLES.narrow[i * VERTICES..][..VERTICES];
        let far = &TABLES.wide[i * VERTICES..][..VERTICES];
        accumulate(narrow, near, w);
        accumulate(light, near, w * l);
        accumulate(wide, far, w);
        accumulate(red, far, w * (d[0] - l));
        accumulate(blue, far, w * (d[2] - l));
    }
    // A pull to the mean where little was seen nearby.
    let (hold, hold_wide) = (0.005 * total * SIGMA, 0.005 * total * SIGMA_CHROMA);
    for (v, out) in out.iter_mut().enumerate() {
        let l = light[v] / (narrow[v] + hold);
        let r = red[v] / (wide[v] + hold_wide);
        let b = blue[v] / (wide[v] + hold_wide);
        let g = -(LUMA[0] * r + LUMA[2] * b) / LUMA[1];
        for (k, chroma) in [r, g, b].into_iter().enumerate() {
            out[k] = mean[k] + l + chroma;
        }
    }
    skin
}
