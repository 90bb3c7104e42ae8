//! Faults of the machine around the element. What the user sees and what frames show: docs/faults.md.

use std::{fs, path::PathBuf};

use gst::prelude::*;
use gst_video::VideoFormat;
use gstfaceswap::element::{Deterministic, Mark};

use crate::common::*;

fn rig(depth: u32, set: impl FnOnce(&gst::Element)) -> (Rig, gst::Buffer) {
    let info = info(VideoFormat::I420, 320, 240);
    let rig = Rig::new(&info, |element| {
        element.set_property("model-dir", models().to_str());
        element.set_property("source", hopper());
        element.set_property("mark", Mark::Metadata);
        element.set_property("max-in-flight", depth);
        element.set_property("deterministic", Deterministic::True);
        set(element);
    });
    let frame = photo_frame(&astronaut(), &info);
    (rig, frame)
}

fn is_marked(buffer: &gst::Buffer) -> bool {
    gst::meta::CustomMeta::from_buffer(buffer, "FaceSwapMarkMeta").is_ok()
}

#[test]
fn whatever_the_clock_and_the_timestamps_do_every_frame_comes_out_swapped() {
    for depth in [0, 3] {
        let (mut rig, frame) = rig(depth, |_| {});
        // Milliseconds of the frame, and of the clock when it comes.
        let times: [(u64, u64); 12] = [
            (0, 0),
            (40, 40),
            (80, 90_000_000),
            (120, 90_000_040),
            (86_400_000, 90_000_080),
            (86_400_040, 90_000_120),
            (80, 90_000_160),
            (120, 90_000_200),
            (120, 90_000_200),
            (119, 90_000_200),
            (9_000_000_000, 90_000_240),
            (160, 90_000_280),
        ];
        for (pts, clock) in times {
            // GstHarness's own clock never runs by itself.
            let _ = rig.harness.set_time(gst::ClockTime::from_mseconds(clock));
            let mut buffer = stamped(&frame, 0);
            buffer.make_mut().set_pts(gst::ClockTime::from_mseconds(pts));
            rig.harness.push(buffer).unwrap();
        }
        rig.harness.push_event(gst::event::Eos::new());
        let out: Vec<gst::Buffer> = std::iter::from_fn(|| rig.harness.try_pull()).collect();
        let given: Vec<u64> = out.iter().map(|b| b.pts().unwrap().mseconds()).collect();
        assert_eq!(given, times.map(|(pts, _)| pts), "depth {depth}");
        assert!(out.iter().all(is_marked), "depth {depth}");
    }
}

#[test]
fn a_model_that_goes_bad_on_disk_while_playing_changes_nothing_until_the_next_start() {
    let folder = folder("trust-models");
    let pack: Vec<PathBuf> = fs::read_dir(models())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|e| e == "onnx" || e == "toml")
                || path.display().to_string().contains("onnxruntime")
        })
        .collect();
    for file in &pack {
        fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
    }
    let (mut rig, frame) = rig(0, |element| element.set_property("model-dir", folder.to_str()));
    assert!(is_marked(&rig.pass(stamped(&frame, 0))));
    // A new file of the same name, as an update does; the old one stays mapped where it is.
    for bytes in [&b"no model"[..], &[]] {
        let new = folder.join("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(&new, folder.join("centerface.onnx")).unwrap();
        assert!(is_marked(&rig.pass(stamped(&frame, 1))));
        rig.element.set_property("source", astronaut());
        for index in 2..6 {
            assert!(is_marked(&rig.pass(stamped(&frame, index))));
        }
    }
    rig.element.set_state(gst::State::Null).unwrap();
    let info = rig.info.clone();
    let mut again = Rig::new(&info, |element| {
        element.set_property("model-dir", folder.to_str());
        element.set_property("source", hopper());
    });
    assert!(again.harness.push(stamped(&frame, 0)).is_err());
    let says = again.complaint();
    assert!(says.starts_with("error") && says.contains("centerface.onnx"), "{says}");
    assert_eq!(again.harness.buffers_received(), 0, "a frame left unswapped");
}

#[test]
fn a_cache_that_cannot_be_written_is_named_before_a_frame_comes() {
    let folder = folder("trust-no-cache");
    let network = folder.join("network.onnx");
    fs::write(&network, "").unwrap();
    // Nobody, not even the administrator, can make a folder there.
    for cache in ["/proc/faceswap", "/dev/null/faceswap"] {
        let element = faceswap();
        element.set_property("model-dir", models().to_str());
        element.set_property("source", hopper());
        element.set_property("recognizer-file", models().join("mobilefacenet.onnx").to_str());
        element.set_property("model-file", network.to_str());
        element.set_property("model-cache-dir", cache);
        let says = try_start(&element).unwrap_err();
        assert!(says.contains(cache) && says.contains("model cache folder"), "{says}");
    }
}

#[test]
fn nothing_of_the_user_s_environment_is_needed_but_the_models() {
    // No home, no data folder, no locale, no font: those of the label are compiled in.
    let run = child("isolation::child")
        .env_clear()
        .env("GST_FACESWAP_MODEL_DIR", models())
        .env("GST_REGISTRY", folder("trust-registry").join("registry.bin"))
        .finish();
    assert!(run.status.success() && said(&run).contains("1 passed"), "{}", said(&run));
}
