//! The second stage: what analysis planned is lit, drawn, covered and labelled.

mod draw;
mod networks;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    EngineError, Frame, NetworkPort, Params, Plan, Report, Source,
    frame::{Layer, Region},
    geometry::{Point, Rect},
    label::Label,
    landmarks::Landmarker,
    lights::Light,
    plan::Work,
    pool::Pool,
    process::MAX_TRACKS,
    swap::{
        hybrid::HybridSwap,
        mesh::MeshSwap,
        neural::{NeuralSwap, Waker},
    },
};

use networks::Begun;

/// Draws plans. Must see a stream's frames in order.
#[derive(Debug)]
pub struct Painter {
    pool: Pool,
    /// Looks at what was drawn.
    landmarker: Option<Arc<Landmarker>>,
    swap: MeshSwap,
    neural: Option<Box<NeuralSwap>>,
    hybrid: Option<Box<HybridSwap>>,
    enhancer: Option<Box<HybridSwap>>,
    port: NetworkPort,
    /// Frames that were begun, the oldest first.
    begun: VecDeque<Begun>,
    /// Called where a frame may have become ready; then networks run on a thread of their own.
    waker: Option<Waker>,
    layer: Layer,
    label: Label,
    /// Sampling moment of the last swap, for the label.
    swapped_at: Option<Duration>,
    lights: Vec<Light>,
    /// Of ended tracks, kept for their memory.
    spare: Vec<Light>,
}

impl Painter {
    pub(super) fn new(pool: Pool, landmarker: Option<Arc<Landmarker>>) -> Self {
        Painter {
            pool,
            landmarker,
            swap: MeshSwap::default(),
            neural: None,
            hybrid: None,
            enhancer: None,
            port: NetworkPort::default(),
            begun: VecDeque::new(),
            waker: None,
            layer: Layer::default(),
            label: Label::default(),
            swapped_at: None,
            lights: Vec::with_capacity(MAX_TRACKS),
            spare: Vec::with_capacity(MAX_TRACKS),
        }
    }

    /// Where networks may be handed in from another thread.
    pub fn network_port(&self) -> NetworkPort {
        self.port.clone()
    }

    /// Has networks that run on every frame do so on a thread of their own, so that several frames may
    /// be begun before the first is finished, and their faces share runs. `waker` is called after each
    /// run.
    pub fn run_apart(&mut self, waker: Arc<dyn Fn() + Send + Sync>) {
        self.waker = Some(Waker(waker));
    }

    /// Draws what `plan` says on the frame that it was made for, and writes `report`.
    ///
    /// # Errors
    /// A worker failed. The frame then holds part of the swap.
    pub fn paint(
        &mut self,
        frame: &mut Frame<'_>,
        plan: &Plan,
        source: &Source,
        params: &Params,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        self.begin(frame, plan, source, params, report)?;
        self.finish(frame, plan, source, params, report)
    }

    /// The first part of [`paint`](Self::paint): the faces join those on their way through a network,
    /// where there is one. [`finish`](Self::finish) or [`abandon`](Self::abandon) must follow, for the
    /// oldest frame first.
    ///
    /// # Errors
    /// A worker failed; the frame is then not begun.
    pub fn begin(
        &mut self,
        frame: &Frame<'_>,
        plan: &Plan,
        source: &Source,
        params: &Params,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let _at_work = self.pool.enter();
        report.clear();
        report.times = plan.times;
        if self.begun.is_empty() {
            self.take_offer();
        }
        let started = Instant::now();
        let begun = self.enter(frame, Work { plan, source, params })?;
        self.begun.push_back(begun);
        report.times.swap = started.elapsed();
        Ok(())
    }

    /// Whether a further frame may be begun now. Where not, all that were must be finished first.
    pub fn may_begin(&self) -> bool {
        self.begun.is_empty() || !self.port.has_offer()
    }

    /// Whether the oldest frame that was begun can be finished without waiting for a network.
    pub fn is_ready(&mut self) -> bool {
        match (self.begun.front(), &mut self.neural) {
            (Some(Begun::Entered), Some(neural)) => neural.is_ready(),
            _ => true,
        }
    }

    /// Waits no longer for faces to share a run with, where no run is under way.
    pub fn hurry(&mut self) {
        if let Some(neural) = &mut self.neural {
            neural.hurry();
        }
    }

    /// Gives up the oldest frame that was begun.
    pub fn abandon(&mut self) {
        if let (Some(Begun::Entered), Some(neural)) = (self.begun.pop_front(), &mut self.neural) {
            neural.skip();
        }
    }

    /// The second part of [`paint`](Self::paint), of the oldest frame that was begun, with what it was
    /// begun with.
    ///
    /// # Errors
    /// As [`paint`](Self::paint).
    pub fn finish(
        &mut self,
        frame: &mut Frame<'_>,
        plan: &Plan,
        source: &Source,
        params: &Params,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let _at_work = self.pool.enter();
        let work = Work { plan, source, params };
        if plan.restart {
            self.swapped_at = None;
        }
        let started = Instant::now();
        self.assign_lights(plan);
        self.follow_key_frames(frame, work, report)?;
        if !self.leave(frame, work, report)? {
            self.relight(frame, work)?;
        }
        report.times.swap += started.elapsed();

        let started = Instant::now();
        let mut drawn = [None; MAX_TRACKS];
        for (face, drawn) in plan.faces.iter().zip(&mut drawn) {
            if let Some(region) = self.draw(frame, face, work, report)? {
                *drawn = Some(report.regions.len());
                report.regions.push(rect_of(region));
                self.swapped_at = Some(plan.time);
            }
        }
        self.register(frame, work)?;
        let enhancing = Instant::now();
        self.enhance(frame, work, &drawn, report)?;
        report.times.enhance = enhancing.elapsed();
        self.label(frame, work, report)?;
        report.altered = !report.regions.is_empty();
        report.times.blend = started.elapsed() - report.times.enhance;
        tell(plan, report);
        Ok(())
    }
}

/// Writes the faces into the report.
fn tell(plan: &Plan, report: &mut Report) {
    for face in &plan.faces {
        let score = 1.0 / (1.0 + (-face.presence).exp());
        let landmarks: &[[f32; 3]] = if face.live { &face.mesh[..] } else { &[] };
        let points = landmarks.iter().map(|p| Point::new(p[0], p[1]));
        report.push(face.track, face.rect, score, points, face.live && face.selected, face.event);
    }
}

fn rect_of(region: Region) -> Rect {
    Rect::new(region.x as f32, region.y as f32, region.width as f32, region.height as f32)
}
