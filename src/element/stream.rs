//! What exists while a stream runs, used by its streaming thread only.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    flight::{Crew, Flight},
    frame::{FrameError, Layout},
    job::Loaded,
    loader::panic_text,
    mark::{Origin, StreamTags, Used},
    pending::{Task, Ticket},
    pool::{self, Misses},
};
use crate::engine::{Engine, EngineError, Params, Report, Source};

/// Duration of a frame whose caps do not tell it.
const DEFAULT_FRAME: Duration = Duration::from_millis(40);
/// A marked discontinuity longer than this ends all tracks.
const LONG_GAP: Duration = Duration::from_millis(500);

/// State of one stream, from start to stop.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub layout: Option<Arc<Layout>>,
    pub tags: StreamTags,
    /// Whether frames pass untouched; as the base class was told.
    pub passthrough: Option<bool>,
    /// Answered once a stream, by a query.
    pub live: Option<bool>,
    pub source: Option<Arc<Source>>,
    pub origin: Arc<Origin>,
    /// What swaps the faces, once it is loaded.
    pub used: Used,
    /// When work on the current frame began.
    pub begun: Option<Instant>,
    /// A frame was dropped since the last that came through.
    pub gap: bool,
    /// A frame to push untouched, after those in flight.
    pub passing: Option<gst::Buffer>,
    flight: Option<Arc<Flight>>,
    engine: Where,
    /// What comes next does not continue what is in flight.
    restart: bool,
    pool: Option<gst::BufferPool>,
    misses: Misses,
    time: Option<Duration>,
}

/// Who has the engine.
#[derive(Debug, Default)]
enum Where {
    #[default]
    Nobody,
    Stream(Box<Engine>),
    Workers(Crew),
}

/// Why a frame could not be swapped.
#[derive(Debug, thiserror::Error)]
pub(super) enum SwapError {
    #[error("no frame format was negotiated")]
    NoLayout,
    #[error("the engine is gone after an earlier error; stop and start the pipeline")]
    NoEngine,
    #[error("no thread could be started: {0}")]
    Thread(std::io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the engine failed unexpectedly: {0}; please report this")]
    Panicked(String),
}

/// Runs `work`, a panic of which is an error.
pub(super) fn guarded<R>(work: impl FnOnce() -> Result<R, SwapError>) -> Result<R, SwapError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(SwapError::Panicked(panic_text(&*panic).into())))
}

impl Stream {
    /// With frames in flight, or one frame after the other.
    pub fn new(flight: Option<Arc<Flight>>, used: Used, misses: Misses) -> Self {
        let mut stream = Stream::default();
        stream.used = used;
        stream.tags = StreamTags::new(used);
        (stream.flight, stream.misses) = (flight, misses);
        stream
    }

    /// Takes what the worker prepared; gives back what it replaces.
    ///
    /// `release` is to push the frames in flight that are overdue.
    ///
    /// # Errors
    /// No thread could be started for frames in flight.
    pub fn install(
        &mut self,
        loaded: Loaded,
        release: impl Fn() + Send + 'static,
    ) -> Result<Loaded, SwapError> {
        if let Some(engine) = loaded.engine {
            self.engine = match &self.flight {
                Some(flight) => {
                    let crew = Crew::spawn(flight.clone(), *engine, release);
                    Where::Workers(crew.map_err(SwapError::Thread)?)
                }
                None => Where::Stream(engine),
            };
        }
        if let Some(origin) = loaded.origin {
            self.origin = origin;
        }
        let old = std::mem::replace(&mut self.source, loaded.source);
        Ok(Loaded { engine: None, source: old, origin: None })
    }

    /// Takes new caps.
    pub fn configure(&mut self, layout: Layout) {
        self.layout = Some(Arc::new(layout));
        self.drop_pool();
        self.reset();
    }

    /// Forgets the faces: what comes next does not continue what was before.
    pub fn reset(&mut self) {
        self.time = None;
        self.restart = true;
        if let Where::Stream(engine) = &mut self.engine {
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

    pub fn frame_duration(&self) -> Duration {
        self.layout.as_deref().and_then(Layout::frame_duration).unwrap_or(DEFAULT_FRAME)
    }

    /// Time that a frame has: by the user's frame rate, else the stream's, else `usual`.
    pub fn period(&self, target_fps: u32, usual: u32) -> Duration {
        let own = self.layout.as_deref().and_then(Layout::frame_duration).filter(|_| target_fps == 0);
        own.unwrap_or_else(|| Duration::from_secs(1) / if target_fps == 0 { usual } else { target_fps })
    }

    /// A writable copy of a frame that others hold as well.
    pub fn copy(&mut self, buffer: &gst::BufferRef) -> Result<gst::Buffer, SwapError> {
        let layout = self.layout.as_ref().ok_or(SwapError::NoLayout)?;
        let pool = match &self.pool {
            Some(pool) => pool,
            None => {
                let held = self.flight.as_ref().map_or(0, |flight| flight.depth());
                let pool = pool::frames(&layout.info, 1 + held, &self.misses).map_err(FrameError::Pool)?;
                self.pool.insert(pool)
            }
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
        let Where::Stream(engine) = &mut self.engine else { return Err(SwapError::NoEngine) };
        let source = self.source.as_deref().ok_or(SwapError::NoEngine)?;
        guarded(move || {
            let report = layout.view(buffer, move |frame| engine.process(frame, source, params, time))??;
            Ok(report)
        })
    }

    /// Lets the workers swap the faces of a frame.
    pub fn submit(
        &mut self,
        buffer: gst::Buffer,
        ticket: Ticket,
        params: Params,
        time: Duration,
    ) -> Result<(), SwapError> {
        let (Some(flight), Where::Workers(_)) = (&self.flight, &self.engine) else {
            return Err(SwapError::NoEngine);
        };
        let layout = self.layout.clone().ok_or(SwapError::NoLayout)?;
        let source = self.source.clone().ok_or(SwapError::NoEngine)?;
        let restart = std::mem::take(&mut self.restart);
        let mut pending = flight.vacant();
        pending.task = Some(Task { ticket, layout, source, params, time, restart });
        pending.buffer = Some(buffer);
        flight.submit(pending);
        Ok(())
    }

    /// Gives up an engine that panicked: its state says nothing any more.
    pub fn lose_engine(&mut self) {
        let engine = std::mem::take(&mut self.engine);
        let _ = catch_unwind(AssertUnwindSafe(|| match engine {
            Where::Workers(crew) => crew.abandon(),
            other => drop(other),
        }));
        if let Some(flight) = &self.flight {
            flight.discard();
        }
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
