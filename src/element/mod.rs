//! The `faceswap` element: all that is GStreamer.

pub fn register(_plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Ok(())
}
