//! Drives the window in a headless X server, looks at what it shows, and reads what it tells.
#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use image::RgbImage;
use serde_json::Value;

#[path = "../../../tests/neural/standin.rs"]
mod standin;

fn repo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A photo of one person, from the default pack.
fn hopper() -> String {
    let models = std::env::var_os("GST_FACESWAP_MODEL_DIR").map_or(repo().join("models"), PathBuf::from);
    let photo = models.join("demo/grace_hopper.jpg");
    assert!(photo.is_file(), "the default models are not in {}: run `make models`", models.display());
    photo.display().to_string()
}

/// An empty folder of the test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn window(folder: &Path, script: &str) -> Child {
    let file = folder.join("script.txt");
    fs::write(&file, script).unwrap();
    let started = Command::new("xvfb-run")
        .args(["-a", "-s", "-screen 0 1280x860x24", env!("CARGO_BIN_EXE_faceswap-live"), "--settings"])
        .arg(folder.join("settings.json"))
        .arg("--script")
        .arg(file)
        .current_dir(folder)
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .env_remove("WAYLAND_DISPLAY")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    started.expect("xvfb-run starts; `make test` installs xvfb and xauth")
}

/// What it told, line by line, once it has ended well.
fn told(child: Child) -> Vec<Value> {
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

fn run(folder: &Path, script: &str) -> Vec<Value> {
    told(window(folder, script))
}

fn picture(path: &Path) -> RgbImage {
    image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into_rgb8()
}

/// Mean absolute difference of two pictures of one size, in levels.
fn difference(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.len() as f64
}

fn mean(picture: &RgbImage) -> f64 {
    picture.iter().map(|value| f64::from(*value)).sum::<f64>() / picture.len() as f64
}

fn colours(picture: &RgbImage) -> usize {
    picture.pixels().map(|pixel| pixel.0).collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
fn it_starts_swaps_and_says_what_is_wrong_in_light_and_dark() {
    let folder = folder("pictures");
    let script = format!(
        "theme dark\nrest 5\nshot start.png\ndrop {}\nkey Space\nwait swapped\nframes 60\nkey Escape\nrest 2\n\
         shot running.png\ntell\nkey B\nframes 20\nshot split.png\nkey B\ntheme light\nframes 10\nshot light.png\n\
         key P\nkey F1\nframes 5\nshot help.png\nkey Escape\nkey P\nkey Space\nwait stopped\n\
         input camera\nkey Space\nwait failed\nrest 3\nshot error.png\ntell\n\
         input file\nkey Space\nrest 20\nwait failed\ntell",
        hopper()
    );
    let told = run(&folder, &script);
    let [running, error, file] = &told[..] else { panic!("{told:#?}") };
    assert_eq!(running["stage"], "running");
    assert_eq!(running["engine"], "mesh");
    assert!(running["swapped"].as_u64().unwrap() > 0 && running["stats"].as_u64().unwrap() > 0, "{running}");
    assert!(running["photo"].is_array(), "the thumbnail is there: {running}");
    assert_eq!(error["stage"], "failed");
    assert!(error["why"].as_str().unwrap().contains("camera"), "{error}");
    assert!(error["toasts"].to_string().contains("camera"), "{error}");
    assert!(file["why"].as_str().unwrap().contains("video"), "{file}");

    let names = ["start", "running", "split", "light", "help", "error"];
    let pictures = names.map(|name| picture(&folder.join(format!("{name}.png"))));
    for (name, picture) in names.iter().zip(&pictures) {
        assert!(colours(picture) > 100, "{name}: {} colours", colours(picture));
    }
    for (i, a) in pictures.iter().enumerate() {
        for (j, b) in pictures.iter().enumerate().skip(i + 1) {
            assert!(difference(a, b) > 0.5, "{} and {}: {}", names[i], names[j], difference(a, b));
        }
    }
    assert!(mean(&pictures[0]) < 60.0 && mean(&pictures[5]) > 180.0, "dark, then light");
}

#[test]
fn the_keyboard_does_it_all_and_settings_are_remembered() {
    let folder = folder("keyboard");
    // From the first control, the kinds of input, to the second and third; then shortcuts.
    let keys = "key Tab\nkey Tab\nkey Space\ntell\nkey Tab\nkey Space\nrest 3\ntell\n";
    let script = format!("input camera\ndrop {}\nset smoothing 0.80\n{keys}", hopper());
    let typed = "key Tab\nkey Tab\ntext side\ntell\ntext .jpg\nkey Enter\nrest 3\ntell\n";
    let told = run(&folder, &(script + typed + "key Escape\nkey Escape\nkey B\nkey T\nrest 3\ntell\n"));
    let [file, test, half, whole, last] = &told[..] else { panic!("{told:#?}") };
    assert_eq!(half["settings"]["photo"], hopper(), "what is half typed is not taken over: {half}");
    let typed = whole["settings"]["photo"].as_str().unwrap();
    assert!(typed.ends_with("side.jpg"), "{whole}");
    assert!(whole["toasts"].to_string().contains("side.jpg"), "{whole}");
    assert_eq!(file["settings"]["input"], "file");
    assert_eq!(test["settings"]["input"], "test");
    assert_eq!(last["settings"]["split"], true, "{last}");
    assert_eq!(last["settings"]["theme"], "dark", "{last}");

    let again = run(&folder, "rest 3\ntell");
    assert_eq!(again[0]["settings"], last["settings"]);
    assert_eq!(again[0]["settings"]["photo"], typed);
    assert_eq!(again[0]["settings"]["properties"]["smoothing"], "0.80");

    fs::write(folder.join("settings.json"), "{ \"input\": 7").unwrap();
    let spoilt = run(&folder, "wait toast\ntell");
    fs::write(folder.join("settings.json"), "{ \"properties\": { \"engine\": \"steam\" } }").unwrap();
    let unknown = run(&folder, "wait toast\ntell");
    assert!(unknown[0]["toasts"][0].as_str().unwrap().contains("steam"), "{}", unknown[0]);
    assert_eq!(unknown[0]["settings"]["properties"], serde_json::json!({}));
    assert!(spoilt[0]["toasts"][0].as_str().unwrap().contains("settings.json"), "{}", spoilt[0]);
    assert_eq!(spoilt[0]["settings"]["input"], "test");
}

#[test]
fn bad_photos_and_values_are_told_and_the_picture_goes_on() {
    let folder = folder("faults");
    fs::write(folder.join("no-photo.jpg"), "this is text").unwrap();
    fs::write(folder.join("notes.xyz"), "this is text").unwrap();
    let script = format!(
        "drop {}\nkey Space\nwait swapped\ndrop notes.xyz\nwait toast\ntell\nkey Escape\n\
         drop no-photo.jpg\nwait toast\nframes 20\ntell\nkey Escape\nset opacity plenty\nwait toast\nframes 5\ntell",
        hopper()
    );
    let told = run(&folder, &script);
    for (state, word) in told.iter().zip(["notes.xyz", "no-photo.jpg", "opacity"]) {
        assert_eq!(state["stage"], "running", "{state}");
        assert!(state["toasts"].to_string().contains(word), "{word}: {state}");
    }
    assert_eq!(told.len(), 3);
}

/// A real swap network's size, so that loading takes a while.
#[test]
fn the_window_goes_on_while_a_network_loads() {
    let folder = folder("loading");
    // In 16 bits, since this plugin's own convolutions take minutes as tests are built.
    standin::write(&standin::inswapper_full(true, false), &folder.join("inswapper_128_fp16.onnx"));
    standin::write(&standin::recognizer(512), &folder.join("arcface_w600k_r50.onnx"));
    let script = format!(
        "drop {}\ndrop inswapper_128_fp16.onnx\nset engine neural\nkey Space\nwait running\nframes 3\nkey B\nrest 3\ntell\n\
         wait loaded\ntell\nkey Space\nwait stopped",
        hopper()
    );
    let told = run(&folder, &script);
    let [loading, loaded] = &told[..] else { panic!("{told:#?}") };
    let drawn = |state: &Value| state["painted-while-loading"].as_u64().unwrap();
    assert!(drawn(loaded) > 5, "{loaded}");
    assert_eq!(loading["settings"]["split"], true, "a key is obeyed meanwhile: {loading}");
    assert!(loading["frames"].as_u64().unwrap() >= 3, "the picture runs meanwhile: {loading}");
    assert_eq!(loaded["loading"], false);
    fs::remove_dir_all(folder).unwrap();
}

fn gst(line: &str) -> Child {
    Command::new("gst-launch-1.0").args(line.split_whitespace()).stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_recording_plays_and_outputs_arrive() {
    let folder = folder("outputs");
    let socket = folder.join("shown.sock").display().to_string();
    let port = 20_000 + std::process::id() % 20_000;
    let caps = "application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,payload=96";
    let mut network = gst(&format!(
        "-q udpsrc port={port} ! {caps} ! rtph264depay ! h264parse ! avdec_h264 ! identity eos-after=5 ! fakesink"
    ));
    let script = format!(
        "drop {}\nkey Space\nwait swapped\nkey R\nframes 45\nkey R\nwait recorded\n\
         output rtp 127.0.0.1:{port}\nkey O\nwait sending\nframes 120\nkey O\nwait silent\n\
         output shared-memory {socket}\nkey O\nwait sending\nframes 240\nkey O\nwait silent\n\
         output rtp nowhere\nkey O\nwait toast\ntell",
        hopper()
    );
    let mut window = window(&folder, &script);
    while !Path::new(&socket).exists() && window.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(20));
    }
    let shape = "video/x-raw,format=I420,width=960,height=540,framerate=30/1";
    let mut memory = gst(&format!("-q shmsrc socket-path={socket} num-buffers=5 ! {shape} ! fakesink"));
    let told = told(window);
    assert!(told[0]["toasts"].to_string().contains("nowhere"), "{}", told[0]);
    assert!(succeeds(&mut network), "frames arrived by RTP");
    assert!(succeeds(&mut memory), "frames arrived by shared memory");

    let written: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let is = |path: &&PathBuf, extension: &str| path.extension().is_some_and(|e| e == extension);
    assert!(!written.iter().any(|path| is(&path, "part")), "{written:?}");
    let film = written.iter().find(|path| is(path, "mp4")).expect("a recording");
    let line = format!(
        "-q filesrc location={} ! qtdemux ! h264parse ! avdec_h264 ! identity eos-after=20 ! fakesink",
        film.display()
    );
    assert!(succeeds(&mut gst(&line)), "{line}");
    assert!(fs::metadata(film).unwrap().len() > 10_000);

    // A video, longer than it lasts: it begins again.
    let script =
        format!("drop {}\ndrop {}\nkey Space\nwait swapped\nframes 100\ntell", hopper(), film.display());
    let told = run(&folder, &script);
    assert_eq!(told[0]["stage"], "running", "{}", told[0]);
    assert_eq!(told[0]["settings"]["input"], "file");
}

/// Whether it ends by itself, and well.
fn succeeds(child: &mut Child) -> bool {
    for _ in 0..1500 {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}
