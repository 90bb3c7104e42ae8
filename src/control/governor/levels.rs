//! What each level gives up.

use crate::{control::platform::Heat, engine::Effort};

/// The levels, from all that `quality` asks for to the least. In the order in which a late frame
/// gives things up: a fresh swap, analysis resolution, searches for new faces, mesh and mask.
///
/// Fresh swap every so many frames; share of the search's resolution; factor on the search's
/// interval; mesh every so many frames; mask every so many fresh swaps; faces a network run takes at
/// most; frames between key frames.
pub const LEVELS: [Effort; 8] = [
    level(1, 1.0, 1, 1, 1, 16, 10),
    level(2, 1.0, 1, 1, 1, 16, 20),
    level(4, 1.0, 1, 1, 1, 16, 30),
    level(4, 0.75, 1, 1, 1, 8, 45),
    level(4, 0.5, 1, 1, 1, 4, 60),
    level(4, 0.5, 3, 1, 2, 4, 60),
    level(6, 0.5, 3, 2, 2, 2, 90),
    level(9, 0.5, 6, 3, 3, 1, 120),
];

const fn level(
    swap_interval: u32,
    resolution: f32,
    detection_interval: u32,
    landmark_interval: u32,
    mask_interval: u32,
    batch: u32,
    key_interval: u32,
) -> Effort {
    Effort {
        swap_interval,
        resolution,
        detection_interval,
        landmark_interval,
        mask_interval,
        batch,
        key_interval,
        late: false,
    }
}

/// The level that heat asks for at least.
pub const fn floor(heat: Heat) -> usize {
    match heat {
        Heat::Nominal => 0,
        Heat::Fair => 1,
        Heat::Serious => 4,
        Heat::Critical => 6,
    }
}
