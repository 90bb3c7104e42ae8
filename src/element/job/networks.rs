//! Networks that are wanted beside the engine: swapper and enhancer.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use glib::subclass::prelude::*;

use super::{
    super::{
        choice::{self, Choice, Chooser, Neural, Ready, Usage},
        messages,
    },
    Load, LoadError,
};
use crate::{
    engine::{Enhancer, Preparer},
    models::{Options, Provider},
};

/// Networks that are wanted, as the user asks for them.
#[derive(Debug)]
pub(in crate::element) struct Networks {
    /// Where embeddings of photos are kept beyond the process.
    pub cache: Option<PathBuf>,
    pub swap: Option<Neural>,
    /// How the enhancer is to run.
    pub enhancer: Option<Options>,
}

/// What failed on a frame, and is to run on the CPU from now on.
#[derive(Debug, Default)]
pub(in crate::element) struct Faults {
    pub network: AtomicBool,
    pub enhancer: AtomicBool,
}

/// A swap network that was handed to the engine.
pub(super) struct Running {
    pub(super) preparer: Preparer,
    pub(super) provider: Provider,
}

impl Load {
    /// Loads the network and hands it to the engine.
    fn start_network(&mut self, neural: &Neural) -> Result<(), LoadError> {
        let name = self.network_name();
        self.tell(|element| {
            messages::progress(element, gst::ProgressType::Start, &format!("Loading {name}"));
        });
        let loaded = choice::load(&self.search, neural, self.element.upgrade().as_ref());
        let ready = loaded.inspect_err(|e| {
            self.tell(|element| messages::progress(element, gst::ProgressType::Error, &e.to_string()));
        })?;
        self.hand_over(ready)
    }

    /// Loads the network once more, for another use that was decided while the stream runs. Where it
    /// cannot be had that is said, and the use before goes on.
    fn change_use(&mut self, neural: &Neural, choice: Choice, run: Duration) {
        let neural = Neural { usage: choice.usage, ..neural.clone() };
        let loaded = choice::load(&self.search, &neural, self.element.upgrade().as_ref());
        let run = Some(run);
        let ready = loaded.map(|ready| Ready { choice, run, ..ready }).map_err(LoadError::from);
        if let Err(error) = ready.and_then(|ready| self.hand_over(ready)) {
            self.tell(|element| messages::failure(element, (&error).into(), false));
        }
    }

    fn network_name(&self) -> String {
        self.search.swapper_file.as_ref().map(|file| file.display().to_string()).unwrap_or_default()
    }

    /// Prepares the sources for a network, and hands it to the engine.
    fn hand_over(&mut self, ready: Ready) -> Result<(), LoadError> {
        let Some(port) = self.port() else { return Ok(()) };
        let Ready { mut network, preparer, choice, run } = ready;
        let (facts, size) = (network.facts().clone(), network.size());
        self.running = Some(Running { preparer, provider: facts.provider });
        self.identify()?;
        let interrupter = network.interrupter()?;
        self.tell(|element| element.imp().network_started(interrupter));
        match choice.usage {
            Usage::KeyFrames => port.offer_key_frames(network).map_err(LoadError::Thread)?,
            Usage::EveryFrame | Usage::Measured => port.offer(network),
        }
        self.tell(|element| {
            element.imp().engine_chosen(&choice, run.map(|run| Chooser::after(&choice, run, size)));
            messages::loaded(element, &self.network_name(), &facts);
        });
        Ok(())
    }

    /// Loads the enhancer and hands it to the engine.
    fn start_enhancer(&mut self, options: &Options) -> Result<(), LoadError> {
        let (Some(port), Some(model)) = (self.port(), self.search.enhancer()?) else { return Ok(()) };
        let name = model.path.display().to_string();
        self.tell(|element| {
            messages::progress(element, gst::ProgressType::Start, &format!("Loading {name}"));
        });
        let options = choice::enhancing(options, self.element.upgrade().as_ref());
        let mut enhancer = Enhancer::load(&model, &options).inspect_err(|e| {
            self.tell(|element| messages::progress(element, gst::ProgressType::Error, &e.to_string()));
        })?;
        let facts = enhancer.facts().clone();
        self.enhancing = Some(facts.provider);
        let interrupter = enhancer.interrupter()?;
        self.tell(|element| element.imp().enhancer_started(interrupter));
        port.offer_enhancer(enhancer).map_err(LoadError::Thread)?;
        self.tell(|element| {
            messages::loaded(element, &name, &facts);
        });
        Ok(())
    }

    pub(super) fn follow_network(&mut self) -> Result<(), LoadError> {
        let Some(neural) = self.neural.clone() else { return Ok(()) };
        let provider = self.running.as_ref().map(|running| running.provider);
        match provider {
            None => self.start_network(&neural),
            Some(provider)
                if self.faults.network.swap(false, Ordering::Relaxed) && provider != Provider::Cpu =>
            {
                let cpu = Neural { options: neural.options.on_cpu(), ..neural };
                self.neural = Some(cpu.clone());
                self.start_network(&cpu)
            }
            Some(_) => {
                let decided = self.element.upgrade().and_then(|element| element.imp().decided());
                if let Some((choice, run)) = decided {
                    self.change_use(&neural, choice, run);
                }
                Ok(())
            }
        }
    }

    pub(super) fn follow_enhancer(&mut self) -> Result<(), LoadError> {
        let Some(options) = self.enhancer.clone() else { return Ok(()) };
        match self.enhancing {
            None => self.start_enhancer(&options),
            Some(provider)
                if self.faults.enhancer.swap(false, Ordering::Relaxed) && provider != Provider::Cpu =>
            {
                self.start_enhancer(&options.on_cpu())
            }
            Some(_) => Ok(()),
        }
    }
}
