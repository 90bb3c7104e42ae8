//! Vectors of eight floats, and memory aligned to cache lines for them.

use bytemuck::{cast_slice, cast_slice_mut};

/// Floats of a vector register. Activations and weights are padded to a multiple of it.
pub(super) const LANES: usize = 8;

pub(super) type Lane = [f32; LANES];

/// Vectors that `channels` floats take.
pub(super) fn groups(channels: usize) -> usize {
    channels.div_ceil(LANES)
}

/// `values` in vectors; what is missing in the last is 0.
pub(super) fn padded(values: &[f32]) -> Vec<Lane> {
    let lane = |part: &[f32]| std::array::from_fn(|i| part.get(i).copied().unwrap_or(0.0));
    values.chunks(LANES).map(lane).collect()
}

/// `a * b + c`. A fused multiplication without the instruction would be a call into the C library.
#[inline(always)]
pub(super) fn mul_add<const FUSED: bool>(a: Lane, b: Lane, c: Lane) -> Lane {
    std::array::from_fn(|i| if FUSED { a[i].mul_add(b[i], c[i]) } else { a[i] * b[i] + c[i] })
}

/// The larger of each two; unlike [`f32::max`] one instruction, as it does not care for NaN.
#[inline(always)]
pub(super) fn max(a: Lane, b: Lane) -> Lane {
    std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
}

/// `value` times `below` where it is negative, else times `above`.
#[inline(always)]
pub(super) fn rectified(value: Lane, below: Lane, above: Lane) -> Lane {
    std::array::from_fn(|i| value[i] * if value[i] < 0.0 { below[i] } else { above[i] })
}

#[inline(always)]
pub(super) fn add(a: Lane, b: Lane) -> Lane {
    std::array::from_fn(|i| a[i] + b[i])
}

/// Zeroed floats that begin at a cache line, so that no vector crosses one.
#[derive(Debug, Default)]
pub(super) struct Floats {
    memory: Vec<f32>,
    start: usize,
    len: usize,
}

impl Floats {
    const LINE: usize = 64;

    pub(super) fn new(len: usize) -> Self {
        let spare = Self::LINE / size_of::<f32>();
        let memory = vec![0.0; len + spare];
        let start = memory.as_ptr().align_offset(Self::LINE).min(spare);
        Self { memory, start, len }
    }

    #[inline]
    pub(super) fn floats(&self) -> &[f32] {
        &self.memory[self.start..][..self.len]
    }

    #[inline]
    pub(super) fn floats_mut(&mut self) -> &mut [f32] {
        &mut self.memory[self.start..][..self.len]
    }

    /// The floats as vectors. The length is a multiple of [`LANES`].
    #[inline]
    pub(super) fn lanes(&self) -> &[Lane] {
        cast_slice(self.floats())
    }

    #[inline]
    pub(super) fn lanes_mut(&mut self) -> &mut [Lane] {
        cast_slice_mut(self.floats_mut())
    }
}
