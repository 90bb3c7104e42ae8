//! `examples/swap` as a user runs it, judged by FFmpeg, which shares no code with what wrote the files.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    thread,
    time::Duration,
};

use common::{astronaut, example, folder, hopper, models};

/// Thirty seconds with sound: a camera that moves over a photo. Key frames every two seconds, B-frames between.
fn clip() -> &'static Path {
    static CLIP: OnceLock<PathBuf> = OnceLock::new();
    CLIP.get_or_init(|| {
        let clip = folder("swap-clip").join("in.mp4");
        ffmpeg(&format!(
            "-loop 1 -framerate 25 -i {} -f lavfi -i sine=f=440:r=44100 -t 30 \
             -vf crop=400:300:'56+40*sin(t)':'20+20*cos(t)',scale=320:240,format=yuv420p \
             -c:v libx264 -preset veryfast -g 50 -bf 2 -c:a aac -b:a 96k {}",
            astronaut(),
            clip.display()
        ));
        clip
    })
}

fn ffmpeg(arguments: &str) -> String {
    tool("ffmpeg", &format!("-v error -y -nostdin {arguments}"))
}

fn tool(name: &str, arguments: &str) -> String {
    let arguments = arguments.split_whitespace().map(|word| word.replace('\'', ""));
    let output = Command::new(name).args(arguments).output().unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn probe(file: &Path, what: &str) -> Vec<String> {
    let lines = tool("ffprobe", &format!("-v error {what} -of csv=p=0 {}", file.display()));
    lines.lines().map(|line| line.trim_end_matches(',').to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Size, times and checksum of each packet of a kind of stream.
fn packets(file: &Path, kind: &str) -> Vec<String> {
    probe(
        file,
        &format!(
            "-select_streams {kind} -show_packets -show_data_hash MD5 -show_entries packet=pts_time,duration_time,size,data_hash"
        ),
    )
}

/// When each frame is shown, and for how long.
fn times(file: &Path) -> Vec<String> {
    let mut times = probe(file, "-select_streams v:0 -show_entries packet=pts_time,duration_time");
    times.sort_by(|a, b| seconds(a).total_cmp(&seconds(b)));
    times
}

fn seconds(line: &str) -> f64 {
    line.split(',').next().unwrap().parse().unwrap()
}

/// Checksum of all decoded pictures.
fn pictures(file: &Path) -> String {
    ffmpeg(&format!("-i {} -map 0:v:0 -f md5 -", file.display()))
}

fn swap(arguments: &str) -> Command {
    let mut command = Command::new(example("swap"));
    command.args(["--source", &hopper(), "--encoder-option", "speed-preset=ultrafast"]);
    command.args(arguments.split_whitespace()).env("GST_FACESWAP_MODEL_DIR", models());
    command.stderr(Stdio::piped()).stdout(Stdio::piped());
    command
}

const X264: &str = "--video-encoder x264enc --segment 4";

fn ends(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(!said.contains("CRITICAL") && !said.contains("panicked"), "{said}");
    said.into_owned()
}

fn run(target: &Path, output: &Path, more: &str, code: i32) -> String {
    let line = format!("-t {} -o {} {more}", target.display(), output.display());
    ends(&swap(&line).output().unwrap(), code)
}

/// Waits until so many segments are finished, not longer than a minute.
fn until_parts(child: &mut Child, output: &Path, count: usize) {
    let folder = output.with_extension("mp4.parts");
    for _ in 0..6000 {
        let parts = fs::read_dir(&folder).into_iter().flatten().flatten();
        if parts.filter(|entry| entry.path().extension().is_some_and(|e| e == "part")).count() >= count {
            return;
        }
        if let Some(status) = child.try_wait().unwrap() {
            panic!("it ended before: {status}");
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{count} parts did not come within a minute");
}

#[test]
fn a_clip_keeps_its_frames_its_length_and_every_byte_of_its_sound() {
    let out = folder("swap-whole").join("out.mp4");
    let said = run(clip(), &out, &format!("{X264} --enable-monitoring"), 0);
    assert!(said.contains("out.mp4") && said.contains("frames/s"), "{said}");

    let (before, after) = (packets(clip(), "a"), packets(&out, "a"));
    assert!(before.len() > 1200, "{}", before.len());
    assert!(before == after, "{} packets of sound became {}", before.len(), after.len());
    assert_eq!(times(clip()).len(), 750);
    assert_eq!(times(&out), times(clip()));
    let lengths = "-show_entries format=duration:stream=duration,nb_frames,width,height,r_frame_rate";
    assert_eq!(probe(&out, lengths), probe(clip(), lengths));
    let tags = probe(&out, "-show_entries format_tags=comment");
    assert!(tags[0].contains("Synthetic media"), "{tags:?}");
    assert_ne!(pictures(&out), pictures(clip()));
    let row = said.lines().rev().find(|line| line.contains("out.mp4 ")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>()[1..3], ["750", "750"], "{row}");
}

#[test]
fn killed_at_half_it_leaves_no_file_and_goes_on_to_the_same_result() {
    let scratch = folder("swap-killed");
    let (whole, out) = (scratch.join("whole.mp4"), scratch.join("out.mp4"));
    run(clip(), &whole, X264, 0);

    let line = format!("-t {} -o {} {X264}", clip().display(), out.display());
    let mut child = swap(&line).spawn().unwrap();
    until_parts(&mut child, &out, 3);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!out.exists(), "a half-written file under the final name");

    let said = run(clip(), &out, X264, 7);
    assert!(said.contains("--resume") && said.contains("--force"), "{said}");
    let said = run(clip(), &out, &format!("{X264} --resume --set opacity=0.5"), 7);
    assert!(said.contains("another"), "{said}");
    run(clip(), &out, &format!("{X264} --resume"), 0);
    assert_eq!(pictures(&out), pictures(&whole));
    assert_eq!(packets(&out, "a"), packets(&whole, "a"));
    assert_eq!(times(&out), times(&whole));
    assert!(!scratch.join("out.mp4.parts").exists());
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 2);
}

#[cfg(unix)]
#[test]
fn interrupted_it_finishes_a_shorter_file_and_can_go_on() {
    let scratch = folder("swap-interrupted");
    let out = scratch.join("out.mp4");
    let line = format!("-t {} -o {} {X264}", clip().display(), out.display());
    let mut child = swap(&line).spawn().unwrap();
    until_parts(&mut child, &out, 2);
    tool("kill", &format!("-INT {}", child.id()));
    let said = ends(&child.wait_with_output().unwrap(), 130);
    assert!(said.contains("out.partial.mp4") && said.contains("--resume"), "{said}");
    assert!(!out.exists());

    let shorter = times(&scratch.join("out.partial.mp4"));
    assert!(shorter.len() >= 200 && shorter.len() < 750, "{}", shorter.len());
    let expected: Vec<f64> = times(clip()).iter().take(shorter.len()).map(|line| seconds(line)).collect();
    let shown: Vec<f64> = shorter.iter().map(|line| seconds(line)).collect();
    assert!(shown.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3), "{shown:?}");
    run(clip(), &out, &format!("{X264} --resume"), 0);
    assert_eq!(times(&out), times(clip()));
}
