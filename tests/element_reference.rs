//! `select=reference`: whose face is swapped. `make models` brings the models.

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
