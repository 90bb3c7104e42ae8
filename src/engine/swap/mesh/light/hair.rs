//! The target's hair and beard, which lie over the swap.

use super::{Gains, log_luma, seam::Target, tables::*};
use crate::engine::{
    geometry::smoothstep,
    swap::mesh::topology::{VERTICES, topology},
};

/// Darkness, in log luminance below that of skin, at which a triangle is half taken for hair.
const HAIR: f32 = 0.5;
/// Share of the chin's edge, on its barer side, that is dark where a beard begins to be kept, and where all of it is.
/// A shadow darkens one side. A goatee: .35 to .43. Eleven clips of shaved people: at most .07, and up to .4 in a few
/// frames of one whose face is dark below.
const BEARD: (f32, f32) = (0.2, 0.32);

/// Lets the target's hair lie over the swap, and a beard that goes on beyond the mask's edge: under a shaved chin it
/// would be left as a dark rim.
pub(super) fn hide_behind_hair(target: Target<'_>, gains: &mut Gains) {
    let hair = |i: usize| {
        let darker = target.skin[usize::from(TABLES.region[i])] - log_luma(&target.colours[i]);
        1.0 - 1.0 / (1.0 + (darker.max(0.0) / HAIR).powi(6))
    };
    let sides = [-1.0, 1.0].map(|side| {
        let (mut total, mut dark) = (1e-9, 0.0);
        for &(i, area, _) in TABLES.chin.iter().filter(|(_, _, x)| x * side > 0.0) {
            if target.seen[i] {
                total += area;
                dark += area * hair(i);
            }
        }
        dark / total
    });
    let bearded = smoothstep(BEARD.0, BEARD.1, sides[0].min(sides[1]));
    let bare = |i: usize| match TABLES.hair[i] {
        _ if !target.seen[i] => 1.0,
        Hair::Head => 1.0 - hair(i),
        Hair::Beard if bearded > 0.0 => 1.0 - bearded * hair(i),
        _ => 1.0,
    };
    let shown: [f32; VERTICES] = std::array::from_fn(|v| {
        let around = &topology().around[v];
        let sum: f32 = around.iter().map(|&i| bare(usize::from(i))).sum();
        smoothstep(0.3, 0.8, sum / around.len().max(1) as f32)
    });
    gains.iter_mut().zip(shown).for_each(|(gain, shown)| gain[4] = shown);
}
