//! Loading the engine and the sources for it, away from the streaming thread.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use glib::{WeakRef, prelude::*, subclass::prelude::*};

use super::{
    FaceSwap,
    choice::{self, Choice, Chooser, Neural, Ready, Usage},
    imp::Faults,
    loader::Job,
    log::CAT,
    mark::Origin,
    messages,
};
use crate::{
    control::platform::give_back_memory,
    engine::{
        Engine, EngineError, Enhancer, NetworkPort, People, PeoplePort, Preparer, Source, SourceError,
        SourceLoader, split_list, split_map,
    },
    models::{self, Model, ModelError, Options, Pack, Provider, Search},
    sync::lock,
};

/// A source, with the engine that shows it where the stream has none yet.
#[derive(Debug)]
pub(super) struct Loaded {
    pub engine: Option<Box<Engine>>,
    pub source: Option<Arc<Source>>,
    pub origin: Option<Arc<Origin>>,
}

/// Why there is no source to show.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the source cannot be prepared for the swap network: {0}")]
    Identity(String),
    #[error("no thread could be started for key frames: {0}")]
    Thread(std::io::Error),
    #[error("{0}")]
    Map(String),
}

impl LoadError {
    fn is_missing_file(&self) -> bool {
        use ModelError::{Missing, NoPartner, NoSuchFile, RuntimeMissing};
        match self {
            LoadError::Source(e) => {
                matches!(e, SourceError::Missing { .. } | SourceError::EmptyFolder { .. })
            }
            LoadError::Model(e) | LoadError::Engine(EngineError::Model(e)) => {
                matches!(e, Missing { .. } | NoPartner { .. } | NoSuchFile { .. } | RuntimeMissing { .. })
            }
            LoadError::Engine(_) | LoadError::Identity(_) | LoadError::Thread(_) | LoadError::Map(_) => false,
        }
    }

    /// What the element's start fails with.
    pub fn to_start_error(&self) -> gst::ErrorMessage {
        if self.is_missing_file() {
            gst::error_msg!(gst::ResourceError::NotFound, ("{self}"))
        } else {
            gst::error_msg!(gst::LibraryError::Init, ("{self}"))
        }
    }
}

impl From<&LoadError> for glib::Error {
    fn from(error: &LoadError) -> Self {
        let text = error.to_string();
        match error {
            missing if missing.is_missing_file() => glib::Error::new(gst::ResourceError::NotFound, &text),
            LoadError::Source(SourceError::Unreadable { .. }) => {
                glib::Error::new(gst::ResourceError::OpenRead, &text)
            }
            LoadError::Source(_) => glib::Error::new(gst::StreamError::WrongType, &text),
            LoadError::Model(_)
            | LoadError::Engine(_)
            | LoadError::Identity(_)
            | LoadError::Thread(_)
            | LoadError::Map(_) => glib::Error::new(gst::LibraryError::Init, &text),
        }
    }
}

/// What can be said without loading anything: whether the files are there, and the cache is one's own.
pub(super) fn check(
    list: &str,
    search: &Search,
    network: Option<&Neural>,
    reference: Option<&str>,
    map: Option<&str>,
) -> Result<(), LoadError> {
    let pairs = pairs(map)?;
    let lists = pairs.iter().flat_map(|(who, shown)| [who.as_str(), shown]);
    let missing = |path: &PathBuf| matches!(path.try_exists(), Ok(false));
    if let Some(path) = [list].into_iter().chain(lists).chain(reference).flat_map(split_list).find(missing) {
        return Err(SourceError::Missing { path }.into());
    }
    Pack::find(search)?;
    if let Some(network) = network {
        search.check_swapper()?;
        network.options.prepare_cache()?;
    }
    search.enhancer()?;
    if reference.is_some() || !pairs.is_empty() {
        search.recognizer()?;
    }
    Ok(())
}

/// Who becomes whom.
fn pairs(map: Option<&str>) -> Result<Vec<(String, String)>, LoadError> {
    split_map(map.unwrap_or_default()).map_err(LoadError::Map)
}

/// Networks that are wanted, as the user asks for them.
#[derive(Debug)]
pub(super) struct Networks {
    /// Where embeddings of photos are kept beyond the process.
    pub cache: Option<PathBuf>,
    pub swap: Option<Neural>,
    /// How the enhancer is to run.
    pub enhancer: Option<Options>,
}

/// A swap network that was handed to the engine.
struct Running {
    preparer: Preparer,
    provider: Provider,
}

fn origin(model: &Model) -> Result<Origin, ModelError> {
    let name = match &model.card {
        Some(card) => card.name.clone(),
        None => model.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    Ok(Origin { model: name, sha256: models::sha256(&model.path)? })
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

    /// What was wrong with the folder for what is kept.
    fn warn(&self, warnings: Vec<String>) {
        self.tell(|element| {
            for warning in warnings {
                gst::element_warning!(element, gst::ResourceError::Write, ("{warning}"));
            }
        });
    }

    /// Brings the engine the people to be told that the user now asks for. Where they cannot be
    /// used that is said, and those before stay.
    fn follow_people(&mut self) {
        let (Some(element), Some(port)) = (self.element.upgrade(), self.people.clone()) else { return };
        let wanted = {
            let settings = lock(&element.imp().settings);
            (settings.reference.clone(), settings.face_map.clone())
        };
        if wanted == self.told {
            return;
        }
        match self.load_people(wanted.0.as_deref(), wanted.1.as_deref()) {
            Ok(people) => port.offer(people),
            Err((property, error)) => {
                let text = format!("{property}: {error}");
                gst::element_warning!(element, gst::StreamError::Decode, ("{text}"));
            }
        }
        self.told = wanted;
    }

    /// With the property that an error comes from.
    fn load_people(
        &mut self,
        reference: Option<&str>,
        map: Option<&str>,
    ) -> Result<Option<People>, (&'static str, LoadError)> {
        if reference.is_none() && map.is_none() {
            self.mapped.clear();
            return Ok(None);
        }
        let Some(mut sources) = self.sources.take() else { return Ok(None) };
        sources.keep_portraits(true);
        let loaded = self.tell_apart(&mut sources, reference, map);
        sources.keep_portraits(self.neural.is_some());
        self.sources = Some(sources);
        loaded.map(Some)
    }

    fn tell_apart(
        &mut self,
        sources: &mut SourceLoader,
        reference: Option<&str>,
        map: Option<&str>,
    ) -> Result<People, (&'static str, LoadError)> {
        let property = if map.is_some() { "face-map" } else { "reference" };
        let model = self.search.recognizer().map_err(|e| (property, e.into()))?;
        let mut people = People::new(&model, self.cache.clone()).map_err(|e| (property, e.into()))?;
        if let Some(list) = reference {
            people.refer(sources, &split_list(list)).map_err(|e| ("reference", e.into()))?;
        }
        let of_map = |e: SourceError| ("face-map", LoadError::from(e));
        let mut mapped: Vec<(String, Arc<Source>)> = Vec::new();
        for (who, shown) in pairs(map).map_err(|e| ("face-map", e))? {
            let known = self.mapped.iter().chain(&mapped).find(|(list, _)| *list == shown);
            let source = match known {
                Some((_, source)) => source.clone(),
                None => sources.load(&split_list(&shown)).map_err(of_map)?.0,
            };
            mapped.push((shown, source.clone()));
            people.map(sources, &split_list(&who), source).map_err(of_map)?;
        }
        self.warn(people.take_warnings());
        self.mapped = mapped;
        self.identify().map_err(|e| ("face-map", e))?;
        Ok(people)
    }

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
        let Some(port) = self.port.clone() else { return Ok(()) };
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
        let (Some(port), Some(model)) = (self.port.clone(), self.search.enhancer()?) else { return Ok(()) };
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

    /// What comes after a source was handed over: people to be told, networks, the processor that
    /// they fall back to.
    fn follow_up(&mut self) -> Result<(), LoadError> {
        self.follow_people();
        self.follow_network()?;
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

    fn follow_network(&mut self) -> Result<(), LoadError> {
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
