//! Aᵀ m A of the sums.

use multiversion::multiversion;

use super::{Finish, LANES, Lanes, SIDE, Strip, TILE};

/// Channels that are transformed side by side.
const WIDE: usize = 8;
type Wide = [f32; WIDE];

/// Aᵀ m.
#[inline(always)]
fn line(m: [Wide; 6]) -> [Wide; TILE] {
    let mut to = [[0.0; WIDE]; TILE];
    for i in 0..WIDE {
        let [m0, m1, m2, m3, m4, m5] = [m[0][i], m[1][i], m[2][i], m[3][i], m[4][i], m[5][i]];
        let (near, far) = (m1 + m2, m3 + m4);
        let (near_odd, far_odd) = (m1 - m2, m3 - m4);
        to[0][i] = m0 + near + far;
        to[1][i] = near_odd + 2.0 * far_odd;
        to[2][i] = near + 4.0 * far;
        to[3][i] = near_odd + 8.0 * far_odd + m5;
    }
    to
}

/// The outputs of a block of channels in a strip, to their planes.
#[multiversion(targets("x86_64+avx2+fma"))]
pub(super) fn transform<const GROUP: usize, const PARTS: usize>(
    (height, width): (usize, usize),
    strip: Strip,
    sums: &[Lanes],
    finish: Finish<'_>,
    planes: &mut [f32],
) {
    let tiles = strip.groups(GROUP) * GROUP;
    let Finish { bias, alpha } = finish;
    let bent = |v: f32| if v < 0.0 { alpha * v } else { v };
    let channels = planes.len() / (height * width);
    for part in 0..PARTS * LANES / WIDE {
        let lanes = WIDE.min(channels.saturating_sub(part * WIDE));
        let planes = planes.get_mut(part * WIDE * height * width..).unwrap_or_default();
        let mut offset = [0.0; WIDE];
        for (offset, bias) in offset.iter_mut().zip(bias.get(part * WIDE..).unwrap_or_default()) {
            *offset = *bias;
        }
        let (half, lane) = (part * WIDE / LANES, part * WIDE % LANES / WIDE);
        for tile in 0..strip.rows * strip.columns {
            let mut columns = [[[0.0; WIDE]; TILE]; 6];
            for (x, column) in columns.iter_mut().enumerate() {
                let mut m = [[0.0; WIDE]; 6];
                for (y, m) in m.iter_mut().enumerate() {
                    let at = ((SIDE * y + x) * PARTS + half) * tiles + tile;
                    *m = sums[at].as_chunks().0[lane];
                }
                *column = line(m);
            }
            let (top, left) = (TILE * (strip.first + tile / strip.columns), TILE * (tile % strip.columns));
            let wide = TILE.min(width - left);
            for y in 0..TILE.min(height - top) {
                let [a, b, c, d, e, f] = columns;
                let row = line([a[y], b[y], c[y], d[y], e[y], f[y]]);
                let at = (top + y) * width + left;
                for i in 0..lanes {
                    let to = &mut planes[i * height * width + at..][..wide];
                    match to.first_chunk_mut::<TILE>() {
                        Some(to) => {
                            *to = [row[0][i], row[1][i], row[2][i], row[3][i]].map(|v| bent(v + offset[i]))
                        }
                        None => to.iter_mut().zip(row).for_each(|(to, row)| *to = bent(row[i] + offset[i])),
                    }
                }
            }
        }
    }
}
