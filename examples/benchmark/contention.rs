//! How much of the machine others had while something was measured.

use std::time::{Duration, Instant};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Processor time is counted in ticks too coarse for less.
const SHORTEST: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub struct Contention {
    /// `None` where it cannot be asked.
    system: Option<System>,
    asked: Option<Instant>,
    share: Option<f64>,
}

impl Contention {
    pub fn new() -> Contention {
        Contention { system: System::new().ok(), asked: None, share: None }
    }

    /// Share (0–1) of all processors' time that other processes took since this was asked for the last time, or, where that is
    /// but a moment ago, between the two times before. `None` at first.
    pub fn share(&mut self) -> Option<f64> {
        if self.asked.is_some_and(|asked| asked.elapsed() < SHORTEST) {
            return self.share;
        }
        let system = self.system.as_mut()?;
        let own = Pid::from_u32(std::process::id());
        let what = ProcessRefreshKind::nothing().with_cpu();
        system.refresh_cpu_usage();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, what);
        let cores = system.cpus().len().max(1) as f64;
        let mine = system.process(own).map_or(0.0, |process| f64::from(process.cpu_usage()) / cores);
        if self.asked.replace(Instant::now()).is_some() {
            self.share = Some(((f64::from(system.global_cpu_usage()) - mine) / 100.0).clamp(0.0, 1.0));
        }
        self.share
    }
}
