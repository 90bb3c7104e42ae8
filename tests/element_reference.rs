//! `select=reference` and `face-map`: whose face is swapped, and for whose. `make models` brings the
//! models.

mod common;

use common::*;
use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo, VideoRegionOfInterestMeta};
use image::{Rgb, RgbImage, imageops};

/// Hopper on the left, the astronaut on the right.
fn couple() -> (gst::Buffer, VideoInfo) {
    let mut frame = RgbImage::from_pixel(1280, 600, Rgb([90, 110, 100]));
    for (path, x) in [(hopper(), 40), (astronaut(), 700)] {
        imageops::replace(&mut frame, &image::open(path).unwrap().to_rgb8(), x, 0);
    }
    (gst::Buffer::from_slice(frame.into_raw()), info(VideoFormat::Rgb, 1280, 600))
}

fn rig(info: &VideoInfo, set: impl FnOnce(&gst::Element)) -> Rig {
    Rig::new(info, |element| {
        element.set_property("model-dir", models().to_str());
        element.set_property("source", hopper());
        element.set_property_from_str("select", "reference");
        element.set_property_from_str("deterministic", "true");
        element.set_property_from_str("mark", "none");
        element.set_property("meta", true);
        set(element);
    })
}

/// Of each face, left to right, whether it is swapped.
fn swapped(buffer: &gst::Buffer) -> Vec<bool> {
    let mut faces: Vec<(u32, bool)> = buffer
        .iter_meta::<VideoRegionOfInterestMeta>()
        .map(|roi| (roi.rect().0, roi.param("face").unwrap().get::<bool>("swapped").unwrap()))
        .collect();
    faces.sort_unstable();
    faces.into_iter().map(|(_, swapped)| swapped).collect()
}

#[test]
fn the_reference_s_face_is_swapped_and_no_other() {
    let (frame, info) = couple();
    let mut rig = rig(&info, |element| element.set_property("reference", astronaut()));
    for index in 0..3 {
        let out = rig.pass(stamped(&frame, index));
        assert_eq!(swapped(&out), [false, true]);
        let (before, after) = (bytes(&frame), bytes(&out));
        let left = (0..600).flat_map(|y| y * 3840..y * 3840 + 1920);
        assert!(left.clone().all(|i| before[i] == after[i]), "the other face was touched");
        assert_ne!(before, after);
    }
    rig.element.set_property("reference", hopper());
    assert_eq!(swapped(&rig.pass(stamped(&frame, 3))), [true, false]);
    rig.element.set_property("reference", None::<&str>);
    assert_eq!(swapped(&rig.pass(stamped(&frame, 4))), [false, false]);
}

#[test]
fn nobody_is_swapped_where_the_reference_is_not_seen() {
    let info = info(VideoFormat::Rgb, 512, 600);
    let frame = photo_frame(&hopper(), &info);
    let mut strict = rig(&info, |element| element.set_property("reference", astronaut()));
    let out = strict.pass(stamped(&frame, 0));
    assert_eq!(swapped(&out), [false]);
    assert_eq!(bytes(&out), bytes(&frame));
    strict.element.set_property("reference-distance", 2.0);
    assert_eq!(swapped(&strict.pass(stamped(&frame, 1))), [true]);
}

#[test]
fn a_reference_that_shows_no_face_is_a_warning() {
    let folder = folder("reference");
    let grey = folder.join("grey.png");
    RgbImage::from_pixel(200, 200, Rgb([99, 99, 99])).save(&grey).unwrap();
    let (frame, info) = couple();
    let mut rig = rig(&info, |element| element.set_property("reference", astronaut()));
    rig.pass(stamped(&frame, 0));
    rig.element.set_property("reference", grey.to_str());
    assert_eq!(swapped(&rig.pass(stamped(&frame, 1))), [false, true], "the one before stays");
    let text = rig.complaint();
    assert!(text.starts_with("warning: reference: ") && text.contains("no face"), "{text}");
}

#[test]
fn a_missing_reference_fails_the_start() {
    let element = faceswap();
    element.set_property("model-dir", models().to_str());
    element.set_property("source", hopper());
    element.set_property("reference", "/nowhere/who.jpg");
    let text = try_start(&element).unwrap_err();
    assert!(text.contains("/nowhere/who.jpg"), "{text}");
}

/// The couple's left and right halves as an element gives them.
fn halves(info: &VideoInfo, frame: &gst::Buffer, set: impl FnOnce(&gst::Element)) -> [Vec<u8>; 2] {
    let out = bytes(&rig(info, set).pass(stamped(frame, 0)));
    let half = |from: usize| (0..600).flat_map(|y| out[y * 3840 + from..][..1920].to_vec()).collect();
    [half(0), half(1920)]
}

/// Only who is mapped is swapped.
fn mapped(map: &str) -> impl FnOnce(&gst::Element) {
    move |element| {
        element.set_property("source", None::<&str>);
        element.set_property_from_str("select", "largest");
        element.set_property("face-map", map);
    }
}

#[test]
fn each_becomes_whom_the_map_says() {
    let (frame, info) = couple();
    let (h, a) = (hopper(), astronaut());
    let alone = |who: &str, shown: &str| {
        halves(&info, &frame, |element| {
            element.set_property("source", shown);
            element.set_property("reference", who);
        })
    };
    let [left, plain_right] = alone(&h, &a);
    let [plain_left, right] = alone(&a, &h);
    assert!(left != plain_left && right != plain_right);
    let pairs = [
        (format!("{h}={a}"), [&left, &plain_right]),
        (format!("{a}={h}"), [&plain_left, &right]),
        (format!("{a}={h};{h}={a}"), [&left, &right]),
    ];
    for (map, expected) in pairs {
        let given = halves(&info, &frame, mapped(&map));
        assert!(given.iter().eq(expected), "{map}");
    }
    // Whoever is not in the map, as `source` and `select` say.
    let both = halves(&info, &frame, |element| {
        mapped(&format!("{a}={h}"))(element);
        element.set_property("source", &a);
    });
    assert!(both == [left, right]);
}

#[test]
fn a_map_can_change_while_playing() {
    let (frame, info) = couple();
    let (h, a) = (hopper(), astronaut());
    let mut rig = rig(&info, mapped(&format!("{h}={a}")));
    assert_eq!(swapped(&rig.pass(stamped(&frame, 0))), [true, false]);
    rig.element.set_property("face-map", format!("{a}={a}"));
    assert_eq!(swapped(&rig.pass(stamped(&frame, 1))), [false, true]);
    for wrong in ["who.jpg", "a=b=c"] {
        rig.element.set_property("face-map", wrong);
        let text = rig.complaint();
        assert!(text.starts_with("warning: ") && text.contains("face-map") && text.contains(wrong), "{text}");
    }
    assert_eq!(rig.element.property::<String>("face-map"), format!("{a}={a}"));
    rig.element.set_property("face-map", format!("{a}=/nowhere/x.jpg;{h}={h}"));
    assert_eq!(swapped(&rig.pass(stamped(&frame, 2))), [false, true], "the map before stays");
    let text = rig.complaint();
    assert!(text.starts_with("warning: ") && text.contains("/nowhere/x.jpg"), "{text}");
    rig.element.set_property("face-map", None::<&str>);
    assert_eq!(bytes(&rig.pass(stamped(&frame, 3))), bytes(&frame));
}

#[test]
fn a_missing_photo_of_a_map_fails_the_start() {
    let element = faceswap();
    element.set_property("model-dir", models().to_str());
    element.set_property("face-map", format!("{}={};/nowhere/who.jpg={}", hopper(), hopper(), hopper()));
    let text = try_start(&element).unwrap_err();
    assert!(text.contains("/nowhere/who.jpg"), "{text}");
}

#[test]
fn recognition_is_timed() {
    let (frame, info) = couple();
    let identity = |map: Option<String>| {
        let mut rig = rig(&info, |element| {
            element.set_property_from_str("select", "largest");
            element.set_property("face-map", map);
        });
        rig.pass(stamped(&frame, 0));
        rig.element.property::<gst::Structure>("stats").get::<f64>("identity-ms").unwrap()
    };
    assert_eq!(identity(None), 0.0);
    assert!(identity(Some(format!("{}={}", hopper(), astronaut()))) > 0.0);
}
