//! The list of tracks and the rules by which faces enter, stay and leave it.

use std::time::Duration;

use super::{
    motion::{Motion, Patch},
    smooth::{self, Smoother},
};
use crate::engine::{
    detect::Detection,
    geometry::{Point, Rect},
    identity::Likeness,
    landmarks::{CropBox, bounds},
    report::FaceEvent,
    swap::mesh::topology::{Mesh, VERTICES},
};

/// Detections that find nothing before a lost face is given up.
const SEARCHES: u32 = 30;
/// Two boxes that overlap more than this show one face.
const SAME: f32 = 0.45;
/// A lost face is looked for this far from where it should be, in its sizes, and within this ratio
/// of its size.
const REACH: f32 = 1.2;
const RESIZE: f32 = 1.8;

/// A cover's sides over the face's.
pub(crate) const COVER: f32 = 1.15;

/// Whether a track's face is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum State {
    #[default]
    Live,
    /// Not seen since `since`; `searches` full detections have not found it.
    Lost { since: Duration, searches: u32 },
}

/// One face through time.
#[derive(Debug)]
pub(crate) struct Track {
    pub id: u64,
    pub state: State,
    /// Landmarks as the network gave them and smoothed, frame pixels.
    pub raw: Box<Mesh>,
    pub mesh: Box<Mesh>,
    /// The picture that `raw` was seen in, and what is remembered of it.
    pub patch: Patch,
    pub motion: Motion,
    pub smoother: Smoother,
    pub crop: CropBox,
    pub rect: Rect,
    /// Pixels a second.
    pub velocity: (f32, f32),
    /// Distance of the centre from the frame's, in pixels.
    pub off_centre: f32,
    /// Presence logit.
    pub presence: f32,
    pub seen: Duration,
    pub likeness: Likeness,
    /// The mapped person that it is.
    pub person: Option<usize>,
    pub selected: bool,
    /// Its face has been shown swapped, so it must not be shown bare.
    pub swapped: bool,
    /// Its light is to be measured anew, not smoothed.
    pub unlit: bool,
    /// Box that covers the lost face, growing unless the face has left.
    pub cover: Rect,
    /// Lost, and by its motion out of the picture. It may come back where it went, where no detector sees it at
    /// first.
    pub left: bool,
    pub event: Option<FaceEvent>,
}

impl Default for Track {
    fn default() -> Self {
        Track {
            id: 0,
            state: State::Live,
            raw: Box::new([[0.0; 3]; VERTICES]),
            mesh: Box::new([[0.0; 3]; VERTICES]),
            patch: Patch::default(),
            motion: Motion::default(),
            smoother: Smoother::default(),
            crop: CropBox { centre: Point::new(0.0, 0.0), side: 0.0, angle: 0.0 },
            rect: Rect::default(),
            velocity: (0.0, 0.0),
            off_centre: 0.0,
            presence: 0.0,
            seen: Duration::ZERO,
            likeness: Likeness::default(),
            person: None,
            selected: false,
            swapped: false,
            unlit: true,
            cover: Rect::default(),
            left: false,
            event: None,
        }
    }
}

impl Track {
    pub fn is_live(&self) -> bool {
        self.state == State::Live
    }

    /// Where the face should be at `now`: on with its speed, slowing down over a third of a second.
    pub fn drift(&self, now: Duration) -> (f32, f32) {
        const TIRE: f32 = 0.33;
        let t = now.saturating_sub(self.seen).as_secs_f32();
        let run = TIRE * (1.0 - (-t / TIRE).exp());
        (self.velocity.0 * run, self.velocity.1 * run)
    }

    /// Takes over `raw` as seen at `now`.
    pub fn observe(&mut self, now: Duration, smoothing: f32, frame: (usize, usize)) {
        let rect = bounds(&self.raw);
        let dt = now.saturating_sub(self.seen).as_secs_f32();
        let fresh = self.rect.area() == 0.0 || self.state != State::Live;
        if !fresh && dt > 0.0 {
            let (from, to) = (self.rect.centre(), rect.centre());
            let a = 1.0 - (-dt / 0.1).exp();
            self.velocity.0 += a * ((to.x - from.x) / dt - self.velocity.0);
            self.velocity.1 += a * ((to.y - from.y) / dt - self.velocity.1);
        }
        if fresh {
            self.likeness = Likeness::default();
            self.smoother.reset();
            self.motion.forget();
            self.unlit = true;
            self.velocity = (0.0, 0.0);
        }
        let fit = smooth::fit(&self.raw);
        let asked = fit.filter(|_| smoothing > 0.0);
        let moved = asked.and_then(|fit| self.motion.follow(&self.patch, &self.raw, fit));
        self.smoother.apply(&self.raw, fit, moved, dt, smoothing, &mut self.mesh);
        self.crop = CropBox::of_mesh(&self.raw);
        self.rect = rect;
        let c = rect.centre();
        self.off_centre = (c.x - 0.5 * frame.0 as f32).hypot(c.y - 0.5 * frame.1 as f32);
        self.seen = now;
        self.state = State::Live;
    }

    fn lose(&mut self, now: Duration) {
        self.state = State::Lost { since: now, searches: 0 };
        self.left = false;
        self.cover = self.rect.scaled(COVER);
        self.event = Some(FaceEvent::Lost);
    }
}

/// All tracks of a stream.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    pub tracks: Vec<Track>,
    /// Ended tracks, kept for their memory.
    spare: Vec<Track>,
    next: u64,
}

impl Tracker {
    pub fn reset(&mut self) {
        self.spare.append(&mut self.tracks);
    }

    pub fn any_live(&self) -> bool {
        self.tracks.iter().any(Track::is_live)
    }

    pub fn any_lost(&self) -> bool {
        !self.tracks.iter().all(Track::is_live)
    }

    /// A fresh track, not yet in the list.
    pub fn start(&mut self) -> Track {
        let mut track = self.spare.pop().unwrap_or_default();
        self.next += 1;
        track.id = self.next;
        track.rect = Rect::default();
        track.state = State::Live;
        track.likeness = Likeness::default();
        (track.person, track.selected, track.swapped) = (None, false, false);
        track.event = Some(FaceEvent::Found);
        track
    }

    /// Puts a track aside.
    pub fn end(&mut self, track: Track) {
        self.spare.push(track);
    }

    /// Removes and returns the track that `detection` most likely shows: a lost one near its place.
    pub fn take_lost(&mut self, detection: &Detection, now: Duration) -> Option<Track> {
        let size = detection.rect.width.max(detection.rect.height);
        let distance = |t: &Track| {
            let (dx, dy) = t.drift(now);
            let c = t.rect.centre();
            Point::new(c.x + dx, c.y + dy).distance(detection.rect.centre())
        };
        let fits = |t: &Track| {
            let own = t.rect.width.max(t.rect.height);
            !t.is_live() && distance(t) < REACH * own.max(size) && (size / own).max(own / size) < RESIZE
        };
        let (index, _) = self
            .tracks
            .iter()
            .enumerate()
            .filter(|(_, t)| fits(t))
            .min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)))?;
        Some(self.tracks.remove(index))
    }

    /// Whether a live track already shows the face in `rect`.
    pub fn covers(&self, rect: Rect) -> bool {
        self.tracks.iter().filter(|t| t.is_live()).any(|t| same(t.rect, rect))
    }

    /// Marks the track at `index` lost.
    pub fn lose(&mut self, index: usize, now: Duration) {
        self.tracks[index].lose(now);
    }

    /// Where two live tracks have come to show one face, the one that moved less towards it keeps
    /// it; the other is lost, its face is probably hidden behind.
    pub fn part(&mut self, now: Duration, was: &[(u64, Rect)]) {
        for i in 0..self.tracks.len() {
            for j in i + 1..self.tracks.len() {
                let (a, b) = (&self.tracks[i], &self.tracks[j]);
                if !(a.is_live() && b.is_live() && same(a.rect, b.rect)) {
                    continue;
                }
                let jump = |t: &Track| {
                    let before = was.iter().find(|(id, _)| *id == t.id).map(|(_, r)| *r);
                    before.map_or(f32::INFINITY, |r| {
                        r.centre().distance(t.rect.centre()) + (r.width - t.rect.width).abs()
                    })
                };
                let (keeper, loser) = if jump(a) <= jump(b) { (i, j) } else { (j, i) };
                self.tracks[keeper].likeness.doubt();
                if let Some((_, before)) = was.iter().find(|(id, _)| *id == self.tracks[loser].id) {
                    self.tracks[loser].rect = *before;
                }
                self.tracks[loser].lose(now);
            }
        }
    }

    /// Counts a full detection that did not find the lost, and ends those that are given up; tells which have
    /// drifted out of the frame. `cut` ends all lost ones: theirs was another scene.
    pub fn searched(&mut self, now: Duration, frame: (usize, usize), cut: bool) {
        let mut i = 0;
        while i < self.tracks.len() {
            let track = &mut self.tracks[i];
            let (dx, dy) = track.drift(now);
            let State::Lost { searches, .. } = &mut track.state else {
                i += 1;
                continue;
            };
            *searches += 1;
            let searches = *searches;
            let c = track.rect.centre();
            let (x, y) = (c.x + dx, c.y + dy);
            let outside = x < 0.0 || y < 0.0 || x > frame.0 as f32 || y > frame.1 as f32;
            if outside && !track.left {
                (track.left, track.cover) = (true, track.rect.scaled(COVER));
            }
            if cut || searches >= SEARCHES || !track.swapped {
                let track = self.tracks.remove(i);
                self.spare.push(track);
            } else {
                i += 1;
            }
        }
    }
}

fn same(a: Rect, b: Rect) -> bool {
    // The detector's boxes and the mesh's differ in shape, so the smaller one's share counts too.
    let least = a.area().min(b.area());
    a.iou(b) > SAME || (least > 0.0 && a.overlap(b) / least > 0.7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn detection(x: f32) -> Detection {
        Detection { rect: Rect::new(x, 100.0, 100.0, 100.0), score: 0.9, points: [Point::default(); 5] }
    }

    fn add(tracker: &mut Tracker, x: f32, velocity: f32) -> u64 {
        let mut t = tracker.start();
        t.rect = Rect::new(x, 100.0, 100.0, 100.0);
        t.velocity = (velocity, 0.0);
        t.swapped = true;
        let id = t.id;
        tracker.tracks.push(t);
        id
    }

    #[test]
    fn a_lost_face_is_found_again_where_it_was_heading() {
        let mut tracker = Tracker::default();
        let id = add(&mut tracker, 100.0, 300.0);
        let other = add(&mut tracker, 400.0, 0.0);
        tracker.lose(0, at(0));
        tracker.lose(1, at(0));
        let found = tracker.take_lost(&detection(180.0), at(300)).unwrap();
        assert_eq!(found.id, id);
        assert!(tracker.take_lost(&detection(1500.0), at(300)).is_none());
        assert_eq!(tracker.take_lost(&detection(380.0), at(300)).unwrap().id, other);
    }

    #[test]
    fn of_two_tracks_on_one_face_the_jumper_is_lost() {
        let mut tracker = Tracker::default();
        let (a, b) = (add(&mut tracker, 100.0, 0.0), add(&mut tracker, 105.0, 0.0));
        let was = [(a, Rect::new(98.0, 100.0, 100.0, 100.0)), (b, Rect::new(180.0, 100.0, 100.0, 100.0))];
        tracker.part(at(40), &was);
        assert!(tracker.tracks[0].is_live() && !tracker.tracks[1].is_live());
        assert_eq!(tracker.tracks[1].rect.x, 180.0);
    }

    #[test]
    fn the_lost_are_given_up_after_thirty_searches_and_some_have_left() {
        let mut tracker = Tracker::default();
        add(&mut tracker, 100.0, 0.0);
        add(&mut tracker, 10.0, -900.0);
        tracker.lose(0, at(0));
        tracker.lose(1, at(0));
        tracker.searched(at(400), (640, 480), false);
        assert_eq!(tracker.tracks.iter().map(|track| track.left).collect::<Vec<_>>(), [false, true]);
        for _ in 1..SEARCHES {
            assert_eq!(tracker.tracks.len(), 2);
            tracker.searched(at(500), (640, 480), false);
        }
        assert!(tracker.tracks.is_empty());
    }
}
