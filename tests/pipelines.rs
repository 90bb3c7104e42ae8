//! Whole pipelines as a user types them: `gst-launch-1.0` in a process of its own, with the plugin
//! found in a folder of its own.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use common::{Watched as _, astronaut, folder, hopper, library, models, repo, shared, without_build_folder};

/// A folder with only the plugin in it, and the registry made of it.
fn plugin() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = folder("pipelines");
        fs::copy(library(), folder.join(library().file_name().unwrap())).unwrap();
        folder
    })
}

fn tool(name: &str, plugins: &Path) -> Command {
    let mut command = Command::new(name);
    command
        .env("GST_PLUGIN_PATH", plugins)
        .env("GST_REGISTRY", plugins.join("registry.bin"))
        .env("XDG_DATA_HOME", plugins)
        .env("LC_ALL", "C")
        .env_remove("GST_FACESWAP_MODEL_DIR");
    command
}

/// Runs a line, after which no object of GStreamer's may be left.
fn launch(line: &str) -> Output {
    static RUN: AtomicUsize = AtomicUsize::new(0);
    let traced = plugin().join(format!("leaks-{}", RUN.fetch_add(1, Ordering::Relaxed)));
    let mut command = tool("gst-launch-1.0", plugin());
    let output = command
        .env("GST_FACESWAP_MODEL_DIR", models())
        .env("GST_TRACERS", "leaks")
        .env("GST_DEBUG", "GST_TRACER:7")
        .env("GST_DEBUG_FILE", &traced)
        .env("GST_DEBUG_NO_COLOR", "1")
        .args(words(line))
        .finish();
    let left = fs::read_to_string(&traced).unwrap();
    assert!(left.contains("leaks"), "nothing was traced");
    assert_eq!(alive(&left), Vec::<&str>::new(), "{line}");
    output
}

/// What the leaks tracer tells of.
fn alive(traced: &str) -> Vec<&str> {
    let objects = traced.lines().filter(|line| line.contains("object-alive, type-name=(string)"));
    objects.filter(|line| !line.contains("%s")).collect()
}

/// A line of a shell without quotes.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
}

/// Runs a line that must end well, and without a word.
fn runs(line: &str) {
    let output = launch(line);
    assert!(output.status.success(), "{line}\n{}", complaint(&output));
    assert_eq!(complaint(&output), "", "{line}");
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Bytes, nanoseconds after the first frame and duration of all frames that a line ends in.
fn frames(line: &str) -> Vec<(u64, u64, String)> {
    let output = launch(&format!("-v {line} ! fakesink silent=false sync=false"));
    assert!(output.status.success(), "{line}\n{}", complaint(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // chain ******* (fakesink0:sink) (393216 bytes, dts: none, pts: 0:00:00.040000000, duration: 0:00:00.04…, …
    let chains = text.lines().filter_map(|line| line.split_once("(fakesink0:sink) ("));
    let mut frames: Vec<(u64, u64, String)> = chains
        .map(|(_, what)| {
            let field =
                |name: &str| what.split(&format!("{name}: ")).nth(1).unwrap().split(',').next().unwrap();
            let bytes = what.split(' ').next().unwrap().parse().unwrap();
            (bytes, nanoseconds(field("pts")), field("duration").to_owned())
        })
        .collect();
    let first = frames.first().map_or(0, |frame| frame.1);
    frames.iter_mut().for_each(|frame| frame.1 -= first);
    frames
}

/// Of `h:mm:ss.nnnnnnnnn`.
fn nanoseconds(clock: &str) -> u64 {
    let (seconds, fraction) = clock.split_once('.').unwrap();
    let seconds = seconds.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().unwrap());
    seconds * 1_000_000_000 + fraction.parse::<u64>().unwrap()
}

/// A short moving picture of a face, made by GStreamer alone.
fn face(format: &str) -> String {
    format!(
        "filesrc location={} ! pngdec ! imagefreeze num-buffers=6 ! videoconvert ! \
         video/x-raw,format={format},framerate=25/1",
        astronaut()
    )
}

fn swap(rest: &str) -> String {
    format!("faceswap source={} {rest}", hopper())
}

#[test]
fn file_to_file_keeps_frames_and_timestamps() {
    let Some(clip) = shared("clips/talk_d12.mp4") else { return };
    let out = folder("file-to-file").join("out.mp4");
    let head = format!("filesrc location={} ! decodebin ! videoconvert", clip.display());
    runs(&format!(
        "{head} ! {} ! videoconvert ! x264enc speed-preset=ultrafast tune=zerolatency ! h264parse ! mp4mux ! filesink location={}",
        swap(""),
        out.display()
    ));
    let before = frames(&head);
    let after = frames(&format!("filesrc location={} ! decodebin ! videoconvert", out.display()));
    assert!(before.len() > 100, "{} frames", before.len());
    let other = before.iter().zip(&after).find(|(before, after)| before != after);
    assert_eq!((after.len(), other), (before.len(), None));
}

#[test]
fn every_format_runs_and_keeps_its_frames() {
    for format in ["NV12", "I420", "UYVY", "YUY2", "RGB", "BGR", "RGBx", "BGRx", "RGBA", "BGRA"] {
        let before = frames(&face(format));
        assert_eq!(before.len(), 6, "{format}");
        assert_eq!(frames(&format!("{} ! {}", face(format), swap(""))), before, "{format}");
    }
}

#[test]
fn without_a_source_the_bytes_are_the_same() {
    let scratch = folder("bytes");
    let (plain, passed, swapped) = (scratch.join("plain"), scratch.join("passed"), scratch.join("swapped"));
    let middles =
        [(&plain, "identity".to_owned()), (&passed, "faceswap".into()), (&swapped, swap("mark=none"))];
    for format in ["NV12", "UYVY", "BGRA"] {
        for (file, middle) in &middles {
            runs(&format!("{} ! {middle} ! filesink location={}", face(format), file.display()));
        }
        let read = |file: &Path| fs::read(file).unwrap();
        assert!(read(&plain) == read(&passed), "{format}");
        assert!(read(&plain) != read(&swapped), "{format}: no face was swapped");
    }
}

#[test]
fn no_object_is_leaked() {
    for depth in [0, 3] {
        let line = format!("{} ! {} ! fakesink", face("I420"), swap(&format!("max-in-flight={depth}")));
        let output = tool("gst-launch-1.0", plugin())
            .env("GST_FACESWAP_MODEL_DIR", models())
            .env("GST_TRACERS", "leaks;latency(flags=element)")
            .env("GST_DEBUG", "GST_TRACER:7")
            .args(words(&line))
            .finish();
        let traced = complaint(&output);
        assert!(traced.contains("element-latency") && traced.contains("faceswap0"), "nothing was traced");
        assert_eq!(alive(&traced), Vec::<&str>::new());
    }
}

#[test]
fn elements_stand_side_by_side_and_in_a_row() {
    let face = face("I420");
    runs(&format!(
        "{face} ! tee name=t ! queue ! {} ! fakesink t. ! queue ! {} ! fakesink t. ! queue ! fakesink",
        swap("select=all"),
        swap("mark=none")
    ));
    runs(&format!("{face} ! {} ! {} ! faceswap ! fakesink", swap("mark=none"), swap("on-lost=blur")));
}

#[test]
fn sound_is_kept_untouched() {
    let Some(clip) = shared("clips/grid_bbaf2n.mpg") else { return };
    let out = folder("sound").join("out.mkv");
    runs(&format!(
        "filesrc location={} ! mpegpsdemux name=d matroskamux name=m ! filesink location={} \
         d. ! queue ! mpegvideoparse ! avdec_mpeg2video ! videoconvert ! {} ! videoconvert ! \
         x264enc speed-preset=ultrafast tune=zerolatency ! h264parse ! m. \
         d. ! queue ! mpegaudioparse ! m.",
        clip.display(),
        out.display(),
        swap("")
    ));
    let sound = |head: &str| {
        let file = folder("sound-bytes").join("sound");
        runs(&format!("filesrc location={head} ! mpegaudioparse ! filesink location={}", file.display()));
        fs::read(file).unwrap()
    };
    let before = sound(&format!("{} ! mpegpsdemux name=d d.audio_c0 ! queue", clip.display()));
    let after = sound(&format!("{} ! matroskademux name=d d.audio_0 ! queue", out.display()));
    assert!(before.len() > 10_000 && before == after, "{} and {} bytes", before.len(), after.len());
}

/// What a line that must fail says; the tool exits with 255 where it fails at the start, later with 1.
/// `rest` after a source that can be stopped at any moment: pngdec, stopped while it decodes, leaves its input behind.
fn fails(rest: &str) -> String {
    let line = &format!("videotestsrc num-buffers=6 ! video/x-raw,format=I420,framerate=25/1 ! {rest}");
    let output = launch(line);
    assert!(matches!(output.status.code(), Some(1 | 255)), "{line}\n{}", complaint(&output));
    complaint(&output)
}

#[test]
fn a_source_that_cannot_be_used_is_named_with_the_reason() {
    let scratch = folder("sources");
    let (text, plain) = (scratch.join("text.jpg"), scratch.join("plain.png"));
    fs::write(&text, "not an image").unwrap();
    image::RgbImage::from_pixel(200, 200, image::Rgb([200, 180, 160])).save(&plain).unwrap();
    let cases = [
        ("/nonexistent/face.jpg", "no such file"),
        (text.to_str().unwrap(), "not a readable image"),
        (plain.to_str().unwrap(), "no face"),
    ];
    for (source, reason) in cases {
        let said = fails(&format!("faceswap source={source} ! fakesink"));
        assert!(said.contains(source) && said.contains(reason), "{said}");
    }
}

#[test]
fn a_model_that_cannot_be_used_is_named_with_the_reason() {
    let broken = folder("model").join("broken.onnx");
    fs::write(&broken, "not a model").unwrap();
    for file in ["/nonexistent/detector.onnx", broken.to_str().unwrap()] {
        let said = fails(&format!("{} ! fakesink", swap(&format!("detector-file={file}"))));
        assert!(said.contains(file), "{said}");
    }
}

/// A copy of the plugin that takes another folder, which does not exist, for the one it was built in.
fn moved(name: &str) -> PathBuf {
    let folder = folder(name);
    let bytes = without_build_folder(fs::read(library()).unwrap());
    fs::write(folder.join(library().file_name().unwrap()), bytes).unwrap();
    folder
}

#[test]
fn a_missing_pack_fails_and_says_what_to_run() {
    let line = format!("{} ! {} ! fakesink", face("I420"), swap(""));
    let plugins = moved("no-pack");
    let output = tool("gst-launch-1.0", &plugins)
        .env("GST_FACESWAP_MODEL_DIR", folder("empty"))
        .args(words(&line))
        .finish();
    let said = complaint(&output);
    assert_eq!(output.status.code(), Some(255), "{said}");
    for word in ["make models", "centerface.onnx", "gst-faceswap/models", "/xxx"] {
        assert!(said.contains(word), "no {word} in: {said}");
    }
}

#[test]
fn a_pack_in_the_users_data_folder_is_found() {
    let plugins = moved("pack-of-the-user");
    let data = plugins.join("gst-faceswap/models");
    fs::create_dir_all(&data).unwrap();
    for file in fs::read_dir(models()).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".onnx") || name.starts_with("libonnxruntime") {
            fs::copy(&file, data.join(name)).unwrap();
        }
    }
    let line = format!("{} ! {} ! fakesink", face("I420"), swap(""));
    let output = tool("gst-launch-1.0", &plugins).env_remove("ORT_DYLIB_PATH").args(words(&line)).finish();
    assert!(output.status.success(), "{}", complaint(&output));
}

#[test]
fn the_registry_scan_is_measured() {
    let scratch = folder("scan");
    fs::copy(library(), scratch.join(library().file_name().unwrap())).unwrap();
    let scan = |plugins: &Path| {
        let mut command = tool("gst-inspect-1.0", plugins);
        command.env("GST_PLUGIN_SYSTEM_PATH", "").env("GST_REGISTRY", scratch.join("registry.bin"));
        let mut times: Vec<f64> = (0..5)
            .map(|_| {
                let _ = fs::remove_file(scratch.join("registry.bin"));
                let started = Instant::now();
                assert!(command.arg("--version").output().unwrap().status.success());
                started.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[2]
    };
    let (with, without) = (scan(&scratch), scan(&folder("nothing")));
    println!("cold registry scan: {with:.0} ms with the plugin, {without:.0} ms without any");
}

#[test]
fn the_repository_holds_no_weights() {
    let tracked = Command::new("git").args(["ls-files"]).current_dir(repo()).finish();
    let tracked = String::from_utf8_lossy(&tracked.stdout).into_owned();
    let weights = tracked.lines().filter(|name| {
        [".onnx", ".tflite", ".so", ".dylib", ".mp4"].iter().any(|extension| name.ends_with(extension))
    });
    assert_eq!(weights.collect::<Vec<_>>(), Vec::<&str>::new());
}
