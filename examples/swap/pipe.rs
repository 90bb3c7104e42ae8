//! Building pipelines, following them to their end, and streams' time.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use gst::{MessageView, prelude::*};

use crate::exit::{Exit, Failure, OrExit, Outcome};

pub fn pipeline(description: &str) -> Result<gst::Pipeline> {
    let element = gst::parse::launch(description).with_context(|| format!("the pipeline {description}"))?;
    element.downcast().map_err(|_| anyhow!("not a pipeline: {description}"))
}

pub fn element(pipeline: &gst::Pipeline, name: &str) -> Result<gst::Element> {
    pipeline.by_name(name).with_context(|| format!("no element {name} in the pipeline"))
}

/// A `filesrc ! parsebin`, whose pads give the packets of each stream as they are stored.
pub fn reader(target: &Path) -> Result<gst::Pipeline> {
    let pipeline = pipeline("filesrc name=file ! parsebin name=streams")?;
    element(&pipeline, "file")?.set_property("location", target);
    Ok(pipeline)
}

/// Plays to the end of the stream, showing `tick` every message and ten times a second that there was none.
///
/// # Errors
/// What the pipeline says, in `exit`; that of the swap itself as [`Exit::Failed`].
pub fn to_end(
    pipeline: &gst::Pipeline,
    exit: Exit,
    mut tick: impl FnMut(Option<&gst::Message>) -> Outcome<()>,
) -> Outcome<()> {
    let bus = pipeline.bus().context("a pipeline without a bus")?;
    let started = pipeline.set_state(gst::State::Playing);
    let end = loop {
        let message = bus.timed_pop(gst::ClockTime::from_mseconds(100));
        if let Err(failure) = tick(message.as_ref()) {
            break Err(failure);
        }
        match message.as_ref().map(|message| message.view()) {
            Some(MessageView::Eos(_)) => break Ok(()),
            Some(MessageView::Error(error)) => break Err(explain(error, exit)),
            None if started.is_err() => {
                break Err(Failure { exit, error: anyhow!("the pipeline did not start") });
            }
            _ => {}
        }
    };
    pipeline.set_state(gst::State::Null).or_exit(Exit::Failed, "stopping")?;
    end
}

fn explain(error: &gst::message::Error, exit: Exit) -> Failure {
    let from = error.src().and_then(|src| src.downcast_ref::<gst::Element>()).and_then(|e| e.factory());
    let from = from.map(|factory| factory.name().to_string()).unwrap_or_default();
    let exit = match from.as_str() {
        "faceswap" => Exit::Failed,
        "filesink" => Exit::Output,
        _ => exit,
    };
    Failure { exit, error: anyhow!("{from}: {}", error.error()) }
}

/// What a stream is.
pub fn caps(pad: &gst::Pad) -> gst::Caps {
    pad.current_caps().unwrap_or_else(|| pad.query_caps(None))
}

pub fn is(caps: &gst::CapsRef, prefix: &str) -> bool {
    caps.structure(0).is_some_and(|s| s.name().starts_with(prefix))
}

/// A buffer's place in the stream, in nanoseconds; `None` where it has no time or lies outside.
pub fn stream_time(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<u64> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = event.segment().downcast_ref::<gst::ClockTime>()?;
    segment.to_stream_time(buffer.pts()?).map(gst::ClockTime::nseconds)
}

/// Lets a stream run into nothing.
pub fn drain(pipeline: &gst::Pipeline, pad: &gst::Pad) -> Result<()> {
    let sink =
        gst::ElementFactory::make("fakesink").property("async", false).property("sync", false).build()?;
    pipeline.add(&sink)?;
    pad.link(&sink.static_pad("sink").context("a sink without a pad")?)?;
    sink.sync_state_with_parent()?;
    Ok(())
}

/// Makes an error of what failed where no result can be given back.
pub fn report(element: &gst::Element, result: Result<()>) {
    if let Err(error) = result {
        gst::element_error!(element, gst::StreamError::Failed, ("{error:#}"));
    }
}
