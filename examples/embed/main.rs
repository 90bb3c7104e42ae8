//! The element in a Rust application: `cargo run --release --example embed -- face.jpg in.mp4 out.mp4`.
//!
//! The same in C and in Python lies beside it.

use std::{env, error::Error, process::ExitCode};

use gst::{MessageView, prelude::*};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("embed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [source, video, result] = &arguments[..] else {
        return Err("usage: embed FACE VIDEO RESULT.mp4".into());
    };
    gst::init()?;
    // The element comes with the program; without this line it would be looked for among the installed plugins.
    gstfaceswap::plugin_register_static()?;

    let pipeline = gst::parse::launch(
        "filesrc name=video ! decodebin ! videoconvert ! faceswap name=swap stats-interval=500 \
         ! videoconvert ! x264enc speed-preset=veryfast ! h264parse ! mp4mux ! filesink name=result",
    )?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().expect("several elements make a pipeline");
    for (name, property, value) in
        [("video", "location", video), ("swap", "source", source), ("result", "location", result)]
    {
        pipeline.by_name(name).ok_or(name)?.set_property(property, value);
    }

    let bus = pipeline.bus().expect("a pipeline has a bus");
    let started = pipeline.set_state(gst::State::Playing);
    let mut end = started.map(drop).map_err(Box::from);
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            MessageView::Element(message) => tell(message.structure()),
            MessageView::Warning(warning) => eprintln!("warning: {}", warning.error()),
            MessageView::Error(error) => {
                end = Err(error.error().to_string().into());
                break;
            }
            MessageView::Eos(_) => break,
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null)?;
    end
}

fn tell(message: Option<&gst::StructureRef>) {
    let Some(stats) = message.filter(|message| message.name() == "faceswap-stats") else { return };
    let frames = stats.get::<u64>("frames-out").unwrap_or_default();
    let swapped = stats.get::<u64>("frames-swapped").unwrap_or_default();
    let fps = stats.get::<f64>("fps").unwrap_or_default();
    println!("{frames} frames, {swapped} swapped, {fps:.0} frames/s");
}
