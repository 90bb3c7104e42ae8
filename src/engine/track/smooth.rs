//! One-Euro smoothing of a mesh (Casiez, Roussel, Vogel 2012), on pose and shape apart.
//!
//! The pose is the similarity that fits the canonical face; the shape is what remains, in face
//! widths. Jitter of the whole face and of single points have different speeds to hide behind. Where the pictures
//! tell how the face moved (`motion`), the pose goes along before it is smoothed, so that it does not trail.

use crate::engine::{
    geometry::{Point, Similarity},
    swap::mesh::topology::{Mesh, VERTICES, topology},
};

/// Cut-off of the derivative's own low-pass, Hz.
const DERIVATIVE: f32 = 1.0;

struct Tuning {
    /// Cut-off at rest, Hz.
    rest: f32,
    /// Hz of cut-off a unit of speed (face widths a second).
    speed: f32,
}

const POSE: Tuning = Tuning { rest: 1.6, speed: 18.0 };
/// Of the pose where its motion is known: only what the landmarks say beside it is left to follow.
const MOVED: Tuning = Tuning { rest: 0.5, speed: 10.0 };
const SHAPE: Tuning = Tuning { rest: 0.8, speed: 15.0 };

fn alpha(cutoff: f32, dt: f32) -> f32 {
    let tau = 1.0 / (std::f32::consts::TAU * cutoff);
    1.0 / (1.0 + tau / dt)
}

/// State of the filter for one face.
#[derive(Debug)]
pub(crate) struct Smoother {
    started: bool,
    /// x, y in face widths of the moment, log scale, angle.
    pose: [f32; 4],
    pose_rate: [f32; 4],
    shape: Box<Mesh>,
    shape_rate: Box<[f32; VERTICES]>,
}

impl Default for Smoother {
    fn default() -> Self {
        Smoother {
            started: false,
            pose: [0.0; 4],
            pose_rate: [0.0; 4],
            shape: Box::new([[0.0; 3]; VERTICES]),
            shape_rate: Box::new([0.0; VERTICES]),
        }
    }
}

/// What brings the canonical face to `mesh`, by the vertices that do not speak.
pub(crate) fn fit(mesh: &Mesh) -> Option<Similarity> {
    let canonical = &topology().canonical;
    let rigid = (0..VERTICES).filter(|&v| canonical[v][1] < 0.2);
    Similarity::fit(rigid.map(|v| {
        let (c, p) = (canonical[v], mesh[v]);
        (Point::new(c[0], c[1]), Point::new(p[0], p[1]))
    }))
}

impl Smoother {
    /// Starts anew with the next mesh.
    pub fn reset(&mut self) {
        self.started = false;
    }

    /// Filters `raw` (frame pixels), which `fit` brings the canonical face to, into `out`. `moved`: how the picture
    /// says that the face moved, if it does. `dt` is the time since the last mesh in seconds; `strength` 0 copies, 1
    /// smooths twice as much as 0.5.
    pub fn apply(
        &mut self,
        raw: &Mesh,
        fit: Option<Similarity>,
        moved: Option<Similarity>,
        dt: f32,
        strength: f32,
        out: &mut Mesh,
    ) {
        *out = *raw;
        let fit = fit.filter(|f| strength > 0.0 && f.scale() > 1e-3);
        let Some((fit, back)) = fit.and_then(|fit| Some((fit, fit.inverse()?))) else {
            self.started = false;
            return;
        };
        let relax = 0.5 / strength;
        let scale = fit.scale();
        let mut pose = [fit.tx, fit.ty, scale.ln(), fit.b.atan2(fit.a)];
        let dt = dt.clamp(1e-3, 0.25);
        let fresh = !self.started;
        if fresh {
            (self.pose, self.pose_rate) = (pose, [0.0; 4]);
            self.shape_rate.fill(0.0);
            self.started = true;
        }
        let tuning = match moved.filter(|_| !fresh) {
            Some(moved) => {
                let to = moved.apply(Point::new(self.pose[0], self.pose[1]));
                (self.pose[0], self.pose[1]) = (to.x, to.y);
                self.pose[2] += moved.scale().ln();
                self.pose[3] += moved.b.atan2(moved.a);
                MOVED
            }
            None => POSE,
        };
        let turn = pose[3] - self.pose[3];
        pose[3] -= (turn / std::f32::consts::TAU).round() * std::f32::consts::TAU;
        let unit = [1.0 / scale, 1.0 / scale, 1.0, 1.0];
        let mut speed = 0.0f32;
        for (k, old_rate) in self.pose_rate.iter_mut().enumerate() {
            let rate = (pose[k] - self.pose[k]) * unit[k] / dt;
            *old_rate += alpha(DERIVATIVE, dt) * (rate - *old_rate);
            speed = speed.max(old_rate.abs());
        }
        let a = alpha(relax * (tuning.rest + tuning.speed * speed), dt);
        for (old, new) in self.pose.iter_mut().zip(pose) {
            *old += a * (new - *old);
        }
        // The shape is measured in the raw pose and drawn in the smoothed one.
        let (sin, cos) = self.pose[3].sin_cos();
        let s = self.pose[2].exp();
        let derivative = alpha(DERIVATIVE, dt);
        for v in 0..VERTICES {
            let flat = back.apply(Point::new(raw[v][0], raw[v][1]));
            let local = [flat.x, flat.y, raw[v][2] / scale];
            let old = if fresh { local } else { self.shape[v] };
            let rate = (local[0] - old[0]).hypot(local[1] - old[1]) / dt;
            self.shape_rate[v] += derivative * (rate - self.shape_rate[v]);
            let a = alpha(relax * (SHAPE.rest + SHAPE.speed * self.shape_rate[v]), dt);
            let new: [f32; 3] = std::array::from_fn(|k| old[k] + a * (local[k] - old[k]));
            self.shape[v] = new;
            out[v] = [
                s * (cos * new[0] - sin * new[1]) + self.pose[0],
                s * (sin * new[0] + cos * new[1]) + self.pose[1],
                s * new[2],
            ];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(x: f32, y: f32, scale: f32) -> Box<Mesh> {
        let mut mesh = topology().canonical.clone();
        for p in mesh.iter_mut() {
            *p = [x + scale * p[0], y + scale * p[1], scale * p[2]];
        }
        mesh
    }

    fn deviation(a: &Mesh, b: &Mesh) -> f32 {
        a.iter().zip(b).map(|(p, q)| (p[0] - q[0]).hypot(p[1] - q[1])).sum::<f32>() / VERTICES as f32
    }

    /// A cheap, repeatable noise in −1–1.
    fn noise(seed: &mut u32) -> f32 {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*seed >> 8) as f32 / 8_388_608.0 - 1.0
    }

    #[test]
    fn a_still_face_keeps_its_place_and_loses_its_jitter() {
        let (mut smoother, mut seed) = (Smoother::default(), 1);
        let truth = placed(300.0, 200.0, 150.0);
        let mut out = truth.clone();
        let (mut before, mut after) = (0.0, 0.0);
        for frame in 0..120 {
            let mut raw = truth.clone();
            let shift = (0.8 * noise(&mut seed), 0.8 * noise(&mut seed));
            for p in raw.iter_mut() {
                p[0] += shift.0 + 0.5 * noise(&mut seed);
                p[1] += shift.1 + 0.5 * noise(&mut seed);
            }
            smoother.apply(&raw, fit(&raw), None, 1.0 / 30.0, 0.5, &mut out);
            if frame > 20 {
                before += deviation(&raw, &truth);
                after += deviation(&out, &truth);
            }
        }
        assert!(after < 0.6 * before, "{after} {before}");
    }

    #[test]
    fn a_moving_face_is_followed_within_a_few_percent() {
        let mut smoother = Smoother::default();
        let mut out = placed(0.0, 0.0, 1.0);
        for frame in 0..60 {
            let raw = placed(100.0 + 12.0 * frame as f32, 200.0, 150.0);
            smoother.apply(&raw, fit(&raw), None, 1.0 / 30.0, 0.5, &mut out);
            assert!(deviation(&raw, &out) < 0.04 * 150.0, "frame {frame}: {}", deviation(&raw, &out));
        }
    }

    #[test]
    fn zero_strength_copies() {
        let (mut smoother, raw) = (Smoother::default(), placed(10.0, 20.0, 50.0));
        let mut out = placed(0.0, 0.0, 1.0);
        smoother.apply(&raw, fit(&raw), None, 0.03, 0.0, &mut out);
        assert_eq!(out, raw);
    }
}
