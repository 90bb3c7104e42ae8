//! One key frame: a face as the network swapped it, with what it was made of.

use std::time::Duration;

use super::{
    cells::{ALL, Outline},
    small::{CELLS, GRID, Small},
};
use crate::engine::{
    geometry::Similarity,
    params::Params,
    swap::{
        mesh::topology::{Mesh, VERTICES, topology},
        neural::Patch,
    },
};

/// A face of one frame, swapped. Kept for its memory.
#[derive(Debug)]
pub(super) struct KeyFrame {
    pub track: u64,
    /// Of the source it shows, and of the scene it was taken in.
    pub source: u64,
    pub scene: u64,
    /// The frame it was taken from; unique in a track.
    pub number: u64,
    /// The face in grid pixels.
    pub outline: Box<Outline>,
    /// The camera's picture.
    pub camera: Small,
    pub brightness: f32,
    /// The network's picture with its mask, and both on the grid.
    pub patch: Patch,
    pub fresh: Vec<f32>,
    pub mask: Vec<f32>,
    /// Of what is drawn, 0–1; the shares of a track's key frames come to 1.
    pub share: f32,
}

impl Default for KeyFrame {
    fn default() -> Self {
        KeyFrame {
            track: 0,
            source: 0,
            scene: 0,
            number: 0,
            outline: Box::new([[0.0; 2]; ALL]),
            camera: Small::default(),
            brightness: 0.0,
            patch: Patch::default(),
            fresh: Vec::new(),
            mask: Vec::new(),
            share: 0.0,
        }
    }
}

/// Weight of each vertex when two faces are compared: lips and lids tell expression.
fn weight(v: usize) -> f32 {
    const SPEAKING: f32 = 4.0;
    let t = topology();
    let speaks = |set: &[u16]| set.contains(&(v as u16));
    let speaking =
        [&t.lips_inner, &t.lips_outer, &t.left_eye, &t.right_eye].into_iter().any(|set| speaks(set));
    if speaking { SPEAKING } else { 1.0 }
}

static WEIGHTS: std::sync::LazyLock<[f32; VERTICES]> =
    std::sync::LazyLock::new(|| std::array::from_fn(weight));

impl KeyFrame {
    /// How far another face in its crop is from this one, in pose and expression: weighted root mean
    /// square of the vertices' distances, grid pixels.
    pub fn distance(&self, other: &Outline) -> f32 {
        let (mut sum, mut total) = (0.0, 0.0);
        for ((a, b), w) in self.outline.iter().zip(other).zip(WEIGHTS.iter()) {
            sum += w * ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2));
            total += w;
        }
        (sum / total).sqrt()
    }

    /// Brings colours and mask of the finished patch onto the grid.
    fn reduce(&mut self) {
        self.fresh.resize(3 * CELLS, 0.0);
        self.mask.resize(CELLS, 0.0);
        let step = self.patch.side as f32 / GRID as f32;
        let taps = (step.round() as usize).clamp(1, 4);
        let share = 1.0 / (taps * taps) as f32;
        for cell in 0..CELLS {
            let mut sum = wide::f32x4::ZERO;
            for tap in 0..taps * taps {
                let place = |i: usize, t: usize| step * (i as f32 + (t as f32 + 0.5) / taps as f32);
                sum += self.patch.sample(place(cell % GRID, tap % taps), place(cell / GRID, tap / taps));
            }
            let [red, green, blue, mask] = (sum * share).to_array();
            for (k, v) in [red, green, blue].into_iter().enumerate() {
                self.fresh[k * CELLS + cell] = v;
            }
            self.mask[cell] = mask;
        }
    }

    /// PSNR in dB of what was `carried` to this frame instead, within the mask.
    fn error_of(&self, carried: &[f32]) -> Option<f32> {
        let (mut sum, mut count) = (0.0f64, 0u32);
        for cell in (0..CELLS).filter(|&cell| self.mask[cell] > 0.5) {
            for k in 0..3 {
                sum += f64::from((carried[k * CELLS + cell] - self.fresh[k * CELLS + cell]).powi(2));
            }
            count += 3;
        }
        let mean = sum / f64::from(count.max(1));
        (count > 0 && mean.is_finite()).then(|| (10.0 * (255.0f64 * 255.0 / mean.max(1e-3)).log10()) as f32)
    }
}

/// A key frame to be made, and all that the network needs for it.
#[derive(Debug)]
pub(super) struct Request {
    pub key: Box<KeyFrame>,
    pub time: Duration,
    /// Crop pixels to the frame, the face in it, and how the mask is wanted.
    pub map: Similarity,
    pub side: usize,
    pub mesh: Box<Mesh>,
    pub params: Params,
    /// The crop, R, G, B planes, 0–255; then the swapped one.
    pub pixels: Vec<f32>,
    pub swapped: Vec<f32>,
    /// The crop as the masks' networks look at it; empty where none is wanted.
    pub seen: Vec<f32>,
    /// Of the source.
    pub identity: Vec<f32>,
    /// What earlier key frames gave for this frame, on the grid; empty where there were none.
    pub carried: Vec<f32>,
    /// How near that came to what the network gave, dB; once it is made.
    pub error: Option<f32>,
    /// Where the swap shows that an enhancer goes over, 0–1, in crop pixels; empty: everywhere.
    pub limit: Vec<f32>,
    /// Time that the network took.
    pub spent: Duration,
}

impl Default for Request {
    fn default() -> Self {
        Request {
            key: Box::default(),
            time: Duration::ZERO,
            map: Similarity::IDENTITY,
            side: 0,
            mesh: Box::new([[0.0; 3]; VERTICES]),
            params: Params::default(),
            pixels: Vec::new(),
            swapped: Vec::new(),
            seen: Vec::new(),
            identity: Vec::new(),
            carried: Vec::new(),
            error: None,
            limit: Vec::new(),
            spent: Duration::ZERO,
        }
    }
}

impl Request {
    /// Makes the key frame's patch of the swapped crop; false where that holds what is no number.
    pub fn unpack(&mut self) -> bool {
        if self.swapped.len() != 3 * self.side * self.side || !self.swapped.iter().sum::<f32>().is_finite() {
            return false;
        }
        let patch = &mut self.key.patch;
        patch.fit(self.side);
        let area = self.side * self.side;
        for at in 0..area {
            let texel = patch.texel(at % self.side, at / self.side);
            for (k, value) in texel.iter_mut().enumerate().take(3) {
                *value = self.swapped[k * area + at].clamp(0.0, 255.0);
            }
        }
        true
    }

    /// Finishes the key frame with its mask.
    pub fn finish(&mut self, mask: &[f32]) {
        self.key.patch.finish(mask);
        self.key.reduce();
        self.error = if self.carried.is_empty() { None } else { self.key.error_of(&self.carried) };
    }
}
