//! What a swap network is used for, by what the user asks for and, where that leaves it open, by the
//! time that the network takes.

use std::time::Duration;

use glib::subclass::prelude::*;

use super::{FaceSwap, mark::Used};
use crate::{
    engine::{Network, Preparer},
    models::{ModelError, Options, Provider, Search},
};

/// Share of a frame's time that the network may take where it is to run on every frame.
const AFFORDABLE: f64 = 0.8;

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
    /// Time of a run and time that a frame has, where these decided.
    pub measured: Option<(Duration, Duration)>,
}

impl Choice {
    fn asked_for(usage: Usage) -> Choice {
        Choice { usage, measured: None }
    }

    /// By the time that a run takes and the time that a frame has.
    fn by_time(taken: Duration, period: Duration) -> Choice {
        let holds = taken <= period.mul_f64(AFFORDABLE);
        let usage = if holds { Usage::EveryFrame } else { Usage::KeyFrames };
        Choice { usage, measured: Some((taken, period)) }
    }
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
) -> Result<(Network, Preparer, Choice), ModelError> {
    let load = |options, choice| {
        let (network, preparer) = Network::load(search, options, neural.batch)?;
        Ok((network, preparer, choice))
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
            let choice = Choice::by_time(network.time_of_run()?, element.imp().frame_period());
            let on_cpu = network.facts().provider == Provider::Cpu;
            if choice.usage == Usage::EveryFrame || !on_cpu || beside == neural.options {
                return Ok((network, preparer, choice));
            }
            drop((network, preparer));
            load(&beside, choice)
        }
        // No time may decide what a frame shows where the same input must give the same output.
        (Usage::EveryFrame | Usage::Measured, _) => {
            load(&neural.options, Choice::asked_for(Usage::EveryFrame))
        }
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
}
