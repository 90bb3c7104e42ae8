//! The networks' part in a frame. One that fails is given up and told of, and the mesh engine takes
//! over.

use super::{
    super::{
        EngineError, Fault, Frame, Report,
        plan::{Show, Work},
        port::Offer,
        process::MAX_TRACKS,
        swap::neural::Target,
    },
    Painter, rect_of,
};
use crate::models::ModelError;

/// What became of a frame that was begun.
#[derive(Debug)]
pub(super) enum Begun {
    /// No network has its faces.
    Alone,
    /// Its faces are on their way through the network.
    Entered,
    Failed(ModelError),
}

impl Painter {
    pub(super) fn take_offer(&mut self) {
        match self.port.take() {
            Some(Offer::Neural(mut neural)) => {
                if let Some(waker) = self.waker.clone() {
                    // Without a further thread it runs on this one.
                    let _ = neural.run_apart(waker);
                }
                (self.neural, self.hybrid) = (Some(neural), None);
            }
            // What swapped every frame goes on until key frames show.
            Some(Offer::Hybrid(hybrid)) => self.hybrid = Some(hybrid),
            None => {}
        }
    }

    /// Enhances the faces that were drawn, of which `drawn` are the places among the report's
    /// regions.
    pub(super) fn enhance(
        &mut self,
        frame: &mut Frame<'_>,
        work: Work<'_>,
        drawn: &[Option<usize>; MAX_TRACKS],
        report: &mut Report,
    ) -> Result<(), EngineError> {
        self.enhancer = self.port.take_enhancer().or(self.enhancer.take());
        let Some(enhancer) = &mut self.enhancer else { return Ok(()) };
        match enhancer.follow_over(frame, work, self.neural.as_deref(), &mut self.pool) {
            Ok(()) => {}
            Err(EngineError::Model(error)) => {
                report.enhancer_fault = Some(Fault { error, provider: enhancer.facts().provider });
                self.enhancer = None;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        for (face, drawn) in work.plan.faces.iter().zip(drawn) {
            let Some(drawn) = drawn.filter(|_| face.is_drawn()) else { continue };
            let region = enhancer.draw(frame, face.track, work.params, &mut self.pool);
            if let Some(region) = region.map_err(EngineError::Panicked)? {
                report.regions[drawn] = report.regions[drawn].union(rect_of(region));
            }
        }
        Ok(())
    }

    /// Brings the hybrid engine's key frames to this frame.
    pub(super) fn follow_key_frames(
        &mut self,
        frame: &Frame<'_>,
        work: Work<'_>,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let Some(hybrid) = &mut self.hybrid else { return Ok(()) };
        match hybrid.follow(frame, work, &mut self.pool) {
            Ok(()) => {
                if work.plan.swapped().all(|face| hybrid.covers(face.track)) {
                    self.neural = None;
                }
                let own = hybrid.report();
                if self.neural.is_none() {
                    (report.hybrid, report.network_time) = (Some(own), own.network_time);
                }
                if work.plan.faces.iter().any(|face| hybrid.shows(face.track)) {
                    report.network = Some(hybrid.facts().clone());
                }
                Ok(())
            }
            Err(EngineError::Model(error)) => {
                report.fault = Some(Fault { error, provider: hybrid.facts().provider });
                self.hybrid = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the faces that are swapped to the network, where there is one for their sources.
    pub(super) fn enter(&mut self, frame: &Frame<'_>, work: Work<'_>) -> Result<Begun, EngineError> {
        let Some(neural) = &mut self.neural else { return Ok(Begun::Alone) };
        let Work { plan, params, .. } = work;
        if !work.is_identified(plan.swapped()) {
            return Ok(Begun::Alone);
        }
        let expected: [bool; MAX_TRACKS] =
            std::array::from_fn(|i| plan.faces.get(i).is_some_and(|face| neural.expects(face.track)));
        let wanted = plan.faces.iter().zip(expected).filter(|(face, expected)| match face.show {
            Show::Swap { relight } => relight || !expected,
            _ => false,
        });
        let targets = wanted.filter_map(|(face, _)| {
            let identity = work.shown(face).identity()?;
            Some(Target { track: face.track, mesh: &face.mesh, identity })
        });
        match neural.enter(frame, targets, params, &mut self.pool) {
            Ok(()) => Ok(Begun::Entered),
            Err(EngineError::Model(error)) => Ok(Begun::Failed(error)),
            Err(error) => Err(error),
        }
    }

    /// Takes what the network made of the faces; false where no network had them, or it failed and the
    /// mesh engine takes over.
    pub(super) fn leave(
        &mut self,
        frame: &Frame<'_>,
        work: Work<'_>,
        report: &mut Report,
    ) -> Result<bool, EngineError> {
        let Work { plan, params, .. } = work;
        let begun = self.begun.pop_front();
        let (Some(begun), Some(neural)) = (begun, &mut self.neural) else { return Ok(false) };
        let left = match begun {
            Begun::Alone => return Ok(false),
            Begun::Failed(error) => Err(EngineError::Model(error)),
            Begun::Entered => {
                neural.keep(|track| plan.of_track(track).is_some());
                let mesh = |track| plan.of_track(track).map(|face| &*face.mesh);
                neural.leave(frame, mesh, params, &mut self.pool)
            }
        };
        match left {
            Ok(passed) => {
                report.network_time = passed.spent;
                (report.network_runs, report.network_images) = (passed.runs, passed.images);
                report.network = Some(neural.network().facts().clone());
                Ok(true)
            }
            Err(EngineError::Model(_)) if neural.is_interrupted() => Ok(false),
            Err(EngineError::Model(error)) => {
                report.fault = Some(Fault { error, provider: neural.network().facts().provider });
                self.neural = None;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
