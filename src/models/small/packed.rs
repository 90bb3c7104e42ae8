//! Weights of a matrix product in the order in which it reads them.

use super::lanes::{Floats, LANES, Lane, groups};
use crate::models::winograd::wide;

/// A matrix of `depth` rows (what is summed over), in panels of some vectors of output channels. A panel
/// lies as one block, row after row.
#[derive(Debug)]
pub(super) struct Packed {
    memory: Floats,
    depth: usize,
    panels: Vec<Panel>,
}

#[derive(Clone, Copy, Debug)]
struct Panel {
    /// The first vector of output channels.
    first: usize,
    vectors: usize,
}

/// One panel's weights.
pub(super) struct PanelWeights<'a> {
    /// The first vector of output channels.
    pub(super) first: usize,
    /// 8, 4, 2 or 1.
    pub(super) vectors: usize,
    /// `depth` rows of `vectors`.
    pub(super) rows: &'a [Lane],
}

impl Packed {
    /// Widest panel for a product of few rows, whose sums would else wait for each other.
    pub(super) const WIDE: usize = 8;
    /// Widest panel when many pixels share the weights.
    pub(super) fn narrow() -> usize {
        if wide() { Self::WIDE } else { 2 }
    }

    /// Floats that a matrix takes, if they can be counted.
    pub(super) fn floats(depth: usize, outputs: usize) -> Option<usize> {
        groups(outputs).checked_mul(LANES)?.checked_mul(depth)
    }

    /// Packs the matrix `weight(row, output channel)` in panels of at most `widest` vectors.
    pub(super) fn new(
        depth: usize,
        outputs: usize,
        widest: usize,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let mut memory = Floats::new(depth * groups(outputs) * LANES);
        let mut panels = Vec::new();
        let mut first = 0;
        while first < groups(outputs) {
            let mut vectors = widest;
            while first + vectors > groups(outputs) {
                vectors /= 2;
            }
            panels.push(Panel { first, vectors });
            let block = &mut memory.lanes_mut()[first * depth..][..vectors * depth];
            for (at, lane) in block.iter_mut().enumerate() {
                let channel = (first + at % vectors) * LANES;
                for (i, w) in lane.iter_mut().enumerate().take_while(|(i, _)| channel + i < outputs) {
                    *w = weight(at / vectors, channel + i);
                }
            }
            first += vectors;
        }
        Self { memory, depth, panels }
    }

    #[inline]
    pub(super) fn panels(&self) -> impl Iterator<Item = PanelWeights<'_>> {
        let lanes = self.memory.lanes();
        self.panels.iter().map(move |&Panel { first, vectors }| PanelWeights {
            first,
            vectors,
            rows: &lanes[first * self.depth..][..vectors * self.depth],
        })
    }
}
