//! The governor and what is told of the machine: at each frame, on the streaming thread.

use std::{
    sync::{LazyLock, atomic::Ordering},
    time::{Duration, Instant},
};

use gst::subclass::prelude::*;
use gst_base::prelude::*;

use super::{
    choice::{Choice, Chooser, Demand},
    imp::FaceSwap,
    log::CAT,
    mark::Used,
    messages,
    pending::Ticket,
    process::Spent,
    settings,
};
use crate::{
    control::{
        governor::{Governor, LEVELS, Sample},
        monitor::{Monitor, Vitals},
        platform::{Heat, Machine, platform},
    },
    engine::{Effort, Report},
    sync::lock,
};

const MIB: f64 = 1048576.0;

/// The governor of one stream, and what it hears from others.
#[derive(Debug)]
pub(super) struct Control {
    governor: Governor,
    /// Its samples' times are since this.
    started: Instant,
    /// Frames before this running time are too late to be shown, as a sink says.
    earliest: Option<gst::ClockTime>,
    /// As last told.
    heat: Heat,
    engine: Used,
    /// Decides what the network is used for, where the user leaves that open.
    chooser: Option<Chooser>,
}

impl Default for Control {
    fn default() -> Self {
        Control {
            governor: Governor::default(),
            started: Instant::now(),
            earliest: None,
            heat: Heat::default(),
            engine: Used::Mesh,
            chooser: None,
        }
    }
}

impl FaceSwap {
    fn vitals(&self) -> Vitals {
        let monitor = lock(&self.monitor).clone();
        monitor.map(|monitor| monitor.vitals()).unwrap_or_default()
    }

    /// Begins anew with a stream.
    pub(super) fn start_control(&self) {
        *lock(&self.control) = Control::default();
        static MACHINE: LazyLock<Machine> = LazyLock::new(|| platform().machine());
        gst::info!(CAT, imp = self, "{:?}", *MACHINE);
        let monitor = Monitor::of_process();
        if let Err(e) = &monitor {
            gst::warning!(CAT, imp = self, "Nothing will be known of heat and memory: no thread: {e}");
        }
        *lock(&self.monitor) = monitor.ok();
    }

    pub(super) fn stop_control(&self) {
        let monitor = lock(&self.monitor).take();
        drop(monitor);
    }

    /// A sink says how late a frame was.
    pub(super) fn qos(&self, event: &gst::event::Qos) {
        let (_, _, diff, timestamp) = event.get();
        let mut control = lock(&self.control);
        let now = control.started.elapsed();
        control.governor.qos(now, diff);
        control.earliest = timestamp.and_then(|t| {
            let earliest = i64::try_from(t.nseconds()).ok()?.saturating_add(diff);
            Some(gst::ClockTime::from_nseconds(u64::try_from(earliest).ok()?))
        });
    }

    /// How much work the frame at `position` may be.
    pub(super) fn effort(&self, governed: bool, position: Option<gst::ClockTime>) -> Effort {
        let mut control = lock(&self.control);
        if !governed {
            if control.governor.level() > 0 {
                control.governor = Governor::default();
            }
            return Effort::FULL;
        }
        let last = control.governor.level() + 1 == LEVELS.len();
        let late = last && position.zip(control.earliest).is_some_and(|(at, earliest)| at <= earliest);
        Effort { late, ..control.governor.effort() }
    }

    /// Lets the governor see what a frame cost, and tells of the step that it takes.
    pub(super) fn govern(&self, ticket: &Ticket, spent: &Spent) {
        let Some(period) = ticket.governed else { return };
        let vitals = self.vitals();
        let depth = self.flight().map_or(0, |flight| flight.depth());
        let queue = if depth > 1 { spent.queue as f32 / (depth - 1) as f32 } else { 0.0 };
        let short = vitals.memory_short || lock(&self.budget).is_near((vitals.rss_mib * MIB) as u64);
        let change = {
            let mut control = lock(&self.control);
            let now = control.started.elapsed();
            control.governor.heat(vitals.thermal.heat);
            control.governor.memory(short);
            control.governor.observe(&Sample { now, busy: spent.busy, period, queue })
        };
        if let Some(change) = change {
            let quality = lock(&self.settings).params.quality;
            gst::info!(CAT, imp = self, "Quality: {change:?}");
            messages::post(&self.obj(), messages::quality(&change, quality), ticket.position);
        }
    }

    /// Tells which engine swaps from now on, since its network is loaded.
    pub(super) fn engine_chosen(&self, choice: &Choice, chooser: Option<Chooser>) {
        let to = choice.usage.engine();
        let from = {
            let mut control = lock(&self.control);
            control.chooser = chooser;
            std::mem::replace(&mut control.engine, to)
        };
        gst::info!(CAT, imp = self, "Engine: {choice:?}");
        if from != to {
            messages::post(&self.obj(), messages::engine(from, to, Some(choice)), None);
        }
    }

    /// Lets what decides on the network's use see a frame, and has the network loaded for another use
    /// where it decides so.
    pub(super) fn reconsider(&self, report: &Report, ticket: &Ticket) {
        let Some(period) = ticket.pace else { return };
        let decided = {
            let mut control = lock(&self.control);
            let now = control.started.elapsed();
            let (faces, spent) = (report.swapped, report.network_time);
            let demand = Demand { now, faces, pixel_boost: ticket.pixel_boost, spent, period };
            control.chooser.as_mut().is_some_and(|chooser| chooser.observe(&demand))
        };
        if decided && let Some(loader) = self.loader() {
            loader.poke();
        }
    }

    /// What the network is to be used for from now on, with the time of a run on one image.
    pub(super) fn decided(&self) -> Option<(Choice, Duration)> {
        lock(&self.control).chooser.as_ref()?.decided()
    }

    /// Tells that the mesh engine swaps, since the network failed.
    pub(super) fn engine_lost(&self) {
        let from = {
            let mut control = lock(&self.control);
            control.chooser = None;
            std::mem::take(&mut control.engine)
        };
        if from != Used::Mesh {
            messages::post(&self.obj(), messages::engine(from, Used::Mesh, None), None);
        }
    }

    /// Tells of the machine's heat when it has changed, and posts `faceswap-stats` when it is due.
    pub(super) fn report(&self, position: Option<gst::ClockTime>) {
        let thermal = self.vitals().thermal;
        let previous = std::mem::replace(&mut lock(&self.control).heat, thermal.heat);
        if previous != thermal.heat {
            let auto = lock(&self.settings).auto_quality;
            messages::post(&self.obj(), messages::thermal(&thermal, previous, auto), position);
        }
        let interval = lock(&self.settings).stats_interval;
        let period = if interval == 0 { settings::DEFAULT_STATS_INTERVAL } else { interval };
        let due = lock(&self.stats).roll(Instant::now(), Duration::from_millis(period.into()));
        if due && interval > 0 {
            messages::post(&self.obj(), self.statistics(), position);
        }
    }

    /// Posts `faceswap-stats` at the end of a stream, which may be shorter than the interval.
    pub(super) fn report_last(&self) {
        if lock(&self.settings).stats_interval > 0 {
            let segment = self.obj().segment();
            let time = segment.downcast_ref::<gst::ClockTime>();
            let position = time.and_then(|segment| segment.to_running_time(segment.position()));
            messages::post(&self.obj(), self.statistics(), position);
        }
    }

    /// The fields of `faceswap-stats` at this moment.
    pub(super) fn statistics(&self) -> gst::Structure {
        let quality = lock(&self.settings).params.quality;
        let snapshot = lock(&self.stats).snapshot();
        let level = lock(&self.control).governor.level();
        let misses = self.misses.load(Ordering::Relaxed);
        messages::stats(&snapshot, &self.vitals(), quality, level, self.latency(), misses)
    }
}
