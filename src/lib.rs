//! GStreamer plugin with one element, `faceswap`, that replaces faces in live and recorded video
//! in real time. The engine underneath is usable without GStreamer: see [`engine`].

pub mod control;
pub mod element;
pub mod engine;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod models;
mod sync;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    models::forbid_telemetry();
    element::register(plugin)
}

gst::plugin_define!(
    faceswap,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("BUILD_REL_DATE")
);
