//! The detector on a thread of its own: at once for a frame that waits, or in the background.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
};

use super::{
    EngineError,
    detect::{Canvas, Detection, Detector},
    frame::{self, Frame},
    pool::panic_text,
};
use crate::sync::{lock, wait};

/// Detections kept from one run.
const CAPACITY: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Asked,
    Running,
    Done,
    Stop,
}

struct State {
    stage: Stage,
    canvas: Canvas,
    threshold: f32,
    found: Vec<Detection>,
    error: Option<EngineError>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Owns the detector's thread; dropped, it ends it.
pub(crate) struct Finder {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    canvas: Canvas,
    /// Frame number at which the background request was made.
    asked: Option<u64>,
}

impl std::fmt::Debug for Finder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Finder").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Finder {
    pub fn new(detector: Detector) -> std::io::Result<Self> {
        let state = State {
            stage: Stage::Idle,
            canvas: Canvas::layout(32, 32, 32),
            threshold: 0.5,
            found: Vec::with_capacity(CAPACITY),
            error: None,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let thread = std::thread::Builder::new().name("faceswap-detect".into()).spawn({
            let shared = shared.clone();
            move || work(&shared, detector)
        })?;
        Ok(Finder { shared, thread: Some(thread), canvas: Canvas::layout(32, 32, 32), asked: None })
    }

    fn fill(&mut self, frame: &Frame<'_>, long_side: usize) {
        let (width, height) = (frame.width(), frame.height());
        if !self.canvas.is_for(width, height, long_side) {
            self.canvas = Canvas::layout(width, height, long_side);
        }
        frame::to_canvas(frame, &mut self.canvas);
    }

    fn ask(&mut self, threshold: f32) {
        let mut state = lock(&self.shared.state);
        std::mem::swap(&mut state.canvas, &mut self.canvas);
        state.threshold = threshold;
        state.stage = Stage::Asked;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Waits for the running detection and takes its result.
    fn take(&mut self, out: &mut Vec<Detection>) -> Result<(), EngineError> {
        let mut state = lock(&self.shared.state);
        while matches!(state.stage, Stage::Asked | Stage::Running) {
            state = wait(&self.shared.changed, state);
        }
        state.stage = Stage::Idle;
        self.asked = None;
        out.clear();
        match state.error.take() {
            Some(error) => Err(error),
            None => {
                out.append(&mut state.found);
                Ok(())
            }
        }
    }

    /// Detects on `frame` and waits for the result.
    ///
    /// # Errors
    /// A failed run, or a panic in the detector's thread.
    pub fn now(
        &mut self,
        frame: &Frame<'_>,
        long_side: usize,
        threshold: f32,
        out: &mut Vec<Detection>,
    ) -> Result<(), EngineError> {
        self.fill(frame, long_side);
        if self.asked.is_some() {
            self.take(out)?;
        }
        self.ask(threshold);
        self.take(out)
    }

    /// Starts a detection on `frame`, which has number `number`, unless one is under way.
    pub fn start(&mut self, frame: &Frame<'_>, number: u64, long_side: usize, threshold: f32) {
        if self.asked.is_none() {
            self.fill(frame, long_side);
            self.ask(threshold);
            self.asked = Some(number);
        }
    }

    /// The result of [`Self::start`]: `lag` frames after it, waiting if need be, or as soon as it
    /// is there when `lag` is `None`.
    ///
    /// # Errors
    /// As for [`Self::now`].
    pub fn result(
        &mut self,
        number: u64,
        lag: Option<u64>,
        out: &mut Vec<Detection>,
    ) -> Result<bool, EngineError> {
        let due = match (self.asked, lag) {
            (None, _) => false,
            (Some(asked), Some(lag)) => number >= asked + lag,
            (Some(_), None) => lock(&self.shared.state).stage == Stage::Done,
        };
        if due {
            self.take(out)?;
        }
        Ok(due)
    }

    /// Forgets a detection under way.
    pub fn forget(&mut self, out: &mut Vec<Detection>) {
        if self.asked.is_some() {
            let _ = self.take(out);
        }
        out.clear();
    }
}

impl Drop for Finder {
    fn drop(&mut self) {
        lock(&self.shared.state).stage = Stage::Stop;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared, mut detector: Detector) {
    let mut canvas = Canvas::layout(32, 32, 32);
    let mut found = Vec::with_capacity(CAPACITY);
    let mut state = lock(&shared.state);
    loop {
        match state.stage {
            Stage::Stop => return,
            Stage::Asked => {}
            _ => {
                state = wait(&shared.changed, state);
                continue;
            }
        }
        state.stage = Stage::Running;
        std::mem::swap(&mut state.canvas, &mut canvas);
        let threshold = state.threshold;
        drop(state);
        let run = catch_unwind(AssertUnwindSafe(|| detector.detect(&canvas, threshold, &mut found)));
        state = lock(&shared.state);
        std::mem::swap(&mut state.canvas, &mut canvas);
        std::mem::swap(&mut state.found, &mut found);
        state.error = match run {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.into()),
            Err(cause) => Some(EngineError::Panicked(panic_text(&*cause))),
        };
        if state.stage == Stage::Running {
            state.stage = Stage::Done;
        }
        shared.changed.notify_all();
    }
}
