//! What the user can set, as plain values. Names and ranges are those of the element's properties.

/// Which faces are swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Select {
    /// The largest; it stays chosen until another is 1.3 times larger for half a second.
    #[default]
    Largest,
    All,
    LeftMost,
    RightMost,
    Top,
    Bottom,
    Centre,
    /// The one that is most like the reference among the [`People`](super::People), if it is like enough.
    Reference,
}

/// What is shown where a tracked face is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLost {
    Pass,
    #[default]
    Hold,
    Blur,
    Black,
}

/// Whose mouth interior or eyeballs show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Owner {
    Source,
    #[default]
    Target,
}

/// How the source's colour follows the target's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColourMatch {
    None,
    /// One gain a channel for the whole face.
    Mean,
    /// The mean, and the target's low-frequency light.
    #[default]
    Light,
}

/// Preset of detector resolution and frame rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quality {
    Performance,
    #[default]
    Balanced,
    Quality,
}

impl Quality {
    /// Frames a second to hold where neither the stream nor the user says.
    pub const fn target_fps(self) -> u32 {
        match self {
            Quality::Performance => 60,
            Quality::Balanced => 30,
            Quality::Quality => 24,
        }
    }

    /// Long side of the detector's input in pixels.
    pub const fn detector_long_side(self) -> usize {
        match self {
            Quality::Performance => 320,
            Quality::Balanced => 480,
            Quality::Quality => 640,
        }
    }
}

/// Masks of the neural engine; where several are chosen, the least counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Masks(u8);

impl Masks {
    /// The crop without its blurred edge.
    pub const BOX: Masks = Masks(1);
    /// The face within its oval.
    pub const AREA: Masks = Masks(2);
    /// All but the mouth, which stays the target's.
    pub const MOUTH: Masks = Masks(4);
    /// What nothing lies before, as a network sees it.
    pub const OCCLUSION: Masks = Masks(8);
    /// Skin and features, as a network sees them in the swapped face.
    pub const REGION: Masks = Masks(16);

    pub const fn union(self, other: Masks) -> Masks {
        Masks(self.0 | other.0)
    }

    pub const fn contains(self, other: Masks) -> bool {
        self.0 & other.0 == other.0
    }

    /// None at all.
    pub const fn empty() -> Masks {
        Masks(0)
    }
}

impl Default for Masks {
    fn default() -> Self {
        Masks::BOX.union(Masks::AREA)
    }
}

/// How much work a frame may be. The default is all that the other settings ask for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Frames between two swaps made afresh; on those between, the last is carried along the current
    /// landmarks. For the mesh engine: how often the light is measured. At least 1.
    pub swap_interval: u32,
    /// Share of the detector's long side, 0.25–1.
    pub resolution: f32,
    /// Factor on [`Params::detection_interval`], at least 1.
    pub detection_interval: u32,
    /// Frames between two runs of the landmark network; on those between, mesh and mask go on with
    /// the face's speed. At least 1.
    pub landmark_interval: u32,
    /// Fresh swaps between two looks for what the mask leaves out. At least 1.
    pub mask_interval: u32,
    /// Faces that a run of the swap network takes at most, 1–16.
    pub batch: u32,
    /// Frames between two key frames of a face: at least, or, where the output must be repeatable,
    /// exactly. At least 1; hybrid engine.
    pub key_interval: u32,
    /// The frame is too late for any swap: its faces are treated as [`Params::on_lost`] says.
    pub late: bool,
}

impl Effort {
    pub const FULL: Effort = Effort {
        swap_interval: 1,
        resolution: 1.0,
        detection_interval: 1,
        landmark_interval: 1,
        mask_interval: 1,
        batch: 16,
        key_interval: 10,
        late: false,
    };
}

impl Default for Effort {
    fn default() -> Self {
        Effort::FULL
    }
}

/// Settings that may change between two frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    pub quality: Quality,
    pub effort: Effort,
    pub select: Select,
    /// 1–64.
    pub max_faces: usize,
    /// Detector score, 0–1.
    pub detection_threshold: f32,
    /// Frames between detections for newcomers while a track lives, 1–300.
    pub detection_interval: u32,
    /// 0–1; at 0 the frame is not touched.
    pub opacity: f32,
    /// How far the features move to where the source has them, 0–1; mesh engine.
    pub shape: f32,
    /// Sharpness of the swap beside that of the target: −1 softer – 1 as sharp as the source allows.
    pub sharpness: f32,
    /// One-Euro smoothing of the landmarks, 0 (none) – 1.
    pub smoothing: f32,
    /// Feather of the mask's rim, 0–1 (0.3 = 3 % of the face's width).
    pub mask_blur: f32,
    /// Top, right, bottom, left, in % of the face box, 0–100: how far the mask's edge moves inward.
    pub mask_padding: [f32; 4],
    /// Only people who become somebody of their own are swapped, whatever `select` says.
    pub mapped_only: bool,
    /// 1 − cosine up to which a face is the reference's or a mapped person's, 0–2; 0: as the recognizer's card says.
    pub reference_distance: f32,
    /// Neural: how much of the source's identity shows, 0–1; at 0.5 the network's own measure.
    pub swap_weight: f32,
    /// Of the neural engine.
    pub masks: Masks,
    /// Neural: side of the crop in pixels, rounded down to a multiple of the network's; less is
    /// the network's own.
    pub pixel_boost: usize,
    /// Frames between two runs of the enhancer on a face, 1–300; at 1 every frame waits for it.
    pub enhancer_interval: u32,
    pub mouth: Owner,
    pub eyes: Owner,
    pub colour_match: ColourMatch,
    pub on_lost: OnLost,
    /// Draw the synthetic-media label on frames whose pixels were changed.
    pub label: bool,
    /// Take results of background detection at a fixed frame distance, waiting if need be.
    pub deterministic: bool,
}

impl Params {
    /// Long side of the detector's input in pixels, a multiple of 32.
    pub(crate) fn long_side(&self) -> usize {
        let side = self.quality.detector_long_side() as f32 * self.effort.resolution.clamp(0.25, 1.0);
        (side / 32.0).round() as usize * 32
    }

    /// Frames between two searches for newcomers.
    pub(crate) fn search_interval(&self) -> u64 {
        u64::from(self.detection_interval) * u64::from(self.effort.detection_interval.max(1))
    }
}

impl Default for Params {
    fn default() -> Self {
        Params {
            quality: Quality::default(),
            effort: Effort::FULL,
            select: Select::default(),
            max_faces: 8,
            detection_threshold: 0.5,
            detection_interval: 10,
            opacity: 1.0,
            shape: 0.5,
            sharpness: 0.0,
            smoothing: 0.5,
            mask_blur: 0.3,
            mask_padding: [0.0; 4],
            mapped_only: false,
            reference_distance: 0.0,
            swap_weight: 0.5,
            masks: Masks::default(),
            pixel_boost: 0,
            enhancer_interval: 1,
            mouth: Owner::Target,
            eyes: Owner::Target,
            colour_match: ColourMatch::Light,
            on_lost: OnLost::Hold,
            label: false,
            deterministic: true,
        }
    }
}
