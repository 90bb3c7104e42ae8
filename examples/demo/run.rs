//! Building pipelines and running them to their end.

use std::ops::ControlFlow;

use anyhow::{Context, Result, anyhow};
use gst::{MessageView, prelude::*};

pub fn pipeline(description: &str) -> Result<gst::Pipeline> {
    let element = gst::parse::launch(description).with_context(|| format!("the pipeline {description}"))?;
    element.downcast().map_err(|_| anyhow!("not a pipeline: {description}"))
}

pub fn element(pipeline: &gst::Pipeline, name: &str) -> Result<gst::Element> {
    pipeline.by_name(name).with_context(|| format!("no element {name} in the pipeline"))
}

/// Waits for the end of the stream, or until `tick`, called ten times a second, breaks; stops the pipeline.
pub fn to_end(
    pipeline: &gst::Pipeline,
    mut tick: impl FnMut(&gst::Pipeline) -> ControlFlow<()>,
) -> Result<()> {
    let bus = pipeline.bus().context("a pipeline without a bus")?;
    let end = loop {
        if tick(pipeline).is_break() {
            break Ok(());
        }
        match bus.timed_pop(gst::ClockTime::from_mseconds(100)).as_ref().map(|message| message.view()) {
            Some(MessageView::Eos(_)) => break Ok(()),
            Some(MessageView::Error(message)) => break Err(explain(message)),
            Some(MessageView::Warning(message)) => eprintln!("warning: {}", message.error()),
            _ => {}
        }
    };
    pipeline.set_state(gst::State::Null)?;
    end
}

fn explain(message: &gst::message::Error) -> anyhow::Error {
    let who = message.src().map(|src| src.name().to_string()).unwrap_or_default();
    anyhow!("{who}: {}", message.error())
}

/// What a stream is.
pub fn caps(pad: &gst::Pad) -> gst::Caps {
    pad.current_caps().unwrap_or_else(|| pad.query_caps(None))
}

/// Lets a stream run into nothing.
pub fn drain(pipeline: &gst::Pipeline, pad: &gst::Pad) -> Result<()> {
    let sink = gst::ElementFactory::make("fakesink").property("async", false).build()?;
    pipeline.add(&sink)?;
    let target = sink.static_pad("sink").context("a sink without a pad")?;
    pad.link(&target)?;
    sink.sync_state_with_parent()?;
    Ok(())
}

pub fn is(caps: &gst::Caps, prefix: &str) -> bool {
    caps.structure(0).is_some_and(|s| s.name().starts_with(prefix))
}
