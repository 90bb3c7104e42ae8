//! The whole element: frames/s, heap allocations a frame in Rust, and the time from PLAYING to the
//! first swapped frame, synchronous; what pools save; frames in flight against synchronous.
//!
//! `cargo bench --bench element`, with `-- flight` without the first part. Frames are made
//! before the clock starts and each is pushed as a writable buffer.

mod common;

use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_check::Harness;
use gstfaceswap::{
    control::{
        governor::{Governor, Sample},
        stats::{Processed, Stats},
    },
    engine::{Colorimetry, Engine, Frame, Params, PixelFormat, Plan, Report, SourceLoader},
    models::{Pack, Search},
};
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

/// What a round of as many frames as possible came to.
#[derive(Debug, Clone, Copy, Default)]
struct Throughput {
    /// Frames a second.
    rate: f64,
    /// Processor milliseconds a frame.
    worked: f64,
    allocations: f64,
}

fn throughput(originals: &[Vec<u8>], depth: u32, threads: u32) -> Throughput {
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
    let (mut started, mut before) = (Instant::now(), (0.0, 0));
    for (i, buffer) in frames.collect::<Vec<_>>().into_iter().enumerate() {
        if i as u64 == WARM {
            (started, before) = (Instant::now(), (processor_time(), common::allocated().0));
        }
        harness.push(buffer).expect("a frame goes in");
        while harness.try_pull().is_some() {}
    }
    harness.push_event(gst::event::Eos::new());
    let (spent, worked) = (started.elapsed(), processor_time() - before.0);
    let allocated = common::allocated().0 - before.1;
    let stats = element.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u64>("frames-swapped"), Ok(IN_FLIGHT_FRAMES + WARM), "every frame is swapped");
    let frames = IN_FLIGHT_FRAMES as f64;
    Throughput {
        rate: frames / spent.as_secs_f64(),
        worked: 1e3 * worked / frames,
        allocations: allocated as f64 / frames,
    }
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
    const CASES: [(&str, u32, u32); 6] = [
        ("one thread, none", 0, 1),
        ("none", 0, 0),
        ("1", 1, 0),
        ("2", 2, 0),
        ("3", 3, 0),
        ("3, eight threads", 3, 8),
    ];
    let one = common::pictures(1920, 1080, 400.0, 24);
    let half = common::pictures(960, 1080, 400.0, 24);
    let two: Vec<RgbImage> = (0..24).map(|i| beside(&half[i], &half[(i + 8) % 24])).collect();
    for (name, pictures) in [("one face", &one), ("two faces", &two)] {
        let originals: Vec<Vec<u8>> = pictures.iter().map(common::nv12).collect();
        let mut rounds = [[Throughput::default(); CASES.len()]; ROUNDS];
        for round in &mut rounds {
            for (result, (_, depth, threads)) in round.iter_mut().zip(CASES) {
                *result = throughput(&originals, depth, threads);
            }
        }
        let median = |of: &dyn Fn(&[Throughput; CASES.len()]) -> f64| {
            let mut values = rounds.each_ref().map(of);
            values.sort_by(f64::total_cmp);
            values[ROUNDS / 2]
        };
        println!(
            "\n| 1920×1080, {name}: in flight | frames/s | over none | over one thread | CPU ms/frame | allocations/frame |"
        );
        println!("|---|---|---|---|---|---|");
        for (i, (case, ..)) in CASES.iter().enumerate() {
            println!(
                "| {case} | {:.0} | {:.2} | {:.2} | {:.1} | {:.2} |",
                median(&|round| round[i].rate),
                median(&|round| round[i].rate / round[1].rate),
                median(&|round| round[i].rate / round[0].rate),
                median(&|round| round[i].worked),
                median(&|round| round[i].allocations),
            );
        }
    }
}

/// What a frame's plan, report and copy take from the heap where they are made anew each time, and
/// where they are used again.
fn pools() {
    const FRAMES: u64 = 100;
    let pack = Pack::find(&Search::default()).expect("the default pack");
    let mut loader = SourceLoader::new(&pack).expect("the source loader");
    let (source, _) = loader.load(&[common::photo("grace_hopper.jpg")]).expect("the source photo");
    let shared = common::nv12(&common::pictures(960, 540, 200.0, 1)[0]);
    println!("\n| 960×540, one face | allocations/frame | bytes/frame |");
    println!("|---|---|---|");
    for (name, reuse) in [("made anew", false), ("from pools", true)] {
        let (mut analyser, mut painter) = Engine::new(&pack, 1).expect("the engine").split();
        let (mut plan, mut report, mut copy) = (Plan::default(), Report::default(), Vec::new());
        let mut before = (0, 0);
        for i in 0..FRAMES + WARM {
            if i == WARM {
                before = common::allocated();
            }
            if !reuse {
                (plan, report, copy) = (Plan::default(), Report::default(), Vec::new());
            }
            copy.clear();
            copy.extend_from_slice(&shared);
            let (luma, chroma) = copy.split_at_mut(960 * 540);
            let planes = [luma, chroma, &mut [][..]];
            let frame =
                Frame::new(PixelFormat::Nv12, 960, 540, planes, [960, 960, 0], Colorimetry::default());
            let mut frame = frame.expect("a frame that fits");
            let time = Duration::from_secs_f64(i as f64 / 60.0);
            let params = Params::default();
            analyser.analyse(&frame, &params, time, &mut plan).expect("a plan");
            painter.paint(&mut frame, &plan, &source, &params, &mut report).expect("a picture");
            assert_eq!(report.swapped, 1, "frame {i}");
        }
        let after = common::allocated();
        println!(
            "| {name} | {:.1} | {} |",
            (after.0 - before.0) as f64 / FRAMES as f64,
            (after.1 - before.1) / FRAMES,
        );
    }
}

/// What statistics and governor cost at 60 frames/s, in shares of a core.
fn control() {
    const FRAMES: u32 = 1_000_000;
    let (mut stats, mut governor, started) = (Stats::default(), Governor::default(), Instant::now());
    for i in 0..FRAMES {
        let busy = Duration::from_micros(4000 + u64::from(i % 16) * 50);
        let processed = Processed { elapsed: busy, faces: 1, swapped: true, ..Processed::default() };
        stats.arrived();
        stats.processed(&processed, Instant::now());
        let period = Duration::from_micros(16_667);
        let sample = Sample { now: i * period, busy, period, queue: 0.5 };
        assert!(governor.observe(&sample).is_none(), "there is room");
        if i % 60 == 0 {
            stats.roll(Instant::now(), Duration::ZERO);
            std::hint::black_box(stats.snapshot());
        }
    }
    let frame = started.elapsed() / FRAMES;
    println!(
        "\nStatistics and governor: {frame:?} a frame, {:.4} % of a core at 60 frames/s",
        6e3 * frame.as_secs_f64()
    );
}

fn main() {
    gst::init().expect("GStreamer");
    gstfaceswap::plugin_register_static().expect("the plugin");
    if !std::env::args().any(|arg| arg == "flight") {
        synchronous();
    }
    control();
    pools();
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
