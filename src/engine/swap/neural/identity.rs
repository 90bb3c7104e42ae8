//! From photos of a person to a network's input `source`.

use std::sync::Arc;

use super::{
    crop::{Grid, Pixels, fill_from},
    template::Template,
};
use crate::{
    engine::{
        identity::{Portrait, Recognizer, norm},
        pool::Pool,
    },
    models::{self, Card, Model, ModelError, Options, Origin, Session},
};

/// What goes into `source` for one person, one image or vector.
#[derive(Debug)]
pub struct Identity {
    pub(super) values: Vec<f32>,
}

impl Identity {
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Makes [`Identity`]s for one network. Lives on the thread that loads sources.
#[derive(Debug)]
pub struct Preparer {
    how: How,
    /// Elements that the network takes.
    wanted: usize,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one an element")]
enum How {
    Image { template: Template, pixels: Pixels, pool: Pool },
    Embedding { recognizer: Recognizer, converter: Option<Session>, emap: Option<Arc<[f32]>>, unit: bool },
}

/// The models that a swapper needs beside it.
#[derive(Debug, Clone, Default)]
pub(super) struct Partners {
    pub recognizer: Option<Model>,
    pub converter: Option<Model>,
}

impl Preparer {
    /// `swapper` is the network's own file, which may hold an emap; `wanted` the elements of its
    /// input `source`.
    ///
    /// # Errors
    /// A partner cannot be loaded or does not fit, the emap is missing, the card is incomplete.
    pub(super) fn load(
        swapper: &Session,
        card: &Card,
        partners: &Partners,
        wanted: usize,
        options: &Options,
    ) -> Result<Self, ModelError> {
        let incomplete = |what: &str| swapper.unusable(format!("its card `{}` {what}", card.name));
        let how = match card.source.as_ref().ok_or_else(|| incomplete("has no [source]"))? {
            Origin::Image { template, size } => {
                let template = Template::named(template)
                    .ok_or_else(|| incomplete("names a template of the source that is none"))?;
                let pool = Pool::new(1).map_err(|e| swapper.unusable(format!("no thread for it: {e}")))?;
                How::Image { template, pixels: Pixels::unit(*size as usize), pool }
            }
            Origin::Embedding { emap, unit } => {
                let model = partners.recognizer.as_ref();
                let model = model.ok_or_else(|| incomplete("names no recognizer among its [partners]"))?;
                let recognizer = Recognizer::load(model, options)?;
                let size = recognizer.dimension();
                let emap = match emap {
                    true => Some(models::emap(swapper.path(), wanted)?),
                    false => None,
                };
                let converter = match &partners.converter {
                    Some(model) => Some(Session::shared(model, options)?),
                    None => None,
                };
                if size != 0 && size != wanted {
                    let reason = format!(
                        "it gives {size} numbers, and {} takes {wanted}; name another recognizer-file",
                        card.name
                    );
                    return Err(ModelError::Unusable { path: model.path.clone(), reason });
                }
                How::Embedding { recognizer, converter, emap, unit: *unit }
            }
        };
        Ok(Preparer { how, wanted })
    }

    /// Embeddings of photos that were found in the cache, and that were not.
    pub fn cache_counts(&self) -> (u64, u64) {
        match &self.how {
            How::Image { .. } => (0, 0),
            How::Embedding { recognizer, .. } => (recognizer.hits, recognizer.misses),
        }
    }

    /// What was wrong with the folder that embeddings are kept in, since the last call; work goes on.
    pub fn take_warnings(&mut self) -> Vec<String> {
        match &mut self.how {
            How::Image { .. } => Vec::new(),
            How::Embedding { recognizer, .. } => recognizer.take_warnings(),
        }
    }

    /// The person that `portraits`, at least one, show; networks that take a picture take the
    /// first.
    ///
    /// # Errors
    /// A network failed.
    pub(crate) fn prepare(&mut self, portraits: &[Portrait]) -> Result<Arc<Identity>, String> {
        let first = portraits.first().ok_or("no portrait to prepare")?;
        let values = match &mut self.how {
            How::Image { template, pixels, pool } => {
                let map =
                    template.crop(&first.points, pixels.size).ok_or("the photo's points show no face")?;
                let mut values = vec![0.0; pixels.len()];
                let grid = Grid { map, boost: 1, phase: (0, 0) };
                fill_from(&first.reader(), first.size(), grid, pixels, &mut values, pool)?;
                values
            }
            How::Embedding { recognizer, converter, emap, unit } => {
                let plain = converter.is_some() || (emap.is_none() && !*unit);
                let mut mean = vec![0.0; self.wanted];
                for portrait in portraits {
                    let embedding = recognizer.of_portrait(portrait).map_err(|e| e.to_string())?;
                    if embedding.len() != self.wanted {
                        let (has, wants) = (embedding.len(), self.wanted);
                        return Err(format!("the recognizer gives {has} numbers, not {wants}"));
                    }
                    let weight = if plain { 1.0 } else { 1.0 / norm(&embedding) } / portraits.len() as f32;
                    mean.iter_mut().zip(&*embedding).for_each(|(mean, v)| *mean += weight * v);
                }
                if let Some(converter) = converter {
                    mean = converted(converter, &mean).map_err(|e| e.to_string())?;
                }
                if let Some(emap) = emap {
                    mean = times(&mean, emap);
                }
                if *unit {
                    let length = norm(&mean);
                    mean.iter_mut().for_each(|v| *v /= length);
                }
                mean
            }
        };
        if values.len() != self.wanted || values.iter().any(|v| !v.is_finite()) {
            return Err(format!("the source gives {} numbers, {} are wanted", values.len(), self.wanted));
        }
        Ok(Arc::new(Identity { values }))
    }
}

fn converted(converter: &mut Session, embedding: &[f32]) -> Result<Vec<f32>, ModelError> {
    converter.input(0, &[1, embedding.len() as i64])?.copy_from_slice(embedding);
    converter.run()?;
    Ok(converter.output(0).1.to_vec())
}

/// A row vector times a square matrix.
fn times(vector: &[f32], matrix: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0f64; vector.len()];
    for (v, row) in vector.iter().zip(matrix.chunks_exact(vector.len())) {
        out.iter_mut().zip(row).for_each(|(out, m)| *out += f64::from(*v) * f64::from(*m));
    }
    out.into_iter().map(|v| v as f32).collect()
}
