//! Who makes key frames: a swap network or what stands in for one, or an enhancer.

use std::{
    fmt::Debug,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use super::key::Request;
use crate::{
    engine::{
        geometry::Similarity,
        swap::neural::{Enhancer, MaskMaker, Network, NetworkFacts, Points, Template, points_of},
    },
    models::{Interrupter, ModelError},
};

/// A face's crop of one frame, to be swapped.
#[derive(Debug, Clone, Copy)]
pub struct KeyCrop<'a> {
    pub track: u64,
    /// Position of its frame in the stream.
    pub time: Duration,
    /// Pixels a side.
    pub side: usize,
    /// Takes crop pixels to the frame.
    pub map: Similarity,
    /// Red, green and blue planes of `side`² values, 0–255.
    pub pixels: &'a [f32],
}

/// Swaps crops in place of a network: a recording, or a stand-in. Runs on a thread of its own.
pub trait KeySwapper: Send + Debug {
    /// Fills `out` with the swapped crop, laid out as [`KeyCrop::pixels`].
    ///
    /// # Errors
    /// Says why there will be no more; the mesh engine then takes over.
    fn swap(&mut self, crop: &KeyCrop<'_>, out: &mut [f32]) -> Result<(), String>;
}

/// Makes key frames of crops.
#[derive(Debug)]
pub(crate) enum Maker {
    Network(Box<Network>),
    /// Takes crops of faces that were swapped already.
    Enhancer(Box<Enhancer>),
    /// With the pixels a side of its crops, aligned as inswapper's are.
    Other {
        swapper: Box<dyn KeySwapper>,
        side: usize,
        facts: Arc<NetworkFacts>,
    },
}

/// How a face is cropped for a maker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Framing {
    template: Template,
    size: usize,
    /// Larger crops are made of tiles.
    tiles: bool,
}

impl Framing {
    /// Pixels a side where `wanted` are asked for, 0 for as many as usual.
    pub fn side(&self, wanted: usize) -> usize {
        if self.tiles { self.size * (wanted / self.size).max(1) } else { self.size }
    }

    /// Takes crop pixels of a crop of `side` to the picture that `points` lie in.
    pub fn map(&self, points: &Points, side: usize) -> Option<Similarity> {
        self.template.crop(points, side)
    }
}

impl Maker {
    pub fn facts(&self) -> &Arc<NetworkFacts> {
        match self {
            Maker::Network(network) => network.facts(),
            Maker::Enhancer(enhancer) => enhancer.facts(),
            Maker::Other { facts, .. } => facts,
        }
    }

    pub(super) fn framing(&self) -> Option<Framing> {
        match self {
            Maker::Network(network) => {
                let (template, size) = network.framing();
                Some(Framing { template, size, tiles: true })
            }
            Maker::Enhancer(enhancer) => {
                let (template, size) = enhancer.framing();
                Some(Framing { template, size, tiles: false })
            }
            Maker::Other { side, .. } => {
                let template = Template::named("arcface_128")?;
                Some(Framing { template, size: (*side).max(8), tiles: false })
            }
        }
    }

    /// Pixels a side of the crops that its masks' networks look at.
    pub(super) fn sights(&self) -> &[usize] {
        match self {
            Maker::Network(network) => network.sights(),
            Maker::Enhancer(_) | Maker::Other { .. } => &[],
        }
    }

    /// Ends its runs from another thread, where it can be ended.
    pub(super) fn interrupter(&mut self) -> Option<Interrupter> {
        match self {
            Maker::Network(network) => network.interrupter().ok(),
            Maker::Enhancer(enhancer) => enhancer.interrupter().ok(),
            Maker::Other { .. } => None,
        }
    }

    /// Whether the last failure was asked for.
    pub(super) fn is_interrupted(&self) -> bool {
        match self {
            Maker::Network(network) => network.is_interrupted(),
            Maker::Enhancer(enhancer) => enhancer.is_interrupted(),
            Maker::Other { .. } => false,
        }
    }

    /// Makes the key frame that is asked for.
    ///
    /// # Errors
    /// The network failed, was interrupted, or gave what are no numbers.
    pub(super) fn make(
        &mut self,
        request: &mut Request,
        masks: &mut MaskMaker,
        mask: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let started = Instant::now();
        request.swapped.resize(request.pixels.len(), 0.0);
        match self {
            Maker::Network(network) => {
                let params = &request.params;
                let (side, weight) = (request.side, params.swap_weight);
                if weight != 0.5 {
                    let back = request.map.inverse().unwrap_or(Similarity::IDENTITY);
                    network.recognise(request.key.track, &request.pixels, side, || {
                        points_of(&request.mesh).map(|p| back.apply(p))
                    })?;
                }
                let (pixels, swapped) = (&request.pixels, &mut request.swapped);
                network.swap_crop(request.key.track, side, pixels, &request.identity, weight, swapped)?;
            }
            Maker::Enhancer(enhancer) => enhancer.enhance_crop(&request.pixels, &mut request.swapped)?,
            Maker::Other { swapper, .. } => {
                let crop = KeyCrop {
                    track: request.key.track,
                    time: request.time,
                    side: request.side,
                    map: request.map,
                    pixels: &request.pixels,
                };
                if let Err(reason) = swapper.swap(&crop, &mut request.swapped) {
                    return Err(self.error(reason));
                }
            }
        }
        if !request.unpack() {
            return Err(self.error("it gives values that are no numbers".into()));
        }
        masks.write(request.side, request.map, &request.mesh, &request.params, mask);
        mask.iter_mut().zip(&request.limit).for_each(|(to, limit)| *to = to.min(*limit));
        if let Maker::Network(network) = self {
            network.see(&request.key.patch, &request.seen, request.params.masks, masks, mask)?;
        }
        request.spent = started.elapsed();
        request.finish(mask);
        Ok(())
    }

    /// Why its run failed.
    pub(super) fn error(&self, reason: String) -> ModelError {
        ModelError::Run { path: PathBuf::from(&self.facts().name), reason }
    }
}
