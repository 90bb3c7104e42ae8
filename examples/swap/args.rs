//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Swap faces in files: videos, pictures, or folders of them.
///
/// Sound, subtitles and other streams are copied untouched. A long video is done in segments that begin at key
/// frames; each finished one is kept beside the output, so that a job that was stopped goes on with --resume.
#[derive(Parser, Debug)]
#[command(name = "swap", version, after_help = AFTER)]
pub struct Args {
    /// Photo of the face to show; more of the same person make it better
    #[arg(short, long, required = true, num_args = 1.., value_name = "PHOTO")]
    pub source: Vec<PathBuf>,
    /// Video, picture or folder to show it in
    #[arg(short, long, required = true, num_args = 1.., value_name = "FILE")]
    pub target: Vec<PathBuf>,
    /// Result; a folder where there are several targets. The extension chooses the container
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// Encoder element [default: the best there is, in the order of --help's end]
    #[arg(long, value_name = "NAME", help_heading = "Encoding")]
    pub video_encoder: Option<String>,
    /// Mean bit rate in kbit/s, instead of a constant quality
    #[arg(long, value_name = "KBIT", conflicts_with = "quality", help_heading = "Encoding",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub bitrate: Option<u32>,
    /// Quality of the encoding, 1 to 100; of a JPEG too
    #[arg(long, default_value_t = 75, value_parser = clap::value_parser!(u8).range(1..=100), help_heading = "Encoding")]
    pub quality: u8,
    /// A further property of the encoder, such as speed-preset=slow
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, help_heading = "Encoding")]
    pub encoder_option: Vec<(String, String)>,

    /// What swaps the face: auto, mesh, neural …
    #[arg(long, help_heading = "Swap")]
    pub engine: Option<String>,
    /// Swap network, an ONNX file
    #[arg(long, value_name = "FILE", help_heading = "Swap")]
    pub model: Option<PathBuf>,
    /// Which faces: largest, all, left-most, right-most, top, bottom, centre, reference
    #[arg(long, help_heading = "Swap")]
    pub select: Option<String>,
    /// Photo of the person to replace, with --select reference
    #[arg(long, value_name = "PHOTO", help_heading = "Swap")]
    pub reference: Option<PathBuf>,
    /// The element's `quality`: performance, balanced or quality
    #[arg(long, help_heading = "Swap")]
    pub mode: Option<String>,
    /// How the result is marked as synthetic: visible, metadata or none
    #[arg(long, help_heading = "Swap")]
    pub mark: Option<String>,
    /// What a swap network runs on: auto, cpu, cuda, coreml …
    #[arg(long, value_name = "NAME", help_heading = "Swap")]
    pub execution_provider: Option<String>,
    /// Faces that go through a swap network at once
    #[arg(long, value_name = "N", help_heading = "Swap")]
    pub batch_size: Option<u32>,
    /// Frames worked on at once
    #[arg(long, value_name = "N", help_heading = "Swap")]
    pub max_in_flight: Option<u32>,
    /// Memory that the element may take, in MiB
    #[arg(long, value_name = "MIB", help_heading = "Swap")]
    pub max_memory: Option<u32>,
    /// Any other property of the element, as `gst-inspect-1.0 faceswap` lists them
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, help_heading = "Swap")]
    pub set: Vec<(String, String)>,

    /// Begin here: seconds, or [h:]mm:ss
    #[arg(long, value_parser = time, value_name = "TIME", help_heading = "Job")]
    pub start: Option<u64>,
    /// End before here
    #[arg(long, value_parser = time, value_name = "TIME", help_heading = "Job")]
    pub end: Option<u64>,
    /// Go on with what an earlier run left
    #[arg(long, help_heading = "Job")]
    pub resume: bool,
    /// Replace what is there, unfinished work too
    #[arg(long, conflicts_with = "resume", help_heading = "Job")]
    pub force: bool,
    /// A segment's least length, in seconds
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS", value_parser = positive, help_heading = "Job")]
    pub segment: f64,
    /// Print how many segments the video has, and end
    #[arg(long, conflicts_with = "only", help_heading = "Job")]
    pub count: bool,
    /// Do this segment, counted from 0, and end without joining; for several machines at one video
    #[arg(long, value_name = "N", help_heading = "Job")]
    pub only: Option<usize>,
    /// Show frames/s, times, faces, level, heat and memory while running
    #[arg(long, help_heading = "Job")]
    pub enable_monitoring: bool,
}

const AFTER: &str =
    "Encoders, the best first: vtenc_h265, nvh265enc, vah265enc, x265enc, x264enc, vp9enc; then
vtenc_h264, openh264enc, vp8enc. One that the container cannot hold is passed over.
Containers: mp4, m4v, mov, mkv, webm, avi. Pictures: jpg, png, webp, bmp.

Exit codes: 0 done; 1 failed under way; 2 wrong arguments; 3 source photo or model not usable; 4 target not
readable; 5 no encoder or container for it; 6 output not writable; 7 output or unfinished work is there;
130 stopped. With several targets, that of the first that failed.";

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not of the form NAME=VALUE")?;
    Ok((name.into(), value.into()))
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|v: &f64| v.is_finite() && *v > 0.0).ok_or("not a number above 0".into())
}

/// Nanoseconds of `12.5`, `1:30` or `1:02:03.5`.
fn time(text: &str) -> Result<u64, String> {
    let wrong = || "not a time such as 12.5, 1:30 or 1:02:03.5".to_owned();
    let fields: Vec<&str> = text.split(':').collect();
    let (last, whole) = fields.split_last().ok_or_else(wrong)?;
    let mut seconds = 0u64;
    for field in whole.iter().filter(|_| fields.len() <= 3) {
        seconds = seconds * 60 + field.parse::<u32>().map(u64::from).map_err(|_| wrong())?;
    }
    let last: f64 = last.parse().map_err(|_| wrong())?;
    let known = fields.len() <= 3 && last >= 0.0 && last < if whole.is_empty() { 1e9 } else { 60.0 };
    known.then(|| seconds * 60_000_000_000 + (last * 1e9).round() as u64).ok_or_else(wrong)
}
