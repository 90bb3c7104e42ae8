//! A fixed set of threads that share out the jobs of one call without allocating.
//!
//! Rayon's injector allocates a block every few dozen calls from outside its threads, and the
//! steady state here must not allocate.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use crate::sync::{lock, wait};

type Job<'a> = dyn Fn(usize) + Sync + 'a;

struct Call {
    job: *const Job<'static>,
    count: usize,
}

// SAFETY: `job` points to a `Sync` closure that outlives the call; see `Pool::run`.
unsafe impl Send for Call {}

#[derive(Default)]
struct State {
    call: Option<Call>,
    epoch: u64,
    /// Threads that have joined the call and not yet left it.
    busy: usize,
    stop: bool,
    panic: Option<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
    next: AtomicUsize,
}

impl Shared {
    fn drain(&self, job: &Job<'_>, count: usize) -> Option<String> {
        let mut panic = None;
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return panic;
            }
            if let Err(cause) = catch_unwind(AssertUnwindSafe(|| job(index))) {
                panic = Some(panic_text(&*cause));
            }
        }
    }
}

/// The message of a caught panic.
pub(crate) fn panic_text(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

/// Threads that help the calling one. Dropped, they end and are joined.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads.len()).finish()
    }
}

impl Pool {
    /// `width` threads in all, the caller of [`Self::run`] included.
    pub fn new(width: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut pool = Pool { shared, threads: Vec::new() };
        for index in 1..width {
            let shared = pool.shared.clone();
            let name = format!("faceswap-{index}");
            pool.threads.push(std::thread::Builder::new().name(name).spawn(move || worker(&shared))?);
        }
        Ok(pool)
    }

    /// Threads in all, the caller's included.
    pub fn width(&self) -> usize {
        self.threads.len() + 1
    }

    /// Runs `job(0)` … `job(count − 1)`, each once, and returns when all have ended.
    ///
    /// # Errors
    /// The message of a job that panicked; the others have run all the same.
    pub fn run(&mut self, count: usize, job: &Job<'_>) -> Result<(), String> {
        let shared = &*self.shared;
        shared.next.store(0, Ordering::Relaxed);
        let helpers = count.saturating_sub(1).min(self.threads.len());
        if helpers > 0 {
            // SAFETY: the lifetime is erased only until the end of this call: below it waits until
            // no thread is in the job, and withdraws it under the same lock.
            let job: *const Job<'static> = unsafe { std::mem::transmute(std::ptr::from_ref(job)) };
            let mut state = lock(&shared.state);
            state.call = Some(Call { job, count });
            state.epoch += 1;
            drop(state);
            if helpers == 1 {
                shared.work.notify_one();
            } else {
                shared.work.notify_all();
            }
        }
        let own = shared.drain(job, count);
        let mut state = lock(&shared.state);
        state.call = None;
        while state.busy > 0 {
            state = wait(&shared.done, state);
        }
        match own.or(state.panic.take()) {
            Some(text) => Err(text),
            None => Ok(()),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.shared.state).stop = true;
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn worker(shared: &Shared) {
    let mut seen = 0;
    let mut state = lock(&shared.state);
    loop {
        if state.stop {
            return;
        }
        let call = state.call.as_ref().filter(|_| state.epoch != seen).map(|c| (c.job, c.count));
        let Some((job, count)) = call else {
            state = wait(&shared.work, state);
            continue;
        };
        seen = state.epoch;
        state.busy += 1;
        drop(state);
        // SAFETY: `busy` is counted, so `Pool::run` keeps the closure alive.
        let panic = shared.drain(unsafe { &*job }, count);
        state = lock(&shared.state);
        state.busy -= 1;
        if panic.is_some() {
            state.panic = panic;
        }
        if state.busy == 0 {
            shared.done.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_runs_once() {
        let mut pool = Pool::new(3).unwrap();
        for count in [0, 1, 2, 7, 100] {
            let hits: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
            for round in 1..=50 {
                pool.run(count, &|i| {
                    hits[i].fetch_add(1, Ordering::Relaxed);
                })
                .unwrap();
                assert!(hits.iter().all(|h| h.load(Ordering::Relaxed) == round));
            }
        }
    }

    #[test]
    fn a_panic_is_reported_and_the_pool_goes_on() {
        let mut pool = Pool::new(2).unwrap();
        let ran = AtomicUsize::new(0);
        let result = pool.run(8, &|i| {
            ran.fetch_add(1, Ordering::Relaxed);
            assert_ne!(i, 5, "five");
        });
        assert!(result.unwrap_err().contains("five"));
        assert_eq!(ran.load(Ordering::Relaxed), 8);
        assert!(pool.run(8, &|_| {}).is_ok());
    }
}
