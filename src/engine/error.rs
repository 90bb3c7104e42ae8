//! Errors of the engine. Each says what was wrong, with the path, and what to do about it.

use std::path::PathBuf;

use crate::models::ModelError;

/// Why a source image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("source image {}: no such file; check the path", path.display())]
    Missing { path: PathBuf },
    #[error("source image {}: cannot be read: {error}", path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("source image {}: not a readable image: {reason}; use JPEG, PNG, WebP, BMP or GIF", path.display())]
    NotAnImage { path: PathBuf, reason: String },
    #[error("source image {}: {width}×{height} pixels are too many; the limit is {limit} megapixels, scale it down", path.display())]
    TooLarge { path: PathBuf, width: u32, height: u32, limit: u32 },
    #[error("source image {}: no face found; use a photo that shows one face, at least 40 pixels wide, from the front", path.display())]
    NoFace { path: PathBuf },
    #[error("source folder {}: holds no image", path.display())]
    EmptyFolder { path: PathBuf },
    #[error("source image {}: {error}", path.display())]
    Model { path: PathBuf, error: ModelError },
}

/// Why the engine cannot process a frame.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("a worker of the engine panicked: {0}")]
    Panicked(String),
}
