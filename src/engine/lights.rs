//! What is measured of one track's face, through time: its light, its usual shape, what it wears and
//! what comes before it.

use std::time::Duration;

use super::{
    Frame, Params,
    params::ColourMatch,
    plan::Face,
    swap::mesh::{
        bake::Skin, chroma, grain, lids::Lids, light, occlusion::Occlusion, registration::Registration,
        shape::Usual, topology::VERTICES, worn::Worn,
    },
};

/// Share of the newest value in what changes slowly.
const SLOWLY: f32 = 0.1;
/// Measurements of the light between two looks at what changes slower still.
const LOOKS: u32 = 2;

/// The light on one track's face, through time.
#[derive(Debug)]
pub(super) struct Light {
    pub track: u64,
    /// Whether it was ever measured on this track.
    pub lit: bool,
    scratch: light::Scratch,
    pub gains: Box<light::Gains>,
    pub usual: Usual,
    pub worn: Worn,
    /// How often it was measured on this track.
    times: u32,
    /// How often, and how long, since glasses, sharpness and noise were looked at.
    unseen: (i32, Duration),
    pub occlusion: Occlusion,
    pub lids: Lids,
    pub registration: Registration,
    /// Of the target's picture, smoothed in time.
    pub sharpness: f32,
    pub noise: f32,
    pub coloured: f32,
    /// How likely it is the source's own face, 0–1.
    pub alike: f32,
    values: Vec<f32>,
}

impl Default for Light {
    fn default() -> Self {
        Light {
            track: 0,
            lit: false,
            scratch: light::Scratch::default(),
            gains: Box::new([[0.0; 6]; VERTICES]),
            usual: Usual::default(),
            worn: Worn::default(),
            times: 0,
            unseen: (0, Duration::ZERO),
            occlusion: Occlusion::default(),
            lids: Lids::default(),
            registration: Registration::default(),
            sharpness: 0.0,
            noise: 0.0,
            coloured: 1.0,
            alike: 0.0,
            values: Vec::new(),
        }
    }
}

impl Light {
    /// Measures the light on `face`, that is to fall on `source`.
    pub fn measure(&mut self, frame: &Frame<'_>, face: &Face, source: &Skin, dt: Duration, params: &Params) {
        let fresh = face.fresh || !self.lit;
        let scratch = &mut self.scratch;
        let sharpness = light::of_frame(frame, &face.raw, &mut scratch.target, &mut scratch.seen);
        if self.occlusion.any() {
            for (index, seen) in scratch.seen.iter_mut().enumerate() {
                *seen &= !self.occlusion.hides(index);
            }
        }
        let mut new = [[0.0; 6]; VERTICES];
        let alike = light::gains(source.light(), params.colour_match, scratch, &mut new);
        let slowly = if fresh { 1.0 } else { SLOWLY };
        self.alike += slowly * (alike - self.alike);
        let (target, seen) = (&scratch.target, &scratch.seen);
        self.coloured += slowly * (chroma::colourfulness(target, |i| seen[i]) - self.coloured);
        if params.colour_match != ColourMatch::None {
            chroma::borrow(target, seen, source.coloured * self.coloured, &mut new);
        }
        self.approach(&new, dt, fresh);
        self.unseen = (self.unseen.0 + 1, self.unseen.1 + dt);
        let due = self.times.is_multiple_of(LOOKS * params.effort.mask_interval.max(1));
        if fresh || due && !self.occlusion.any() {
            let (times, dt) = std::mem::take(&mut self.unseen);
            self.worn.observe(frame, &face.raw, dt);
            let slowly = if fresh { 1.0 } else { 1.0 - (1.0 - SLOWLY).powi(times) };
            self.sharpness += slowly * (sharpness - self.sharpness);
            let noise = grain::of_frame(frame, &face.raw, &mut self.values);
            self.noise += slowly * (noise - self.noise);
        }
        self.times = if fresh { 1 } else { self.times.wrapping_add(1) };
        self.lit = true;
    }

    /// Brings the gains towards the newest, with a time constant of 80 ms.
    fn approach(&mut self, new: &light::Gains, dt: Duration, fresh: bool) {
        const TAU: f32 = 0.08;
        let a = if fresh { 1.0 } else { 1.0 - (-dt.as_secs_f32() / TAU).exp() };
        for (old, new) in self.gains.iter_mut().flatten().zip(new.iter().flatten()) {
            *old += a * (new - *old);
        }
    }
}
