//! The person to be replaced, and which tracked face is theirs.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use super::{Recognizer, SourceLoader, recognizer::distance};
use crate::{
    engine::{Frame, SourceError, swap::neural::points_of, track::Track},
    models::{Model, ModelError, Options, Provider},
    sync::lock,
};

/// Frames from a track's first recognition to its second, which may see the face better, and from
/// one to the next later on.
const SECOND: u64 = 15;
const LATER: u64 = 300;

/// How far a track's face is from the reference.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Likeness {
    /// 1 − cosine, once recognised.
    pub distance: Option<f32>,
    /// Frame at which to recognise it next.
    due: u64,
    times: u32,
}

/// A person to be found among the tracked faces, and the network that tells.
#[derive(Debug)]
pub struct Reference {
    recognizer: Recognizer,
    embedding: Vec<f32>,
}

impl Reference {
    /// The person that the images at `paths` show: the mean of their embeddings. `loader` must keep
    /// portraits.
    ///
    /// # Errors
    /// An image that shows no face or cannot be read, a model that cannot be loaded or run.
    pub fn load(
        loader: &mut SourceLoader,
        model: &Model,
        paths: &[PathBuf],
    ) -> Result<Reference, SourceError> {
        let failed = |error: ModelError| SourceError::Model {
            path: paths.first().cloned().unwrap_or_default(),
            error,
        };
        let (source, _) = loader.load(paths)?;
        let options = Options { provider: Provider::Cpu, threads: 1, ..Options::default() };
        let mut recognizer = Recognizer::load(model, &options).map_err(failed)?;
        let mut embedding: Vec<f32> = Vec::new();
        for portrait in source.portraits() {
            let own = recognizer.of_portrait(portrait).map_err(failed)?;
            let norm = super::norm(&own);
            embedding.resize(own.len(), 0.0);
            embedding.iter_mut().zip(&*own).for_each(|(sum, v)| *sum += v / norm);
        }
        Ok(Reference { recognizer, embedding })
    }

    /// 1 − cosine up to which a face is this person's, as the recognizer's card says.
    pub(crate) fn distance(&self) -> f32 {
        self.recognizer.distance()
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
            likeness.distance = seen.map(|embedding| distance(embedding, &self.embedding));
        }
        Ok(())
    }
}

/// Hands a reference to an analyser, for its next frame.
#[derive(Debug, Clone, Default)]
pub struct ReferencePort(Arc<Mutex<Option<Handed>>>);

type Handed = Option<Box<Reference>>;

impl ReferencePort {
    /// `None`: nobody is looked for any more.
    pub fn offer(&self, reference: Option<Reference>) {
        *lock(&self.0) = Some(reference.map(Box::new));
    }

    pub(crate) fn take(&self) -> Option<Handed> {
        lock(&self.0).take()
    }
}
