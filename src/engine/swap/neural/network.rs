//! A swap network, loaded and ready to run.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    crop::Pixels,
    identity::{Partners, Preparer},
    segment::Segmenter,
    shot::Known,
    template::Template,
};
use crate::{
    engine::identity::{Recognizer, alignment},
    models::{self, Interrupter, Model, ModelError, Options, Origin, Provider, Role, Search, Session},
};

/// An identity-swap network with what its card says of it.
#[derive(Debug)]
pub struct Network {
    pub(super) session: Session,
    pub(super) template: Template,
    pub(super) pixels: Pixels,
    /// The card's inputs `target` and `source`.
    pub(super) target: usize,
    pub(super) source: usize,
    /// Shape of one `source`, without the batch.
    pub(super) source_shape: Vec<i64>,
    /// Output · gain + offset is R, G, B in 0–255.
    pub(super) gain: [f32; 3],
    pub(super) offset: [f32; 3],
    /// Images that go through in one run, at most.
    pub(super) batch: usize,
    /// Of the faces in the frame; none where the network takes a picture.
    pub(super) recognizer: Option<Recognizer>,
    pub(super) known: Known,
    /// Of the masks occlusion and region.
    pub(super) occluders: Vec<Segmenter>,
    pub(super) parser: Option<Segmenter>,
    /// Pixels a side that the occluders look at, each number once.
    pub(super) sights: Vec<usize>,
    pub(super) facts: Arc<NetworkFacts>,
}

/// What there is to tell of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFacts {
    /// The model file's name without its ending.
    pub name: String,
    /// The model file's, hexadecimal.
    pub sha256: String,
    /// The weights', as the model's card has it.
    pub licence: String,
    /// What it runs on.
    pub provider: Provider,
    /// How that was chosen, where it was measured.
    pub measured: Option<Arc<str>>,
    /// Images that go through in one run, at most.
    pub batch: usize,
}

impl NetworkFacts {
    /// # Errors
    /// The model's file cannot be read.
    pub(super) fn of(model: &Model, session: &Session, batch: usize) -> Result<NetworkFacts, ModelError> {
        Ok(NetworkFacts {
            name: model.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            sha256: models::hash(&model.path)?,
            licence: session.card().licence_and_note(),
            provider: session.provider(),
            measured: session.measured().cloned(),
            batch,
        })
    }
}

impl Network {
    /// Loads `search.swapper_file` and the models it needs beside it. Takes seconds.
    ///
    /// # Errors
    /// A file is missing, damaged, does not fit its card or another file, or cannot be run as
    /// `options` ask; says which, and what to do.
    pub fn load(search: &Search, options: &Options, batch: usize) -> Result<(Network, Preparer), ModelError> {
        let model = search.swapper()?;
        let mut session = match batch {
            0 | 1 => Session::shared(&model, options)?,
            _ => Session::batched(&model, options)?,
        };
        let card = session.card().clone();
        let of_role = |role, file: &Option<String>| {
            file.as_ref().map(|file| search.partner(role, &model.path, file)).transpose()
        };
        let recognizer = match (&card.source, &search.recognizer_file) {
            (Some(Origin::Embedding { .. }), Some(path)) => Some(search.at(Role::Recognizer, path)?),
            _ => of_role(Role::Recognizer, &card.partners.recognizer)?,
        };
        let partners =
            Partners { recognizer, converter: of_role(Role::Converter, &card.partners.converter)? };

        let (template, pixels) = alignment(&session)?;
        let at = |name: &str| {
            let place = card.inputs.iter().position(|input| input.name == name);
            place.ok_or_else(|| session.unusable(format!("its card names no input `{name}`")))
        };
        let (target, source) = (at("target")?, at("source")?);
        let source_shape: Vec<i64> = session.input_shape(source).get(1..).unwrap_or(&[]).to_vec();
        let wanted = usize::try_from(source_shape.iter().product::<i64>()).unwrap_or(0);
        if source_shape.iter().any(|&d| d <= 0) || wanted == 0 {
            return Err(session.unusable(format!("its input `source` is {source_shape:?} without the batch")));
        }
        let (mean, std) = (card.postprocess.mean.values(), card.postprocess.std.values());
        let cpu = options.on_cpu();
        let preparer = Preparer::load(&session, &card, &partners, wanted, &cpu)?;
        let recognizer =
            partners.recognizer.as_ref().map(|model| Recognizer::load(model, &cpu)).transpose()?;
        let (occluders, parser) = search.masks()?;
        let segmenter = |model: &Model| Segmenter::load(model, options);
        let occluders = occluders.iter().map(segmenter).collect::<Result<Vec<_>, _>>()?;
        let sights: BTreeSet<usize> = occluders.iter().map(Segmenter::side).collect();
        let parser = parser.as_ref().map(segmenter).transpose()?;
        // The first run takes longer than others: tensors and memory plans are made.
        session.warm_up()?;
        let batch = if session.batches() { batch } else { 1 };
        let facts = NetworkFacts::of(&model, &session, batch)?;
        let network = Network {
            session,
            template,
            pixels,
            target,
            source,
            source_shape,
            gain: std.map(|v| 255.0 * v),
            offset: mean.map(|v| 255.0 * v),
            batch,
            recognizer,
            known: Known::new(),
            occluders,
            parser,
            sights: sights.into_iter().collect(),
            facts: Arc::new(facts),
        };
        Ok((network, preparer))
    }

    pub fn facts(&self) -> &Arc<NetworkFacts> {
        &self.facts
    }

    /// Pixels a side that the occluders look at, each number once.
    pub(crate) fn sights(&self) -> &[usize] {
        &self.sights
    }

    /// Pixels a side of an image.
    pub fn size(&self) -> usize {
        self.pixels.size
    }

    /// Time of a run on one image, the better of two.
    ///
    /// # Errors
    /// The network failed.
    pub fn time_of_run(&mut self) -> Result<Duration, ModelError> {
        let mut least = Duration::MAX;
        for _ in 0..2 {
            let started = Instant::now();
            self.session.warm_up()?;
            least = least.min(started.elapsed());
        }
        Ok(least)
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.session.is_interrupted()
    }

    /// Ends its runs from another thread.
    ///
    /// # Errors
    /// The runtime cannot make it.
    pub fn interrupter(&mut self) -> Result<Interrupter, ModelError> {
        self.session.interrupter()
    }
}
