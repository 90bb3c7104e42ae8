//! What of the swap still sets it apart from the skin around it.

use super::{
    Colours, Gains, Lows, Source, TRIANGLES, log_luma, luma,
    slow::{accumulate, likeness, trust},
    tables::*,
};
use crate::engine::swap::mesh::{
    raster::lit,
    topology::{VERTICES, topology},
};

/// Weight beside that of what is seen at the edge: how soon its influence ends inside.
const HOLD: f32 = 3e-4;
/// Largest difference at the edge that is taken for skin's, in levels.
const MOST: f32 = 60.0;

/// A target's face.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub colours: &'a Colours,
    pub seen: &'a [bool; TRIANGLES],
    /// Log luminance of its skin in each region.
    pub skin: &'a [f32; REGIONS],
    /// Its mean colour.
    pub mean: [f32; 3],
}

impl Target<'_> {
    /// How far a triangle shows skin, 0–1.
    fn shows_skin(&self, index: usize) -> f32 {
        if !self.seen[index] {
            return 0.0;
        }
        let colour = &self.colours[index];
        let off = log_luma(colour) - self.skin[usize::from(TABLES.region[index])];
        trust(off) * likeness(colour, &self.mean)
    }
}

/// The mean colour that the swap's triangle `index` has.
fn painted(source: Source<'_>, gains: &Gains, index: usize) -> [f32; 3] {
    let tri = topology().triangles[index].map(usize::from);
    let mean = |k: usize| tri.iter().map(|&v| gains[v][k]).sum::<f32>() / 3.0;
    lit(source.detail[index], mean(0), mean(5), [mean(1), mean(2), mean(3)])
}

/// Brings the swap's colour at the mask's edge to that of the target's skin there, and what is
/// further inside along with it the less the further: a membrane that ends soon.
pub(super) fn close_seam(
    target: Target<'_>,
    source: Source<'_>,
    sums: &mut [[f32; VERTICES]; 5],
    gains: &mut Gains,
) {
    let [total, change @ .., _] = sums;
    total.fill(HOLD);
    change.iter_mut().for_each(|sum| sum.fill(0.0));
    for (&(index, area), reach) in TABLES.rim.iter().zip(TABLES.seam.chunks_exact(VERTICES)) {
        let index = usize::from(index);
        let weight = area * target.shows_skin(index);
        if weight == 0.0 {
            continue;
        }
        let has = painted(source, gains, index);
        accumulate(total, reach, weight);
        for (k, sum) in change.iter_mut().enumerate() {
            accumulate(sum, reach, weight * (target.colours[index][k] - has[k]).clamp(-MOST, MOST));
        }
    }
    for (v, gain) in gains.iter_mut().enumerate() {
        for k in 0..3 {
            gain[1 + k] = (gain[1 + k] + change[k][v] / total[v]).max(1.0);
        }
    }
}

/// Least factor on the swap's contrast.
const LEAST: f32 = 0.5;
/// Roughness that every skin may have, in levels.
const ROUGH: f32 = 1.5;
/// Share of it that brows, eyes and lips take part in: all of it would take away who it is.
const ALONG: f32 = 0.25;

/// Softens the swap where the target's skin is smoother: what a harsh light made of the source's.
pub(super) fn calm(target: Target<'_>, slow: &Lows, source: Source<'_>, gains: &mut Gains) {
    let (mut total, mut there, mut here) = (1e-9, 0.0, 0.0);
    for (index, tri) in topology().triangles[..TRIANGLES].iter().enumerate() {
        let tri = tri.map(usize::from);
        let plain = tri.iter().map(|&v| TABLES.plain[v]).fold(1.0, f32::min);
        if plain == 0.0 {
            continue;
        }
        let weight = plain * TABLES.prior[index] * target.shows_skin(index);
        let mean = |value: &dyn Fn(usize) -> f32| tri.iter().map(|&v| value(v)).sum::<f32>() / 3.0;
        let off = luma(&target.colours[index]) - mean(&|v| luma(&slow[v]));
        let own =
            luma(&painted(source, gains, index)) - mean(&|v| luma(&[gains[v][1], gains[v][2], gains[v][3]]));
        total += weight;
        there += weight * off * off;
        here += weight * own * own;
    }
    let rough = |sum: f32| (sum / total).sqrt() + ROUGH;
    let factor = (rough(there) / rough(here)).clamp(LEAST, 1.0);
    for (gain, plain) in gains.iter_mut().zip(&TABLES.plain) {
        gain[0] *= 1.0 + (ALONG + (1.0 - ALONG) * plain) * (factor - 1.0);
    }
}
