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

/// A source, with the engine that shows it where the stream has none yet.
#[derive(Debug)]
pub(super) struct Loaded {
    pub engine: Option<Box<Engine>>,
    pub source: Option<Arc<Source>>,
    pub origin: Option<Arc<Origin>>,
}

/// The worker's job for one element.
pub(super) struct Load {
    element: WeakRef<FaceSwap>,
    search: Search,
    threads: usize,
    sources: Option<SourceLoader>,
    /// Made, but with a source that came too late.
    engine: Option<Box<Engine>>,
    port: Option<NetworkPort>,
    origin: Option<Arc<Origin>>,
    /// Wanted, at first as the user asks for it.
    neural: Option<Neural>,
    running: Option<Running>,
    /// Wanted, and what it was loaded onto.
    enhancer: Option<Options>,
    enhancing: Option<Provider>,
    cache: Option<PathBuf>,
    faults: Arc<Faults>,
    people: Option<PeoplePort>,
    /// `reference` and `face-map` that the engine was brought.
    told: (Option<String>, Option<String>),
    /// Those of `face-map`, by their photos.
    mapped: Vec<(String, Arc<Source>)>,
    /// The newest source, to be prepared for a network that comes later.
    source: Option<Arc<Source>>,
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
            sources: None,
            engine: None,
            port: None,
            origin: None,
            neural: networks.swap,
            running: None,
            enhancer: networks.enhancer,
            enhancing: None,
            cache: networks.cache,
            faults,
            people: None,
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

    fn load(&mut self, list: &str) -> Result<Loaded, LoadError> {
        if self.port.is_none() {
            let pack = Pack::find(&self.search)?;
            let mut sources = SourceLoader::new(&pack)?;
            sources.keep_portraits(self.neural.is_some());
            self.sources = Some(sources);
            let engine = Box::new(Engine::new(&pack, self.threads)?);
            self.port = Some(engine.network_port());
            self.people = Some(engine.people_port());
            self.engine = Some(engine);
            self.origin = Some(Arc::new(origin(&pack.landmarker)?));
        }
        let Some(sources) = &mut self.sources else { unreachable!("made together with the engine") };
        let (source, warnings) = sources.load(&split_list(list))?;
        for warning in warnings {
            self.tell(|element| gst::element_warning!(element, gst::StreamError::Decode, ("{warning}")));
        }
        self.source = Some(source.clone());
        self.identify()?;
        Ok(Loaded { engine: self.engine.take(), source: Some(source), origin: self.origin.clone() })
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
