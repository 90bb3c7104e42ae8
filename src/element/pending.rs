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
use crate::engine::{Analyser, Painter, Params, Plan, Report, Source};

/// What a frame's departure needs to know of its arrival.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub position: Option<gst::ClockTime>,
    pub begun: Instant,
    pub mark: Mark,
    pub meta: bool,
    /// Time that a frame has where the governor may act on this one.
    pub governed: Option<Duration>,
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
            plan: Plan::default(),
        }
    }
}

impl Pending {
    /// Forgets the frame; the memory stays.
    pub fn clear(&mut self) {
        (self.task, self.buffer, self.ended, self.result) = (None, None, None, Ok(()));
        self.busy = Duration::ZERO;
    }

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

    /// The second stage.
    pub fn paint(&mut self, painter: &mut Painter) {
        let begun = Instant::now();
        if let (Some(task), Some(buffer), Ok(())) = (&self.task, &mut self.buffer, &self.result) {
            let (plan, report) = (&self.plan, &mut self.report);
            self.result = guarded(|| {
                let Task { layout, source, params, .. } = task;
                Ok(layout
                    .view(buffer.make_mut(), |frame| painter.paint(frame, plan, source, params, report))??)
            });
        }
        self.busy = self.busy.max(begun.elapsed());
        self.ended = Some(Instant::now());
    }
}
