//! Holds the frame rate: lowers the effort a frame quickly when there is too much of it, and raises
//! it slowly when there is room.
//!
//! Pure: time comes in with each sample, so the same samples give the same levels.

mod lateness;
mod levels;
mod loads;

use std::time::Duration;

use super::platform::Heat;
use crate::engine::Effort;
use lateness::Lateness;
pub use levels::{LEVELS, floor};
use loads::{FRAMES, Loads};

/// The fewest frames that say anything.
const FEW: usize = 6;
/// Shares of the time a frame has: above the first the level goes down, below the second it may
/// go up. A tail so long makes frames late even where the mean is not; where the mean is below the
/// last, it comes from something else on the machine.
const FULL: f32 = 0.95;
const ROOMY: f32 = 0.8;
const TAIL: f32 = 1.3;
const SLACK: f32 = 0.5;
/// Least time between two steps down, and between calm and a step up.
const SETTLE: Duration = Duration::from_millis(200);
const CALM: Duration = Duration::from_secs(2);
const LONGEST_CALM: Duration = Duration::from_secs(64);
/// A step up that lasts no longer than this was a mistake.
const TRIAL: Duration = Duration::from_secs(4);
/// Lateness is not heard for so long after the first frame.
const START: Duration = Duration::from_secs(1);
/// What a level is taken to cost over the next, before that was measured, and how far a frame
/// brings the measured back to it.
const USUAL: f32 = 1.15;
const AGE: f32 = 0.003;

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
    late: Lateness,
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
            late: Lateness::default(),
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
        self.late.hear(now, Duration::from_nanos(jitter.max(0) as u64));
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
            Some((_, reason)) => {
                if reason == Reason::Qos {
                    self.late.answered(sample.now);
                }
                self.calm.since = None;
                None
            }
            None => self.up(sample, load, tail),
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
    fn excess(&mut self, sample: &Sample, load: f32, tail: f32) -> Option<(usize, Reason)> {
        if load > FULL {
            let steps = if load > 2.0 { 3 } else { 1 + usize::from(load > 1.3) };
            return Some((steps, Reason::Fps));
        }
        let whole = self.loads.count >= FRAMES;
        let stuck = self.loads.queue() > 0.95 && load > 0.85;
        if whole && (stuck || (tail > TAIL && load > ROOMY)) {
            return Some((1, Reason::Fps));
        }
        self.late.calls(sample.now, sample.period).then_some((1, Reason::Qos))
    }

    fn down(&mut self, now: Duration, steps: usize, reason: Reason) -> Change {
        if self.stepped.is_some_and(|(at, up)| up && now.saturating_sub(at) < TRIAL) {
            self.calm.needed = (2 * self.calm.needed).min(LONGEST_CALM);
        }
        if reason == Reason::Qos {
            self.late.answered(now);
        }
        let (load, to) = (self.loads.mean(), (self.level + steps).min(LEVELS.len() - 1));
        let change = self.step(now, to, reason);
        self.before = (to - change.from == 1).then_some(load);
        change
    }

    /// One level up where there has been room for long enough: longer each time that it did not last.
    fn up(&mut self, sample: &Sample, load: f32, tail: f32) -> Option<Change> {
        let now = sample.now;
        let floor = self.floor().map_or(0, |floor| floor.0);
        let late = self.late.is_too_much(now, sample.period) || (tail > TAIL && load > SLACK);
        if self.level <= floor || late || self.loads.count < FRAMES.min(2 * FEW) {
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
        self.late.relieved();
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

#[cfg(test)]
mod tests;
