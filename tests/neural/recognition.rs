//! How often faces are recognised for `reference` and `face-map`: the recognizer fails on a brighter
//! face, so that whoever looks at one is heard.

use gst::prelude::*;

use super::*;
use crate::{
    oracle::{Photo, align, crop},
    standin::{fragile_at, recognizer, write},
};

const SIZE: u32 = 256;
/// Levels that are added to a frame: not a cut.
const BRIGHTER: u8 = 24;

fn rig(recognizer: &Path, set: impl FnOnce(&gst::Element)) -> Rig {
    Rig::new(&rgb_info(SIZE, SIZE), |element| {
        element.set_property("model-dir", models().to_str());
        element.set_property("source", hopper());
        element.set_property("recognizer-file", recognizer.to_str());
        element.set_property("reference-distance", 2.0);
        element.set_property_from_str("deterministic", "true");
        element.set_property_from_str("mark", "none");
        element.set_property("meta", true);
        set(element);
    })
}

#[test]
fn a_face_is_recognised_when_it_comes_fifteen_frames_later_and_then_every_300() {
    let folder = folder("recognition");
    let file = folder.join("arcface_w600k_r50.onnx");
    write(&recognizer(512), &file);
    let plain = photo_frame(&astronaut(), &rgb_info(SIZE, SIZE));
    let bright =
        gst::Buffer::from_slice(bytes(&plain).iter().map(|v| v.saturating_add(BRIGHTER)).collect::<Vec<_>>());
    let reference = |element: &gst::Element| {
        element.set_property("reference", astronaut());
        element.set_property_from_str("select", "reference");
    };
    let mean = |frame: &gst::Buffer| {
        let out = rig(&file, reference).pass(stamped(frame, 0));
        let map = align("arcface_112_v2", &five(&landmarks(&out)), 112);
        let photo = Photo { width: SIZE as usize, height: SIZE as usize, rgb: bytes(frame) };
        let pixels = (0..112 * 112).map(|at| crop(&photo, map, at % 112, at / 112));
        pixels.map(|rgb| rgb.iter().sum::<f64>()).sum::<f64>() / (3.0 * 112.0 * 112.0) / 127.5 - 1.0
    };
    let (dark, light) = (mean(&plain), mean(&bright));
    let reach = 0.5 * (light - dark);
    write(&fragile_at(&recognizer(512), "input", light - reach..light + reach), &file);
    // The first frame that is looked at, where all are bright from `from` on.
    let heard = |from: u64, set: &dyn Fn(&gst::Element)| {
        let mut rig = rig(&file, set);
        (0..400).find(|&index| {
            let frame = stamped(if index < from { &plain } else { &bright }, index);
            let failed = rig.harness.push(frame).is_err();
            if !failed {
                rig.harness.pull().unwrap();
            }
            failed
        })
    };
    assert_eq!([0, 1, 16].map(|from| heard(from, &reference)), [Some(0), Some(15), Some(315)]);
    let mapped = |element: &gst::Element| {
        element.set_property("face-map", format!("{}={}", astronaut(), hopper()));
    };
    assert_eq!([0, 1].map(|from| heard(from, &mapped)), [Some(0), Some(15)]);
    assert_eq!(heard(0, &|_| {}), None, "nobody is looked for");
}
