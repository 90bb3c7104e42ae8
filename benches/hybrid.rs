//! The hybrid engine live, on inswapper_128 at its full size with random weights, beside running the
//! network on every frame: 960×540 NV12, one moving 200-pixel face.
//!
//! `cargo run --release --example standin -- target/standin full` writes the network (554 MB), then
//! `cargo bench --bench hybrid`; `-- FILE SECONDS` for others.

mod common;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use gst::prelude::*;
use gst_check::Harness;

#[global_allocator]
static ALLOCATOR: common::Counting = common::Counting;

const RATE: u64 = 30;

/// One stream through an element of its own.
struct Stream {
    harness: Harness,
    element: gst::Element,
    frames: Vec<Vec<u8>>,
    count: u64,
}

impl Stream {
    fn new(file: &str, engine: &str, frames: &[Vec<u8>]) -> Stream {
        let element = gst::ElementFactory::make("faceswap")
            .property("source", common::photo("grace_hopper.jpg").display().to_string())
            .property("model-file", file)
            .property_from_str("engine", engine)
            .property_from_str("deterministic", "false")
            .property_from_str("mark", "none")
            .build()
            .expect("the element");
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps_str(
            "video/x-raw,format=NV12,width=960,height=540,framerate=30/1,colorimetry=bt709",
        );
        Stream { harness, element, frames: frames.to_vec(), count: 0 }
    }

    /// Pushes one frame; the time for it.
    fn push(&mut self) -> Duration {
        let pixels = self.frames[self.count as usize % self.frames.len()].clone();
        let mut buffer = gst::Buffer::from_mut_slice(pixels);
        let exclusive = buffer.get_mut().expect("nobody else has the frame");
        exclusive.set_pts(gst::ClockTime::from_mseconds(1000 * self.count / RATE));
        self.count += 1;
        let started = Instant::now();
        self.harness.push_and_pull(buffer).expect("a frame comes out");
        started.elapsed()
    }

    fn stats(&self) -> gst::Structure {
        self.element.property("stats")
    }

    fn engine(&self) -> String {
        self.stats().get("engine").unwrap_or_default()
    }

    fn key_frames(&self) -> u64 {
        self.stats().get("key-frames").unwrap_or_default()
    }

    /// Pushes frames at the stream's rate until the engine is at work.
    fn settle(&mut self, engine: &str) {
        let begun = Instant::now();
        while self.engine() != engine {
            assert!(begun.elapsed() < Duration::from_secs(120), "no {engine} engine after two minutes");
            let spent = self.push();
            std::thread::sleep(Duration::from_millis(1000 / RATE).saturating_sub(spent));
        }
    }

    /// Pushes for `time`, at the stream's rate where `paced`, and prints a row.
    fn measure(&mut self, name: &str, time: Duration, paced: bool) -> f64 {
        let (begun, keys, first) = (Instant::now(), self.key_frames(), self.count);
        let allocated = common::allocated().0;
        let mut spent = Vec::with_capacity(1 << 16);
        while begun.elapsed() < time {
            spent.push(self.push().as_secs_f64() * 1e3);
            let due = Duration::from_millis(1000 * (self.count - first) / RATE);
            if paced {
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        let rate = spent.len() as f64 / seconds;
        let allocations = (common::allocated().0 - allocated) as f64 / spent.len() as f64;
        spent.sort_by(f64::total_cmp);
        let at = |share: f64| spent[((spent.len() - 1) as f64 * share) as usize];
        let stats = self.stats();
        println!(
            "| {name} | {rate:.1} | {:.1} | {:.1} | {:.1} | {:.2} | {:.1} | {:.1} | {} | {allocations:.1} |",
            at(0.5),
            at(0.95),
            at(1.0),
            (self.key_frames() - keys) as f64 / seconds,
            stats.get::<f64>("hybrid-error-db").unwrap_or(f64::NAN),
            stats.get::<f64>("swap-ms").unwrap_or(f64::NAN),
            stats.get::<u32>("level").unwrap_or(0),
        );
        rate
    }
}

fn main() {
    gst::init().expect("GStreamer");
    gstfaceswap::plugin_register_static().expect("the plugin");
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let file = args.first().cloned().unwrap_or_else(|| "target/standin/inswapper_128.onnx".into());
    let seconds = args.get(1).map_or(20, |text| text.parse().expect("a number of seconds"));
    assert!(PathBuf::from(&file).is_file(), "{file} is not there; see the head of this bench");
    let time = Duration::from_secs(seconds);
    let frames: Vec<Vec<u8>> = common::pictures(960, 540, 200.0, 60).iter().map(common::nv12).collect();
    println!(
        "| engine | frames/s | median ms | p95 | most | key frames/s | error, dB | swap ms | level | allocations a frame |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut hybrid = Stream::new(&file, "hybrid", &frames);
    hybrid.settle("hybrid");
    hybrid.measure("hybrid, 30 frames/s come", time, true);
    let fast = hybrid.measure("hybrid, as fast as it goes", time, false);
    drop(hybrid);
    let mut neural = Stream::new(&file, "neural", &frames);
    neural.element.set_property("auto-quality", false);
    neural.settle("neural");
    let slow = neural.measure("neural", time, false);
    println!("\nhybrid over neural: {:.1}×", fast / slow);
}
