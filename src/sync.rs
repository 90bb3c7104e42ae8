//! Locks that a panic elsewhere does not poison: panics are caught and reported where they happen.

use std::{
    panic::resume_unwind,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// What each of the jobs gives, all of them at work at the same time.
pub(crate) fn at_once<T: Send, const N: usize>(jobs: [impl FnOnce() -> T + Send; N]) -> [T; N] {
    thread::scope(|scope| {
        let running = jobs.map(|job| scope.spawn(job));
        running.map(|job| job.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}
