//! Masks that are drawn, and how much of a network's face shows in them.

use gst::prelude::*;

use super::*;
use crate::{
    families::{Outcome, in_crop, masked},
    oracle::{Map, Photo, box_mask, hole_mask, padded_box_mask},
    standin::families,
};

/// The outer edge of the lips: below from left to right, then above.
const LIPS: [usize; 20] =
    [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409];

fn outcome(set: impl FnOnce(&gst::Element), mask: impl FnOnce(usize, Map, &[Point]) -> Vec<f64>) -> Outcome {
    masked(Photo::open(&astronaut()), &families()[0], 1, set, mask)
}

/// Holds the face in the box alone against what shows in `mask`.
fn boxed(name: &str, set: impl FnOnce(&gst::Element), mask: Vec<f64>) {
    let set = |element: &gst::Element| {
        element.set_property_from_str("masks", "box");
        set(element);
    };
    outcome(set, |_, _, _| mask).check(name);
}

#[test]
fn the_mouth_stays_the_video_s_own() {
    for masks in ["mouth", "box+mouth"] {
        let mut between = Point::new(0.0, 0.0);
        let set = |element: &gst::Element| element.set_property_from_str("masks", masks);
        let outcome = outcome(set, |side, map, landmarks| {
            // Inside the lips.
            between = Point::new(
                0.5 * (landmarks[13].x + landmarks[14].x),
                0.5 * (landmarks[13].y + landmarks[14].y),
            );
            let whole = if masks == "mouth" { vec![1.0; side * side] } else { box_mask(side, 0.3) };
            let rest = hole_mask(side, &in_crop(&LIPS, map, landmarks));
            whole.iter().zip(rest).map(|(whole, rest)| whole.min(rest)).collect()
        });
        outcome.check(masks);
        let width = Photo::open(&astronaut()).width;
        let at = 3 * (between.y as usize * width + between.x as usize);
        assert_eq!(outcome.given[at..at + 3], outcome.before[at..at + 3], "{masks}: the mouth is swapped");
    }
}

#[test]
fn mask_blur_feathers_the_box() {
    for blur in [0.0, 0.1, 0.7, 1.0] {
        let set = |element: &gst::Element| element.set_property("mask-blur", blur);
        boxed(&format!("mask-blur={blur}"), set, box_mask(128, blur));
    }
}

#[test]
fn mask_padding_moves_each_edge_inward() {
    for (text, padding, blur) in [
        ("5,10,20,30", [5.0, 10.0, 20.0, 30.0], 0.3),
        ("30,0,0,12.5", [30.0, 0.0, 0.0, 12.5], 0.0),
        ("0,40,0,0", [0.0, 40.0, 0.0, 0.0], 0.6),
    ] {
        let set = |element: &gst::Element| {
            element.set_property("mask-padding", text);
            element.set_property("mask-blur", blur);
        };
        boxed(text, set, padded_box_mask(128, blur, padding));
    }
}

#[test]
fn opacity_is_how_much_of_it_shows() {
    for opacity in [0.3, 0.8] {
        let set = |element: &gst::Element| element.set_property("opacity", opacity);
        let mask = box_mask(128, 0.3).into_iter().map(|v| opacity * v).collect();
        boxed(&format!("opacity={opacity}"), set, mask);
    }
}
