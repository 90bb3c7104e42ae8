//! Views of video frames in their native pixel format, and region access to them.

mod colour;
mod crop;
mod read;
mod sample;
mod view;
mod write;

use colour::Transform;
pub use colour::{Colorimetry, Matrix, Range};
pub(crate) use crop::{CropScratch, crop, settle};
pub(crate) use read::{LANES, PackedRgb, Reader, with_reader};
pub(crate) use sample::{bilinear, thumbnail, to_canvas};
pub use view::{Frame, PixelFormat, PlaneError};
pub(crate) use write::{Layer, Region, Rows, Target, blend_rows};
