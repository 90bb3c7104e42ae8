//! Frames in flight: a bounded queue between the streaming thread and two workers, of which one
//! analyses a frame while the other paints the one before. What comes in first goes out first: when
//! enough have come behind it, or, where the stream falters, when its time is over.

use std::{
    collections::VecDeque,
    io, mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{pending::Pending, pool::Misses};
use crate::{
    control::platform::prefer_fast_cores,
    engine::{Engine, Painter},
    sync::{lock, wait},
};

/// What there is for the streaming thread.
#[derive(Debug)]
pub(super) enum Next {
    /// The oldest frame, finished.
    Done(Box<Pending>),
    /// As few frames are in flight as were to be kept.
    Idle,
    /// Waiting was cut short by a flush or a state change.
    Interrupted,
}

/// Between two stages, by the frame's generation.
type Queue = VecDeque<(u64, Box<Pending>)>;

#[derive(Debug, Default)]
struct State {
    arrived: Queue,
    analysed: Queue,
    painted: Queue,
    #[expect(clippy::vec_box, reason = "frames move from queue to queue as they are")]
    spare: Vec<Box<Pending>>,
    /// Frames in the queues or with a worker that were not discarded.
    count: usize,
    /// Of the frames that count; those with a worker when a discard came are of an older one.
    generation: u64,
    /// How long a frame may wait for others.
    hold: Duration,
    /// The streaming thread waits for the oldest frame.
    awaited: bool,
    /// Grows with every change that somebody may wait for.
    turn: u64,
    interrupted: bool,
    stop: bool,
}

impl State {
    /// When the oldest frame must go, where it is finished.
    fn due(&self) -> Option<Instant> {
        let (_, oldest) = self.painted.front()?;
        Some(oldest.task.as_ref()?.ticket.begun + self.hold)
    }
}

/// The queue. Frames enter and leave it on the streaming thread.
#[derive(Debug)]
pub(super) struct Flight {
    most: usize,
    depth: AtomicUsize,
    misses: Misses,
    state: Mutex<State>,
    changed: Condvar,
    /// A frame was painted, or all ends.
    painted: Condvar,
}

impl Flight {
    /// For `most` frames at once; told of what `misses` its pool.
    pub fn new(most: usize, misses: Misses) -> Self {
        let queue = || Queue::with_capacity(most + 1);
        let mut spare = Vec::with_capacity(most + 3);
        spare.resize_with(most + 1, Box::default);
        let state =
            State { arrived: queue(), analysed: queue(), painted: queue(), spare, ..State::default() };
        let depth = AtomicUsize::new(most);
        Flight {
            most,
            depth,
            misses,
            state: Mutex::new(state),
            changed: Condvar::new(),
            painted: Condvar::new(),
        }
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
    pub fn vacant(&self) -> Box<Pending> {
        let spare = lock(&self.state).spare.pop();
        spare.unwrap_or_else(|| {
            self.misses.fetch_add(1, Ordering::Relaxed);
            Box::default()
        })
    }

    /// Lets the workers have a frame.
    pub fn submit(&self, pending: Box<Pending>) {
        self.change(|state| {
            state.count += 1;
            state.arrived.push_back((state.generation, pending));
        });
    }

    /// The oldest frame once it is finished, waiting for it, unless `keep` or fewer are in flight.
    pub fn next(&self, keep: usize) -> Next {
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
            state = wait(&self.changed, state);
        };
        state.awaited = false;
        next
    }

    /// The oldest frame, where it is finished and has waited for too long.
    pub fn next_overdue(&self) -> Option<Box<Pending>> {
        let mut state = lock(&self.state);
        if state.interrupted || state.due()? > Instant::now() {
            return None;
        }
        let (_, pending) = state.painted.pop_front()?;
        state.count -= 1;
        Some(pending)
    }

    /// Calls `release` whenever a frame is overdue.
    fn look_out(&self, release: impl Fn()) {
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
            state = match self.painted.wait_timeout(state, wait) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Takes back a frame's memory.
    pub fn recycle(&self, mut pending: Box<Pending>) {
        pending.clear();
        lock(&self.state).spare.push(pending);
    }

    /// Ends waiting in [`next`](Self::next), now and until [`resume`](Self::resume).
    pub fn interrupt(&self) {
        self.change(|state| state.interrupted = true);
    }

    pub fn resume(&self) {
        self.change(|state| state.interrupted = false);
    }

    /// Gives up all frames in flight. Does not wait for the workers.
    pub fn discard(&self) {
        let dropped = {
            let mut state = lock(&self.state);
            let State { arrived, analysed, painted, count, generation, .. } = &mut *state;
            (*count, *generation) = (0, *generation + 1);
            [arrived, analysed, painted].map(mem::take)
        };
        for (_, pending) in dropped.into_iter().flatten() {
            self.recycle(pending);
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.state);
        change(&mut state);
        self.stir(&mut state);
    }

    /// Wakes all who wait for a change.
    fn stir(&self, state: &mut State) {
        state.turn += 1;
        self.changed.notify_all();
    }

    /// Moves frames through one stage, in order, until told to stop.
    fn work(
        &self,
        from: fn(&mut State) -> &mut Queue,
        to: fn(&mut State) -> &mut Queue,
        mut stage: impl FnMut(&mut Pending),
    ) {
        let mut state = lock(&self.state);
        while !state.stop {
            let Some((generation, mut pending)) = from(&mut state).pop_front() else {
                state = wait(&self.changed, state);
                continue;
            };
            drop(state);
            stage(&mut pending);
            state = self.hand_on(generation, pending, to);
        }
    }

    /// Puts a frame into its next queue, unless it was discarded meanwhile.
    fn hand_on(
        &self,
        generation: u64,
        pending: Box<Pending>,
        to: fn(&mut State) -> &mut Queue,
    ) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        if generation == state.generation {
            to(&mut state).push_back((generation, pending));
            self.stir(&mut state);
            self.painted.notify_all();
            return state;
        }
        drop(state);
        self.recycle(pending);
        lock(&self.state)
    }
}

/// Frames that the painter has begun, the oldest first; whether it still has them.
type Begun = VecDeque<(u64, Box<Pending>, bool)>;

impl Flight {
    /// Paints frames in order until told to stop. As many as wait are begun before the oldest is
    /// finished, so that a network may take the faces of several at once.
    fn paint(&self, painter: &mut Painter) {
        let mut begun = Begun::with_capacity(self.most + 1);
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
                let entered = pending.begin(painter);
                begun.push_back((generation, pending, entered));
                state = lock(&self.state);
                continue;
            }
            let count = begun.len();
            let Some((_, oldest, _)) = begun.front_mut() else {
                state = wait(&self.changed, state);
                continue;
            };
            // What goes through in one run may not depend on time where the output is to be repeatable.
            let last = state.awaited && count + state.painted.len() == state.count;
            let turn = state.turn;
            drop(state);
            if !painter.is_ready() && (last || !oldest.is_deterministic()) {
                painter.hurry();
            }
            if !painter.is_ready() {
                let waited = Instant::now();
                state = lock(&self.state);
                if state.turn == turn {
                    state = wait(&self.changed, state);
                }
                oldest.painting += waited.elapsed();
                continue;
            }
            if let Some((generation, mut pending, entered)) = begun.pop_front() {
                if entered {
                    pending.finish(painter)
                } else {
                    pending.end()
                }
                state = self.hand_on(generation, pending, |s| &mut s.painted);
            } else {
                state = lock(&self.state);
            }
        }
    }
}

/// The threads of one flight, which has them only once. Dropped, they end after the stage they are
/// in, and are joined.
#[derive(Debug)]
pub(super) struct Crew {
    flight: Arc<Flight>,
    workers: Vec<thread::JoinHandle<()>>,
    lookout: Option<thread::JoinHandle<()>>,
}

impl Crew {
    /// `release` is called on a thread of its own when a frame is overdue, and until it is gone.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn spawn(
        flight: Arc<Flight>,
        engine: Engine,
        release: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let (mut analyser, mut painter) = engine.split();
        let waiting = Arc::downgrade(&flight);
        painter.run_apart(Arc::new(move || {
            // The change is the network's.
            let _ = waiting.upgrade().map(|flight| flight.change(|_| {}));
        }));
        let mut crew = Crew { flight, workers: Vec::with_capacity(2), lookout: None };
        let analysis = crew.start("faceswap-analysis", move |flight| {
            flight.work(|s| &mut s.arrived, |s| &mut s.analysed, |p| p.analyse(&mut analyser));
        })?;
        crew.workers.push(analysis);
        let painting = crew.start("faceswap-painter", move |flight| {
            flight.paint(&mut painter);
        })?;
        crew.workers.push(painting);
        crew.lookout = Some(crew.start("faceswap-lookout", move |flight| flight.look_out(release))?);
        Ok(crew)
    }

    fn start(
        &self,
        name: &str,
        work: impl FnOnce(&Flight) + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        let flight = self.flight.clone();
        thread::Builder::new().name(name.into()).spawn(move || {
            prefer_fast_cores();
            work(&flight);
        })
    }

    /// As dropping it, where the thread that releases frames may wait for the calling one, or be it.
    pub fn abandon(mut self) {
        drop(self.lookout.take());
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.flight.change(|state| state.stop = true);
        self.flight.painted.notify_all();
        for thread in self.workers.drain(..).chain(self.lookout.take()) {
            let _ = thread.join();
        }
    }
}
