//! What exists while a stream runs, used by its streaming thread only.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    frame::{FrameError, Layout},
    job::Loaded,
    loader::panic_text,
    mark::{Origin, StreamTags},
};
use crate::engine::{Engine, EngineError, Params, Report, Source};

/// Duration of a frame whose caps do not tell it.
const DEFAULT_FRAME: Duration = Duration::from_millis(40);
/// A marked discontinuity longer than this ends all tracks.
const LONG_GAP: Duration = Duration::from_millis(500);

/// State of one stream, from start to stop.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub layout: Option<Layout>,
    pub tags: StreamTags,
    /// Whether frames pass untouched; as the base class was told.
    pub passthrough: Option<bool>,
    /// Answered once a stream, by a query.
    pub live: Option<bool>,
    pub source: Option<Arc<Source>>,
    pub origin: Arc<Origin>,
    /// When work on the current frame began.
    pub begun: Option<Instant>,
    engine: Option<Box<Engine>>,
    pool: Option<gst::BufferPool>,
    time: Option<Duration>,
}

/// Why a frame could not be swapped.
#[derive(Debug, thiserror::Error)]
pub(super) enum SwapError {
    #[error("no frame format was negotiated")]
    NoLayout,
    #[error("the engine is gone after an earlier error; stop and start the pipeline")]
    NoEngine,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the engine failed unexpectedly: {0}; please report this")]
    Panicked(String),
}

impl Stream {
    /// Takes what the worker prepared; gives back what it replaces.
    pub fn install(&mut self, loaded: Loaded) -> Loaded {
        if loaded.engine.is_some() {
            self.engine = loaded.engine;
        }
        if let Some(origin) = loaded.origin {
            self.origin = origin;
        }
        let old = std::mem::replace(&mut self.source, loaded.source);
        Loaded { engine: None, source: old, origin: None }
    }

    /// Takes new caps.
    pub fn configure(&mut self, layout: Layout) {
        self.layout = Some(layout);
        self.drop_pool();
        self.reset();
    }

    /// Forgets the faces: what comes next does not continue what was before.
    pub fn reset(&mut self) {
        self.time = None;
        if let Some(engine) = &mut self.engine {
            engine.reset();
        }
    }

    /// The frame's position in the stream, which never runs backwards between two resets.
    pub fn advance(&mut self, position: Option<gst::ClockTime>, discont: bool) -> Duration {
        let next = self.time.map(|time| time + self.frame_duration());
        let time = position.map(|p| Duration::from_nanos(p.nseconds())).or(next).unwrap_or_default();
        let jumped = match (self.time, next) {
            (Some(last), Some(next)) => time < last || (discont && time > next + LONG_GAP),
            _ => false,
        };
        if jumped {
            self.reset();
        }
        self.time = Some(time);
        time
    }

    fn frame_duration(&self) -> Duration {
        let fps = self.layout.as_ref().map(|l| l.info.fps()).filter(|fps| fps.numer() > 0 && fps.denom() > 0);
        fps.map_or(DEFAULT_FRAME, |fps| {
            Duration::from_secs_f64(f64::from(fps.denom()) / f64::from(fps.numer()))
        })
    }

    /// A writable copy of a frame that others hold as well.
    pub fn copy(&mut self, buffer: &gst::BufferRef) -> Result<gst::Buffer, SwapError> {
        let layout = self.layout.as_ref().ok_or(SwapError::NoLayout)?;
        let pool = match &self.pool {
            Some(pool) => pool,
            None => self.pool.insert(layout.pool()?),
        };
        Ok(layout.copy(buffer, pool)?)
    }

    /// Swaps the faces of one frame in place.
    pub fn swap(
        &mut self,
        buffer: &mut gst::BufferRef,
        params: &Params,
        time: Duration,
    ) -> Result<&Report, SwapError> {
        let layout = self.layout.as_ref().ok_or(SwapError::NoLayout)?;
        let engine = self.engine.as_deref_mut().ok_or(SwapError::NoEngine)?;
        let source = self.source.as_deref().ok_or(SwapError::NoEngine)?;
        catch_unwind(AssertUnwindSafe(move || {
            let report = layout.view(buffer, move |frame| engine.process(frame, source, params, time))??;
            Ok(report)
        }))
        .unwrap_or_else(|panic| Err(SwapError::Panicked(panic_text(&*panic).into())))
    }

    /// Gives up an engine that panicked: its state says nothing any more.
    pub fn lose_engine(&mut self) {
        let engine = self.engine.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(engine)));
    }

    fn drop_pool(&mut self) {
        if let Some(pool) = self.pool.take() {
            let _ = gst::prelude::BufferPoolExt::set_active(&pool, false);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.drop_pool();
    }
}
