//! Networks that go wrong in the middle of a stream, however many frames are under way: none is lost,
//! and the mesh engine swaps from then on.

use std::path::PathBuf;

use gst::prelude::*;
use gstfaceswap::models::onnx::schema::ModelProto;

use super::*;
use crate::{
    batches::batching,
    oracle::{Photo, align, gains, swapped},
    standin::{absurd_at, families, fragile_at, occluder, parser, swap, write},
};

const FILE: &str = "inswapper_128.onnx";
const FRAMES: u64 = 10;
/// The frame that the network goes wrong on; those after it are as the first.
const BRIGHT: u64 = 5;
/// Frames in flight, and faces a run.
pub const WAYS: [(u32, u32); 4] = [(0, 1), (3, 1), (0, 4), (3, 4)];

/// Too bright for the networks here.
pub fn brighter(photo: &Photo) -> Vec<u8> {
    photo.rgb.iter().map(|v| 150 + v / 3).collect()
}

/// Which engine swapped each of the frames, all of which must come out in their order, swapped; and the only
/// warning, which must name `culprit`.
fn engines(folder: &Path, culprit: &str, set: impl FnOnce(&gst::Element)) -> (Vec<String>, String) {
    let photo = Photo::open(&astronaut());
    let bright = brighter(&photo);
    let frame =
        |index| gst::Buffer::from_slice(if index == BRIGHT { bright.clone() } else { photo.rgb.clone() });
    let info = rgb_info(photo.width as u32, photo.height as u32);
    let mut rig = swapping(&info, folder, FILE, set);
    for index in 0..FRAMES {
        let pushed = rig.harness.push(stamped(&frame(index), index));
        assert!(pushed.is_ok(), "frame {index}: {:?}", rig.messages());
    }
    rig.harness.push_event(gst::event::Eos::new());
    let out: Vec<_> = std::iter::from_fn(|| rig.harness.try_pull()).collect();
    let stamps = |b: &gst::Buffer| (b.offset(), b.pts().unwrap().mseconds());
    assert!(out.iter().map(stamps).eq((0..FRAMES).map(|i| (i, 40 * i))), "{:?}", out.iter().map(stamps));
    let shown = |(index, buffer): (u64, &gst::Buffer)| {
        assert!(bytes(buffer) != bytes(&frame(index)), "frame {index} is bare");
        engine(buffer)
    };
    let engines = (0..).zip(&out).map(shown).collect();
    let messages = rig.messages();
    let warnings: Vec<_> = messages.iter().filter(|m| m.type_() == gst::MessageType::Warning).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let text = complaint(warnings[0]);
    assert!(text.contains(culprit) && text.contains("the mesh engine swaps from now on"), "{text}");
    (engines, text)
}

/// The mesh engine swaps from frame `first` on, and `before` what comes before.
fn turned(before: &str, first: u64) -> Vec<String> {
    (0..FRAMES).map(|index| if index < first { before } else { "mesh" }.to_owned()).collect()
}

/// A folder with a swap network that goes wrong on bright crops, as `how` makes it.
fn network(name: &str, how: fn(&ModelProto, &str, std::ops::Range<f64>) -> ModelProto) -> PathBuf {
    let folder = batching(name);
    write(&how(&swap(&families()[0].swap), "target", 0.6..2.0), &folder.join(FILE));
    folder
}

pub fn under_way((depth, batch): (u32, u32)) -> impl Fn(&gst::Element) {
    move |element: &gst::Element| {
        element.set_property("max-in-flight", depth);
        element.set_property("batch-size", batch);
    }
}

#[test]
fn a_run_that_fails_loses_no_frame() {
    let folder = network("failing-run", fragile_at);
    for way in WAYS {
        let (given, text) = engines(&folder, FILE, under_way(way));
        // All faces of the run are without it, and frames share runs where several are in flight.
        let first = BRIGHT - BRIGHT % if way.0 > 0 { u64::from(way.1) } else { 1 };
        assert_eq!(given, turned("neural", first), "{way:?}");
        assert!(text.contains("run failed"), "{text}");
    }
}

#[test]
fn a_face_of_no_numbers_loses_no_frame() {
    let folder = network("no-numbers", absurd_at);
    for way in WAYS {
        let (given, text) = engines(&folder, FILE, under_way(way));
        assert_eq!(given, turned("neural", BRIGHT), "{way:?}");
        assert!(text.contains("no numbers"), "{text}");
    }
}

#[test]
fn a_key_frame_of_no_numbers_loses_no_frame() {
    let folder = network("no-numbers-key", absurd_at);
    for depth in [0, 3] {
        let (given, text) = engines(&folder, "inswapper_128", |element| {
            under_way((depth, 1))(element);
            element.set_property_from_str("engine", "hybrid");
        });
        assert_eq!(given, turned("hybrid", BRIGHT), "{depth} in flight");
        assert!(text.contains("no numbers"), "{text}");
    }
}

#[test]
fn a_mask_of_no_numbers_leaves_no_face_bare() {
    let folder = batching("mask-of-no-numbers");
    let photo = Photo::open(&astronaut());
    let info = rgb_info(photo.width as u32, photo.height as u32);
    let mut rig = swapping(&info, &folder, FILE, |_| {});
    // What the parser takes: the network's crop, as its card has it.
    let mut parsed = |photo: &Photo| {
        let out = rig.pass(stamped(&gst::Buffer::from_slice(photo.rgb.clone()), 0));
        let (family, source) = (&families()[0], Photo::open(&hopper()));
        let gains = gains(family, &[(&source, source_points(&hopper()))]);
        let map = align(family.template, &five(&landmarks(&out)), 128);
        let crop = swapped(&family.swap, photo, map, 1, gains);
        let (mean, std) = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]);
        let values = crop.iter().flat_map(|rgb| (0..3).map(|c| (rgb[c] - mean[c]) / std[c]));
        values.sum::<f64>() / (3 * crop.len()) as f64
    };
    let (dark, light) = (parsed(&photo), parsed(&Photo { rgb: brighter(&photo), ..photo }));
    // Of what it is tried on when it loads the mean is 0.
    assert!(dark + 0.2 < light && light < -0.12, "{dark} {light}");
    let range = light - 0.1..light + 0.1;
    write(&absurd_at(&parser(), "input", range), &folder.join("parts.onnx"));
    write(&absurd_at(&occluder(), "input", 0.6..2.0), &folder.join("xseg_1.onnx"));
    for (masks, culprit) in [("occlusion", "xseg_1.onnx"), ("box+region", "parts.onnx")] {
        for way in WAYS {
            let (given, text) = engines(&folder, culprit, |element| {
                under_way(way)(element);
                element.set_property_from_str("masks", masks);
                element.set_property("parser-file", folder.join("parts.onnx").to_str());
            });
            assert_eq!(given, turned("neural", BRIGHT), "{masks}, {way:?}");
            assert!(text.contains("no numbers"), "{text}");
        }
    }
}
