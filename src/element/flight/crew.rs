//! The threads that work on frames in flight.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    Flight,
    queue::{Entry, Stage},
};
use crate::{
    control::platform::prefer_fast_cores,
    element::pending::Pending,
    engine::{Engine, Painter},
};

impl Entry for Pending {
    fn begun(&self) -> Option<Instant> {
        Some(self.task.as_ref()?.ticket.begun)
    }

    fn is_deterministic(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.params.deterministic)
    }

    fn add_wait(&mut self, time: Duration) {
        self.painting += time;
    }

    fn clear(&mut self) {
        (self.task, self.buffer, self.ended, self.result) = (None, None, None, Ok(()));
        (self.busy, self.painting) = (Duration::ZERO, Duration::ZERO);
    }
}

impl Stage<Pending> for Painter {
    fn may_begin(&self) -> bool {
        Painter::may_begin(self)
    }

    fn begin(&mut self, pending: &mut Pending) -> bool {
        pending.begin(self)
    }

    fn is_ready(&mut self) -> bool {
        Painter::is_ready(self)
    }

    fn hurry(&mut self) {
        Painter::hurry(self);
    }

    fn finish(&mut self, pending: &mut Pending, entered: bool) {
        if entered {
            pending.finish(self);
        } else {
            pending.end();
        }
    }

    fn abandon(&mut self) {
        Painter::abandon(self);
    }
}

/// The threads of one flight, which has them only once. Dropped, they end after the stage they are
/// in, and are joined.
#[derive(Debug)]
pub(in crate::element) struct Crew {
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
            let _ = waiting.upgrade().map(|flight| flight.poke());
        }));
        let mut crew = Crew { flight, workers: Vec::with_capacity(2), lookout: None };
        let analysis = crew.start("faceswap-analysis", move |flight| {
            flight.analyse(|pending| pending.analyse(&mut analyser));
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
        self.flight.stop();
        for thread in self.workers.drain(..).chain(self.lookout.take()) {
            let _ = thread.join();
        }
    }
}
