//! Bᵀ d B of the input's tiles.

use multiversion::multiversion;

use super::{Convolution, DEPTH, PLACES, SIDE, Strip, TILE};

/// Bᵀ d.
#[inline(always)]
fn line(d: [f32; SIDE]) -> [f32; SIDE] {
    let [d0, d1, d2, d3, d4, d5] = d;
    let (a, b) = (d4 - 4.0 * d2, d3 - 4.0 * d1);
    let (c, e) = (d4 - d2, 2.0 * (d3 - d1));
    [4.0 * d0 - 5.0 * d2 + d4, a + b, a - b, c + e, c - e, 4.0 * d1 - 5.0 * d3 + d5]
}

/// The tiles of `channels` channels from `first`, to `to` (place, group of tiles, channel, tile).
#[multiversion(targets("x86_64+avx2+fma"))]
pub(super) fn transform<const GROUP: usize>(
    of: &Convolution,
    x: &[f32],
    first: usize,
    channels: usize,
    strip: Strip,
    rows: &mut Vec<f32>,
    to: &mut [[f32; GROUP]],
) {
    let (height, width) = (of.height, of.width);
    let [top, left, ..] = of.pads;
    // A row of tiles needs two columns more than its outputs.
    let wide = TILE * strip.columns + 2;
    rows.clear();
    rows.resize(2 * SIDE * wide, 0.0);
    let (padded, transformed) = rows.split_at_mut(SIDE * wide);
    let block = to.len() / PLACES;
    let planes = x.chunks_exact(height * width).skip(first).take(channels);
    for (channel, plane) in planes.enumerate() {
        for row in 0..strip.rows {
            let up = TILE * (strip.first + row);
            for (y, padded) in padded.chunks_exact_mut(wide).enumerate() {
                padded.fill(0.0);
                let Some(y) = (up + y).checked_sub(top).filter(|&y| y < height) else { continue };
                let from = &plane[y * width..][..width.min(wide - left)];
                padded[left..][..from.len()].copy_from_slice(from);
            }
            let (mut p, mut t) = (padded.chunks_exact(wide), transformed.chunks_exact_mut(wide));
            let p: [&[f32]; SIDE] = std::array::from_fn(|_| p.next().unwrap_or_default());
            let mut t: [&mut [f32]; SIDE] = std::array::from_fn(|_| t.next().unwrap_or_default());
            for i in 0..wide {
                let line = line(p.map(|row| row[i]));
                for (t, v) in t.iter_mut().zip(line) {
                    t[i] = v;
                }
            }
            for (y, t) in t.iter().enumerate() {
                let t = &t[..TILE * strip.columns + 2];
                for i in 0..strip.columns {
                    let Some(d) = t[TILE * i..].first_chunk::<SIDE>() else { break };
                    let tile = row * strip.columns + i;
                    let at = SIDE * y * block + tile / GROUP * DEPTH + channel;
                    for (x, v) in line(*d).into_iter().enumerate() {
                        to[x * block + at][tile % GROUP] = v;
                    }
                }
            }
        }
    }
}
