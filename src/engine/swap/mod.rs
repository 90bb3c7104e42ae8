//! What replaces a face.

pub(crate) mod cover;
pub mod hybrid;
pub mod mesh;
pub mod neural;
pub(crate) mod paint;
