//! The whole element: frames/s, heap allocations a frame in Rust, and the time from PLAYING to the
//! first swapped frame, synchronous; what pools save; frames in flight against synchronous.
//!
//! `cargo bench --bench element`, with `-- flight` without the first part. Frames are made
//! before the clock starts and each is pushed as a writable buffer.

mod common;

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use common::Bed;
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

const FRAMES: u32 = 500;
const WARM: u32 = 50;
const ROUNDS: usize = 5;
const IN_FLIGHT_FRAMES: u32 = 150;

struct Round {
    spent: Duration,
    first: Duration,
    allocations: f64,
}

fn info(width: u32, height: u32) -> gst_video::VideoInfo {
    gst_video::VideoInfo::builder(gst_video::VideoFormat::Nv12, width, height)
        .fps(gst::Fraction::new(60, 1))
        .colorimetry(&gst_video::VideoColorimetry::from_str("bt709").expect("a name that GStreamer knows"))
        .build()
        .expect("a size that GStreamer knows")
}

fn round(originals: &[Vec<u8>], width: u32, height: u32, mark: &str) -> Round {
    let element = common::element(&[("mark", mark)]);
    let mut bed = Bed::new(element, &info(width, height), originals.to_vec());
    bed.frame();
    let first = bed.age();
    for _ in 1..WARM {
        bed.frame();
    }
    let before = common::allocated().0;
    let spent = (0..FRAMES).map(|_| bed.frame()).sum();
    let allocations = (common::allocated().0 - before) as f64 / f64::from(FRAMES);
    bed.check();
    Round { spent, first, allocations }
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
    let (depth, threads) = (depth.to_string(), threads.to_string());
    let element = common::element(&[("select", "all"), ("max-in-flight", &depth), ("threads", &threads)]);
    let mut bed = Bed::new(element, &info(1920, 1080), originals.to_vec());
    bed.flow(WARM, false);
    let flow = bed.flow(IN_FLIGHT_FRAMES, true);
    bed.check();
    let frames = f64::from(IN_FLIGHT_FRAMES);
    Throughput {
        rate: frames / flow.spent.as_secs_f64(),
        worked: 1e3 * flow.worked / frames,
        allocations: flow.allocations as f64 / frames,
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
        let median =
            |of: &dyn Fn(&[Throughput; CASES.len()]) -> f64| common::median(rounds.iter().map(of).collect());
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

/// What three frames in flight take from the heap where each one's plan, report and copy are made anew,
/// and where they are used again; each in a process of its own.
fn pools() {
    let own = std::env::current_exe().expect("this program");
    println!("\n| 960×540, one face, 3 in flight | allocations/frame | bytes/frame | most memory, kB |");
    println!("|---|---|---|---|");
    for (name, kind) in [("made anew", "anew"), ("from pools", "again")] {
        let rounds = (0..ROUNDS).map(|_| {
            let output = std::process::Command::new(&own).args(["slots", kind]).output().expect("a process");
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            let numbers: Vec<f64> = told.split_whitespace().filter_map(|n| n.parse().ok()).collect();
            <[f64; 3]>::try_from(numbers).unwrap_or_else(|_| panic!("{kind}: {output:?}"))
        });
        let rounds: Vec<[f64; 3]> = rounds.collect();
        let [allocations, bytes, peak] =
            [0, 1, 2].map(|i| common::median(rounds.iter().map(|round| round[i]).collect()));
        println!("| {name} | {allocations:.1} | {bytes:.0} | {peak:.0} |");
    }
}

/// What a frame in flight needs.
#[derive(Default)]
struct Slot {
    plan: Plan,
    report: Report,
    copy: Vec<u8>,
}

impl Slot {
    fn frame(&mut self) -> (Frame<'_>, &mut Plan, &mut Report) {
        let (luma, chroma) = self.copy.split_at_mut(960 * 540);
        let planes = [luma, chroma, &mut [][..]];
        let frame = Frame::new(PixelFormat::Nv12, 960, 540, planes, [960, 960, 0], Colorimetry::default());
        (frame.expect("a frame that fits"), &mut self.plan, &mut self.report)
    }
}

/// Prints allocations and bytes a frame, and the kB of resident memory that frames in flight added at
/// most: one frame arrives and is analysed while another is painted and the one before leaves.
fn slots(again: bool) {
    const FRAMES: u32 = 300;
    let pack = Pack::find(&Search::default()).expect("the default pack");
    let mut loader = SourceLoader::new(&pack).expect("the source loader");
    let (source, _) = loader.load(&[common::photo("grace_hopper.jpg")]).expect("the source photo");
    let shared = common::nv12(&common::pictures(960, 540, 200.0, 1)[0]);
    let (mut analyser, mut painter) = Engine::new(&pack, 1).expect("the engine").split();
    let params = Params::default();
    let time = |i: u32| Duration::from_secs_f64(f64::from(i) / 60.0);
    let mut arrive = |slot: &mut Slot, i: u32| {
        slot.copy.clear();
        slot.copy.extend_from_slice(&shared);
        let (frame, plan, _) = slot.frame();
        analyser.analyse(&frame, &params, time(i), plan).expect("a plan");
    };
    let mut paint = |slot: &mut Slot| {
        let plan = std::mem::take(&mut slot.plan);
        let (mut frame, _, report) = slot.frame();
        painter.paint(&mut frame, &plan, &source, &params, report).expect("a picture");
        assert_eq!(report.swapped, 1);
        slot.plan = plan;
    };
    let mut first = Slot::default();
    (0..WARM).for_each(|i| {
        arrive(&mut first, i);
        paint(&mut first);
    });
    drop(first);
    let begun = common::memory().resident;
    // The most so far is forgotten.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let mut before = (0, 0);
    std::thread::scope(|scope| {
        let (to_painter, analysed) = std::sync::mpsc::sync_channel::<Box<Slot>>(1);
        let (to_sink, painted) = std::sync::mpsc::sync_channel::<Box<Slot>>(1);
        let (to_pool, spare) = std::sync::mpsc::sync_channel::<Box<Slot>>(8);
        scope.spawn(move || {
            for mut slot in analysed {
                paint(&mut slot);
                to_sink.send(slot).expect("a sink");
            }
        });
        scope.spawn(move || {
            for slot in painted {
                if again {
                    let _ = to_pool.try_send(slot);
                }
            }
        });
        for i in WARM..WARM + WARM + FRAMES {
            if i == 2 * WARM {
                before = common::allocated();
            }
            let mut slot = spare.try_recv().unwrap_or_default();
            arrive(&mut slot, i);
            to_painter.send(slot).expect("a painter");
        }
    });
    let (after, peak) = (common::allocated(), common::memory().peak);
    println!(
        "{} {} {}",
        (after.0 - before.0) as f64 / f64::from(FRAMES),
        (after.1 - before.1) as f64 / f64::from(FRAMES),
        peak.saturating_sub(begun) / 1024,
    );
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
    if let Some(at) = std::env::args().position(|arg| arg == "slots") {
        return slots(std::env::args().nth(at + 1).as_deref() == Some("again"));
    }
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
        let mut rounds: Vec<Round> = (0..ROUNDS).map(|_| round(&originals, width, height, mark)).collect();
        rounds.sort_by_key(|r| r.spent);
        let rate = |r: &Round| f64::from(FRAMES) / r.spent.as_secs_f64();
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
