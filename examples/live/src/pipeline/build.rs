//! Puts the pipeline together: input, RGBA, the element, and an appsink that hands frames over.

use std::sync::{Arc, Weak};

use anyhow::{Context, Result};
use gst::prelude::*;

use super::{Frames, Setup, input};

/// Time that a frame of a live input may take before it counts as late.
const DEADLINE: gst::ClockTime = gst::ClockTime::from_mseconds(40);

pub struct Built {
    pub pipeline: gst::Pipeline,
    pub swap: gst::Element,
}

/// # Errors
/// The input is not there, an element is missing, or a property cannot have its value.
pub fn build(setup: &Setup, frames: &Arc<Frames>) -> Result<Built> {
    let (source, live) = input::source(setup)?;
    let convert = make("videoconvert")?;
    let format = make("capsfilter")?;
    format.set_property("caps", gst::Caps::builder("video/x-raw").field("format", "RGBA").build());
    let queue = make("queue")?;
    queue.set_property("max-size-buffers", 3u32);
    if live {
        queue.set_property_from_str("leaky", "downstream");
    }
    let swap = make("faceswap")?;
    // Frames of a file come when they are due, as a camera's do: the governor holds the frame rate.
    swap.set_property_from_str("deterministic", "false");
    swap.set_property("stats-interval", 500u32);
    for (name, value) in &setup.properties {
        set(&swap, name, value)?;
    }
    let sink = gst_app::AppSink::builder().sync(true).max_buffers(2).drop(true).qos(true).build();
    sink.set_property("processing-deadline", DEADLINE.nseconds());
    let pipeline = gst::Pipeline::new();
    let chain = [&convert, &format, &queue, &swap, sink.upcast_ref()];
    pipeline.add(&source)?;
    pipeline.add_many(chain)?;
    gst::Element::link_many(chain)?;
    connect(&source, &convert)?;
    tap(&swap, &sink, frames)?;
    Ok(Built { pipeline, swap })
}

fn make(factory: &str) -> Result<gst::Element> {
    let made = gst::ElementFactory::make(factory).build();
    made.with_context(|| format!("GStreamer has no element {factory}"))
}

/// # Errors
/// The value is none that the property can have.
pub fn set(element: &gst::Element, name: &str, value: &str) -> Result<()> {
    let property = element.find_property(name).with_context(|| format!("there is no setting {name}"))?;
    let wrong = || format!("{name} cannot be “{value}”");
    let value = gst::glib::Value::deserialize_with_pspec(value, &property).with_context(wrong)?;
    element.set_property_from_value(name, &value);
    Ok(())
}

/// Links the source now, or as soon as it knows its pictures.
fn connect(source: &gst::Element, convert: &gst::Element) -> Result<()> {
    if source.static_pad("src").is_some() {
        return source.link(convert).context("the input gives no pictures that can be converted");
    }
    let convert = convert.downgrade();
    source.connect_pad_added(move |_, pad| {
        let Some(sink) = convert.upgrade().and_then(|convert| convert.static_pad("sink")) else { return };
        let is_video = pad.current_caps().is_some_and(|caps| {
            caps.structure(0).is_some_and(|structure| structure.name().starts_with("video/"))
        });
        if is_video && !sink.is_linked() {
            // A failure shows as the stream's own error.
            let _ = pad.link(&sink);
        }
    });
    Ok(())
}

/// Sees frames before the element and after it.
fn tap(swap: &gst::Element, sink: &gst_app::AppSink, frames: &Arc<Frames>) -> Result<()> {
    let pad = swap.static_pad("sink").context("the element has a sink pad")?;
    let before = Arc::downgrade(frames);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let (Some(frames), Some(buffer)) = (Weak::upgrade(&before), info.buffer()) {
            frames.before(buffer);
        }
        gst::PadProbeReturn::Ok
    });
    let after = Arc::downgrade(frames);
    let sample = move |sink: &gst_app::AppSink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        if let Some(frames) = Weak::upgrade(&after) {
            frames.after(&sample);
        }
        Ok(gst::FlowSuccess::Ok)
    };
    sink.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(sample).build());
    Ok(())
}
