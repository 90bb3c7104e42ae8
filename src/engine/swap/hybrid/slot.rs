//! One key frame laid onto the current frame.

use wide::f32x4;

use super::{
    cells::{Cells, Outline},
    key::KeyFrame,
    register::Registrar,
    small::{CELLS, GRID, Small, at},
};

/// Standard deviations in grid pixels: of the slow change, which is light, and of the window over
/// which quicker change is judged.
const SLOW: f32 = 2.9;
const WINDOW: f32 = 2.0;
/// Share of the quicker change that is taken over: from the first number, where it is noise, up by
/// the second, where it is expression or what lies before the face.
const TAKEN: (f32, f32) = (0.3, 0.5);
/// Quicker change, in levels, from which more is taken, and over which the share grows.
const GROWS: (f32, f32) = (6.0, 12.0);

/// Where on the key frame each grid pixel is, and what is added to its colour.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// The key frame's number; meaningless where `share` is 0.
    pub key: u64,
    pub share: f32,
    /// Positions in crop pixels of the key frame; colour to be added.
    pub field: Vec<[f32x4; 2]>,
    /// The network's mask on the grid.
    pub mask: Vec<f32>,
    /// Change of light and quicker change in levels, within the mask: means.
    pub light: f32,
    pub quick: f32,
    /// Correlation of both pictures within the mask, −1–1.
    pub likeness: f32,
    u: Vec<f32>,
    v: Vec<f32>,
    change: [Vec<f32>; 3],
    slow: [Vec<f32>; 3],
    energy: Vec<f32>,
    registrar: Registrar,
}

impl Slot {
    /// Lays `key` onto the face `now`, whose camera's picture is `camera`.
    pub fn lay(&mut self, key: &KeyFrame, cells: &Cells, now: &Outline, camera: &Small) {
        self.key = key.number;
        cells.map(&key.outline, now, &mut self.u, &mut self.v);
        self.registrar.refine(camera, &key.camera, &mut self.u, &mut self.v);
        self.mask.clear();
        self.mask.extend((0..CELLS).map(|i| at(&key.mask, self.u[i], self.v[i])));
        for (k, change) in self.change.iter_mut().enumerate() {
            let (new, old) = (camera.plane(k), key.camera.plane(k));
            change.clear();
            change.extend((0..CELLS).map(|i| new[i] - at(old, self.u[i], self.v[i])));
            self.slow[k].clear();
            self.slow[k].extend_from_slice(change);
            self.registrar.blur.apply(&mut self.slow[k], SLOW);
        }
        self.likeness = self.correlation(camera, key);
        self.mix(key.patch.side as f32 / GRID as f32);
    }

    /// Writes the field.
    fn mix(&mut self, scale: f32) {
        self.energy.clear();
        let [red, green, blue] = [0, 1, 2].map(|k| (&self.change[k], &self.slow[k]));
        self.energy.extend((0..CELLS).map(|i| {
            let luma = 0.299 * (red.0[i] - red.1[i])
                + 0.587 * (green.0[i] - green.1[i])
                + 0.114 * (blue.0[i] - blue.1[i]);
            luma * luma
        }));
        self.registrar.blur.apply(&mut self.energy, WINDOW);
        self.field.resize(CELLS, [f32x4::ZERO; 2]);
        let (mut light, mut quick, mut total) = (0.0, 0.0, 1e-6);
        for i in 0..CELLS {
            let energy = self.energy[i].max(0.0).sqrt();
            let share = TAKEN.0 + TAKEN.1 * ((energy - GROWS.0) / GROWS.1).clamp(0.0, 1.0);
            let add: [f32; 3] = std::array::from_fn(|k| {
                let slow = self.slow[k][i];
                slow + share * (self.change[k][i] - slow)
            });
            let mask = self.mask[i];
            light += mask * self.slow[1][i].abs();
            quick += mask * energy;
            total += mask;
            self.field[i] = [
                f32x4::new([self.u[i] * scale, self.v[i] * scale, 0.0, 0.0]),
                f32x4::new([add[0], add[1], add[2], 0.0]),
            ];
        }
        (self.light, self.quick) = (light / total, quick / total);
    }

    /// What the network's picture becomes here, on the grid: adds `share` times it to `out`.
    pub fn add_to(&self, key: &KeyFrame, share: f32, out: &mut [f32]) {
        for i in 0..CELLS {
            let add = self.field[i][1].to_array();
            for k in 0..3 {
                let from = &key.fresh[k * CELLS..(k + 1) * CELLS];
                out[k * CELLS + i] += share * (at(from, self.u[i], self.v[i]) + add[k]);
            }
        }
    }

    fn correlation(&self, camera: &Small, key: &KeyFrame) -> f32 {
        let (mut n, mut a, mut b, mut aa, mut bb, mut ab) = (1e-6f64, 0.0, 0.0, 0.0, 0.0, 0.0);
        for i in (0..CELLS).filter(|&i| self.mask[i] > 0.5) {
            let x = f64::from(camera.luma[i]);
            let y = f64::from(at(&key.camera.luma, self.u[i], self.v[i]));
            n += 1.0;
            a += x;
            b += y;
            aa += x * x;
            bb += y * y;
            ab += x * y;
        }
        let (va, vb) = (aa / n - (a / n).powi(2), bb / n - (b / n).powi(2));
        ((ab / n - a / n * b / n) / (va * vb).max(1e-6).sqrt()) as f32
    }
}
