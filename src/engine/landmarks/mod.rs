//! The 468-point face mesh of a crop of the frame.

use std::sync::Mutex;

use super::{
    frame::{self, CropScratch, Frame},
    geometry::{Point, Rect, Similarity},
    swap::mesh::topology::{Mesh, VERTICES},
    track::Patch,
};
use crate::{
    models::{Model, ModelError, Session, small::Small},
    sync::lock,
};

/// Pixels a side of the network's input.
const SIZE: usize = 192;
/// Side of the crop over the longer side of the face.
const MARGIN: f32 = 1.5;
const EYES: ([usize; 2], [usize; 2]) = ([33, 133], [362, 263]);

/// Where to look: a square of the frame, turned so that the eyes are level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CropBox {
    pub centre: Point,
    pub side: f32,
    /// Radians, clockwise on screen.
    pub angle: f32,
}

impl CropBox {
    /// The crop for a detector's box and eye points.
    pub fn of_detection(rect: Rect, left_eye: Point, right_eye: Point) -> Self {
        let angle = (right_eye.y - left_eye.y).atan2(right_eye.x - left_eye.x);
        CropBox { centre: rect.centre(), side: MARGIN * rect.width.max(rect.height), angle }
    }

    /// The crop for the next frame from this frame's mesh.
    pub fn of_mesh(mesh: &Mesh) -> Self {
        let eye = |pair: [usize; 2]| {
            let [a, b] = pair.map(|v| Point::new(mesh[v][0], mesh[v][1]));
            a.midpoint(b)
        };
        let (right, left) = (eye(EYES.0), eye(EYES.1));
        let angle = (left.y - right.y).atan2(left.x - right.x);
        let (sin, cos) = angle.sin_cos();
        let level =
            Rect::around(mesh.iter().map(|p| Point::new(cos * p[0] + sin * p[1], cos * p[1] - sin * p[0])));
        let c = level.centre();
        let centre = Point::new(cos * c.x - sin * c.y, sin * c.x + cos * c.y);
        CropBox { centre, side: MARGIN * level.width.max(level.height), angle }
    }

    pub fn map(self) -> Similarity {
        Similarity::crop(self.centre, self.side, self.angle, SIZE as f32)
    }

    pub fn is_usable(self) -> bool {
        let finite = [self.centre.x, self.centre.y, self.side, self.angle].iter().all(|v| v.is_finite());
        finite && self.side >= 8.0 && self.side < 1e5
    }
}

/// What runs the network.
enum Network {
    Small(Small),
    /// Where the file is of another kind.
    Session(Session),
}

/// A network and what its crops are made in.
struct Worker {
    network: Network,
    scratch: CropScratch,
}

/// Runs the landmark network; one of its own a thread, each on one thread.
pub(crate) struct Landmarker {
    sessions: Vec<Mutex<Worker>>,
}

impl std::fmt::Debug for Landmarker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Landmarker").field("sessions", &self.sessions.len()).finish()
    }
}

impl Landmarker {
    pub fn load(model: &Model, sessions: usize) -> Result<Self, ModelError> {
        let load = |_| {
            let network = match Small::load(model) {
                Some(small) => Network::Small(small),
                None => Network::Session(Session::load(model, 1)?),
            };
            Ok(Mutex::new(Worker { network, scratch: CropScratch::default() }))
        };
        Ok(Landmarker { sessions: (0..sessions.max(1)).map(load).collect::<Result<_, _>>()? })
    }

    /// Fills `mesh` (frame pixels) and returns the presence logit: below 0 there is no face.
    /// May be called from as many threads at once as there are sessions.
    pub fn run(&self, frame: &Frame<'_>, crop: CropBox, mesh: &mut Mesh) -> Result<f32, ModelError> {
        self.look(frame, crop, mesh, None)
    }

    /// The same, and what was looked at in `patch`.
    pub fn look(
        &self,
        frame: &Frame<'_>,
        crop: CropBox,
        mesh: &mut Mesh,
        patch: Option<&mut Patch>,
    ) -> Result<f32, ModelError> {
        if !crop.is_usable() {
            return Ok(f32::NEG_INFINITY);
        }
        let free = self.sessions.iter().find_map(|worker| worker.try_lock().ok());
        let mut worker = match free {
            Some(worker) => worker,
            None => lock(&self.sessions[0]),
        };
        let map = crop.map();
        let Worker { network, scratch } = &mut *worker;
        let crop = |input: &mut [f32]| {
            frame::crop(frame, map, SIZE, 1.0 / 255.0, scratch, input);
            if let Some(patch) = patch {
                patch.take(input, map);
            }
        };
        match network {
            Network::Small(small) => {
                crop(small.input());
                small.run();
                Ok(read(map, small.output(0), small.output(1), mesh))
            }
            Network::Session(session) => {
                crop(session.input(0, &[1, SIZE as i64, SIZE as i64, 3])?);
                session.run()?;
                Ok(read(map, session.output(0).1, session.output(1).1, mesh))
            }
        }
    }
}

/// Fills `mesh` with the network's points (crop pixels) and returns the presence logit, which is −∞
/// where a number is missing or is none.
pub(super) fn read(map: Similarity, points: &[f32], presence: &[f32], mesh: &mut Mesh) -> f32 {
    let scale = map.scale();
    for (vertex, p) in mesh.iter_mut().zip(points.chunks_exact(3)) {
        let at = map.apply(Point::new(p[0], p[1]));
        *vertex = [at.x, at.y, p[2] * scale];
    }
    let logit = presence.first().copied().unwrap_or(f32::NEG_INFINITY);
    let finite = points.len() == 3 * VERTICES && mesh.iter().flatten().all(|v| v.is_finite());
    if finite && logit.is_finite() { logit } else { f32::NEG_INFINITY }
}

/// The box around a mesh, in frame pixels.
pub(crate) fn bounds(mesh: &Mesh) -> Rect {
    Rect::around(mesh.iter().map(|p| Point::new(p[0], p[1])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::swap::mesh::topology::topology;

    #[test]
    fn crop_of_a_turned_mesh_is_level_and_centred() {
        let (sin, cos) = 0.4f32.sin_cos();
        let mut mesh = topology().canonical.clone();
        for p in mesh.iter_mut() {
            let [x, y, _] = *p;
            (p[0], p[1]) = (300.0 + 100.0 * (cos * x - sin * y), 200.0 + 100.0 * (sin * x + cos * y));
        }
        let crop = CropBox::of_mesh(&mesh);
        assert!((crop.angle - 0.4).abs() < 1e-3);
        let ys = topology().canonical.iter().map(|p| p[1]);
        let (low, high) = ys.fold((9f32, -9f32), |(l, h), y| (l.min(y), h.max(y)));
        assert!((crop.side - 150.0 * (high - low)).abs() < 0.1);
        let map = crop.map();
        let centre = map.apply(Point::new(96.0, 96.0));
        assert!(centre.distance(crop.centre) < 1e-3);
        let mid = 0.5 * (low + high) * 100.0;
        assert!(centre.distance(Point::new(300.0 - sin * mid, 200.0 + cos * mid)) < 0.1);
    }
}
