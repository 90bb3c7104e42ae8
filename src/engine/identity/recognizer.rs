//! Embeddings of faces, and a cache of those of photos.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use super::{
    cache::{Embeddings, Found, Key},
    portrait::Portrait,
};
use crate::{
    control::memory::Budget,
    engine::{
        frame::Frame,
        pool::Pool,
        swap::neural::{Grid, Pixels, Points, Template, fill, fill_from},
    },
    models::{Model, ModelError, Options, Session, hash},
};

/// Embeddings of photos that are kept in memory at most, and bytes of one.
const KEPT: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
const BYTES: u64 = 2048 + 128;

static CACHE: LazyLock<Embeddings> =
    LazyLock::new(|| Embeddings::new(KEPT.get(), KEPT.get() * BYTES as usize));

/// Has the cache of embeddings, one for the process, keep no more than `budget` lets it.
pub fn limit_embeddings(budget: &Budget) {
    CACHE.limit(budget.entries(KEPT, BYTES).get());
}

/// A network that tells people apart: its embeddings of one person point one way.
#[derive(Debug)]
pub(crate) struct Recognizer {
    session: Session,
    pixels: Pixels,
    template: Template,
    digest: Arc<str>,
    pool: Pool,
    /// Where embeddings are kept beyond the process.
    folder: Option<PathBuf>,
    /// What was wrong there.
    warnings: Vec<String>,
    /// Embeddings found in the cache, and those that were not.
    pub hits: u64,
    pub misses: u64,
}

impl Recognizer {
    /// # Errors
    /// The model cannot be loaded, or its card lacks template or size.
    pub fn load(model: &Model, options: &Options) -> Result<Self, ModelError> {
        let session = Session::shared(model, options)?;
        let (template, pixels) = alignment(&session)?;
        let pool = Pool::new(1).map_err(|e| session.error(format!("no thread for it: {e}")))?;
        let digest = hash(&model.path)?.into();
        let (folder, warnings) = (options.cache.clone(), Vec::new());
        Ok(Recognizer { session, pixels, template, digest, pool, folder, warnings, hits: 0, misses: 0 })
    }

    /// Numbers in an embedding; 0 where the file leaves it open.
    pub fn dimension(&self) -> usize {
        self.session.output_shape(0).last().map_or(0, |&d| usize::try_from(d).unwrap_or(0))
    }

    /// 1 − cosine above which two faces are two people.
    pub fn distance(&self) -> f32 {
        self.session.card().distance.unwrap_or(0.6)
    }

    /// The raw embedding of a photo.
    ///
    /// # Errors
    /// The network failed.
    pub fn of_portrait(&mut self, portrait: &Portrait) -> Result<Arc<[f32]>, ModelError> {
        let key = Key { photo: portrait.digest, recognizer: self.digest.clone() };
        let (folder, mut warnings) = (self.folder.take(), std::mem::take(&mut self.warnings));
        let got = CACHE.get(&key, folder.as_deref(), &mut warnings, || {
            let (reader, size) = (portrait.reader(), portrait.size());
            self.embed(&portrait.points, |grid, pixels, out, pool| {
                fill_from(&reader, size, grid, pixels, out, pool)
            })?;
            Ok(self.session.output(0).1.into())
        });
        (self.folder, self.warnings) = (folder, warnings);
        let (embedding, found) = got?;
        match found {
            Found::Kept => self.hits += 1,
            Found::Computed => self.misses += 1,
        }
        Ok(embedding)
    }

    /// What was wrong with the folder that embeddings are kept in, since the last call.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// The raw embedding of a face in a frame; `None` where the points show none.
    ///
    /// # Errors
    /// The network failed.
    pub fn of_frame(&mut self, frame: &Frame<'_>, points: &Points) -> Result<Option<&[f32]>, ModelError> {
        if self.template.crop(points, self.pixels.size).is_none() {
            return Ok(None);
        }
        self.embed(points, |grid, pixels, out, pool| fill(frame, grid, pixels, out, pool))?;
        Ok(Some(self.session.output(0).1))
    }

    fn embed(
        &mut self,
        points: &Points,
        fill: impl FnOnce(Grid, &Pixels, &mut [f32], &mut Pool) -> Result<(), String>,
    ) -> Result<(), ModelError> {
        let Some(map) = self.template.crop(points, self.pixels.size) else {
            return Err(self.session.error("the points show no face".into()));
        };
        let grid = Grid { map, boost: 1, phase: (0, 0) };
        let input = self.session.input(0, &self.pixels.shape(1))?;
        fill(grid, &self.pixels, input, &mut self.pool).map_err(|e| self.session.error(e))?;
        self.session.run()?;
        let embedding = self.session.output(0).1;
        if embedding.is_empty() || !embedding.iter().all(|v| v.is_finite()) || norm(embedding) == 0.0 {
            return Err(self.session.error("its embedding is no direction".into()));
        }
        Ok(())
    }
}

/// Template and input of a network that takes an aligned face.
pub(crate) fn alignment(session: &Session) -> Result<(Template, Pixels), ModelError> {
    let card = session.card();
    let missing = |what: &str| session.unusable(format!("its card `{}` {what}", card.name));
    let name = card.template.as_deref().ok_or_else(|| missing("names no template"))?;
    let template = Template::named(name).ok_or_else(|| {
        missing(&format!("names template {name:?}; there are {}", Template::NAMES.join(", ")))
    })?;
    let pixels = Pixels::new(&card.preprocess).ok_or_else(|| missing("names no size"))?;
    Ok((template, pixels))
}

/// Euclidean norm.
pub(crate) fn norm(vector: &[f32]) -> f32 {
    vector.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() as f32
}

/// 1 − cosine of two embeddings, 0–2; 2 where they cannot be compared.
pub(super) fn distance(a: &[f32], b: &[f32]) -> f32 {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    let norms = f64::from(norm(a)) * f64::from(norm(b));
    if a.len() != b.len() || norms <= 0.0 { 2.0 } else { 1.0 - (dot / norms) as f32 }
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distance_is_of_directions() {
        assert!(distance(&[1.0, 2.0], &[2.0, 4.0]).abs() < 1e-6);
        assert!((distance(&[1.0, 0.0], &[0.0, 3.0]) - 1.0).abs() < 1e-6);
        assert!((distance(&[1.0, 0.0], &[-2.0, 0.0]) - 2.0).abs() < 1e-6);
        assert_eq!((distance(&[1.0], &[1.0, 0.0]), distance(&[0.0], &[1.0])), (2.0, 2.0));
    }
}
