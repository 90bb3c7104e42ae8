//! The whole element: frames/s, heap allocations a frame in Rust, and the time from PLAYING to the
//! first swapped frame, synchronous; then frames in flight against synchronous.
//!
//! `cargo bench --bench element`, with `-- flight` for the second part alone. Frames are made
//! before the clock starts and each is pushed as a writable buffer.

mod common;

use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_check::Harness;
use image::{RgbImage, imageops};

#[global_allocator]
static ALLOCATOR: common::Counting = common::Counting;

const FRAMES: u64 = 500;
const WARM: u64 = 50;
const ROUNDS: usize = 5;
const IN_FLIGHT_FRAMES: u64 = 150;

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

/// Processor time of this process so far, all threads, where the system is Linux.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// Frames a second with `depth` frames in flight, and processor seconds a frame.
fn throughput(originals: &[Vec<u8>], depth: u32, threads: u32) -> (f64, f64) {
    let element = gst::ElementFactory::make("faceswap")
        .property("source", common::photo("grace_hopper.jpg").display().to_string())
        .property_from_str("mark", "none")
        .property_from_str("select", "all")
        .property("max-in-flight", depth)
        .property("threads", threads)
        .property("stats-interval", 0u32)
        .build()
        .expect("the element");
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness
        .set_src_caps_str("video/x-raw,format=NV12,width=1920,height=1080,framerate=60/1,colorimetry=bt709");
    let frames = (0..IN_FLIGHT_FRAMES + WARM).map(|i| {
        let mut buffer = gst::Buffer::from_mut_slice(originals[i as usize % originals.len()].clone());
        let exclusive = buffer.get_mut().expect("nobody else has the frame");
        exclusive.set_pts(gst::ClockTime::from_nseconds(i * 1_000_000_000 / 60));
        buffer
    });
    let (mut started, mut before) = (Instant::now(), 0.0);
    for (i, buffer) in frames.collect::<Vec<_>>().into_iter().enumerate() {
        if i as u64 == WARM {
            (started, before) = (Instant::now(), processor_time());
        }
        harness.push(buffer).expect("a frame goes in");
        while harness.try_pull().is_some() {}
    }
    harness.push_event(gst::event::Eos::new());
    let (spent, worked) = (started.elapsed(), processor_time() - before);
    let stats = element.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u64>("frames-swapped"), Ok(IN_FLIGHT_FRAMES + WARM), "every frame is swapped");
    (IN_FLIGHT_FRAMES as f64 / spent.as_secs_f64(), worked / IN_FLIGHT_FRAMES as f64)
}

/// Two pictures side by side.
fn beside(left: &RgbImage, right: &RgbImage) -> RgbImage {
    let mut both = RgbImage::new(left.width() + right.width(), left.height());
    imageops::replace(&mut both, left, 0, 0);
    imageops::replace(&mut both, right, left.width().into(), 0);
    both
}

/// Rounds take turns, so that both sides of a ratio see the same machine.
fn in_flight() {
    let one = common::pictures(1920, 1080, 400.0, 24);
    let half = common::pictures(960, 1080, 400.0, 24);
    let two: Vec<RgbImage> = (0..24).map(|i| beside(&half[i], &half[(i + 8) % 24])).collect();
    println!(
        "| 1920×1080 | threads | in flight 0 | 1 | 2 | 3 | 3 over 0 | worst to best round | CPU ms/frame at 0 | at 3 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (name, pictures, threads) in [("one face", &one, 0), ("two faces", &two, 0), ("two faces", &two, 8)] {
        let originals: Vec<Vec<u8>> = pictures.iter().map(common::nv12).collect();
        let (mut rates, mut worked) = ([const { Vec::new() }; 4], [0.0; 4]);
        for _ in 0..ROUNDS {
            for (depth, rates) in rates.iter_mut().enumerate() {
                let (rate, time) = throughput(&originals, depth as u32, threads);
                rates.push(rate);
                worked[depth] += 1e3 * time / ROUNDS as f64;
            }
        }
        let mut ratios: Vec<f64> = rates[3].iter().zip(&rates[0]).map(|(many, none)| many / none).collect();
        ratios.sort_by(f64::total_cmp);
        let median = |mut rates: Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            rates[ROUNDS / 2]
        };
        let [none, one, two, three] = rates.map(median);
        println!(
            "| {name} | {threads} | {none:.0} | {one:.0} | {two:.0} | {three:.0} | {:.2} | {:.2}–{:.2} | {:.1} | {:.1} |",
            ratios[ROUNDS / 2],
            ratios[0],
            ratios[ROUNDS - 1],
            worked[0],
            worked[3],
        );
    }
}

fn main() {
    gst::init().expect("GStreamer");
    gstfaceswap::plugin_register_static().expect("the plugin");
    if !std::env::args().any(|arg| arg == "flight") {
        synchronous();
    }
    in_flight();
}

fn synchronous() {
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
