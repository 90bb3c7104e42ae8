//! What the element's messages say.

use gst::prelude::*;
use gstfaceswap::control::platform::Platform;

use super::Event;

/// The figures of a `faceswap-stats` message, and the temperature of that moment.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    pub fps: f64,
    pub frame_ms: f64,
    pub detect_ms: f64,
    pub landmarks_ms: f64,
    pub swap_ms: f64,
    pub network_ms: f64,
    pub blend_ms: f64,
    pub faces: u32,
    pub swapped: u64,
    pub level: u32,
    pub engine: String,
    pub provider: String,
    pub quality: String,
    pub thermal: String,
    pub celsius: Option<f32>,
    pub rss_mib: f64,
    pub cpu_percent: f64,
}

impl Stats {
    fn of(fields: &gst::StructureRef, platform: &mut dyn Platform) -> Stats {
        let number = |name: &str| fields.get::<f64>(name).unwrap_or_default();
        let text = |name: &str| fields.get::<String>(name).unwrap_or_default();
        Stats {
            fps: number("fps"),
            frame_ms: number("frame-time-mean-ms"),
            detect_ms: number("detect-ms"),
            landmarks_ms: number("landmarks-ms"),
            swap_ms: number("swap-ms"),
            network_ms: number("network-ms"),
            blend_ms: number("blend-ms"),
            faces: fields.get("faces").unwrap_or_default(),
            swapped: fields.get("frames-swapped").unwrap_or_default(),
            level: fields.get("level").unwrap_or_default(),
            engine: text("engine"),
            provider: text("execution-provider"),
            quality: text("quality"),
            thermal: text("thermal"),
            celsius: platform.thermal().celsius,
            rss_mib: number("rss-mib"),
            cpu_percent: number("cpu-percent"),
        }
    }
}

/// The event that an element message stands for, if any.
pub fn event(fields: &gst::StructureRef, platform: &mut dyn Platform) -> Option<Event> {
    let text = |name: &str| fields.get::<String>(name).unwrap_or_default();
    match fields.name().as_str() {
        "faceswap-stats" => Some(Event::Stats(Box::new(Stats::of(fields, platform)))),
        "faceswap-quality" if text("reason") == "engine" => {
            Some(Event::Note(format!("Engine {} to {}", text("from"), text("to"))))
        }
        "faceswap-quality" => {
            let why = match text("reason").as_str() {
                "fps" => "to hold the frame rate".to_owned(),
                "thermal" => "for the heat".into(),
                "memory" => "for want of memory".into(),
                "qos" => "since frames came too late".into(),
                other => other.into(),
            };
            Some(Event::Note(format!("Quality {} to {}: {why}", text("from"), text("to"))))
        }
        "faceswap-thermal" => {
            let degrees =
                fields.get::<f64>("temperature-c").map(|c| format!(", {c:.0} °C")).unwrap_or_default();
            let said = format!("Heat {} to {}{degrees}", text("previous"), text("state"));
            let hot = matches!(text("state").as_str(), "serious" | "critical");
            Some(if hot { Event::Warning(said) } else { Event::Note(said) })
        }
        _ => None,
    }
}

/// What an error or warning says to a reader: the message, and the part of the debug text that is
/// not a place in the source code.
pub fn fault(error: &gst::glib::Error, debug: Option<&str>) -> String {
    let said = error.message().trim().to_owned();
    let more = debug.and_then(|debug| debug.rsplit('\n').map(str::trim).find(|line| !line.is_empty()));
    match more {
        Some(more)
            if !more.contains("():") && !more.contains(".c:") && !more.contains(".rs:") && *more != said =>
        {
            format!("{said} {more}")
        }
        _ => said,
    }
}

/// Whether a progress message says that loading goes on.
pub fn loading(progress: &gst::message::Progress) -> bool {
    use gst::ProgressType::{Continue, Start};
    matches!(progress.get().0, Start | Continue)
}

/// Whether it comes from the pipeline itself.
pub fn is_from(message: &gst::Message, pipeline: &gst::Pipeline) -> bool {
    message.src().is_some_and(|source| source == pipeline.upcast_ref::<gst::Object>())
}
