//! The hybrid engine: a swap network makes key frames in the background, and the face mesh carries
//! them to every frame.
//!
//! A key frame is a face's crop with the network's picture of it. It is laid onto the current frame
//! on a grid over the face's crop: first by the landmarks of both, then by what the camera shows in
//! both, to a fraction of a pixel. What the camera shows differently now is light where it is slow,
//! which is added, and expression, noise or a hand where it is quick, of which a part is. Each track
//! has a bank of key frames, of which the nearest in pose and expression are blended.
//!
//! An enhancer's work is carried in the same way, over faces that were swapped already.

mod ask;
mod bank;
pub(crate) mod cells;
mod draw;
mod key;
mod maker;
mod need;
mod register;
mod slot;
mod small;
mod worker;

use std::{sync::Arc, time::Duration};

use bank::Bank;
use key::Request;
use maker::Framing;
pub(crate) use maker::Maker;
pub use maker::{KeyCrop, KeySwapper};
use small::{from_grid, to_grid};
use worker::{Outcome, Worker};

use super::neural::{NetworkFacts, NeuralSwap, points_of};
use crate::engine::{
    EngineError,
    frame::{Frame, Layer, Region},
    params::Params,
    plan::{Face, Show, Work},
    pool::Pool,
    process::MAX_TRACKS,
};

/// What there is to tell of the key frames shown on a frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HybridReport {
    /// How near the key frames before came to what the network gave for the last one, PSNR in dB
    /// within the face; of the face where that was worst.
    pub error_db: Option<f32>,
    /// Frames since the newest key frame shown was taken; of the face where it is oldest.
    pub age: Option<u64>,
    /// Key frames that arrived on this frame.
    pub arrived: u32,
    /// Time that the network took for them.
    pub network_time: Duration,
}

/// The engine of one stream.
#[derive(Debug)]
pub(crate) struct HybridSwap {
    worker: Worker,
    framing: Framing,
    /// Pixels a side of the crops that the masks' networks look at.
    sights: Vec<usize>,
    facts: Arc<NetworkFacts>,
    /// It needs the source prepared for it.
    identifies: bool,
    /// It goes over faces that were swapped already, at fixed distances.
    enhances: bool,
    /// Each key frame shows alone, until the next.
    alone: bool,
    banks: Vec<Bank>,
    /// Of ended tracks, kept for their memory, as are requests.
    spare: Vec<Bank>,
    #[expect(clippy::vec_box, reason = "they move between threads as they are")]
    requests: Vec<Box<Request>>,
    layer: Layer,
    /// Frames so far.
    number: u64,
    /// What was asked for in an earlier scene is no longer wanted.
    scene: u64,
    report: HybridReport,
}

impl HybridSwap {
    /// # Errors
    /// No thread could be started, or a network without alignment.
    pub fn new(maker: Maker) -> std::io::Result<Self> {
        let framing = maker.framing().ok_or_else(|| std::io::Error::other("it has no alignment template"))?;
        let (facts, sights) = (maker.facts().clone(), maker.sights().to_vec());
        let identifies = matches!(maker, Maker::Network(_));
        let enhances = matches!(maker, Maker::Enhancer(_));
        Ok(HybridSwap {
            worker: Worker::spawn(maker)?,
            framing,
            sights,
            facts,
            identifies,
            enhances,
            alone: false,
            banks: Vec::with_capacity(MAX_TRACKS),
            spare: Vec::with_capacity(MAX_TRACKS),
            requests: Vec::with_capacity(4),
            layer: Layer::default(),
            number: 0,
            scene: 0,
            report: HybridReport::default(),
        })
    }

    pub fn facts(&self) -> &Arc<NetworkFacts> {
        &self.facts
    }

    pub fn report(&self) -> HybridReport {
        self.report
    }

    /// Brings the key frames of the plan's faces to this frame, and asks for new ones. Waits for
    /// them where the output must be repeatable, else never.
    ///
    /// # Errors
    /// The network failed, or a worker panicked.
    pub fn follow(&mut self, frame: &Frame<'_>, work: Work<'_>, pool: &mut Pool) -> Result<(), EngineError> {
        self.follow_over(frame, work, None, pool)
    }

    /// As [`follow`](Self::follow), over what was swapped by `under`, where a network did it.
    ///
    /// # Errors
    /// As `follow`.
    pub fn follow_over(
        &mut self,
        frame: &Frame<'_>,
        work: Work<'_>,
        under: Option<&NeuralSwap>,
        pool: &mut Pool,
    ) -> Result<(), EngineError> {
        let params = &if self.enhances { at_intervals(work.params) } else { *work.params };
        let work = Work { params, ..work };
        let plan = work.plan;
        self.alone = self.enhances && params.enhancer_interval <= 1;
        self.number += 1;
        self.report = HybridReport { error_db: self.report.error_db, ..HybridReport::default() };
        if plan.restart || plan.cut {
            self.scene += 1;
        }
        self.assign(work);
        while let Some(outcome) = self.worker.outcome() {
            self.take(outcome)?;
        }
        for face in plan.faces.iter().filter(|face| face.is_drawn()) {
            self.bring(frame, face, work, pool)?;
        }
        let ready = !self.identifies || work.is_identified(plan.faces.iter());
        if params.deterministic && ready {
            self.ask_each(frame, work, under, pool)?;
        } else if ready && self.worker.is_idle() {
            self.ask_neediest(frame, work, under, pool)?;
        }
        self.tell();
        Ok(())
    }

    /// Keeps the banks of the plan's tracks for this source and scene, and no others.
    fn assign(&mut self, work: Work<'_>) {
        let (source, scene) = (|face: &Face| face.shown(work.source).id(), self.scene);
        for i in (0..self.banks.len()).rev() {
            let bank = &self.banks[i];
            // A face that is held shows what it last showed.
            let stale =
                |face: &Face| face.is_swapped() && (bank.source != source(face) || bank.scene != scene);
            if work.plan.of_track(bank.track).is_none_or(stale) {
                let mut bank = self.banks.swap_remove(i);
                while let Some(key) = bank.keys.pop() {
                    self.recycle(Box::new(Request { key, ..Request::default() }));
                }
                self.spare.push(bank);
            }
        }
        for face in work.plan.faces.iter().filter(|face| face.is_drawn()) {
            if !self.banks.iter().any(|bank| bank.track == face.track) {
                let mut bank = self.spare.pop().unwrap_or_default();
                bank.begin(face.track, source(face), scene);
                self.banks.push(bank);
            }
        }
    }

    /// Adds what the worker made to its track's bank, if that is still there.
    fn take(&mut self, outcome: Outcome) -> Result<(), EngineError> {
        let mut request = match outcome {
            Outcome::Made(request) => request,
            Outcome::Interrupted(request) => {
                self.recycle(request);
                return Ok(());
            }
            Outcome::Failed(error) => return Err(error.into()),
        };
        let key = &request.key;
        let wanted =
            |bank: &&mut Bank| (bank.track, bank.source, bank.scene) == (key.track, key.source, key.scene);
        if let Some(bank) = self.banks.iter_mut().find(wanted) {
            self.report.arrived += 1;
            self.report.network_time += request.spent;
            bank.error = request.error.or(bank.error);
            if self.alone {
                bank.replace(&mut request.key);
            } else if let Some(old) = bank.add(std::mem::take(&mut request.key)) {
                request.key = old;
            }
        }
        self.recycle(request);
        Ok(())
    }

    fn recycle(&mut self, request: Box<Request>) {
        if self.requests.len() < self.requests.capacity() {
            self.requests.push(request);
        }
    }

    /// Lays a face's key frames onto the frame.
    fn bring(
        &mut self,
        frame: &Frame<'_>,
        face: &Face,
        work: Work<'_>,
        pool: &mut Pool,
    ) -> Result<(), EngineError> {
        let number = self.number;
        let framing = self.framing;
        let Some(bank) = self.banks.iter_mut().find(|bank| bank.track == face.track) else { return Ok(()) };
        let side = framing.side(0);
        let Some(map) = framing.map(&points_of(&face.raw), side) else { return Ok(()) };
        let map = to_grid(map, side);
        if !is_anew(face) && bank.asked.is_some() {
            bank.map = map;
            return Ok(());
        }
        bank.look(frame, face, map, pool)?;
        if self.alone && need::is_due(bank, face, number, work.params) {
            // Another will take its place at once.
            return Ok(());
        }
        bank.settle(number, work.plan.dt, face.fresh, pool)
    }

    /// Whether key frames show the track's face, and nothing of the mesh engine's swap.
    pub fn covers(&self, track: u64) -> bool {
        self.banks.iter().any(|bank| bank.track == track && bank.shown >= 1.0)
    }

    /// Whether a key frame shows of the track.
    pub fn shows(&self, track: u64) -> bool {
        self.banks.iter().any(|bank| bank.track == track && bank.shown > 0.0)
    }

    /// Draws the key frames of a track's face, over the mesh engine's swap unless they
    /// [`cover`](Self::covers) it. Returns what was written; `None` where there are none.
    ///
    /// # Errors
    /// The message of a panic in a worker.
    pub fn draw(
        &mut self,
        frame: &mut Frame<'_>,
        track: u64,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Option<Region>, String> {
        let Some(bank) = self.banks.iter_mut().find(|bank| bank.track == track) else { return Ok(None) };
        if bank.shown < 1.0 {
            bank.meshed = true;
        }
        if bank.shown <= 0.0 {
            return Ok(None);
        }
        if let [key] = &bank.keys[..]
            && self.alone
            && key.number == self.number
        {
            // Made of this very frame, so there is nothing to carry.
            let map = from_grid(bank.map, key.patch.side);
            return key.patch.paste(frame, map, params.opacity * bank.shown, &mut self.layer, pool);
        }
        draw::draw(bank, frame, params.opacity, &mut self.layer, pool)
    }

    fn tell(&mut self) {
        let ages = self.banks.iter().filter_map(|bank| bank.age(self.number));
        self.report.age = ages.max();
        let errors = self.banks.iter().filter_map(|bank| bank.error);
        self.report.error_db = errors.reduce(f32::min).or(self.report.error_db);
    }
}

/// As an enhancer is to run: as often as asked for, but no more often than faces are swapped afresh.
fn at_intervals(params: &Params) -> Params {
    let mut params = *params;
    params.effort.key_interval = params.enhancer_interval.max(params.effort.swap_interval);
    params.deterministic |= params.enhancer_interval <= 1;
    params
}

/// Whether the face is swapped afresh.
fn is_anew(face: &Face) -> bool {
    matches!(face.show, Show::Swap { relight } if relight || face.fresh)
}
