//! Loading networks: what the application is told of it, and what elements share.

use super::*;
use crate::{
    oracle::Photo,
    standin::{families, write_family},
};

const FILE: &str = "inswapper_128.onnx";

/// A folder with the network's stand-in and its recognizer.
fn inswapper(name: &str) -> std::path::PathBuf {
    let folder = folder(name);
    write_family(&families()[0], &folder);
    folder
}

/// An element that has swapped a frame by the network in `folder`.
fn playing(folder: &Path) -> Rig {
    let photo = Photo::open(&astronaut());
    let mut rig = swapping(&rgb_info(photo.width as u32, photo.height as u32), folder, FILE, |_| {});
    rig.pass(stamped(&gst::Buffer::from_slice(photo.rgb), 0));
    rig
}

/// What was told of loading the file at `path`.
fn progress(rig: &Rig, path: &Path) -> Vec<(gst::ProgressType, String)> {
    let mut told = Vec::new();
    for message in rig.messages() {
        let gst::MessageView::Progress(message) = message.view() else { continue };
        let (kind, code, text) = message.get();
        assert_eq!(code, "model");
        if text.contains(path.to_str().unwrap()) {
            told.push((kind, text.to_owned()));
        }
    }
    told
}

#[test]
fn progress_names_the_network_and_its_licence() {
    let folder = inswapper("progress");
    let path = folder.join(FILE);
    let start = (gst::ProgressType::Start, format!("Loading {}", path.display()));
    let loaded = format!(
        "Loaded {}, to run on cpu; its licence: non-commercial research (InsightFace: code MIT, trained weights \
         for non-commercial research only)",
        path.display()
    );
    assert_eq!(progress(&playing(&folder), &path), [start.clone(), (gst::ProgressType::Complete, loaded)]);

    std::fs::write(&path, "no network").unwrap();
    let mut rig = swapping(&rgb_info(64, 48), &folder, FILE, |_| {});
    assert!(rig.harness.push(stamped(&gst::Buffer::from_slice(vec![90u8; 64 * 48 * 3]), 0)).is_err());
    let told = progress(&rig, &path);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], start);
    assert!(
        told[1].0 == gst::ProgressType::Error && told[1].1.contains("not a usable ONNX model"),
        "{told:?}"
    );
}

/// Elements that come and go, and between them lines that tell which.
#[test]
#[ignore = "run by the next, as a process of its own"]
fn child_of_elements_that_come_and_go() {
    let play = |name: &str| {
        eprintln!("--- {name}");
        playing(&inswapper(name))
    };
    let both = (play("first"), play("second"));
    drop(both);
    play("third");
}

/// What ONNX Runtime logs tells how often it loads a network.
#[test]
fn elements_share_their_networks_which_leave_with_the_last() {
    let run = child("loading::child_of_elements_that_come_and_go")
        .env("GST_DEBUG", "faceswap:LOG")
        .env("GST_DEBUG_NO_COLOR", "1")
        .finish();
    let log = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{log}");
    let loads: Vec<usize> = log
        .split("--- ")
        .skip(1)
        .map(|part| part.matches("Session successfully initialized").count())
        .collect();
    // Swap network and recognizer at least.
    assert!(loads[0] >= 2, "{log}");
    assert_eq!(loads, [loads[0], 0, loads[0]], "loaded by the first, with it, and after both");
}
