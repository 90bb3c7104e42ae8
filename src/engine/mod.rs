//! The face-swap engine: a view of a frame and a source in, the same pixels swapped out.
//!
//! Nothing here knows GStreamer. Data goes one way: frame → detect and track → landmarks → swap →
//! blend → frame.

pub mod detect;
mod error;
mod finder;
pub mod frame;
pub mod geometry;
mod identity;
mod label;
mod landmarks;
mod params;
mod pool;
mod process;
mod report;
mod swap;
mod track;

pub use error::{EngineError, SourceError};
pub use frame::{Colorimetry, Frame, Matrix, PixelFormat, Range};
pub use identity::{Source, SourceLoader, SourceWarning, expand, split_list};
pub use label::TEXT as LABEL_TEXT;
pub use params::{ColourMatch, OnLost, Owner, Params, Quality, Select};
pub use process::Engine;
pub use report::{FaceEvent, FaceReport, Report, StageTimes};
pub use swap::mesh::topology;
