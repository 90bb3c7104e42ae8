//! What sinks say of late frames, and how much of it is not cured by less work.

use std::time::Duration;

/// A report counts this long.
const FORGET: Duration = Duration::from_secs(1);
/// A step has so long to show in what sinks say.
const ANSWER: Duration = Duration::from_millis(500);
/// Lateness that so many steps in a row leave at so great a share is not this element's.
const VAIN: u32 = 3;
const CURED: f64 = 0.75;
/// So long steps are remembered, and what was excused counts again when it was not reached.
const GRUDGE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
struct Report {
    at: Duration,
    by: Duration,
    growing: bool,
}

/// Steps that lateness led to, in a row.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Lateness at the first of them.
    first: Duration,
    /// The most since the last of them showed, and before it.
    most: Duration,
    before: Duration,
    stepped: Duration,
    steps: u32,
}

/// Lateness as sinks tell it.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    last: Option<Report>,
    row: Option<Row>,
    /// What less work did not cure, and when it was last seen.
    excused: Duration,
    excused_at: Duration,
}

impl Lateness {
    /// A frame was late by so much; by nothing where it came in time.
    pub fn hear(&mut self, now: Duration, by: Duration) {
        let recent = self.last.filter(|last| now.saturating_sub(last.at) < FORGET);
        let growing = recent.is_some_and(|last| by > last.by);
        self.last = (!by.is_zero()).then_some(Report { at: now, by, growing });
        if let Some(row) = self.row.as_mut().filter(|row| now.saturating_sub(row.stepped) >= ANSWER) {
            row.most = row.most.max(by);
        }
        if !by.is_zero() && 2 * by >= self.excused {
            self.excused_at = now;
        } else if now.saturating_sub(self.excused_at) > GRUDGE {
            self.excused = Duration::ZERO;
        }
    }

    /// Whether frames come too late, beyond what is excused.
    pub fn is_too_much(&self, now: Duration, period: Duration) -> bool {
        let Some(last) = self.last.filter(|last| now.saturating_sub(last.at) < FORGET) else { return false };
        last.by > self.excused + 4 * period || (last.growing && last.by > self.excused + period)
    }

    /// Whether less work is to be done for it: where it is too much, and the last step had its time
    /// and did not begin to cure it.
    pub fn calls(&mut self, now: Duration, period: Duration) -> bool {
        if !self.is_too_much(now, period) {
            self.row = self.row.filter(|row| now.saturating_sub(row.stepped) < GRUDGE);
            return false;
        }
        let Some(row) = &mut self.row else { return true };
        if now.saturating_sub(row.stepped) < ANSWER {
            return false;
        }
        let cured = |share: f64, of: Duration| row.most < of.mul_f64(share);
        if cured(0.95, row.before) {
            (row.before, row.most, row.stepped) = (row.most, Duration::ZERO, now);
            return false;
        }
        if row.steps >= VAIN && !cured(CURED, row.first) {
            (self.excused, self.excused_at) = (row.most.max(row.first), now);
            self.row = None;
            return false;
        }
        true
    }

    /// A step up was taken: what the steps before have cured is settled.
    pub fn relieved(&mut self) {
        self.row = self.row.filter(|row| row.most >= row.before.mul_f64(CURED));
    }

    /// A step was taken for it, or could not be.
    pub fn answered(&mut self, now: Duration) {
        let by = self.last.map_or(Duration::ZERO, |last| last.by);
        let row = self.row.unwrap_or(Row { first: by, most: by, before: by, stepped: now, steps: 0 });
        let before = row.most.max(by);
        self.row = Some(Row { before, most: Duration::ZERO, stepped: now, steps: row.steps + 1, ..row });
    }
}
