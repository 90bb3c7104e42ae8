//! The matrix products, one for each place of a transformed tile.

use multiversion::multiversion;

use super::{BLOCK, DEPTH, FILTERS, GROUP, LANES, PLACES, Sums};

/// Adds to `sums` (place, half a block of channels, tile) the products of `input` (place, group of
/// tiles, channel, tile) and `filters` (place, half a block, channel) over `depth` channels.
#[multiversion(targets("x86_64+avx2+fma"))]
pub(super) fn add(input: &[[f32; GROUP]], filters: &[Sums], sums: &mut [[Sums; GROUP]], depth: usize) {
    const HALVES: usize = BLOCK / LANES;
    let groups = sums.len() / (PLACES * HALVES);
    let input = input.chunks_exact(input.len() / PLACES);
    let filters = filters.chunks_exact(FILTERS);
    let sums = sums.chunks_exact_mut(groups * HALVES);
    for ((input, filters), sums) in input.zip(filters).zip(sums) {
        for (filters, sums) in filters.chunks_exact(DEPTH).zip(sums.chunks_exact_mut(groups)) {
            let filters = &filters[..depth];
            for (input, sums) in input.chunks_exact(DEPTH).zip(sums) {
                let mut held = *sums;
                for (input, filters) in input.iter().zip(filters) {
                    for (held, x) in held.iter_mut().zip(input) {
                        for (sum, f) in held.iter_mut().zip(filters) {
                            *sum = f.mul_add(*x, *sum);
                        }
                    }
                }
                *sums = held;
            }
        }
    }
}
