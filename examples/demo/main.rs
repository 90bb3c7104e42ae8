//! Swaps a face in a video, from file to file: `make demo [SOURCE=face.jpg] [VIDEO=in.mp4]`.
//!
//! Without a video it makes one: a camera moving over the default pack's photo of an astronaut.

mod codec;
mod film;
mod motion;
mod pictures;
mod progress;
mod run;
mod swap;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use codec::Codec;
use swap::Outcome;

/// Swap a face in a video.
#[derive(Parser)]
struct Args {
    /// Photo of the face to show [default: Grace Hopper's]
    #[arg(long)]
    source: Option<PathBuf>,
    /// Video to show it in [default: one made of a photo]
    #[arg(long)]
    video: Option<PathBuf>,
    /// Folder for the results
    #[arg(long, default_value = "demo")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match demo(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo(args: &Args) -> Result<()> {
    let source = args.source.clone().map_or_else(|| photo("grace_hopper.jpg"), Ok)?;
    for given in [Some(&source), args.video.as_ref()].into_iter().flatten() {
        ensure!(given.is_file(), "{}: no such file", given.display());
    }
    gst::init()?;
    gstfaceswap::plugin_register_static()?;
    fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;

    let (outcome, out) = match &args.video {
        Some(video) => {
            let out = args.out.join("out").with_extension(container(video));
            swap::files(&source, video, &out)?;
            (swap::look(&source, video)?, out)
        }
        None => {
            let codec = Codec::choose()?;
            let film = args.out.join("in").with_extension(codec.extension);
            let out = film.with_file_name("out").with_extension(codec.extension);
            film::make(&photo("astronaut.png")?, &film, &codec)?;
            (swap_film(&source, &film, &codec, &out)?, out)
        }
    };
    let sheet = args.out.join("before-after.png");
    match &outcome.pair {
        Some(pair) => pair.write(&source, &sheet)?,
        None => eprintln!("demo: no face was found"),
    }
    tell(args, &outcome, &out, &sheet);
    Ok(())
}

/// Under its final name there is a whole file or none.
fn swap_film(source: &Path, film: &Path, codec: &Codec, out: &Path) -> Result<Outcome> {
    let part = out.with_extension("part");
    let outcome = swap::film(source, film, codec, &part).inspect_err(|_| drop(fs::remove_file(&part)))?;
    fs::rename(&part, out).with_context(|| out.display().to_string())?;
    Ok(outcome)
}

/// The video's own, where the swap program writes it; one that holds any sound elsewhere.
fn container(video: &Path) -> String {
    let own = video.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let known = ["mp4", "m4v", "mov", "mkv", "webm", "avi"].contains(&own.as_str());
    if known { own } else { "mkv".into() }
}

fn tell(args: &Args, outcome: &Outcome, out: &Path, sheet: &Path) {
    let Outcome { frames, swapped, took, milliseconds, .. } = outcome;
    println!("{}", out.display());
    if args.video.is_none() {
        let rate = frames.saturating_sub(1) as f64 / took.as_secs_f64().max(1e-9);
        println!("    {swapped} of {frames} frames swapped; {rate:.0} frames/s from file to file,");
        println!("    of which the swap takes {milliseconds:.1} ms a frame");
    }
    if outcome.pair.is_some() {
        println!("{}\n    the photo, a frame before, the same frame after", sheet.display());
    }
    println!("\nNext:");
    if args.source.is_none() {
        println!("    your photo     make demo SOURCE=face.jpg");
    }
    if args.video.is_none() {
        println!("    your video     make demo SOURCE=face.jpg VIDEO=in.mp4");
    }
    let camera = if cfg!(target_os = "macos") { "avfvideosrc" } else { "v4l2src" };
    println!("    your webcam    make install, then");
    println!(
        "        gst-launch-1.0 {camera} ! videoconvert ! faceswap source=face.jpg ! videoconvert ! autovideosink"
    );
}

/// A photo of the default pack.
fn photo(name: &str) -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo").join(name);
    ensure!(path.is_file(), "{}: no such file; `make models` brings it", path.display());
    Ok(path)
}
