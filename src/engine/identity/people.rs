//! The people to be told among the tracked faces: the reference, and those who are each to become
//! somebody of their own.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use super::{Recognizer, Source, SourceLoader, recognizer::distance};
use crate::{
    engine::{Frame, SourceError, swap::neural::points_of, track::Track},
    models::{Model, ModelError, Options, Provider},
    sync::lock,
};

/// Frames from a track's first recognition to its second, which may see the face better, and from
/// one to the next later on.
const SECOND: u64 = 15;
const LATER: u64 = 300;

/// Who a track's face is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Likeness {
    /// 1 − cosine to the reference, once recognised.
    pub distance: Option<f32>,
    /// The likest of the people who are mapped, and 1 − cosine to them.
    pub person: Option<(usize, f32)>,
    /// Frame at which to recognise it next.
    due: u64,
    times: u32,
}

impl Likeness {
    /// Has it recognised soon, since it may be somebody else now.
    pub fn doubt(&mut self) {
        (self.due, self.times) = (0, 0);
    }
}

/// Somebody to be told, and who they become.
#[derive(Debug)]
struct Mapped {
    embedding: Vec<f32>,
    source: Arc<Source>,
}

/// The people to be told, and the network that tells them.
#[derive(Debug)]
pub struct People {
    recognizer: Recognizer,
    reference: Option<Vec<f32>>,
    mapped: Vec<Mapped>,
}

impl People {
    /// Nobody yet. Embeddings of photos are kept in `cache`, where one is given.
    ///
    /// # Errors
    /// The recognizer cannot be loaded.
    pub fn new(model: &Model, cache: Option<PathBuf>) -> Result<People, ModelError> {
        let options = Options { provider: Provider::Cpu, threads: 1, cache, ..Options::default() };
        Ok(People { recognizer: Recognizer::load(model, &options)?, reference: None, mapped: Vec::new() })
    }

    /// What was wrong with the folder that embeddings are kept in, since the last call; work goes on.
    pub fn take_warnings(&mut self) -> Vec<String> {
        self.recognizer.take_warnings()
    }

    /// The reference is the person that the images at `paths` show: the mean of their embeddings.
    /// `loader` must keep portraits.
    ///
    /// # Errors
    /// An image that shows no face or cannot be read, a model that cannot be run.
    pub fn refer(&mut self, loader: &mut SourceLoader, paths: &[PathBuf]) -> Result<(), SourceError> {
        self.reference = Some(self.embedding(loader, paths)?);
        Ok(())
    }

    /// Whoever the images at `paths` show becomes `source`. `loader` must keep portraits.
    ///
    /// # Errors
    /// As [`refer`](Self::refer).
    pub fn map(
        &mut self,
        loader: &mut SourceLoader,
        paths: &[PathBuf],
        source: Arc<Source>,
    ) -> Result<(), SourceError> {
        let embedding = self.embedding(loader, paths)?;
        self.mapped.push(Mapped { embedding, source });
        Ok(())
    }

    fn embedding(&mut self, loader: &mut SourceLoader, paths: &[PathBuf]) -> Result<Vec<f32>, SourceError> {
        let (source, _) = loader.load(paths)?;
        let mut mean: Vec<f32> = Vec::new();
        for portrait in source.portraits() {
            let own = self.recognizer.of_portrait(portrait).map_err(|error| SourceError::Model {
                path: paths.first().cloned().unwrap_or_default(),
                error,
            })?;
            let norm = super::norm(&own);
            mean.resize(own.len(), 0.0);
            mean.iter_mut().zip(&*own).for_each(|(sum, v)| *sum += v / norm);
        }
        Ok(mean)
    }

    /// 1 − cosine up to which a face is somebody's, as the recognizer's card says.
    pub(crate) fn distance(&self) -> f32 {
        self.recognizer.distance()
    }

    /// Whether some faces become somebody of their own.
    pub(crate) fn has_mapped(&self) -> bool {
        !self.mapped.is_empty()
    }

    /// Who the mapped person `index` becomes.
    pub(crate) fn source(&self, index: usize) -> Option<&Arc<Source>> {
        self.mapped.get(index).map(|mapped| &mapped.source)
    }

    /// Recognises those of the tracks that are due on frame `number`.
    ///
    /// # Errors
    /// The network failed.
    pub(crate) fn recognise(
        &mut self,
        frame: &Frame<'_>,
        tracks: &mut [Track],
        number: u64,
    ) -> Result<(), ModelError> {
        for track in tracks.iter_mut().filter(|track| track.is_live()) {
            let likeness = &mut track.likeness;
            if number < likeness.due {
                continue;
            }
            likeness.times += 1;
            likeness.due = number + if likeness.times == 1 { SECOND } else { LATER };
            let seen = self.recognizer.of_frame(frame, &points_of(&track.raw))?;
            likeness.distance = seen.zip(self.reference.as_deref()).map(|(a, b)| distance(a, b));
            likeness.person = seen.and_then(|seen| {
                let each = self.mapped.iter().map(|mapped| distance(seen, &mapped.embedding)).enumerate();
                each.min_by(|a, b| a.1.total_cmp(&b.1))
            });
        }
        Ok(())
    }
}

/// Hands people to an analyser, for its next frame.
#[derive(Debug, Clone, Default)]
pub struct PeoplePort(Arc<Mutex<Handed>>);

#[derive(Debug, Default)]
struct Handed {
    new: Option<Option<Box<People>>>,
    /// No longer used; gone with the next offer, away from the thread that used it.
    old: Option<Box<People>>,
}

impl PeoplePort {
    /// `None`: nobody is to be told any more.
    pub fn offer(&self, people: Option<People>) {
        let new = Some(people.map(Box::new));
        let gone = std::mem::replace(&mut *lock(&self.0), Handed { new, old: None });
        drop(gone);
    }

    /// Puts what was offered into `people`; whether anything was.
    pub(crate) fn exchange(&self, people: &mut Option<Box<People>>) -> bool {
        let mut handed = lock(&self.0);
        let Some(new) = handed.new.take() else { return false };
        handed.old = std::mem::replace(people, new);
        true
    }
}
