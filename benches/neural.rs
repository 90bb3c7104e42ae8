//! The neural engine on inswapper_128 at its full size, with random weights: memory, and the
//! element's time outside the network's runs.
//!
//! `cargo run --release --example standin -- target/standin full` writes the network (554 MB), then
//! `cargo bench --bench neural`; `-- FILE PROVIDER BATCH FACES` for others.

mod common;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use gst::prelude::*;
use gst_check::Harness;
use gstfaceswap::{
    element::ExecutionProvider,
    models::{Options, Provider, Role, Search, Session},
};

#[global_allocator]
static ALLOCATOR: common::Counting = common::Counting;

const ROUNDS: usize = 5;

/// Resident memory and its highest so far, MB (10⁶ bytes).
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let kib = line.split_whitespace().find_map(|word| word.parse::<u64>().ok()).unwrap_or_default();
        kib * 1024 / 1_000_000
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// One stream through an element of its own.
struct Stream {
    harness: Harness,
    element: gst::Element,
    frame: Vec<u8>,
    count: u64,
}

impl Stream {
    fn new(file: &str, provider: ExecutionProvider, batch: u32, frame: Vec<u8>) -> Stream {
        let element = gst::ElementFactory::make("faceswap")
            .property("source", common::photo("grace_hopper.jpg").display().to_string())
            .property("model-file", file)
            .property_from_str("engine", "neural")
            .property("execution-provider", provider)
            .property("batch-size", batch)
            // Frames wait for the network.
            .property_from_str("deterministic", "true")
            .property_from_str("select", "all")
            .property_from_str("mark", "none")
            .build()
            .expect("the element");
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps_str(
            "video/x-raw,format=NV12,width=1920,height=1080,framerate=25/1,colorimetry=bt709",
        );
        Stream { harness, element, frame, count: 0 }
    }

    /// Pushes frames; the time for each.
    fn push(&mut self, frames: u64) -> Duration {
        let mut spent = Duration::ZERO;
        for _ in 0..frames {
            let mut buffer = gst::Buffer::from_mut_slice(self.frame.clone());
            let exclusive = buffer.get_mut().expect("nobody else has the frame");
            exclusive.set_pts(gst::ClockTime::from_mseconds(40 * self.count));
            self.count += 1;
            let started = Instant::now();
            self.harness.push_and_pull(buffer).expect("a frame comes out");
            spent += started.elapsed();
        }
        spent / frames as u32
    }

    fn stats(&self) -> gst::Structure {
        self.element.property("stats")
    }
}

/// The network alone, on inputs of its own, `batch` images at once.
fn plain(session: &mut Session, batch: usize, runs: u32) -> Duration {
    for input in 0..2 {
        let mut shape = session.input_shape(input).to_vec();
        shape[0] = batch as i64;
        session.input(input, &shape).expect("an input").fill(0.1);
    }
    session.run().expect("a run");
    let started = Instant::now();
    for _ in 0..runs {
        session.run().expect("a run");
    }
    started.elapsed() / runs
}

fn ms(time: Duration) -> f64 {
    1e3 * time.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    gst::init().expect("GStreamer");
    gstfaceswap::plugin_register_static().expect("the plugin");
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let arg = |i: usize, default: &str| args.get(i).cloned().unwrap_or_else(|| default.into());
    let file = arg(0, "target/standin/inswapper_128.onnx");
    let (provider, element_provider) = match arg(1, "cpu").as_str() {
        "cuda" => (Provider::Cuda, ExecutionProvider::Cuda),
        _ => (Provider::Cpu, ExecutionProvider::Cpu),
    };
    let batch: u32 = arg(2, "1").parse().expect("a batch size");
    let faces: usize = arg(3, "1").parse().expect("a number of faces");
    assert!(PathBuf::from(&file).is_file(), "{file} is not there; see the head of this bench");

    let (before, _) = memory();
    let frame = common::nv12(&common::crowd(1920, 1080, if faces > 1 { 240.0 } else { 400.0 }, faces));
    let mut first = Stream::new(&file, element_provider, batch, frame.clone());
    first.push(2);
    let (one, peak) = memory();
    let mut second = Stream::new(&file, element_provider, batch, frame);
    second.push(2);
    let (two, _) = memory();
    println!("| memory, MB | before | one element | peak while loading | two elements |");
    println!("|---|---|---|---|---|");
    println!("| | {before} | {one} | {peak} | {two} |");
    drop(second);

    let model = Search::default().at(Role::Swapper, file.as_ref()).expect("the model");
    let threads = gstfaceswap::control::performance_cores();
    let options = Options { provider, threads, ..Options::default() };
    let mut session = Session::shared(&model, &options).expect("the session");
    let together = if session.input_shape(0)[0] < 0 { faces.min(batch as usize) } else { 1 };
    let runs = (1000.0 / ms(plain(&mut session, together, 1)).max(1.0)).clamp(3.0, 100.0) as u32;
    let (mut alone, mut whole, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    first.push(2);
    let allocated = common::allocated().0;
    first.push(10);
    println!(
        "Allocations a frame, of which the bench makes some: {}",
        (common::allocated().0 - allocated) / 10
    );
    for _ in 0..ROUNDS {
        let network = ms(plain(&mut session, together, runs));
        let element = ms(first.push(runs.into()));
        alone.push(network);
        whole.push(element);
        ratios.push(network * faces.div_ceil(together) as f64 / element);
    }
    let stats = first.stats();
    println!(
        "| faces | network alone, ms a run | element a frame, ms | alone over element | engine | provider | batch |"
    );
    println!("|---|---|---|---|---|---|---|");
    println!(
        "| {faces} | {:.2} | {:.2} | {:.3} | {} | {} | {} |",
        median(alone),
        median(whole),
        median(ratios),
        stats.get::<&str>("engine").unwrap_or("?"),
        stats.get::<&str>("execution-provider").unwrap_or("?"),
        stats.get::<u32>("batch").unwrap_or(0),
    );
    println!("| stage | ms |\n|---|---|");
    for stage in ["detect-ms", "landmarks-ms", "swap-ms", "network-ms", "blend-ms", "frame-time-mean-ms"] {
        println!("| {stage} | {:.2} |", stats.get::<f64>(stage).unwrap_or(f64::NAN));
    }
}
