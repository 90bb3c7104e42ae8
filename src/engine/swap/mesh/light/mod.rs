//! The target's light on the source's skin: a contrast and a base colour for every vertex.
//!
//! A face is its slow changes, which are light and complexion, plus its detail, which is the
//! person: brows, creases, lips. The slow part of each face is a robust low-pass of its triangles'
//! mean colours over the canonical face, in which brows, eyes, lips, hair and glasses hardly count.
//! The swap shows the source's slow part under the target's light (`harmonics`) with the source's
//! detail, added in gamma space: adding keeps the detail of dark skin from being blown up on bright
//! skin, as a ratio of the two would.
//!
//! What then still sets the swap apart from the skin around it is small and dealt with last (`seam`):
//! contrasts of a harsher light, and the colour at the mask's edge.

mod features;
mod gains;
mod hair;
mod sample;
mod seam;
mod slow;
mod tables;

pub(crate) use gains::gains;
pub(crate) use sample::{of_frame, of_texture, sharpness_of};
pub(crate) use slow::Scratch;
pub(crate) use tables::prepare;

use super::{raster::LUMA, topology::VERTICES};

/// Triangles of the skin, without those that close mouth and eyes.
pub(crate) const TRIANGLES: usize = 852;
/// Mean colour of every triangle: R, G, B in 0–255.
pub(crate) type Colours = [[f32; 3]; TRIANGLES];
/// Slowly changing colour at every vertex: R, G, B in 0–255.
pub(crate) type Lows = [[f32; 3]; VERTICES];
/// At every vertex: factor on the source's detail, the base colour it is added to, how much of the
/// swap shows beside the target's hair (0–1), and a further factor on detail brighter than the base.
pub(crate) type Gains = [[f32; 6]; VERTICES];

/// What is known of a source's skin.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub low: &'a Lows,
    /// Mean detail of every triangle, see [`detail`](super::raster::detail).
    pub detail: &'a Colours,
}

pub(crate) fn luma(c: &[f32; 3]) -> f32 {
    LUMA[0] * c[0] + LUMA[1] * c[1] + LUMA[2] * c[2]
}

/// Luminance as the eye judges ratios; black stays finite.
fn log_luma(c: &[f32; 3]) -> f32 {
    (luma(c).max(0.0) + 5.0).ln()
}

#[cfg(test)]
mod tests;
