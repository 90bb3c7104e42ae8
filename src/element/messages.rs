//! Messages to the application, and the structures they hold.

use std::time::Duration;

use gst::prelude::*;

use super::{
    FaceSwap,
    choice::Choice,
    enums,
    log::CAT,
    mark::{self, Used},
};
use crate::{
    control::{
        governor::{Change, floor},
        monitor::Vitals,
        platform::{Heat, Thermal},
        stats::Snapshot,
    },
    engine::{FaceEvent, FaceReport, NetworkFacts, Quality},
};

/// The fields of `faceswap-stats`.
pub(super) fn stats(
    s: &Snapshot,
    vitals: &Vitals,
    quality: Quality,
    level: usize,
    latency: gst::ClockTime,
    pool_misses: u64,
) -> gst::Structure {
    let hybrid_error = s.hybrid.and_then(|hybrid| hybrid.error_db).map(f64::from);
    gst::Structure::builder("faceswap-stats")
        .field("fps", s.fps)
        .field("frame-time-mean-ms", s.frame_time_mean_ms)
        .field("frame-time-p95-ms", s.frame_time_p95_ms)
        .field("frame-time-max-ms", s.frame_time_max_ms)
        .field("detect-ms", s.detect_ms)
        .field("landmarks-ms", s.landmarks_ms)
        .field("identity-ms", s.identity_ms)
        .field("swap-ms", s.swap_ms)
        .field("blend-ms", s.blend_ms)
        .field("enhance-ms", s.enhance_ms)
        .field("network-ms", s.network_ms)
        .field("faces", s.faces)
        .field("frames-in", s.frames_in)
        .field("frames-out", s.frames_out)
        .field("frames-swapped", s.frames_swapped)
        .field("frames-held", s.frames_held)
        .field("frames-dropped", s.frames_dropped)
        .field("engine", mark::engine(Used::of(s.network.is_some(), s.hybrid.is_some())))
        .field_if_some("hybrid-error-db", hybrid_error)
        .field_if_some("hybrid-error", hybrid_error)
        .field_if_some("key-frame-age", s.hybrid.and_then(|hybrid| hybrid.age))
        .field_if_some("key-frames", s.hybrid.map(|_| s.key_frames))
        .field("execution-provider", s.network.map_or("cpu", |(provider, _)| provider.name()))
        .field("batch-fill", s.batch_fill)
        .field("batch", s.network.map_or(1, |(_, batch)| batch as u32))
        .field("cache-hits", s.cache_hits)
        .field("cache-misses", s.cache_misses)
        .field("pool-misses", pool_misses)
        .field("quality", nick(enums::Quality::from(quality)))
        .field("level", level as u32)
        .field("queue-depth", s.queue_depth)
        .field("latency-ms", latency.nseconds() as f64 / 1e6)
        .field("rss-mib", vitals.rss_mib)
        .field("cpu-percent", vitals.cpu_percent)
        .field("thermal", vitals.thermal.heat.name())
        .build()
}

/// A `faceswap-quality`, for a step of the governor.
pub(super) fn quality(change: &Change, quality: Quality) -> gst::Structure {
    let quality = nick(enums::Quality::from(quality));
    let name = |level: usize| if level == 0 { quality.clone() } else { format!("{quality}-{level}") };
    gst::Structure::builder("faceswap-quality")
        .field("from", name(change.from))
        .field("to", name(change.to))
        .field("reason", change.reason.name())
        .build()
}

/// A `faceswap-quality`, for a step from one engine to another; with what decided it, where that was
/// measured.
pub(super) fn engine(from: Used, to: Used, choice: Option<&Choice>) -> gst::Structure {
    let measured = choice.and_then(|choice| choice.measured);
    let ms = |time: Duration| 1e3 * time.as_secs_f64();
    gst::Structure::builder("faceswap-quality")
        .field("from", mark::engine(from))
        .field("to", mark::engine(to))
        .field("reason", "engine")
        .field_if_some("network-ms", measured.map(|(taken, _)| ms(taken)))
        .field_if_some("frame-ms", measured.map(|(_, period)| ms(period)))
        .build()
}

/// A `faceswap-thermal`, for a machine that became hotter or cooler.
pub(super) fn thermal(thermal: &Thermal, previous: Heat, auto_quality: bool) -> gst::Structure {
    let action = match floor(thermal.heat) {
        _ if !auto_quality => "none".into(),
        0 => "none".into(),
        level => format!("level {level} at least"),
    };
    gst::Structure::builder("faceswap-thermal")
        .field("state", thermal.heat.name())
        .field("previous", previous.name())
        .field_if_some("temperature-c", thermal.celsius.map(f64::from))
        .field("action", action)
        .build()
}

/// A `faceswap-face`, for a face to which something happened.
pub(super) fn face(face: &FaceReport, event: FaceEvent) -> gst::Structure {
    let event = match event {
        FaceEvent::Found => "found",
        FaceEvent::Lost => "lost",
        FaceEvent::Held => "held",
        FaceEvent::Recovered => "recovered",
    };
    gst::Structure::builder("faceswap-face")
        .field("track", face.track)
        .field("event", event)
        .field("x", face.rect.x.round() as i32)
        .field("y", face.rect.y.round() as i32)
        .field("width", face.rect.width.round() as i32)
        .field("height", face.rect.height.round() as i32)
        .build()
}

/// Posts an element message. The caller holds no lock.
pub(super) fn post(element: &FaceSwap, mut structure: gst::Structure, running_time: Option<gst::ClockTime>) {
    structure.set("running-time", running_time.unwrap_or_default().nseconds());
    let message = gst::message::Element::builder(structure).src(element).build();
    // Without a bus there is nobody to tell.
    let _ = element.post_message(message);
}

/// Progress of loading.
pub(super) fn progress(element: &FaceSwap, kind: gst::ProgressType, text: &str) {
    let message = gst::message::Progress::builder(kind, "model", text).src(element).build();
    let _ = element.post_message(message);
}

/// A network was loaded: what it runs on, how that was chosen, and its licence.
pub(super) fn loaded(element: &FaceSwap, name: &str, facts: &NetworkFacts) {
    let on = facts.measured.as_deref().unwrap_or(facts.provider.name());
    let text = format!("Loaded {name}, to run on {on}; its licence: {}", facts.licence);
    gst::info!(CAT, obj = element, "{text}");
    progress(element, gst::ProgressType::Complete, &text);
}

/// An error message, or a warning where the stream goes on.
pub(super) fn failure(element: &FaceSwap, error: glib::Error, fatal: bool) {
    let message = if fatal {
        gst::error!(CAT, obj = element, "{error}");
        gst::message::Error::builder_from_error(error).src(element).build()
    } else {
        gst::warning!(CAT, obj = element, "{error}");
        gst::message::Warning::builder_from_error(error).src(element).build()
    };
    let _ = element.post_message(message);
}

fn nick(value: enums::Quality) -> String {
    let value = value.to_value();
    glib::EnumValue::from_value(&value).map(|(_, v)| v.nick().to_owned()).unwrap_or_default()
}
