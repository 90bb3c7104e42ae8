//! Several faces in one run of the network: files made for one are opened where that is sound, and
//! what comes out is what each face alone gives.

use std::{fs, path::PathBuf};

use gst::prelude::*;
use gstfaceswap::models::{Options, Provider, Role, Session};

use super::*;
use crate::standin::{Wrong, families, single, swap, write, write_family};

/// inswapper_128's stand-in with a card that has it take batches on the CPU.
pub fn batching(name: &str) -> PathBuf {
    let folder = folder(name);
    write_family(&families()[0], &folder);
    let card = fs::read_to_string(repo().join("models/inswapper_128.toml")).unwrap();
    fs::write(folder.join("inswapper_128.toml"), format!("batches_on_cpu = true\n{card}")).unwrap();
    folder
}

fn batched(folder: &Path) -> Session {
    let search = Search { model_dir: Some(models()), ..Search::default() };
    let model = search.at(Role::Swapper, &folder.join("inswapper_128.onnx")).unwrap();
    let options = Options { provider: Provider::Cpu, threads: 1, ..Options::default() };
    Session::batched(&model, &options).unwrap()
}

/// What the network makes of grey images of these levels, of people told by these numbers.
fn run(session: &mut Session, images: &[(f32, f32)]) -> Vec<f32> {
    let count = images.len() as i64;
    let target = session.input(0, &[count, 3, 128, 128]).unwrap();
    for (pixels, (level, _)) in target.chunks_exact_mut(3 * 128 * 128).zip(images) {
        pixels.iter_mut().enumerate().for_each(|(i, v)| *v = level * (i % 101) as f32 / 100.0);
    }
    let source = session.input(1, &[count, 512]).unwrap();
    for (values, (_, person)) in source.chunks_exact_mut(512).zip(images) {
        values.iter_mut().enumerate().for_each(|(i, v)| *v = (person * i as f32).sin() / 16.0);
    }
    session.run().unwrap();
    session.output(0).1.to_vec()
}

#[test]
fn a_file_made_for_one_image_takes_several() {
    let folder = batching("opened");
    let mut session = batched(&folder);
    assert!(session.batches());
    assert_eq!(session.input_shape(0), [-1, 3, 128, 128]);
    assert_eq!(session.output_shape(0), [-1, 3, 128, 128]);
    let images = [(0.9, 0.31), (0.4, 0.77), (0.6, 1.3)];
    let together = run(&mut session, &images);
    let alone: Vec<f32> = images.iter().flat_map(|image| run(&mut session, &[*image])).collect();
    assert_eq!(together.len(), alone.len());
    let apart = together.iter().zip(&alone).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-5, "{apart} apart");
    assert_ne!(alone[..100], alone[3 * 128 * 128..][..100]);
    // The file is as it was.
    let search = Search { model_dir: Some(models()), ..Search::default() };
    let model = search.at(Role::Swapper, &folder.join("inswapper_128.onnx")).unwrap();
    let mut session = Session::load(&model, 1).unwrap();
    assert_eq!(session.input_shape(0), [1, 3, 128, 128]);
    assert_eq!(run(&mut session, &images[..1]), alone[..3 * 128 * 128]);
}

#[test]
fn files_that_several_images_go_wrong_in_are_caught() {
    let spec = families()[0].swap;
    for wrong in [Wrong::Mixes, Wrong::TakesTheFirst, Wrong::Fails] {
        let folder = batching(&format!("{wrong:?}"));
        write(&single(&spec, wrong), &folder.join("inswapper_128.onnx"));
        let mut session = batched(&folder);
        assert!(!session.batches(), "{wrong:?} was not caught");
        assert_eq!(session.input_shape(0), [1, 3, 128, 128]);
        run(&mut session, &[(0.5, 0.3)]);
    }
}

#[test]
fn sixteen_bits_and_open_files_take_several() {
    let folder = batching("half");
    let half = standin::Swap { half: true, ..families()[0].swap };
    write(&swap(&half), &folder.join("inswapper_128.onnx"));
    let card = fs::read_to_string(repo().join("models/inswapper_128_fp16.toml")).unwrap();
    fs::write(folder.join("inswapper_128.toml"), format!("batches_on_cpu = true\n{card}")).unwrap();
    let mut session = batched(&folder);
    assert!(session.batches());
    let (a, b) = ((0.9, 0.31), (0.4, 0.77));
    let together = run(&mut session, &[a, b]);
    let alone = [run(&mut session, &[a]), run(&mut session, &[b])].concat();
    let apart = together.iter().zip(&alone).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 2e-3, "{apart} apart");
}

/// What comes out of `frames`, and the statistics then.
fn outcome(
    folder: &Path,
    frames: &[gst::Buffer],
    set: &dyn Fn(&gst::Element),
) -> (Vec<gst::Buffer>, gst::Structure) {
    let info = info(VideoFormat::I420, 640, 360);
    let mut rig = swapping(&info, folder, "inswapper_128.onnx", set);
    for (index, frame) in frames.iter().enumerate() {
        rig.harness.push(stamped(frame, index as u64)).unwrap();
    }
    rig.harness.push_event(gst::event::Eos::new());
    let out = std::iter::from_fn(|| rig.harness.try_pull()).collect();
    (out, rig.element.property("stats"))
}

/// A face that moves, of which `also` shows a second one.
fn moving(count: u32, also: bool) -> Vec<gst::Buffer> {
    let info = info(VideoFormat::I420, 640, 360);
    let photo = |path: String| {
        let photo = image::open(path).unwrap().resize(300, 300, image::imageops::FilterType::Triangle);
        photo.to_rgba8()
    };
    let (first, second) = (photo(astronaut()), photo(hopper()));
    let frame = |i: u32| {
        let mut canvas = image::RgbaImage::from_pixel(640, 360, image::Rgba([90, 110, 100, 255]));
        image::imageops::overlay(&mut canvas, &first, i64::from(10 + 4 * i), 30);
        if also {
            image::imageops::overlay(&mut canvas, &second, 330, i64::from(30 + i));
        }
        convert(canvas.into_raw(), &info)
    };
    (0..count).map(frame).collect()
}

/// Frames, order, times and pixels are the same; a level may be rounded otherwise.
fn agree(given: &[gst::Buffer], expected: &[gst::Buffer]) {
    assert_eq!(given.len(), expected.len());
    for (index, (given, expected)) in given.iter().zip(expected).enumerate() {
        let stamp = |b: &gst::Buffer| (b.pts(), b.duration(), b.offset(), b.flags());
        assert_eq!(stamp(given), stamp(expected), "frame {index}");
        let apart = bytes(given).iter().zip(bytes(expected)).map(|(a, b)| a.abs_diff(b)).max();
        assert!(apart <= Some(1), "frame {index} is {apart:?} levels off");
    }
}

#[test]
fn faces_of_several_frames_share_runs() {
    let folder = batching("frames");
    let frames = moving(10, false);
    let (expected, stats) = outcome(&folder, &frames, &|_| {});
    assert_eq!((stats.get("batch"), stats.get("batch-fill")), (Ok(1u32), Ok(1.0)));
    let changed =
        bytes(&expected[9]).iter().zip(bytes(&frames[9])).filter(|(a, b)| a.abs_diff(*b) > 8).count();
    assert!(changed > 2_000, "only {changed} values changed");
    for depth in [1u32, 3, 5] {
        let (given, stats) = outcome(&folder, &frames, &|element| {
            element.set_property("batch-size", 4u32);
            element.set_property("max-in-flight", depth);
        });
        agree(&given, &expected);
        // Two full runs, and what is left when the stream ends.
        let fill = stats.get::<f64>("batch-fill").unwrap();
        assert!((fill - 10.0 / 12.0).abs() < 1e-9, "{depth} in flight: {fill}");
        assert_eq!(stats.get::<u32>("batch"), Ok(4));
        assert_eq!(stats.get::<u64>("frames-swapped"), Ok(10));
    }
}

#[test]
fn two_faces_a_frame_share_runs() {
    let folder = batching("two-faces");
    let frames = moving(6, true);
    let all = |element: &gst::Element| element.set_property_from_str("select", "all");
    let (expected, _) = outcome(&folder, &frames, &all);
    for (depth, fill) in [(0u32, 2.0 / 3.0), (3, 1.0)] {
        let (given, stats) = outcome(&folder, &frames, &|element| {
            all(element);
            element.set_property("batch-size", 3u32);
            element.set_property("max-in-flight", depth);
        });
        agree(&given, &expected);
        let given = stats.get::<f64>("batch-fill").unwrap();
        assert!((given - fill).abs() < 1e-9, "{depth} in flight: {given}");
    }
}

#[test]
fn tiles_of_pixel_boost_share_runs() {
    let folder = batching("tiles");
    let frames = moving(2, false);
    let boost = |element: &gst::Element| element.set_property("pixel-boost", 384u32);
    let (expected, _) = outcome(&folder, &frames, &boost);
    let (given, stats) = outcome(&folder, &frames, &|element| {
        boost(element);
        element.set_property("batch-size", 4u32);
    });
    agree(&given, &expected);
    let fill = stats.get::<f64>("batch-fill").unwrap();
    assert!((fill - 9.0 / 12.0).abs() < 1e-9, "{fill}");
}

#[test]
fn live_frames_do_not_wait_for_a_run_to_fill() {
    let folder = batching("live");
    let info = info(VideoFormat::I420, 640, 360);
    let mut rig = swapping(&info, &folder, "inswapper_128.onnx", |element| {
        element.set_property_from_str("deterministic", "false");
        element.set_property("batch-size", 4u32);
        element.set_property("max-in-flight", 2u32);
        element.set_property("stats-interval", 0u32);
    });
    let frames = moving(8, false);
    for (index, frame) in frames.iter().enumerate() {
        rig.harness.push(stamped(frame, index as u64)).unwrap();
    }
    // Three wait for others to share a run with, two are in flight.
    assert_eq!(rig.harness.query_latency(), Some(gst::ClockTime::from_mseconds(5 * 40)));
    // No more come, and yet all leave.
    let times: Vec<_> = (0..8).map(|_| rig.harness.pull().unwrap().pts().unwrap().mseconds()).collect();
    assert_eq!(times, (0..8).map(|i| 40 * i).collect::<Vec<_>>());
}

#[test]
fn a_flush_ends_waiting_for_a_run_to_fill() {
    let folder = batching("flush");
    let info = info(VideoFormat::I420, 640, 360);
    let mut rig = swapping(&info, &folder, "inswapper_128.onnx", |element| {
        element.set_property("batch-size", 8u32);
        element.set_property("max-in-flight", 1u32);
    });
    let frames = moving(12, false);
    for round in 0..3 {
        for (index, frame) in frames[..3].iter().enumerate() {
            rig.harness.push(stamped(frame, index as u64)).unwrap();
        }
        assert_eq!(rig.harness.try_pull().map(|_| ()), None, "round {round}");
        rig.harness.push_event(gst::event::FlushStart::new());
        rig.harness.push_event(gst::event::FlushStop::new(true));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        rig.harness.push_event(gst::event::Segment::new(&segment));
    }
    for (index, frame) in frames.iter().enumerate() {
        rig.harness.push(stamped(frame, index as u64)).unwrap();
    }
    rig.harness.push_event(gst::event::Eos::new());
    let out: Vec<_> = std::iter::from_fn(|| rig.harness.try_pull()).collect();
    assert_eq!(out.len(), 12);
    assert!(out.iter().enumerate().all(|(i, b)| b.offset() == i as u64));
}
