//! Marks on altered frames and streams, so that they can be told from the original.

use std::sync::Once;

use glib::prelude::*;
use gst::{meta::CustomMeta, tags};
use gst_video::VideoRegionOfInterestMeta;

use crate::engine::{FaceReport, Report, geometry::Rect};

const META: &str = "FaceSwapMarkMeta";

/// What is said of an engine's output. Terms: <https://cv.iptc.org/newscodes/digitalsourcetype/>.
#[derive(Debug)]
struct Wording {
    engine: &'static str,
    source_type: &'static str,
    comment: &'static str,
    keywords: &'static str,
}

/// The mesh engine composes pixels of two captures, a photo and a video; no generative model makes
/// any.
const MESH: Wording = Wording {
    engine: "mesh",
    source_type: "http://cv.iptc.org/newscodes/digitalsourcetype/compositeCapture",
    comment: "Synthetic media: faces in this video were replaced (GStreamer faceswap, mesh engine). \
        IPTC digital source type: http://cv.iptc.org/newscodes/digitalsourcetype/compositeCapture",
    keywords: "synthetic media,face swap,compositeCapture",
};
/// A network makes the pixels of the face.
const NEURAL: Wording = Wording {
    engine: "neural",
    source_type: "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
    comment: "Synthetic media: faces in this video were replaced (GStreamer faceswap, neural engine). \
        IPTC digital source type: \
        http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
    keywords: "synthetic media,face swap,compositeWithTrainedAlgorithmicMedia",
};

/// A network makes the pixels of some frames' faces, which are warped onto the others.
const HYBRID: Wording = Wording {
    engine: "hybrid",
    source_type: NEURAL.source_type,
    comment: "Synthetic media: faces in this video were replaced (GStreamer faceswap, hybrid engine). \
        IPTC digital source type: \
        http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
    keywords: NEURAL.keywords,
};

/// Which engine made a frame's faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Used {
    #[default]
    Mesh,
    Neural,
    Hybrid,
}

impl Used {
    /// By whether a network made any pixels, and whether it did so for key frames.
    pub fn of(network: bool, key_frames: bool) -> Used {
        match (network, key_frames) {
            (false, _) => Used::Mesh,
            (true, false) => Used::Neural,
            (true, true) => Used::Hybrid,
        }
    }
}

fn wording(used: Used) -> &'static Wording {
    match used {
        Used::Mesh => &MESH,
        Used::Neural => &NEURAL,
        Used::Hybrid => &HYBRID,
    }
}

/// The engine's name.
pub(super) fn engine(used: Used) -> &'static str {
    wording(used).engine
}

/// The model that placed the face: name and hexadecimal SHA-256.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    pub model: String,
    pub sha256: String,
}

/// Makes the meta known to GStreamer, once a process.
pub(super) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if !CustomMeta::is_registered(META) {
            CustomMeta::register(META, &[]);
        }
    });
}

/// Says on the frame what was done to it. `boxes` are all that was drawn, the label's included.
pub(super) fn mark(
    buffer: &mut gst::BufferRef,
    report: &Report,
    origin: &Origin,
) -> Result<(), glib::BoolError> {
    let mut meta = CustomMeta::add(buffer, META)?;
    let boxes = report
        .regions
        .iter()
        .map(|r| gst::Array::new([r.x, r.y, r.width, r.height].map(|v| (v.round() as i32).to_send_value())));
    let structure = meta.mut_structure();
    let wording = wording(Used::of(report.network.is_some(), report.hybrid.is_some()));
    let (model, sha256) = match &report.network {
        Some(network) => (&network.name, &network.sha256),
        None => (&origin.model, &origin.sha256),
    };
    structure.set("digital-source-type", wording.source_type);
    structure.set("engine", wording.engine);
    structure.set("model", model.as_str());
    structure.set("model-sha256", sha256.as_str());
    structure.set("faces", (report.swapped + report.held) as u32);
    structure.set("boxes", gst::Array::new(boxes));
    Ok(())
}

/// One region of interest for each face that is seen in the frame.
pub(super) fn regions(buffer: &mut gst::BufferRef, faces: &[FaceReport], width: u32, height: u32) {
    for face in faces.iter().filter(|face| !face.landmarks.is_empty()) {
        let Some(rect) = inside(face.rect, width, height) else { continue };
        let mut meta = VideoRegionOfInterestMeta::add(buffer, "face", rect);
        meta.set_id(face.track as i32);
        let point = |p: &crate::engine::geometry::Point| gst::Array::new([p.x, p.y]);
        meta.add_param(
            gst::Structure::builder("face")
                .field("track", face.track)
                .field("score", f64::from(face.score))
                .field("swapped", face.swapped)
                .field("landmarks", gst::Array::new(face.landmarks.iter().map(point)))
                .build(),
        );
    }
}

/// The part of a box that lies in the frame, in whole pixels.
fn inside(rect: Rect, width: u32, height: u32) -> Option<(u32, u32, u32, u32)> {
    let clip = |v: f32, most: u32| v.round().clamp(0.0, most as f32) as u32;
    let (left, top) = (clip(rect.x, width), clip(rect.y, height));
    let (right, bottom) = (clip(rect.x + rect.width, width), clip(rect.y + rect.height, height));
    (right > left && bottom > top).then(|| (left, top, right - left, bottom - top))
}

/// The stream's tags, to which the mark is added from the first altered frame on.
#[derive(Debug, Default)]
pub(super) struct StreamTags {
    upstream: Option<gst::TagList>,
    marked: bool,
    used: Used,
}

impl StreamTags {
    /// Of a stream whose faces are swapped so, sooner or later.
    pub fn new(used: Used) -> Self {
        StreamTags { used, ..StreamTags::default() }
    }

    /// A tag event from upstream; the one that shall go downstream instead.
    pub fn pass(&mut self, event: gst::Event) -> gst::Event {
        let gst::EventView::Tag(tag) = event.view() else { return event };
        if tag.tag().scope() != gst::TagScope::Stream {
            return event;
        }
        self.upstream = Some(tag.tag_owned());
        if !self.marked {
            return event;
        }
        gst::event::Tag::builder(self.merged()).seqnum(event.seqnum()).build()
    }

    /// The event that marks the stream, before its first altered frame only.
    pub fn first_mark(&mut self) -> Option<gst::Event> {
        if self.marked {
            return None;
        }
        self.marked = true;
        Some(gst::event::Tag::new(self.merged()))
    }

    /// A stream's tag event replaces the one before, so it must hold upstream's tags as well.
    fn merged(&self) -> gst::TagList {
        let mut list = self.upstream.clone().unwrap_or_default();
        let Wording { comment: text, keywords, .. } = wording(self.used);
        let comment = match list.get::<tags::Comment>() {
            Some(comment) if comment.get().contains(text) => return list,
            Some(comment) => format!("{text}; {}", comment.get()),
            None => (*text).into(),
        };
        let tags = list.make_mut();
        tags.add::<tags::Comment>(&comment.as_str(), gst::TagMergeMode::Replace);
        tags.add::<tags::Keywords>(keywords, gst::TagMergeMode::Append);
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_clipped_to_the_frame() {
        let rect = |x, y, w, h| inside(Rect::new(x, y, w, h), 100, 50);
        assert_eq!(rect(10.4, 20.6, 30.0, 10.0), Some((10, 21, 30, 10)));
        assert_eq!(rect(-10.0, -10.0, 20.0, 20.0), Some((0, 0, 10, 10)));
        assert_eq!(rect(90.0, 40.0, 50.0, 50.0), Some((90, 40, 10, 10)));
        assert_eq!(rect(100.0, 0.0, 10.0, 10.0), None);
        assert_eq!(rect(f32::NAN, 0.0, 10.0, 10.0), None);
    }
}
