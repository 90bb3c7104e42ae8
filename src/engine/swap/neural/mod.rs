//! The neural engine: an identity-swap network of the user's paints the face.
//!
//! Five points of the mesh are aligned with the network's template, the crop is sampled straight
//! from the frame, swapped, and mixed back into the box it came from.

mod crop;
mod identity;
mod mask;
mod network;
mod paste;
mod segment;
mod shot;
mod template;

use std::time::{Duration, Instant};

pub(crate) use crop::{Grid, Pixels, fill, fill_from};
pub use identity::{Identity, Preparer};
pub(crate) use mask::{Inverse, MaskMaker, gauss};
pub use network::{Network, NetworkFacts};
pub(crate) use paste::Patch;
pub(crate) use template::{Points, Template, points_of};

use super::mesh::topology::Mesh;
use crate::{
    engine::{
        EngineError,
        frame::{Frame, Layer, Region},
        geometry::Similarity,
        identity::norm,
        params::{Masks, Params},
        pool::Pool,
    },
    models::ModelError,
};

/// A face to be swapped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub track: u64,
    /// Frame pixels.
    pub mesh: &'a Mesh,
    pub identity: &'a Identity,
}

/// The last swap of one track's face.
#[derive(Debug, Default)]
struct Kept {
    track: u64,
    patch: Patch,
    /// The unit embedding of the face in the frame, once it was needed; empty before.
    own: Vec<f32>,
}

/// A network and its working memory, kept from frame to frame.
#[derive(Debug)]
pub(crate) struct NeuralSwap {
    network: Network,
    kept: Vec<Kept>,
    /// Of ended tracks, kept for their memory.
    spare: Vec<Kept>,
    masks: MaskMaker,
    mask: Vec<f32>,
    layer: Layer,
    jobs: Vec<Job>,
}

/// One image that goes through the network.
#[derive(Debug, Clone, Copy)]
struct Job {
    /// Index of the face, and of its patch.
    face: usize,
    kept: usize,
    grid: Grid,
}

impl NeuralSwap {
    pub fn new(network: Network) -> Self {
        NeuralSwap {
            network,
            kept: Vec::new(),
            spare: Vec::new(),
            masks: MaskMaker::default(),
            mask: Vec::new(),
            layer: Layer::default(),
            jobs: Vec::new(),
        }
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Keeps the swaps of these tracks, and no others.
    pub fn keep(&mut self, is_alive: impl Fn(u64) -> bool) {
        for i in (0..self.kept.len()).rev() {
            if !is_alive(self.kept[i].track) {
                self.spare.push(self.kept.swap_remove(i));
            }
        }
    }

    /// Swaps the faces; [`paste`](Self::paste) then shows them. Returns the time that the network
    /// took.
    ///
    /// # Errors
    /// The network failed, was interrupted, gave what are no numbers, or a worker panicked.
    pub fn swap<'t>(
        &mut self,
        frame: &Frame<'_>,
        targets: impl Iterator<Item = Target<'t>> + Clone,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Duration, EngineError> {
        let size = self.network.pixels.size;
        let boost = (params.pixel_boost / size).max(1);
        self.jobs.clear();
        for (face, target) in targets.clone().enumerate() {
            let Some(map) = self.map(target.mesh, boost) else { continue };
            let kept = self.entry(target.track);
            self.kept[kept].patch.fit(size * boost);
            if params.swap_weight != 0.5 {
                self.recognise(frame, kept, target.mesh)?;
            }
            let phases = (0..boost * boost).map(|tile| (tile % boost, tile / boost));
            self.jobs.extend(phases.map(|phase| Job { face, kept, grid: Grid { map, boost, phase } }));
        }
        let mut spent = Duration::ZERO;
        let mut from = 0;
        while from < self.jobs.len() {
            let until = (from + self.network.batch).min(self.jobs.len());
            spent += self.run(frame, targets.clone(), from..until, params, pool)?;
            from = until;
        }
        for i in 0..self.jobs.len() {
            let job = self.jobs[i];
            if job.grid.phase == (0, 0)
                && let Some(target) = targets.clone().nth(job.face)
            {
                self.masks.write(size * boost, job.grid.map, target.mesh, params, &mut self.mask);
                spent += self.see(frame, job, params, pool)?;
                self.kept[job.kept].patch.finish(&self.mask);
            }
        }
        Ok(spent)
    }

    /// Brings the mask down to what networks see of occlusion and region; how long that took.
    fn see(
        &mut self,
        frame: &Frame<'_>,
        job: Job,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Duration, EngineError> {
        let started = Instant::now();
        let (network, patch) = (&mut self.network, &self.kept[job.kept].patch);
        for occluder in network.occluders.iter_mut().filter(|_| params.masks.contains(Masks::OCCLUSION)) {
            let side = occluder.side();
            let mask = occluder.unoccluded(frame, job.grid.map, patch.side, pool)?;
            self.masks.lessen(patch.side, mask, side, &mut self.mask);
        }
        if let Some(parser) = network.parser.as_mut().filter(|_| params.masks.contains(Masks::REGION)) {
            let side = parser.side();
            self.masks.lessen(patch.side, parser.face(patch)?, side, &mut self.mask);
        }
        Ok(started.elapsed())
    }

    /// Shows the last swap of a track's face where `mesh` (frame pixels) is now. Returns what was
    /// written; `None` where there is no swap, or it lies outside the frame.
    ///
    /// # Errors
    /// The message of a panic in a worker.
    pub fn paste(
        &mut self,
        frame: &mut Frame<'_>,
        track: u64,
        mesh: &Mesh,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Option<Region>, String> {
        let Some(index) = self.kept.iter().position(|kept| kept.track == track) else { return Ok(None) };
        let boost = (self.kept[index].patch.side / self.network.pixels.size).max(1);
        let Some(map) = self.map(mesh, boost) else { return Ok(None) };
        self.kept[index].patch.paste(frame, map, params.opacity, &mut self.layer, pool)
    }

    /// Whether there is a swap to show for the track.
    pub fn has(&self, track: u64) -> bool {
        self.kept.iter().any(|kept| kept.track == track)
    }

    /// Recognises the face that is replaced, once a track.
    fn recognise(&mut self, frame: &Frame<'_>, kept: usize, mesh: &Mesh) -> Result<(), ModelError> {
        let own = &mut self.kept[kept].own;
        if let Some(recognizer) = &mut self.network.recognizer
            && own.is_empty()
            && let Some(embedding) = recognizer.of_frame(frame, &points_of(mesh))?
        {
            let length = norm(embedding);
            own.extend(embedding.iter().map(|v| v / length));
        }
        Ok(())
    }

    fn map(&self, mesh: &Mesh, boost: usize) -> Option<Similarity> {
        self.network.template.crop(&points_of(mesh), self.network.pixels.size * boost)
    }

    fn entry(&mut self, track: u64) -> usize {
        if let Some(index) = self.kept.iter().position(|kept| kept.track == track) {
            return index;
        }
        let kept = self.spare.pop().unwrap_or_default();
        self.kept.push(Kept { track, ..kept });
        if let Some(new) = self.kept.last_mut() {
            new.own.clear();
        }
        self.kept.len() - 1
    }

    /// One run of the network: crops in, swapped crops into their patches.
    fn run<'t>(
        &mut self,
        frame: &Frame<'_>,
        targets: impl Iterator<Item = Target<'t>> + Clone,
        jobs: std::ops::Range<usize>,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Duration, EngineError> {
        let network = &mut self.network;
        let (count, len) = (jobs.len(), network.pixels.len());
        let input = network.session.input(network.target, &network.pixels.shape(count))?;
        for (image, job) in input.chunks_exact_mut(len).zip(&self.jobs[jobs.clone()]) {
            fill(frame, job.grid, &network.pixels, image, pool).map_err(EngineError::Panicked)?;
        }
        let (mut shape, dims) = ([count as i64; 4], 1 + network.source_shape.len());
        if dims > shape.len() {
            return Err(network.session.error("its input `source` has too many dimensions".into()).into());
        }
        shape[1..dims].copy_from_slice(&network.source_shape);
        let source = network.session.input(network.source, &shape[..dims])?;
        let each = source.len() / count;
        for (values, job) in source.chunks_exact_mut(each).zip(&self.jobs[jobs.clone()]) {
            if let Some(target) = targets.clone().nth(job.face) {
                values.copy_from_slice(&target.identity.values);
                let own = &self.kept[job.kept].own;
                if params.swap_weight != 0.5 && own.len() == values.len() {
                    blend_identity(values, own, params.swap_weight);
                }
            }
        }
        let started = Instant::now();
        network.session.run()?;
        let spent = started.elapsed();
        let (_, output) = network.session.output(0);
        if output.len() != count * len {
            let reason = format!("it gives {} values, {} are wanted", output.len(), count * len);
            return Err(network.session.error(reason).into());
        }
        for (image, job) in output.chunks_exact(len).zip(&self.jobs[jobs]) {
            let patch = &mut self.kept[job.kept].patch;
            if !unpack(image, network, job.grid, patch) {
                return Err(not_numbers(network).into());
            }
        }
        Ok(spent)
    }
}

/// Mixes a face's own identity into the source's, from 0.35 of it at a `weight` of 0 to as much
/// against it at 1.
fn blend_identity(values: &mut [f32], own: &[f32], weight: f32) {
    let share = 0.35 - 0.7 * weight;
    values.iter_mut().zip(own).for_each(|(v, own)| *v += share * (own - *v));
}

fn not_numbers(network: &Network) -> ModelError {
    network.session.error("it gives values that are no numbers".into())
}

/// Writes one image of the output into its patch; false where it holds what is no number.
fn unpack(image: &[f32], network: &Network, grid: Grid, patch: &mut Patch) -> bool {
    let size = network.pixels.size;
    let (red, rest) = image.split_at(size * size);
    let (green, blue) = rest.split_at(size * size);
    let mut sum = 0.0;
    for y in 0..size {
        let row = y * size..(y + 1) * size;
        let (red, green, blue) = (&red[row.clone()], &green[row.clone()], &blue[row]);
        for x in 0..size {
            let value = [red[x], green[x], blue[x]];
            sum += value[0] + value[1] + value[2];
            let texel = patch.texel(x * grid.boost + grid.phase.0, y * grid.boost + grid.phase.1);
            for k in 0..3 {
                texel[k] = (value[k] * network.gain[k] + network.offset[k]).clamp(0.0, 255.0);
            }
        }
    }
    sum.is_finite()
}
