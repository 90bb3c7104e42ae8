//! Counters and frame times of one stream. Nothing here allocates.

use std::time::{Duration, Instant};

use crate::{
    engine::{HybridReport, StageTimes},
    models::Provider,
};

/// Intervals that the frame rate is averaged over.
const RATE_FRAMES: usize = 30;
/// Buckets an octave: a bucket is at most 1/16 of its value wide.
const STEPS: usize = 16;
/// 1 µs to 2²⁸ µs, four and a half minutes.
const OCTAVES: usize = 28;

/// What the engine did to one frame.
#[derive(Debug, Clone, Copy, Default)]
pub struct Processed {
    /// Wall time of the frame inside the element.
    pub elapsed: Duration,
    pub times: StageTimes,
    pub faces: u32,
    pub queue: u32,
    pub swapped: bool,
    pub held: bool,
    /// What the swap network ran on, and the images of a run at most.
    pub network: Option<(Provider, usize)>,
    /// Its runs, a part of the swap.
    pub network_time: Duration,
    /// Runs that began with a face of this frame, and the images in them.
    pub network_runs: u32,
    pub network_images: u32,
    /// Where the hybrid engine is at work.
    pub hybrid: Option<HybridReport>,
}

/// The numbers at one moment. Times are over the frames since the last but one [`Stats::roll`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Snapshot {
    /// Frames a second, averaged over the last 30 frames; 0 before the second one.
    pub fps: f64,
    pub frame_time_mean_ms: f64,
    /// 95th percentile, within 1/16 of its value.
    pub frame_time_p95_ms: f64,
    pub frame_time_max_ms: f64,
    pub detect_ms: f64,
    pub landmarks_ms: f64,
    /// Recognising faces.
    pub identity_ms: f64,
    pub swap_ms: f64,
    pub blend_ms: f64,
    /// Enhancing.
    pub enhance_ms: f64,
    /// Runs of the swap network, a part of `swap_ms`.
    pub network_ms: f64,
    /// Images of a run over those that it takes at most, the mean of all runs; 0 where there were none.
    pub batch_fill: f64,
    /// Faces of the last frame.
    pub faces: u32,
    pub frames_in: u64,
    pub frames_out: u64,
    pub frames_swapped: u64,
    pub frames_held: u64,
    pub frames_dropped: u64,
    /// As in [`Processed`], of the last frame that was swapped.
    pub network: Option<(Provider, usize)>,
    /// Of the last frame; its key frames are counted from the start.
    pub hybrid: Option<HybridReport>,
    pub key_frames: u64,
    pub cache_hits: u64,
    pub cache_misses: u64,
    /// Frames in flight when the last one left.
    pub queue_depth: u32,
}

/// Statistics of one stream.
#[derive(Debug)]
pub struct Stats {
    totals: Snapshot,
    rate: Rate,
    current: Window,
    previous: Window,
    rolled: Option<Instant>,
}

impl Default for Stats {
    fn default() -> Self {
        Stats {
            totals: Snapshot::default(),
            rate: Rate { marks: [None; RATE_FRAMES + 1], next: 0 },
            current: Window::EMPTY,
            previous: Window::EMPTY,
            rolled: None,
        }
    }
}

impl Stats {
    /// A frame came in.
    pub fn arrived(&mut self) {
        self.totals.frames_in += 1;
    }

    /// A frame was given up because it was late.
    pub fn dropped(&mut self) {
        self.totals.frames_dropped += 1;
    }

    /// A frame went out untouched.
    pub fn passed(&mut self, now: Instant) {
        self.totals.faces = 0;
        self.left(now);
    }

    /// A frame went out after the engine saw it.
    pub fn processed(&mut self, frame: &Processed, now: Instant) {
        self.totals.faces = frame.faces;
        self.totals.hybrid = frame.hybrid;
        self.totals.key_frames += frame.hybrid.map_or(0, |hybrid| hybrid.arrived.into());
        if frame.swapped {
            self.totals.network = frame.network;
        }
        self.totals.queue_depth = frame.queue;
        self.totals.frames_swapped += u64::from(frame.swapped);
        self.totals.frames_held += u64::from(frame.held);
        self.current.add(frame);
        self.left(now);
    }

    /// Embeddings of photos that were found in the cache, and that were not, so far.
    pub fn cache(&mut self, hits: u64, misses: u64) {
        (self.totals.cache_hits, self.totals.cache_misses) = (hits, misses);
    }

    fn left(&mut self, now: Instant) {
        self.totals.frames_out += 1;
        self.rate.mark(now);
    }

    /// Starts a new window when `period` has passed since the last one began; whether it did.
    pub fn roll(&mut self, now: Instant, period: Duration) -> bool {
        let since = *self.rolled.get_or_insert(now);
        if now.saturating_duration_since(since) < period {
            return false;
        }
        self.rolled = Some(now);
        std::mem::swap(&mut self.previous, &mut self.current);
        self.current = Window::EMPTY;
        true
    }

    fn fill(&self) -> f64 {
        let sum = |part: fn(&Window) -> u32| f64::from(part(&self.previous) + part(&self.current));
        let most = self.totals.network.map_or(1, |(_, most)| most.max(1)) as f64;
        sum(|w| w.images) / (sum(|w| w.runs) * most).max(1.0)
    }

    pub fn snapshot(&self) -> Snapshot {
        let windows = [&self.previous, &self.current];
        let mean = |sum: fn(&Window) -> Duration| {
            let count: u32 = windows.iter().map(|w| w.count).sum();
            ms(windows.iter().map(|w| sum(w)).sum::<Duration>()) / f64::from(count.max(1))
        };
        Snapshot {
            fps: self.rate.per_second(),
            frame_time_mean_ms: mean(|w| w.total),
            frame_time_p95_ms: quantile(windows, 0.95),
            frame_time_max_ms: ms(self.previous.max.max(self.current.max)),
            detect_ms: mean(|w| w.stages.detect),
            landmarks_ms: mean(|w| w.stages.landmarks),
            identity_ms: mean(|w| w.stages.identity),
            swap_ms: mean(|w| w.stages.swap),
            blend_ms: mean(|w| w.stages.blend),
            enhance_ms: mean(|w| w.stages.enhance),
            network_ms: mean(|w| w.network),
            batch_fill: self.fill(),
            ..self.totals
        }
    }
}

/// When the last frames left.
#[derive(Debug)]
struct Rate {
    marks: [Option<Instant>; RATE_FRAMES + 1],
    next: usize,
}

impl Rate {
    fn mark(&mut self, now: Instant) {
        self.marks[self.next] = Some(now);
        self.next = (self.next + 1) % self.marks.len();
    }

    fn per_second(&self) -> f64 {
        let marks = self.marks.iter().flatten();
        let (Some(first), Some(last)) = (marks.clone().min(), marks.clone().max()) else {
            return 0.0;
        };
        let span = last.duration_since(*first).as_secs_f64();
        if span > 0.0 { (marks.count() - 1) as f64 / span } else { 0.0 }
    }
}

/// Sums and a histogram of frame times with a fixed number of buckets an octave.
#[derive(Debug)]
struct Window {
    count: u32,
    total: Duration,
    max: Duration,
    stages: StageTimes,
    network: Duration,
    runs: u32,
    images: u32,
    buckets: [u32; OCTAVES * STEPS],
}

impl Window {
    const EMPTY: Window = Window {
        count: 0,
        total: Duration::ZERO,
        max: Duration::ZERO,
        stages: StageTimes {
            detect: Duration::ZERO,
            landmarks: Duration::ZERO,
            identity: Duration::ZERO,
            swap: Duration::ZERO,
            blend: Duration::ZERO,
            enhance: Duration::ZERO,
        },
        network: Duration::ZERO,
        runs: 0,
        images: 0,
        buckets: [0; OCTAVES * STEPS],
    };

    fn add(&mut self, frame: &Processed) {
        self.count += 1;
        self.total += frame.elapsed;
        self.max = self.max.max(frame.elapsed);
        self.stages.detect += frame.times.detect;
        self.stages.landmarks += frame.times.landmarks;
        self.stages.identity += frame.times.identity;
        self.stages.swap += frame.times.swap;
        self.stages.blend += frame.times.blend;
        self.stages.enhance += frame.times.enhance;
        self.network += frame.network_time;
        self.runs += frame.network_runs;
        self.images += frame.network_images;
        self.buckets[bucket(frame.elapsed)] += 1;
    }
}

fn bucket(time: Duration) -> usize {
    let us = (time.as_nanos() as f64 / 1000.0).max(1.0);
    let octave = us.log2().floor();
    let step = (us / octave.exp2() - 1.0) * STEPS as f64;
    (octave as usize * STEPS + (step as usize).min(STEPS - 1)).min(OCTAVES * STEPS - 1)
}

/// Lower edge of a bucket in milliseconds.
fn edge(bucket: usize) -> f64 {
    let octave = ((bucket / STEPS) as f64).exp2();
    octave * (1.0 + (bucket % STEPS) as f64 / STEPS as f64) / 1000.0
}

/// The time in milliseconds that a share `q` of the frames stays below, interpolated in its bucket.
fn quantile(windows: [&Window; 2], q: f64) -> f64 {
    let count: u32 = windows.iter().map(|w| w.count).sum();
    let wanted = f64::from(count) * q;
    let max = ms(windows[0].max.max(windows[1].max));
    let mut below = 0.0;
    for i in 0..OCTAVES * STEPS {
        let here = f64::from(windows[0].buckets[i] + windows[1].buckets[i]);
        if here > 0.0 && below + here >= wanted {
            let (low, high) = (edge(i), edge(i + 1));
            return (low + (high - low) * (wanted - below) / here).min(max);
        }
        below += here;
    }
    max
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(ms: f64) -> Processed {
        Processed { elapsed: Duration::from_secs_f64(ms / 1000.0), ..Processed::default() }
    }

    #[test]
    fn frame_rate_is_over_the_last_thirty_frames() {
        let start = Instant::now();
        let mut stats = Stats::default();
        assert_eq!(stats.snapshot().fps, 0.0);
        for i in 0..100u32 {
            stats.passed(start + Duration::from_millis(40) * i);
        }
        assert!((stats.snapshot().fps - 25.0).abs() < 1e-6);
        let later = start + Duration::from_millis(4000);
        for i in 0..31u32 {
            stats.passed(later + Duration::from_millis(10) * i);
        }
        assert!((stats.snapshot().fps - 100.0).abs() < 1e-6);
        assert_eq!(stats.snapshot().frames_out, 131);
    }

    #[test]
    fn percentile_is_within_a_bucket() {
        let now = Instant::now();
        let mut stats = Stats::default();
        for i in 1..=1000 {
            stats.processed(&frame(f64::from(i) / 20.0), now);
        }
        let s = stats.snapshot();
        assert!((s.frame_time_mean_ms - 25.025).abs() < 1e-3, "{s:?}");
        assert!((s.frame_time_max_ms - 50.0).abs() < 1e-6, "{s:?}");
        assert!((s.frame_time_p95_ms / 47.5 - 1.0).abs() < 1.0 / 16.0, "{s:?}");
    }

    #[test]
    fn one_frame_is_its_own_percentile() {
        let mut stats = Stats::default();
        stats.processed(&frame(7.3), Instant::now());
        let s = stats.snapshot();
        assert!(s.frame_time_p95_ms <= s.frame_time_max_ms);
        assert!((s.frame_time_p95_ms / 7.3 - 1.0).abs() < 1.0 / 16.0, "{s:?}");
    }

    #[test]
    fn extremes_stay_in_the_histogram() {
        let mut stats = Stats::default();
        stats.processed(&frame(0.0), Instant::now());
        stats.processed(&frame(1e7), Instant::now());
        assert!(stats.snapshot().frame_time_max_ms >= 1e7 - 1.0);
    }

    #[test]
    fn a_batch_s_fill_is_over_runs_not_frames() {
        let mut stats = Stats::default();
        assert_eq!(stats.snapshot().batch_fill, 0.0);
        let run = |runs, images| Processed {
            network: Some((Provider::Cuda, 4)),
            network_runs: runs,
            network_images: images,
            swapped: true,
            ..frame(1.0)
        };
        for frame in [run(1, 4), run(0, 0), run(0, 0), run(0, 0), run(2, 6)] {
            stats.processed(&frame, Instant::now());
        }
        assert!((stats.snapshot().batch_fill - 10.0 / 12.0).abs() < 1e-9);
    }

    #[test]
    fn old_frames_leave_after_two_windows() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut stats = Stats::default();
        assert!(!stats.roll(now, second));
        stats.processed(&frame(100.0), now);
        assert!(stats.roll(now + second, second));
        stats.processed(&frame(1.0), now);
        assert_eq!(stats.snapshot().frame_time_max_ms, 100.0);
        assert!(stats.roll(now + 2 * second, second));
        assert_eq!(stats.snapshot().frame_time_max_ms, 1.0);
    }
}
