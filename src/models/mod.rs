//! Model cards, where models are found, and ONNX Runtime sessions.

use std::path::PathBuf;

/// What the user chose; `None` means the default. Order of folders: `model_dir`,
/// `GST_FACESWAP_MODEL_DIR`, the user's data folder, the build's own `models/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    pub model_dir: Option<PathBuf>,
    pub detector_file: Option<PathBuf>,
    pub landmarker_file: Option<PathBuf>,
}

/// The default pack, found but not yet loaded.
#[derive(Debug, Clone)]
pub struct Pack {
    _private: (),
}

impl Pack {
    /// Looks for files only: no ONNX Runtime call, no weight is read.
    ///
    /// # Errors
    /// Says which file is missing, where it was looked for, and names `make models`.
    pub fn find(_search: &Search) -> Result<Pack, ModelError> {
        unimplemented!()
    }
}

/// Why a model or the runtime cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("{0}")]
    Placeholder(String),
}
