//! The element on a bench: frames go in, the clock runs while it has them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gst::prelude::*;
use gst_check::Harness;

use super::{allocated, photo, processor_time};

/// `faceswap` with the default pack's source photo, without mark or messages, and with these
/// properties.
pub fn element(properties: &[(&str, &str)]) -> gst::Element {
    let element = gst::ElementFactory::make("faceswap")
        .property("source", photo("grace_hopper.jpg").display().to_string())
        .property_from_str("mark", "none")
        .property("stats-interval", 0u32)
        .build()
        .expect("the element");
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    element
}

/// What a stretch of as many frames as possible came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flow {
    pub spent: Duration,
    /// Processor time, seconds.
    pub worked: f64,
    pub allocations: u64,
}

/// An element and the frames for it, shown again and again.
pub struct Bed {
    pub element: gst::Element,
    harness: Harness,
    originals: Arc<[Vec<u8>]>,
    buffers: Vec<Option<gst::Buffer>>,
    period: Duration,
    count: u32,
    started: Instant,
}

impl Bed {
    /// Starts the element on frames of `info`; `originals` hold their bytes.
    pub fn new(
        element: gst::Element,
        info: &gst_video::VideoInfo,
        originals: impl Into<Arc<[Vec<u8>]>>,
    ) -> Bed {
        let originals = originals.into();
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        let started = Instant::now();
        harness.set_src_caps(info.to_caps().expect("caps"));
        let buffers = originals.iter().map(|data| Some(gst::Buffer::from_mut_slice(data.clone()))).collect();
        let rate = info.fps();
        let period = Duration::from_secs_f64(f64::from(rate.denom()) / f64::from(rate.numer().max(1)));
        Bed { element, harness, originals, buffers, period, count: 0, started }
    }

    /// Time since the element was started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    fn stamp(&mut self, buffer: &mut gst::BufferRef) {
        let time = gst::ClockTime::from_nseconds((self.period * self.count).as_nanos() as u64);
        buffer.set_pts(time);
        buffer.set_duration(gst::ClockTime::from_nseconds(self.period.as_nanos() as u64));
        self.count += 1;
    }

    /// One frame in and out, where none stay in flight; the time that it took. Nothing is allocated here.
    pub fn frame(&mut self) -> Duration {
        let at = self.count as usize % self.originals.len();
        let mut buffer = self.buffers[at].take().expect("the frame is back");
        let exclusive = buffer.get_mut().expect("nobody else has the frame");
        let mut map = exclusive.map_writable().expect("memory that can be written");
        map.copy_from_slice(&self.originals[at]);
        drop(map);
        self.stamp(exclusive);
        let pushed = Instant::now();
        let out = self.harness.push_and_pull(buffer).expect("a frame comes out");
        let spent = pushed.elapsed();
        self.buffers[at] = Some(out);
        spent
    }

    /// That many frames as fast as they go in, made before the clock starts; whatever is in flight
    /// afterwards is the next one's, unless this is the `last`.
    pub fn flow(&mut self, frames: u32, last: bool) -> Flow {
        let make = |i: u32| {
            let original = &self.originals[i as usize % self.originals.len()];
            gst::Buffer::from_mut_slice(original.clone())
        };
        let mut buffers: Vec<gst::Buffer> = (self.count..self.count + frames).map(make).collect();
        for buffer in &mut buffers {
            self.stamp(buffer.get_mut().expect("nobody else has the frame"));
        }
        let (started, worked, allocations) = (Instant::now(), processor_time(), allocated().0);
        for buffer in buffers {
            self.harness.push(buffer).expect("a frame goes in");
            while self.harness.try_pull().is_some() {}
        }
        if last {
            self.harness.push_event(gst::event::Eos::new());
        }
        Flow {
            spent: started.elapsed(),
            worked: processor_time() - worked,
            allocations: allocated().0 - allocations,
        }
    }

    pub fn stats(&self) -> gst::Structure {
        self.element.property("stats")
    }

    /// Frames that went in.
    pub fn frames(&self) -> u64 {
        self.count.into()
    }

    /// Ends the bench unless every frame was swapped.
    pub fn check(&self) {
        let swapped = self.stats().get::<u64>("frames-swapped");
        assert_eq!(swapped, Ok(self.frames()), "every frame is swapped");
    }
}
