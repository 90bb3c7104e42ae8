//! The whole element, synchronous: frames/s through a pipeline, heap allocations a frame in Rust,
//! and the time from PLAYING to the first swapped frame.
//!
//! `cargo bench --bench element`. The pipeline is `appsrc ! faceswap mark=none ! appsink`; frames
//! are made before the clock starts and each is pushed as a writable buffer.

mod common;

use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_check::Harness;

#[global_allocator]
static ALLOCATOR: common::Counting = common::Counting;

const FRAMES: u64 = 500;
const WARM: u64 = 50;
const ROUNDS: usize = 5;

struct Round {
    spent: Duration,
    first: Duration,
    allocations: f64,
}

fn round(originals: &[Vec<u8>], width: i32, height: i32, mark: &str) -> Round {
    let element = gst::ElementFactory::make("faceswap")
        .property("source", common::photo("grace_hopper.jpg").display().to_string())
        .property_from_str("mark", mark)
        .property("stats-interval", 0u32)
        .build()
        .expect("the element");
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    let started = Instant::now();
    harness.set_src_caps_str(&format!(
        "video/x-raw,format=NV12,width={width},height={height},framerate=60/1,colorimetry=bt709"
    ));
    let mut buffers: Vec<Option<gst::Buffer>> =
        originals.iter().map(|data| Some(gst::Buffer::from_mut_slice(data.clone()))).collect();
    let (mut spent, mut first, mut before) = (Duration::ZERO, Duration::ZERO, (0, 0));
    for i in 0..FRAMES + WARM {
        let at = i as usize % originals.len();
        let mut buffer = buffers[at].take().expect("the frame is back");
        let exclusive = buffer.get_mut().expect("nobody else has the frame");
        exclusive.map_writable().expect("memory that can be written").copy_from_slice(&originals[at]);
        exclusive.set_pts(gst::ClockTime::from_nseconds(i * 1_000_000_000 / 60));
        exclusive.set_duration(gst::ClockTime::from_nseconds(1_000_000_000 / 60));
        if i == WARM {
            (before, spent) = (common::allocated(), Duration::ZERO);
        }
        let pushed = Instant::now();
        let out = harness.push_and_pull(buffer).expect("a frame comes out");
        spent += pushed.elapsed();
        if i == 0 {
            first = started.elapsed();
        }
        buffers[at] = Some(out);
    }
    let allocations = (common::allocated().0 - before.0) as f64 / FRAMES as f64;
    let stats = element.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u64>("frames-swapped"), Ok(FRAMES + WARM), "every frame is swapped");
    Round { spent, first, allocations }
}

fn main() {
    gst::init().expect("GStreamer");
    gstfaceswap::plugin_register_static().expect("the plugin");
    println!("| frame | face px | mark | frames/s | worst round | allocations/frame | first frame ms |");
    println!("|---|---|---|---|---|---|---|");
    for (width, height, face, mark) in [
        (1920, 1080, 400.0, "none"),
        (1920, 1080, 400.0, "visible"),
        (1920, 1080, 900.0, "none"),
        (960, 540, 200.0, "none"),
    ] {
        let pictures = common::pictures(width, height, face, 24);
        let originals: Vec<Vec<u8>> = pictures.iter().map(common::nv12).collect();
        let mut rounds: Vec<Round> =
            (0..ROUNDS).map(|_| round(&originals, width as i32, height as i32, mark)).collect();
        rounds.sort_by_key(|r| r.spent);
        let rate = |r: &Round| FRAMES as f64 / r.spent.as_secs_f64();
        let median = &rounds[ROUNDS / 2];
        println!(
            "| {width}×{height} | {face} | {mark} | {:.0} | {:.0} | {:.2} | {:.0} |",
            rate(median),
            rate(&rounds[ROUNDS - 1]),
            median.allocations,
            median.first.as_secs_f64() * 1e3,
        );
    }
}
