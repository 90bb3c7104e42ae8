//! The face-swap engine: a view of a frame and a source in, the same pixels swapped out.
//!
//! Nothing here knows GStreamer. Data goes one way: frame → detect and track → landmarks → plan →
//! swap → blend → frame. Up to the plan it is [`Analyser`]'s work, from there [`Painter`]'s.

mod analyser;
pub mod detect;
mod error;
mod finder;
pub mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod geometry;
mod identity;
mod label;
mod landmarks;
mod lights;
mod linear;
mod painter;
mod params;
mod plan;
mod pool;
mod port;
mod process;
mod report;
mod swap;
mod track;

pub use analyser::Analyser;
pub use error::{EngineError, SourceError};
pub use frame::{Colorimetry, Frame, Matrix, PixelFormat, Range};
pub use identity::{
    People, PeoplePort, Source, SourceLoader, SourceWarning, expand, limit_embeddings, split_list, split_map,
};
pub use label::TEXT as LABEL_TEXT;
pub use painter::Painter;
pub use params::{ColourMatch, Effort, Masks, OnLost, Owner, Params, Quality, Select};
pub use plan::Plan;
pub use port::NetworkPort;
pub use process::Engine;
pub use report::{FaceEvent, FaceReport, Fault, Report, StageTimes};
pub use swap::{
    hybrid::{HybridReport, KeyCrop, KeySwapper},
    mesh::topology,
    neural::{Enhancer, Identity, Network, NetworkFacts, Preparer},
};
