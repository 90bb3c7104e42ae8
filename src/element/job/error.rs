//! Why a source cannot be shown.

use crate::{
    engine::{EngineError, SourceError},
    models::ModelError,
};

/// Why there is no source to show.
#[derive(Debug, thiserror::Error)]
pub(in crate::element) enum LoadError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the source cannot be prepared for the swap network: {0}")]
    Identity(String),
    #[error("no thread could be started for key frames: {0}")]
    Thread(std::io::Error),
    #[error("{0}")]
    Map(String),
}

impl LoadError {
    fn is_missing_file(&self) -> bool {
        use ModelError::{Missing, NoPartner, NoSuchFile, RuntimeMissing};
        match self {
            LoadError::Source(e) => {
                matches!(e, SourceError::Missing { .. } | SourceError::EmptyFolder { .. })
            }
            LoadError::Model(e) | LoadError::Engine(EngineError::Model(e)) => {
                matches!(e, Missing { .. } | NoPartner { .. } | NoSuchFile { .. } | RuntimeMissing { .. })
            }
            LoadError::Engine(_) | LoadError::Identity(_) | LoadError::Thread(_) | LoadError::Map(_) => false,
        }
    }

    /// What the element's start fails with.
    pub fn to_start_error(&self) -> gst::ErrorMessage {
        if self.is_missing_file() {
            gst::error_msg!(gst::ResourceError::NotFound, ("{self}"))
        } else {
            gst::error_msg!(gst::LibraryError::Init, ("{self}"))
        }
    }
}

impl From<&LoadError> for glib::Error {
    fn from(error: &LoadError) -> Self {
        let text = error.to_string();
        match error {
            missing if missing.is_missing_file() => glib::Error::new(gst::ResourceError::NotFound, &text),
            LoadError::Source(SourceError::Unreadable { .. }) => {
                glib::Error::new(gst::ResourceError::OpenRead, &text)
            }
            LoadError::Source(_) => glib::Error::new(gst::StreamError::WrongType, &text),
            LoadError::Model(_)
            | LoadError::Engine(_)
            | LoadError::Identity(_)
            | LoadError::Thread(_)
            | LoadError::Map(_) => glib::Error::new(gst::LibraryError::Init, &text),
        }
    }
}
