//! Scene cuts, seen on a coarse thumbnail.

use crate::engine::frame::{Frame, thumbnail};

const WIDTH: usize = 32;
const HEIGHT: usize = 18;
/// Mean absolute change of a cut, and how many times the usual change it must be.
const CHANGE: f32 = 28.0;
const RATIO: f32 = 4.0;

/// Compares each frame with the one before.
#[derive(Debug, Default)]
pub(crate) struct SceneCut {
    last: Option<[[u8; WIDTH]; HEIGHT]>,
    usual: f32,
}

impl SceneCut {
    pub fn reset(&mut self) {
        *self = SceneCut::default();
    }

    /// Whether `frame` starts a new scene.
    pub fn is_cut(&mut self, frame: &Frame<'_>) -> bool {
        let mut now = [[0; WIDTH]; HEIGHT];
        thumbnail(frame, &mut now);
        let Some(last) = self.last.replace(now) else {
            return false;
        };
        let pairs = now.iter().flatten().zip(last.iter().flatten());
        let sum: u32 = pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        let change = sum as f32 / (WIDTH * HEIGHT) as f32;
        let cut = change > CHANGE && change > RATIO * self.usual;
        self.usual += 0.2 * (change.min(CHANGE) - self.usual);
        cut
    }
}
