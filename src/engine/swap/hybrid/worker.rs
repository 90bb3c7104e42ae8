//! The thread that makes key frames, below the priority of those that paint.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use super::{key::Request, maker::Maker};
use crate::{
    control::platform::yield_to_others,
    engine::{pool::panic_text, swap::neural::MaskMaker},
    models::{Interrupter, ModelError},
    sync::{lock, wait},
};

/// What became of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    Made(Box<Request>),
    /// Ended from outside, as by a flush.
    Interrupted(Box<Request>),
    /// There will be no more.
    Failed(ModelError),
}

#[derive(Debug, Default)]
struct State {
    request: Option<Box<Request>>,
    outcome: Option<Outcome>,
    /// From a request until its outcome is taken.
    busy: bool,
    stop: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The thread's handle. Dropped, it ends the run under way, and waits for it where it can be ended.
#[derive(Debug)]
pub(super) struct Worker {
    shared: Arc<Shared>,
    interrupter: Option<Interrupter>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Worker {
    pub fn spawn(mut maker: Maker) -> std::io::Result<Worker> {
        let interrupter = maker.interrupter();
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        let thread = thread::Builder::new().name("faceswap-keys".into()).spawn(move || {
            yield_to_others();
            own.work(maker);
        })?;
        Ok(Worker { shared, interrupter, thread: Some(thread) })
    }

    /// Whether a request would be begun at once.
    pub fn is_idle(&self) -> bool {
        !lock(&self.shared.state).busy
    }

    /// Has a key frame made; the worker is idle.
    pub fn ask(&self, request: Box<Request>) {
        let mut state = lock(&self.shared.state);
        (state.request, state.busy) = (Some(request), true);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// What became of the last request, if it is done.
    pub fn outcome(&self) -> Option<Outcome> {
        let mut state = lock(&self.shared.state);
        let outcome = state.outcome.take()?;
        state.busy = false;
        Some(outcome)
    }

    /// As [`outcome`](Self::outcome), waiting for it; `None` where nothing was asked for.
    pub fn wait(&self) -> Option<Outcome> {
        let mut state = lock(&self.shared.state);
        while state.busy && state.outcome.is_none() {
            state = wait(&self.shared.changed, state);
        }
        state.busy = false;
        state.outcome.take()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        lock(&self.shared.state).stop = true;
        self.shared.changed.notify_all();
        if let Some(interrupter) = &self.interrupter {
            interrupter.interrupt();
            let _ = self.thread.take().map(thread::JoinHandle::join);
        }
    }
}

impl Shared {
    fn work(&self, mut maker: Maker) {
        let (mut masks, mut mask) = (MaskMaker::default(), Vec::new());
        let mut state = lock(&self.state);
        loop {
            if state.stop {
                return;
            }
            let Some(mut request) = state.request.take() else {
                state = wait(&self.changed, state);
                continue;
            };
            drop(state);
            let made = catch_unwind(AssertUnwindSafe(|| maker.make(&mut request, &mut masks, &mut mask)));
            let outcome = match made {
                Ok(Ok(())) => Outcome::Made(request),
                Ok(Err(_)) if maker.is_interrupted() => Outcome::Interrupted(request),
                Ok(Err(error)) => Outcome::Failed(error),
                Err(panic) => {
                    let text = panic_text(&*panic);
                    Outcome::Failed(
                        maker.error(format!("it failed unexpectedly: {text}; please report this")),
                    )
                }
            };
            state = lock(&self.state);
            state.outcome = Some(outcome);
            self.changed.notify_all();
        }
    }
}
