//! The matrix product in registers of sixteen floats, which the compiler does not find by itself.

use std::arch::x86_64::{
    __m512, _CMP_LT_OQ, _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_fmadd_ps, _mm512_mask_blend_ps,
    _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps,
};
use std::array::from_fn;

use super::lanes::{LANES, Lane};
use super::packed::{Packed, PanelWeights};
use super::product::{Finish, Taps, walk};

const WIDE: usize = 2 * LANES;

/// As [`multiply`](super::product::multiply).
#[target_feature(enable = "avx512f")]
pub(super) fn multiply(
    taps: &Taps<'_>,
    pixels: usize,
    weights: &Packed,
    finish: &Finish<'_>,
    out: &mut [Lane],
) {
    for panel in weights.panels() {
        // Sums, a row of the panel and a pixel's value fill the thirty-two registers.
        match panel.vectors {
            8 => panel_of::<6, 4>(taps, pixels, &panel, finish, out),
            4 => panel_of::<12, 2>(taps, pixels, &panel, finish, out),
            2 => panel_of::<14, 1>(taps, pixels, &panel, finish, out),
            _ => walk::<true, 6, 1, 0, 0>(taps, pixels, &panel, finish, out),
        }
    }
}

/// Goes through the pixels, `PIXELS` at a time; the last ones of a row may be worked out twice.
#[target_feature(enable = "avx512f")]
fn panel_of<const PIXELS: usize, const VECTORS: usize>(
    taps: &Taps<'_>,
    pixels: usize,
    panel: &PanelWeights<'_>,
    finish: &Finish<'_>,
    out: &mut [Lane],
) {
    if pixels < PIXELS {
        return (0..pixels).for_each(|at| tile::<1, VECTORS>(taps, at, panel, finish, out));
    }
    for at in (0..pixels).step_by(PIXELS) {
        tile::<PIXELS, VECTORS>(taps, at.min(pixels - PIXELS), panel, finish, out);
    }
}

/// Writes `PIXELS` pixels from `at` on, of one panel's channels.
#[inline]
#[target_feature(enable = "avx512f")]
fn tile<const PIXELS: usize, const VECTORS: usize>(
    taps: &Taps<'_>,
    at: usize,
    panel: &PanelWeights<'_>,
    finish: &Finish<'_>,
    out: &mut [Lane],
) {
    let (rows, _) = panel.rows.as_flattened().as_chunks::<WIDE>().0.as_chunks::<VECTORS>();
    let of_panel = |lanes: &[Lane]| vectors::<VECTORS>(&lanes[panel.first..]);
    let bias = of_panel(finish.bias);
    let mut sums: [[__m512; VECTORS]; PIXELS] = [bias; PIXELS];
    for segment in 0..taps.segments {
        let rows = &rows[segment * taps.length..][..taps.length];
        let from = segment * taps.segment + at * taps.pixel;
        let data = &taps.data[from..][..(PIXELS - 1) * taps.pixel + taps.length];
        let pixels: [&[f32]; PIXELS] = from_fn(|p| &data[p * taps.pixel..][..taps.length]);
        for (k, row) in rows.iter().enumerate() {
            let row: [__m512; VECTORS] = from_fn(|v| bytemuck::cast(row[v]));
            for p in 0..PIXELS {
                // SAFETY: there is a row for each of a pixel's floats; the compiler does not see it in so many
                // slices, and checks each.
                let x = _mm512_set1_ps(unsafe { *pixels[p].get_unchecked(k) });
                for v in 0..VECTORS {
                    sums[p][v] = _mm512_fmadd_ps(x, row[v], sums[p][v]);
                }
            }
        }
    }
    let groups = finish.bias.len();
    let start = at * groups + panel.first;
    let (below, above) = (of_panel(&finish.rectifier.below), of_panel(&finish.rectifier.above));
    for (p, sums) in sums.iter_mut().enumerate() {
        let place = start + p * groups;
        if let Some(shortcut) = finish.shortcut {
            let shortcut = vectors::<VECTORS>(&shortcut[place..]);
            for v in 0..VECTORS {
                sums[v] = _mm512_add_ps(sums[v], shortcut[v]);
            }
        }
        let out = out[place..][..2 * VECTORS].as_flattened_mut().as_chunks_mut::<WIDE>().0;
        for v in 0..VECTORS {
            let negative = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(sums[v], _mm512_setzero_ps());
            let factor = _mm512_mask_blend_ps(negative, above[v], below[v]);
            out[v] = bytemuck::cast(_mm512_mul_ps(sums[v], factor));
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn vectors<const VECTORS: usize>(lanes: &[Lane]) -> [__m512; VECTORS] {
    let (wide, _) = lanes[..2 * VECTORS].as_flattened().as_chunks::<WIDE>();
    from_fn(|v| bytemuck::cast(wide[v]))
}
