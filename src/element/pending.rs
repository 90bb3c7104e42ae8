//! One frame between its arrival and its departure.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Mark,
    frame::Layout,
    mark::Origin,
    stream::{SwapError, guarded},
};
use crate::engine::{Analyser, EngineError, Frame, Painter, Params, Plan, Report, Source};

/// What a frame's departure needs to know of its arrival.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub position: Option<gst::ClockTime>,
    pub begun: Instant,
    pub mark: Mark,
    pub meta: bool,
    /// Time that a frame has, where time may decide what it shows; and where the governor may act on
    /// this one.
    pub pace: Option<Duration>,
    pub governed: Option<Duration>,
    /// As set when it came.
    pub pixel_boost: usize,
    pub origin: Arc<Origin>,
    /// Width and height in pixels.
    pub size: (u32, u32),
}

/// What is to be done with a frame.
#[derive(Debug)]
pub(super) struct Task {
    pub ticket: Ticket,
    pub layout: Arc<Layout>,
    pub source: Arc<Source>,
    pub params: Params,
    pub time: Duration,
    /// What came before does not go on here.
    pub restart: bool,
}

/// A frame that is being worked on. Reused from frame to frame; both stages keep their memory here.
#[derive(Debug)]
pub(super) struct Pending {
    pub task: Option<Task>,
    pub buffer: Option<gst::Buffer>,
    pub report: Report,
    pub result: Result<(), SwapError>,
    /// When the last stage ended.
    pub ended: Option<Instant>,
    /// Time of the longest stage, which bounds the rate.
    pub busy: Duration,
    /// Time spent on the second stage.
    pub painting: Duration,
    plan: Plan,
}

impl Default for Pending {
    fn default() -> Self {
        Pending {
            task: None,
            buffer: None,
            report: Report::default(),
            result: Ok(()),
            ended: None,
            busy: Duration::ZERO,
            painting: Duration::ZERO,
            plan: Plan::default(),
        }
    }
}

impl Pending {
    /// The first stage.
    pub fn analyse(&mut self, analyser: &mut Analyser) {
        let (Some(task), Some(buffer), Ok(())) = (&self.task, &mut self.buffer, &self.result) else { return };
        let (plan, begun) = (&mut self.plan, Instant::now());
        self.result = guarded(|| {
            #[cfg(test)]
            super::tests::inject_panic();
            if task.restart {
                analyser.reset();
            }
            let Task { layout, params, time, .. } = task;
            Ok(layout.view(buffer.make_mut(), |frame| analyser.analyse(frame, params, *time, plan))??)
        });
        self.busy = begun.elapsed();
    }

    /// The second stage's first part, see [`Painter::begin`]; whether the painter has the frame.
    pub fn begin(&mut self, painter: &mut Painter) -> bool {
        let begun = Instant::now();
        let entered = self.with_frame(|frame, task, plan, report| {
            painter.begin(frame, plan, &task.source, &task.params, report)
        });
        self.painting = begun.elapsed();
        entered
    }

    /// The second stage's second part, see [`Painter::finish`].
    pub fn finish(&mut self, painter: &mut Painter) {
        let begun = Instant::now();
        self.with_frame(|frame, task, plan, report| {
            painter.finish(frame, plan, &task.source, &task.params, report)
        });
        self.painting += begun.elapsed();
        self.end();
    }

    /// Ends the second stage.
    pub fn end(&mut self) {
        self.busy = self.busy.max(self.painting);
        self.ended = Some(Instant::now());
    }

    /// Works on the frame where nothing has failed so far; whether nothing has since.
    fn with_frame(
        &mut self,
        work: impl FnOnce(&mut Frame<'_>, &Task, &Plan, &mut Report) -> Result<(), EngineError>,
    ) -> bool {
        let (Some(task), Some(buffer), Ok(())) = (&self.task, &mut self.buffer, &self.result) else {
            return false;
        };
        let (plan, report) = (&self.plan, &mut self.report);
        self.result = guarded(|| {
            Ok(task.layout.view(buffer.make_mut(), |frame| work(frame, task, plan, report))??)
        });
        self.result.is_ok()
    }
}
