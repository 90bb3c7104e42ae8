//! Holds to `max-memory`: what shrinks before it is passed.

use gst::subclass::prelude::*;

use super::{flight::Flight, imp::FaceSwap, log::CAT};
use crate::{
    control::memory::{Budget, Gauge, Memory},
    engine::limit_embeddings,
    sync::lock,
};

/// What a frame in flight has besides its pixels, and a face of a network's run at least: bytes.
const FRAME: u64 = 1 << 19;
const FACE: u64 = 1 << 26;

fn now() -> Memory {
    Gauge::new().map(|mut gauge| gauge.read().0).unwrap_or_default()
}

impl FaceSwap {
    /// Sets the budget of `max_memory` MiB, and the caches' size.
    pub(super) fn set_budget(&self, max_memory: u32) {
        let budget = Budget::new(max_memory, now());
        gst::debug!(CAT, imp = self, "Memory: {budget:?}");
        limit_embeddings(&budget);
        *lock(&self.budget) = budget;
    }

    /// Faces of a network's run, of those asked for.
    pub(super) fn fit_batch(&self, wanted: usize) -> usize {
        let budget = *lock(&self.budget);
        self.told("faces a run of the network", wanted, budget.fit(now(), wanted, FACE))
    }

    /// Sets how many frames of that size may be in flight, of those asked for. None are.
    pub(super) fn fit_flight(&self, flight: &Flight, info: &gst_video::VideoInfo) {
        let budget = *lock(&self.budget);
        let fits = budget.fit(now(), flight.most(), info.size() as u64 + FRAME);
        flight.set_depth(self.told("frames in flight", flight.most(), fits));
    }

    fn told(&self, what: &str, wanted: usize, fits: usize) -> usize {
        if fits < wanted {
            gst::warning!(CAT, imp = self, "max-memory leaves {fits} of {wanted} {what}");
        }
        fits
    }
}
