//! The key frames of one track, and which of them show its face now.

use std::time::Duration;

use super::{
    cells::{ALL, Cells, Outline, surround},
    key::KeyFrame,
    slot::Slot,
    small::{GRID, Small},
};
use crate::engine::{
    EngineError,
    frame::Frame,
    geometry::{Point, Similarity},
    plan::Face,
    pool::Pool,
    process::each,
    swap::mesh::topology::VERTICES,
};

/// Key frames of a track at most, in number and in megapixels.
const MOST: usize = 8;
const MEGAPIXELS: f32 = 4.0;
/// Key frames drawn at once at most.
pub(super) const SLOTS: usize = 3;
/// Two are meant to be drawn, the third is one that fades.
const MEANT: usize = 2;
/// Time constant of a key frame's share, seconds; time in which the first replaces the mesh engine's
/// swap.
const FADE: f32 = 0.04;
const RISE: f32 = 0.2;
/// Distance in grid pixels that a level of brightness and a frame of age count as.
const BRIGHTNESS: f32 = 0.02;
const AGE: f32 = 0.0008;
/// Added to distances, so that the nearest of near ones does not show alone.
const NEAR: f32 = 0.25;
/// Correlation below which a key frame shows someone or something else.
const UNLIKE: f32 = 0.35;

/// One track's face now, and its key frames.
#[derive(Debug)]
pub(super) struct Bank {
    pub track: u64,
    pub source: u64,
    pub scene: u64,
    #[expect(clippy::vec_box, reason = "key frames move between threads as they are")]
    pub keys: Vec<Box<KeyFrame>>,
    /// Grid pixels to the frame, and the face on the grid.
    pub map: Similarity,
    pub outline: Box<Outline>,
    depth: Box<[f32; VERTICES]>,
    pub camera: Small,
    cells: Cells,
    pub slots: [Slot; SLOTS],
    /// How far the key frames have replaced the mesh engine's swap, 0–1.
    pub shown: f32,
    /// It was drawn by the mesh engine before.
    pub meshed: bool,
    /// Frame at which a key frame was last asked for.
    pub asked: Option<u64>,
    /// Error of what was carried to the last key frame, dB.
    pub error: Option<f32>,
}

impl Default for Bank {
    fn default() -> Self {
        Bank {
            track: 0,
            source: 0,
            scene: 0,
            keys: Vec::with_capacity(MOST + 1),
            map: Similarity::IDENTITY,
            outline: Box::new([[0.0; 2]; ALL]),
            depth: Box::new([0.0; VERTICES]),
            camera: Small::default(),
            cells: Cells::default(),
            slots: Default::default(),
            shown: 0.0,
            meshed: false,
            asked: None,
            error: None,
        }
    }
}

impl Bank {
    /// Takes over a track, with nothing known of it.
    pub fn begin(&mut self, track: u64, source: u64, scene: u64) {
        (self.track, self.source, self.scene) = (track, source, scene);
        (self.shown, self.meshed, self.asked, self.error) = (0.0, false, None, None);
        self.slots.iter_mut().for_each(|slot| slot.share = 0.0);
    }

    /// Looks at the face in the frame; `map` takes grid pixels to it.
    ///
    /// # Errors
    /// A worker panicked.
    pub fn look(
        &mut self,
        frame: &Frame<'_>,
        face: &Face,
        map: Similarity,
        pool: &mut Pool,
    ) -> Result<(), EngineError> {
        self.map = map;
        let norm = map.a * map.a + map.b * map.b;
        for ((to, depth), from) in self.outline.iter_mut().zip(self.depth.iter_mut()).zip(face.raw.iter()) {
            let (x, y) = (from[0] - map.tx, from[1] - map.ty);
            *to = [(map.a * x + map.b * y) / norm, (map.a * y - map.b * x) / norm];
            *depth = from[2];
        }
        surround(&mut self.outline);
        self.camera.sample(frame, map, pool).map_err(EngineError::Panicked)?;
        let depth = &self.depth;
        self.cells.draw(&self.outline, |v| depth[v]);
        Ok(())
    }

    /// Adds a key frame; gives back the one that makes room for it.
    pub fn add(&mut self, key: Box<KeyFrame>) -> Option<Box<KeyFrame>> {
        let pixels = (key.patch.side * key.patch.side) as f32 / 1e6;
        self.keys.push(key);
        let most = ((MEGAPIXELS / pixels.max(1e-3)) as usize).clamp(SLOTS, MOST);
        if self.keys.len() <= most {
            return None;
        }
        Some(self.keys.remove(self.least_needed()))
    }

    /// Puts a key frame in the place of all others, and one of these in its own.
    pub fn replace(&mut self, key: &mut Box<KeyFrame>) {
        self.keys.truncate(1);
        match self.keys.first_mut() {
            Some(old) => std::mem::swap(old, key),
            None => self.keys.push(std::mem::take(key)),
        }
    }

    /// The older of the two that are most alike, but never one that is drawn if another will do.
    fn least_needed(&self) -> usize {
        let newest = self.keys.len() - 1;
        let idle = |i: usize| self.keys[i].share < 0.02;
        let mut least = (f32::INFINITY, 0);
        for i in 0..newest {
            let twin = (i + 1..=newest).map(|j| self.keys[i].distance(&self.keys[j].outline));
            let apart = twin.fold(f32::INFINITY, f32::min) + if idle(i) { 0.0 } else { 1e3 };
            if apart < least.0 {
                least = (apart, i);
            }
        }
        least.1
    }

    /// How far each key frame is from the face now.
    fn score(&self, key: &KeyFrame, number: u64) -> f32 {
        let brightness = (key.brightness - self.camera.brightness()).abs();
        let age = number.saturating_sub(key.number) as f32;
        key.distance(&self.outline) + BRIGHTNESS * brightness + AGE * age
    }

    /// The nearest key frame's distance, grid pixels.
    pub fn nearest(&self, number: u64) -> f32 {
        self.keys.iter().map(|key| self.score(key, number)).fold(f32::INFINITY, f32::min)
    }

    /// Moves the shares towards the nearest key frames; `fresh`: at once.
    fn share_out(&mut self, number: u64, dt: Duration, fresh: bool) {
        let mut best = [(f32::INFINITY, usize::MAX); MEANT];
        for i in 0..self.keys.len() {
            let score = (self.score(&self.keys[i], number), i);
            if score.0 < best[0].0 {
                best = [score, best[0]];
            } else if score.0 < best[1].0 {
                best[1] = score;
            }
        }
        let weight = best.map(|(score, _)| (score + NEAR).powi(-4));
        let total = weight.iter().sum::<f32>().max(1e-12);
        let first = self.keys.iter().all(|key| key.share <= 0.0);
        let a = if fresh || first { 1.0 } else { 1.0 - (-dt.as_secs_f32() / FADE).exp() };
        for (i, key) in self.keys.iter_mut().enumerate() {
            let meant = best.iter().position(|&(_, at)| at == i).map_or(0.0, |place| weight[place] / total);
            key.share += a * (meant - key.share);
        }
    }

    /// Chooses the key frames that show the face, and lays them onto it.
    ///
    /// # Errors
    /// A worker panicked.
    pub fn settle(
        &mut self,
        number: u64,
        dt: Duration,
        fresh: bool,
        pool: &mut Pool,
    ) -> Result<(), EngineError> {
        self.share_out(number, dt, fresh);
        self.fill_slots();
        let Bank { keys, slots, cells, outline, camera, .. } = self;
        let laid = slots.iter_mut().filter(|slot| slot.share > 0.0);
        each(pool, laid, &|slot| {
            if let Some(key) = keys.iter().find(|key| key.number == slot.key) {
                slot.lay(key, cells, outline, camera);
            }
            Ok(())
        })?;
        self.disown();
        let rise = if self.meshed && !fresh { dt.as_secs_f32() / RISE } else { 1.0 };
        let drawn = self.slots.iter().any(|slot| slot.share > 0.0);
        self.shown = if drawn { (self.shown + rise).min(1.0) } else { 0.0 };
        Ok(())
    }

    /// Gives the slots to the key frames of the largest shares.
    fn fill_slots(&mut self) {
        const LEAST: f32 = 0.02;
        let mut order = [usize::MAX; SLOTS];
        for i in 0..self.keys.len() {
            let share = |at: usize| self.keys.get(at).map_or(0.0, |key| key.share);
            if self.keys[i].share > LEAST
                && let Some(place) = (0..SLOTS).find(|&place| share(i) > share(order[place]))
            {
                order[place..].rotate_right(1);
                order[place] = i;
            }
        }
        let shares = order.map(|i| self.keys.get(i).map_or(0.0, |key| key.share));
        let total = shares.iter().sum::<f32>().max(1e-6);
        for ((slot, i), share) in self.slots.iter_mut().zip(order).zip(shares) {
            slot.share = share / total;
            slot.key = self.keys.get(i).map_or(0, |key| key.number);
        }
    }

    /// Stops showing key frames that are no picture of this face.
    fn disown(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.share > 0.0) {
            if slot.likeness < UNLIKE {
                slot.share = 0.0;
            }
        }
        let total = self.slots.iter().map(|slot| slot.share).sum::<f32>();
        if total > 0.0 {
            self.slots.iter_mut().for_each(|slot| slot.share /= total);
        }
    }

    /// Change of light and quicker change against the key frames shown, in levels.
    pub fn change(&self) -> (f32, f32) {
        let drawn = self.slots.iter().filter(|slot| slot.share > 0.0);
        drawn.fold((0.0, 0.0), |(light, quick), slot| {
            (light + slot.share * slot.light, quick + slot.share * slot.quick)
        })
    }

    /// Frames since the newest of the key frames shown was taken.
    pub fn age(&self, number: u64) -> Option<u64> {
        let drawn = self.slots.iter().filter(|slot| slot.share > 0.0);
        drawn.map(|slot| slot.key).max().map(|newest| number.saturating_sub(newest))
    }

    /// Writes what the key frames give for this frame, on the grid; nothing where there are none.
    pub fn carry(&self, out: &mut Vec<f32>) {
        out.clear();
        if self.slots.iter().all(|slot| slot.share <= 0.0) {
            return;
        }
        out.resize(3 * GRID * GRID, 0.0);
        for slot in self.slots.iter().filter(|slot| slot.share > 0.0) {
            if let Some(key) = self.keys.iter().find(|key| key.number == slot.key) {
                slot.add_to(key, slot.share, out);
            }
        }
    }

    /// The frame's point that lies at (`x`, `y`) on the grid.
    pub fn place(&self, x: f32, y: f32) -> Point {
        self.map.apply(Point::new(x, y))
    }
}
