//! What comes before the target's face – a hand, a microphone, swinging hair: there the frame's own
//! pixels show.
//!
//! The look of each track's own face is remembered on a small flat sheet, without the light of the
//! moment. Where the frame departs from it by more than expression, shade and a mesh a little out of
//! place explain, over a coherent patch, something else is seen. What shows instead of it later and
//! is more like skin and like the other half of the face was the face all along, and is learned.

mod light;
mod memory;
mod sheet;

use std::time::Duration;

use light::Light;
use sheet::{box_sums, extremes, gather, grow, sheet};

use super::{
    erase::erase,
    raster::Band,
    rim,
    texture::Level,
    topology::{Mesh, VERTICES, topology},
};
use crate::engine::{
    frame::{Frame, settle, with_reader},
    geometry::smoothstep,
};

/// How squarely skin faces the camera to be looked at, and to tell of something before it.
const LOOKED_AT: f32 = 0.2;
const TELLING: f32 = 0.45;
/// Departures, in levels on skin of medium exposure, that count as one: luma, and chroma.
const LUMA: f32 = 14.0;
const CHROMA: f32 = 4.0;
/// Factor on that for what is darker: shade moves over a face.
const SHADE: f32 = 1.6;
/// What a place's luma or chroma usually departs by is allowed this many times over.
const USUAL: f32 = 1.5;
/// Mean departure of a patch that tells of something before the face, and of its pixels.
const SEED: f32 = 1.6;
const PART: f32 = 1.0;
/// How much more like a face than the memory a look must be to take its place.
const REVEALED: f32 = 1.0;
/// Time and looks after which the memory of a face is fit for use.
const WARM: (f32, u32) = (0.25, 8);
/// Time constants of the mask's rise and fall in seconds.
const RISE: f32 = 0.02;
const FALL: f32 = 0.04;
/// Frames further apart than this, in seconds, are all looked at.
const CALM: f32 = 0.05;
/// Looks between two surveys of the memory's neighbourhoods.
const SURVEY: u32 = 4;

/// What comes before one track's face.
#[derive(Debug)]
pub(crate) struct Occlusion {
    looks: u32,
    /// Seconds looked at the face.
    watched: f32,
    /// Seconds since the last look, where that saw nothing and the frame after it was left out.
    rested: Option<f32>,
    normals: Box<[[f32; 3]; VERTICES]>,
    /// Y, Cb, Cr now, smoothed; the memory; its usual departures; and its extremes nearby.
    now: [Vec<f32>; 3],
    memory: [Vec<f32>; 3],
    usual: [Vec<f32>; 3],
    high: [Vec<f32>; 3],
    low: [Vec<f32>; 3],
    /// Of the light now, at each pixel: the gain on luma.
    gain: Vec<f32>,
    facing: Vec<f32>,
    seen: Vec<bool>,
    /// 1 where the frame and the memory can be compared.
    fit: Vec<f32>,
    departure: Vec<f32>,
    patch: Vec<f32>,
    /// How much better a face than the memory the frame is.
    better: Vec<f32>,
    part: Vec<bool>,
    on: Vec<bool>,
    /// How much of the frame's own pixels shows, 0–1.
    mask: Vec<f32>,
    scratch: [Vec<f32>; 3],
    keep: Level,
    any: bool,
}

impl Default for Occlusion {
    fn default() -> Self {
        let planes = || std::array::from_fn(|_| Vec::new());
        Occlusion {
            looks: 0,
            watched: 0.0,
            rested: None,
            normals: Box::new([[0.0; 3]; VERTICES]),
            now: planes(),
            memory: planes(),
            usual: planes(),
            high: planes(),
            low: planes(),
            gain: Vec::new(),
            facing: Vec::new(),
            seen: Vec::new(),
            fit: Vec::new(),
            departure: Vec::new(),
            patch: Vec::new(),
            better: Vec::new(),
            part: Vec::new(),
            on: Vec::new(),
            mask: Vec::new(),
            scratch: planes(),
            keep: Level { width: 0, height: 0, data: Vec::new(), scale: (1.0, 1.0) },
            any: false,
        }
    }
}

/// Builds the tables now instead of on the first frame.
pub(crate) fn prepare() {
    sheet();
}

impl Occlusion {
    /// Another face: nothing was seen of it.
    pub fn forget(&mut self) {
        (self.looks, self.watched, self.rested, self.any) = (0, 0.0, None, false);
    }

    /// Whether something may be before the face at all.
    pub fn any(&self) -> bool {
        self.any
    }

    /// Whether a triangle of the skin is hidden.
    pub fn hides(&self, index: usize) -> bool {
        self.any && self.mask[sheet().middle[index]] > 0.3
    }

    /// Looks at the face whose mesh is `mesh` (frame pixels), `dt` after the frame before. Of a face with
    /// nothing before it every other frame is enough.
    pub fn observe(&mut self, frame: &Frame<'_>, mesh: &Mesh, dt: Duration) {
        let s = sheet();
        let mut dt = dt.as_secs_f32().min(0.5);
        let ready = self.watched >= WARM.0 && self.looks >= WARM.1;
        match self.rested.take() {
            Some(rested) => dt += rested,
            None if ready && !self.any && dt < CALM => {
                self.rested = Some(dt);
                return;
            }
            None => {}
        }
        if self.looks == 0 {
            self.start(s.width * s.height);
        }
        rim::facing(mesh, &mut self.normals);
        let size = (frame.width(), frame.height());
        with_reader!(frame, r => gather(&r, size, mesh, &self.normals, &mut self.now, &mut self.facing));
        self.smooth();
        for at in 0..self.facing.len() {
            let looked_at = self.facing[at] > LOOKED_AT;
            self.fit[at] = f32::from(u8::from(looked_at));
            if looked_at && !self.seen[at] {
                self.seen[at] = true;
                (0..3).for_each(|k| self.memory[k][at] = self.now[k][at]);
            }
        }
        let light = self.fit_light();
        if self.looks.is_multiple_of(SURVEY) {
            self.survey();
        }
        self.depart(&light);
        if ready {
            self.mark(&light);
        } else {
            self.on.fill(false);
        }
        self.follow(dt);
        self.learn(&light, dt);
        self.looks = self.looks.saturating_add(1);
        self.watched += dt;
    }

    fn start(&mut self, count: usize) {
        let planes = [&mut self.now, &mut self.memory, &mut self.usual, &mut self.high, &mut self.low];
        let planes = planes.into_iter().flatten().chain(&mut self.scratch);
        let single = [&mut self.gain, &mut self.facing, &mut self.fit, &mut self.departure];
        let single = single.into_iter().chain([&mut self.patch, &mut self.better, &mut self.mask]);
        for plane in planes.chain(single) {
            plane.clear();
            plane.resize(count, 0.0);
        }
        for flags in [&mut self.seen, &mut self.part, &mut self.on] {
            flags.clear();
            flags.resize(count, false);
        }
    }

    /// Takes the mean of each pixel and its neighbours on the skin.
    fn smooth(&mut self) {
        let [scratch, weights, sums] = &mut self.scratch;
        box_sums(&sheet().skin, 1, scratch, weights);
        for plane in &mut self.now {
            box_sums(plane, 1, scratch, sums);
            for ((to, sum), weight) in plane.iter_mut().zip(sums.iter()).zip(weights.iter()) {
                *to = sum / weight.max(1.0);
            }
            // Nothing must leak in from what is no skin.
            plane.iter_mut().zip(&sheet().skin).for_each(|(to, skin)| *to *= skin);
        }
    }

    fn fit_light(&mut self) -> Light {
        let s = sheet();
        let free = |at: usize| self.fit[at] > 0.0 && self.mask[at] < 0.2 && !s.rim[at] && s.skin[at] > 0.0;
        let [logs, sorted, _] = &mut self.scratch;
        let light = Light::fit(&self.now, &self.memory, &s.place, &free, [logs, sorted]);
        for (gain, place) in self.gain.iter_mut().zip(&s.place) {
            *gain = light.gain(*place);
        }
        light
    }

    /// How far each pixel departs from all that the memory has nearby.
    fn depart(&mut self, light: &Light) {
        for at in 0..self.fit.len() {
            self.departure[at] = 0.0;
            if self.fit[at] == 0.0 {
                continue;
            }
            let mut square = 0.0;
            for k in 0..3 {
                let lit = |v: f32| light.put_on(k, v, self.gain[at]);
                let now = self.now[k][at];
                let above = now - lit(self.high[k][at]);
                let below = lit(self.low[k][at]) - now;
                let scale = match k {
                    0 if below > above => SHADE * LUMA,
                    0 => LUMA,
                    _ => CHROMA,
                };
                let scale = scale * light.bright + USUAL * self.usual[k][at];
                square += (above.max(below).max(0.0) / scale).powi(2);
            }
            self.departure[at] = square.sqrt();
        }
        let [scratch, weights, sums] = &mut self.scratch;
        box_sums(&self.fit, 2, scratch, weights);
        for (to, from) in self.patch.iter_mut().zip(&self.departure) {
            *to = from.min(4.0);
        }
        box_sums(&self.patch, 2, scratch, sums);
        for ((to, sum), weight) in self.patch.iter_mut().zip(sums.iter()).zip(weights.iter()) {
            *to = sum / weight.max(10.0);
        }
        box_sums(&self.fit, 1, scratch, weights);
        box_sums(&self.departure, 1, scratch, sums);
        for ((to, sum), weight) in self.departure.iter_mut().zip(sums.iter()).zip(weights.iter()) {
            *to = sum / weight.max(2.0);
        }
    }

    /// Finds the pixels of what is before the face.
    fn mark(&mut self, light: &Light) {
        let s = sheet();
        self.compare(s, light);
        for at in 0..self.on.len() {
            let fit = self.fit[at] > 0.0;
            let revealed = self.better[at] > REVEALED;
            self.part[at] = fit && !revealed && self.departure[at] > PART;
            let telling = self.facing[at] > TELLING && !s.rim[at] && !s.eye[at];
            self.on[at] = self.part[at] && telling && self.patch[at] > SEED;
        }
        grow(&mut self.on, &self.part);
        self.take_alike(s, light);
    }

    /// Brings the mask towards what was found.
    fn follow(&mut self, dt: f32) {
        let s = sheet();
        if self.on.contains(&true) {
            let [scratch, values, sums] = &mut self.scratch;
            values.iter_mut().zip(&self.on).for_each(|(to, on)| *to = f32::from(u8::from(*on)));
            // Closes small gaps.
            extremes(values, (1, 1), false, scratch, sums);
            extremes(sums, (1, 1), true, scratch, values);
            values.iter_mut().zip(&self.fit).for_each(|(to, fit)| *to *= fit);
            box_sums(values, 1, scratch, sums);
            box_sums(&self.fit, 1, scratch, values);
            for (to, weight) in sums.iter_mut().zip(values.iter()) {
                *to = smoothstep(0.1, 0.8, *to / weight.max(1.0));
            }
        } else {
            self.scratch[2].fill(0.0);
        }
        let (rise, fall) = (1.0 - (-dt / RISE).exp(), 1.0 - (-dt / FALL).exp());
        let mut most = 0.0f32;
        for (mask, wanted) in self.mask.iter_mut().zip(&self.scratch[2]) {
            *mask += if wanted > mask { rise } else { fall } * (wanted - *mask);
            most = most.max(*mask);
        }
        self.any = most > 0.02;
        if !self.any {
            self.mask.fill(0.0);
            return;
        }
        let keep = &mut self.keep;
        (keep.width, keep.height) = (s.width, s.height);
        keep.data.clear();
        settle(&mut keep.data, (s.width + 1) * (s.height + 1));
        for y in 0..=s.height {
            let row = &self.mask[y.min(s.height - 1) * s.width..][..s.width];
            keep.data.extend(row.iter().map(|v| (255.0 * v + 0.5) as u32));
            keep.data.push((255.0 * row[s.width - 1]) as u32);
        }
    }

    /// Takes what was drawn on something before the face away again. `mesh`: where the target's face
    /// is, in frame pixels; `corner` of the layer there.
    pub fn erase(&self, band: &mut Band<'_>, mesh: &Mesh, corner: (usize, usize)) {
        if self.any {
            let triangles = 0..topology().triangles.len();
            erase(band, &self.keep, mesh, &sheet().uv[..], triangles, corner);
        }
    }
}

#[cfg(test)]
mod tests;
