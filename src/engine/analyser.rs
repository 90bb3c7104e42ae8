//! The first stage: where the faces of a frame are, and what shall be drawn on them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Effort, EngineError, FaceEvent, Frame, OnLost, Params, People, PeoplePort, Plan, Select, Source,
    detect::{Detection, Detector},
    finder::Finder,
    geometry::Rect,
    landmarks::{CropBox, Landmarker},
    plan::Show,
    pool::Pool,
    process::{MAX_TRACKS, each},
    swap::cover::Cover,
    track::{COVER, SceneCut, Selector, State, Track, Tracker},
};

/// Landmark runs on a new face, each in the crop that the one before asks for: so that the first
/// frame's mesh lies where it will settle.
const PASSES: usize = 4;
/// Frames after which a background detection is used where the output must be repeatable.
const LAG: u64 = 4;
/// How long a lost face is carried before it is covered.
const HOLD: Duration = Duration::from_millis(500);
/// Growth of the cover a frame, of the box's sides.
const GROWTH: f32 = 1.25;
/// A longer time between two frames ends all tracks.
const GAP: Duration = Duration::from_secs(2);

/// Detects, tracks and selects faces. Must see a stream's frames in order; looks at their pixels
/// and changes none.
#[derive(Debug)]
pub struct Analyser {
    pool: Pool,
    finder: Finder,
    landmarker: Arc<Landmarker>,
    tracker: Tracker,
    selector: Selector,
    people: Option<Box<People>>,
    port: PeoplePort,
    cut: SceneCut,
    number: u64,
    last_time: Option<Duration>,
    restarted: bool,
    detected_at: u64,
    detections: Vec<Detection>,
    fresh: Vec<Track>,
    boxes: Vec<(u64, Rect)>,
}

impl Analyser {
    pub(super) fn new(detector: Detector, landmarker: Arc<Landmarker>, pool: Pool) -> std::io::Result<Self> {
        Ok(Analyser {
            pool,
            finder: Finder::new(detector)?,
            landmarker,
            tracker: Tracker::default(),
            selector: Selector::default(),
            people: None,
            port: PeoplePort::default(),
            cut: SceneCut::default(),
            number: 0,
            last_time: None,
            restarted: false,
            detected_at: 0,
            detections: Vec::with_capacity(512),
            fresh: Vec::with_capacity(MAX_TRACKS),
            boxes: Vec::with_capacity(MAX_TRACKS),
        })
    }

    /// Finds the faces of `frame` and fills `plan`. `time` is the frame's position in the stream.
    ///
    /// # Errors
    /// A network or a worker failed.
    pub fn analyse(
        &mut self,
        frame: &Frame<'_>,
        params: &Params,
        time: Duration,
        plan: &mut Plan,
    ) -> Result<(), EngineError> {
        let _at_work = self.pool.enter();
        plan.clear();
        if self.last_time.is_some_and(|last| time < last || time - last > GAP) {
            self.reset();
        }
        plan.restart = std::mem::take(&mut self.restarted);
        plan.time = time;
        plan.dt = self.last_time.map_or(Duration::from_millis(33), |last| time.saturating_sub(last));
        self.last_time = Some(time);
        self.follow(frame, params, plan)?;
        let limit = self.recognise(frame, params, plan)?;
        self.choose(params, limit, time);
        let size = (frame.width(), frame.height());
        let relight = self.number.is_multiple_of(params.effort.swap_interval.max(1).into());
        for track in &mut self.tracker.tracks {
            let source = track.person.and_then(|person| self.people.as_ref()?.source(person));
            describe(track, size, params, relight, source, plan);
        }
        self.number += 1;
        Ok(())
    }

    /// Where people to be told may be handed in from another thread.
    pub fn people_port(&self) -> PeoplePort {
        self.port.clone()
    }

    /// Finds out who is in the picture, where somebody is looked for. Returns the distance up to
    /// which a face is somebody's.
    fn recognise(&mut self, frame: &Frame<'_>, params: &Params, plan: &mut Plan) -> Result<f32, EngineError> {
        let tracks = &mut self.tracker.tracks;
        if self.port.exchange(&mut self.people) {
            tracks.iter_mut().for_each(|track| track.likeness = Default::default());
        }
        let looked_for = |people: &People| people.has_mapped() || params.select == Select::Reference;
        let Some(people) = self.people.as_mut().filter(|people| looked_for(people)) else {
            tracks.iter_mut().for_each(|track| track.person = None);
            return Ok(f32::NEG_INFINITY);
        };
        let started = Instant::now();
        people.recognise(frame, tracks, self.number)?;
        plan.times.identity = started.elapsed();
        let limit = match params.reference_distance {
            0.0 => people.distance(),
            distance => distance,
        };
        for track in tracks {
            let person = track.likeness.person.filter(|(_, distance)| *distance <= limit);
            track.person = person.map(|(person, _)| person);
        }
        Ok(limit)
    }

    /// Selects the mapped people, the largest first, and of the others whom the user wants.
    fn choose(&mut self, params: &Params, limit: f32, time: Duration) {
        let mut left = params.max_faces.clamp(1, MAX_TRACKS);
        let tracks = &mut self.tracker.tracks;
        match params.select {
            _ if params.mapped_only => tracks.iter_mut().for_each(|track| track.selected = false),
            Select::Reference => self.selector.choose_likest(tracks, limit),
            select => {
                let mapped = tracks.iter().filter(|track| track.person.is_some()).count();
                self.selector.choose(tracks, select, left.saturating_sub(mapped), time);
            }
        }
        loop {
            let waiting = tracks.iter_mut().filter(|track| track.person.is_some() && !track.selected);
            let Some(track) = waiting.max_by(|a, b| a.rect.area().total_cmp(&b.rect.area())) else { return };
            if left == 0 {
                return;
            }
            track.selected = true;
            left -= 1;
        }
    }

    /// Forgets tracks and smoothing: after a flush, a seek or a gap.
    pub fn reset(&mut self) {
        self.tracker.reset();
        self.selector.reset();
        self.cut.reset();
        self.finder.forget(&mut self.detections);
        self.restarted = true;
        self.last_time = None;
        self.number = 0;
        self.detected_at = 0;
    }

    /// Whether the landmark network looks at this frame.
    fn is_looked_at(&self, params: &Params) -> bool {
        let due = self.number.is_multiple_of(params.effort.landmark_interval.max(1).into());
        due && !params.effort.late
    }

    /// Brings the tracks to this frame: landmarks, losses, newcomers.
    fn follow(&mut self, frame: &Frame<'_>, params: &Params, plan: &mut Plan) -> Result<(), EngineError> {
        let time = plan.time;
        let size = (frame.width(), frame.height());
        let cut = self.cut.is_cut(frame);
        plan.cut = cut;
        self.boxes.clear();
        self.boxes.extend(self.tracker.tracks.iter().filter(|t| t.is_live()).map(|t| (t.id, t.rect)));
        let started = Instant::now();
        if cut {
            for index in 0..self.tracker.tracks.len() {
                if self.tracker.tracks[index].is_live() {
                    self.tracker.lose(index, time);
                }
            }
        } else if self.is_looked_at(params) {
            self.track(frame, params, time)?;
            self.tracker.part(time, &self.boxes);
        }
        plan.times.landmarks += started.elapsed();

        // A face missed on the first frame of a scene would show for one frame: no effort is spared there.
        let long_side = if self.number == 0 || cut {
            Params { effort: Effort::default(), ..*params }.long_side()
        } else {
            params.long_side()
        };
        let searching = !self.tracker.any_live() || self.tracker.any_lost();
        let started = Instant::now();
        let found = if searching {
            self.finder.now(frame, long_side, params.detection_threshold, &mut self.detections)?;
            self.detected_at = self.number;
            true
        } else {
            let lag = params.deterministic.then(|| LAG.min(params.search_interval()));
            let found = self.finder.result(self.number, lag, &mut self.detections)?;
            if self.number >= self.detected_at + params.search_interval() {
                self.finder.start(frame, self.number, long_side, params.detection_threshold);
                self.detected_at = self.number;
            }
            found
        };
        plan.times.detect += started.elapsed();
        if found {
            let started = Instant::now();
            self.admit(frame, params, time)?;
            plan.times.landmarks += started.elapsed();
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
        each(&mut self.pool, live, &|track| {
            track.presence = landmarker.look(frame, track.crop, &mut track.raw, Some(&mut track.patch))?;
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
        each(&mut self.pool, self.fresh.iter_mut(), &|track| {
            let detected = track.crop;
            for _ in 0..PASSES {
                track.presence =
                    landmarker.look(frame, track.crop, &mut track.raw, Some(&mut track.patch))?;
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
}

/// Adds what is to be drawn on one track's face.
pub(super) fn describe(
    track: &mut Track,
    frame: (usize, usize),
    params: &Params,
    relight: bool,
    source: Option<&Arc<Source>>,
    plan: &mut Plan,
) {
    let time = plan.time;
    let show = show(track, params, relight, time);
    // Nothing where the face was seen on this frame.
    let (dx, dy) = track.drift(time);
    let face = plan.add();
    (face.track, face.rect, face.presence) = (track.id, track.rect, track.presence);
    (face.live, face.selected, face.show) = (track.is_live(), track.selected, show);
    face.source = source.cloned();
    if face.live {
        (face.rect.x, face.rect.y) = (face.rect.x + dx, face.rect.y + dy);
    }
    for (to, from) in face.mesh.iter_mut().zip(track.mesh.iter()) {
        *to = [from[0] + dx, from[1] + dy, from[2]];
    }
    for (to, from) in face.raw.iter_mut().zip(track.raw.iter()) {
        *to = [from[0] + dx, from[1] + dy, from[2]];
    }
    match show {
        Show::Bare | Show::Held => {}
        Show::Swap { .. } => {
            track.swapped = true;
            face.fresh = std::mem::take(&mut track.unlit);
        }
        Show::Cover(_) if face.live => face.cover = track.rect.scaled(COVER),
        Show::Cover(_) => {
            face.cover = track.cover;
            let grown =
                track.cover.width >= 2.0 * frame.0 as f32 && track.cover.height >= 2.0 * frame.1 as f32;
            if !track.left && !grown {
                track.cover = track.cover.scaled(GROWTH);
            }
        }
    }
    if !face.live && matches!(show, Show::Held | Show::Cover(_)) {
        track.event = track.event.or(Some(FaceEvent::Held));
    }
    face.event = track.event.take();
}

fn show(track: &Track, params: &Params, relight: bool, time: Duration) -> Show {
    if !(track.selected && params.opacity > 0.0) {
        return Show::Bare;
    }
    match (track.state, params.on_lost) {
        (State::Live, _) if !params.effort.late || track.unlit => Show::Swap { relight },
        (State::Live, OnLost::Hold) => Show::Held,
        (State::Lost { .. }, _) if !track.swapped => Show::Bare,
        (_, OnLost::Pass) => Show::Bare,
        (State::Lost { since, .. }, OnLost::Hold) if !track.left && time.saturating_sub(since) <= HOLD => {
            Show::Held
        }
        (_, OnLost::Black) => Show::Cover(Cover::Black),
        (_, OnLost::Blur | OnLost::Hold) => Show::Cover(Cover::Blur),
    }
}

/// Whether the crop that the mesh asks for looks where the detector saw the face.
pub(super) fn agree(detected: CropBox, mesh: CropBox) -> bool {
    let ratio = mesh.side / detected.side;
    (0.5..2.0).contains(&ratio) && detected.centre.distance(mesh.centre) < 0.35 * detected.side
}
