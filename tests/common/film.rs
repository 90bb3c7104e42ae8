//! Video files for tests, and FFmpeg's judgement of them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::{Watched as _, astronaut, folder};

/// Thirty seconds with sound: a camera that moves over a photo. Key frames every two seconds, B-frames between.
pub fn clip() -> &'static Path {
    static CLIP: OnceLock<PathBuf> = OnceLock::new();
    CLIP.get_or_init(|| make(30))
}

/// The same camera for ten seconds.
pub fn short_clip() -> &'static Path {
    static CLIP: OnceLock<PathBuf> = OnceLock::new();
    CLIP.get_or_init(|| make(10))
}

fn make(seconds: u32) -> PathBuf {
    let clip = folder(&format!("clip-{seconds}")).join("in.mp4");
    ffmpeg(&format!(
        "-loop 1 -framerate 25 -i {} -f lavfi -i sine=f=440:r=44100 -t {seconds} \
         -vf crop=400:300:'56+40*sin(t)':'20+20*cos(t)',scale=320:240,format=yuv420p \
         -c:v libx264 -preset veryfast -g 50 -bf 2 -c:a aac -b:a 96k {}",
        astronaut(),
        clip.display()
    ));
    clip
}

pub fn ffmpeg(arguments: &str) -> String {
    tool("ffmpeg", &format!("-v error -y -nostdin {arguments}"))
}

/// What a program printed that must end well; its arguments stand between spaces.
pub fn tool(name: &str, arguments: &str) -> String {
    let arguments = arguments.split_whitespace().map(|word| word.replace('\'', ""));
    let output = Command::new(name).args(arguments).finish();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Lines of ffprobe, without empty ones.
pub fn probe(file: &Path, what: &str) -> Vec<String> {
    let lines = tool("ffprobe", &format!("-v error {what} -of csv=p=0 {}", file.display()));
    lines.lines().map(|line| line.trim_end_matches(',').to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Size, times and checksum of each packet of a kind of stream.
pub fn packets(file: &Path, kind: &str) -> Vec<String> {
    let entries = "packet=pts_time,duration_time,size,data_hash";
    probe(file, &format!("-select_streams {kind} -show_packets -show_data_hash MD5 -show_entries {entries}"))
}

/// When each frame is shown, and for how long.
pub fn times(file: &Path) -> Vec<String> {
    let mut times = probe(file, "-select_streams v:0 -show_entries packet=pts_time,duration_time");
    times.sort_by(|a, b| seconds(a).total_cmp(&seconds(b)));
    times
}

pub fn seconds(line: &str) -> f64 {
    line.split(',').next().unwrap().parse().unwrap()
}

/// Checksum of all decoded pictures.
pub fn pictures(file: &Path) -> String {
    ffmpeg(&format!("-i {} -map 0:v:0 -f md5 -", file.display()))
}
