//! What the element's tests share.

#![allow(dead_code, unused_imports)]

pub mod film;
mod watch;

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, Once},
    time::Duration,
};

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo, VideoInfoBuilder};

pub use watch::{Watched, child, said};

pub const FORMATS: [VideoFormat; 10] = [
    VideoFormat::Nv12,
    VideoFormat::I420,
    VideoFormat::Uyvy,
    VideoFormat::Yuy2,
    VideoFormat::Rgb,
    VideoFormat::Bgr,
    VideoFormat::Rgbx,
    VideoFormat::Bgrx,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
];

/// GStreamer with the plugin, linked in.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstfaceswap::plugin_register_static().unwrap();
    });
}

pub fn faceswap() -> gst::Element {
    init();
    gst::ElementFactory::make("faceswap").build().unwrap()
}

pub fn repo() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The default pack's folder.
pub fn models() -> PathBuf {
    let folder = env::var_os("GST_FACESWAP_MODEL_DIR").map_or(repo().join("models"), PathBuf::from);
    assert!(
        folder.join("face_mesh.onnx").is_file(),
        "the default models are not in {}: run `make models`",
        folder.display()
    );
    folder
}

/// Photo of one person, from the default pack.
pub fn hopper() -> String {
    models().join("demo/grace_hopper.jpg").display().to_string()
}

/// Photo of another person.
pub fn astronaut() -> String {
    models().join("demo/astronaut.png").display().to_string()
}

/// A file of the shared media, or `None` and a line that says so, past the test runner. In CI it must be there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = repo().join("../shared/media").join(path);
    let there = path.exists();
    if !there {
        assert!(env::var_os("CI").is_none(), "{} is not there", path.display());
        let _ = writeln!(std::io::stderr(), "NOT TESTED: {} is not there", path.display());
    }
    there.then_some(path)
}

/// A file in `folder` that nobody can read, root included.
#[cfg(unix)]
pub fn unreadable(folder: &Path) -> PathBuf {
    let path = folder.join("locked.png");
    if cfg!(target_os = "linux") {
        // A process has no memory at address 0, where reading begins.
        std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap();
    } else {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    }
    path
}

/// The plugin that was built with the tests.
pub fn library() -> PathBuf {
    let deps = env::current_exe().unwrap().parent().unwrap().to_owned();
    let name = format!("{}gstfaceswap{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let places = [deps.join(&name), deps.join("..").join(&name)];
    places.into_iter().find(|path| path.is_file()).expect("the plugin beside the tests")
}

/// A library or program that takes another folder, which does not exist, for the one it was built in.
pub fn without_build_folder(mut bytes: Vec<u8>) -> Vec<u8> {
    let built_in = env!("CARGO_MANIFEST_DIR").as_bytes();
    let elsewhere = [b"/", vec![b'x'; built_in.len() - 1].as_slice()].concat();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(built_in.len()).position(|window| window == built_in) {
        at += found;
        bytes[at..at + built_in.len()].copy_from_slice(&elsewhere);
    }
    bytes
}

/// A program of `examples`, built with what the tests were.
pub fn example(name: &str) -> PathBuf {
    static BUILT: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut built = BUILT.lock().unwrap();
    if !built.iter().any(|done| done == name) {
        let build = ["build", "--release", "--workspace", "--quiet", "--example", name];
        let status = Command::new(env!("CARGO")).args(build).current_dir(repo()).status().unwrap();
        assert!(status.success(), "cargo {}", build.join(" "));
        built.push(name.into());
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or(repo().join("target"), PathBuf::from);
    target.join("release/examples").join(name).with_extension(env::consts::EXE_EXTENSION)
}

/// A folder for one test's files, empty.
pub fn folder(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("faceswap-test-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub fn info(format: VideoFormat, width: u32, height: u32) -> VideoInfo {
    builder(format, width, height).fps(gst::Fraction::new(25, 1)).build().unwrap()
}

pub fn builder(format: VideoFormat, width: u32, height: u32) -> VideoInfoBuilder<'static> {
    init();
    VideoInfo::builder(format, width, height)
}

/// A photo as a frame, scaled to fit the middle of the frame.
pub fn photo_frame(path: &str, info: &VideoInfo) -> gst::Buffer {
    let (width, height) = (info.width(), info.height());
    let photo = image::open(path).unwrap().resize(width, height, image::imageops::FilterType::Triangle);
    let mut canvas = image::RgbaImage::from_pixel(width, height, image::Rgba([90, 110, 100, 255]));
    let (x, y) = ((width - photo.width()) / 2, (height - photo.height()) / 2);
    image::imageops::overlay(&mut canvas, &photo.to_rgba8(), x.into(), y.into());
    convert(canvas.into_raw(), info)
}

/// RGBA of the same size, rate and mode: the converter can change none of these.
fn like(info: &VideoInfo) -> VideoInfo {
    let rgba = builder(VideoFormat::Rgba, info.width(), info.height());
    rgba.fps(info.fps()).interlace_mode(info.interlace_mode()).build().unwrap()
}

/// RGBA pixels as a frame of `info`.
pub fn convert(rgba: Vec<u8>, info: &VideoInfo) -> gst::Buffer {
    let from = like(info);
    let source = gst_video::VideoFrame::from_buffer_readable(gst::Buffer::from_slice(rgba), &from).unwrap();
    let target = gst::Buffer::with_size(info.size()).unwrap();
    let mut target = gst_video::VideoFrame::from_buffer_writable(target, info).unwrap();
    gst_video::VideoConverter::new(&from, info, None).unwrap().frame(&source, &mut target);
    target.into_buffer()
}

/// As [`convert`], the other way.
pub fn rgba(buffer: &gst::Buffer, info: &VideoInfo) -> Vec<u8> {
    let to = like(info);
    let source = gst_video::VideoFrame::from_buffer_readable(buffer.clone(), info).unwrap();
    let target = gst::Buffer::with_size(to.size()).unwrap();
    let mut target = gst_video::VideoFrame::from_buffer_writable(target, &to).unwrap();
    gst_video::VideoConverter::new(info, &to, None).unwrap().frame(&source, &mut target);
    target.into_buffer().map_readable().unwrap().to_vec()
}

/// Stamps a copy of `frame` as the `index`th at 25 frames a second.
pub fn stamped(frame: &gst::Buffer, index: u64) -> gst::Buffer {
    let mut buffer = frame.copy_deep().unwrap();
    let b = buffer.make_mut();
    b.set_pts(gst::ClockTime::from_mseconds(40 * index));
    b.set_duration(gst::ClockTime::from_mseconds(40));
    b.set_offset(index);
    buffer
}

pub fn bytes(buffer: &gst::Buffer) -> Vec<u8> {
    buffer.map_readable().unwrap().to_vec()
}

/// One faceswap with a pad before and behind it.
pub struct Rig {
    pub harness: gst_check::Harness,
    pub element: gst::Element,
    pub bus: gst::Bus,
    pub info: VideoInfo,
}

impl Rig {
    /// Playing, with `set` done before.
    pub fn new(info: &VideoInfo, set: impl FnOnce(&gst::Element)) -> Rig {
        let element = faceswap();
        set(&element);
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps(info.to_caps().unwrap());
        Rig { harness, element, bus, info: info.clone() }
    }

    /// Pushes a frame and takes what comes out.
    pub fn pass(&mut self, buffer: gst::Buffer) -> gst::Buffer {
        self.harness.push_and_pull(buffer).unwrap_or_else(|e| panic!("{e:?}: {:?}", self.messages()))
    }

    /// All messages posted so far.
    pub fn messages(&self) -> Vec<gst::Message> {
        std::iter::from_fn(|| self.bus.pop()).collect()
    }

    /// The text of the next error or warning within ten seconds.
    pub fn complaint(&self) -> String {
        let kinds = [gst::MessageType::Error, gst::MessageType::Warning];
        let message = self.bus.timed_pop_filtered(gst::ClockTime::from_seconds(10), &kinds);
        complaint(&message.expect("an error or a warning"))
    }
}

pub fn complaint(message: &gst::Message) -> String {
    match message.view() {
        gst::MessageView::Error(m) => format!("error: {}", m.error()),
        gst::MessageView::Warning(m) => format!("warning: {}", m.error()),
        other => panic!("neither error nor warning: {other:?}"),
    }
}

/// Brings the element to paused; the text of the error where that fails.
pub fn try_start(element: &gst::Element) -> Result<(), String> {
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let result = element.set_state(gst::State::Paused);
    let error = bus.pop_filtered(&[gst::MessageType::Error]).map(|m| complaint(&m));
    element.set_state(gst::State::Null).unwrap();
    match (result, error) {
        (Ok(_), None) => Ok(()),
        (_, error) => Err(error.unwrap_or_else(|| "failed without a message".into())),
    }
}

/// Waits up to ten seconds for `done`.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not within ten seconds: {what}");
}
