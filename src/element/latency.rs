//! Frames in flight are held back: what is told of that, and the buffers that it takes.

use std::{sync::atomic::Ordering, time::Duration};

use gst::{prelude::*, subclass::prelude::*};

use super::{flight::Flight, imp::FaceSwap, log::CAT};

impl FaceSwap {
    pub(super) fn latency(&self) -> gst::ClockTime {
        gst::ClockTime::from_nseconds(self.latency.load(Ordering::Relaxed))
    }

    /// Tells the pipeline of a latency that is not the one it knows.
    fn update_latency(&self, latency: Duration) {
        let latency = latency.as_nanos() as u64;
        if self.latency.swap(latency, Ordering::Relaxed) != latency {
            gst::info!(CAT, imp = self, "Latency is now {}", gst::ClockTime::from_nseconds(latency));
            let message = gst::message::Latency::builder().src(&*self.obj()).build();
            // Without a bus there is nobody to tell.
            let _ = self.obj().post_message(message);
        }
    }

    /// Has frames in flight wait for those behind them, each for the duration of `frame`.
    pub(super) fn hold_back(&self, flight: &Flight, frame: Duration) {
        let hold = frame * flight.depth() as u32;
        flight.set_hold(hold);
        self.update_latency(hold);
    }

    /// Adds the element's own latency to what upstream answered.
    pub(super) fn add_latency(&self, query: &mut gst::query::Latency) {
        let own = self.latency();
        let (live, min, max) = query.result();
        query.set(live, min.saturating_add(own), max.map(|max| max.saturating_add(own)));
    }

    /// Frames in flight are held as well; upstream's pool must not run dry.
    pub(super) fn enlarge_pools(&self, query: &mut gst::query::Allocation) {
        let held = self.flight().map_or(0, |flight| flight.depth() as u32);
        let pools: Vec<_> = query.allocation_pools().enumerate().collect();
        for (index, (pool, size, min, max)) in pools.into_iter().filter(|_| held > 0) {
            let max = if max == 0 { 0 } else { max.saturating_add(held) };
            query.set_nth_allocation_pool(index as u32, pool.as_ref(), size, min.saturating_add(held), max);
        }
    }
}
