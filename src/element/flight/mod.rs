//! Frames in flight: a bounded queue between the streaming thread and two workers, of which one
//! analyses a frame while the other paints the one before. What comes in first goes out first: when
//! enough have come behind it, or, where the stream falters, when its time is over.

mod crew;
#[cfg(test)]
mod model;
mod queue;

/// What the queue takes from here; a model checker has its own.
mod primitives {
    pub(super) use std::sync::{Condvar, Mutex, MutexGuard};

    pub(super) use crate::{
        element::pool::Misses,
        sync::{lock, wait},
    };
}

use super::pending::Pending;

pub(super) use crew::Crew;

pub(super) type Flight = queue::Flight<Pending>;
pub(super) type Next = queue::Next<Pending>;
