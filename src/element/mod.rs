//! The `faceswap` element: all that is GStreamer.

mod choice;
mod enums;
mod events;
mod flight;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod govern;
mod imp;
mod job;
mod latency;
mod lifecycle;
mod loader;
mod log;
mod mark;
mod memory;
mod messages;
mod pending;
mod pool;
mod process;
mod settings;
mod stream;
#[cfg(test)]
mod tests;

use gst::prelude::*;

pub use enums::{
    ColourMatch, Deterministic, Engine, ExecutionProvider, Mark, Masks, OnLost, Owner, Quality, Select,
};

glib::wrapper! {
    pub struct FaceSwap(ObjectSubclass<imp::FaceSwap>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "faceswap", gst::Rank::NONE, FaceSwap::static_type())
}
