//! What a swap network is used for, by what the user asks for and, where that leaves it open, by the
//! time that the network takes.

use std::time::Duration;

use glib::subclass::prelude::*;

use super::{FaceSwap, mark::Used};
use crate::{
    engine::{Network, Preparer},
    models::{ModelError, Options, Provider, Search},
    sync::lock,
};

/// Share of a frame's time that the network may take where it is to run on every frame, and that it
/// may take at most to run on every frame again.
const AFFORDABLE: f64 = 0.8;
const EASY: f64 = 0.6;
/// How long too much must have been asked for until key frames are made instead, and how long little
/// until the network runs on every frame again.
const STRAINED: Duration = Duration::from_secs(1);
const RESTED: Duration = Duration::from_secs(5);
/// Weight of a frame's time of a run among those before.
const NEWEST: f64 = 0.1;

/// How the swap network is to be run.
#[derive(Debug, Clone)]
pub(super) struct Neural {
    pub options: Options,
    pub batch: usize,
    pub usage: Usage,
}

impl Neural {
    /// Frames that may wait for others, so that their faces go through the network together.
    pub fn frames_waiting(&self) -> usize {
        if self.usage == Usage::KeyFrames { 0 } else { self.batch.max(1) - 1 }
    }
}

/// What the swap network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    EveryFrame,
    KeyFrames,
    /// Every frame where that holds the frame rate, else key frames.
    Measured,
}

impl Usage {
    /// The engine that it makes; the first choice where that is measured.
    pub fn engine(self) -> Used {
        match self {
            Usage::EveryFrame | Usage::Measured => Used::Neural,
            Usage::KeyFrames => Used::Hybrid,
        }
    }
}

/// What a loaded network is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub usage: Usage,
    /// Time that the network takes a frame and time that a frame has, where these decided.
    pub measured: Option<(Duration, Duration)>,
}

/// What a frame asked of the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    /// Since the stream's start.
    pub now: Duration,
    pub faces: usize,
    /// Pixels a side that a face is brought to; 0: the network's own.
    pub pixel_boost: usize,
    /// Time that the network took where it ran, and time that a frame has.
    pub spent: Duration,
    pub period: Duration,
}

/// Decides again while the stream runs, since faces come and go and rates change.
#[derive(Debug)]
pub(super) struct Chooser {
    usage: Usage,
    /// Time of a run on one image, and pixels a side of it.
    run: Duration,
    size: usize,
    /// Since when the other use would be right.
    since: Option<Duration>,
    /// What was decided and has not come about yet.
    decided: Option<Choice>,
}

impl Chooser {
    /// After `choice`, which a time of a `run` on one image of `size` pixels a side decided.
    pub fn after(choice: &Choice, run: Duration, size: usize) -> Chooser {
        Chooser { usage: choice.usage, run, size, since: None, decided: None }
    }

    /// What was decided last and has not come about yet, with the time of a run on one image.
    pub fn decided(&self) -> Option<(Choice, Duration)> {
        self.decided.map(|choice| (choice, self.run))
    }

    /// Takes a frame's demand into account; whether something was decided.
    pub fn observe(&mut self, demand: &Demand) -> bool {
        let images = (demand.faces * tiles(demand.pixel_boost, self.size)) as u32;
        if images == 0 || self.decided.is_some() {
            self.since = None;
            return false;
        }
        if self.usage == Usage::EveryFrame && !demand.spent.is_zero() {
            let new = (demand.spent / images).as_secs_f64();
            self.run = Duration::from_secs_f64(self.run.as_secs_f64() * (1.0 - NEWEST) + new * NEWEST);
        }
        let needed = self.run * images;
        let (share, patience, other) = match self.usage {
            Usage::KeyFrames => (EASY, RESTED, Usage::EveryFrame),
            _ => (AFFORDABLE, STRAINED, Usage::KeyFrames),
        };
        if (needed <= demand.period.mul_f64(share)) != (other == Usage::EveryFrame) {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(demand.now);
        if demand.now.saturating_sub(since) < patience {
            return false;
        }
        self.decided = Some(Choice { usage: other, measured: Some((needed, demand.period)) });
        true
    }
}

/// Images that a face goes through the network in.
pub(super) fn tiles(pixel_boost: usize, size: usize) -> usize {
    (pixel_boost / size.max(1)).max(1).pow(2)
}

impl Choice {
    fn asked_for(usage: Usage) -> Choice {
        Choice { usage, measured: None }
    }

    /// By the time that the network takes a frame and the time that a frame has.
    fn by_time(taken: Duration, period: Duration) -> Choice {
        let holds = taken <= period.mul_f64(AFFORDABLE);
        let usage = if holds { Usage::EveryFrame } else { Usage::KeyFrames };
        Choice { usage, measured: Some((taken, period)) }
    }
}

/// A network that is ready, and what it is for.
pub(super) struct Ready {
    pub network: Network,
    pub preparer: Preparer,
    pub choice: Choice,
    /// Time of a run on one image, where that was measured.
    pub run: Option<Duration>,
}

/// Loads the network of `search` for what it is to be used for; where that is to be measured, finds
/// it out. Takes seconds.
///
/// # Errors
/// As [`Network::load`].
pub(super) fn load(
    search: &Search,
    neural: &Neural,
    element: Option<&FaceSwap>,
) -> Result<Ready, ModelError> {
    let load = |options, choice| {
        let (network, preparer) = Network::load(search, options, neural.batch)?;
        Ok(Ready { network, preparer, choice, run: None })
    };
    let repeatable = element.is_none_or(|element| element.imp().is_repeatable());
    // Key frames are made beside the painting of all others, which goes before.
    let beside = match neural.options.provider {
        Provider::Auto | Provider::Cpu if !repeatable => Options { threads: 1, ..neural.options.clone() },
        _ => neural.options.clone(),
    };
    match (neural.usage, element) {
        (Usage::KeyFrames, _) => load(&beside, Choice::asked_for(Usage::KeyFrames)),
        (Usage::Measured, Some(element)) if !repeatable => {
            let (mut network, preparer) = Network::load(search, &neural.options, neural.batch)?;
            let run = network.time_of_run()?;
            let images = tiles(element.imp().pixel_boost(), network.size()) as u32;
            let choice = Choice::by_time(run * images, element.imp().frame_period());
            let on_cpu = network.facts().provider == Provider::Cpu;
            let run = Some(run);
            if choice.usage == Usage::EveryFrame || !on_cpu || beside == neural.options {
                return Ok(Ready { network, preparer, choice, run });
            }
            drop((network, preparer));
            load(&beside, choice).map(|ready| Ready { run, ..ready })
        }
        // No time may decide what a frame shows where the same input must give the same output.
        (Usage::EveryFrame | Usage::Measured, _) => {
            load(&neural.options, Choice::asked_for(Usage::EveryFrame))
        }
    }
}

/// How the enhancer is to run: where no frame waits for it, beside the painting, which goes before.
pub(super) fn enhancing(options: &Options, element: Option<&FaceSwap>) -> Options {
    let waits = element.is_none_or(|element| {
        let every = lock(&element.imp().settings).params.enhancer_interval <= 1;
        every || element.imp().is_repeatable()
    });
    match options.provider {
        Provider::Auto | Provider::Cpu if !waits => Options { threads: 1, ..options.clone() },
        _ => options.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_leaves_no_time_for_the_rest_makes_key_frames() {
        let ms = Duration::from_millis;
        for (taken, usage) in [(5, Usage::EveryFrame), (30, Usage::KeyFrames), (700, Usage::KeyFrames)] {
            let choice = Choice::by_time(ms(taken), ms(33));
            assert_eq!(choice, Choice { usage, measured: Some((ms(taken), ms(33))) });
        }
        assert_eq!(Usage::Measured.engine(), Used::Neural);
        assert_eq!(Usage::KeyFrames.engine(), Used::Hybrid);
    }

    /// Lets `faces` be in the picture for `frames` of 33 ms, each image of which takes
    /// `run` where the network runs; whether something was decided.
    fn watch(chooser: &mut Chooser, now: &mut Duration, frames: u64, faces: usize, run: Duration) -> bool {
        let runs = chooser.usage == Usage::EveryFrame;
        (0..frames).any(|_| {
            *now += Duration::from_millis(33);
            let spent = if runs { run * faces as u32 } else { Duration::ZERO };
            let period = Duration::from_millis(33);
            chooser.observe(&Demand { now: *now, faces, pixel_boost: 0, spent, period })
        })
    }

    #[test]
    fn more_faces_than_the_network_can_follow_make_key_frames_until_they_have_gone() {
        let run = Duration::from_millis(9);
        let mut now = Duration::ZERO;
        let mut chooser = Chooser::after(&Choice::by_time(run, Duration::from_millis(33)), run, 128);
        assert!(!watch(&mut chooser, &mut now, 1800, 2, run), "two faces take 18 of 33 ms");
        // For less than a second, then for good.
        assert!(!watch(&mut chooser, &mut now, 15, 4, run) && !watch(&mut chooser, &mut now, 90, 1, run));
        assert!(watch(&mut chooser, &mut now, 60, 4, run), "four faces take 36 of 33 ms");
        let (choice, _) = chooser.decided().unwrap();
        assert_eq!(choice.usage, Usage::KeyFrames);
        // While it comes about nothing is decided.
        assert!(!watch(&mut chooser, &mut now, 270, 1, run));

        let mut chooser = Chooser::after(&choice, run, 128);
        // Between the two shares nothing changes.
        assert!(!watch(&mut chooser, &mut now, 1800, 3, run));
        assert!(!watch(&mut chooser, &mut now, 120, 1, run), "it waits five seconds");
        assert!(!watch(&mut chooser, &mut now, 30, 3, run));
        assert!(watch(&mut chooser, &mut now, 180, 1, run));
        assert_eq!(chooser.decided().unwrap().0.usage, Usage::EveryFrame);
    }

    #[test]
    fn a_network_that_has_become_slower_than_when_it_was_measured_makes_key_frames() {
        let (was, is) = (Duration::from_millis(9), Duration::from_millis(40));
        let mut now = Duration::ZERO;
        let mut chooser = Chooser::after(&Choice::by_time(was, Duration::from_millis(33)), was, 128);
        assert!(watch(&mut chooser, &mut now, 300, 1, is));
        let (needed, _) = chooser.decided().unwrap().0.measured.unwrap();
        assert!(needed > Duration::from_millis(27), "{needed:?}");
    }

    #[test]
    fn without_faces_nothing_is_decided_and_tiles_count() {
        let run = Duration::from_millis(9);
        let mut now = Duration::ZERO;
        let keys = Choice { usage: Usage::KeyFrames, measured: None };
        let mut chooser = Chooser::after(&keys, run, 128);
        assert!(!watch(&mut chooser, &mut now, 1800, 0, run));
        assert_eq!([tiles(0, 128), tiles(128, 128), tiles(255, 128), tiles(512, 128)], [1, 1, 1, 16]);
    }
}
