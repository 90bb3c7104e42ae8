//! Swaps the faces of a video, from file to file.

use std::{
    env,
    ops::ControlFlow,
    path::Path,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use gst::prelude::*;

use crate::{
    codec::Codec,
    pictures::{Pair, Watch},
    progress, run,
};

/// What a run did.
pub struct Outcome {
    pub frames: u64,
    pub swapped: u64,
    /// From the first frame out of the element to the last.
    pub took: Duration,
    /// The element's own time, a frame.
    pub milliseconds: f64,
    pub pair: Option<Pair>,
}

/// Swaps the faces of the demo's own `film` for the one in `source`.
pub fn film(source: &Path, film: &Path, codec: &Codec, out: &Path) -> Result<Outcome> {
    let end = format!(
        "queue {BRIEF} ! videoconvert ! {} ! queue ! {} ! filesink name=out",
        codec.encoder, codec.muxer
    );
    let pipeline = pipeline(source, film, &end)?;
    run::element(&pipeline, "out")?.set_property("location", out);
    run(&pipeline, "swapping the face", u64::MAX)
}

/// Looks at the first frames of `video` with the faces swapped.
pub fn look(source: &Path, video: &Path) -> Result<Outcome> {
    const FRAMES: u64 = 300;
    run(&pipeline(source, video, "fakesink")?, "looking at the first frames", FRAMES)
}

/// Swaps the faces of `video` by the swap program, which copies all else as it is stored.
pub fn files(source: &Path, video: &Path, out: &Path) -> Result<()> {
    let program = env::current_exe()?.with_file_name("swap").with_extension(env::consts::EXE_EXTENSION);
    ensure!(program.is_file(), "{} is not built: cargo build --release --example swap", program.display());
    let mut command = Command::new(&program);
    command.arg("--source").arg(source).arg("--target").arg(video).arg("--output").arg(out).arg("--force");
    let status = command.status().with_context(|| program.display().to_string())?;
    ensure!(status.success(), "the swap program ended with {status}");
    Ok(())
}

/// Few frames wait between two threads.
const BRIEF: &str = "max-size-buffers=4 max-size-bytes=0 max-size-time=0";

/// Decoder, element and what comes behind it on threads of their own; phones' pictures are turned upright.
fn pipeline(source: &Path, video: &Path, end: &str) -> Result<gst::Pipeline> {
    let pipeline = run::pipeline(&format!(
        "filesrc name=in ! parsebin name=streams \
         decodebin name=pictures ! queue {BRIEF} ! videoflip video-direction=auto ! videoconvert ! \
         faceswap name=faceswap meta=true ! {end}"
    ))?;
    run::element(&pipeline, "in")?.set_property("location", video);
    run::element(&pipeline, "faceswap")?.set_property("source", in_a_list(source)?);
    connect(&pipeline)?;
    Ok(pipeline)
}

/// Runs to the end, or for so many frames.
fn run(pipeline: &gst::Pipeline, what: &str, frames: u64) -> Result<Outcome> {
    let faceswap = run::element(pipeline, "faceswap")?;
    let watch = Arc::new(Mutex::new(Watch::default()));
    Watch::attach(&watch, &faceswap)?;
    let lock = || watch.lock().unwrap_or_else(PoisonError::into_inner);
    let bar = std::cell::OnceCell::new();
    pipeline.set_state(gst::State::Playing)?;
    let started = Instant::now();
    run::to_end(pipeline, |pipeline| {
        if lock().frames() >= frames {
            return ControlFlow::Break(());
        }
        let Some(position) = faceswap.query_position::<gst::ClockTime>() else {
            return ControlFlow::Continue(());
        };
        let length = pipeline.query_duration::<gst::ClockTime>().map_or(0, |length| length.mseconds());
        let bar = bar.get_or_init(|| match frames {
            u64::MAX => progress::video(what, length),
            frames => progress::frames(what, frames),
        });
        bar.set_position(if frames == u64::MAX { position.mseconds() } else { lock().frames() });
        ControlFlow::Continue(())
    })?;
    if let Some(bar) = bar.get() {
        bar.finish_and_clear();
    }

    let stats = faceswap.property::<gst::Structure>("stats");
    let count = |name: &str| stats.get::<u64>(name).unwrap_or_default();
    let watch = std::mem::take(&mut *lock());
    Ok(Outcome {
        frames: count("frames-out"),
        swapped: count("frames-swapped") + count("frames-held"),
        took: watch.took().unwrap_or_else(|| started.elapsed()),
        milliseconds: stats.get("frame-time-mean-ms").unwrap_or_default(),
        pair: watch.best(),
    })
}

/// Sends the first video stream to the decoder, and drops the rest.
fn connect(pipeline: &gst::Pipeline) -> Result<()> {
    let pictures =
        run::element(pipeline, "pictures")?.static_pad("sink").context("decodebin without a pad")?;
    let weak = pipeline.downgrade();
    run::element(pipeline, "streams")?.connect_pad_added(move |streams, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let caps = run::caps(pad);
        let linked = match run::is(&caps, "video/") && !pictures.is_linked() {
            true => pad.link(&pictures).map(drop).map_err(anyhow::Error::from),
            false => run::drain(&pipeline, pad),
        };
        if let Err(error) = linked {
            gst::element_error!(streams, gst::StreamError::Failed, ["{caps}: {error}"]);
        }
    });
    Ok(())
}

/// As an entry of the `source` property, a list in which a comma of a name is written `\,`.
fn in_a_list(path: &Path) -> Result<String> {
    let name = path.to_str().with_context(|| format!("{}: not a UTF-8 name", path.display()))?;
    Ok(name.replace(',', "\\,"))
}
