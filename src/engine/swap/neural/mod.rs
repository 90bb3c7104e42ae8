//! The neural engine: an identity-swap network of the user's paints the face.
//!
//! Five points of the mesh are aligned with the network's template, the crop is sampled straight
//! from the frame, swapped, and mixed back into the box it came from.

mod crop;
mod enhancer;
mod gather;
mod identity;
mod mask;
mod network;
mod paste;
mod segment;
mod shot;
mod template;

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

pub(crate) use crop::{Grid, Pixels, fill, fill_from};
pub use enhancer::Enhancer;
pub(crate) use gather::Waker;
use gather::{Gather, Place};
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
        geometry::{Point, Similarity},
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
    /// Whether there is a swap to show.
    shown: bool,
    /// Its images on their way through the network.
    coming: usize,
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
    gather: Gather,
    /// Images on their way through the network, and how many of them are each frame's.
    jobs: VecDeque<Job>,
    frames: VecDeque<usize>,
    interrupted: bool,
}

/// One image that goes through the network.
#[derive(Debug, Clone, Copy)]
struct Job {
    track: u64,
    grid: Grid,
    place: Place,
}

/// What the network did for one frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The share of its faces in the time of their runs, and of what networks saw of masks.
    pub spent: Duration,
    /// Runs that began with a face of this frame, and the images that went through in them.
    pub runs: u32,
    pub images: u32,
}

impl NeuralSwap {
    pub fn new(network: Network) -> Self {
        let mut gather = Gather::new(&network);
        if network.session.is_recorded() {
            // Without a thread of its own it is recorded for the one that it runs on.
            let _ = gather.run_apart(&network.session, None);
        }
        NeuralSwap {
            gather,
            network,
            kept: Vec::new(),
            spare: Vec::new(),
            masks: MaskMaker::default(),
            mask: Vec::new(),
            layer: Layer::default(),
            jobs: VecDeque::new(),
            frames: VecDeque::new(),
            interrupted: false,
        }
    }

    /// Has the network run on a thread of its own, which calls `waker` after each run.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn run_apart(&mut self, waker: Waker) -> io::Result<()> {
        self.gather.run_apart(&self.network.session, Some(waker))
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Keeps the swaps of these tracks, and no others.
    pub fn keep(&mut self, is_alive: impl Fn(u64) -> bool) {
        for i in (0..self.kept.len()).rev() {
            if self.kept[i].coming == 0 && !is_alive(self.kept[i].track) {
                self.spare.push(self.kept.swap_remove(i));
            }
        }
    }

    /// Lets faces of a frame join those on their way through the network. Each frame that enters must
    /// [`leave`](Self::leave) in its turn, or be [skipped](Self::skip).
    ///
    /// # Errors
    /// The recognizer failed, or a worker panicked.
    pub fn enter<'t>(
        &mut self,
        frame: &Frame<'_>,
        targets: impl Iterator<Item = Target<'t>>,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<(), EngineError> {
        let boost = (params.pixel_boost / self.network.pixels.size).max(1);
        let before = self.jobs.len();
        for target in targets {
            let Some(map) = self.map(target.mesh, boost) else { continue };
            let kept = self.entry(target.track);
            if params.swap_weight != 0.5 {
                self.recognise(frame, kept, target.mesh)?;
            }
            for tile in 0..boost * boost {
                let grid = Grid { map, boost, phase: (tile % boost, tile / boost) };
                let place = self.add(frame, kept, grid, target.identity, params, pool)?;
                self.kept[kept].coming += 1;
                self.jobs.push_back(Job { track: target.track, grid, place });
                if place.index + 1 >= params.effort.batch as usize {
                    self.gather.close(&mut self.network.session);
                }
            }
        }
        self.frames.push_back(self.jobs.len() - before);
        if self.frames_waiting() >= self.network.batch {
            self.gather.close(&mut self.network.session);
        }
        Ok(())
    }

    /// Writes one image and its identity into the run that is being filled.
    fn add(
        &mut self,
        frame: &Frame<'_>,
        kept: usize,
        grid: Grid,
        identity: &Identity,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Place, EngineError> {
        let Network { session, pixels, .. } = &mut self.network;
        let own = &self.kept[kept].own;
        if identity.values.len() != self.gather.identity_len() {
            let (wanted, len) = (self.gather.identity_len(), identity.values.len());
            let reason = format!("its source has {wanted} values, the person's has {len}");
            return Err(session.error(reason).into());
        }
        self.gather.add(session, |image, values| {
            fill(frame, grid, pixels, image, pool).map_err(EngineError::Panicked)?;
            values.copy_from_slice(&identity.values);
            if params.swap_weight != 0.5 && own.len() == values.len() {
                blend_identity(values, own, params.swap_weight);
            }
            Ok(())
        })
    }

    /// Frames since the first that has a face in the run that is being filled.
    fn frames_waiting(&self) -> usize {
        let (mut end, mut waiting) = (self.jobs.len(), 0);
        for (age, count) in (1..).zip(self.frames.iter().rev()) {
            if self.jobs.range(end - count..end).any(|job| self.gather.is_open(job.place)) {
                waiting = age;
            }
            end -= count;
        }
        waiting
    }

    /// Where the oldest frame's last image is.
    fn oldest(&self) -> Option<Place> {
        let last = self.frames.front()?.checked_sub(1)?;
        Some(self.jobs.get(last)?.place)
    }

    /// Starts the run that is being filled, where the oldest frame waits for it and none is under way.
    pub fn hurry(&mut self) {
        // A run that ended since that frame was asked for does not leave it waiting.
        if self.oldest().is_some_and(|place| self.gather.is_open(place)) && self.gather.is_idle() {
            self.gather.close(&mut self.network.session);
        }
    }

    /// Whether the oldest frame can leave without waiting.
    pub fn is_ready(&mut self) -> bool {
        self.oldest().is_none_or(|place| self.gather.is_done(place))
    }

    /// Lets the oldest frame leave, whose tracks' meshes are `mesh`; [`paste`](Self::paste) then shows
    /// its faces.
    ///
    /// # Errors
    /// The network failed, was interrupted, or gave what are no numbers.
    pub fn leave<'m>(
        &mut self,
        frame: &Frame<'_>,
        mesh: impl Fn(u64) -> Option<&'m Mesh>,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Passed, EngineError> {
        let mut passed: Result<Passed, EngineError> = Ok(Passed::default());
        for _ in 0..self.frames.pop_front().unwrap_or(0) {
            let Some(job) = self.jobs.pop_front() else { break };
            let part = self.take_out(job);
            let Ok(sum) = passed else { continue };
            passed = part.map_err(EngineError::from).and_then(|part| {
                let seeing = self.complete(frame, job, &mesh, params, pool)?;
                let spent = sum.spent + part.spent + seeing;
                Ok(Passed { spent, runs: sum.runs + part.runs, images: sum.images + part.images })
            });
        }
        passed
    }

    /// Lets the oldest frame leave without a look at it.
    pub fn skip(&mut self) {
        for _ in 0..self.frames.pop_front().unwrap_or(0) {
            let Some(job) = self.jobs.pop_front() else { break };
            let _ = self.take_out(job);
        }
    }

    /// Writes what the network made of an image into its track's patch.
    fn take_out(&mut self, job: Job) -> Result<Passed, ModelError> {
        let Network { session, pixels, gain, offset, .. } = &mut self.network;
        let mut patch = self.kept.iter_mut().find(|kept| kept.track == job.track).map(|kept| {
            kept.coming -= 1;
            kept.patch.fit(pixels.size * job.grid.boost);
            &mut kept.patch
        });
        let interrupted = &mut self.interrupted;
        let numbers = self.gather.leave(session, job.place, |swapped| {
            *interrupted = swapped.as_ref().is_err_and(|fault| fault.interrupted);
            let swapped = swapped.map_err(|fault| fault.error)?;
            let levels = (*gain, *offset);
            let finite = patch
                .as_mut()
                .is_none_or(|patch| unpack(swapped.image, pixels.size, levels, job.grid, patch));
            let (runs, images) = (swapped.together.is_some().into(), swapped.together.unwrap_or(0) as u32);
            Ok(finite.then_some(Passed { spent: swapped.spent, runs, images }))
        })?;
        numbers.ok_or_else(|| not_numbers(&self.network))
    }

    /// Once all images of a face are in its patch, makes that one to be shown; the time that networks
    /// took over the mask.
    fn complete<'m>(
        &mut self,
        frame: &Frame<'_>,
        job: Job,
        mesh: &impl Fn(u64) -> Option<&'m Mesh>,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Duration, EngineError> {
        let Grid { map, boost, phase } = job.grid;
        let kept = self.kept.iter().position(|kept| kept.track == job.track);
        let (Some(kept), Some(mesh)) = (kept, mesh(job.track)) else { return Ok(Duration::ZERO) };
        if phase != (boost - 1, boost - 1) {
            return Ok(Duration::ZERO);
        }
        self.masks.write(self.network.pixels.size * boost, map, mesh, params, &mut self.mask);
        let spent = self.see(frame, kept, map, params, pool)?;
        self.kept[kept].patch.finish(&self.mask);
        self.kept[kept].shown = true;
        Ok(spent)
    }

    /// Brings the mask down to what networks see of occlusion and region; how long that took.
    fn see(
        &mut self,
        frame: &Frame<'_>,
        kept: usize,
        map: Similarity,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Duration, EngineError> {
        let started = Instant::now();
        let (network, patch) = (&mut self.network, &self.kept[kept].patch);
        for occluder in network.occluders.iter_mut().filter(|_| params.masks.contains(Masks::OCCLUSION)) {
            let side = occluder.side();
            let mask = occluder.unoccluded(frame, map, patch.side, pool)?;
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
        let shown = self.kept.iter().position(|kept| kept.shown && kept.track == track);
        let Some(index) = shown else { return Ok(None) };
        let boost = (self.kept[index].patch.side / self.network.pixels.size).max(1);
        let Some(map) = self.map(mesh, boost) else { return Ok(None) };
        self.kept[index].patch.paste(frame, map, params.opacity, &mut self.layer, pool)
    }

    /// Writes where the swap of a track's face shows, 0–1, row by row, on the square that `map` takes
    /// from `side` pixels a side to the frame that `mesh` lies in; nothing where there is no swap.
    pub fn mask_on(&self, track: u64, mesh: &Mesh, map: Similarity, side: usize, out: &mut Vec<f32>) {
        out.clear();
        let Some(kept) = self.kept.iter().find(|kept| kept.track == track) else { return };
        let boost = (kept.patch.side / self.network.pixels.size).max(1);
        let Some(back) = self.map(mesh, boost).map(Inverse::of) else { return };
        out.extend((0..side * side).map(|at| {
            let place = map.apply(Point::new((at % side) as f32 + 0.5, (at / side) as f32 + 0.5));
            let place = back.apply(place.x, place.y);
            kept.patch.sample(place.x, place.y).to_array()[3]
        }));
    }

    /// Whether there is a swap to show for the track.
    pub fn has(&self, track: u64) -> bool {
        self.kept.iter().any(|kept| kept.shown && kept.track == track)
    }

    /// Whether there is one, or will be once what is on its way has left.
    pub fn expects(&self, track: u64) -> bool {
        self.kept.iter().any(|kept| (kept.shown || kept.coming > 0) && kept.track == track)
    }

    /// Whether the last image that left did so because its run was ended from another thread.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted
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
        self.kept.push(Kept { track, shown: false, ..kept });
        if let Some(new) = self.kept.last_mut() {
            new.own.clear();
        }
        self.kept.len() - 1
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

/// Writes one image of the output into its patch, its values times the first and plus the second of
/// `levels`; false where it holds what is no number.
fn unpack(
    image: &[f32],
    size: usize,
    (gain, offset): ([f32; 3], [f32; 3]),
    grid: Grid,
    patch: &mut Patch,
) -> bool {
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
                texel[k] = (value[k] * gain[k] + offset[k]).clamp(0.0, 255.0);
            }
        }
    }
    sum.is_finite()
}
