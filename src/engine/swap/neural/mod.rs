//! The neural engine: an identity-swap network of the user's paints the face.
//!
//! Five points of the mesh are aligned with the network's template, the crop is sampled straight
//! from the frame, swapped, and mixed back into the box it came from.

mod crop;
mod enhancer;
mod enter;
mod gather;
mod identity;
mod leave;
mod mask;
mod network;
mod paste;
mod segment;
mod shot;
mod template;

use std::{collections::VecDeque, io, time::Duration};

pub(crate) use crop::{Grid, Pixels, fill, fill_from};
pub use enhancer::Enhancer;
pub(crate) use gather::Waker;
use gather::{Gather, Place};
pub use identity::{Identity, Preparer};
pub(crate) use mask::{Inverse, MaskMaker, gauss};
pub use network::{Network, NetworkFacts};
pub(crate) use paste::{Patch, to_bytes};
pub(crate) use template::{Points, Template, points_of};

use super::mesh::topology::Mesh;
use crate::engine::{
    frame::{Frame, Layer, Region},
    geometry::{Point, Similarity},
    params::Params,
    pool::Pool,
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

    fn map(&self, mesh: &Mesh, boost: usize) -> Option<Similarity> {
        self.network.template.crop(&points_of(mesh), self.network.pixels.size * boost)
    }
}
