//! The matrix product of pixels and weights, which ends in bias, shortcut and activation.

use std::array::from_fn;

use multiversion::{multiversion, target::target_cfg_f};

use super::lanes::{LANES, Lane, add, mul_add, rectified};
use super::packed::{Packed, PanelWeights};
use crate::models::winograd::wide;

/// What is multiplied: for each pixel `segments` runs of `length` floats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taps<'a> {
    pub(super) data: &'a [f32],
    /// Floats from a pixel to the next.
    pub(super) pixel: usize,
    /// Floats from a segment to the next: a row of the picture.
    pub(super) segment: usize,
    pub(super) segments: usize,
    pub(super) length: usize,
}

/// Parametric rectifier: the factors of negative and of other values, a vector per channel group.
#[derive(Debug)]
pub(super) struct Rectifier {
    pub(super) below: Vec<Lane>,
    pub(super) above: Vec<Lane>,
}

/// What is done to the sums.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finish<'a> {
    /// One vector per group of output channels.
    pub(super) bias: &'a [Lane],
    /// Pixels that are added, as many and as large as those of the result.
    pub(super) shortcut: Option<&'a [Lane]>,
    pub(super) rectifier: &'a Rectifier,
}

/// Writes `pixels` pixels of `finish.bias.len()` vectors each to `out`.
pub(super) fn multiply(
    taps: &Taps<'_>,
    pixels: usize,
    weights: &Packed,
    finish: &Finish<'_>,
    out: &mut [Lane],
) {
    #[cfg(target_arch = "x86_64")]
    if wide() {
        // SAFETY: the processor has what that is compiled for.
        return unsafe { super::wide::multiply(taps, pixels, weights, finish, out) };
    }
    narrow(taps, pixels, weights, finish, out);
}

#[multiversion(targets("x86_64+avx2+fma"))]
pub(super) fn narrow(
    taps: &Taps<'_>,
    pixels: usize,
    weights: &Packed,
    finish: &Finish<'_>,
    out: &mut [Lane],
) {
    if cfg!(target_arch = "aarch64") || target_cfg_f!(target_feature = "fma") {
        panels::<true>(taps, pixels, weights, finish, out);
    } else {
        panels::<false>(taps, pixels, weights, finish, out);
    }
}

#[inline(always)]
pub(super) fn panels<const FUSED: bool>(
    taps: &Taps<'_>,
    pixels: usize,
    weights: &Packed,
    finish: &Finish<'_>,
    out: &mut [Lane],
) {
    for panel in weights.panels() {
        // Twelve sums and the panel's row fill the sixteen registers.
        match panel.vectors {
            8 => walk::<FUSED, 1, 8, 0, 0>(taps, pixels, &panel, finish, out),
            4 => walk::<FUSED, 3, 4, 0, 0>(taps, pixels, &panel, finish, out),
            // Short sums, of which a network has its largest pictures, gain from being known.
            2 => match (taps.length, taps.pixel) {
                (9, 6) => walk::<FUSED, 6, 2, 9, 6>(taps, pixels, &panel, finish, out),
                (16, 16) => walk::<FUSED, 6, 2, 16, 16>(taps, pixels, &panel, finish, out),
                (32, 32) => walk::<FUSED, 6, 2, 32, 32>(taps, pixels, &panel, finish, out),
                _ => walk::<FUSED, 6, 2, 0, 0>(taps, pixels, &panel, finish, out),
            },
            _ => walk::<FUSED, 6, 1, 0, 0>(taps, pixels, &panel, finish, out),
        }
    }
}

/// Goes through the pixels, `PIXELS` at a time. `LENGTH` and `PIXEL` are those of `taps`, or 0 if unknown.
#[inline(always)]
pub(super) fn walk<
    const FUSED: bool,
    const PIXELS: usize,
    const VECTORS: usize,
    const LENGTH: usize,
    const PIXEL: usize,
>(
    taps: &Taps<'_>,
    pixels: usize,
    panel: &PanelWeights<'_>,
    finish: &Finish<'_>,
    out: &mut [Lane],
) {
    let mut at = 0;
    while at + PIXELS <= pixels {
        tile::<FUSED, PIXELS, VECTORS, LENGTH, PIXEL>(taps, at, panel, finish, out);
        at += PIXELS;
    }
    match pixels - at {
        5 if PIXELS > 5 => tile::<FUSED, 5, VECTORS, 0, 0>(taps, at, panel, finish, out),
        4 if PIXELS > 4 => tile::<FUSED, 4, VECTORS, 0, 0>(taps, at, panel, finish, out),
        3 if PIXELS > 3 => tile::<FUSED, 3, VECTORS, 0, 0>(taps, at, panel, finish, out),
        2 if PIXELS > 2 => tile::<FUSED, 2, VECTORS, 0, 0>(taps, at, panel, finish, out),
        1 if PIXELS > 1 => tile::<FUSED, 1, VECTORS, 0, 0>(taps, at, panel, finish, out),
        _ => {}
    }
}

/// Writes `PIXELS` pixels from `at` on, of one panel's channels.
#[inline(always)]
fn tile<
    const FUSED: bool,
    const PIXELS: usize,
    const VECTORS: usize,
    const LENGTH: usize,
    const PIXEL: usize,
>(
    taps: &Taps<'_>,
    at: usize,
    panel: &PanelWeights<'_>,
    finish: &Finish<'_>,
    out: &mut [Lane],
) {
    let mut sums = accumulate::<FUSED, PIXELS, VECTORS, LENGTH, PIXEL>(taps, at, panel, finish);
    // All loops below have constant bounds, or else the sums would have to live in memory.
    let (groups, first) = (finish.bias.len(), panel.first);
    let start = at * groups + first;
    let span = (PIXELS - 1) * groups + VECTORS;
    if let Some(shortcut) = finish.shortcut {
        let shortcut = &shortcut[start..][..span];
        for p in 0..PIXELS {
            let shortcut = &shortcut[p * groups..][..VECTORS];
            for v in 0..VECTORS {
                sums[p][v] = add(sums[p][v], shortcut[v]);
            }
        }
    }
    let below: [Lane; VECTORS] = from_fn(|v| finish.rectifier.below[first..][..VECTORS][v]);
    let above: [Lane; VECTORS] = from_fn(|v| finish.rectifier.above[first..][..VECTORS][v]);
    let out = &mut out[start..][..span];
    for p in 0..PIXELS {
        let out = &mut out[p * groups..][..VECTORS];
        for v in 0..VECTORS {
            out[v] = rectified(sums[p][v], below[v], above[v]);
        }
    }
}

#[inline(always)]
fn accumulate<
    const FUSED: bool,
    const PIXELS: usize,
    const VECTORS: usize,
    const LENGTH: usize,
    const PIXEL: usize,
>(
    taps: &Taps<'_>,
    at: usize,
    panel: &PanelWeights<'_>,
    finish: &Finish<'_>,
) -> [[Lane; VECTORS]; PIXELS] {
    let (rows, _) = panel.rows.as_chunks::<VECTORS>();
    let bias = &finish.bias[panel.first..][..VECTORS];
    let mut sums: [[Lane; VECTORS]; PIXELS] = from_fn(|_| from_fn(|v| bias[v]));
    let (length, pixel) = if LENGTH > 0 { (LENGTH, PIXEL) } else { (taps.length, taps.pixel) };
    for segment in 0..taps.segments {
        let rows = &rows[segment * length..][..length];
        let data = &taps.data[segment * taps.segment + at * pixel..][..(PIXELS - 1) * pixel + length];
        let pixels: [&[f32]; PIXELS] = from_fn(|p| &data[p * pixel..][..length]);
        for k in 0..length {
            for p in 0..PIXELS {
                let x = [pixels[p][k]; LANES];
                for v in 0..VECTORS {
                    sums[p][v] = mul_add::<FUSED>(x, rows[k][v], sums[p][v]);
                }
            }
        }
    }
    sums
}
