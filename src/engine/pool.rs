//! A fixed set of threads that share out the jobs of one call without allocating.
//!
//! Rayon's injector allocates a block every few dozen calls from outside its threads, and the
//! steady state here must not allocate.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use crate::{
    control::platform::prefer_fast_cores,
    sync::{lock, wait},
};

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
    /// Held by the caller whose jobs the threads share.
    caller: Mutex<()>,
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
    next: AtomicUsize,
    /// Callers that are [at work](Pool::enter).
    at_work: AtomicUsize,
}

/// A caller at work, until dropped.
pub(crate) struct AtWork(Arc<Threads>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.shared.at_work.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    fn drain(&self, job: &Job<'_>, count: usize) -> Option<String> {
        let mut panic = None;
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return panic;
            }
            panic = attempt(job, index).or(panic);
        }
    }
}

/// The message of a panic in `job(index)`.
fn attempt(job: &Job<'_>, index: usize) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| job(index))).err().map(|cause| panic_text(&*cause))
}

/// The message of a caught panic.
pub(crate) fn panic_text(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

/// The threads; dropped, they end and are joined.
struct Threads {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        lock(&self.shared.state).stop = true;
        self.shared.work.notify_all();
        for thread in self.handles.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Threads that help the calling one. Clones share them: while they help one caller, another does
/// its jobs alone, and each caller at work takes a helper's place, so that there are not more threads
/// at work than cores to work on.
#[derive(Clone)]
pub(crate) struct Pool {
    threads: Arc<Threads>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("width", &self.width()).finish()
    }
}

impl Pool {
    /// `width` threads in all, the caller of [`Self::run`] included.
    pub fn new(width: usize) -> std::io::Result<Self> {
        let mut threads = Threads { shared: Arc::default(), handles: Vec::new() };
        for index in 1..width {
            let shared = threads.shared.clone();
            let name = format!("faceswap-{index}");
            threads.handles.push(std::thread::Builder::new().name(name).spawn(move || worker(&shared))?);
        }
        Ok(Pool { threads: Arc::new(threads) })
    }

    /// Threads in all, the caller's included.
    pub fn width(&self) -> usize {
        self.threads.handles.len() + 1
    }

    /// Tells that the calling thread is at work, and would lose its core to a helper of another.
    pub fn enter(&self) -> AtWork {
        self.threads.shared.at_work.fetch_add(1, Ordering::Relaxed);
        AtWork(self.threads.clone())
    }

    /// Runs `job(0)` … `job(count − 1)`, each once, and returns when all have ended.
    ///
    /// # Errors
    /// The message of a job that panicked; the others have run all the same.
    pub fn run(&mut self, count: usize, job: &Job<'_>) -> Result<(), String> {
        let shared = &*self.threads.shared;
        let others = shared.at_work.load(Ordering::Relaxed).saturating_sub(1);
        let helpers = count.saturating_sub(1).min(self.threads.handles.len().saturating_sub(others));
        let caller = match helpers {
            0 => None,
            _ => match shared.caller.try_lock() {
                Ok(guard) => Some(guard),
                Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            },
        };
        let panic = match caller {
            Some(_guard) => share_out(shared, helpers, count, job),
            None => (0..count).fold(None, |panic, index| attempt(job, index).or(panic)),
        };
        panic.map_or(Ok(()), Err)
    }
}

/// One call with helpers; the caller's lock is held.
fn share_out(shared: &Shared, helpers: usize, count: usize, job: &Job<'_>) -> Option<String> {
    shared.next.store(0, Ordering::Relaxed);
    // SAFETY: the lifetime is erased only until the end of this call: below it waits until
    // no thread is in the job, and withdraws it under the same lock.
    let erased: *const Job<'static> = unsafe { std::mem::transmute(std::ptr::from_ref(job)) };
    let mut state = lock(&shared.state);
    state.call = Some(Call { job: erased, count });
    state.epoch += 1;
    drop(state);
    (0..helpers).for_each(|_| shared.work.notify_one());
    let own = shared.drain(job, count);
    let mut state = lock(&shared.state);
    state.call = None;
    while state.busy > 0 {
        state = wait(&shared.done, state);
    }
    own.or(state.panic.take())
}

fn worker(shared: &Shared) {
    prefer_fast_cores();
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
    fn callers_of_one_pool_do_not_wait_for_each_other() {
        let pool = Pool::new(3).unwrap();
        let both = std::sync::Barrier::new(2);
        let hits = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for mut pool in [pool.clone(), pool.clone()] {
                let (both, hits) = (&both, &hits);
                scope.spawn(move || {
                    let first = AtomicUsize::new(0);
                    pool.run(4, &|_| {
                        if first.fetch_add(1, Ordering::Relaxed) == 0 {
                            both.wait();
                        }
                        hits.fetch_add(1, Ordering::Relaxed);
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(hits.load(Ordering::Relaxed), 8);
    }

    #[test]
    fn others_at_work_take_the_helpers_places() {
        let mut pool = Pool::new(2).unwrap();
        let other = pool.clone();
        let threads = |pool: &mut Pool| {
            let seen = Mutex::new(std::collections::HashSet::new());
            pool.run(64, &|_| {
                lock(&seen).insert(std::thread::current().id());
                std::thread::sleep(std::time::Duration::from_micros(50));
            })
            .unwrap();
            seen.into_inner().unwrap().len()
        };
        let _own = pool.enter();
        let others = other.enter();
        assert_eq!(threads(&mut pool), 1);
        drop(others);
        assert!((0..100).any(|_| threads(&mut pool) == 2));
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
