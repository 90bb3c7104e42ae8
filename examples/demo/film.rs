//! Makes the demo's own video out of a photo.

use std::{ops::ControlFlow, path::Path};

use anyhow::{Context, Result, anyhow};
use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};

use crate::{
    codec::Codec,
    motion::{HEIGHT, Motion, RATE, WIDTH},
    progress, run,
};

/// Writes what a camera moving over `photo` sees.
pub fn make(photo: &Path, film: &Path, codec: &Codec) -> Result<()> {
    let motion = Motion::over(photo).with_context(|| photo.display().to_string())?;
    let description = format!(
        "appsrc name=frames format=time block=true ! videoconvert ! video/x-raw,format=I420 ! {} ! {} ! \
         filesink name=file",
        codec.encoder, codec.muxer
    );
    let pipeline = run::pipeline(&description)?;
    run::element(&pipeline, "file")?.set_property("location", film);
    let frames = run::element(&pipeline, "frames")?
        .downcast::<gst_app::AppSrc>()
        .map_err(|_| anyhow!("appsrc is none"))?;
    let rate = gst::Fraction::new(RATE as i32, 1);
    frames.set_caps(Some(&VideoInfo::builder(VideoFormat::Rgb, WIDTH, HEIGHT).fps(rate).build()?.to_caps()?));

    pipeline.set_state(gst::State::Playing)?;
    let bar = progress::frames("making a video of the photo", Motion::frames());
    for index in 0..Motion::frames() {
        let mut buffer = gst::Buffer::from_slice(motion.frame(index).into_raw());
        let start = moment(index);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(start);
            buffer.set_duration(moment(index + 1) - start);
        }
        // Why a push fails is on the bus.
        if frames.push_buffer(buffer).is_err() {
            break;
        }
        bar.inc(1);
    }
    let _ = frames.end_of_stream();
    bar.finish_and_clear();
    run::to_end(&pipeline, |_| ControlFlow::Continue(()))
}

fn moment(index: u64) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(index * 1_000_000_000 / u64::from(RATE))
}
