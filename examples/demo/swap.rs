//! Runs the element over a video, from file to file.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use gst::prelude::*;

use crate::{
    codec::Codec,
    pictures::{Pair, Watch},
    progress, run,
};

/// What a run did.
pub struct Outcome {
    pub frames: u64,
    pub swapped: u64,
    /// From the first frame out of the element to the last.
    pub took: Duration,
    /// The element's own time, a frame.
    pub milliseconds: f64,
    pub pair: Option<Pair>,
}

/// Swaps the faces of `video` for the one in `source`; the sound is copied as it is.
pub fn swap(source: &str, video: &Path, sound: bool, codec: &Codec, out: &Path) -> Result<Outcome> {
    let pipeline = run::pipeline(&description(codec, sound))?;
    run::element(&pipeline, "in")?.set_property("location", video);
    run::element(&pipeline, "out")?.set_property("location", out);
    let faceswap = run::element(&pipeline, "faceswap")?;
    faceswap.set_property("source", source);
    connect(&pipeline)?;

    let watch = Arc::new(Mutex::new(Watch::default()));
    Watch::attach(&watch, &faceswap)?;
    let bar = std::cell::OnceCell::new();
    pipeline.set_state(gst::State::Playing)?;
    let started = Instant::now();
    run::to_end(&pipeline, |pipeline| {
        let Some(position) = faceswap.query_position::<gst::ClockTime>() else { return };
        let length = pipeline.query_duration::<gst::ClockTime>().map_or(0, |length| length.mseconds());
        let bar = bar.get_or_init(|| progress::video("swapping the face", length));
        bar.set_position(position.mseconds());
    })?;
    if let Some(bar) = bar.get() {
        bar.finish_and_clear();
    }

    let stats = faceswap.property::<gst::Structure>("stats");
    let count = |name: &str| stats.get::<u64>(name).unwrap_or_default();
    let watch = std::mem::take(&mut *watch.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Outcome {
        frames: count("frames-out"),
        swapped: count("frames-swapped") + count("frames-held"),
        took: watch.took().unwrap_or_else(|| started.elapsed()),
        milliseconds: stats.get("frame-time-mean-ms").unwrap_or_default(),
        pair: watch.best(),
    })
}

/// Decoder, element and encoder on threads of their own; phones' pictures are turned upright.
fn description(codec: &Codec, sound: bool) -> String {
    let queue = "queue max-size-buffers=4 max-size-bytes=0 max-size-time=0";
    let mut line = format!(
        "filesrc name=in ! parsebin name=streams \
         decodebin name=pictures ! {queue} ! videoflip video-direction=auto ! videoconvert ! \
         faceswap name=faceswap meta=true ! {queue} ! videoconvert ! {} ! queue ! {} name=mux ! filesink name=out",
        codec.encoder, codec.muxer
    );
    if sound {
        line += " queue name=sound max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! mux.";
    }
    line
}

/// Sends the first video stream to the decoder, the first sound past everything, and drops the rest.
fn connect(pipeline: &gst::Pipeline) -> Result<()> {
    let pictures =
        run::element(pipeline, "pictures")?.static_pad("sink").context("decodebin without a pad")?;
    let sound = pipeline.by_name("sound").and_then(|queue| queue.static_pad("sink"));
    let weak = pipeline.downgrade();
    run::element(pipeline, "streams")?.connect_pad_added(move |streams, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let caps = run::caps(pad);
        let place = match () {
            () if run::is(&caps, "video/") => Some(&pictures),
            () if run::is(&caps, "audio/") => sound.as_ref(),
            () => None,
        };
        let linked = match place.filter(|place| !place.is_linked()) {
            Some(place) => pad.link(place).map(drop).map_err(anyhow::Error::from),
            None => run::drain(&pipeline, pad),
        };
        if let Err(error) = linked {
            gst::element_error!(streams, gst::StreamError::Failed, ["{caps}: {error}"]);
        }
    });
    Ok(())
}
