//! The newest frame, before and after the swap, on its way to the window and to whoever else wants
//! it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use gst_video::{VideoFrameExt, VideoFrameRef, VideoInfo};

/// Frames that the element may have in flight.
const IN_FLIGHT: usize = 32;

/// An RGBA frame.
#[derive(Debug, Clone)]
pub struct Shown {
    pub info: VideoInfo,
    pub after: gst::Buffer,
    /// The same frame as it came, where that was asked for.
    pub before: Option<gst::Buffer>,
}

/// Takes the frames with their running times.
pub type Tap = Box<dyn Fn(&gst::Buffer, &VideoInfo, gst::ClockTime) + Send + Sync>;

pub struct Frames {
    wake: Arc<dyn Fn() + Send + Sync>,
    newest: Mutex<Option<Shown>>,
    originals: Mutex<VecDeque<gst::Buffer>>,
    keeps_originals: AtomicBool,
    count: AtomicU64,
    taps: Mutex<Vec<(u64, Arc<Tap>)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Frames {
    pub fn new(wake: Arc<dyn Fn() + Send + Sync>) -> Frames {
        Frames {
            wake,
            newest: Mutex::default(),
            originals: Mutex::default(),
            keeps_originals: AtomicBool::new(false),
            count: AtomicU64::new(0),
            taps: Mutex::default(),
        }
    }

    /// Whether frames are kept as they came, to be shown beside the swap.
    pub fn keep_originals(&self, keep: bool) {
        self.keeps_originals.store(keep, Ordering::Relaxed);
    }

    /// The newest frame that was not taken yet.
    pub fn take(&self) -> Option<Shown> {
        lock(&self.newest).take()
    }

    /// Frames so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Forgets frames of an earlier pipeline.
    pub fn clear(&self) {
        lock(&self.originals).clear();
        lock(&self.newest).take();
    }

    /// From now on `tap` gets every frame, until [`remove`](Self::remove).
    pub fn add(&self, id: u64, tap: Tap) {
        lock(&self.taps).push((id, Arc::new(tap)));
    }

    pub fn remove(&self, id: u64) {
        lock(&self.taps).retain(|(other, _)| *other != id);
    }

    /// A frame before the swap. The reference that is kept makes the element write into a copy.
    pub(super) fn before(&self, buffer: &gst::Buffer) {
        let mut originals = lock(&self.originals);
        if !self.keeps_originals.load(Ordering::Relaxed) {
            return originals.clear();
        }
        if originals.len() == IN_FLIGHT {
            originals.pop_front();
        }
        originals.push_back(buffer.clone());
    }

    /// A frame after it.
    pub(super) fn after(&self, sample: &gst::Sample) {
        let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps()) else { return };
        let Ok(info) = VideoInfo::from_caps(caps) else { return };
        let time = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let time = time.and_then(|segment| segment.to_running_time(buffer.pts()));
        let taps: Vec<Arc<Tap>> = lock(&self.taps).iter().map(|(_, tap)| tap.clone()).collect();
        for tap in taps {
            tap(&buffer, &info, time.unwrap_or_default());
        }
        let before = self.original(buffer.pts());
        *lock(&self.newest) = Some(Shown { info, after: buffer, before });
        self.count.fetch_add(1, Ordering::Relaxed);
        (self.wake)();
    }

    fn original(&self, time: Option<gst::ClockTime>) -> Option<gst::Buffer> {
        let mut originals = lock(&self.originals);
        let at = originals.iter().position(|original| original.pts() == time)?;
        originals.drain(..=at).next_back()
    }
}

/// The pixels of an RGBA frame without padding between rows; false where it cannot be read.
pub fn packed(buffer: &gst::BufferRef, info: &VideoInfo, out: &mut Vec<u8>) -> bool {
    let Ok(frame) = VideoFrameRef::from_buffer_ref_readable(buffer, info) else { return false };
    let Ok(plane) = frame.plane_data(0) else { return false };
    let (row, stride) = (4 * info.width() as usize, frame.plane_stride()[0].max(0) as usize);
    out.clear();
    if stride < row {
        return false;
    }
    plane.chunks(stride).take(info.height() as usize).for_each(|line| out.extend_from_slice(&line[..row]));
    out.len() == row * info.height() as usize
}
