//! Which encoder and which container the result gets, and how quality and bit rate are said to each.

use std::path::Path;

use gst::prelude::*;

use crate::{
    args::Args,
    exit::{Exit, Outcome, fail},
};

struct Known {
    factory: &'static str,
    parser: &'static str,
    /// The best setting that is still quick enough for hours of video.
    usual: &'static [(&'static str, &'static str)],
    quality: fn(f64) -> Vec<(&'static str, String)>,
    bitrate: fn(u32) -> Vec<(&'static str, String)>,
}

/// The best first.
const KNOWN: [Known; 9] = [
    Known { factory: "vtenc_h265", parser: "h265parse", usual: &[], quality: apple, bitrate: kbit },
    Known {
        factory: "nvh265enc",
        parser: "h265parse",
        usual: &[],
        quality: |q| vec![("rc-mode", "vbr".into()), ("const-quality", crf(q, 4.0))],
        bitrate: kbit,
    },
    Known {
        factory: "vah265enc",
        parser: "h265parse",
        usual: &[],
        quality: |q| {
            let set = |name| (name, crf(q, 4.0));
            vec![("rate-control", "cqp".into()), set("qpi"), set("qpp"), set("qpb")]
        },
        bitrate: |k| vec![("rate-control", "vbr".into()), ("bitrate", k.to_string())],
    },
    Known {
        factory: "x265enc",
        parser: "h265parse",
        usual: &[("speed-preset", "fast")],
        quality: |q| vec![("option-string", format!("crf={}", crf(q, 4.0)))],
        bitrate: kbit,
    },
    Known {
        factory: "x264enc",
        parser: "h264parse",
        // With a buffer to fill, x264's threads make something else each time.
        usual: &[("speed-preset", "fast"), ("vbv-buf-capacity", "0")],
        quality: |q| vec![("pass", "qual".into()), ("quantizer", crf(q, 0.0))],
        bitrate: kbit,
    },
    Known { factory: "vp9enc", parser: "vp9parse", usual: VPX, quality: cq, bitrate: bits },
    Known { factory: "vtenc_h264", parser: "h264parse", usual: &[], quality: apple, bitrate: kbit },
    Known {
        factory: "openh264enc",
        parser: "h264parse",
        usual: &[("rate-control", "quality")],
        quality: |q| vec![("qp-min", crf(q, 0.0)), ("qp-max", crf(q, 8.0)), ("bitrate", "20000000".into())],
        bitrate: |k| vec![("rate-control", "bitrate".into()), ("bitrate", (k * 1000).to_string())],
    },
    Known { factory: "vp8enc", parser: "", usual: VPX, quality: cq, bitrate: bits },
];

/// Looking ahead makes frames that are not shown, which do not come out one for one.
const VPX: &[(&str, &str)] = &[("deadline", "1"), ("cpu-used", "5"), ("lag-in-frames", "0")];

/// Extension and muxer.
const CONTAINERS: [(&str, &str); 6] = [
    ("mp4", "mp4mux"),
    ("m4v", "mp4mux"),
    ("mov", "qtmux"),
    ("mkv", "matroskamux"),
    ("webm", "webmmux"),
    ("avi", "avimux"),
];

fn kbit(kbit: u32) -> Vec<(&'static str, String)> {
    vec![("bitrate", kbit.to_string())]
}

fn bits(kbit: u32) -> Vec<(&'static str, String)> {
    vec![("end-usage", "vbr".into()), ("target-bitrate", (u64::from(kbit) * 1000).to_string())]
}

fn apple(quality: f64) -> Vec<(&'static str, String)> {
    vec![("quality", format!("{:.2}", quality / 100.0))]
}

/// x264's rate factor: 18 at 75, 6 at 100, 51 at about 6; `more` for codecs that need less.
fn crf(quality: f64, more: f64) -> String {
    format!("{:.0}", (18.0 + (75.0 - quality) * 0.48 + more).clamp(1.0, 51.0))
}

/// libvpx's constrained quality: 24 of 63 at 75.
fn cq(quality: f64) -> Vec<(&'static str, String)> {
    let level = (24.0 + (75.0 - quality) * 0.6).clamp(4.0, 63.0);
    let level = format!("{level:.0}");
    vec![("end-usage", "cq".into()), ("cq-level", level), ("target-bitrate", "50000000".into())]
}

/// How the pictures become a stream of the container.
#[derive(Clone, Debug)]
pub struct Encoding {
    pub factory: String,
    parser: &'static str,
    /// What the container takes.
    caps: gst::Caps,
    pub properties: Vec<(String, String)>,
    pub muxer: &'static str,
}

pub fn muxer(output: &Path) -> Option<&'static str> {
    let extension = output.extension()?.to_str()?.to_ascii_lowercase();
    CONTAINERS.into_iter().find(|(known, _)| *known == extension).map(|(_, muxer)| muxer)
}

/// What is there and fits the output's container.
///
/// # Errors
/// No container of that name, no such encoder, or none that fits.
pub fn choose(args: &Args, output: &Path) -> Outcome<Encoding> {
    let Some(muxer) = muxer(output) else {
        let known = CONTAINERS.map(|(extension, _)| extension).join(", ");
        return fail(
            Exit::Encoder,
            format!("{}: no container of this extension; there are {known}", output.display()),
        );
    };
    if gst::ElementFactory::find(muxer).is_none() {
        return fail(Exit::Encoder, format!("{muxer} is not installed (`make deps` installs it)"));
    }
    if let Some(name) = &args.video_encoder {
        let known = KNOWN.iter().find(|known| known.factory == name);
        let Some(factory) = gst::ElementFactory::find(name) else {
            return fail(Exit::Encoder, format!("{name}: no such encoder is installed"));
        };
        let Some(caps) = fitting(&factory, muxer) else {
            return fail(
                Exit::Encoder,
                format!("{muxer} cannot hold what {name} makes; choose another extension"),
            );
        };
        return Ok(encoding(known, name, caps, muxer, args));
    }
    for known in &KNOWN {
        let Some(factory) = gst::ElementFactory::find(known.factory) else { continue };
        if let Some(caps) = fitting(&factory, muxer).filter(|_| opens(&factory)) {
            return Ok(encoding(Some(known), known.factory, caps, muxer, args));
        }
    }
    let names: Vec<&str> = KNOWN.iter().map(|known| known.factory).collect();
    fail(
        Exit::Encoder,
        format!("no encoder for {muxer} is installed; one of {} is needed (`make deps`)", names.join(", ")),
    )
}

/// An encoder may be installed without the hardware it is for.
fn opens(factory: &gst::ElementFactory) -> bool {
    let Ok(element) = factory.create().build() else { return false };
    let opened = element.set_state(gst::State::Ready).is_ok();
    let _ = element.set_state(gst::State::Null);
    opened
}

fn encoding(
    known: Option<&Known>,
    name: &str,
    caps: gst::Caps,
    muxer: &'static str,
    args: &Args,
) -> Encoding {
    let mut properties = Vec::new();
    if let Some(known) = known {
        let rate = args.bitrate.map_or_else(|| (known.quality)(args.quality.into()), known.bitrate);
        properties.extend(known.usual.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        properties.extend(rate.into_iter().map(|(name, value)| (name.to_owned(), value)));
    } else if let Some(kbit) = args.bitrate {
        properties.push(("bitrate".into(), kbit.to_string()));
    }
    properties.extend(args.encoder_option.iter().cloned());
    let parser = known.map_or_else(|| parser(&caps), |known| known.parser);
    Encoding { factory: name.into(), parser, caps, properties, muxer }
}

fn parser(caps: &gst::Caps) -> &'static str {
    match caps.structure(0).map(|s| s.name().as_str()) {
        Some("video/x-h264") => "h264parse",
        Some("video/x-h265") => "h265parse",
        Some("video/x-av1") => "av1parse",
        Some("video/x-vp9") => "vp9parse",
        _ => "",
    }
}

/// What the muxer takes of what the encoder may make; a parser between them changes the packaging.
fn fitting(encoder: &gst::ElementFactory, muxer: &str) -> Option<gst::Caps> {
    let makes = templates(encoder, gst::PadDirection::Src);
    let takes = templates(&gst::ElementFactory::find(muxer)?, gst::PadDirection::Sink);
    let mut fitting = gst::Caps::new_empty();
    for taken in takes.iter() {
        if makes.iter().any(|made| made.name() == taken.name() && taken.name().starts_with("video/")) {
            fitting.make_mut().append_structure(taken.to_owned());
        }
    }
    (!fitting.is_empty()).then_some(fitting)
}

pub fn templates(factory: &gst::ElementFactory, direction: gst::PadDirection) -> gst::Caps {
    let mut caps = gst::Caps::new_empty();
    for template in factory.static_pad_templates().into_iter().filter(|t| t.direction() == direction) {
        caps.merge(template.caps());
    }
    caps
}

impl Encoding {
    /// Encoder, parser and what the container takes, from `encoder` to `stream`.
    ///
    /// # Errors
    /// The encoder has no such property, or not that value.
    pub fn elements(&self) -> Outcome<Vec<gst::Element>> {
        let encoder = gst::ElementFactory::make(&self.factory).name("encoder").build()?;
        for (name, value) in &self.properties {
            set(&encoder, name, value)?;
        }
        let mut line = vec![encoder];
        if !self.parser.is_empty() {
            line.push(gst::ElementFactory::make(self.parser).build()?);
        }
        line.push(gst::ElementFactory::make("capsfilter").property("caps", &self.caps).build()?);
        Ok(line)
    }
}

/// Sets a property from text.
///
/// # Errors
/// The element has none of that name, or it takes no such value.
pub fn set(element: &gst::Element, name: &str, value: &str) -> Outcome<()> {
    let factory = element.factory().map(|factory| factory.name().to_string()).unwrap_or_default();
    let Some(property) = element.find_property(name) else {
        return fail(
            Exit::Usage,
            format!("{factory} has no property {name}; `gst-inspect-1.0 {factory}` lists them"),
        );
    };
    let Ok(value) = glib::Value::deserialize_with_pspec(value, &property) else {
        return fail(
            Exit::Usage,
            format!("{factory}: {name} cannot be {value:?}; `gst-inspect-1.0 {factory}` tells its values"),
        );
    };
    element.set_property_from_value(name, &value);
    Ok(())
}
