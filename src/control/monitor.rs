//! Asks the system how this process and the machine do, now and then on a thread of its own, so
//! that the streaming threads only read numbers.

use std::{
    sync::{Arc, Condvar, Mutex, Weak},
    thread,
    time::Duration,
};

use super::{
    memory::Gauge,
    platform::{self, Platform, Thermal},
};
use crate::sync::lock;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(5);
/// Share of the machine's memory below which what is available is short.
const SHORT: f64 = 0.04;

/// The numbers of the last look.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Vitals {
    pub thermal: Thermal,
    /// Resident memory of this process in MiB.
    pub rss_mib: f64,
    /// Processor time of this process, 100 = one core.
    pub cpu_percent: f64,
    /// The machine is about to run out of memory.
    pub memory_short: bool,
}

#[derive(Debug, Default)]
struct State {
    vitals: Vitals,
    /// Look now: something changed.
    poked: bool,
    stop: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }
}

/// The thread that looks. Dropped, it ends and is joined.
#[derive(Debug)]
pub struct Monitor {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Monitor {
    /// The one of this process, kept by whoever uses it.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn of_process() -> std::io::Result<Arc<Monitor>> {
        static MONITOR: Mutex<Weak<Monitor>> = Mutex::new(Weak::new());
        let mut weak = lock(&MONITOR);
        if let Some(monitor) = weak.upgrade() {
            return Ok(monitor);
        }
        let monitor = Arc::new(Monitor::new(platform::platform(), PERIOD)?);
        *weak = Arc::downgrade(&monitor);
        Ok(monitor)
    }

    /// Looks through `platform` every `period`.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn new(platform: Box<dyn Platform>, period: Duration) -> std::io::Result<Monitor> {
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new().name("faceswap-monitor".into()).spawn({
            let shared = shared.clone();
            move || watch(&shared, platform, period)
        })?;
        Ok(Monitor { shared, thread: Some(thread) })
    }

    /// As of the last look; zeros before the first.
    pub fn vitals(&self) -> Vitals {
        lock(&self.shared.state).vitals
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.shared.change(|state| state.stop = true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(shared: &Arc<Shared>, mut platform: Box<dyn Platform>, period: Duration) {
    let mut gauge = Gauge::new();
    let weak = Arc::downgrade(shared);
    platform.watch(Box::new(move || {
        if let Some(shared) = weak.upgrade() {
            shared.change(|state| state.poked = true);
        }
    }));
    let mut state = lock(&shared.state);
    while !state.stop {
        drop(state);
        let vitals = look(gauge.as_mut(), platform.thermal());
        state = lock(&shared.state);
        state.vitals = vitals;
        let idle = |state: &mut State| !state.stop && !state.poked;
        state = match shared.changed.wait_timeout_while(state, period, idle) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        };
        state.poked = false;
    }
}

fn look(gauge: Option<&mut Gauge>, thermal: Thermal) -> Vitals {
    let Some(gauge) = gauge else { return Vitals { thermal, ..Vitals::default() } };
    let (memory, cpu_percent) = gauge.read();
    Vitals {
        thermal,
        rss_mib: memory.resident as f64 / f64::from(1 << 20),
        cpu_percent,
        memory_short: memory.available > 0 && (memory.available as f64) < SHORT * memory.total as f64,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::control::platform::{Heat, Machine};

    /// Hotter with every look; tells when it looked, and gives away how it is poked.
    #[derive(Debug)]
    struct Oven {
        heats: Vec<Heat>,
        looked: Sender<()>,
        poke: Sender<Poke>,
    }

    struct Poke(Box<dyn Fn() + Send + Sync>);

    impl Platform for Oven {
        fn thermal(&mut self) -> Thermal {
            let _ = self.looked.send(());
            Thermal { heat: self.heats.pop().unwrap_or(Heat::Critical), celsius: Some(50.0) }
        }

        fn watch(&mut self, changed: Box<dyn Fn() + Send + Sync>) {
            self.poke.send(Poke(changed)).unwrap();
        }

        fn machine(&self) -> Machine {
            Machine::default()
        }
    }

    fn oven(heats: Vec<Heat>) -> (Oven, Receiver<()>, Receiver<Poke>) {
        let ((looked, looks), (poke, pokes)) = (channel(), channel());
        (Oven { heats, looked, poke }, looks, pokes)
    }

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn a_notification_is_a_reason_to_look() {
        let (oven, looks, pokes) = oven(vec![Heat::Serious, Heat::Fair]);
        let monitor = Monitor::new(Box::new(oven), Duration::from_secs(3600)).unwrap();
        let poke = pokes.recv_timeout(LONG).unwrap();
        looks.recv_timeout(LONG).unwrap();
        while monitor.vitals().thermal.heat != Heat::Fair {
            thread::yield_now();
        }
        (poke.0)();
        looks.recv_timeout(LONG).unwrap();
        while monitor.vitals().thermal.heat != Heat::Serious {
            thread::yield_now();
        }
        drop(monitor);
        (poke.0)();
        assert!(looks.try_recv().is_err());
    }

    #[test]
    fn it_looks_again_and_again_and_knows_this_process() {
        let (oven, looks, _pokes) = oven(Vec::new());
        let monitor = Monitor::new(Box::new(oven), Duration::from_millis(1)).unwrap();
        for _ in 0..3 {
            looks.recv_timeout(LONG).unwrap();
        }
        let vitals = monitor.vitals();
        assert!(vitals.rss_mib > 1.0 && vitals.cpu_percent >= 0.0, "{vitals:?}");
        assert_eq!(vitals.thermal, Thermal { heat: Heat::Critical, celsius: Some(50.0) });
    }

    #[test]
    fn one_thread_serves_the_process() {
        let (a, b) = (Monitor::of_process().unwrap(), Monitor::of_process().unwrap());
        assert!(Arc::ptr_eq(&a, &b));
    }
}
