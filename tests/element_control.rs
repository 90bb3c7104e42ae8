//! The governor and the messages around it, in the element. `make models` brings the models.

mod common;

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
