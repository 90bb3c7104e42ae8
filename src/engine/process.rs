//! One frame through all stages.

use std::{sync::Arc, time::Duration};

use super::{
    Analyser, EngineError, Frame, NetworkPort, Painter, Params, PeoplePort, Plan, Report, Source,
    detect::Detector,
    landmarks::Landmarker,
    pool::Pool,
    swap::{hybrid::cells, mesh},
};
use crate::{models::Pack, sync::lock};

/// Faces followed at once.
pub(super) const MAX_TRACKS: usize = 64;

/// The swap engine of one video stream: analysis and painting of a frame, one after the other.
/// [`Engine::split`] takes them apart, for threads of their own.
#[derive(Debug)]
pub struct Engine {
    analyser: Analyser,
    painter: Painter,
    plan: Plan,
    report: Report,
}

impl Engine {
    /// Loads the models and starts `threads` threads in all: 0 = one a performance core; more than
    /// there are processors would take turns and are not started. Tens of milliseconds.
    ///
    /// # Errors
    /// A model or ONNX Runtime that cannot be loaded, with its path and what to do.
    pub fn new(pack: &Pack, threads: usize) -> Result<Self, EngineError> {
        mesh::prepare();
        cells::prepare();
        let threads = crate::control::threads(threads);
        let panicked = |e: std::io::Error| EngineError::Panicked(format!("no thread could be started: {e}"));
        let pool = Pool::new(threads).map_err(panicked)?;
        // One more than analysis runs at once, for the painter's looks.
        let landmarker = Arc::new(Landmarker::load(&pack.landmarker, threads + 1)?);
        let detector = Detector::load(&pack.detector, threads)?;
        Ok(Engine {
            analyser: Analyser::new(detector, landmarker.clone(), pool.clone()).map_err(panicked)?,
            painter: Painter::new(pool, Some(landmarker)),
            plan: Plan::default(),
            report: Report::default(),
        })
    }

    /// Swaps the faces of one frame in place. `time` is the frame's position in the stream; it
    /// drives smoothing and the time limits of `on-lost`.
    ///
    /// # Errors
    /// A network or a worker failed. The frame is then as it was or holds part of the swap.
    pub fn process(
        &mut self,
        frame: &mut Frame<'_>,
        source: &Source,
        params: &Params,
        time: Duration,
    ) -> Result<&Report, EngineError> {
        self.analyser.analyse(frame, params, time, &mut self.plan)?;
        self.painter.paint(frame, &self.plan, source, params, &mut self.report)?;
        Ok(&self.report)
    }

    /// Where networks may be handed in, see [`NetworkPort`].
    pub fn network_port(&self) -> NetworkPort {
        self.painter.network_port()
    }

    /// Where people to be told may be handed in, see [`PeoplePort`].
    pub fn people_port(&self) -> PeoplePort {
        self.analyser.people_port()
    }

    /// Forgets tracks and smoothing: after a flush, a seek or a gap.
    pub fn reset(&mut self) {
        self.analyser.reset();
    }

    /// The two stages. The analysis of a frame may run while the frames before it are painted; each
    /// stage must see the frames in order.
    pub fn split(self) -> (Analyser, Painter) {
        (self.analyser, self.painter)
    }
}

/// Calls `job` for each item, on all threads of `pool`; the first error ends it. At most
/// [`MAX_TRACKS`] items.
pub(super) fn each<T: Send>(
    pool: &mut Pool,
    items: impl Iterator<Item = T>,
    job: &(dyn Fn(T) -> Result<(), EngineError> + Sync),
) -> Result<(), EngineError> {
    let slots = [const { std::sync::Mutex::new(None) }; MAX_TRACKS];
    let mut count = 0;
    for (slot, item) in slots.iter().zip(items) {
        *lock(slot) = Some(item);
        count += 1;
    }
    let error = std::sync::Mutex::new(None);
    let run = pool.run(count, &|index| {
        let taken = lock(&slots[index]).take();
        if let Some(Err(e)) = taken.map(job) {
            *lock(&error) = Some(e);
        }
    });
    run.map_err(EngineError::Panicked)?;
    let error = lock(&error).take();
    error.map_or(Ok(()), Err)
}
