//! The applications of `examples/embed`, in Rust, C and Python, each built as its first lines say, and run.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::{Watched as _, astronaut, example, folder, hopper, library, models, repo};

/// What the application printed, after it swapped two seconds of a photo.
fn runs(mut application: Command, scratch: &Path) -> String {
    let (video, result) = (scratch.join("in.mkv"), scratch.join("out.mp4"));
    let line = format!(
        "-q filesrc location={} ! pngdec ! imagefreeze num-buffers=50 ! videoconvert ! videoscale \
         ! video/x-raw,format=I420,width=320,height=320,framerate=25/1 ! matroskamux ! filesink location={}",
        astronaut(),
        video.display()
    );
    assert!(Command::new("gst-launch-1.0").args(line.split_whitespace()).status().unwrap().success());
    surroundings(&mut application, scratch).arg(hopper()).arg(&video).arg(&result);
    let output = application.finish();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(fs::metadata(&result).unwrap().len() > 1000);
    assert!(said.contains("50 frames, 50 swapped"), "{said}");
    said.into_owned()
}

/// What the application says of a photo that is not there; it must fail.
fn refuses(mut application: Command, scratch: &Path) {
    surroundings(&mut application, scratch).args(["no.jpg", "in.mkv", "out2.mp4"]);
    let output = application.finish();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no.jpg"), "{said}");
}

fn surroundings<'a>(command: &'a mut Command, scratch: &Path) -> &'a mut Command {
    let name = library().file_name().unwrap().to_owned();
    fs::copy(library(), scratch.join(name)).unwrap();
    command
        .current_dir(scratch)
        .env("GST_PLUGIN_PATH", scratch)
        .env("GST_REGISTRY", scratch.join("registry.bin"))
        .env("GST_FACESWAP_MODEL_DIR", models())
}

#[test]
fn in_rust() {
    let scratch = folder("embed-rust");
    runs(Command::new(example("embed")), &scratch);
    refuses(Command::new(example("embed")), &scratch);
}

#[test]
fn in_c() {
    let scratch = folder("embed-c");
    let flags = Command::new("pkg-config").args(["--cflags", "--libs", "gstreamer-1.0"]).finish();
    let flags = String::from_utf8(flags.stdout).unwrap();
    let program: PathBuf = scratch.join("embed");
    let mut cc = Command::new("cc");
    cc.args(["-Wall", "-Wextra", "-Werror"])
        .arg(repo().join("examples/embed/embed.c"))
        .arg("-o")
        .arg(&program);
    assert!(cc.args(flags.split_whitespace()).status().unwrap().success());
    runs(Command::new(&program), &scratch);
    refuses(Command::new(&program), &scratch);
}

#[test]
fn in_python() {
    let scratch = folder("embed-python");
    let application = || {
        let mut python = Command::new("/usr/bin/python3");
        python.arg(repo().join("examples/embed/embed.py"));
        python
    };
    runs(application(), &scratch);
    refuses(application(), &scratch);
}
