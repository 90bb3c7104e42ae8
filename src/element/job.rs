//! Loading the engine and the sources for it, away from the streaming thread.

use std::{path::Path, sync::Arc};

use glib::{WeakRef, prelude::*};

use super::{FaceSwap, loader::Job, log::CAT, mark::Origin, messages};
use crate::{
    engine::{Engine, EngineError, Source, SourceError, SourceLoader, split_list},
    models::{self, Model, ModelError, Pack, Search},
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
}

impl LoadError {
    fn is_missing_file(&self) -> bool {
        use ModelError::{Missing, NoSuchFile, RuntimeMissing};
        match self {
            LoadError::Source(e) => {
                matches!(e, SourceError::Missing { .. } | SourceError::EmptyFolder { .. })
            }
            LoadError::Model(e) | LoadError::Engine(EngineError::Model(e)) => {
                matches!(e, Missing { .. } | NoSuchFile { .. } | RuntimeMissing { .. })
            }
            LoadError::Engine(_) => false,
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
            LoadError::Model(_) | LoadError::Engine(_) => glib::Error::new(gst::LibraryError::Init, &text),
        }
    }
}

/// What can be said without loading anything: whether the files are there.
pub(super) fn check(list: &str, search: &Search) -> Result<(), LoadError> {
    let missing = |path: &Path| matches!(path.try_exists(), Ok(false));
    if let Some(path) = split_list(list).into_iter().find(|path| missing(path)) {
        return Err(SourceError::Missing { path }.into());
    }
    Pack::find(search)?;
    Ok(())
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
    engine_made: bool,
    origin: Option<Arc<Origin>>,
}

impl Load {
    pub fn new(element: &FaceSwap, search: Search, threads: usize) -> Self {
        Load {
            element: element.downgrade(),
            search,
            threads,
            sources: None,
            engine: None,
            engine_made: false,
            origin: None,
        }
    }

    fn tell(&self, tell: impl FnOnce(&FaceSwap)) {
        if let Some(element) = self.element.upgrade() {
            tell(&element);
        }
    }

    fn load(&mut self, list: &str) -> Result<Loaded, LoadError> {
        if !self.engine_made {
            let pack = Pack::find(&self.search)?;
            self.sources = Some(SourceLoader::new(&pack)?);
            self.engine = Some(Box::new(Engine::new(&pack, self.threads)?));
            self.origin = Some(Arc::new(origin(&pack.landmarker)?));
            self.engine_made = true;
        }
        let Some(sources) = &mut self.sources else { unreachable!("made together with the engine") };
        let (source, warnings) = sources.load(&split_list(list))?;
        for warning in warnings {
            self.tell(|element| gst::element_warning!(element, gst::StreamError::Decode, ("{warning}")));
        }
        Ok(Loaded { engine: self.engine.take(), source: Some(source), origin: self.origin.clone() })
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
