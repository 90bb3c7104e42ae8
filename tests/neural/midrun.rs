//! A network that fails while frames pass: no frame is lost, and each shows a swap.

use std::path::Path;

use gst::prelude::*;

use super::*;
use crate::{
    oracle::Photo,
    standin::{blind, families, fragile, swap, write, write_family},
};

/// Frames on their way through an element.
pub struct Passing {
    pub rig: Rig,
    plain: gst::Buffer,
    bright: gst::Buffer,
    sent: u64,
    /// What swapped each frame that came out.
    pub engines: Vec<String>,
}

impl Passing {
    pub fn new(folder: &Path, set: impl FnOnce(&gst::Element)) -> Passing {
        init();
        let photo = Photo::open(&astronaut());
        let bright: Vec<u8> = photo.rgb.iter().map(|v| 150 + v / 3).collect();
        let info = rgb_info(photo.width as u32, photo.height as u32);
        let [plain, bright] = [photo.rgb, bright].map(gst::Buffer::from_slice);
        let rig = swapping(&info, folder, "inswapper_128.onnx", set);
        Passing { rig, plain, bright, sent: 0, engines: Vec::new() }
    }

    /// A frame that the networks here take, or one that is too bright for them.
    pub fn push(&mut self, bright: bool) {
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
    pub fn end(mut self) -> (Rig, Vec<String>) {
        self.rig.harness.push_event(gst::event::Eos::new());
        self.pull();
        assert_eq!(self.engines.len() as u64, self.sent, "frames were lost");
        self.engines.dedup();
        (self.rig, self.engines)
    }
}

/// By how many frames are in flight, and how many faces share a run.
pub const FLIGHTS: [(u32, u32); 3] = [(0, 1), (3, 1), (6, 4)];

pub fn fly(element: &gst::Element, (depth, batch): (u32, u32)) {
    element.set_property("max-in-flight", depth);
    element.set_property("batch-size", batch);
}

#[test]
fn the_mesh_engine_swaps_on_however_many_are_in_flight() {
    let folder = folder("midrun");
    write_family(&families()[0], &folder);
    // Several faces share a run.
    let card = std::fs::read_to_string(repo().join("models/inswapper_128.toml")).unwrap();
    std::fs::write(folder.join("inswapper_128.toml"), format!("batches_on_cpu = true\n{card}")).unwrap();
    let spec = families()[0].swap;
    let networks =
        [(fragile(&spec, 0.6), "run failed"), (blind(&swap(&spec), "target", -0.1..0.6), "no numbers")];
    for (network, reason) in networks {
        write(&network, &folder.join("inswapper_128.onnx"));
        for flight in FLIGHTS {
            let mut passing = Passing::new(&folder, |element| fly(element, flight));
            (0..16).for_each(|index| passing.push(index == 5));
            let (rig, engines) = passing.end();
            assert_eq!(engines, ["neural", "mesh"], "{flight:?}");
            let text = rig.complaint();
            for part in ["warning", "inswapper_128.onnx", reason, "the mesh engine swaps from now on"] {
                assert!(text.contains(part), "{flight:?}: no {part:?} in: {text}");
            }
        }
    }
}
