//! The face-swap engine: a view of a frame and a source in, the same pixels swapped out.
//!
//! Nothing here knows GStreamer. Data goes one way: frame → detect and track → landmarks → swap →
//! blend → frame.

mod error;
pub mod frame;
pub mod geometry;
mod params;
mod report;

use std::{path::PathBuf, sync::Arc, time::Duration};

pub use error::{EngineError, SourceError};
pub use frame::{Colorimetry, Frame, Matrix, PixelFormat, Range};
pub use params::{ColourMatch, OnLost, Owner, Params, Quality, Select};
pub use report::{FaceEvent, FaceReport, Report, StageTimes};

use crate::models::Pack;

/// A prepared source: the face of one photo, its mesh and its texture.
#[derive(Debug)]
pub struct Source {
    _private: (),
}

/// Loads source images. Holds its own inference sessions, so it may live on a worker thread.
#[derive(Debug)]
pub struct SourceLoader {
    _private: (),
}

/// What is worth telling the user about a source that was accepted all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceWarning {
    /// More than one face: the largest is used.
    SeveralFaces { path: PathBuf, faces: usize },
    /// The face is this many pixels wide, too few for a good likeness.
    SmallFace { path: PathBuf, pixels: u32 },
}

impl std::fmt::Display for SourceWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SourceWarning::SeveralFaces { path, faces } => {
                write!(f, "source image {}: shows {faces} faces, the largest is used", path.display())
            }
            SourceWarning::SmallFace { path, pixels } => {
                write!(f, "source image {}: the face is only {pixels} pixels wide", path.display())
            }
        }
    }
}

impl SourceLoader {
    /// Loads the models, tens of milliseconds.
    pub fn new(_pack: &Pack) -> Result<Self, EngineError> {
        unimplemented!()
    }

    /// Decodes, finds the face and prepares it. `paths` are files or folders (see [`expand`]).
    pub fn load(&mut self, _paths: &[PathBuf]) -> Result<(Arc<Source>, Vec<SourceWarning>), SourceError> {
        unimplemented!()
    }
}

/// Splits the `source` property: a comma separates files, `\,` is a comma in a name.
pub fn split_list(list: &str) -> Vec<PathBuf> {
    let mut parts = vec![String::new()];
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&',') => {
                chars.next();
                parts.last_mut().unwrap().push(',');
            }
            ',' => parts.push(String::new()),
            c => parts.last_mut().unwrap().push(c),
        }
    }
    parts.into_iter().filter(|p| !p.is_empty()).map(PathBuf::from).collect()
}

/// The swap engine of one video stream.
#[derive(Debug)]
pub struct Engine {
    report: Report,
}

impl Engine {
    /// Loads the models and starts `threads` workers (0 = performance cores). Tens of milliseconds.
    pub fn new(_pack: &Pack, _threads: usize) -> Result<Self, EngineError> {
        unimplemented!()
    }

    /// Swaps the faces of one frame in place. `time` is the frame's position in the stream; it
    /// drives smoothing and the time limits of `on-lost`.
    ///
    /// # Errors
    /// The frame is then as it was or holds part of the swap.
    pub fn process(
        &mut self,
        _frame: &mut Frame<'_>,
        _source: &Source,
        _params: &Params,
        _time: Duration,
    ) -> Result<&Report, EngineError> {
        unimplemented!()
    }

    /// Forgets tracks and smoothing: after a flush, a seek or a gap.
    pub fn reset(&mut self) {
        self.report = Report::default();
    }
}
