//! The hybrid engine through the element, on stand-ins for the networks.

use std::path::PathBuf;

use gst::prelude::*;

use super::*;
use crate::standin::{families, write_family};

const FILE: &str = "inswapper_128.onnx";

fn network(name: &str) -> PathBuf {
    let folder = folder(name);
    let family = families().into_iter().find(|family| family.file == FILE).unwrap();
    write_family(&family, &folder);
    folder
}

fn hybrid(name: &str, set: impl FnOnce(&gst::Element)) -> (Rig, gst::Buffer) {
    let info = rgb_info(512, 512);
    let frame = photo_frame(&astronaut(), &info);
    let rig = swapping(&info, &network(name), FILE, |element| {
        element.set_property_from_str("engine", "hybrid");
        set(element);
    });
    (rig, frame)
}

fn engine_of(buffer: &gst::Buffer) -> String {
    let mark = gst::meta::CustomMeta::from_buffer(buffer, "FaceSwapMarkMeta").unwrap();
    mark.structure().get("engine").unwrap()
}

/// The `faceswap-quality` messages about engines.
fn choices(rig: &Rig) -> Vec<gst::Structure> {
    let structures = rig.messages().into_iter().filter_map(|m| m.structure().map(ToOwned::to_owned));
    let about = |s: &gst::Structure| s.get::<&str>("reason").is_ok_and(|reason| reason == "engine");
    structures.filter(|s| s.name() == "faceswap-quality" && about(s)).collect()
}

#[test]
fn a_key_frame_shows_what_the_network_gives_on_it() {
    let (mut each, frame) = hybrid("hybrid-neural", |e| e.set_property_from_str("engine", "neural"));
    let (mut keys, _) = hybrid("hybrid-keys", |_| {});
    let (wanted, given) = (each.pass(stamped(&frame, 0)), keys.pass(stamped(&frame, 0)));
    assert_eq!((engine_of(&wanted).as_str(), engine_of(&given).as_str()), ("neural", "hybrid"));
    let (wanted, given, before) = (bytes(&wanted), bytes(&given), bytes(&frame));
    let off: Vec<u8> = wanted.iter().zip(&given).map(|(a, b)| a.abs_diff(*b)).collect();
    let changed = wanted.iter().zip(&before).filter(|(a, b)| a != b).count();
    let far = off.iter().filter(|v| **v > 8).count();
    assert!(changed > 20_000 && far * 100 < changed, "{far} of {changed} differ");
}

#[test]
fn the_statistics_tell_of_key_frames() {
    let (mut rig, frame) = hybrid("hybrid-stats", |_| {});
    for index in 0..12 {
        assert_eq!(engine_of(&rig.pass(stamped(&frame, index))), "hybrid", "frame {index}");
    }
    let stats = rig.element.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<&str>("engine"), Ok("hybrid"));
    assert_eq!(stats.get::<u64>("key-frames"), Ok(2));
    assert!(stats.get::<u64>("key-frame-age").unwrap() <= 2, "{stats:?}");
    // The picture stands still.
    assert!(stats.get::<f64>("hybrid-error-db").unwrap() > 35.0, "{stats:?}");
    let choices = choices(&rig);
    assert_eq!(choices.len(), 1, "{choices:?}");
    assert_eq!(choices[0].get::<&str>("from"), Ok("mesh"));
    assert_eq!(choices[0].get::<&str>("to"), Ok("hybrid"));
}

#[test]
fn frames_in_flight_change_nothing() {
    let run = |depth: u32| -> Vec<Vec<u8>> {
        let (mut rig, frame) =
            hybrid(&format!("hybrid-flight-{depth}"), |e| e.set_property("max-in-flight", depth));
        for index in 0..14 {
            rig.harness.push(stamped(&frame, index)).unwrap();
        }
        rig.harness.push_event(gst::event::Eos::new());
        (0..14).map(|_| bytes(&rig.harness.pull().unwrap())).collect()
    };
    let (sync, flight) = (run(0), run(3));
    assert!(sync == flight, "frames in flight differ");
}

#[test]
fn auto_measures_the_network_where_the_stream_is_live() {
    let (mut rig, frame) = hybrid("hybrid-auto", |e| {
        e.set_property_from_str("engine", "auto");
        e.set_property_from_str("deterministic", "false");
        e.set_property("target-fps", 1u32);
    });
    let mut index = 0;
    eventually("the network is used", || {
        index += 1;
        engine_of(&rig.pass(stamped(&frame, index))) == "neural"
    });
    let choices = choices(&rig);
    assert_eq!(choices[0].get::<&str>("to"), Ok("neural"), "{choices:?}");
    assert!(choices[0].get::<f64>("network-ms").unwrap() > 0.0);
    assert_eq!(choices[0].get::<f64>("frame-ms"), Ok(1000.0));
}

#[test]
fn live_the_mesh_engine_swaps_until_a_key_frame_is_there() {
    let (mut rig, frame) = hybrid("hybrid-live", |e| e.set_property_from_str("deterministic", "false"));
    let mut index = 0;
    eventually("a key frame shows", || {
        index += 1;
        let engine = engine_of(&rig.pass(stamped(&frame, index)));
        assert!(engine == "mesh" || engine == "hybrid", "{engine}");
        engine == "hybrid"
    });
}

#[test]
fn without_a_network_it_does_not_start() {
    let element = faceswap();
    element.set_property("model-dir", models().to_str());
    element.set_property("source", hopper());
    element.set_property_from_str("engine", "hybrid");
    let error = try_start(&element).expect_err("it started");
    assert!(error.contains("engine=hybrid needs a swap network"), "{error}");
}

#[test]
fn a_flush_leaves_it_at_work() {
    let (mut rig, frame) = hybrid("hybrid-flush", |_| {});
    for index in 0..3 {
        assert_eq!(engine_of(&rig.pass(stamped(&frame, index))), "hybrid", "frame {index}");
        rig.harness.push_event(gst::event::FlushStart::new());
        rig.harness.push_event(gst::event::FlushStop::new(true));
        rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    }
    assert!(!rig.messages().iter().any(|m| matches!(m.view(), gst::MessageView::Warning(_))));
}
