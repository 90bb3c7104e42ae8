//! Faces on their way through the network, gathered into runs over the faces of a frame and over
//! frames.
//!
//! A run that is full starts; a later one may be filled while it is under way, where runs have a
//! thread of their own. Images leave in the order in which they came.

use std::{
    collections::VecDeque,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::Network;
use crate::{
    engine::pool::panic_text,
    models::{ModelError, Session},
    sync::{lock, wait},
};

/// Calls whoever waits for a run, when one has ended.
#[derive(Clone)]
pub(crate) struct Waker(pub Arc<dyn Fn() + Send + Sync>);

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

/// Where an image is: the run's number, and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    run: u64,
    /// Among the images of its run.
    pub index: usize,
}

/// The images of one run. Its memory is used again.
#[derive(Debug, Default)]
struct Run {
    count: usize,
    target: Vec<f32>,
    source: Vec<f32>,
    output: Vec<f32>,
    spent: Duration,
    error: Option<ModelError>,
    interrupted: bool,
    /// Images that have left it.
    left: usize,
}

/// How images are fed to the network.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    /// The card's inputs.
    target: usize,
    source: usize,
    /// Of one image.
    image: Vec<i64>,
    identity: Vec<i64>,
}

impl Feed {
    pub fn of(network: &Network) -> Feed {
        Feed {
            target: network.target,
            source: network.source,
            image: network.pixels.shape(1)[1..].to_vec(),
            identity: network.source_shape.clone(),
        }
    }

    fn len(shape: &[i64]) -> usize {
        shape.iter().product::<i64>() as usize
    }

    /// Has the first runs of so many images at most behind it, which take longer than others.
    fn warm_up(&self, session: &mut Session, most: usize) {
        for count in 1..=most {
            let mut run = Run { count, ..Run::default() };
            run.target.resize(count * Feed::len(&self.image), 0.0);
            run.source.resize(count * Feed::len(&self.identity), 0.0);
            // What fails here fails again when it matters.
            (0..3).for_each(|_| self.run(session, &mut run));
        }
    }

    fn run(&self, session: &mut Session, run: &mut Run) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.attempt(session, run)));
        let outcome = outcome.unwrap_or_else(|panic| Err(session.error(panic_text(&*panic))));
        run.interrupted = outcome.is_err() && session.is_interrupted();
        run.error = outcome.err();
    }

    fn attempt(&self, session: &mut Session, run: &mut Run) -> Result<(), ModelError> {
        for (input, each, values) in
            [(self.target, &self.image, &run.target), (self.source, &self.identity, &run.source)]
        {
            let mut shape = [run.count as i64; 8];
            let Some(rest) = shape.get_mut(1..=each.len()) else {
                return Err(session.error("its inputs have too many dimensions".into()));
            };
            rest.copy_from_slice(each);
            session.input(input, &shape[..=each.len()])?.copy_from_slice(values);
        }
        let started = Instant::now();
        session.run()?;
        run.spent = started.elapsed();
        let (wanted, (_, output)) = (run.target.len(), session.output(0));
        if output.len() != wanted {
            let reason = format!("it gives {} values, {wanted} are wanted", output.len());
            return Err(session.error(reason));
        }
        run.output.clear();
        run.output.extend_from_slice(output);
        Ok(())
    }
}

/// Between those who fill runs and the thread that they happen on.
#[derive(Default)]
struct Desk {
    waiting: VecDeque<Box<Run>>,
    ended: VecDeque<Box<Run>>,
    waker: Option<Waker>,
    warm: bool,
    stop: bool,
}

/// The thread that runs happen on. Dropped, it ends after the run it is at, and is joined.
struct Apart {
    desk: Arc<(Mutex<Desk>, Condvar)>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Apart {
    /// Where runs are recorded, those of up to `most` images have been when this returns.
    fn start(mut session: Session, feed: Feed, most: usize) -> io::Result<Apart> {
        let desk = Arc::<(Mutex<Desk>, Condvar)>::default();
        let own = desk.clone();
        let work = move || {
            if session.is_recorded() {
                feed.warm_up(&mut session, most);
            }
            let (desk, changed) = &*own;
            let mut state = lock(desk);
            state.warm = true;
            changed.notify_all();
            while !state.stop {
                let Some(mut run) = state.waiting.pop_front() else {
                    state = wait(changed, state);
                    continue;
                };
                drop(state);
                feed.run(&mut session, &mut run);
                state = lock(desk);
                state.ended.push_back(run);
                changed.notify_all();
                let waker = state.waker.clone();
                drop(state);
                if let Some(Waker(wake)) = waker {
                    wake();
                }
                state = lock(desk);
            }
        };
        let thread = thread::Builder::new().name("faceswap-network".into()).spawn(work)?;
        let (state, changed) = &*desk;
        let mut state = lock(state);
        while !state.warm {
            state = wait(changed, state);
        }
        drop(state);
        Ok(Apart { desk, thread: Some(thread) })
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        lock(&self.desk.0).stop = true;
        self.desk.1.notify_all();
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// Runs that are filled, under way and ended, the oldest first.
pub(super) struct Gather {
    feed: Feed,
    /// Images a run takes.
    most: usize,
    apart: Option<Apart>,
    open: Option<Box<Run>>,
    /// Runs on the desk.
    sent: usize,
    /// Runs that have come back.
    ended: VecDeque<Box<Run>>,
    /// Number of the oldest run that has not been emptied.
    first: u64,
    #[expect(clippy::vec_box, reason = "runs move from queue to queue as they are")]
    spare: Vec<Box<Run>>,
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gather { most, sent, first, ended, .. } = self;
        f.debug_struct("Gather")
            .field("most", most)
            .field("sent", sent)
            .field("first", first)
            .field("ended", &ended.len())
            .finish_non_exhaustive()
    }
}

impl Gather {
    pub fn new(network: &Network) -> Gather {
        Gather {
            feed: Feed::of(network),
            most: network.batch,
            apart: None,
            open: None,
            sent: 0,
            ended: VecDeque::new(),
            first: 0,
            spare: Vec::new(),
        }
    }

    /// Has runs happen on a thread of their own from now on, which takes a second or more where they
    /// are recorded for it. `waker` is called there after each.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn run_apart(&mut self, session: &Session, waker: Option<Waker>) -> io::Result<()> {
        let apart = match self.apart.take() {
            Some(apart) => apart,
            None => Apart::start(session.another(), self.feed.clone(), self.most)?,
        };
        lock(&apart.desk.0).waker = waker;
        self.apart = Some(apart);
        Ok(())
    }

    /// Number of the run that takes the next image.
    fn number(&self) -> u64 {
        self.first + (self.ended.len() + self.sent) as u64
    }

    /// Elements of one identity.
    pub fn identity_len(&self) -> usize {
        Feed::len(&self.feed.identity)
    }

    /// Whether an image is in the run that is being filled.
    pub fn is_open(&self, place: Place) -> bool {
        place.run == self.number()
    }

    /// Takes an image, which `fill` writes with its identity. Starts the run where that fills it.
    pub fn add<E>(
        &mut self,
        session: &mut Session,
        fill: impl FnOnce(&mut [f32], &mut [f32]) -> Result<(), E>,
    ) -> Result<Place, E> {
        let (image, identity) = (Feed::len(&self.feed.image), Feed::len(&self.feed.identity));
        let number = self.number();
        let mut run = self.open.take().unwrap_or_else(|| self.spare.pop().unwrap_or_default());
        let index = run.count;
        run.target.resize((index + 1) * image, 0.0);
        run.source.resize((index + 1) * identity, 0.0);
        let filled = fill(&mut run.target[index * image..], &mut run.source[index * identity..]);
        match filled {
            Ok(()) => run.count += 1,
            Err(_) => {
                run.target.truncate(index * image);
                run.source.truncate(index * identity);
            }
        }
        let full = run.count >= self.most;
        self.open = Some(run);
        if full {
            self.close(session);
        }
        filled.map(|()| Place { run: number, index })
    }

    /// Starts the run that is being filled, where there is an image in it.
    pub fn close(&mut self, session: &mut Session) {
        let Some(mut run) = self.open.take_if(|run| run.count > 0) else { return };
        match &self.apart {
            Some(apart) => {
                lock(&apart.desk.0).waiting.push_back(run);
                apart.desk.1.notify_all();
                self.sent += 1;
            }
            None => {
                self.feed.run(session, &mut run);
                self.ended.push_back(run);
            }
        }
    }

    fn collect(&mut self) {
        let Some(apart) = self.apart.as_ref().filter(|_| self.sent > 0) else { return };
        let mut desk = lock(&apart.desk.0);
        while let Some(run) = desk.ended.pop_front() {
            self.ended.push_back(run);
            self.sent -= 1;
        }
    }

    /// Whether no run waits or is under way.
    pub fn is_idle(&mut self) -> bool {
        self.collect();
        self.sent == 0
    }

    /// Whether an image can leave without waiting.
    pub fn is_done(&mut self, place: Place) -> bool {
        self.collect();
        place.run < self.first + self.ended.len() as u64
    }

    /// Lets an image leave, the oldest first, once its run has ended, which is started if need be.
    pub fn leave<R>(
        &mut self,
        session: &mut Session,
        place: Place,
        look: impl FnOnce(Result<Swapped<'_>, Fault>) -> R,
    ) -> R {
        if self.is_open(place) {
            self.close(session);
        }
        self.await_run(place.run);
        let at = place.run.checked_sub(self.first).map_or(usize::MAX, |at| at as usize);
        let Some(run) = self.ended.get_mut(at) else {
            return look(Err(Fault { error: session.error("a run was lost".into()), interrupted: false }));
        };
        let len = run.target.len() / run.count.max(1);
        let result = match &run.error {
            Some(error) => look(Err(Fault { error: error.clone(), interrupted: run.interrupted })),
            None => look(Ok(Swapped {
                image: &run.output[place.index * len..(place.index + 1) * len],
                spent: run.spent / run.count.max(1) as u32,
                together: (place.index == 0).then_some(run.count),
            })),
        };
        run.left += 1;
        self.empty();
        result
    }

    fn await_run(&mut self, number: u64) {
        let Some(apart) = &self.apart else { return };
        let (desk, changed) = &*apart.desk;
        let mut state = lock(desk);
        loop {
            while let Some(run) = state.ended.pop_front() {
                self.ended.push_back(run);
                self.sent -= 1;
            }
            if number < self.first + self.ended.len() as u64 || self.sent == 0 {
                return;
            }
            state = wait(changed, state);
        }
    }

    /// Takes back the runs that all images have left.
    fn empty(&mut self) {
        while let Some(mut run) = self.ended.pop_front_if(|run| run.left >= run.count) {
            self.first += 1;
            run.target.clear();
            run.source.clear();
            (run.count, run.left, run.error, run.interrupted) = (0, 0, None, false);
            self.spare.push(run);
        }
    }
}

/// What the network made of an image.
#[derive(Debug)]
pub(super) struct Swapped<'r> {
    pub image: &'r [f32],
    /// The image's share of its run's time.
    pub spent: Duration,
    /// Images of the run, told with its first.
    pub together: Option<usize>,
}

/// Why there is nothing to see of an image.
#[derive(Debug)]
pub(super) struct Fault {
    pub error: ModelError,
    /// The run was ended from another thread.
    pub interrupted: bool,
}
