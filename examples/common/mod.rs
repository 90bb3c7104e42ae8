//! Shared by the examples that feed the element as a camera would, for a long time.

use std::path::{Path, PathBuf};

use anyhow::Result;
use gst::prelude::*;

/// Starts GStreamer with the plugin; the folder of the default models.
pub fn start() -> Result<PathBuf> {
    gst::init()?;
    gstfaceswap::plugin_register_static()?;
    let folder = std::env::var_os("GST_FACESWAP_MODEL_DIR");
    Ok(folder.map_or(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/models")), PathBuf::from))
}

/// The element, with a photo of the default pack's.
pub fn faceswap(models: &Path, max_in_flight: u32) -> Result<gst::Element> {
    let element = gst::ElementFactory::make("faceswap")
        .property("model-dir", models.to_str())
        .property("source", models.join("demo/grace_hopper.jpg").to_str())
        .property("max-in-flight", max_in_flight)
        .build()?;
    Ok(element)
}

/// What frame `number` shows of the `pictures`, which are shown to and fro.
pub fn to_and_fro(pictures: &[gst::Buffer], number: u64) -> &gst::Buffer {
    let index = number as usize % (2 * pictures.len()).max(1);
    &pictures[index.min(2 * pictures.len() - 1 - index)]
}

/// Calls `see` for each frame that passes a pad of the element's.
pub fn watch(element: &gst::Element, pad: &str, see: impl Fn(&gst::Buffer) + Send + Sync + 'static) {
    let pad = element.static_pad(pad).expect("an always pad");
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        info.buffer().into_iter().for_each(&see);
        gst::PadProbeReturn::Ok
    });
}
