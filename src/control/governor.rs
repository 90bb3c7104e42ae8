//! Holds the frame rate: lowers the effort a frame quickly when there is too much of it, and raises
//! it slowly when there is room.
//!
//! Pure: time comes in with each sample, so the same samples give the same levels.

use std::time::Duration;

use super::platform::Heat;
use crate::engine::Effort;

/// The levels, from all that `quality` asks for to the least. In the order in which a late frame
/// gives things up: a fresh swap, analysis resolution, searches for new faces, a fresh mask.
pub const LEVELS: [Effort; 8] = [
    level(1, 1.0, 1, 1, 10),
    level(2, 1.0, 1, 1, 20),
    level(4, 1.0, 1, 1, 30),
    level(4, 0.75, 1, 1, 45),
    level(4, 0.5, 1, 1, 60),
    level(4, 0.5, 3, 1, 60),
    level(6, 0.5, 3, 2, 90),
    level(9, 0.5, 6, 3, 120),
];

const fn level(
    swap_interval: u32,
    resolution: f32,
    detection_interval: u32,
    landmark_interval: u32,
    key_interval: u32,
) -> Effort {
    Effort { swap_interval, resolution, detection_interval, landmark_interval, key_interval, late: false }
}

/// Frames that loads are averaged over, and the fewest that say anything.
const FRAMES: usize = 30;
const FEW: usize = 6;
/// Shares of the time a frame has: above the first the level goes down, below the second it may
/// go up. A tail so long makes frames late even where the mean is not.
const FULL: f32 = 0.95;
const ROOMY: f32 = 0.8;
const TAIL: f32 = 1.3;
/// Least time between two steps down, and between calm and a step up.
const SETTLE: Duration = Duration::from_millis(200);
const CALM: Duration = Duration::from_secs(2);
const LONGEST_CALM: Duration = Duration::from_secs(64);
/// A step up that lasts no longer than this was a mistake.
const TRIAL: Duration = Duration::from_secs(4);
/// Lateness is not heard for so long after the first frame.
const START: Duration = Duration::from_secs(1);
/// A report of lateness counts this long.
const FORGET: Duration = Duration::from_secs(1);
/// What a level is taken to cost over the next, before that was measured, and how far a frame
/// brings the measured back to it.
const USUAL: f32 = 1.15;
const AGE: f32 = 0.003;

/// The level that heat asks for at least.
pub const fn floor(heat: Heat) -> usize {
    match heat {
        Heat::Nominal => 0,
        Heat::Fair => 1,
        Heat::Serious => 4,
        Heat::Critical => 6,
    }
}

/// Why a level was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Fps,
    Thermal,
    Memory,
    Qos,
}

impl Reason {
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Fps => "fps",
            Reason::Thermal => "thermal",
            Reason::Memory => "memory",
            Reason::Qos => "qos",
        }
    }
}

/// A step from one level to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub from: usize,
    pub to: usize,
    pub reason: Reason,
}

/// One frame as the governor sees it.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// On any steady clock.
    pub now: Duration,
    /// The work that bounds the rate: all stages, or the longest where stages overlap.
    pub busy: Duration,
    /// Time that a frame has.
    pub period: Duration,
    /// Share of the places in flight that were taken, 0–1.
    pub queue: f32,
}

/// The controller of one stream.
#[derive(Debug)]
pub struct Governor {
    level: usize,
    /// The least effort that heat and memory ask for.
    heat: Heat,
    memory_short: bool,
    loads: Loads,
    /// Last step, and whether it went up.
    stepped: Option<(Duration, bool)>,
    calm: Calm,
    /// What the level above each costs over it, as measured at the last step down.
    ratio: [f32; LEVELS.len()],
    /// Load before the last step down, until that after it is known.
    before: Option<f32>,
    late: Option<Lateness>,
    /// Of the first sample.
    began: Option<Duration>,
    reason: Reason,
}

/// Since when there is room, and how long it must last.
#[derive(Debug, Clone, Copy)]
struct Calm {
    since: Option<Duration>,
    needed: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Lateness {
    at: Duration,
    by: Duration,
    growing: bool,
}

impl Default for Governor {
    fn default() -> Self {
        Governor {
            level: 0,
            heat: Heat::Nominal,
            memory_short: false,
            loads: Loads::default(),
            stepped: None,
            calm: Calm { since: None, needed: CALM },
            ratio: [USUAL; LEVELS.len()],
            before: None,
            late: None,
            began: None,
            reason: Reason::Fps,
        }
    }
}

impl Governor {
    /// 0 is the full effort.
    pub fn level(&self) -> usize {
        self.level
    }

    pub fn effort(&self) -> Effort {
        LEVELS[self.level]
    }

    /// How hot the machine is.
    pub fn heat(&mut self, heat: Heat) {
        self.heat = heat;
    }

    /// Whether memory is about to run out.
    pub fn memory(&mut self, short: bool) {
        self.memory_short = short;
    }

    /// A sink says how late (or, negative, early) a frame was, in nanoseconds.
    pub fn qos(&mut self, now: Duration, jitter: i64) {
        // While models were loaded frames piled up, which no level could have helped.
        if self.began.is_none_or(|began| now.saturating_sub(began) < START) {
            return;
        }
        let by = Duration::from_nanos(jitter.max(0) as u64);
        let growing = self.late.is_some_and(|last| now.saturating_sub(last.at) < FORGET && by > last.by);
        self.late = (jitter > 0).then_some(Lateness { at: now, by, growing });
    }

    /// Takes note of a frame; the step that follows from it.
    pub fn observe(&mut self, sample: &Sample) -> Option<Change> {
        self.began.get_or_insert(sample.now);
        let period = sample.period.as_secs_f32().max(1e-4);
        self.loads.add(sample.busy.as_secs_f32() / period, sample.queue);
        if let Some((floor, reason)) = self.floor().filter(|floor| floor.0 > self.level) {
            return Some(self.step(sample.now, floor, reason));
        }
        let settled = self.stepped.is_none_or(|(at, _)| sample.now.saturating_sub(at) >= SETTLE);
        if self.loads.count < FEW || !settled {
            return None;
        }
        let (load, tail) = (self.loads.mean(), self.loads.tail());
        if let Some(before) = self.before.take() {
            self.ratio[self.level] = (before / load.max(1e-3)).clamp(1.05, 2.0);
        }
        match self.excess(sample, load, tail) {
            Some((steps, reason)) if self.level + 1 < LEVELS.len() => {
                Some(self.down(sample.now, steps, reason))
            }
            Some(_) => {
                self.calm.since = None;
                None
            }
            None => self.up(sample.now, load, tail),
        }
    }

    /// The level that heat or memory asks for at least.
    fn floor(&self) -> Option<(usize, Reason)> {
        let heat = floor(self.heat);
        let memory = if self.memory_short { 4 } else { 0 };
        match heat.max(memory) {
            0 => None,
            floor if floor == heat => Some((floor, Reason::Thermal)),
            floor => Some((floor, Reason::Memory)),
        }
    }

    /// By how many levels there is too much to do.
    fn excess(&self, sample: &Sample, load: f32, tail: f32) -> Option<(usize, Reason)> {
        let late = self.late.filter(|late| sample.now.saturating_sub(late.at) < FORGET);
        let too_late = |l: Lateness| l.by > 4 * sample.period || (l.growing && l.by > sample.period);
        if load > FULL {
            let steps = if load > 2.0 { 3 } else { 1 + usize::from(load > 1.3) };
            return Some((steps, Reason::Fps));
        }
        let whole = self.loads.count >= FRAMES;
        let stuck = self.loads.queue() > 0.95 && load > 0.85;
        if whole && (stuck || (tail > TAIL && load > ROOMY)) {
            return Some((1, Reason::Fps));
        }
        late.filter(|late| too_late(*late)).map(|_| (1, Reason::Qos))
    }

    fn down(&mut self, now: Duration, steps: usize, reason: Reason) -> Change {
        if self.stepped.is_some_and(|(at, up)| up && now.saturating_sub(at) < TRIAL) {
            self.calm.needed = (2 * self.calm.needed).min(LONGEST_CALM);
        }
        let (load, to) = (self.loads.mean(), (self.level + steps).min(LEVELS.len() - 1));
        let change = self.step(now, to, reason);
        self.before = (to - change.from == 1).then_some(load);
        change
    }

    /// One level up where there has been room for long enough.
    fn up(&mut self, now: Duration, load: f32, tail: f32) -> Option<Change> {
        let floor = self.floor().map_or(0, |floor| floor.0);
        let late = self.late.is_some_and(|late| now.saturating_sub(late.at) < FORGET);
        if self.level <= floor || late || tail > TAIL || self.loads.count < FRAMES.min(2 * FEW) {
            self.calm.since = None;
            return None;
        }
        // Of the step that led here.
        let ratio = &mut self.ratio[self.level];
        if load * *ratio > ROOMY {
            // The measure grows old: what was costly then may not be now.
            *ratio += AGE * (USUAL - *ratio);
            self.calm.since = None;
            return None;
        }
        let since = *self.calm.since.get_or_insert(now);
        if now.saturating_sub(since) < self.calm.needed {
            return None;
        }
        if self.stepped.is_some_and(|(at, up)| up && now.saturating_sub(at) > TRIAL) {
            self.calm.needed = (self.calm.needed / 2).max(CALM);
        }
        let (to, reason) = (self.level - 1, self.reason);
        Some(self.step(now, to, reason))
    }

    fn step(&mut self, now: Duration, to: usize, reason: Reason) -> Change {
        let change = Change { from: self.level, to, reason };
        self.stepped = Some((now, to < self.level));
        self.level = to;
        self.reason = reason;
        self.loads = Loads::default();
        self.calm.since = None;
        self.before = None;
        change
    }
}

/// The loads of the last frames at one level.
#[derive(Debug, Default)]
struct Loads {
    loads: [f32; FRAMES],
    queues: [f32; FRAMES],
    next: usize,
    count: usize,
}

impl Loads {
    fn add(&mut self, load: f32, queue: f32) {
        (self.loads[self.next], self.queues[self.next]) = (load, queue);
        self.next = (self.next + 1) % FRAMES;
        self.count = (self.count + 1).min(FRAMES);
    }

    fn mean(&self) -> f32 {
        self.loads[..self.count].iter().sum::<f32>() / self.count.max(1) as f32
    }

    fn queue(&self) -> f32 {
        self.queues[..self.count].iter().sum::<f32>() / self.count.max(1) as f32
    }

    /// 95th percentile.
    fn tail(&self) -> f32 {
        let mut sorted = self.loads;
        let sorted = &mut sorted[..self.count];
        let at = (self.count * 95).div_ceil(100).saturating_sub(1);
        match sorted.is_empty() {
            true => 0.0,
            false => *sorted.select_nth_unstable_by(at, f32::total_cmp).1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a frame costs at each level over that at the first.
    const COST: [f32; LEVELS.len()] = [1.0, 0.92, 0.87, 0.82, 0.76, 0.7, 0.5, 0.38];

    /// A machine whose frames take `cost(t, n)` milliseconds at level 0, at 30 frames a second.
    struct Run {
        governor: Governor,
        changes: Vec<(f32, Change)>,
        /// Time and load of every frame.
        frames: Vec<(f32, f32)>,
    }

    const PERIOD: f32 = 1.0 / 30.0;

    fn run(seconds: f32, cost: impl Fn(f32, usize) -> f32) -> Run {
        let mut run = Run { governor: Governor::default(), changes: Vec::new(), frames: Vec::new() };
        run.go(seconds, cost);
        run
    }

    impl Run {
        fn go(&mut self, seconds: f32, cost: impl Fn(f32, usize) -> f32) {
            let first = self.frames.len();
            for n in first..first + (seconds / PERIOD) as usize {
                let t = n as f32 * PERIOD;
                let busy = cost(t, n) * COST[self.governor.level()] / 1000.0;
                self.frames.push((t, busy / PERIOD));
                let sample = Sample {
                    now: Duration::from_secs_f32(t),
                    busy: Duration::from_secs_f32(busy),
                    period: Duration::from_secs_f32(PERIOD),
                    queue: 0.0,
                };
                self.changes.extend(self.governor.observe(&sample).map(|change| (t, change)));
            }
        }

        fn last_change(&self) -> f32 {
            self.changes.last().map_or(0.0, |(t, _)| *t)
        }

        /// How often the direction of the steps changed.
        fn turns(&self) -> usize {
            let up: Vec<bool> = self.changes.iter().map(|(_, c)| c.to < c.from).collect();
            up.windows(2).filter(|pair| pair[0] != pair[1]).count()
        }

        fn mean_load(&self, from: f32, to: f32) -> f32 {
            let loads: Vec<f32> =
                self.frames.iter().filter(|(t, _)| (from..to).contains(t)).map(|(_, load)| *load).collect();
            loads.iter().sum::<f32>() / loads.len() as f32
        }
    }

    /// Uniform in −1…1, the same for the same frame.
    fn noise(n: usize) -> f32 {
        let mut x = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 29;
        x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x ^= x >> 32;
        (x % 20_001) as f32 / 10_000.0 - 1.0
    }

    #[test]
    fn with_room_nothing_changes() {
        let run = run(60.0, |_, n| 20.0 * (1.0 + 0.3 * noise(n)));
        assert_eq!(run.changes, []);
    }

    #[test]
    fn a_step_is_answered_within_two_seconds() {
        for (low, high) in [(15.0, 36.0), (20.0, 45.0), (25.0, 60.0), (5.0, 80.0)] {
            let run = run(12.0, |t, _| if t < 5.0 { low } else { high });
            assert!(
                run.changes.iter().all(|(t, c)| *t >= 5.0 && c.reason == Reason::Fps),
                "{:?}",
                run.changes
            );
            let settled = run.changes.iter().rfind(|(_, c)| c.to > c.from).unwrap().0;
            assert!(settled <= 7.0, "{high} ms: {:?}", run.changes);
            assert_eq!(run.turns(), 0, "{high} ms: {:?}", run.changes);
            assert!(run.mean_load(7.0, 12.0) < 1.0, "{high} ms: {}", run.mean_load(7.0, 12.0));
        }
    }

    #[test]
    fn a_load_that_no_level_can_carry_ends_at_the_last() {
        let run = run(20.0, |_, _| 400.0);
        assert_eq!(run.governor.level(), LEVELS.len() - 1);
        assert!(run.last_change() < 2.0, "{:?}", run.changes);
    }

    #[test]
    fn the_way_back_is_slow_and_complete() {
        let run = run(60.0, |t, _| if (5.0..15.0).contains(&t) { 70.0 } else { 15.0 });
        assert_eq!(run.governor.level(), 0, "{:?}", run.changes);
        assert_eq!(run.turns(), 1, "{:?}", run.changes);
        let up: Vec<&(f32, Change)> = run.changes.iter().filter(|(_, c)| c.to < c.from).collect();
        assert!(up.windows(2).all(|pair| pair[1].0 - pair[0].0 >= CALM.as_secs_f32() - 0.01));
        assert!(up.iter().all(|(t, c)| *t > 16.9 && c.from - c.to == 1), "{:?}", run.changes);
        assert!(run.last_change() < 40.0, "{:?}", run.changes);
    }

    #[test]
    fn a_ramp_is_followed_without_turning_back() {
        let run = run(40.0, |t, _| 10.0 + t);
        assert_eq!(run.turns(), 0, "{:?}", run.changes);
        assert!(run.changes.len() > 2);
        for second in 0..40 {
            let load = run.mean_load(second as f32, second as f32 + 1.0);
            assert!(load < 1.0, "second {second}: {load}");
        }
    }

    #[test]
    fn a_burst_costs_few_steps_and_is_forgotten() {
        let run = run(60.0, |t, _| if t % 20.0 < 0.15 && t > 5.0 { 90.0 } else { 18.0 });
        assert_eq!(run.governor.level(), 0, "{:?}", run.changes);
        assert!(run.turns() <= 4, "{:?}", run.changes);
    }

    #[test]
    fn noise_around_any_load_does_not_make_it_swing() {
        for cost in [24.0, 28.0, 30.0, 32.0, 34.0, 38.0, 42.0, 50.0, 60.0, 75.0] {
            let run = run(120.0, |_, n| cost * (1.0 + 0.25 * noise(n)));
            assert!(run.turns() <= 8, "{cost} ms: {} turns, {:?}", run.turns(), run.changes);
            let late: Vec<_> = run.changes.iter().filter(|(t, _)| *t > 60.0).collect();
            assert!(late.len() <= 4, "{cost} ms: {late:?}");
            assert!(run.mean_load(2.0, 120.0) < 1.0, "{cost} ms");
        }
    }

    #[test]
    fn heat_and_memory_set_a_floor_that_goes_with_them() {
        let mut run = run(1.0, |_, _| 10.0);
        run.governor.heat(Heat::Serious);
        run.go(4.0, |_, _| 10.0);
        assert_eq!(run.changes[0].1, Change { from: 0, to: 4, reason: Reason::Thermal });
        assert_eq!(run.changes.len(), 1);
        run.governor.heat(Heat::Nominal);
        run.go(20.0, |_, _| 10.0);
        assert_eq!(run.governor.level(), 0);
        run.governor.memory(true);
        run.go(1.0, |_, _| 10.0);
        assert_eq!(run.changes.last().unwrap().1, Change { from: 0, to: 4, reason: Reason::Memory });
    }

    #[test]
    fn a_sink_that_is_ever_later_is_heard() {
        let mut run = run(0.1, |_, _| 10.0);
        run.governor.qos(Duration::from_secs_f32(0.1), 300_000_000);
        run.go(1.0, |_, _| 10.0);
        assert_eq!(run.changes, [], "frames that piled up at the start");
        for i in 0..8 {
            run.governor.qos(Duration::from_secs_f32(1.1 + 0.25 * i as f32), 40_000_000 * i);
            run.go(0.25, |_, _| 10.0);
        }
        assert!(run.governor.level() >= 2, "{:?}", run.changes);
        assert!(run.changes.iter().all(|(_, c)| c.reason == Reason::Qos));
        run.governor.qos(Duration::from_secs_f32(3.1), -5_000_000);
        run.go(40.0, |_, _| 10.0);
        assert_eq!(run.governor.level(), 0);
    }

    #[test]
    fn the_same_samples_give_the_same_levels() {
        let cost = |t: f32, n: usize| (20.0 + 15.0 * (0.3 * t).sin()) * (1.0 + 0.4 * noise(n));
        assert_eq!(run(60.0, cost).changes, run(60.0, cost).changes);
    }
}
