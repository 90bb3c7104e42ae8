//! Joins finished parts with the target's other streams, without decoding anything.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    str::FromStr,
    thread,
};

use anyhow::{Context, Result, ensure};
use gst::prelude::*;

use crate::{
    encoder,
    exit::{Exit, Outcome, fail},
    movie::{Movie, Stream},
    part::{Reader, Trailer},
    pipe, subtitles,
    timing::Timing,
};

/// Longer than any encoder's delay: decoding times before the first frame have room below it.
const ROOM: gst::ClockTime = gst::ClockTime::from_seconds(3600);

/// What is joined.
pub struct Join<'a> {
    pub movie: &'a Movie,
    pub parts: &'a [PathBuf],
    /// Time of the target that is kept, in nanoseconds of the stream.
    pub range: Range<u64>,
    pub muxer: &'static str,
}

/// What the parts hold together.
#[derive(Debug, Default)]
pub struct Sum {
    pub frames: usize,
    pub swapped: u64,
    pub milliseconds: f64,
}

impl Join<'_> {
    /// Writes the video and, if asked for, what else the target has, to `out`. Times are counted from the range's start.
    ///
    /// # Errors
    /// Parts that are not whole or do not fit each other; a stream that the container cannot hold.
    pub fn write(&self, out: &Path, others: bool, tick: &mut dyn FnMut() -> Outcome<()>) -> Outcome<Sum> {
        let (trailers, times) = self.read()?;
        let end = self.movie.end().min(self.range.end);
        let timing = Timing::of(&times, end.max(times.iter().copied().max().unwrap_or_default()));

        let pipeline = pipe::pipeline(&format!("{} name=mux ! filesink name=out", self.muxer))?;
        pipe::element(&pipeline, "out")?.set_property("location", out);
        let mux = pipe::element(&pipeline, "mux")?;
        self.settle(&mux)?;
        let video = self.video(&pipeline, &mux, &trailers[0])?;
        if others {
            self.others(&pipeline, &mux)?;
        }
        let start = self.range.start;
        let parts = self.parts.to_vec();
        let feeder = thread::spawn(move || feed(&video, &parts, &timing, start));
        let ran = pipe::to_end(&pipeline, Exit::Output, |_| tick());
        let fed =
            feeder.join().unwrap_or_else(|_| Err(anyhow::anyhow!("feeding the muxer failed unexpectedly")));
        ran?;
        fed?;

        let frames: usize = trailers.iter().map(|trailer| trailer.frames).sum();
        let work: f64 = trailers.iter().map(|trailer| trailer.milliseconds * trailer.frames as f64).sum();
        let swapped = trailers.iter().map(|trailer| trailer.swapped).sum();
        Ok(Sum { frames, swapped, milliseconds: work / frames.max(1) as f64 })
    }

    fn read(&self) -> Result<(Vec<Trailer>, Vec<u64>)> {
        let mut trailers = Vec::<Trailer>::new();
        let mut times = Vec::new();
        for part in self.parts {
            let trailer = Reader::open(part)?.trailer;
            if let Some(first) = trailers.first() {
                ensure!(
                    first.caps == trailer.caps,
                    "{} was made by another encoder than the parts before: {} and {}",
                    part.display(),
                    trailer.caps,
                    first.caps
                );
            }
            times.extend(Reader::times(part)?);
            trailers.push(trailer);
        }
        ensure!(!times.is_empty(), "there are no frames in the parts");
        Ok((trailers, times))
    }

    /// Times as exact as the target has them.
    fn settle(&self, mux: &gst::Element) -> Result<()> {
        if mux.find_property("trak-timescale").is_some() {
            let scales = crate::mp4::timescales(&self.movie.path);
            mux.set_property("movie-timescale", scales.map_or(1000, |scales| scales.movie));
            mux.set_property("trak-timescale", scales.map_or(90_000, |scales| scales.video));
        }
        Ok(())
    }

    fn video(
        &self,
        pipeline: &gst::Pipeline,
        mux: &gst::Element,
        trailer: &Trailer,
    ) -> Result<gst_app::AppSrc> {
        let caps = gst::Caps::from_str(&trailer.caps).context("the caps of a part")?;
        let source = gst_app::AppSrc::builder()
            .format(gst::Format::Time)
            .caps(&caps)
            .block(true)
            .max_bytes(8 << 20)
            .build();
        source.set_property("handle-segment-change", true);
        let pad = source.static_pad("src").context("an appsrc without a pad")?;
        let mut tags = glib::Value::deserialize(&trailer.tags, gst::TagList::static_type())
            .ok()
            .and_then(|tags| tags.get::<gst::TagList>().ok())
            .unwrap_or_default();
        tags.make_mut().remove::<gst::tags::ImageOrientation>();
        tags.make_mut().set_scope(gst::TagScope::Stream);
        let global = Some(self.movie.tags.clone()).filter(|tags| tags.n_tags() > 0);
        let tags = Some(tags).filter(|tags| tags.n_tags() > 0);
        // Tags go after the segment, before the first frame.
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
            for list in [&global, &tags].into_iter().flatten() {
                pad.push_event(gst::event::Tag::new(list.clone()));
            }
            gst::PadProbeReturn::Remove
        });
        pipeline.add(&source)?;
        let queue = queue(pipeline, 1_000_000_000)?;
        source.link(&queue)?;
        queue.link_pads(Some("src"), mux, Some("video_%u")).context("the muxer takes no such video")?;
        Ok(source)
    }

    fn others(&self, pipeline: &gst::Pipeline, mux: &gst::Element) -> Outcome<()> {
        if self.movie.others.is_empty() {
            return Ok(());
        }
        let reader = gst::ElementFactory::make("filesrc").property("location", &self.movie.path).build()?;
        let streams = gst::ElementFactory::make("parsebin").build()?;
        pipeline.add_many([&reader, &streams])?;
        reader.link(&streams)?;
        let mut queues = Vec::new();
        for stream in &self.movie.others {
            queues.push((stream.id.clone(), self.place(pipeline, mux, stream)?));
        }
        let range = self.range.clone();
        let weak = pipeline.downgrade();
        streams.connect_pad_added(move |streams, pad| {
            let Some(pipeline) = weak.upgrade() else { return };
            let id = pad.stream_id();
            let queue = queues.iter().find(|(other, _)| id.as_ref().is_some_and(|id| id == other));
            let linked = match queue {
                Some((_, queue)) => {
                    clip(pad, range.clone());
                    subtitles::store(pad);
                    queue
                        .static_pad("sink")
                        .context("a queue without a pad")
                        .and_then(|to| Ok(pad.link_full(&to, gst::PadLinkCheck::empty()).map(drop)?))
                }
                None => pipe::drain(&pipeline, pad),
            };
            pipe::report(streams, linked);
        });
        Ok(())
    }

    /// A queue to the muxer for a stream.
    fn place(&self, pipeline: &gst::Pipeline, mux: &gst::Element, stream: &Stream) -> Outcome<gst::Element> {
        let what = stream.caps.structure(0).map(|s| s.name().to_string()).unwrap_or_default();
        let text = !pipe::is(&stream.caps, "audio/") && !pipe::is(&stream.caps, "video/");
        // Subtitles come seldom, and must not hold back the sound.
        let queue = queue(pipeline, if text { 0 } else { 60_000_000_000 })?;
        let stored = subtitles::stored(&stream.caps);
        let template = mux
            .pad_template_list()
            .into_iter()
            .find(|t| t.direction() == gst::PadDirection::Sink && t.caps().can_intersect(&stored));
        let pad = template.and_then(|template| mux.request_pad(&template, None, None));
        let (Some(pad), Some(from)) = (pad, queue.static_pad("src")) else {
            return fail(
                Exit::Encoder,
                format!(
                    "{}: {} cannot hold its {what}; an output ending in .mkv can hold more",
                    self.movie.path.display(),
                    self.muxer
                ),
            );
        };
        from.link(&pad)?;
        Ok(queue)
    }
}

/// Whether a container can hold all that is to be copied; asked before the work begins.
pub fn holds(movie: &Movie, muxer: &str) -> Outcome<()> {
    let Some(factory) = gst::ElementFactory::find(muxer) else { return Ok(()) };
    let takes = encoder::templates(&factory, gst::PadDirection::Sink);
    if let Some(stream) =
        movie.others.iter().find(|stream| !takes.can_intersect(&subtitles::stored(&stream.caps)))
    {
        return fail(
            Exit::Encoder,
            format!(
                "{}: {muxer} cannot hold its stream {}; an output ending in .mkv can hold more",
                movie.path.display(),
                stream.caps
            ),
        );
    }
    Ok(())
}

fn queue(pipeline: &gst::Pipeline, nanoseconds: u64) -> Result<gst::Element> {
    let queue = gst::ElementFactory::make("queue")
        .property("max-size-buffers", 0u32)
        .property("max-size-bytes", 0u32)
        .property("max-size-time", nanoseconds)
        .build()?;
    pipeline.add(&queue)?;
    Ok(queue)
}

/// Counts time as the stream does, from the range's start, and passes only its packets.
fn clip(pad: &gst::Pad, range: Range<u64>) {
    pad.set_offset(-i64::try_from(range.start).unwrap_or(i64::MAX));
    let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(mask, move |pad, info| {
        if let Some(gst::EventView::Segment(event)) = info.event().map(|event| event.view()) {
            // Some containers begin at a time of their own, which running time leaves out.
            if let Some(segment) = event.segment().downcast_ref::<gst::ClockTime>() {
                let mut segment = segment.clone();
                segment.set_base(segment.time());
                info.data = Some(gst::PadProbeData::Event(gst::event::Segment::new(&segment)));
            }
            return gst::PadProbeReturn::Ok;
        }
        let time = info.buffer().and_then(|buffer| pipe::stream_time(pad, buffer));
        match time {
            Some(time) if !range.contains(&time) => gst::PadProbeReturn::Drop,
            _ => gst::PadProbeReturn::Ok,
        }
    });
}

/// Pushes the frames of all parts.
fn feed(source: &gst_app::AppSrc, parts: &[PathBuf], timing: &Timing, start: u64) -> Result<()> {
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(ROOM);
    let mut index = 0;
    let result = parts.iter().try_for_each(|part| -> Result<()> {
        let mut reader = Reader::open(part)?;
        while let Some(frame) = reader.next()? {
            let mut buffer = gst::Buffer::from_mut_slice(frame.data);
            {
                let buffer = buffer.make_mut();
                let shown = |time: u64| ROOM + gst::ClockTime::from_nseconds(time);
                buffer.set_pts(shown(frame.time - start));
                buffer.set_dts(
                    shown(timing.decode[index] - start) - gst::ClockTime::from_nseconds(timing.delay),
                );
                buffer.set_duration(gst::ClockTime::from_nseconds(timing.duration[index]));
                if !frame.key {
                    buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
                }
            }
            index += 1;
            let sample = gst::Sample::builder().buffer(&buffer).segment(&segment).build();
            if source.push_sample(&sample).is_err() {
                return Ok(());
            }
        }
        Ok(())
    });
    match &result {
        Ok(()) => drop(source.end_of_stream()),
        Err(error) => gst::element_error!(source, gst::ResourceError::Read, ("{error:#}")),
    }
    result
}
