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
    time::{Duration, Instant},
};

use crate::{
    control::platform::prefer_fast_cores,
    sync::{lock, wait},
};

/// How long a caller stays awake for the last helper.
const AWAKE: Duration = Duration::from_micros(500);

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
    /// Of the threads that are in the call, those that will do another job.
    staying: usize,
    stop: bool,
    panic: Option<String>,
}

struct Shared {
    /// Threads that there are.
    helpers: usize,
    /// Held by the caller whose jobs the threads share.
    caller: Mutex<()>,
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
    next: AtomicUsize,
    /// Threads that have joined the call and not yet left it. They join under the lock of the state.
    busy: AtomicUsize,
    /// Callers that are [at work](Pool::enter).
    at_work: AtomicUsize,
}

/// A caller at work, until dropped.
pub(crate) struct AtWork(Arc<Threads>);

impl Drop for AtWork {
    fn drop(&mut self) {
        let shared = &self.0.shared;
        shared.at_work.fetch_sub(1, Ordering::Relaxed);
        if lock(&shared.state).call.is_some() {
            shared.work.notify_one();
        }
    }
}

impl Shared {
    fn new(helpers: usize) -> Self {
        Shared {
            helpers,
            caller: Mutex::default(),
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            next: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            at_work: AtomicUsize::new(0),
        }
    }

    /// Helpers that leave a core to each caller.
    fn allowed(&self) -> usize {
        let others = self.at_work.load(Ordering::Relaxed).saturating_sub(1);
        self.helpers.saturating_sub(others)
    }

    /// Waits for the helpers' last jobs without going to sleep, for about as long as one takes: who
    /// sleeps is woken late, and may find its core taken.
    fn wait_awake(&self) {
        let started = Instant::now();
        while self.busy.load(Ordering::Acquire) > 0 && started.elapsed() < AWAKE {
            std::thread::yield_now();
        }
    }

    /// Does one job after the other until there are none, or until `stop`.
    fn drain(&self, job: &Job<'_>, count: usize, mut stop: impl FnMut() -> bool) -> Option<String> {
        let mut panic = None;
        while !stop() {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            panic = attempt(job, index).or(panic);
        }
        panic
    }

    /// Whether a helper must leave the call, as other callers have come; it no longer counts as staying.
    fn must_leave(&self) -> bool {
        let allowed = self.allowed();
        if allowed == self.helpers {
            return false;
        }
        let mut state = lock(&self.state);
        let leaves = state.staying > allowed;
        state.staying -= usize::from(leaves);
        leaves
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
/// at work than cores to work on. Helpers come and go between two jobs of a call.
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
        let shared = Arc::new(Shared::new(width.saturating_sub(1)));
        let mut threads = Threads { shared, handles: Vec::new() };
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
        let helpers = count.saturating_sub(1).min(shared.helpers);
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
    drop(state);
    (0..helpers.min(shared.allowed())).for_each(|_| shared.work.notify_one());
    let own = shared.drain(job, count, || false);
    lock(&shared.state).call = None;
    shared.wait_awake();
    let mut state = lock(&shared.state);
    while shared.busy.load(Ordering::Acquire) > 0 {
        state = wait(&shared.done, state);
    }
    own.or(state.panic.take())
}

fn worker(shared: &Shared) {
    prefer_fast_cores();
    let mut state = lock(&shared.state);
    loop {
        if state.stop {
            return;
        }
        let wanted = |call: &&Call| {
            state.staying < shared.allowed() && shared.next.load(Ordering::Relaxed) < call.count
        };
        let Some((job, count)) = state.call.as_ref().filter(wanted).map(|c| (c.job, c.count)) else {
            state = wait(&shared.work, state);
            continue;
        };
        shared.busy.fetch_add(1, Ordering::Relaxed);
        state.staying += 1;
        drop(state);
        let mut stays = true;
        // SAFETY: this thread is counted as busy, so `Pool::run` keeps the closure alive.
        let panic = shared.drain(unsafe { &*job }, count, || {
            stays = !shared.must_leave();
            !stays
        });
        state = lock(&shared.state);
        state.staying -= usize::from(stays);
        if panic.is_some() {
            state.panic = panic;
        }
        if shared.busy.fetch_sub(1, Ordering::Release) == 1 {
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
    fn others_at_work_take_the_helpers_places_and_give_them_back() {
        let mut pool = Pool::new(2).unwrap();
        let other = pool.clone();
        let _own = pool.enter();
        let others = Mutex::new(Some(other.enter()));
        let begun = Mutex::new(Vec::new());
        let sleep = || std::thread::sleep(std::time::Duration::from_micros(200));
        pool.run(300, &|index| {
            lock(&begun).push((index, std::thread::current().id()));
            // The other is at work until a third of the jobs is done, and again after two thirds.
            match index {
                100 => drop(lock(&others).take()),
                200 => *lock(&others) = Some(other.enter()),
                _ => {}
            }
            sleep();
        })
        .unwrap();
        let begun = begun.into_inner().unwrap();
        let threads = |from: usize, to: usize| {
            let part = begun.iter().filter(|(index, _)| (from..to).contains(index));
            part.map(|(_, thread)| *thread).collect::<std::collections::HashSet<_>>().len()
        };
        assert_eq!(threads(0, 101), 1);
        assert_eq!(threads(101, 201), 2);
        // One more job may have been begun before the helper saw it.
        assert_eq!(threads(203, 300), 1);
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
