//! Views of video frames in their native pixel format, and region access to them.

mod colour;
mod read;
mod sample;
mod view;
mod write;

pub use colour::{Colorimetry, Matrix, Range};
pub(crate) use read::{Reader, with_reader};
pub(crate) use sample::{crop, thumbnail, to_canvas};
pub use view::{Frame, PixelFormat, PlaneError};
pub(crate) use write::{Layer, Region, Rows, Target, blend_rows};
