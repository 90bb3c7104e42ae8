//! Real clips through the element: how many frames show the face found and swapped, and that
//! nothing is swapped where there is no face.

mod common;

use std::path::Path;

use common::{hopper, init, models, shared};
use gst::prelude::*;

/// Frames in, out and swapped of what `head` decodes.
fn run(head: &str) -> (u64, u64, u64) {
    init();
    let description = format!(
        "{head} ! videoconvert ! video/x-raw,format=I420 ! \
         faceswap name=swap mark=none model-dir={} source={} ! fakesink name=out",
        models().display(),
        hopper()
    );
    let pipeline = gst::parse::launch(&description).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(600), &kinds);
    let end = end.expect("the pipeline ends");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    let stats = pipeline.by_name("swap").unwrap().property::<gst::Structure>("stats");
    pipeline.set_state(gst::State::Null).unwrap();
    let count = |field: &str| stats.get::<u64>(field).unwrap();
    (count("frames-in"), count("frames-out"), count("frames-swapped"))
}

fn clip(path: &Path) -> (u64, u64, u64) {
    run(&format!("filesrc location={} ! decodebin", path.display()))
}

fn found_in(clips: &[&str], percent: u64) {
    for name in clips {
        let Some(path) = shared(&format!("clips/{name}.mp4")) else { return };
        let (frames, out, swapped) = clip(&path);
        println!("{name}: {swapped} of {frames} frames swapped");
        assert_eq!(out, frames);
        assert!(swapped * 100 >= frames * percent, "{name}: {swapped} of {frames} frames swapped");
    }
}

#[test]
fn talking_faces_are_swapped_in_99_of_100_frames() {
    found_in(&["talk_d9", "talk_d12", "talk_d13", "talk_d14", "talk_d18", "talk_d19", "talk_d20"], 99);
}

#[test]
fn moving_people_are_swapped_in_90_of_100_frames() {
    found_in(&["person_s18", "person_s20", "person_s32"], 90);
}

#[test]
fn negatives_are_left_alone() {
    for name in ["animal_s31.jpg", "animal_s38.jpg", "animal_s39.jpg", "mask_blue.jpg"] {
        let Some(path) = shared(&format!("negatives/{name}")) else { return };
        let head = format!("filesrc location={} ! decodebin ! imagefreeze num-buffers=40", path.display());
        let (frames, out, swapped) = run(&head);
        assert_eq!((frames, out), (40, 40), "{name}");
        assert_eq!(swapped, 0, "{name}");
    }
}
