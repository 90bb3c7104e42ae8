//! The neural engine on stand-ins for the networks that people have. `make models` brings what
//! else they need.

mod batches;
#[path = "../common/mod.rs"]
mod common;
mod drawn;
mod enhancers;
mod families;
mod faults;
mod golden;
mod hybrid;
mod loading;
mod masks;
mod oracle;
mod providers;
mod recognition;
mod standin;
mod trouble;

use std::path::Path;

use common::*;
use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo, VideoRegionOfInterestMeta};
use gstfaceswap::{
    engine::{SourceLoader, geometry::Point},
    models::{Pack, Search},
};

/// An element that swaps by a network, and nothing but that.
fn swapping(info: &VideoInfo, folder: &Path, file: &str, set: impl FnOnce(&gst::Element)) -> Rig {
    Rig::new(info, |element| {
        element.set_property("model-dir", models().to_str());
        element.set_property("source", hopper());
        element.set_property("model-file", folder.join(file).to_str());
        element.set_property_from_str("engine", "neural");
        element.set_property_from_str("mark", "metadata");
        // Frames wait for the network.
        element.set_property_from_str("deterministic", "true");
        element.set_property("meta", true);
        set(element);
    })
}

/// The engine that swapped the frame's face.
fn engine(frame: &gst::BufferRef) -> String {
    let mark = gst::meta::CustomMeta::from_buffer(frame, "FaceSwapMarkMeta").unwrap();
    mark.structure().get("engine").unwrap()
}

/// The 468 landmarks that a frame carries.
fn landmarks(buffer: &gst::Buffer) -> Vec<Point> {
    let roi = buffer.meta::<VideoRegionOfInterestMeta>().expect("a face");
    let params = roi.param("face").expect("its parameters");
    let points = params.get::<gst::Array>("landmarks").unwrap();
    let number = |v: &glib::SendValue| v.get::<f32>().unwrap();
    points
        .iter()
        .map(|point| {
            let point = point.get::<gst::Array>().unwrap();
            Point::new(number(&point[0]), number(&point[1]))
        })
        .collect()
}

/// Eye centres, nose tip, mouth corners.
fn five(landmarks: &[Point]) -> [Point; 5] {
    let mean = |vertices: &[usize]| {
        let n = vertices.len() as f32;
        let sum = vertices.iter().fold((0.0, 0.0), |s, &v| (s.0 + landmarks[v].x, s.1 + landmarks[v].y));
        Point::new(sum.0 / n, sum.1 / n)
    };
    let left = mean(&[33, 160, 158, 133, 153, 144]);
    let right = mean(&[362, 385, 387, 263, 373, 380]);
    [left, right, landmarks[4], landmarks[61], landmarks[291]]
}

/// The five points of a source photo, as the loader finds them.
fn source_points(path: &str) -> [Point; 5] {
    let search = Search { model_dir: Some(models()), ..Search::default() };
    let mut loader = SourceLoader::new(&Pack::find(&search).unwrap()).unwrap();
    loader.keep_portraits(true);
    loader.load(&[path.into()]).unwrap().0.points().unwrap()
}

fn rgb_info(width: u32, height: u32) -> VideoInfo {
    info(VideoFormat::Rgb, width, height)
}
