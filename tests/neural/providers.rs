//! Networks on something else than ONNX Runtime's own CPU code: their pictures, and what happens when one fails there.
//!
//! A process has one ONNX Runtime, so each test is a process of its own. `make test` runs them on OpenVINO, which does
//! without a special processor. On another machine, with a runtime that has the provider in ORT_DYLIB_PATH:
//! FACESWAP_PROVIDER=cuda neural --ignored providers::child. FACESWAP_LIBRARY names a plugin library.

use std::env;

use gst::prelude::*;

use super::*;
use crate::{
    oracle::Photo,
    standin::{absurd_at, families, swap, write, write_family},
    trouble::{WAYS, brighter, under_way},
};

/// What the provider is called in the statistics.
fn provider() -> String {
    env::var("FACESWAP_PROVIDER").unwrap_or_else(|_| "openvino".into())
}

fn on_provider(element: &gst::Element) {
    match env::var_os("FACESWAP_LIBRARY") {
        Some(library) => element.set_property("execution-provider-library", library.to_str()),
        None => element.set_property_from_str("execution-provider", &provider()),
    }
}

fn used(element: &gst::Element) -> String {
    element.property::<gst::Structure>("stats").get("execution-provider").unwrap()
}

#[test]
#[ignore = "run by the others in a process of its own"]
fn child_families() {
    let photo = Photo::open(&astronaut());
    let info = rgb_info(photo.width as u32, photo.height as u32);
    for family in families() {
        let folder = folder("provider-family");
        write_family(&family, &folder);
        let swap = |set: fn(&gst::Element)| {
            let mut rig = swapping(&info, &folder, family.file, set);
            (bytes(&rig.pass(stamped(&gst::Buffer::from_slice(photo.rgb.clone()), 0))), used(&rig.element))
        };
        let ((cpu, on_cpu), (given, there)) =
            (swap(|element| element.set_property_from_str("execution-provider", "cpu")), swap(on_provider));
        assert_eq!((on_cpu, there), ("cpu".into(), provider()));
        let apart = given.iter().zip(&cpu).map(|(a, b)| a.abs_diff(*b)).max();
        println!("{}: {apart:?} levels apart", family.file);
        assert!(apart <= Some(2) && cpu != photo.rgb, "{}: {apart:?} levels apart", family.file);
    }
}

/// Frames on their way through an element.
struct Passing {
    rig: Rig,
    plain: gst::Buffer,
    bright: gst::Buffer,
    sent: u64,
    /// What swapped each frame that came out.
    engines: Vec<String>,
}

impl Passing {
    fn new(folder: &Path, set: impl FnOnce(&gst::Element)) -> Passing {
        init();
        let photo = Photo::open(&astronaut());
        let bright = brighter(&photo);
        let info = rgb_info(photo.width as u32, photo.height as u32);
        let [plain, bright] = [photo.rgb, bright].map(gst::Buffer::from_slice);
        let rig = swapping(&info, folder, "inswapper_128.onnx", set);
        Passing { rig, plain, bright, sent: 0, engines: Vec::new() }
    }

    /// A frame that the networks here take, or one that is too bright for them.
    fn push(&mut self, bright: bool) {
        let frame = if bright { &self.bright } else { &self.plain };
        self.rig.harness.push(stamped(frame, self.sent)).unwrap();
        self.sent += 1;
        self.pull();
    }

    fn pull(&mut self) {
        while let Some(frame) = self.rig.harness.try_pull() {
            let expected = stamped(&self.plain, self.engines.len() as u64);
            assert_eq!(
                (frame.pts(), frame.duration()),
                (expected.pts(), expected.duration()),
                "out of order"
            );
            self.engines.push(engine(&frame));
        }
    }

    /// The engines that swapped, in turn, once all frames are out.
    fn end(mut self) -> (Rig, Vec<String>) {
        self.rig.harness.push_event(gst::event::Eos::new());
        self.pull();
        assert_eq!(self.engines.len() as u64, self.sent, "frames were lost");
        self.engines.dedup();
        (self.rig, self.engines)
    }
}

#[test]
#[ignore = "run by the others in a process of its own"]
fn child_failing() {
    let folder = folder("provider-fails");
    write_family(&families()[0], &folder);
    write(&absurd_at(&swap(&families()[0].swap), "target", 0.6..2.0), &folder.join("inswapper_128.onnx"));
    for way in WAYS {
        let mut passing = Passing::new(&folder, |element| {
            on_provider(element);
            under_way(way)(element);
        });
        (0..6).for_each(|index| passing.push(index == 3));
        eventually("the network on the CPU", || {
            passing.push(false);
            used(&passing.rig.element) == "cpu"
        });
        eventually("its faces", || {
            passing.push(false);
            let mut engines = passing.engines.clone();
            engines.dedup();
            engines == ["neural", "mesh", "neural"]
        });
        let (rig, engines) = passing.end();
        assert_eq!(engines, ["neural", "mesh", "neural"], "{way:?}");
        let text = rig.complaint();
        for part in ["warning", "inswapper_128.onnx", "no numbers", "until the network runs on the CPU"] {
            assert!(text.contains(part), "{way:?}: no {part:?} in: {text}");
        }
    }
}

/// Runs one of the above on OpenVINO.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn on_openvino(test: &str) {
    let release = library().parent().unwrap().to_owned();
    let target = release.ancestors().find(|folder| folder.join("openvino").is_dir());
    let runtime =
        target.expect("no folder openvino: `make openvino` brings it").join("openvino/libonnxruntime.so");
    let run = child(test).env("ORT_DYLIB_PATH", runtime).finish();
    let said = said(&run);
    println!("{said}");
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn each_family_looks_on_openvino_as_on_the_cpu() {
    on_openvino("providers::child_families");
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn a_network_that_fails_there_goes_on_on_the_cpu_and_no_frame_is_lost() {
    on_openvino("providers::child_failing");
}
