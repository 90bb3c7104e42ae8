//! Enumerations of the properties; each becomes the engine's own.

use crate::{engine, models::Provider};

macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident, $gtype:literal, { $($variant:ident = $nick:literal, $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, glib::Enum)]
        #[enum_type(name = $gtype)]
        #[repr(i32)]
        pub enum $name {
            $(
                #[doc = $text]
                #[enum_value(name = $text, nick = $nick)]
                $variant,
            )+
        }

        impl From<$name> for engine::$name {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$variant => engine::$name::$variant,)+
                }
            }
        }

        impl From<engine::$name> for $name {
            fn from(value: engine::$name) -> Self {
                match value {
                    $(engine::$name::$variant => $name::$variant,)+
                }
            }
        }
    };
}

mirror!(
    /// How much work detection may be.
    Quality, "GstFaceSwapQuality", {
        Performance = "performance", "Detector's long side 320 pixels, for 640x480 at 60 frames a second";
        Balanced = "balanced", "Detector's long side 480 pixels, for 960x540 at 30 frames a second";
        Quality = "quality", "Detector's long side 640 pixels, for 1280x720 at 24 frames a second";
    }
);

mirror!(
    /// Which faces are swapped.
    Select, "GstFaceSwapSelect", {
        Largest = "largest", "The largest face, until another is 1.3 times larger for half a second";
        All = "all", "Every face, up to max-faces";
        LeftMost = "left-most", "The face furthest left in the picture";
        RightMost = "right-most", "The face furthest right in the picture";
        Top = "top", "The topmost face";
        Bottom = "bottom", "The bottommost face";
        Centre = "centre", "The face nearest the centre of the picture";
        Reference = "reference", "The face of the person that the property reference shows";
    }
);

mirror!(
    /// Whose mouth interior or eyeballs show.
    Owner, "GstFaceSwapOwner", {
        Source = "source", "The source photo's";
        Target = "target", "The video's own";
    }
);

mirror!(
    /// How the source's colour follows the video's.
    ColourMatch, "GstFaceSwapColourMatch", {
        None = "none", "The source's own colour";
        Mean = "mean", "The video face's mean colour";
        Light = "light", "The video face's mean colour and the light that falls on it";
    }
);

mirror!(
    /// What is shown where a tracked face is lost.
    OnLost, "GstFaceSwapOnLost", {
        Pass = "pass", "The frame as it is";
        Hold = "hold", "The last swap carried along for half a second, then a growing blur";
        Blur = "blur", "A blur at once";
        Black = "black", "A black box at once";
    }
);

/// What swaps the face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstFaceSwapEngine")]
#[repr(i32)]
pub enum Engine {
    #[default]
    #[enum_value(name = "The best engine that the models at hand allow", nick = "auto")]
    Auto,
    #[enum_value(name = "The photo's skin warped along a 468-point face mesh", nick = "mesh")]
    Mesh,
    #[enum_value(name = "The network of model-file; the mesh engine until it is loaded", nick = "neural")]
    Neural,
    #[enum_value(
        name = "The network of model-file on key frames, which the face mesh carries to every frame",
        nick = "hybrid"
    )]
    Hybrid,
}

/// Where the swap network's face shows.
#[glib::flags(name = "GstFaceSwapMasks")]
pub enum Masks {
    #[flags_value(name = "The crop, without its edge", nick = "box")]
    BOX = 0b001,
    #[flags_value(name = "The face's oval", nick = "area")]
    AREA = 0b010,
    #[flags_value(name = "All but the mouth, which stays the video's own", nick = "mouth")]
    MOUTH = 0b100,
    #[flags_value(
        name = "What no hand or hair lies before, by the network of occluder-file",
        nick = "occlusion"
    )]
    OCCLUSION = 0b1000,
    #[flags_value(name = "Skin and features, by the network of parser-file", nick = "region")]
    REGION = 0b1_0000,
}

/// Each flag and the engine's.
const MASKS: [(Masks, engine::Masks); 5] = [
    (Masks::BOX, engine::Masks::BOX),
    (Masks::AREA, engine::Masks::AREA),
    (Masks::MOUTH, engine::Masks::MOUTH),
    (Masks::OCCLUSION, engine::Masks::OCCLUSION),
    (Masks::REGION, engine::Masks::REGION),
];

impl From<Masks> for engine::Masks {
    fn from(masks: Masks) -> Self {
        let chosen = MASKS.iter().filter(|(own, _)| masks.contains(*own));
        chosen.fold(engine::Masks::empty(), |all, (_, engine)| all.union(*engine))
    }
}

impl From<engine::Masks> for Masks {
    fn from(masks: engine::Masks) -> Self {
        MASKS.iter().filter(|(_, engine)| masks.contains(*engine)).map(|(own, _)| *own).collect()
    }
}

/// What runs the swap network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstFaceSwapExecutionProvider")]
#[repr(i32)]
pub enum ExecutionProvider {
    #[default]
    #[enum_value(name = "CUDA or CoreML where it is there and works, else the CPU", nick = "auto")]
    Auto,
    #[enum_value(name = "The CPU", nick = "cpu")]
    Cpu,
    #[enum_value(name = "Apple's CoreML", nick = "coreml")]
    Coreml,
    #[enum_value(name = "NVIDIA CUDA", nick = "cuda")]
    Cuda,
    #[enum_value(name = "NVIDIA TensorRT", nick = "tensorrt")]
    Tensorrt,
    #[enum_value(name = "Intel OpenVINO", nick = "openvino")]
    Openvino,
    #[enum_value(name = "WebGPU", nick = "webgpu")]
    Webgpu,
    #[enum_value(name = "XNNPACK, on the CPU", nick = "xnnpack")]
    Xnnpack,
}

impl From<ExecutionProvider> for Provider {
    fn from(value: ExecutionProvider) -> Self {
        match value {
            ExecutionProvider::Auto => Provider::Auto,
            ExecutionProvider::Cpu => Provider::Cpu,
            ExecutionProvider::Coreml => Provider::CoreMl,
            ExecutionProvider::Cuda => Provider::Cuda,
            ExecutionProvider::Tensorrt => Provider::TensorRt,
            ExecutionProvider::Openvino => Provider::OpenVino,
            ExecutionProvider::Webgpu => Provider::WebGpu,
            ExecutionProvider::Xnnpack => Provider::Xnnpack,
        }
    }
}

/// Whether the same input must give the same output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstFaceSwapDeterministic")]
#[repr(i32)]
pub enum Deterministic {
    #[default]
    #[enum_value(name = "True unless the source is live", nick = "auto")]
    Auto,
    #[enum_value(name = "The same input gives the same output", nick = "true")]
    True,
    #[enum_value(name = "No frame waits for background work", nick = "false")]
    False,
}

/// How altered frames are marked as synthetic media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstFaceSwapMark")]
#[repr(i32)]
pub enum Mark {
    #[enum_value(name = "Not at all", nick = "none")]
    None,
    #[enum_value(name = "A FaceSwapMarkMeta on each altered frame, and stream tags", nick = "metadata")]
    Metadata,
    #[default]
    #[enum_value(name = "Metadata, and a small label in the picture", nick = "visible")]
    Visible,
}
