//! The governor and the messages around it, in the element. `make models` brings the models.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use common::*;
use gst::prelude::*;
use gst_video::VideoFormat;
use gstfaceswap::element::Deterministic;

fn rig(deterministic: Deterministic, set: impl FnOnce(&gst::Element)) -> (Rig, gst::Buffer) {
    let info = info(VideoFormat::I420, 320, 240);
    let rig = Rig::new(&info, |element| {
        element.set_property("model-dir", models().to_str());
        element.set_property("source", hopper());
        element.set_property("deterministic", deterministic);
        set(element);
    });
    let frame = photo_frame(&astronaut(), &info);
    (rig, frame)
}

/// Frames, far faster than they need be, until the element has told of `wanted` changes of quality, with a sink ever later.
fn press(rig: &mut Rig, frame: &gst::Buffer, wanted: usize) -> Vec<gst::Structure> {
    let (mut changes, mut index) = (Vec::new(), 0);
    eventually("the quality changes", || {
        let late = 2_000_000_000 * (1 + index as i64);
        let now = gst::ClockTime::from_mseconds(40 * index);
        rig.harness.push_upstream_event(gst::event::Qos::new(gst::QOSType::Underflow, 1.5, late, now));
        rig.pass(stamped(frame, index));
        index += 1;
        let messages = rig.messages();
        let structures = messages.iter().filter_map(|m| m.structure());
        changes.extend(structures.filter(|s| s.name() == "faceswap-quality").map(|s| s.to_owned()));
        changes.len() >= wanted
    });
    changes
}

#[test]
fn a_sink_ever_later_lowers_the_level_and_no_frame_is_lost() {
    let (mut rig, frame) = rig(Deterministic::False, |e| e.set_property("target-fps", 1u32));
    let changes = press(&mut rig, &frame, 2);
    let field = |s: &gst::Structure, name: &str| s.get::<String>(name).unwrap();
    assert_eq!((field(&changes[0], "from"), field(&changes[0], "reason")), ("balanced".into(), "qos".into()));
    assert_eq!(field(&changes[0], "to"), "balanced-1");
    assert_eq!(field(&changes[1], "from"), "balanced-1");
    assert!(changes[0].get::<u64>("running-time").is_ok());
    let stats = rig.element.property::<gst::Structure>("stats");
    let level = stats.get::<u32>("level").unwrap();
    assert!(level >= 2, "{stats}");
    for count in ["frames-out", "frames-swapped"] {
        assert_eq!(stats.get::<u64>(count), stats.get::<u64>("frames-in"), "{count}");
    }
}

#[test]
fn what_must_repeat_or_stay_is_left_alone() {
    let fixed: [fn(&gst::Element); 2] = [|_| {}, |e| e.set_property("auto-quality", false)];
    for (deterministic, set) in [Deterministic::True, Deterministic::False].into_iter().zip(fixed) {
        let (mut rig, frame) = rig(deterministic, set);
        for index in 0..60 {
            let late = 100_000_000 * (1 + index as i64);
            let now = gst::ClockTime::from_mseconds(40 * index);
            rig.harness.push_upstream_event(gst::event::Qos::new(gst::QOSType::Underflow, 1.5, late, now));
            rig.pass(stamped(&frame, index));
        }
        assert_eq!(rig.element.property::<gst::Structure>("stats").get::<u32>("level"), Ok(0));
        assert!(rig.messages().iter().all(|m| m.structure().is_none_or(|s| s.name() != "faceswap-quality")));
    }
}

#[test]
fn the_machine_is_told_of() {
    let (mut rig, frame) = rig(Deterministic::Auto, |e| e.set_property("stats-interval", 20u32));
    let mut index = 0;
    let mut last = None;
    eventually("memory and heat are known", || {
        rig.pass(stamped(&frame, index));
        index += 1;
        let messages = rig.messages();
        let stats = messages.iter().filter_map(|m| m.structure()).filter(|s| s.name() == "faceswap-stats");
        last = stats.map(|s| s.to_owned()).next_back().or(last.take());
        last.as_ref().is_some_and(|s| s.get::<f64>("rss-mib").unwrap() > 10.0)
    });
    let stats = last.unwrap();
    assert!(stats.get::<f64>("cpu-percent").unwrap() >= 0.0);
    assert!(["nominal", "fair", "serious", "critical"].contains(&stats.get::<&str>("thermal").unwrap()));
    assert_eq!(stats.get::<f64>("latency-ms"), Ok(0.0));
    assert_eq!(stats.get::<u32>("queue-depth"), Ok(0));
}

#[test]
fn stats_hold_every_field_with_its_type() {
    const FIELDS: [(&[&str], glib::Type); 5] = [
        (
            &[
                "fps",
                "frame-time-mean-ms",
                "frame-time-p95-ms",
                "frame-time-max-ms",
                "detect-ms",
                "landmarks-ms",
                "identity-ms",
                "swap-ms",
                "blend-ms",
                "latency-ms",
                "rss-mib",
                "cpu-percent",
            ],
            glib::Type::F64,
        ),
        (&["faces", "queue-depth", "level"], glib::Type::U32),
        (&["frames-in", "frames-out", "frames-swapped", "frames-held", "frames-dropped"], glib::Type::U64),
        (&["cache-hits", "cache-misses", "pool-misses"], glib::Type::U64),
        (&["engine", "execution-provider", "quality", "thermal"], glib::Type::STRING),
    ];
    let (mut rig, frame) = rig(Deterministic::Auto, |e| e.set_property("stats-interval", 1u32));
    let mut told = None;
    for index in 0..3 {
        rig.pass(stamped(&frame, index));
        thread::sleep(Duration::from_millis(2));
        let messages = rig.messages();
        let structures = messages.iter().filter_map(|m| m.structure());
        told = structures.filter(|s| s.name() == "faceswap-stats").map(|s| s.to_owned()).next_back().or(told);
    }
    let told = told.expect("a faceswap-stats");
    assert!(told.get::<u64>("running-time").is_ok());
    for stats in [told, rig.element.property::<gst::Structure>("stats")] {
        for (names, kind) in FIELDS {
            for name in names {
                assert_eq!(stats.value(*name).map(|v| v.type_()), Ok(kind), "{name} of {stats}");
            }
        }
    }
}

#[test]
fn little_memory_leaves_few_frames_in_flight_and_a_low_level() {
    for (max_memory, frames) in [(1u32, 1), (1 << 20, 4)] {
        let (mut rig, frame) = rig(Deterministic::False, |e| {
            e.set_property("max-memory", max_memory);
            e.set_property("max-in-flight", 4u32);
            e.set_property("target-fps", 1u32);
        });
        let mut changes = Vec::new();
        let mut index = 0;
        let mut push = |rig: &mut Rig| {
            rig.harness.push(stamped(&frame, index)).unwrap();
            index += 1;
            let messages = rig.messages();
            let structures = messages.iter().filter_map(|m| m.structure());
            changes.extend(structures.filter(|s| s.name() == "faceswap-quality").map(|s| s.to_owned()));
            changes.len()
        };
        push(&mut rig);
        // Upstream's is none.
        assert_eq!(rig.harness.query_latency(), Some(gst::ClockTime::from_mseconds(40 * frames)));
        if max_memory == 1 {
            eventually("the level goes down", || push(&mut rig) > 0);
        } else {
            (0..20).for_each(|_| assert_eq!(push(&mut rig), 0));
        }
        rig.harness.push_event(gst::event::Eos::new());
        assert_eq!(u64::from(rig.harness.buffers_received()), index);
        if let Some(change) = changes.first() {
            assert_eq!(change.get::<&str>("reason"), Ok("memory"));
            assert_eq!(change.get::<&str>("to"), Ok("balanced-4"));
        }
    }
}

#[test]
fn a_pool_that_runs_dry_is_counted() {
    let (mut rig, frame) = rig(Deterministic::True, |_| {});
    let misses =
        |rig: &Rig| rig.element.property::<gst::Structure>("stats").get::<u64>("pool-misses").unwrap();
    // Somebody else holds each frame as well, so that it is copied.
    for index in 0..10 {
        let shared = stamped(&frame, index);
        rig.pass(shared.clone());
    }
    assert_eq!(misses(&rig), 0);
    let held: Vec<_> = (10..16)
        .map(|index| {
            let shared = stamped(&frame, index);
            (rig.pass(shared.clone()), shared)
        })
        .collect();
    assert_eq!(misses(&rig), held.len() as u64 - 1);
}

/// Takes all cores until dropped.
struct Hog {
    calm: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Hog {
    fn new() -> Hog {
        let calm = Arc::new(AtomicBool::new(false));
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let spin = |calm: Arc<AtomicBool>| {
            move || {
                while !calm.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
        };
        let threads = (0..8 * cores).map(|_| thread::spawn(spin(calm.clone()))).collect();
        Hog { calm, threads }
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.calm.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn with_all_cores_taken_the_level_goes_down_and_comes_back_and_no_frame_is_lost() {
    let (mut rig, frame) = rig(Deterministic::False, |e| {
        e.set_property("stats-interval", 0u32);
        e.set_property("target-fps", 1u32);
    });
    let mut index = 0;
    let mut levels = Vec::new();
    let mut push = |rig: &mut Rig, levels: &mut Vec<(String, String, String)>| {
        rig.harness.push(stamped(&frame, index)).unwrap();
        while rig.harness.try_pull().is_some() {}
        index += 1;
        for message in rig.messages() {
            let Some(s) = message.structure().filter(|s| s.name() == "faceswap-quality") else { continue };
            let text = |name: &str| s.get::<String>(name).unwrap();
            levels.push((text("from"), text("to"), text("reason")));
        }
        index
    };
    let mean = |rig: &Rig| {
        let stats = rig.element.property::<gst::Structure>("stats");
        stats.get::<f64>("frame-time-mean-ms").unwrap()
    };
    (0..60).for_each(|_| _ = push(&mut rig, &mut levels));
    assert_eq!(levels, [], "with a second a frame there is room");
    // Three times what a frame takes here, so that there is room but for the hog.
    let fps = (1000.0 / (3.0 * mean(&rig))).clamp(1.0, 240.0) as u32;
    rig.element.set_property("target-fps", fps);

    let level = |rig: &Rig| rig.element.property::<gst::Structure>("stats").get::<u32>("level").unwrap();
    let hog = Hog::new();
    eventually("the level goes down", || {
        push(&mut rig, &mut levels);
        level(&rig) > 0
    });
    let down = levels.first().expect("a message").clone();
    assert_eq!((down.0.as_str(), down.2.as_str()), ("balanced", "fps"));
    drop(hog);
    let lowest = level(&rig);
    let began = Instant::now();
    let mut fed = 0;
    while level(&rig) >= lowest && began.elapsed() < Duration::from_secs(30) {
        fed = push(&mut rig, &mut levels);
        // At about the rate that is to be held.
        thread::sleep(Duration::from_millis(2));
    }
    assert!(level(&rig) < lowest, "the level stays at {lowest}: {levels:?}");
    rig.harness.push_event(gst::event::Eos::new());
    while rig.harness.try_pull().is_some() {}
    let stats = rig.element.property::<gst::Structure>("stats");
    for count in ["frames-in", "frames-out", "frames-swapped"] {
        assert_eq!(stats.get::<u64>(count), Ok(fed), "{count}");
    }
}
