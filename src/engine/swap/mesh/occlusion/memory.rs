//! What is remembered of a face, what is compared with it, and how it is learned anew.

use super::{
    Occlusion, PART, REVEALED,
    light::{Light, median},
    sheet::{Sheet, box_sums, extremes, grow, sheet},
};

/// The mesh may be this far out of place, in sheet pixels: across, down, and down around features.
const REACH: usize = 2;
const LIVELY: usize = 4;
/// Distance from skin of what may hang together with a patch by colour alone, and from the patch.
const UNLIKE: f32 = 3.0;
const LIKE: f32 = 1.5;
/// Time constants in seconds: the memory's, and that beneath a mask.
const TAU: f32 = 1.0;
const LEAK: f32 = 12.0;

impl Occlusion {
    /// Finds the memory's extremes around each pixel.
    pub(super) fn survey(&mut self) {
        let s = sheet();
        let [scratch, padded, wide] = &mut self.scratch;
        for k in 0..3 {
            for (least, out) in [(false, &mut self.high[k]), (true, &mut self.low[k])] {
                let far = if least { 1e3 } else { -1e3 };
                for ((to, from), seen) in padded.iter_mut().zip(&self.memory[k]).zip(&self.seen) {
                    *to = if *seen { *from } else { far };
                }
                extremes(padded, (REACH, REACH), least, scratch, out);
                extremes(padded, (REACH, LIVELY), least, scratch, wide);
                for ((to, from), lively) in out.iter_mut().zip(wide.iter()).zip(&s.lively) {
                    *to = if *lively { *from } else { *to };
                }
            }
        }
    }

    /// How much better a face the frame is than the memory, judged by the skin and the other half.
    pub(super) fn compare(&mut self, s: &Sheet, light: &Light) {
        for at in 0..self.better.len() {
            self.better[at] = 0.0;
            if self.fit[at] == 0.0 || self.departure[at] < 0.7 * PART || s.eye[at] {
                continue;
            }
            let (row, column) = (at / s.width, at % s.width);
            let other = row * s.width + s.width - 1 - column;
            let beside = s.place[at][0].abs() > 0.15 && self.seen[other];
            let lit = |at: usize, k: usize| light.put_on(k, self.memory[k][at], self.gain[at]);
            let now: [f32; 3] = std::array::from_fn(|k| self.now[k][at]);
            let was: [f32; 3] = std::array::from_fn(|k| lit(at, k));
            let like = if beside { std::array::from_fn(|k| lit(other, k)) } else { light.skin };
            let off = |c: [f32; 3]| light.distance(c, like) + 0.5 * light.distance(c, light.skin);
            self.better[at] = off(was) - off(now);
        }
        let [scratch, weights, sums] = &mut self.scratch;
        box_sums(&self.fit, 1, scratch, weights);
        box_sums(&self.better, 1, scratch, sums);
        for ((to, sum), weight) in self.better.iter_mut().zip(sums.iter()).zip(weights.iter()) {
            *to = sum / weight.max(2.0);
        }
    }

    /// Takes in what hangs together with what was found, is of its colour, and is far from skin: what
    /// was there from the start.
    pub(super) fn take_alike(&mut self, s: &Sheet, light: &Light) {
        let colour: [Option<f32>; 3] = std::array::from_fn(|k| {
            let found = (0..self.on.len()).step_by(2).filter(|&at| self.on[at]);
            median(found.map(|at| self.now[k][at]), &mut self.scratch[k])
        });
        let [Some(luma), Some(blue), Some(red)] = colour else { return };
        for at in 0..self.part.len() {
            let now: [f32; 3] = std::array::from_fn(|k| self.now[k][at]);
            let alike = light.far(now, light.skin) > UNLIKE && light.far(now, [luma, blue, red]) < LIKE;
            let free = self.fit[at] > 0.0 && !s.dark[at] && self.better[at] <= REVEALED;
            self.part[at] = self.on[at] || alike && free;
        }
        grow(&mut self.on, &self.part);
    }

    /// Remembers the face where nothing is before it.
    pub(super) fn learn(&mut self, light: &Light, dt: f32) {
        let [scratch, values, near] = &mut self.scratch;
        values.iter_mut().zip(&self.on).for_each(|(to, on)| *to = f32::from(u8::from(*on)));
        extremes(values, (2, 2), false, scratch, near);
        let rate = (1.0 - (-dt / TAU).exp()).max(1.0 / (self.looks as f32 + 2.0));
        let leak = 1.0 - (-dt / LEAK).exp();
        for (at, near) in near.iter().enumerate() {
            if self.fit[at] == 0.0 {
                continue;
            }
            let free = *near == 0.0 && self.mask[at] < 0.3;
            let rate = match free {
                true if self.better[at] > REVEALED => 0.35,
                true => rate,
                false => leak,
            };
            for k in 0..3 {
                let plain = light.take_off(k, self.now[k][at], self.gain[at]);
                let off = plain - self.memory[k][at];
                if free {
                    self.usual[k][at] += rate * (off.abs() - self.usual[k][at]);
                }
                // Part of the light is learned too, so that the memory follows what stays.
                let wanted = if free { 0.3 * self.now[k][at] + 0.7 * plain } else { plain };
                self.memory[k][at] += rate * (wanted - self.memory[k][at]);
            }
        }
    }
}
