//! The element at work, with the default models. `make models` brings them.

mod common;

use std::{
    thread,
    time::{Duration, Instant},
};

use common::*;
use gst::{meta::CustomMeta, prelude::*};
use gst_video::{VideoFormat, VideoInfo, VideoInterlaceMode, VideoRegionOfInterestMeta, prelude::*};

const MARK: &str = "FaceSwapMarkMeta";

/// A rig that shows Hopper's face, and a frame of the astronaut.
fn swapping(format: VideoFormat, width: u32, height: u32) -> (Rig, gst::Buffer) {
    with_info(&info(format, width, height), |_| {})
}

fn with_info(info: &VideoInfo, set: impl FnOnce(&gst::Element)) -> (Rig, gst::Buffer) {
    let rig = Rig::new(info, |element| {
        element.set_property("model-dir", models().to_str());
        element.set_property("source", hopper());
        set(element);
    });
    (rig, photo_frame(&astronaut(), info))
}

fn is_marked(buffer: &gst::Buffer) -> bool {
    CustomMeta::from_buffer(buffer, MARK).is_ok()
}

fn boxes(buffer: &gst::Buffer) -> Vec<[i32; 4]> {
    let meta = CustomMeta::from_buffer(buffer, MARK).unwrap();
    let list = meta.structure().get::<gst::Array>("boxes").unwrap();
    list.iter()
        .map(|b| {
            let numbers = b.get::<gst::Array>().unwrap();
            std::array::from_fn(|i| numbers[i].get::<i32>().unwrap())
        })
        .collect()
}

fn face_events(messages: &[gst::Message]) -> Vec<String> {
    let structures = messages.iter().filter_map(|m| m.structure());
    structures.filter(|s| s.name() == "faceswap-face").map(|s| s.get::<String>("event").unwrap()).collect()
}

#[test]
fn every_format_swaps_the_face_and_leaves_the_rest() {
    for (i, format) in FORMATS.into_iter().enumerate() {
        let (width, height) = if i % 2 == 0 { (400, 300) } else { (401, 299) };
        let (mut rig, frame) = swapping(format, width, height);
        let swapped = rig.pass(stamped(&frame, 0));
        assert!(is_marked(&swapped), "{format:?}");
        let boxes = boxes(&swapped);
        let (before, after) = (rgba(&frame, &rig.info), rgba(&swapped, &rig.info));
        let mut changed = 0;
        for (n, (a, b)) in before.chunks(4).zip(after.chunks(4)).enumerate() {
            let (x, y) = (n as i32 % width as i32, n as i32 / width as i32);
            // Converting to RGBA spreads chroma by two pixels.
            let near = boxes
                .iter()
                .any(|b| x >= b[0] - 3 && x < b[0] + b[2] + 3 && y >= b[1] - 3 && y < b[1] + b[3] + 3);
            assert!(near || a == b, "{format:?} at {x},{y}: {a:?} became {b:?}");
            changed += usize::from(a != b);
        }
        assert!(changed > 500, "{format:?}: {changed} pixels");
    }
}

#[test]
fn opacity_zero_passes_the_same_buffer() {
    let (mut rig, frame) = with_info(&info(VideoFormat::Nv12, 320, 240), |e| e.set_property("opacity", 0.0));
    let out = rig.pass(frame.clone());
    assert_eq!(out.as_ptr(), frame.as_ptr());
    drop(out);
    rig.element.set_property("opacity", 1.0);
    assert!(is_marked(&rig.pass(stamped(&frame, 1))));
}

#[test]
fn a_frame_without_a_face_stays_as_it_is() {
    let info = info(VideoFormat::I420, 320, 240);
    let (mut rig, _) = with_info(&info, |_| {});
    for level in [0, 128, 255] {
        let frame = gst::Buffer::from_slice(vec![level; info.size()]);
        let out = rig.pass(stamped(&frame, 0));
        assert_eq!(bytes(&out), bytes(&frame));
        assert!(!is_marked(&out));
    }
    assert_eq!(rig.element.property::<gst::Structure>("stats").get::<u64>("frames-swapped"), Ok(0));
}

#[test]
fn the_other_branch_of_a_tee_stays_untouched() {
    let (mut rig, frame) = swapping(VideoFormat::Uyvy, 401, 299);
    let original = bytes(&frame);
    let mut stamped = stamped(&frame, 3);
    VideoRegionOfInterestMeta::add(stamped.make_mut(), "mine", (1, 2, 3, 4));
    stamped.make_mut().set_flags(gst::BufferFlags::MARKER);
    let reference = rig.pass(stamped.copy_deep().unwrap());
    for shared in [stamped.clone(), stamped.copy()] {
        rig.harness.push_event(gst::event::FlushStart::new());
        rig.harness.push_event(gst::event::FlushStop::new(true));
        rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        let out = rig.pass(shared);
        assert_ne!(out.as_ptr(), stamped.as_ptr());
        assert_eq!(bytes(&stamped), original);
        assert!(is_marked(&out) && !is_marked(&stamped));
        assert_eq!(bytes(&out), bytes(&reference));
        assert_eq!(
            (out.pts(), out.duration(), out.offset()),
            (stamped.pts(), stamped.duration(), stamped.offset())
        );
        assert!(out.flags().contains(gst::BufferFlags::MARKER));
        assert_eq!(out.meta::<VideoRegionOfInterestMeta>().unwrap().roi_type(), "mine");
    }
}

#[test]
fn copies_of_shared_frames_come_from_a_pool() {
    let (mut rig, frame) = swapping(VideoFormat::I420, 320, 240);
    let mut seen = std::collections::HashSet::new();
    for i in 0..12 {
        let held = stamped(&frame, i);
        let out = rig.pass(held.clone());
        assert_ne!(out.as_ptr(), held.as_ptr());
        seen.insert(out.as_ptr() as usize);
    }
    assert!(seen.len() <= 2, "{} buffers", seen.len());
}

#[test]
fn padded_strides_and_a_last_row_without_padding() {
    for format in FORMATS {
        let info = info(format, 321, 241);
        let (mut rig, frame) = with_info(&info, |_| {});
        let tight = gst_video::VideoFrame::from_buffer_readable(frame.clone(), &info).unwrap();
        let (mut data, mut offsets, mut strides) = (Vec::new(), Vec::new(), Vec::new());
        let planes = info.n_planes() as usize;
        for plane in 0..planes {
            let rows = if plane == 0 { 241 } else { 121 };
            let stride = tight.plane_stride()[plane] as usize;
            offsets.push(data.len());
            strides.push(stride as i32 + 52);
            for (y, row) in tight.plane_data(plane as u32).unwrap().chunks(stride).take(rows).enumerate() {
                data.extend_from_slice(row);
                if plane + 1 < planes || y + 1 < rows {
                    data.extend([0xAA; 52]);
                }
            }
        }
        let mut padded = gst::Buffer::from_mut_slice(data);
        let b = padded.make_mut();
        gst_video::VideoMeta::add_full(
            b,
            gst_video::VideoFrameFlags::empty(),
            format,
            321,
            241,
            &offsets,
            &strides,
        )
        .unwrap();
        let out = rig.pass(padded);
        let from_padded = rgba(&out, &info);
        assert!(is_marked(&out), "{format:?}");
        let kept = bytes(&out);
        let gap = strides[0] as usize;
        assert!((1..200).all(|y| kept[y * gap - 52..y * gap] == [0xAA; 52]), "{format:?}: padding written");

        let (mut rig, frame) = with_info(&info, |_| {});
        let from_tight = rgba(&rig.pass(frame), &info);
        assert!(from_padded == from_tight, "{format:?}");
    }
}

#[test]
fn a_buffer_too_small_is_an_error() {
    let (mut rig, _) = swapping(VideoFormat::Nv12, 320, 240);
    let flow = rig.harness.push(gst::Buffer::with_size(1000).unwrap());
    assert_eq!(flow, Err(gst::FlowError::Error));
    let text = rig.complaint();
    assert!(text.contains("1000 bytes") && text.contains("320×240 NV12"), "{text}");
}

#[test]
fn a_bad_source_fails_the_first_frame_and_a_restart_with_a_good_one_works() {
    let folder = folder("bad-sources");
    let file = |name: &str| folder.join(name);
    std::fs::write(file("text.jpg"), "this is no image").unwrap();
    image::RgbImage::new(1, 1).save(file("dot.png")).unwrap();
    image::RgbImage::from_pixel(400, 400, image::Rgb([80, 120, 90])).save(file("plain.png")).unwrap();
    std::fs::create_dir(file("empty")).unwrap();
    let expected = [
        ("text.jpg", "not a readable image"),
        ("dot.png", "no face"),
        ("plain.png", "no face"),
        ("empty", "holds no image"),
    ];
    let element = faceswap();
    element.set_property("model-dir", models().to_str());
    let info = info(VideoFormat::I420, 320, 240);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    for (name, reason) in expected {
        element.set_property("source", file(name).to_str());
        let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps(info.to_caps().unwrap());
        assert_eq!(
            harness.push(gst::Buffer::with_size(info.size()).unwrap()),
            Err(gst::FlowError::Error),
            "{name}"
        );
        let text = complaint(&bus.pop_filtered(&[gst::MessageType::Error]).unwrap());
        assert!(text.contains(file(name).to_str().unwrap()) && text.contains(reason), "{text}");
        element.set_state(gst::State::Null).unwrap();
    }
    element.set_property("source", hopper());
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_src_caps(info.to_caps().unwrap());
    assert!(is_marked(&harness.push_and_pull(photo_frame(&astronaut(), &info)).unwrap()));
}

#[test]
#[cfg(unix)]
fn an_unreadable_source_is_named() {
    let file = unreadable(&folder("unreadable"));
    let (mut rig, frame) =
        with_info(&info(VideoFormat::I420, 320, 240), |e| e.set_property("source", file.to_str()));
    assert_eq!(rig.harness.push(frame), Err(gst::FlowError::Error));
    let text = rig.complaint();
    assert!(text.contains("locked.png: cannot be read"), "{text}");
}

#[test]
fn several_faces_in_the_source_are_a_warning() {
    let photos: Vec<_> = [astronaut(), hopper(), astronaut()]
        .iter()
        .map(|p| image::open(p).unwrap().resize(500, 500, image::imageops::FilterType::Triangle).to_rgb8())
        .collect();
    let mut group = image::RgbImage::new(1500, 500);
    for (i, photo) in photos.iter().enumerate() {
        image::imageops::overlay(&mut group, photo, 500 * i as i64, 0);
    }
    let file = folder("group").join("group.png");
    group.save(&file).unwrap();
    let (mut rig, frame) =
        with_info(&info(VideoFormat::I420, 320, 240), |e| e.set_property("source", file.to_str()));
    assert!(is_marked(&rig.pass(frame)));
    let text = rig.complaint();
    assert!(text.starts_with("warning") && text.contains("group.png: shows 3 faces"), "{text}");
}

#[test]
fn the_source_changes_while_playing_without_a_lost_frame() {
    let (mut rig, frame) = swapping(VideoFormat::Nv12, 320, 240);
    let mut index = 0;
    let mut next = |rig: &mut Rig| {
        index += 1;
        let out = rig.pass(stamped(&frame, index));
        assert_eq!(out.pts(), Some(gst::ClockTime::from_mseconds(40 * index)));
        out
    };
    let first = bytes(&next(&mut rig));
    assert_ne!(first, bytes(&frame));

    rig.element.set_property("source", "/nonexistent/other.png");
    assert!(is_marked(&next(&mut rig)));
    let text = rig.complaint();
    assert!(text.starts_with("warning") && text.contains("/nonexistent/other.png"), "{text}");
    assert!(is_marked(&next(&mut rig)), "the old source stays");

    rig.element.set_property("source", astronaut());
    let started = Instant::now();
    let old = next(&mut rig);
    assert!(is_marked(&old), "the old source shows until the new one is ready");
    assert!(started.elapsed() < Duration::from_secs(2));
    eventually("the new source", || {
        let progress = rig.messages().iter().any(|m| match m.view() {
            gst::MessageView::Progress(p) => p.get().0 == gst::ProgressType::Complete,
            _ => false,
        });
        assert!(is_marked(&next(&mut rig)));
        progress
    });
    assert!(is_marked(&next(&mut rig)));

    rig.element.set_property("source", None::<&str>);
    let out = next(&mut rig);
    assert_eq!(bytes(&out), bytes(&frame));
    assert!(!is_marked(&out));

    rig.element.set_property("source", hopper());
    let mut swapped = false;
    eventually("a source after none", || {
        swapped = is_marked(&next(&mut rig));
        swapped
    });
    let stats = rig.element.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u64>("frames-in"), stats.get::<u64>("frames-out"));
}

#[test]
fn many_changes_at_once_end_with_the_newest() {
    let (mut rig, frame) = swapping(VideoFormat::I420, 320, 240);
    for i in 0..40 {
        rig.element.set_property("source", if i % 2 == 0 { astronaut() } else { hopper() });
        let out = rig.pass(stamped(&frame, i));
        assert_eq!(out.pts(), Some(gst::ClockTime::from_mseconds(40 * i)));
        assert!(is_marked(&out));
    }
    rig.element.set_property("source", None::<&str>);
    assert!(!is_marked(&rig.pass(stamped(&frame, 40))));
}

#[test]
fn a_flush_ends_the_wait_for_loading() {
    let (mut rig, frame) = swapping(VideoFormat::I420, 320, 240);
    let element = rig.element.clone();
    let flush = thread::spawn(move || {
        element.static_pad("sink").unwrap().send_event(gst::event::FlushStart::new());
    });
    // Either the flush is there first or it ends the wait; both are "flushing", unless loading won.
    let flow = rig.harness.push(stamped(&frame, 0));
    flush.join().unwrap();
    assert!(matches!(flow, Err(gst::FlowError::Flushing) | Ok(_)), "{flow:?}");
    rig.harness.push_event(gst::event::FlushStop::new(true));
    rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    while rig.harness.try_pull().is_some() {}
    assert!(is_marked(&rig.pass(stamped(&frame, 1))));
}

#[test]
fn stopping_ends_the_wait_for_loading() {
    for delay in [0, 1, 5, 20, 60] {
        let (rig, frame) = swapping(VideoFormat::I420, 320, 240);
        let Rig { mut harness, element, bus, .. } = rig;
        let pusher = thread::spawn(move || harness.push(frame));
        thread::sleep(Duration::from_millis(delay));
        let started = Instant::now();
        element.set_state(gst::State::Null).unwrap();
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        assert!(matches!(
            pusher.join().unwrap(),
            Ok(_) | Err(gst::FlowError::Flushing | gst::FlowError::Eos)
        ));
        assert!(bus.pop_filtered(&[gst::MessageType::Error]).is_none());
    }
}

#[test]
fn states_cycle_with_a_source() {
    let (rig, _) = swapping(VideoFormat::I420, 320, 240);
    let element = rig.element.clone();
    drop(rig);
    for state in [gst::State::Playing, gst::State::Ready, gst::State::Paused, gst::State::Null].repeat(6) {
        element.set_state(state).unwrap();
    }
}

#[test]
fn caps_change_between_swapped_frames() {
    let (mut rig, frame) = swapping(VideoFormat::Nv12, 320, 240);
    assert!(is_marked(&rig.pass(stamped(&frame, 0))));
    for (i, (format, width, height)) in
        [(VideoFormat::Bgra, 401, 301), (VideoFormat::Uyvy, 640, 360)].into_iter().enumerate()
    {
        let info = info(format, width, height);
        rig.harness.set_src_caps(info.to_caps().unwrap());
        let frame = photo_frame(&astronaut(), &info);
        assert!(is_marked(&rig.pass(stamped(&frame, i as u64 + 1))), "{format:?}");
    }
}

#[test]
fn unknown_rate_missing_timestamps_and_interlaced_frames_are_swapped() {
    let still = builder(VideoFormat::I420, 320, 240).fps(gst::Fraction::new(0, 1)).build().unwrap();
    let interlaced = builder(VideoFormat::I420, 320, 240)
        .interlace_mode(VideoInterlaceMode::Interleaved)
        .fps(gst::Fraction::new(25, 1))
        .build()
        .unwrap();
    for info in [still, interlaced] {
        let (mut rig, frame) = with_info(&info, |_| {});
        for _ in 0..3 {
            assert!(is_marked(&rig.pass(frame.copy_deep().unwrap())));
        }
    }
}

#[test]
fn the_same_input_gives_the_same_output() {
    let run = || -> Vec<Vec<u8>> {
        // The harness says that it is live, where the output would depend on how fast this machine is.
        let (mut rig, frame) = with_info(&info(VideoFormat::Nv12, 320, 240), |element| {
            element.set_property_from_str("deterministic", "true");
        });
        (0..25).map(|i| bytes(&rig.pass(stamped(&frame, i)))).collect()
    };
    assert!(run() == run());
}

#[test]
fn marks_say_what_was_done() {
    let (mut rig, frame) = swapping(VideoFormat::I420, 400, 300);
    let visible = rig.pass(stamped(&frame, 0));
    let meta = CustomMeta::from_buffer(&visible, MARK).unwrap();
    let s = meta.structure();
    assert!(
        s.get::<&str>("digital-source-type")
            .unwrap()
            .starts_with("http://cv.iptc.org/newscodes/digitalsourcetype/")
    );
    assert_eq!(s.get::<&str>("engine"), Ok("mesh"));
    assert!(!s.get::<&str>("model").unwrap().is_empty());
    let digest = s.get::<&str>("model-sha256").unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
    assert_eq!(s.get::<u32>("faces"), Ok(1));
    assert_eq!(boxes(&visible).len(), 2, "the face and the label");

    rig.element.set_property_from_str("mark", "metadata");
    let marked = rig.pass(stamped(&frame, 1));
    assert_eq!(boxes(&marked).len(), 1, "the face");
    rig.element.set_property_from_str("mark", "none");
    let unmarked = rig.pass(stamped(&frame, 2));
    assert!(!is_marked(&unmarked));
    assert_ne!(bytes(&unmarked), bytes(&frame));
}

#[test]
fn the_stream_is_tagged_before_its_first_altered_frame() {
    let info = info(VideoFormat::I420, 400, 300);
    let (mut rig, frame) = with_info(&info, |_| {});
    let tag = |comment: &str| {
        let mut tags = gst::TagList::new();
        tags.make_mut().add::<gst::tags::Title>(&"a title", gst::TagMergeMode::Replace);
        tags.make_mut().add::<gst::tags::Comment>(&comment, gst::TagMergeMode::Replace);
        gst::event::Tag::new(tags)
    };
    let comments = |rig: &mut Rig| -> Vec<String> {
        std::iter::from_fn(|| rig.harness.try_pull_event())
            .filter_map(|event| match event.view() {
                gst::EventView::Tag(tag) => {
                    assert_eq!(tag.tag().get::<gst::tags::Title>().unwrap().get(), "a title");
                    let keywords = tag.tag().get::<gst::tags::Keywords>().map(|k| k.get().to_owned());
                    let comment = tag.tag().get::<gst::tags::Comment>().unwrap().get().to_owned();
                    Some(format!("{} {comment}", keywords.unwrap_or_default()))
                }
                _ => None,
            })
            .collect()
    };
    rig.harness.push_event(tag("mine"));
    rig.pass(gst::Buffer::from_slice(vec![128; info.size()]));
    assert_eq!(comments(&mut rig), [" mine"], "nothing was altered yet");
    rig.pass(stamped(&frame, 1));
    rig.pass(stamped(&frame, 2));
    let after = comments(&mut rig);
    let marked = |text: &str, own: &str| {
        text.contains("face swap")
            && text.contains("Synthetic media")
            && text.contains("digitalsourcetype")
            && text.ends_with(own)
    };
    assert!(after.len() == 1 && marked(&after[0], "mine"), "{after:?}");
    rig.harness.push_event(tag("other"));
    let later = comments(&mut rig);
    assert!(later.len() == 1 && marked(&later[0], "other"), "{later:?}");
}

#[test]
fn faces_are_given_as_regions_of_interest() {
    let (mut rig, frame) = with_info(&info(VideoFormat::I420, 400, 300), |e| e.set_property("meta", true));
    let out = rig.pass(stamped(&frame, 0));
    let roi = out.meta::<VideoRegionOfInterestMeta>().unwrap();
    let (x, y, width, height) = roi.rect();
    assert!(width > 20 && height > 20 && x + width <= 400 && y + height <= 300, "{:?}", roi.rect());
    let face = roi.param("face").unwrap();
    assert_eq!(roi.id() as u64, face.get::<u64>("track").unwrap());
    assert!(face.get::<f64>("score").unwrap() > 0.5);
    let landmarks = face.get::<gst::Array>("landmarks").unwrap();
    assert_eq!(landmarks.len(), 468);
    assert_eq!(landmarks[0].get::<gst::Array>().unwrap().len(), 2);
    rig.element.set_property("meta", false);
    assert!(rig.pass(stamped(&frame, 1)).meta::<VideoRegionOfInterestMeta>().is_none());
}

#[test]
fn found_and_lost_faces_are_told_and_counted() {
    let info = info(VideoFormat::I420, 400, 300);
    let (mut rig, frame) = with_info(&info, |e| e.set_property("stats-interval", 0u32));
    for i in 0..5 {
        rig.pass(stamped(&frame, i));
    }
    let messages = rig.messages();
    assert_eq!(face_events(&messages), ["found"]);
    let found = messages.iter().filter_map(|m| m.structure()).find(|s| s.name() == "faceswap-face").unwrap();
    assert_eq!(found.get::<u64>("running-time"), Ok(0));
    assert!(found.get::<u64>("track").is_ok());
    for name in ["x", "y", "width", "height"] {
        assert!(found.get::<i32>(name).unwrap() > 0, "{name}");
    }
    // The same picture with the face painted over, so that it is no scene cut.
    let mut gone = rgba(&frame, &info);
    let (x, y) = (found.get::<i32>("x").unwrap(), found.get::<i32>("y").unwrap());
    let (w, h) = (found.get::<i32>("width").unwrap(), found.get::<i32>("height").unwrap());
    for row in (y - h / 3).max(0)..(y + h + h / 3).min(300) {
        for column in (x - w / 3).max(0)..(x + w + w / 3).min(400) {
            let at = (row * 400 + column) as usize * 4;
            gone[at..at + 3].copy_from_slice(&[140, 120, 110]);
        }
    }
    let gone = convert(gone, &info);
    for i in 5..8 {
        let out = rig.pass(stamped(&gone, i));
        assert!(is_marked(&out), "the lost face is held");
    }
    assert!(face_events(&rig.messages()).iter().any(|e| e == "lost" || e == "held"));
    let stats = rig.element.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u64>("frames-swapped"), Ok(5));
    assert_eq!(stats.get::<u64>("frames-held"), Ok(3));
    assert_eq!(stats.get::<&str>("engine"), Ok("mesh"));
    for name in [
        "frame-time-mean-ms",
        "frame-time-p95-ms",
        "frame-time-max-ms",
        "detect-ms",
        "landmarks-ms",
        "swap-ms",
    ] {
        assert!(stats.get::<f64>(name).unwrap() > 0.0, "{name}");
    }
}

#[test]
fn statistics_answer_while_a_frame_is_worked_on() {
    let (rig, frame) = swapping(VideoFormat::I420, 640, 480);
    let Rig { mut harness, element, .. } = rig;
    let work = thread::spawn(move || {
        for i in 0..10 {
            harness.push_and_pull(stamped(&frame, i)).unwrap();
        }
    });
    let mut answers = 0;
    while !work.is_finished() {
        element.property::<gst::Structure>("stats");
        element.property::<f64>("opacity");
        answers += 1;
    }
    work.join().unwrap();
    // Held back by a lock, there would be one or two a frame.
    assert!(answers > 100, "{answers} answers while 10 frames were worked on");
}
