//! Views of video frames in their native pixel format, and region access to them.

mod colour;
mod view;

pub use colour::{Colorimetry, Matrix, Range};
pub use view::{Frame, PixelFormat, PlaneError};
