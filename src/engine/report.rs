//! What the engine did to one frame.

use std::{sync::Arc, time::Duration};

use super::{
    HybridReport, NetworkFacts,
    geometry::{Point, Rect},
};
use crate::models::{ModelError, Provider};

/// What happened to a tracked face on this frame, when something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaceEvent {
    Found,
    Lost,
    /// The last swap is carried or the region is covered, since the face is not seen.
    Held,
    Recovered,
}

/// One face of a frame.
#[derive(Debug, Clone)]
pub struct FaceReport {
    /// Stable while the track lives; never used again in this engine.
    pub track: u64,
    /// Bounding box of the landmarks in frame pixels.
    pub rect: Rect,
    /// Presence, 0–1.
    pub score: f32,
    /// 468 landmarks in frame pixels; empty when the face is held.
    pub landmarks: Vec<Point>,
    pub swapped: bool,
    pub event: Option<FaceEvent>,
}

/// Wall time of each stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageTimes {
    pub detect: Duration,
    pub landmarks: Duration,
    /// Recognising faces.
    pub identity: Duration,
    pub swap: Duration,
    pub blend: Duration,
    /// Enhancing what was drawn.
    pub enhance: Duration,
}

/// Why a network runs no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub error: ModelError,
    /// What it ran on.
    pub provider: Provider,
}

/// What [`Engine::process`](super::Engine::process) did. Reused from frame to frame.
#[derive(Debug, Default)]
pub struct Report {
    pub faces: Vec<FaceReport>,
    pub times: StageTimes,
    /// Faces swapped afresh on this frame.
    pub swapped: usize,
    /// Faces shown held, blurred or black.
    pub held: usize,
    /// Whether a pixel may differ from the input.
    pub altered: bool,
    /// Boxes that were altered, in frame pixels.
    pub regions: Vec<Rect>,
    /// The network that swapped the faces, and how long its runs took: a part of `times.swap`.
    pub network: Option<Arc<NetworkFacts>>,
    pub network_time: Duration,
    /// Its runs that began with a face of this frame, and the images that went through in them, those
    /// of other frames included.
    pub network_runs: u32,
    pub network_images: u32,
    /// Of the hybrid engine's key frames, where it is at work.
    pub hybrid: Option<HybridReport>,
    /// Why the network swaps no more: the mesh engine does from this frame on.
    pub fault: Option<Fault>,
    /// Why the enhancer runs no more: faces stay as the swap leaves them from this frame on.
    pub enhancer_fault: Option<Fault>,
    /// Faces of earlier frames, kept for their memory.
    spare: Vec<FaceReport>,
}

impl Report {
    /// Empties the report; its memory stays.
    pub(crate) fn clear(&mut self) {
        self.spare.append(&mut self.faces);
        self.regions.clear();
        self.times = StageTimes::default();
        (self.swapped, self.held, self.altered) = (0, 0, false);
        (self.network, self.network_time, self.fault) = (None, Duration::ZERO, None);
        (self.network_runs, self.network_images) = (0, 0);
        self.hybrid = None;
        self.enhancer_fault = None;
    }

    pub(crate) fn push(
        &mut self,
        track: u64,
        rect: Rect,
        score: f32,
        landmarks: impl Iterator<Item = Point>,
        swapped: bool,
        event: Option<FaceEvent>,
    ) {
        let mut points = self.spare.pop().map(|face| face.landmarks).unwrap_or_default();
        points.clear();
        points.extend(landmarks);
        self.faces.push(FaceReport { track, rect, score, landmarks: points, swapped, event });
    }
}
