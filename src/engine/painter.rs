//! The second stage: what analysis planned is lit, drawn, covered and labelled.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    EngineError, Fault, Frame, NetworkPort, Params, Plan, Report, Source,
    frame::{Layer, Region},
    geometry::{Point, Rect},
    identity::View,
    label::Label,
    lights::Light,
    plan::{Face, Show},
    pool::Pool,
    port::Offer,
    process::{MAX_TRACKS, each},
    swap::{
        cover::cover,
        hybrid::HybridSwap,
        mesh::{Look, MeshSwap},
        neural::{NeuralSwap, Target, Waker},
    },
};
use crate::models::ModelError;

/// The label stays this long after the last swap.
const LINGER: Duration = Duration::from_secs(1);

/// What became of a frame that was begun.
#[derive(Debug)]
enum Begun {
    /// No network has its faces.
    Alone,
    /// Its faces are on their way through the network.
    Entered,
    Failed(ModelError),
}

/// Draws plans. Must see a stream's frames in order.
#[derive(Debug)]
pub struct Painter {
    pool: Pool,
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
    pub(super) fn new(pool: Pool) -> Self {
        Painter {
            pool,
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
        let begun = self.enter(frame, plan, source, params)?;
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
        if plan.restart {
            self.swapped_at = None;
        }
        let started = Instant::now();
        self.assign_lights(plan);
        self.follow_key_frames(frame, plan, source, params, report)?;
        if !self.leave(frame, plan, params, report)? {
            self.relight(frame, plan, source, params)?;
        }
        report.times.swap += started.elapsed();

        let started = Instant::now();
        let mut drawn = [None; MAX_TRACKS];
        for (face, drawn) in plan.faces.iter().zip(&mut drawn) {
            let view = face.shown(source).view();
            if let Some(region) = self.draw(frame, face, plan.time, view, params, report)? {
                *drawn = Some(report.regions.len());
                report.regions.push(rect_of(region));
                self.swapped_at = Some(plan.time);
            }
        }
        let enhancing = Instant::now();
        self.enhance(frame, plan, source, params, &drawn, report)?;
        report.times.enhance = enhancing.elapsed();
        self.label(frame, plan, params, report)?;
        report.altered = !report.regions.is_empty();
        report.times.blend = started.elapsed() - report.times.enhance;
        tell(plan, report);
        Ok(())
    }

    fn take_offer(&mut self) {
        match self.port.take() {
            Some(Offer::Neural(mut neural)) => {
                if let Some(waker) = self.waker.clone() {
                    // Without a further thread it runs on this one.
                    let _ = neural.run_apart(waker);
                }
                (self.neural, self.hybrid) = (Some(neural), None);
            }
            // What swapped every frame goes on until key frames show.
            Some(Offer::Hybrid(hybrid)) => self.hybrid = Some(hybrid),
            None => {}
        }
    }

    /// Enhances the faces that were drawn, of which `drawn` are the places among the report's
    /// regions.
    fn enhance(
        &mut self,
        frame: &mut Frame<'_>,
        plan: &Plan,
        source: &Source,
        params: &Params,
        drawn: &[Option<usize>; MAX_TRACKS],
        report: &mut Report,
    ) -> Result<(), EngineError> {
        self.enhancer = self.port.take_enhancer().or(self.enhancer.take());
        let Some(enhancer) = &mut self.enhancer else { return Ok(()) };
        match enhancer.follow_over(frame, plan, source, params, self.neural.as_deref(), &mut self.pool) {
            Ok(()) => {}
            Err(EngineError::Model(error)) => {
                report.enhancer_fault = Some(Fault { error, provider: enhancer.facts().provider });
                self.enhancer = None;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        for (face, drawn) in plan.faces.iter().zip(drawn) {
            let Some(drawn) = drawn.filter(|_| matches!(face.show, Show::Swap { .. } | Show::Held)) else {
                continue;
            };
            let region = enhancer.draw(frame, face.track, params, &mut self.pool);
            if let Some(region) = region.map_err(EngineError::Panicked)? {
                report.regions[drawn] = report.regions[drawn].union(rect_of(region));
            }
        }
        Ok(())
    }

    /// Brings the hybrid engine's key frames to this frame.
    fn follow_key_frames(
        &mut self,
        frame: &Frame<'_>,
        plan: &Plan,
        source: &Source,
        params: &Params,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let Some(hybrid) = &mut self.hybrid else { return Ok(()) };
        match hybrid.follow(frame, plan, source, params, &mut self.pool) {
            Ok(()) => {
                let mut swapped = plan.faces.iter().filter(|face| matches!(face.show, Show::Swap { .. }));
                if swapped.all(|face| hybrid.covers(face.track)) {
                    self.neural = None;
                }
                let own = hybrid.report();
                if self.neural.is_none() {
                    (report.hybrid, report.network_time) = (Some(own), own.network_time);
                }
                if plan.faces.iter().any(|face| hybrid.shows(face.track)) {
                    report.network = Some(hybrid.facts().clone());
                }
                Ok(())
            }
            Err(EngineError::Model(error)) => {
                report.fault = Some(Fault { error, provider: hybrid.facts().provider });
                self.hybrid = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the faces that are swapped to the network, where there is one for their sources.
    fn enter(
        &mut self,
        frame: &Frame<'_>,
        plan: &Plan,
        source: &Source,
        params: &Params,
    ) -> Result<Begun, EngineError> {
        let Some(neural) = &mut self.neural else { return Ok(Begun::Alone) };
        let swapped = plan.faces.iter().filter(|face| matches!(face.show, Show::Swap { .. }));
        let mut sources = swapped.map(|face| face.shown(source)).chain([source]);
        if sources.any(|source| source.identity().is_none()) {
            return Ok(Begun::Alone);
        }
        let expected: [bool; MAX_TRACKS] =
            std::array::from_fn(|i| plan.faces.get(i).is_some_and(|face| neural.expects(face.track)));
        let wanted = plan.faces.iter().zip(expected).filter(|(face, expected)| match face.show {
            Show::Swap { relight } => relight || !expected,
            _ => false,
        });
        let targets = wanted.filter_map(|(face, _)| {
            let identity = face.shown(source).identity()?;
            Some(Target { track: face.track, mesh: &face.mesh, identity })
        });
        match neural.enter(frame, targets, params, &mut self.pool) {
            Ok(()) => Ok(Begun::Entered),
            Err(EngineError::Model(error)) => Ok(Begun::Failed(error)),
            Err(error) => Err(error),
        }
    }

    /// Takes what the network made of the faces; false where no network had them, or it failed and the
    /// mesh engine takes over.
    fn leave(
        &mut self,
        frame: &Frame<'_>,
        plan: &Plan,
        params: &Params,
        report: &mut Report,
    ) -> Result<bool, EngineError> {
        let begun = self.begun.pop_front();
        let (Some(begun), Some(neural)) = (begun, &mut self.neural) else { return Ok(false) };
        let left = match begun {
            Begun::Alone => return Ok(false),
            Begun::Failed(error) => Err(EngineError::Model(error)),
            Begun::Entered => {
                neural.keep(|track| plan.faces.iter().any(|face| face.track == track));
                let mesh = |track| plan.faces.iter().find(|face| face.track == track).map(|face| &*face.mesh);
                neural.leave(frame, mesh, params, &mut self.pool)
            }
        };
        match left {
            Ok(passed) => {
                report.network_time = passed.spent;
                (report.network_runs, report.network_images) = (passed.runs, passed.images);
                report.network = Some(neural.network().facts().clone());
                Ok(true)
            }
            Err(EngineError::Model(_)) if neural.is_interrupted() => Ok(false),
            Err(EngineError::Model(error)) => {
                report.fault = Some(Fault { error, provider: neural.network().facts().provider });
                self.neural = None;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps the lights of the plan's tracks, and no others.
    fn assign_lights(&mut self, plan: &Plan) {
        for i in (0..self.lights.len()).rev() {
            if !plan.faces.iter().any(|face| face.track == self.lights[i].track) {
                self.spare.push(self.lights.swap_remove(i));
            }
        }
        for face in plan.faces.iter().filter(|face| matches!(face.show, Show::Swap { .. })) {
            if !self.lights.iter().any(|light| light.track == face.track) {
                let mut light = self.spare.pop().unwrap_or_default();
                (light.track, light.lit) = (face.track, false);
                light.usual.forget();
                light.worn.forget();
                light.occlusion.forget();
                self.lights.push(light);
            }
        }
    }

    fn relight(
        &mut self,
        frame: &Frame<'_>,
        plan: &Plan,
        source: &Source,
        params: &Params,
    ) -> Result<(), EngineError> {
        for light in &mut self.lights {
            let seen = plan.faces.iter().find(|face| face.track == light.track);
            if let Some(face) = seen.filter(|face| matches!(face.show, Show::Swap { .. })) {
                light.usual.observe(&face.mesh, plan.dt);
            }
        }
        let covered = |track: u64| self.hybrid.as_ref().is_some_and(|hybrid| hybrid.covers(track));
        let lit = self.lights.iter_mut().filter_map(|light| {
            let face = plan.faces.iter().find(|face| face.track == light.track)?;
            match face.show {
                Show::Swap { relight } if !covered(face.track) => Some((light, face, relight)),
                _ => None,
            }
        });
        let scene = plan.cut || plan.restart;
        each(&mut self.pool, lit, &|(light, face, relight)| {
            // A face that comes back is seen in part and its mesh is not settled: all of it would depart
            // from what was remembered, and show as it came.
            if scene || face.fresh {
                light.occlusion.forget();
            }
            light.occlusion.observe(frame, &face.raw, plan.dt);
            if relight || face.fresh || !light.lit {
                let skin = &face.shown(source).view().skin;
                light.measure(frame, face, skin, plan.dt, params);
            }
            Ok(())
        })
    }

    /// Draws one face; returns what was written.
    fn draw(
        &mut self,
        frame: &mut Frame<'_>,
        face: &Face,
        time: Duration,
        view: &View,
        params: &Params,
        report: &mut Report,
    ) -> Result<Option<Region>, EngineError> {
        let drawn = match face.show {
            Show::Bare => return Ok(None),
            Show::Cover(how) => {
                report.held += 1;
                cover(frame, face.cover, how, &mut self.layer, &mut self.pool)
            }
            Show::Swap { .. } | Show::Held => {
                let held = face.show == Show::Held;
                report.held += usize::from(held);
                report.swapped += usize::from(!held);
                if let Some(neural) = self.neural.as_mut().filter(|neural| neural.has(face.track)) {
                    let pasted = neural.paste(frame, face.track, &face.mesh, params, &mut self.pool);
                    return pasted.map_err(EngineError::Panicked);
                }
                let covered = self.hybrid.as_ref().is_some_and(|hybrid| hybrid.covers(face.track));
                let light = self.lights.iter().find(|light| light.track == face.track && light.lit);
                let mut drawn = None;
                if let Some(light) = light.filter(|_| !covered) {
                    let look = Look {
                        view,
                        gains: &light.gains,
                        usual: &light.usual,
                        worn: &light.worn,
                        occlusion: &light.occlusion,
                        sharpness: light.sharpness,
                        noise: light.noise,
                        coloured: light.coloured,
                        time: u64::try_from(time.as_nanos()).unwrap_or(0),
                    };
                    let region = self.swap.draw(frame, &face.mesh, look, params, &mut self.pool);
                    drawn = region.map_err(EngineError::Panicked)?;
                }
                let Some(hybrid) = &mut self.hybrid else { return Ok(drawn) };
                let over = hybrid.draw(frame, face.track, params, &mut self.pool);
                over.map(|region| region.or(drawn))
            }
        };
        drawn.map_err(EngineError::Panicked)
    }

    fn label(
        &mut self,
        frame: &mut Frame<'_>,
        plan: &Plan,
        params: &Params,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let linger = self.swapped_at.is_some_and(|at| plan.time.saturating_sub(at) < LINGER);
        if params.label && linger && params.opacity > 0.0 {
            let faces = plan.faces.iter().map(|face| face.rect);
            let drawn = self.label.draw(frame, faces, &mut self.pool).map_err(EngineError::Panicked)?;
            report.regions.extend(drawn);
        }
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
