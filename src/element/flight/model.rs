//! The queue under a model checker: every order in which threads may take turns is as likely as any
//! other, a thread that waits for ever ends the test, and a fault comes with the order that led to it.

use std::time::{Duration, Instant};

use shuttle::{
    sync::{Arc, Condvar, Mutex},
    thread,
};

use queue::{Entry, Flight, Next, Stage};

mod primitives {
    pub(super) use shuttle::sync::{Condvar, Mutex, MutexGuard};

    pub(super) use crate::element::pool::Misses;

    pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().expect("no thread panicked")
    }

    pub(super) fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        changed.wait(guard).expect("no thread panicked")
    }
}

#[path = "queue.rs"]
#[expect(clippy::duplicate_mod, reason = "the same code with the checker's locks")]
mod queue;

/// A frame that notes what was done with it.
#[derive(Debug, Default)]
struct Film {
    number: Option<u32>,
    deterministic: bool,
    analysed: bool,
    painted: bool,
}

impl Entry for Film {
    fn begun(&self) -> Option<Instant> {
        // Overdue at once, so that time, which the checker knows not, has no say.
        self.number.map(|_| Instant::now())
    }

    fn is_deterministic(&self) -> bool {
        self.deterministic
    }

    fn add_wait(&mut self, _: Duration) {}

    fn clear(&mut self) {
        *self = Film::default();
    }
}

/// A network on a thread of its own, which takes up to two faces in one run.
#[derive(Debug, Default)]
struct Network {
    /// Faces that wait, with a run, and done.
    waiting: usize,
    running: usize,
    done: usize,
    runs: usize,
    hurry: bool,
    stop: bool,
}

type Shared = Arc<(Mutex<Network>, Condvar)>;

const BATCH: usize = 2;

fn run(network: &Shared, flight: &Flight<Film>) {
    let (state, changed) = &**network;
    let mut state = state.lock().expect("a lock");
    while !state.stop {
        if state.waiting < BATCH && !(state.hurry && state.waiting > 0) {
            state = changed.wait(state).expect("a lock");
            continue;
        }
        state.running = state.waiting.min(BATCH);
        state.waiting -= state.running;
        state.runs += 1;
        state.hurry = false;
        drop(state);
        thread::yield_now();
        state = network.0.lock().expect("a lock");
        state.done += std::mem::take(&mut state.running);
        drop(state);
        flight.poke();
        state = network.0.lock().expect("a lock");
    }
}

/// Paints with the network.
struct Artist {
    network: Shared,
    /// Frames begun that are still to be finished or abandoned, with the results that are to be dropped.
    begun: usize,
}

impl Artist {
    fn with<R>(&self, change: impl FnOnce(&mut Network) -> R) -> R {
        let result = change(&mut self.network.0.lock().expect("a lock"));
        self.network.1.notify_all();
        result
    }

    fn take(&mut self) {
        self.begun -= 1;
        self.with(|network| network.done -= 1);
    }
}

impl Stage<Film> for Artist {
    fn may_begin(&self) -> bool {
        self.begun <= BATCH
    }

    fn begin(&mut self, film: &mut Film) -> bool {
        assert!(film.analysed && !film.painted, "{film:?} is begun");
        // Every third shows no face.
        if film.number.is_some_and(|number| number % 3 == 2) {
            return false;
        }
        self.begun += 1;
        self.with(|network| network.waiting += 1);
        true
    }

    fn is_ready(&mut self) -> bool {
        self.begun == 0 || self.with(|network| network.done > 0)
    }

    fn hurry(&mut self) {
        // Where the oldest face waits for others.
        self.with(|network| network.hurry = network.waiting > 0 && network.running + network.done == 0);
    }

    fn finish(&mut self, film: &mut Film, entered: bool) {
        if entered {
            self.take();
        }
        film.painted = true;
    }

    fn abandon(&mut self) {
        while !self.is_ready() {
            self.hurry();
            thread::yield_now();
        }
        self.take();
    }
}

/// A flight with its threads; what came out of it.
struct Scene {
    flight: Arc<Flight<Film>>,
    network: Shared,
    threads: Vec<thread::JoinHandle<()>>,
    out: Arc<Mutex<Vec<u32>>>,
    deterministic: bool,
}

impl Scene {
    fn new(depth: usize, deterministic: bool) -> Self {
        let flight = Arc::new(Flight::new(depth + 1, primitives::Misses::default()));
        assert_eq!(flight.most(), depth + 1);
        flight.set_depth(depth);
        flight.set_hold(Duration::ZERO);
        let network = Shared::default();
        let mut scene = Scene { flight, network, threads: Vec::new(), out: Arc::default(), deterministic };
        let (flight, network) = (scene.flight.clone(), scene.network.clone());
        scene.threads.push(thread::spawn(move || run(&network, &flight)));
        let flight = scene.flight.clone();
        scene.threads.push(thread::spawn(move || {
            flight.analyse(|film| film.analysed = true);
        }));
        let (flight, network) = (scene.flight.clone(), scene.network.clone());
        scene.threads.push(thread::spawn(move || flight.paint(&mut Artist { network, begun: 0 })));
        scene
    }

    /// With the thread that lets overdue frames go.
    fn with_lookout(mut self) -> Self {
        let (flight, out) = (self.flight.clone(), self.out.clone());
        self.threads.push(thread::spawn(move || {
            flight.look_out(|| {
                let mut out = out.lock().expect("a lock");
                while let Some(film) = flight.next_overdue() {
                    out.push(leave(&flight, film));
                }
            });
        }));
        self
    }

    fn submit(&self, number: u32) {
        let mut film = self.flight.vacant();
        (film.number, film.deterministic) = (Some(number), self.deterministic);
        self.flight.submit(film);
    }

    /// As the streaming thread does with a frame; whether it was interrupted.
    fn pass(&self, number: u32) -> bool {
        self.submit(number);
        self.emit(self.flight.depth() - 1)
    }

    fn emit(&self, keep: usize) -> bool {
        let mut out = self.out.lock().expect("a lock");
        loop {
            match self.flight.next(keep) {
                Next::Done(film) => out.push(leave(&self.flight, film)),
                Next::Idle => return false,
                Next::Interrupted => return true,
            }
        }
    }

    fn end(mut self) -> Vec<u32> {
        self.flight.stop();
        {
            self.network.0.lock().expect("a lock").stop = true;
            self.network.1.notify_all();
        }
        for thread in self.threads.drain(..) {
            thread.join().expect("a thread");
        }
        self.out.lock().expect("a lock").clone()
    }
}

fn leave(flight: &Flight<Film>, film: Box<Film>) -> u32 {
    assert!(film.analysed && film.painted, "{film:?} leaves");
    let number = film.number.expect("a frame");
    flight.recycle(film);
    number
}

/// Orders that are tried of each test.
const ORDERS: usize = 2000;

fn check(scene: impl Fn() + Send + Sync + 'static) {
    let scene = std::sync::Arc::new(scene);
    let again = scene.clone();
    shuttle::check_random(move || scene(), ORDERS);
    // Favours few switches at odd places, where the first favours many.
    shuttle::check_pct(move || again(), ORDERS, 3);
}

#[test]
fn every_frame_leaves_in_order_with_both_stages_done() {
    for deterministic in [false, true] {
        check(move || {
            let scene = Scene::new(3, deterministic);
            for number in 0..6 {
                assert!(!scene.pass(number));
            }
            assert!(!scene.emit(0));
            assert_eq!(scene.flight.len(), 0);
            assert_eq!(scene.end(), [0, 1, 2, 3, 4, 5]);
        });
    }
}

#[test]
fn what_shares_a_run_does_not_depend_on_time_where_the_output_is_to_be_repeatable() {
    check(|| {
        let scene = Scene::new(3, true);
        for number in 0..6 {
            assert!(!scene.pass(number));
        }
        assert!(!scene.emit(0));
        // Of frames 0 and 1, and of 3 and 4.
        assert_eq!(scene.network.0.lock().expect("a lock").runs, 2);
        scene.end();
    });
}

#[test]
fn a_flush_ends_the_wait_and_nothing_of_before_it_leaves() {
    check(|| {
        let scene = Scene::new(2, true);
        let flight = scene.flight.clone();
        let flush = thread::spawn(move || flight.interrupt());
        let mut number = 0;
        let mut interrupted = false;
        while number < 3 && !interrupted {
            interrupted = scene.pass(number);
            number += 1;
        }
        flush.join().expect("a thread");
        let before = scene.out.lock().expect("a lock").len() as u32;
        scene.flight.discard();
        scene.flight.resume();
        for number in 10..13 {
            assert!(!scene.pass(number));
        }
        assert!(!scene.emit(0));
        let expected: Vec<u32> = (0..before).chain(10..13).collect();
        assert_eq!(scene.end(), expected);
    });
}

#[test]
fn overdue_frames_leave_by_themselves_each_once_and_in_order() {
    check(|| {
        let scene = Scene::new(3, false).with_lookout();
        for number in 0..3 {
            scene.submit(number);
        }
        while scene.flight.len() > 0 {
            thread::yield_now();
        }
        for number in 3..6 {
            assert!(!scene.pass(number));
        }
        assert!(!scene.emit(0));
        assert_eq!(scene.end(), [0, 1, 2, 3, 4, 5]);
    });
}
