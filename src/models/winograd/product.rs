//! The matrix products, one for each place of a transformed tile.

use std::array;

use multiversion::multiversion;

use super::{DEPTH, LANES, Lanes, PLACES, filters_of_place};

/// Adds to `sums` (place, part of the block, tile) the products of `input` (place, group of tiles,
/// channel, tile) and `filters` (place, part, channel) over `depth` channels.
pub(super) fn add<const GROUP: usize, const PARTS: usize>(
    input: &[[f32; GROUP]],
    filters: &[Lanes],
    sums: &mut [Lanes],
    depth: usize,
) {
    #[cfg(target_arch = "x86_64")]
    if super::wide() {
        // SAFETY: the processor has what that is compiled for.
        return unsafe { wide::<GROUP, PARTS>(input, filters, sums, depth) };
    }
    narrow::<GROUP, PARTS>(input, filters, sums, depth);
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn narrow<const GROUP: usize, const PARTS: usize>(
    input: &[[f32; GROUP]],
    filters: &[Lanes],
    sums: &mut [Lanes],
    depth: usize,
) {
    let tiles = sums.len() / PLACES;
    let input = input.chunks_exact(input.len() / PLACES);
    let filters = filters.chunks_exact(filters_of_place(PARTS));
    for ((input, filters), sums) in input.zip(filters).zip(sums.chunks_exact_mut(tiles)) {
        for (filters, sums) in filters.chunks_exact(DEPTH).zip(sums.chunks_exact_mut(tiles / PARTS)) {
            let filters = &filters[..depth];
            for (input, sums) in input.chunks_exact(DEPTH).zip(sums.as_chunks_mut::<GROUP>().0) {
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

/// With the sums of all parts in registers of sixteen numbers, which the compiler does not find by itself.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn wide<const GROUP: usize, const PARTS: usize>(
    input: &[[f32; GROUP]],
    filters: &[Lanes],
    sums: &mut [Lanes],
    depth: usize,
) {
    use std::arch::x86_64::{__m512, _mm512_fmadd_ps, _mm512_set1_ps};

    const { assert!(size_of::<Lanes>() == size_of::<__m512>() && LANES == 16) };
    let tiles = sums.len() / PLACES / PARTS;
    let input = input.chunks_exact(input.len() / PLACES);
    let filters = filters.chunks_exact(filters_of_place(PARTS));
    for ((input, filters), sums) in input.zip(filters).zip(sums.chunks_exact_mut(tiles * PARTS)) {
        let filters: [&[Lanes]; PARTS] = array::from_fn(|part| &filters[part * DEPTH..][..depth]);
        for (group, input) in input.chunks_exact(DEPTH).take(tiles / GROUP).enumerate() {
            let at = |part: usize, tile: usize| part * tiles + group * GROUP + tile;
            let mut held: [[__m512; GROUP]; PARTS] =
                array::from_fn(|part| array::from_fn(|tile| bytemuck::cast(sums[at(part, tile)])));
            for (k, input) in input[..depth].iter().enumerate() {
                for (held, filters) in held.iter_mut().zip(filters) {
                    let f = bytemuck::cast(filters[k]);
                    for (held, x) in held.iter_mut().zip(input) {
                        *held = _mm512_fmadd_ps(f, _mm512_set1_ps(*x), *held);
                    }
                }
            }
            for (part, held) in held.into_iter().enumerate() {
                for (tile, held) in held.into_iter().enumerate() {
                    sums[at(part, tile)] = bytemuck::cast(held);
                }
            }
        }
    }
}
