//! What is to be drawn on one frame: all that analysis hands to painting.

use std::{sync::Arc, time::Duration};

use super::{
    Source,
    geometry::Rect,
    report::{FaceEvent, StageTimes},
    swap::{
        cover::Cover,
        mesh::topology::{Mesh, VERTICES},
    },
};

/// What is drawn on a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// The frame's own pixels.
    Bare,
    /// The source's face. `relight`: under the light of this frame, else under that of the last.
    Swap { relight: bool },
    /// The last swap, carried to where the lost face should be.
    Held,
    /// A cover over `Face::cover`.
    Cover(Cover),
}

/// One tracked face of a frame.
#[derive(Debug)]
pub(crate) struct Face {
    pub track: u64,
    pub rect: Rect,
    /// Presence logit.
    pub presence: f32,
    /// Whether it is seen on this frame.
    pub live: bool,
    pub selected: bool,
    /// Who it becomes, where that is not the one whom all others become.
    pub source: Option<Arc<Source>>,
    pub show: Show,
    /// Its light starts anew: it was not swapped on the frame before.
    pub fresh: bool,
    /// Landmarks as the network gave them, frame pixels; light is measured there.
    pub raw: Box<Mesh>,
    /// Where the face is drawn, frame pixels.
    pub mesh: Box<Mesh>,
    pub cover: Rect,
    pub event: Option<FaceEvent>,
}

impl Default for Face {
    fn default() -> Self {
        Face {
            track: 0,
            rect: Rect::default(),
            presence: 0.0,
            live: false,
            selected: false,
            source: None,
            show: Show::Bare,
            fresh: true,
            raw: Box::new([[0.0; 3]; VERTICES]),
            mesh: Box::new([[0.0; 3]; VERTICES]),
            cover: Rect::default(),
            event: None,
        }
    }
}

impl Face {
    /// Who it becomes, where all others become `usual`.
    pub fn shown<'a>(&'a self, usual: &'a Source) -> &'a Source {
        self.source.as_deref().unwrap_or(usual)
    }
}

/// The faces of one frame, in the order of their tracks. Depends on no later frame and no earlier
/// plan, so several frames' plans may wait for one painter. Reused from frame to frame.
#[derive(Debug, Default)]
pub struct Plan {
    pub(crate) faces: Vec<Face>,
    /// Position in the stream, and the time since the frame before.
    pub(crate) time: Duration,
    pub(crate) dt: Duration,
    /// Of the stages so far.
    pub(crate) times: StageTimes,
    /// What came before is another scene or stream.
    pub(crate) restart: bool,
    /// This frame begins another scene.
    pub(crate) cut: bool,
    /// Faces of earlier frames, kept for their memory.
    spare: Vec<Face>,
}

impl Plan {
    /// Empties the plan; its memory stays.
    pub(crate) fn clear(&mut self) {
        self.faces.iter_mut().for_each(|face| face.source = None);
        self.spare.append(&mut self.faces);
        self.times = StageTimes::default();
        (self.restart, self.cut) = (false, false);
    }

    /// A further face, whose fields are those of some earlier one.
    pub(crate) fn add(&mut self) -> &mut Face {
        self.faces.push(self.spare.pop().unwrap_or_default());
        let last = self.faces.len() - 1;
        &mut self.faces[last]
    }
}
