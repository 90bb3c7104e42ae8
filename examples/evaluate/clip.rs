//! A clip's frames, decoded once and kept.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use image::RgbImage;

pub struct Clip {
    pub name: String,
    pub frames: Vec<RgbImage>,
    pub times: Vec<Duration>,
}

impl Clip {
    /// Decodes the whole file to RGB.
    pub fn read(path: &Path) -> Result<Clip> {
        Clip::read_through(path, "identity")
    }

    /// As [`read`](Self::read), with `elements` behind the decoder.
    pub fn read_through(path: &Path, elements: &str) -> Result<Clip> {
        let launch = format!(
            "filesrc name=in ! decodebin ! {elements} ! videoconvert ! video/x-raw,format=RGB ! appsink name=out sync=false max-buffers=4"
        );
        let pipeline =
            gst::parse::launch(&launch)?.downcast::<gst::Pipeline>().ok().context("no pipeline")?;
        pipeline.by_name("in").context("no filesrc")?.set_property("location", path);
        let sink = pipeline.by_name("out").and_then(|e| e.downcast::<gst_app::AppSink>().ok());
        let sink = sink.context("no appsink")?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut clip = Clip { name, frames: Vec::new(), times: Vec::new() };
        pipeline.set_state(gst::State::Playing)?;
        while let Ok(sample) = sink.pull_sample() {
            clip.push(&sample)?;
        }
        let failure = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        pipeline.set_state(gst::State::Null)?;
        if let Some(gst::MessageView::Error(e)) = failure.as_ref().map(|m| m.view()) {
            bail!("{}: {}", path.display(), e.error());
        }
        if clip.frames.is_empty() {
            bail!("{}: it holds no frame", path.display());
        }
        Ok(clip)
    }

    fn push(&mut self, sample: &gst::Sample) -> Result<()> {
        let info = gst_video::VideoInfo::from_caps(sample.caps().context("a frame without caps")?)?;
        let buffer = sample.buffer().context("a sample without a frame")?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info)?;
        let row = info.width() as usize * 3;
        let rows = frame.plane_data(0)?.chunks(info.stride()[0] as usize).take(info.height() as usize);
        let pixels: Vec<u8> = rows.flat_map(|r| &r[..row]).copied().collect();
        self.frames.push(RgbImage::from_raw(info.width(), info.height(), pixels).context("a short frame")?);
        self.times.push(buffer.pts().context("a frame without a time")?.into());
        Ok(())
    }

    /// The frame half a clip away.
    pub fn opposite(&self, number: usize) -> &RgbImage {
        &self.frames[(number + self.frames.len() / 2) % self.frames.len()]
    }
}
