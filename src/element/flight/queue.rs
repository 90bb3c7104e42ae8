//! The queue itself, apart from what its frames are and who works on them, so that a model checker can
//! run it too: with locks of its own in [`primitives`](super::primitives).

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::primitives::{Condvar, Misses, Mutex, MutexGuard, lock, wait};

/// A frame on its way. Its memory is used again for others.
pub(in crate::element) trait Entry: Default {
    /// When it came.
    fn begun(&self) -> Option<Instant>;
    /// Whether it must come out the same however much time there is.
    fn is_deterministic(&self) -> bool;
    /// Adds time that it waited for a network.
    fn add_wait(&mut self, time: Duration);
    /// Forgets the frame; the memory stays.
    fn clear(&mut self);
}

/// The second stage, see [`Painter`](crate::engine::Painter).
pub(super) trait Stage<T> {
    /// Whether a further frame may be begun now.
    fn may_begin(&self) -> bool;
    /// The first part; whether the stage has the frame now.
    fn begin(&mut self, entry: &mut T) -> bool;
    /// Whether the oldest frame that was begun can be finished without waiting.
    fn is_ready(&mut self) -> bool;
    /// Waits for no further frames to share work with.
    fn hurry(&mut self);
    /// The last part, of the oldest frame that was begun, and whether the stage has it.
    fn finish(&mut self, entry: &mut T, entered: bool);
    /// Gives up the oldest frame that the stage has.
    fn abandon(&mut self);
}

/// What there is for the streaming thread.
#[derive(Debug)]
pub(in crate::element) enum Next<T> {
    /// The oldest frame, finished.
    Done(Box<T>),
    /// As few frames are in flight as were to be kept.
    Idle,
    /// Waiting was cut short by a flush or a state change.
    Interrupted,
}

/// Between two stages, by the frame's generation.
type Queue<T> = VecDeque<(u64, Box<T>)>;

#[derive(Debug)]
pub(super) struct State<T> {
    pub(super) arrived: Queue<T>,
    pub(super) analysed: Queue<T>,
    pub(super) painted: Queue<T>,
    spare: Vec<Box<T>>,
    /// Frames in the queues or with a worker that were not discarded.
    count: usize,
    /// Of the frames that count; those with a worker when a discard came are of an older one.
    generation: u64,
    /// How long a frame may wait for others.
    hold: Duration,
    /// The streaming thread waits for the oldest frame.
    awaited: bool,
    /// Grows with every change that the painter may wait for.
    turn: u64,
    /// Until when the lookout sleeps, or slept before it woke; `None` until it is called.
    lookout: Option<Instant>,
    interrupted: bool,
    stop: bool,
}

impl<T: Entry> State<T> {
    /// When the oldest frame must go, where it is finished.
    fn due(&self) -> Option<Instant> {
        let (_, oldest) = self.painted.front()?;
        Some(oldest.begun()? + self.hold)
    }
}

/// The queue. Frames enter and leave it on the streaming thread.
#[derive(Debug)]
pub(in crate::element) struct Flight<T> {
    most: usize,
    depth: AtomicUsize,
    misses: Misses,
    state: Mutex<State<T>>,
    bells: Bells,
}

/// What each of the threads waits for. Each has its own, as a thread that is woken for nothing may
/// take the core of one that has something to do.
#[derive(Debug, Default)]
struct Bells {
    /// A frame to analyse.
    arrived: Condvar,
    /// A frame to paint, or something else that the painter may wait for.
    analysed: Condvar,
    /// A frame for the streaming thread, or an interruption.
    painted: Condvar,
    /// A frame that is due earlier than the lookout knows.
    due: Condvar,
}

impl<T: Entry> Flight<T> {
    /// For `most` frames at once; told of what `misses` its pool.
    pub fn new(most: usize, misses: Misses) -> Self {
        let queue = || Queue::<T>::with_capacity(most + 1);
        let mut spare = Vec::with_capacity(most + 3);
        spare.resize_with(most + 1, Box::default);
        let state = State {
            arrived: queue(),
            analysed: queue(),
            painted: queue(),
            spare,
            count: 0,
            generation: 0,
            hold: Duration::ZERO,
            awaited: false,
            turn: 0,
            lookout: None,
            interrupted: false,
            stop: false,
        };
        let depth = AtomicUsize::new(most);
        Flight { most, depth, misses, state: Mutex::new(state), bells: Bells::default() }
    }

    /// Frames at once that were asked for.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Frames at once, one at least.
    pub fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    /// Sets the frames at once, up to those asked for. The streaming thread's, where none are in flight.
    pub fn set_depth(&self, depth: usize) {
        self.depth.store(depth.clamp(1, self.most), Ordering::Relaxed);
    }

    /// Sets how long a frame may wait for others to come behind it.
    pub fn set_hold(&self, hold: Duration) {
        lock(&self.state).hold = hold;
    }

    /// Frames in flight at this moment.
    pub fn len(&self) -> usize {
        lock(&self.state).count
    }

    /// Memory for a frame to submit.
    pub fn vacant(&self) -> Box<T> {
        let spare = lock(&self.state).spare.pop();
        spare.unwrap_or_else(|| {
            self.misses.fetch_add(1, Ordering::Relaxed);
            Box::default()
        })
    }

    /// Lets the workers have a frame.
    pub fn submit(&self, pending: Box<T>) {
        let mut state = lock(&self.state);
        state.count += 1;
        let generation = state.generation;
        state.arrived.push_back((generation, pending));
        drop(state);
        self.bells.arrived.notify_one();
    }

    /// The oldest frame once it is finished, waiting for it, unless `keep` or fewer are in flight.
    pub fn next(&self, keep: usize) -> Next<T> {
        let mut state = lock(&self.state);
        let next = loop {
            if state.interrupted {
                break Next::Interrupted;
            }
            if state.count <= keep {
                break Next::Idle;
            }
            if let Some((_, pending)) = state.painted.pop_front() {
                state.count -= 1;
                break Next::Done(pending);
            }
            if !state.awaited {
                state.awaited = true;
                self.stir(&mut state);
            }
            state = wait(&self.bells.painted, state);
        };
        state.awaited = false;
        next
    }

    /// The oldest frame, where it is finished and has waited for too long.
    pub fn next_overdue(&self) -> Option<Box<T>> {
        let mut state = lock(&self.state);
        if state.interrupted || state.due()? > Instant::now() {
            return None;
        }
        let (_, pending) = state.painted.pop_front()?;
        state.count -= 1;
        Some(pending)
    }

    /// Calls `release` whenever a frame is overdue.
    pub(super) fn look_out(&self, release: impl Fn()) {
        let mut state = lock(&self.state);
        while !state.stop {
            let wait = match state.due().filter(|_| !state.interrupted) {
                None => Duration::MAX,
                Some(due) => due.saturating_duration_since(Instant::now()),
            };
            if wait.is_zero() {
                drop(state);
                release();
                state = lock(&self.state);
                continue;
            }
            state.lookout = Instant::now().checked_add(wait);
            state = match self.bells.due.wait_timeout(state, wait) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Takes back a frame's memory.
    pub fn recycle(&self, mut pending: Box<T>) {
        pending.clear();
        lock(&self.state).spare.push(pending);
    }

    /// Ends waiting in [`next`](Self::next), now and until [`resume`](Self::resume).
    pub fn interrupt(&self) {
        lock(&self.state).interrupted = true;
        self.bells.painted.notify_all();
    }

    pub fn resume(&self) {
        lock(&self.state).interrupted = false;
    }

    /// Gives up all frames in flight. Does not wait for the workers.
    pub fn discard(&self) {
        let mut dropped = Vec::new();
        {
            let mut state = lock(&self.state);
            let State { arrived, analysed, painted, count, generation, .. } = &mut *state;
            (*count, *generation) = (0, *generation + 1);
            for queue in [arrived, analysed, painted] {
                dropped.extend(queue.drain(..));
            }
        }
        for (_, pending) in dropped {
            self.recycle(pending);
        }
    }

    /// Has the painter look whether there is something for it now.
    pub(super) fn poke(&self) {
        self.stir(&mut lock(&self.state));
    }

    /// Ends the workers after the stage that they are in.
    pub(super) fn stop(&self) {
        let mut state = lock(&self.state);
        state.stop = true;
        self.stir(&mut state);
        drop(state);
        self.bells.arrived.notify_all();
        self.bells.due.notify_all();
    }

    fn stir(&self, state: &mut State<T>) {
        state.turn += 1;
        self.bells.analysed.notify_one();
    }

    /// Analyses frames, in order, until told to stop.
    pub(super) fn analyse(&self, mut stage: impl FnMut(&mut T)) {
        let mut state = lock(&self.state);
        while !state.stop {
            let Some((generation, mut pending)) = state.arrived.pop_front() else {
                state = wait(&self.bells.arrived, state);
                continue;
            };
            drop(state);
            stage(&mut pending);
            state = lock(&self.state);
            if generation == state.generation {
                state.analysed.push_back((generation, pending));
                self.stir(&mut state);
            } else {
                state = self.drop_stale(state, pending);
            }
        }
    }

    /// Gives up a frame that was discarded while a worker had it.
    fn drop_stale<'a>(
        &'a self,
        state: MutexGuard<'a, State<T>>,
        pending: Box<T>,
    ) -> MutexGuard<'a, State<T>> {
        drop(state);
        self.recycle(pending);
        lock(&self.state)
    }

    /// Lets the streaming thread have a frame.
    fn hand_out(&self, generation: u64, pending: Box<T>) -> MutexGuard<'_, State<T>> {
        let mut state = lock(&self.state);
        if generation != state.generation {
            return self.drop_stale(state, pending);
        }
        state.painted.push_back((generation, pending));
        self.bells.painted.notify_all();
        let due = state.due();
        if due.is_some_and(|due| state.lookout.is_none_or(|until| due < until)) {
            self.bells.due.notify_all();
        }
        state
    }
}

/// Frames that the stage has begun, the oldest first; whether it still has them.
type Begun<T> = VecDeque<(u64, Box<T>, bool)>;

impl<T: Entry> Flight<T> {
    /// Paints frames in order until told to stop. As many as wait are begun before the oldest is
    /// finished, so that a network may take the faces of several at once.
    pub(super) fn paint(&self, painter: &mut impl Stage<T>) {
        let mut begun = Begun::<T>::with_capacity(self.most + 1);
        let mut state = lock(&self.state);
        while !state.stop {
            let stale = begun.front().is_some_and(|(generation, ..)| *generation != state.generation);
            if stale {
                drop(state);
                if let Some((_, pending, entered)) = begun.pop_front() {
                    if entered {
                        painter.abandon();
                    }
                    self.recycle(pending);
                }
                state = lock(&self.state);
                continue;
            }
            if painter.may_begin()
                && let Some((generation, mut pending)) = state.analysed.pop_front()
            {
                drop(state);
                let entered = painter.begin(&mut pending);
                begun.push_back((generation, pending, entered));
                state = lock(&self.state);
                continue;
            }
            let count = begun.len();
            let Some((_, oldest, _)) = begun.front_mut() else {
                state = wait(&self.bells.analysed, state);
                continue;
            };
            // What goes through in one run may not depend on time where the output is to be repeatable. While
            // a frame is ready to leave, others may still come.
            let last = state.awaited && state.painted.is_empty() && count == state.count;
            let turn = state.turn;
            drop(state);
            if !painter.is_ready() && (last || !oldest.is_deterministic()) {
                painter.hurry();
            }
            if !painter.is_ready() {
                let waited = Instant::now();
                state = lock(&self.state);
                if state.turn == turn {
                    state = wait(&self.bells.analysed, state);
                }
                oldest.add_wait(waited.elapsed());
                continue;
            }
            if let Some((generation, mut pending, entered)) = begun.pop_front() {
                painter.finish(&mut pending, entered);
                state = self.hand_out(generation, pending);
            } else {
                state = lock(&self.state);
            }
        }
    }
}
