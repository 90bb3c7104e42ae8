//! A background worker that prepares the newest of the requests it is given.
//!
//! Knows neither GStreamer nor the engine: what is prepared, and who is told, is a [`Job`].

#[cfg(test)]
mod tests;

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use crate::sync::{lock, wait};

/// What the worker does. Runs on its thread only.
pub(super) trait Job: Send + 'static {
    type Output: Send + 'static;
    type Error: Send;

    fn run(&mut self, request: &str) -> Result<Self::Output, Self::Error>;

    /// What there is to do once a request's output was handed over. Longer work belongs here:
    /// [`Loader::settle`] waits for it.
    ///
    /// # Errors
    /// Fatal: nothing is shown from then on.
    fn afterwards(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Takes back what came too late or is no longer used, away from the thread that used it.
    fn recycle(&mut self, output: Self::Output);

    /// Tells the user. `fatal`: nothing can be shown, since nothing was ever prepared.
    fn failed(&mut self, error: Self::Error, fatal: bool);

    /// Tells the user of a panic in one of the above; always fatal.
    fn panicked(&mut self, message: &str);
}

/// What there is for the streaming thread.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    Ready(T),
    /// Nothing new; go on with what there is.
    Nothing,
    /// Waiting was cut short by a flush or a state change.
    Interrupted,
    /// The user has been told.
    Failed,
}

#[derive(Debug)]
struct State<T> {
    request: Option<String>,
    /// Of the newest request, so that an older one's result is known to be stale.
    generation: u64,
    ready: Option<T>,
    unused: Vec<T>,
    /// Nothing was prepared yet, and frames must not pass before.
    required: bool,
    failed: bool,
    /// [`Job::afterwards`] is due or under way.
    busy: bool,
    poked: bool,
    interrupted: bool,
    stop: bool,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

/// The worker's handle. Dropping it stops the worker and waits for it.
#[derive(Debug)]
pub(super) struct Loader<T> {
    shared: Arc<Shared<T>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl<T: Send + 'static> Loader<T> {
    pub fn spawn(job: impl Job<Output = T>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                request: None,
                generation: 0,
                ready: None,
                unused: Vec::new(),
                required: false,
                failed: false,
                busy: false,
                poked: false,
                interrupted: false,
                stop: false,
            }),
            changed: Condvar::new(),
        });
        let worker = shared.clone();
        let thread = thread::Builder::new().name("faceswap-loader".into()).spawn(move || worker.work(job))?;
        Ok(Loader { shared, thread: Some(thread) })
    }

    /// Asks for `request`; what was asked before and is not ready is forgotten.
    pub fn request(&self, request: &str) {
        self.shared.change(|state| state.ask(Some(request.to_owned())));
    }

    /// As [`request`](Self::request), and [`next`](Self::next) waits for it.
    pub fn require(&self, request: &str) {
        self.shared.change(|state| {
            state.required = true;
            state.ask(Some(request.to_owned()));
        });
    }

    /// Nothing is wanted any more.
    pub fn cancel(&self) {
        self.shared.change(|state| {
            state.required = false;
            state.ask(None);
        });
    }

    /// What was prepared since the last call. Waits only for what is required.
    pub fn next(&self) -> Next<T> {
        let mut state = lock(&self.shared.state);
        loop {
            if state.failed {
                return Next::Failed;
            }
            if let Some(output) = state.ready.take() {
                state.required = false;
                return Next::Ready(output);
            }
            if !state.required {
                return Next::Nothing;
            }
            if state.interrupted {
                return Next::Interrupted;
            }
            state = wait(&self.shared.changed, state);
        }
    }

    /// Waits for the work that follows upon what [`next`](Self::next) gave; whether it ended.
    pub fn settle(&self) -> bool {
        let mut state = lock(&self.shared.state);
        while state.busy && !state.interrupted {
            state = wait(&self.shared.changed, state);
        }
        !state.busy
    }

    /// Whether all is over; the user has been told.
    pub fn is_failed(&self) -> bool {
        lock(&self.shared.state).failed
    }

    /// Lets the worker do [`Job::afterwards`] once more.
    pub fn poke(&self) {
        self.shared.change(|state| {
            state.poked = true;
            state.busy = true;
        });
    }

    /// Hands over what is no longer used.
    pub fn recycle(&self, output: T) {
        self.shared.change(|state| state.unused.push(output));
    }

    /// Ends waiting in [`next`](Self::next), now and until [`resume`](Self::resume).
    pub fn interrupt(&self) {
        self.shared.change(|state| state.interrupted = true);
    }

    pub fn resume(&self) {
        self.shared.change(|state| state.interrupted = false);
    }
}

impl<T> Drop for Loader<T> {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.stop = true;
            state.interrupted = true;
        });
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl<T> State<T> {
    fn ask(&mut self, request: Option<String>) {
        self.generation += 1;
        self.request = request;
        self.unused.extend(self.ready.take());
    }
}

impl<T> Shared<T> {
    fn change(&self, change: impl FnOnce(&mut State<T>)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }

    fn work<J: Job<Output = T>>(&self, mut job: J) {
        let result = catch_unwind(AssertUnwindSafe(|| while self.step(&mut job) {}));
        if let Err(panic) = result {
            let _ = catch_unwind(AssertUnwindSafe(|| job.panicked(panic_text(&*panic))));
            self.change(|state| {
                state.failed = true;
                state.busy = false;
            });
        }
    }

    /// One round of the worker; whether another shall follow. No lock is held while the job runs.
    fn step<J: Job<Output = T>>(&self, job: &mut J) -> bool {
        let (request, generation, unused, poked) = {
            let mut state = lock(&self.state);
            while !state.stop && state.request.is_none() && state.unused.is_empty() && !state.poked {
                state = wait(&self.changed, state);
            }
            if state.stop {
                return false;
            }
            let unused = mem::take(&mut state.unused);
            (state.request.take(), state.generation, unused, mem::take(&mut state.poked))
        };
        unused.into_iter().for_each(|output| job.recycle(output));
        let Some(request) = request else {
            if poked {
                self.follow_up(job);
            }
            return true;
        };
        let result = job.run(&request);

        let mut state = lock(&self.state);
        let current = state.generation == generation && !state.stop;
        let follow = match result {
            Ok(output) if current => {
                state.ready = Some(output);
                state.busy = true;
                drop(state);
                self.changed.notify_all();
                true
            }
            Ok(output) => {
                drop(state);
                job.recycle(output);
                poked
            }
            Err(error) if current => {
                let fatal = state.required;
                drop(state);
                job.failed(error, fatal);
                self.change(|state| state.failed |= fatal);
                poked
            }
            Err(_) => {
                drop(state);
                poked
            }
        };
        if follow {
            self.follow_up(job);
        }
        true
    }

    fn follow_up<J: Job<Output = T>>(&self, job: &mut J) {
        let result = job.afterwards();
        let fatal = result.is_err();
        if let Err(error) = result {
            job.failed(error, true);
        }
        self.change(|state| {
            state.failed |= fatal;
            state.busy = state.poked;
        });
    }
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "no message"
    }
}
