//! What is to be drawn on one frame: all that analysis hands to painting.

use std::{sync::Arc, time::Duration};

use super::{
    Params, Source,
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

    pub fn is_swapped(&self) -> bool {
        matches!(self.show, Show::Swap { .. })
    }

    /// Whether a swap of it is drawn, be it an earlier one.
    pub fn is_drawn(&self) -> bool {
        self.is_swapped() || self.show == Show::Held
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
    pub(crate) fn of_track(&self, track: u64) -> Option<&Face> {
        self.faces.iter().find(|face| face.track == track)
    }

    pub(crate) fn swapped(&self) -> impl Iterator<Item = &Face> {
        self.faces.iter().filter(|face| face.is_swapped())
    }
}

/// A frame's plan, with whom its faces become and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work<'a> {
    pub plan: &'a Plan,
    /// Whom all become of whom the plan says nothing else.
    pub source: &'a Source,
    pub params: &'a Params,
}

impl<'a> Work<'a> {
    pub fn shown(&self, face: &'a Face) -> &'a Source {
        face.shown(self.source)
    }

    /// Whether all who are `faces`, and who may yet be, were prepared for a network.
    pub fn is_identified(&self, mut faces: impl Iterator<Item = &'a Face>) -> bool {
        let is_identified = |source: &Source| source.identity().is_some();
        is_identified(self.source) && faces.all(|face| is_identified(self.shown(face)))
    }
}
