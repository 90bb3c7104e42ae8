//! What models are for.

use std::fmt;

use serde::Deserialize;

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Detector,
    Landmarker,
    Recognizer,
    Swapper,
    /// Takes one recognizer's embedding to another's.
    Converter,
    Occluder,
    Parser,
    Enhancer,
    PalmDetector,
    HandLandmarker,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Detector => "detector",
            Role::Landmarker => "landmarker",
            Role::Recognizer => "recognizer",
            Role::Swapper => "swapper",
            Role::Converter => "embedding converter",
            Role::Occluder => "occluder",
            Role::Parser => "parser",
            Role::Enhancer => "enhancer",
            Role::PalmDetector => "palm detector",
            Role::HandLandmarker => "hand landmarker",
        })
    }
}

impl Role {
    /// The element's property that names a file of this role, where there is one.
    pub fn property(self) -> Option<&'static str> {
        match self {
            Role::Detector => Some("detector-file"),
            Role::Landmarker => Some("landmarker-file"),
            Role::Recognizer => Some("recognizer-file"),
            Role::Swapper => Some("model-file"),
            Role::Occluder => Some("occluder-file"),
            Role::Parser => Some("parser-file"),
            Role::Enhancer => Some("enhancer-file"),
            Role::Converter | Role::PalmDetector | Role::HandLandmarker => None,
        }
    }
}
