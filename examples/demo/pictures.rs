//! A frame before and after, side by side.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use gst::prelude::*;
use gst_video::VideoRegionOfInterestMeta;
use image::{RgbImage, imageops};

/// One frame in this many is looked at.
const EVERY: u64 = 15;

/// The same frame before and after the element.
pub struct Pair {
    caps: gst::Caps,
    before: gst::Buffer,
    after: gst::Buffer,
}

/// Looks at frames as they enter and leave the element.
#[derive(Default)]
pub struct Watch {
    frames: u64,
    entered: Option<gst::Buffer>,
    first_out: Option<Instant>,
    last_out: Option<Instant>,
    best: Option<(u32, Pair)>,
}

impl Watch {
    pub fn attach(watch: &Arc<Mutex<Watch>>, element: &gst::Element) -> Result<()> {
        for (name, see) in
            [("sink", Watch::entering as fn(&mut Watch, &gst::Buffer, &gst::Pad)), ("src", Watch::leaving)]
        {
            let pad = element.static_pad(name).context("an element without pads")?;
            let watch = watch.clone();
            pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                if let Some(buffer) = info.buffer() {
                    see(&mut lock(&watch), buffer, pad);
                }
                gst::PadProbeReturn::Ok
            });
        }
        Ok(())
    }

    fn entering(&mut self, buffer: &gst::Buffer, _: &gst::Pad) {
        self.frames += 1;
        self.entered = if self.frames.is_multiple_of(EVERY) { buffer.copy_deep().ok() } else { None };
    }

    fn leaving(&mut self, buffer: &gst::Buffer, pad: &gst::Pad) {
        self.last_out = Some(Instant::now());
        self.first_out = self.first_out.or(self.last_out);
        let Some(before) = self.entered.take() else { return };
        let faces = buffer.iter_meta::<VideoRegionOfInterestMeta>();
        let Some(size) = faces.map(|face| face.rect().2).max() else { return };
        if let Some(caps) = pad.current_caps()
            && self.best.as_ref().is_none_or(|(largest, _)| size > *largest)
        {
            self.best = Some((size, Pair { caps, before, after: buffer.clone() }));
        }
    }

    /// Frames that have entered.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    pub fn took(&self) -> Option<Duration> {
        Some(self.last_out?.duration_since(self.first_out?))
    }

    /// The pair with the largest face.
    pub fn best(self) -> Option<Pair> {
        self.best.map(|(_, pair)| pair)
    }
}

fn lock(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pair {
    /// Writes the source photo, the frame before and the frame after, next to each other.
    pub fn write(&self, source: &Path, out: &Path) -> Result<()> {
        let (before, after) = (self.picture(&self.before)?, self.picture(&self.after)?);
        let height = before.height();
        let photo = image::open(source).with_context(|| source.display().to_string())?;
        let photo = photo.resize(u32::MAX, height, imageops::FilterType::Lanczos3).into_rgb8();
        let panels = [photo, before, after];
        let mut sheet = RgbImage::new(panels.iter().map(RgbImage::width).sum(), height);
        let mut x = 0;
        for panel in &panels {
            imageops::replace(&mut sheet, panel, x, 0);
            x += i64::from(panel.width());
        }
        sheet.save(out).with_context(|| out.display().to_string())
    }

    fn picture(&self, buffer: &gst::Buffer) -> Result<RgbImage> {
        let sample = gst::Sample::builder().buffer(buffer).caps(&self.caps).build();
        let rgb = gst::Caps::builder("video/x-raw").field("format", "RGB").build();
        let sample = gst_video::convert_sample(&sample, &rgb, Some(gst::ClockTime::from_seconds(10)))?;
        let info = gst_video::VideoInfo::from_caps(sample.caps().context("a frame without caps")?)?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(
            sample.buffer().context("a sample without a frame")?,
            &info,
        )?;
        let row = info.width() as usize * 3;
        let lines = frame.plane_data(0)?.chunks(info.stride()[0] as usize).take(info.height() as usize);
        let pixels = lines.flat_map(|line| &line[..row]).copied().collect();
        RgbImage::from_raw(info.width(), info.height(), pixels)
            .context("a frame of another size than its caps")
    }
}
