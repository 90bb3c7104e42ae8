//! What replaces a face.

pub(crate) mod cover;
pub mod mesh;
pub(crate) mod paint;
