//! Subtitles that Matroska's demuxer gives as Pango markup, as its muxer takes them: plain, as they were stored.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use gst::{PadProbeData, PadProbeReturn, PadProbeType, prelude::*};

use crate::pipe;

const ENTITIES: [(&str, &str); 5] =
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];

fn is_markup(caps: &gst::CapsRef) -> bool {
    pipe::is(caps, "text/x-raw")
        && caps.structure(0).is_some_and(|s| s.get::<&str>("format").is_ok_and(|f| f == "pango-markup"))
}

/// What a stream of these caps is stored as.
pub fn stored(caps: &gst::Caps) -> gst::Caps {
    match is_markup(caps) {
        true => gst::Caps::builder("text/x-raw").field("format", "utf8").build(),
        false => caps.clone(),
    }
}

/// Takes back what the demuxer did to text. It escapes each text until it has seen a tag, and none from then on.
pub fn store(pad: &gst::Pad) {
    if !is_markup(&pipe::caps(pad)) {
        return;
    }
    let tags = AtomicBool::new(false);
    pad.add_probe(PadProbeType::BUFFER | PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        match &mut info.data {
            Some(PadProbeData::Event(event)) => {
                if let gst::EventView::Caps(caps) = event.view() {
                    let plain = stored(&caps.caps_owned());
                    *event = gst::event::Caps::new(&plain);
                }
            }
            Some(PadProbeData::Buffer(buffer)) => {
                let text = buffer.map_readable().ok().and_then(|map| String::from_utf8(map.to_vec()).ok());
                if let Some(text) = text {
                    tags.fetch_or(text.contains('<'), Relaxed);
                    if !tags.load(Relaxed) && text.contains('&') {
                        let mut plain = gst::Buffer::from_slice(unescaped(&text));
                        let copy = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS;
                        let made = plain.get_mut().map(|plain| buffer.copy_into(plain, copy, ..));
                        if let Some(Ok(())) = made {
                            *buffer = plain;
                        }
                    }
                }
            }
            _ => {}
        }
        PadProbeReturn::Ok
    });
}

fn unescaped(text: &str) -> String {
    ENTITIES.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}
