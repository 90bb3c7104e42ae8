//! Loading the engine and the sources for it, away from the streaming thread.

mod check;
mod error;
mod networks;
mod people;

use std::{path::PathBuf, sync::Arc};

use glib::{WeakRef, prelude::*, subclass::prelude::*};

use super::{FaceSwap, choice::Neural, loader::Job, log::CAT, mark::Origin, messages};
use crate::{
    control::platform::give_back_memory,
    engine::{Engine, NetworkPort, PeoplePort, Source, SourceLoader, split_list},
    models::{self, Model, ModelError, Options, Pack, Provider, Search},
};

pub(super) use check::check;
pub(super) use error::LoadError;
use networks::Running;
pub(super) use networks::{Faults, Networks};
use people::Mapped;

/// A source, with the engine that shows it where the stream has none yet.
#[derive(Debug)]
pub(super) struct Loaded {
    pub engine: Option<Box<Engine>>,
    pub source: Option<Arc<Source>>,
    pub origin: Option<Arc<Origin>>,
}

/// What is made for the first source, and serves those that follow.
struct Made {
    sources: SourceLoader,
    port: NetworkPort,
    people: PeoplePort,
    origin: Arc<Origin>,
}

/// The worker's job for one element.
pub(super) struct Load {
    element: WeakRef<FaceSwap>,
    search: Search,
    threads: usize,
    made: Option<Made>,
    /// Made, but with a source that came too late.
    engine: Option<Box<Engine>>,
    /// Wanted, at first as the user asks for it.
    neural: Option<Neural>,
    running: Option<Running>,
    /// Wanted, and what it was loaded onto.
    enhancer: Option<Options>,
    enhancing: Option<Provider>,
    cache: Option<PathBuf>,
    faults: Arc<Faults>,
    /// `reference` and `face-map` that the engine was brought.
    told: (Option<String>, Option<String>),
    /// Those of `face-map`.
    mapped: Vec<Mapped>,
    /// The newest source, to be prepared for a network that comes later.
    source: Option<Arc<Source>>,
}

impl Made {
    /// With the engine itself, which goes to the stream.
    fn new(search: &Search, threads: usize, portraits: bool) -> Result<(Made, Box<Engine>), LoadError> {
        let pack = Pack::find(search)?;
        let mut sources = SourceLoader::new(&pack)?;
        sources.keep_portraits(portraits);
        let engine = Box::new(Engine::new(&pack, threads)?);
        let (port, people) = (engine.network_port(), engine.people_port());
        Ok((Made { sources, port, people, origin: Arc::new(origin(&pack.landmarker)?) }, engine))
    }
}

impl Load {
    pub fn new(
        element: &FaceSwap,
        search: Search,
        threads: usize,
        networks: Networks,
        faults: Arc<Faults>,
    ) -> Self {
        Load {
            element: element.downgrade(),
            search,
            threads,
            made: None,
            engine: None,
            neural: networks.swap,
            running: None,
            enhancer: networks.enhancer,
            enhancing: None,
            cache: networks.cache,
            faults,
            told: (None, None),
            mapped: Vec::new(),
            source: None,
        }
    }

    fn tell(&self, tell: impl FnOnce(&FaceSwap)) {
        if let Some(element) = self.element.upgrade() {
            tell(&element);
        }
    }

    fn port(&self) -> Option<NetworkPort> {
        self.made.as_ref().map(|made| made.port.clone())
    }

    fn load(&mut self, list: &str) -> Result<Loaded, LoadError> {
        let made = match &mut self.made {
            Some(made) => made,
            none => {
                let (made, engine) = Made::new(&self.search, self.threads, self.neural.is_some())?;
                self.engine = Some(engine);
                none.insert(made)
            }
        };
        let origin = made.origin.clone();
        let (source, warnings) = made.sources.load(&split_list(list))?;
        for warning in warnings {
            self.tell(|element| gst::element_warning!(element, gst::StreamError::Decode, ("{warning}")));
        }
        self.source = Some(source.clone());
        self.identify()?;
        Ok(Loaded { engine: self.engine.take(), source: Some(source), origin: Some(origin) })
    }

    /// Prepares the newest source, and whom mapped people become, for the network, where there is
    /// one.
    fn identify(&mut self) -> Result<(), LoadError> {
        let Some(running) = &mut self.running else { return Ok(()) };
        for source in self.source.iter().chain(self.mapped.iter().map(|(_, source)| source)) {
            source.identify(&mut running.preparer).map_err(LoadError::Identity)?;
        }
        let counts = running.preparer.cache_counts();
        let warnings = running.preparer.take_warnings();
        self.tell(|element| element.imp().count_cache(counts));
        self.warn(warnings);
        Ok(())
    }

    /// What comes after a source was handed over: people to be told, networks, the processor that
    /// they fall back to.
    fn follow_up(&mut self) -> Result<(), LoadError> {
        self.follow_people();
        self.follow_network()?;
        self.follow_enhancer()
    }

    /// What was wrong with the folder for what is kept.
    fn warn(&self, warnings: Vec<String>) {
        self.tell(|element| {
            for warning in warnings {
                gst::element_warning!(element, gst::ResourceError::Write, ("{warning}"));
            }
        });
    }
}

impl Job for Load {
    type Output = Loaded;
    type Error = LoadError;

    fn run(&mut self, list: &str) -> Result<Loaded, LoadError> {
        self.tell(|element| {
            gst::info!(CAT, obj = element, "Loading source {list}");
            messages::progress(element, gst::ProgressType::Start, &format!("Loading {list}"));
        });
        let result = self.load(list);
        self.tell(|element| match &result {
            Ok(_) => messages::progress(element, gst::ProgressType::Complete, &format!("Loaded {list}")),
            Err(e) => messages::progress(element, gst::ProgressType::Error, &e.to_string()),
        });
        result
    }

    fn afterwards(&mut self) -> Result<(), LoadError> {
        let result = self.follow_up();
        give_back_memory();
        result
    }

    fn recycle(&mut self, loaded: Loaded) {
        if loaded.engine.is_some() {
            self.engine = loaded.engine;
        }
    }

    fn failed(&mut self, error: LoadError, fatal: bool) {
        self.tell(|element| messages::failure(element, (&error).into(), fatal));
    }

    fn panicked(&mut self, message: &str) {
        self.tell(|element| {
            gst::element_error!(
                element,
                gst::LibraryError::Failed,
                ("loading the source failed unexpectedly: {message}; please report this")
            );
        });
    }
}

fn origin(model: &Model) -> Result<Origin, ModelError> {
    let name = match &model.card {
        Some(card) => card.name.clone(),
        None => model.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    Ok(Origin { model: name, sha256: models::sha256(&model.path)? })
}
