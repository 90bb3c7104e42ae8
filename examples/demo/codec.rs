//! Which encoder and which container the result gets.

use anyhow::{Result, bail};

/// Element, the launch line from it on, what it makes; the best first.
const ENCODERS: [(&str, &str, &str); 5] = [
    ("vtenc_h264", "vtenc_h264 quality=0.8 ! h264parse", "video/x-h264"),
    ("x264enc", "x264enc pass=quant quantizer=18 speed-preset=veryfast ! h264parse", "video/x-h264"),
    ("openh264enc", "openh264enc rate-control=quality bitrate=8000000 ! h264parse", "video/x-h264"),
    ("vp9enc", "vp9enc deadline=1 cpu-used=8 target-bitrate=8000000 ! vp9parse", "video/x-vp9"),
    ("vp8enc", "vp8enc deadline=1 cpu-used=8 target-bitrate=8000000", "video/x-vp8"),
];

/// Element and file extension; the most widely played first.
const CONTAINERS: [(&str, &str); 2] = [("mp4mux", "mp4"), ("matroskamux", "mkv")];

pub struct Codec {
    pub encoder: &'static str,
    pub muxer: &'static str,
    pub extension: &'static str,
}

impl Codec {
    /// What is installed.
    pub fn choose() -> Result<Codec> {
        for (factory, encoder, makes) in ENCODERS {
            let video = gst::Caps::new_empty_simple(makes);
            let container = CONTAINERS.into_iter().find(|(muxer, _)| accepts(muxer, &video));
            if let (Some(_), Some((muxer, extension))) = (gst::ElementFactory::find(factory), container) {
                return Ok(Codec { encoder, muxer, extension });
            }
        }
        let names = ENCODERS.map(|(factory, ..)| factory).join(", ");
        bail!("no encoder and container are installed; one of {names} is needed (`make deps` installs them)")
    }
}

fn accepts(muxer: &str, caps: &gst::Caps) -> bool {
    let Some(factory) = gst::ElementFactory::find(muxer) else { return false };
    let mut sinks =
        factory.static_pad_templates().into_iter().filter(|t| t.direction() == gst::PadDirection::Sink);
    sinks.any(|template| template.caps().can_intersect(caps))
}
