//! What is in a video file: its streams, and the time of each frame.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use gst::prelude::*;

use crate::{
    exit::{Exit, Outcome, fail},
    pipe,
};

/// A packet of the video stream, in the order of decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When its frame is shown, in nanoseconds of the stream; `None` where the file does not tell, or never shows it.
    pub time: Option<u64>,
    pub duration: Option<u64>,
    /// Decoding can begin here.
    pub key: bool,
}

/// A stream as it is stored.
#[derive(Clone, Debug)]
pub struct Stream {
    pub id: String,
    pub caps: gst::Caps,
    /// Of the stream itself.
    pub tags: gst::TagList,
    /// Of the file, as the stream tells it.
    global: gst::TagList,
    packets: Vec<Packet>,
}

#[derive(Clone, Debug)]
pub struct Movie {
    pub path: PathBuf,
    pub video: Stream,
    /// Sound, subtitles, further pictures.
    pub others: Vec<Stream>,
    /// What the file says of itself as a whole.
    pub tags: gst::TagList,
}

impl Stream {
    fn is_video(&self) -> bool {
        pipe::is(&self.caps, "video/") || (pipe::is(&self.caps, "image/") && self.packets.len() > 1)
    }

    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }
}

impl Movie {
    /// Reads the whole file, since some containers list their frames nowhere; decodes nothing.
    ///
    /// # Errors
    /// Not a video.
    pub fn read(path: &Path) -> Outcome<Movie> {
        let name = path.display();
        let pipeline = pipe::reader(path)?;
        let found = Arc::new(Mutex::new(Vec::<Stream>::new()));
        let (weak, seen) = (pipeline.downgrade(), found.clone());
        pipe::element(&pipeline, "streams")?.connect_pad_added(move |streams, pad| {
            let Some(pipeline) = weak.upgrade() else { return };
            watch(pad, &seen);
            pipe::report(streams, pipe::drain(&pipeline, pad));
        });
        pipe::to_end(&pipeline, Exit::Target, |_| Ok(())).map_err(|failure| crate::exit::Failure {
            error: failure.error.context(format!("{name} cannot be read")),
            ..failure
        })?;

        let mut streams = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(video) = streams.iter().position(Stream::is_video) else {
            return fail(Exit::Target, format!("{name}: there is no video in it"));
        };
        let video = streams.remove(video);
        if video.packets.is_empty() {
            return fail(Exit::Target, format!("{name}: its video has no frames"));
        }
        let mut tags = gst::TagList::new();
        tags.make_mut().set_scope(gst::TagScope::Global);
        for stream in streams.iter().chain([&video]) {
            tags = tags.merge(&stream.global, gst::TagMergeMode::Keep);
        }
        Ok(Movie { path: path.into(), video, others: streams, tags })
    }

    /// Nanoseconds from the first frame shown to the end of the last.
    pub fn end(&self) -> u64 {
        let end = |p: &Packet| p.time.map(|time| time + p.duration.unwrap_or_default());
        self.video.packets.iter().filter_map(end).max().unwrap_or_default()
    }

    /// Every frame has a time: the video can be cut.
    pub fn is_timed(&self) -> bool {
        let mut times: Vec<u64> = self.video.packets.iter().filter_map(|packet| packet.time).collect();
        times.sort_unstable();
        times.dedup();
        times.len() > 1 && times.len() == self.video.packets.len()
    }
}

/// Notes what comes over a pad.
fn watch(pad: &gst::Pad, found: &Arc<Mutex<Vec<Stream>>>) {
    let place = {
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        let id = pad.stream_id().map(|id| id.to_string()).unwrap_or_default();
        let none = gst::TagList::new;
        found.push(Stream { id, caps: pipe::caps(pad), tags: none(), global: none(), packets: Vec::new() });
        found.len() - 1
    };
    let found = found.clone();
    let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(mask, move |pad, info| {
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = &mut found[place];
        if let Some(buffer) = info.buffer() {
            stream.packets.push(Packet {
                time: pipe::stream_time(pad, buffer),
                duration: buffer.duration().map(gst::ClockTime::nseconds),
                key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            });
        } else if let Some(gst::EventView::Tag(tag)) = info.event().map(|event| event.view()) {
            let tags = match tag.tag().scope() {
                gst::TagScope::Global => &mut stream.global,
                _ => &mut stream.tags,
            };
            *tags = tags.merge(&tag.tag_owned(), gst::TagMergeMode::Replace);
        }
        gst::PadProbeReturn::Ok
    });
}
