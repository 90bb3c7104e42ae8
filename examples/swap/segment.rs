//! Swaps one segment of a video: decode, swap, encode, into a part.

use std::{
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use anyhow::{Context, Result};
use gst::prelude::*;

use crate::{
    encoder::Encoding,
    exit::{Exit, Failure, Outcome, fail},
    movie::Movie,
    part::{Trailer, Writer},
    pipe,
    plan::Segment,
    swapper::{self, Swapper},
    upright::Turn,
};

/// What a segment is made with, and whom it tells.
pub struct Work<'a> {
    pub movie: &'a Movie,
    pub swapper: &'a Swapper,
    pub encoding: &'a Encoding,
    /// Set from outside to end early, on a whole frame.
    pub stop: &'a Arc<AtomicBool>,
    /// Leave turned pictures upright, where the output cannot say that they are turned.
    pub upright: bool,
}

/// How a segment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Whole,
    /// The part holds only the frames until it was stopped.
    Stopped,
}

/// What goes on while a segment is made.
pub enum Event<'a> {
    /// Frames swapped so far, of this segment.
    Frames(u64),
    Message(&'a gst::Message),
}

impl Work<'_> {
    /// Makes the part at `path`.
    pub fn segment(
        &self,
        segment: &Segment,
        path: &Path,
        tell: &mut dyn FnMut(Event) -> Outcome<()>,
    ) -> Outcome<End> {
        let seek = segment.packets.start > 0;
        if seek && let Some(end) = self.attempt(segment, path, true, tell)? {
            return Ok(end);
        }
        // The container cannot be entered there: read it from the beginning.
        match self.attempt(segment, path, false, tell)? {
            Some(end) => Ok(end),
            None => fail(Exit::Target, format!("{} changed while it was read", self.movie.path.display())),
        }
    }

    /// `None` where the segment's first packet did not come.
    fn attempt(
        &self,
        segment: &Segment,
        path: &Path,
        seek: bool,
        tell: &mut dyn FnMut(Event) -> Outcome<()>,
    ) -> Outcome<Option<End>> {
        let out = Arc::new(Mutex::new(Some(
            Writer::create(path).map_err(|error| Failure { exit: Exit::Output, error })?,
        )));
        let feed = Arc::new(Feed::new(self.movie, segment, seek, self.stop.clone()));
        let passed = Arc::new(Passed::default());
        let pipeline = self.pipeline(segment, &feed, &passed, &out)?;
        let ran = self.swapper.run(&pipeline, Exit::Target, |message| {
            feed.seek();
            if let Some(message) = message {
                tell(Event::Message(message))?;
            }
            tell(Event::Frames(passed.frames.load(Relaxed)))
        });
        let stopped = self.stop.load(Relaxed);
        if stopped && passed.frames.load(Relaxed) == 0 {
            return Ok(Some(End::Stopped));
        }
        if !feed.found.load(Relaxed) && ran.is_ok() {
            return Ok(None);
        }
        ran?;
        let writer =
            out.lock().unwrap_or_else(PoisonError::into_inner).take().context("a part without a writer")?;
        if writer.frames == 0 && !stopped {
            return fail(
                Exit::Target,
                format!("{}: none of its frames could be decoded", self.movie.path.display()),
            );
        }
        let (caps, tags) = feed.made.lock().unwrap_or_else(PoisonError::into_inner).clone();
        writer
            .finish(Trailer {
                caps,
                tags,
                swapped: passed.swapped.load(Relaxed),
                milliseconds: self.swapper.milliseconds(),
                ..Trailer::default()
            })
            .map_err(|error| Failure { exit: Exit::Output, error })?;
        Ok(Some(if stopped { End::Stopped } else { End::Whole }))
    }

    fn pipeline(
        &self,
        segment: &Segment,
        feed: &Arc<Feed>,
        passed: &Arc<Passed>,
        out: &Arc<Mutex<Option<Writer>>>,
    ) -> Outcome<gst::Pipeline> {
        let queue = "queue max-size-buffers=4 max-size-bytes=0 max-size-time=0";
        let turn = Turn::of(&self.movie.video.tags);
        let pipeline = pipe::pipeline(&format!(
            "filesrc name=file ! parsebin name=streams \
             decodebin name=pictures ! {queue} ! {} videoconvert name=before \
             {queue} name=after ! {} videoconvert name=last",
            turn.upright(),
            if self.upright { String::new() } else { turn.back() },
        ))?;
        pipe::element(&pipeline, "file")?.set_property("location", &self.movie.path);
        let (before, after) = (pipe::element(&pipeline, "before")?, pipe::element(&pipeline, "after")?);
        if !self.movie.is_timed() {
            give_times(&before)?;
        }
        keep(&before, segment.lead..u64::MAX, |_| {})?;
        let count = passed.clone();
        keep(&after, segment.start..segment.end, move |frame| {
            count.frames.fetch_add(1, Relaxed);
            count.swapped.fetch_add(u64::from(swapper::is_swapped(frame)), Relaxed);
        })?;
        end_on(&after, self.stop)?;

        let mut line = vec![pipe::element(&pipeline, "last")?];
        line.extend(self.encoding.elements()?);
        line.push(sink(out, feed));
        pipeline.add_many(&line[1..])?;
        gst::Element::link_many(&line)?;
        feed.connect(&pipeline, &self.movie.video.id)?;
        self.swapper.mount(&pipeline, &before, &after)?;
        Ok(pipeline)
    }
}

/// Frames that go to the encoder.
#[derive(Default)]
struct Passed {
    frames: AtomicU64,
    swapped: AtomicU64,
}

/// Lets only frames of a time out of an element, and shows them to `seen`.
fn keep(
    element: &gst::Element,
    range: Range<u64>,
    seen: impl Fn(&gst::BufferRef) + Send + Sync + 'static,
) -> Result<()> {
    let pad = element.static_pad("src").context("an element without a pad")?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(buffer) = info.buffer() else { return gst::PadProbeReturn::Ok };
        if pipe::stream_time(pad, buffer).is_some_and(|time| !range.contains(&time)) {
            return gst::PadProbeReturn::Drop;
        }
        seen(buffer);
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

/// Gives frames without a time the one after the frame before.
fn give_times(element: &gst::Element) -> Result<()> {
    let pad = element.static_pad("src").context("an element without a pad")?;
    let next = AtomicU64::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let rate =
            pad.current_caps().and_then(|caps| caps.structure(0)?.get::<gst::Fraction>("framerate").ok());
        let (frames, seconds) = rate.map_or((0, 1), |rate| (rate.numer() as u64, rate.denom() as u64));
        let usual = (1_000_000_000 * seconds).checked_div(frames).unwrap_or(40_000_000);
        if let Some(buffer) = info.buffer_mut() {
            let time = buffer.pts().map_or(next.load(Relaxed), gst::ClockTime::nseconds);
            let time = time.max(next.load(Relaxed));
            buffer.make_mut().set_pts(gst::ClockTime::from_nseconds(time));
            next.store(time + usual, Relaxed);
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

/// Ends the stream behind an element as soon as `stop` is set. Frames are in the order they are shown here, so that none
/// before the end is missing.
fn end_on(element: &gst::Element, stop: &Arc<AtomicBool>) -> Result<()> {
    let (stop, ended) = (stop.clone(), AtomicBool::new(false));
    let pad = element.static_pad("sink").context("an element without a pad")?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if !stop.load(Relaxed) {
            return gst::PadProbeReturn::Ok;
        }
        if !ended.swap(true, Relaxed) {
            pad.send_event(gst::event::Eos::new());
        }
        info.flow_res = Err(gst::FlowError::Eos);
        gst::PadProbeReturn::Handled
    });
    Ok(())
}

/// Writes what comes into the part.
fn sink(out: &Arc<Mutex<Option<Writer>>>, feed: &Arc<Feed>) -> gst::Element {
    let (out, feed) = (out.clone(), feed.clone());
    let sink = gst_app::AppSink::builder().sync(false).max_buffers(16).build();
    let pad = sink.static_pad("sink").expect("an appsink has a pad");
    let made = feed.clone();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let mut made = made.made.lock().unwrap_or_else(PoisonError::into_inner);
        match info.event().map(|event| event.view()) {
            Some(gst::EventView::Caps(caps)) => made.0 = caps.caps().to_string(),
            Some(gst::EventView::Tag(tag)) if tag.tag().scope() == gst::TagScope::Stream => {
                made.1 = tag.tag().to_string();
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
    let write = move |sink: &gst_app::AppSink| -> Result<()> {
        let sample = sink.pull_sample()?;
        let buffer = sample.buffer().context("a sample without a buffer")?;
        let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let time = segment.zip(buffer.pts()).and_then(|(segment, pts)| segment.to_stream_time(pts));
        let time = time.context("the encoder made a frame without a time")?.nseconds();
        let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let data = buffer.map_readable()?;
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        out.as_mut().context("the part is closed")?.push(time, key, &data)?;
        Ok(())
    };
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                write(sink).map(|()| gst::FlowSuccess::Ok).map_err(|error| {
                    gst::element_error!(
                        sink,
                        gst::ResourceError::Write,
                        ("the part cannot be written: {error:#}")
                    );
                    gst::FlowError::Error
                })
            })
            .build(),
    );
    sink.upcast()
}

/// Sends the segment's packets to the decoder, and no others.
struct Feed {
    first: Option<u64>,
    count: usize,
    stop: Arc<AtomicBool>,
    passed: AtomicU64,
    /// The segment's first packet came.
    found: AtomicBool,
    ended: AtomicBool,
    /// Where to go before anything passes, once.
    seek: Mutex<Option<(gst::Pad, gst::PadProbeId)>>,
    wanted: bool,
    /// Caps and tags of what was encoded.
    made: Mutex<(String, String)>,
}

impl Feed {
    fn new(movie: &Movie, segment: &Segment, seek: bool, stop: Arc<AtomicBool>) -> Feed {
        let first = movie.video.packets().get(segment.packets.start).and_then(|packet| packet.time);
        Feed {
            first: first.filter(|_| segment.packets.start > 0),
            count: segment.packets.len(),
            stop,
            passed: AtomicU64::new(0),
            found: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            seek: Mutex::new(None),
            wanted: seek,
            made: Mutex::default(),
        }
    }

    fn connect(self: &Arc<Feed>, pipeline: &gst::Pipeline, id: &str) -> Result<()> {
        let pictures =
            pipe::element(pipeline, "pictures")?.static_pad("sink").context("decodebin without a pad")?;
        let (feed, id) = (self.clone(), id.to_owned());
        pipe::element(pipeline, "streams")?.connect_pad_added(move |streams, pad| {
            if pad.stream_id().is_some_and(|other| other == id) {
                if feed.wanted {
                    let block =
                        pad.add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, |_, _| gst::PadProbeReturn::Ok);
                    *feed.seek.lock().unwrap_or_else(PoisonError::into_inner) =
                        block.map(|block| (pad.clone(), block));
                }
                let watch = feed.clone();
                pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| watch.packet(pad, info));
                pipe::report(streams, pad.link(&pictures).map(drop).map_err(anyhow::Error::from));
            }
        });
        Ok(())
    }

    /// Goes to the key frame before the segment, from a thread that is not the stream's.
    fn seek(&self) {
        let taken = self.seek.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some((pad, block)), Some(first)) = (taken, self.first) else { return };
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT | gst::SeekFlags::SNAP_BEFORE;
        let to = gst::ClockTime::from_nseconds(first);
        pad.send_event(gst::event::Seek::new(
            1.0,
            flags,
            gst::SeekType::Set,
            to,
            gst::SeekType::None,
            gst::ClockTime::NONE,
        ));
        pad.remove_probe(block);
    }

    fn packet(&self, pad: &gst::Pad, info: &mut gst::PadProbeInfo) -> gst::PadProbeReturn {
        let time = info.buffer().and_then(|buffer| pipe::stream_time(pad, buffer));
        let mut found = self.found.load(Relaxed);
        if !found && (self.first.is_none() || (time.is_some() && time == self.first)) {
            self.found.store(true, Relaxed);
            found = true;
        }
        let missed = !found && self.wanted && time > self.first;
        let passed = self.passed.fetch_add(u64::from(found), Relaxed);
        let stopped = !found && self.stop.load(Relaxed);
        if missed || stopped || passed >= self.count as u64 {
            if !self.ended.swap(true, Relaxed)
                && let Some(peer) = pad.peer()
            {
                peer.send_event(gst::event::Eos::new());
            }
            info.flow_res = Err(gst::FlowError::Eos);
            return gst::PadProbeReturn::Handled;
        }
        if found { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Drop }
    }
}
