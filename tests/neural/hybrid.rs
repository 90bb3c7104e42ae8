//! The hybrid engine through the element, on stand-ins for the networks.

use std::path::PathBuf;

use gst::prelude::*;

use super::*;
use crate::standin::{families, occluder, parser, write, write_family};

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

/// Passes one frame through the network itself and, with the same settings, through a key frame of it: the share of the
/// changed values in which they are more than 8 levels apart, and how many are changed.
fn apart(name: &str, set: impl Fn(&gst::Element)) -> (f64, usize) {
    let (mut each, frame) = hybrid(&format!("{name}-each"), |e| {
        e.set_property_from_str("engine", "neural");
        set(e);
    });
    let (mut keys, _) = hybrid(&format!("{name}-keys"), &set);
    let (wanted, given) = (each.pass(stamped(&frame, 0)), keys.pass(stamped(&frame, 0)));
    assert_eq!((engine_of(&wanted).as_str(), engine_of(&given).as_str()), ("neural", "hybrid"));
    let (wanted, given, before) = (bytes(&wanted), bytes(&given), bytes(&frame));
    let far = wanted.iter().zip(&given).filter(|(a, b)| a.abs_diff(**b) > 8).count();
    let changed = wanted.iter().zip(&before).filter(|(a, b)| a.abs_diff(**b) > 2).count();
    (far as f64 / changed.max(1) as f64, changed)
}

#[test]
fn a_key_frame_shows_what_the_network_gives_on_it() {
    let (far, changed) = apart("hybrid", |_| {});
    assert!(changed > 20_000 && far < 0.01, "{far} of {changed} differ");
}

#[test]
fn a_key_frame_of_tiles_shows_what_the_network_gives_on_them() {
    let (far, changed) = apart("hybrid-boost", |e| e.set_property("pixel-boost", 256u32));
    assert!(changed > 20_000 && far < 0.01, "{far} of {changed} differ");
}

#[test]
fn a_key_frame_has_the_masks_that_networks_see() {
    let whole = apart("hybrid-whole", |e| e.set_property_from_str("masks", "box")).1;
    let files = folder("hybrid-masks");
    write(&occluder(), &files.join("xseg.onnx"));
    write(&parser(), &files.join("parts.onnx"));
    let path = |name: &str| files.join(name).display().to_string();
    for (masks, most) in [("box+occlusion", 0.8), ("box+region", 0.97), ("box+occlusion+region", 0.8)] {
        let (far, changed) = apart(&format!("hybrid-{masks}"), |e| {
            e.set_property_from_str("masks", masks);
            e.set_property("occluder-file", path("xseg.onnx"));
            e.set_property("parser-file", path("parts.onnx"));
        });
        // The stand-ins' masks have hard edges, which the grid that carries them softens.
        assert!(far < 0.1, "{masks}: {far} of {changed} differ");
        assert!(changed > 2_000 && (changed as f64) < most * whole as f64, "{masks}: {changed} of {whole}");
    }
}

#[test]
fn key_frames_are_of_whom_each_face_becomes() {
    let shown = |engine: &str| {
        let info = rgb_info(640, 320);
        let mut canvas = image::RgbaImage::from_pixel(640, 320, image::Rgba([90, 110, 100, 255]));
        for (path, x) in [(astronaut(), 0), (hopper(), 330)] {
            let photo = image::open(path).unwrap().resize(310, 310, image::imageops::FilterType::Triangle);
            image::imageops::overlay(&mut canvas, &photo.to_rgba8(), x, 5);
        }
        let frame = convert(canvas.into_raw(), &info);
        let mut rig = swapping(&info, &network(&format!("hybrid-map-{engine}")), FILE, |element| {
            element.set_property_from_str("engine", engine);
            element.set_property("source", None::<String>);
            // Each becomes the other.
            element.set_property("face-map", format!("{0}={1};{1}={0}", astronaut(), hopper()));
        });
        let given = rig.pass(stamped(&frame, 0));
        assert_eq!(engine_of(&given), engine);
        (bytes(&given), bytes(&frame))
    };
    let ((wanted, before), (given, _)) = (shown("neural"), shown("hybrid"));
    let halves = |at: usize| at / 3 % 640 < 320;
    for left in [true, false] {
        let half = (0..wanted.len()).filter(|at| halves(*at) == left);
        let changed: Vec<usize> = half.filter(|&at| wanted[at].abs_diff(before[at]) > 8).collect();
        let far = changed.iter().filter(|&&at| wanted[at].abs_diff(given[at]) > 8).count();
        assert!(changed.len() > 4_000 && far * 50 < changed.len(), "{far} of {} differ", changed.len());
    }
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
fn frames_in_flight_and_batches_change_nothing() {
    let run = |depth: u32, batch: u32| -> Vec<Vec<u8>> {
        let (mut rig, frame) = hybrid(&format!("hybrid-flight-{depth}-{batch}"), |e| {
            e.set_property("max-in-flight", depth);
            e.set_property("batch-size", batch);
        });
        for index in 0..14 {
            rig.harness.push(stamped(&frame, index)).unwrap();
        }
        rig.harness.push_event(gst::event::Eos::new());
        (0..14).map(|_| bytes(&rig.harness.pull().unwrap())).collect()
    };
    let alone = run(0, 1);
    for (depth, batch) in [(3, 1), (0, 4), (3, 4)] {
        assert!(run(depth, batch) == alone, "{depth} frames in flight, batches of {batch}");
    }
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
fn auto_goes_over_to_key_frames_while_faces_are_many_and_back() {
    // A frame's time is so long that one image is affordable whatever the machine does, and 64 tiles of it are not.
    let (mut rig, frame) = hybrid("hybrid-again", |e| {
        e.set_property_from_str("engine", "auto");
        e.set_property_from_str("deterministic", "false");
        e.set_property("target-fps", 1u32);
    });
    let mut index = 0;
    let mut told = Vec::new();
    let mut until = |rig: &mut Rig, wanted: &str| {
        for _ in 0..3000 {
            index += 1;
            let engine = engine_of(&rig.pass(stamped(&frame, index)));
            told.extend(choices(rig).iter().map(|s| s.get::<String>("to").unwrap()));
            if engine == wanted {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("never {wanted}: {told:?}");
    };
    until(&mut rig, "neural");
    let run = rig.element.property::<gst::Structure>("stats").get::<f64>("network-ms").unwrap().max(0.01);
    rig.element.set_property("target-fps", ((1e3 / run) as u32).clamp(2, 240));
    rig.element.set_property("pixel-boost", 1024u32);
    until(&mut rig, "hybrid");
    rig.element.set_property("target-fps", 1u32);
    rig.element.set_property("pixel-boost", 0u32);
    until(&mut rig, "neural");
    assert_eq!(told, ["neural", "hybrid", "neural"]);
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
