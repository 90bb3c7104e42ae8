//! G g Gᵀ of the filters.

use multiversion::multiversion;

use super::{DEPTH, LANES, Lanes, PLACES, filters_of_place};

/// Channels that are transformed side by side.
const WIDE: usize = 8;
type Wide = [f32; WIDE];

/// G g.
#[inline(always)]
fn line(g: [Wide; 3]) -> [Wide; 6] {
    let mut to = [[0.0; WIDE]; 6];
    for i in 0..WIDE {
        let [a, b, c] = [g[0][i], g[1][i], g[2][i]];
        let sum = (a + c) * (-1.0 / 6.0);
        let far = a * (1.0 / 24.0) + c * (1.0 / 6.0);
        let (near, b) = (b * (1.0 / 6.0), b * (1.0 / 12.0));
        to[0][i] = a * 0.25;
        to[1][i] = sum - near;
        to[2][i] = sum + near;
        to[3][i] = far + b;
        to[4][i] = far - b;
        to[5][i] = c;
    }
    to
}

/// The filters of a block of output channels, from `channel`, and `depth` input channels, from `first`,
/// to `to` (place, part of the block, input channel). Channels past the last are zero.
#[multiversion(targets("x86_64+avx2+fma"))]
pub(super) fn transform<const PARTS: usize>(
    filters: &[[u8; 4]],
    (all, from): (usize, usize),
    channel: usize,
    first: usize,
    depth: usize,
    to: &mut [Lanes],
) {
    debug_assert_eq!(to.len(), PLACES * filters_of_place(PARTS));
    for part in 0..PARTS * LANES / WIDE {
        // What stands for channels past the last is not looked at.
        let of = |i: usize| &filters[((channel + part * WIDE + i).min(all - 1) * from + first) * 9..];
        let rows: [&[[[u8; 4]; 9]]; WIDE] = std::array::from_fn(|i| &of(i).as_chunks().0[..depth]);
        let (half, lane) = (part * WIDE / LANES, part * WIDE % LANES);
        for k in 0..depth {
            let mut taps = [[0.0; WIDE]; 9];
            for (i, row) in rows.iter().enumerate() {
                for (tap, bytes) in taps.iter_mut().zip(&row[k]) {
                    tap[i] = f32::from_ne_bytes(*bytes);
                }
            }
            let left = line([taps[0], taps[3], taps[6]]);
            let middle = line([taps[1], taps[4], taps[7]]);
            let right = line([taps[2], taps[5], taps[8]]);
            for (y, ((left, middle), right)) in left.iter().zip(middle).zip(right).enumerate() {
                let places = line([*left, middle, right]);
                for (x, value) in places.iter().enumerate() {
                    let place = 6 * y + x;
                    let to = &mut to[place * filters_of_place(PARTS) + half * DEPTH + k];
                    to.as_chunks_mut::<WIDE>().0[lane / WIDE] = *value;
                }
            }
        }
    }
}
