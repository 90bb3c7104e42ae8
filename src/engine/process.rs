//! One frame through all stages.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{
    EngineError, FaceEvent, Frame, OnLost, Params, Report, Source,
    detect::{Detection, Detector},
    finder::Finder,
    frame::{Layer, Region},
    geometry::{Point, Rect},
    label::Label,
    landmarks::{CropBox, Landmarker},
    pool::Pool,
    swap::{
        cover::{Cover, cover},
        mesh::{
            MeshSwap, light,
            topology::{Mesh, VERTICES},
        },
    },
    track::{SceneCut, Selector, State, Track, Tracker},
};
use crate::{
    models::{ModelError, Pack},
    sync::lock,
};

/// Faces followed at once.
const MAX_TRACKS: usize = 64;
/// Frames after which a background detection is used where the output must be repeatable.
const LAG: u64 = 4;
/// How long a lost face is carried before it is covered.
const HOLD: Duration = Duration::from_millis(500);
/// Growth of the cover a frame, of the box's sides.
const GROWTH: f32 = 1.25;
/// The label stays this long after the last swap.
const LINGER: Duration = Duration::from_secs(1);

/// The swap engine of one video stream.
#[derive(Debug)]
pub struct Engine {
    pool: Pool,
    finder: Finder,
    landmarker: Landmarker,
    tracker: Tracker,
    selector: Selector,
    cut: SceneCut,
    swap: MeshSwap,
    layer: Layer,
    label: Label,
    /// Sampling moment of the last swap, for the label.
    swapped_at: Option<Duration>,
    number: u64,
    last_time: Option<Duration>,
    detected_at: u64,
    detections: Vec<Detection>,
    fresh: Vec<Track>,
    boxes: Vec<(u64, Rect)>,
    held: Box<Mesh>,
    report: Report,
}

type Slots<'a> = [Mutex<Option<&'a mut Track>>; MAX_TRACKS];

/// Calls `job` for each track, on all threads; the first error ends it.
fn each_track<'t>(
    pool: &mut Pool,
    tracks: impl Iterator<Item = &'t mut Track>,
    job: &(dyn Fn(&mut Track) -> Result<(), ModelError> + Sync),
) -> Result<(), EngineError> {
    let slots: Slots<'_> = [const { Mutex::new(None) }; MAX_TRACKS];
    let mut count = 0;
    for (slot, track) in slots.iter().zip(tracks) {
        *lock(slot) = Some(track);
        count += 1;
    }
    let error = Mutex::new(None);
    let run = pool.run(count, &|index| {
        let taken = lock(&slots[index]).take();
        if let Some(Err(e)) = taken.map(job) {
            *lock(&error) = Some(e);
        }
    });
    run.map_err(EngineError::Panicked)?;
    match lock(&error).take() {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

impl Engine {
    /// Loads the models and starts `threads` threads in all (0 = one a performance core). Tens of
    /// milliseconds.
    ///
    /// # Errors
    /// A model or ONNX Runtime that cannot be loaded, with its path and what to do.
    pub fn new(pack: &Pack, threads: usize) -> Result<Self, EngineError> {
        light::prepare();
        let threads = match threads {
            0 => crate::control::performance_cores(),
            n => n,
        };
        let panicked = |e: std::io::Error| EngineError::Panicked(format!("no thread could be started: {e}"));
        Ok(Engine {
            finder: Finder::new(Detector::load(&pack.detector)?).map_err(panicked)?,
            landmarker: Landmarker::load(&pack.landmarker, threads)?,
            pool: Pool::new(threads).map_err(panicked)?,
            tracker: Tracker::default(),
            selector: Selector::default(),
            cut: SceneCut::default(),
            swap: MeshSwap::default(),
            layer: Layer::default(),
            label: Label::default(),
            swapped_at: None,
            number: 0,
            last_time: None,
            detected_at: 0,
            detections: Vec::with_capacity(512),
            fresh: Vec::with_capacity(MAX_TRACKS),
            boxes: Vec::with_capacity(MAX_TRACKS),
            held: Box::new([[0.0; 3]; VERTICES]),
            report: Report::default(),
        })
    }

    /// Swaps the faces of one frame in place. `time` is the frame's position in the stream; it
    /// drives smoothing and the time limits of `on-lost`.
    ///
    /// # Errors
    /// A network or a worker failed. The frame is then as it was or holds part of the swap.
    pub fn process(
        &mut self,
        frame: &mut Frame<'_>,
        source: &Source,
        params: &Params,
        time: Duration,
    ) -> Result<&Report, EngineError> {
        self.report.clear();
        if let Some(last) = self.last_time
            && (time < last || time - last > Duration::from_secs(2))
        {
            self.reset();
        }
        let dt = self.last_time.map_or(Duration::from_millis(33), |last| time.saturating_sub(last));
        self.last_time = Some(time);
        self.follow(frame, params, time)?;
        let max = params.max_faces.clamp(1, MAX_TRACKS);
        self.selector.choose(&mut self.tracker.tracks, params.select, max, time);
        self.show(frame, source, params, time, dt.as_secs_f32())?;
        self.number += 1;
        Ok(&self.report)
    }

    /// Forgets tracks and smoothing: after a flush, a seek or a gap.
    pub fn reset(&mut self) {
        self.tracker.reset();
        self.selector.reset();
        self.cut.reset();
        self.finder.forget(&mut self.detections);
        self.swapped_at = None;
        self.last_time = None;
        self.number = 0;
        self.detected_at = 0;
    }

    /// Brings the tracks to this frame: landmarks, losses, newcomers.
    fn follow(&mut self, frame: &Frame<'_>, params: &Params, time: Duration) -> Result<(), EngineError> {
        let size = (frame.width(), frame.height());
        let cut = self.cut.is_cut(frame);
        self.boxes.clear();
        self.boxes.extend(self.tracker.tracks.iter().filter(|t| t.is_live()).map(|t| (t.id, t.rect)));
        let started = Instant::now();
        if cut {
            for index in 0..self.tracker.tracks.len() {
                if self.tracker.tracks[index].is_live() {
                    self.tracker.lose(index, time);
                }
            }
        } else {
            self.track(frame, params, time)?;
            self.tracker.part(time, &self.boxes);
        }
        self.report.times.landmarks += started.elapsed();

        let long_side = params.quality.detector_long_side();
        let searching = !self.tracker.any_live() || self.tracker.any_lost();
        let started = Instant::now();
        let found = if searching {
            self.finder.now(frame, long_side, params.detection_threshold, &mut self.detections)?;
            self.detected_at = self.number;
            true
        } else {
            let lag = params.deterministic.then(|| LAG.min(u64::from(params.detection_interval)));
            let found = self.finder.result(self.number, lag, &mut self.detections)?;
            if self.number >= self.detected_at + u64::from(params.detection_interval) {
                self.finder.start(frame, self.number, long_side, params.detection_threshold);
                self.detected_at = self.number;
            }
            found
        };
        self.report.times.detect += started.elapsed();
        if found {
            let started = Instant::now();
            self.admit(frame, params, time)?;
            self.report.times.landmarks += started.elapsed();
        }
        if searching {
            self.tracker.searched(time, size, cut);
        }
        Ok(())
    }

    /// Landmarks of the live tracks, each from its last crop; those without a face are lost.
    fn track(&mut self, frame: &Frame<'_>, params: &Params, time: Duration) -> Result<(), EngineError> {
        let size = (frame.width(), frame.height());
        let landmarker = &self.landmarker;
        let smoothing = params.smoothing;
        let live = self.tracker.tracks.iter_mut().filter(|t| t.is_live());
        each_track(&mut self.pool, live, &|track| {
            track.presence = landmarker.run(frame, track.crop, &mut track.raw)?;
            if track.presence >= 0.0 {
                track.observe(time, smoothing, size);
            }
            Ok(())
        })?;
        for index in 0..self.tracker.tracks.len() {
            let track = &self.tracker.tracks[index];
            if track.is_live() && track.presence < 0.0 {
                self.tracker.lose(index, time);
            }
        }
        Ok(())
    }

    /// Gives each detection that no live track shows to a lost track or to a new one, if the
    /// landmark network sees a face there too.
    fn admit(&mut self, frame: &Frame<'_>, params: &Params, time: Duration) -> Result<(), EngineError> {
        let size = (frame.width(), frame.height());
        self.fresh.clear();
        for i in 0..self.detections.len() {
            let d = self.detections[i];
            if self.tracker.tracks.len() + self.fresh.len() >= MAX_TRACKS || self.tracker.covers(d.rect) {
                continue;
            }
            let mut track = match self.tracker.take_lost(&d, time) {
                Some(track) => track,
                None => self.tracker.start(),
            };
            track.crop = CropBox::of_detection(d.rect, d.points[0], d.points[1]);
            self.fresh.push(track);
        }
        let landmarker = &self.landmarker;
        let smoothing = params.smoothing;
        each_track(&mut self.pool, self.fresh.iter_mut(), &|track| {
            let detected = track.crop;
            for _ in 0..2 {
                track.presence = landmarker.run(frame, track.crop, &mut track.raw)?;
                if track.presence < 0.0 {
                    return Ok(());
                }
                track.crop = CropBox::of_mesh(&track.raw);
            }
            if !agree(detected, track.crop) {
                track.presence = f32::NEG_INFINITY;
                return Ok(());
            }
            let lost = !track.is_live();
            track.observe(time, smoothing, size);
            if lost && track.event != Some(FaceEvent::Lost) {
                track.event = Some(FaceEvent::Recovered);
            } else if lost {
                track.event = None;
            }
            Ok(())
        })?;
        while let Some(track) = self.fresh.pop() {
            let duplicate = track.is_live() && track.presence >= 0.0 && self.tracker.covers(track.rect);
            if track.presence >= 0.0 && !duplicate || !track.is_live() {
                self.tracker.tracks.push(track);
            } else {
                self.tracker.end(track);
            }
        }
        self.tracker.tracks.sort_unstable_by_key(|t| t.id);
        Ok(())
    }

    /// Draws swaps, covers and label, and writes the report.
    fn show(
        &mut self,
        frame: &mut Frame<'_>,
        source: &Source,
        params: &Params,
        time: Duration,
        dt: f32,
    ) -> Result<(), EngineError> {
        let started = Instant::now();
        let view = source.view();
        let shared: &Frame<'_> = frame;
        let wanted = self.tracker.tracks.iter_mut().filter(|t| t.selected && t.is_live());
        each_track(&mut self.pool, wanted, &|track| {
            let mut new = [[0.0; 3]; VERTICES];
            let scratch = &mut track.light;
            light::of_frame(shared, &track.raw, &mut scratch.target, &mut scratch.seen);
            light::gains(&view.colours, params.colour_match, scratch, &mut new);
            track.smooth_gains(&new, dt);
            Ok(())
        })?;
        self.report.times.swap = started.elapsed();

        let started = Instant::now();
        for track in &mut self.tracker.tracks {
            if !(track.selected && params.opacity > 0.0) {
                continue;
            }
            let region = match track.state {
                State::Live => {
                    track.swapped = true;
                    let drawn =
                        self.swap.draw(frame, &track.mesh, view, &track.gains, params, &mut self.pool);
                    self.report.swapped += 1;
                    drawn.map_err(EngineError::Panicked)?
                }
                State::Lost { since, .. } if track.swapped && params.on_lost != OnLost::Pass => {
                    track.event = track.event.or(Some(FaceEvent::Held));
                    self.report.held += 1;
                    let hold = params.on_lost == OnLost::Hold && time.saturating_sub(since) <= HOLD;
                    let drawn = if hold {
                        let (dx, dy) = track.drift(time);
                        for (to, from) in self.held.iter_mut().zip(track.mesh.iter()) {
                            *to = [from[0] + dx, from[1] + dy, from[2]];
                        }
                        self.swap.draw(frame, &self.held, view, &track.gains, params, &mut self.pool)
                    } else {
                        let how = if params.on_lost == OnLost::Black { Cover::Black } else { Cover::Blur };
                        let rect = track.cover;
                        if rect.width < 2.0 * frame.width() as f32
                            || rect.height < 2.0 * frame.height() as f32
                        {
                            track.cover = rect.scaled(GROWTH);
                        }
                        cover(frame, rect, how, &mut self.layer, &mut self.pool)
                    };
                    drawn.map_err(EngineError::Panicked)?
                }
                State::Lost { .. } => None,
            };
            if let Some(region) = region {
                self.report.regions.push(rect_of(region));
                self.swapped_at = Some(time);
            }
        }
        let linger = self.swapped_at.is_some_and(|at| time.saturating_sub(at) < LINGER);
        if params.label && linger && params.opacity > 0.0 {
            let faces = self.tracker.tracks.iter().map(|t| t.rect);
            let drawn = self.label.draw(frame, faces, &mut self.pool).map_err(EngineError::Panicked)?;
            self.report.regions.extend(drawn);
        }
        self.report.altered = !self.report.regions.is_empty();
        self.report.times.blend = started.elapsed();
        for track in &mut self.tracker.tracks {
            let live = track.is_live();
            let event = track.event.take();
            let score = 1.0 / (1.0 + (-track.presence).exp());
            let landmarks: &[[f32; 3]] = if live { &track.mesh[..] } else { &[] };
            let points = landmarks.iter().map(|p| Point::new(p[0], p[1]));
            self.report.push(track.id, track.rect, score, points, live && track.selected, event);
        }
        Ok(())
    }
}

/// Whether the crop that the mesh asks for looks where the detector saw the face.
fn agree(detected: CropBox, mesh: CropBox) -> bool {
    let ratio = mesh.side / detected.side;
    (0.5..2.0).contains(&ratio) && detected.centre.distance(mesh.centre) < 0.35 * detected.side
}

fn rect_of(region: Region) -> Rect {
    Rect::new(region.x as f32, region.y as f32, region.width as f32, region.height as f32)
}
