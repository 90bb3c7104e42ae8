//! Frames in flight: nothing is lost, reordered or changed by them. `make models` brings the models.

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use common::*;
use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo, VideoRegionOfInterestMeta};

/// Ends the process when `test` hangs: a deadlock cannot be unwound.
fn watched(test: impl FnOnce()) {
    let (done, ended) = mpsc::channel::<()>();
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    std::thread::spawn(move || {
        if ended.recv_timeout(Duration::from_secs(300)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs");
            std::process::exit(101);
        }
    });
    test();
    drop(done);
}

fn swapping(info: &VideoInfo, depth: u32, set: impl FnOnce(&gst::Element)) -> Rig {
    Rig::new(info, |element| {
        element.set_property("model-dir", models().to_str());
        element.set_property("source", hopper());
        element.set_property("max-in-flight", depth);
        element.set_property("deterministic", gstfaceswap::element::Deterministic::True);
        set(element);
    })
}

/// What leaves the element, in order: events by name, frames by their position in milliseconds.
fn record(rig: &Rig) -> Arc<Mutex<Vec<String>>> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    let told = log.clone();
    rig.element.static_pad("src").unwrap().add_probe(mask, move |_, info| {
        let entry = match &info.data {
            Some(gst::PadProbeData::Buffer(b)) => b.pts().unwrap().mseconds().to_string(),
            Some(gst::PadProbeData::Event(e)) => e.type_().name().to_string(),
            _ => return gst::PadProbeReturn::Ok,
        };
        told.lock().unwrap().push(entry);
        gst::PadProbeReturn::Ok
    });
    log
}

fn all(rig: &mut Rig) -> Vec<gst::Buffer> {
    std::iter::from_fn(|| rig.harness.try_pull()).collect()
}

/// A face that moves, some frames shared, flagged or discontinuous.
fn moving(info: &VideoInfo, count: u64) -> Vec<gst::Buffer> {
    let frames: Vec<gst::Buffer> = (0..4u32)
        .map(|i| {
            let photo = image::open(astronaut()).unwrap().resize(240, 240, image::imageops::Triangle);
            let mut canvas =
                image::RgbaImage::from_pixel(info.width(), info.height(), image::Rgba([90, 110, 100, 255]));
            image::imageops::overlay(&mut canvas, &photo.to_rgba8(), 20 + 6 * i64::from(i), 4 * i64::from(i));
            convert(canvas.into_raw(), info)
        })
        .collect();
    (0..count)
        .map(|i| {
            let mut frame = stamped(&frames[[0, 1, 2, 3, 2, 1][i as usize % 6]], i);
            let b = frame.make_mut();
            if i % 5 == 3 {
                b.set_flags(gst::BufferFlags::MARKER);
            }
            if i == 7 {
                b.set_flags(gst::BufferFlags::DISCONT);
            }
            VideoRegionOfInterestMeta::add(b, "mine", (i as u32, 2, 3, 4));
            frame
        })
        .collect()
}

#[test]
fn every_depth_gives_what_none_gives() {
    watched(|| {
        let info = info(VideoFormat::Nv12, 400, 300);
        let frames = moving(&info, 24);
        let run = |depth| {
            let mut rig = swapping(&info, depth, |_| {});
            let mut held = Vec::new();
            for (i, frame) in frames.iter().enumerate() {
                let frame = frame.copy_deep().unwrap();
                if i % 3 == 1 {
                    held.push((frame.clone(), bytes(&frame)));
                }
                rig.harness.push(frame).unwrap();
            }
            rig.harness.push_event(gst::event::Eos::new());
            for (frame, before) in held {
                assert!(bytes(&frame) == before, "a shared frame was written to");
            }
            let out = all(&mut rig);
            let counted = rig.element.property::<gst::Structure>("stats");
            assert_eq!(counted.get::<u64>("frames-swapped"), Ok(frames.len() as u64));
            out
        };
        let plain = run(0);
        assert_eq!(plain.len(), frames.len());
        for depth in [1, 2, 3, 16] {
            let out = run(depth);
            assert_eq!(out.len(), frames.len(), "depth {depth}");
            for (i, ((a, b), original)) in plain.iter().zip(&out).zip(&frames).enumerate() {
                assert!(bytes(a) == bytes(b), "depth {depth}: frame {i} differs");
                assert!(bytes(b) != bytes(original), "frame {i} is not swapped");
                let fixed = |b: &gst::Buffer| {
                    let regions =
                        b.iter_meta::<VideoRegionOfInterestMeta>().map(|m| m.rect()).collect::<Vec<_>>();
                    let flags = b.flags() - gst::BufferFlags::TAG_MEMORY;
                    (b.pts(), b.dts(), b.duration(), b.offset(), b.offset_end(), flags, regions)
                };
                assert_eq!(fixed(b), fixed(original), "depth {depth}: frame {i}");
            }
        }
    });
}

#[test]
fn as_many_frames_as_allowed_are_held_back() {
    watched(|| {
        // So slow that none is overdue.
        let info = builder(VideoFormat::I420, 320, 240).fps(gst::Fraction::new(1, 60)).build().unwrap();
        let frames = moving(&info, 8);
        for depth in [1usize, 3] {
            let mut rig = swapping(&info, depth as u32, |_| {});
            for (i, frame) in frames.iter().enumerate() {
                rig.harness.push(frame.copy_deep().unwrap()).unwrap();
                assert_eq!(rig.harness.buffers_received() as usize, (i + 2).saturating_sub(depth));
            }
            rig.harness.push_event(gst::event::Eos::new());
            assert_eq!(rig.harness.buffers_received(), 8);
        }
    });
}

#[test]
fn frames_leave_in_time_where_no_others_come() {
    watched(|| {
        let info = info(VideoFormat::I420, 320, 240);
        let mut rig = swapping(&info, 8, |_| {});
        for (i, frame) in moving(&info, 9).into_iter().enumerate() {
            rig.harness.push(frame).unwrap();
            if i % 3 == 2 {
                eventually("all have left", || rig.harness.buffers_received() as usize == i + 1);
            }
        }
        let times: Vec<_> = all(&mut rig).iter().map(|b| b.pts().unwrap().mseconds() / 40).collect();
        assert_eq!(times, (0..9).collect::<Vec<_>>());
    });
}

#[test]
fn what_downstream_says_once_is_heard_by_upstream() {
    watched(|| {
        let info = info(VideoFormat::I420, 320, 240);
        for by_itself in [true, false] {
            let mut rig = swapping(&info, 8, |_| {});
            // As `identity eos-after` does: enough with the first frame, and never again.
            let told = Arc::new(AtomicBool::new(false));
            let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::PUSH;
            let pad = rig.element.static_pad("src").unwrap();
            let says = told.clone();
            pad.add_probe(mask, move |_, probe| {
                if says.swap(true, Ordering::SeqCst) {
                    return gst::PadProbeReturn::Ok;
                }
                probe.data = None;
                probe.flow_res = Err(gst::FlowError::Eos);
                gst::PadProbeReturn::Handled
            });
            let mut frames = moving(&info, 3).into_iter();
            rig.harness.push(frames.next().unwrap()).unwrap();
            if by_itself {
                // Who pushed it keeps the stream's lock until the answer is written down.
                eventually("the frame has left", || told.load(Ordering::SeqCst));
            } else {
                settle(&mut rig);
            }
            assert_eq!(rig.harness.push(frames.next().unwrap()), Err(gst::FlowError::Eos));
            rig.harness.push(frames.next().unwrap()).unwrap();
            rig.harness.push_event(gst::event::Eos::new());
            assert_eq!(rig.harness.buffers_received(), 1);
        }
    });
}

#[test]
fn latency_is_the_frames_held_back() {
    let info = info(VideoFormat::I420, 320, 240);
    for depth in [0u32, 1, 4] {
        let mut rig = swapping(&info, depth, |_| {});
        rig.harness.set_upstream_latency(gst::ClockTime::from_mseconds(7));
        settle(&mut rig);
        assert_eq!(
            rig.harness.query_latency(),
            Some(gst::ClockTime::from_mseconds(7 + 40 * u64::from(depth)))
        );
        let told =
            |rig: &Rig| rig.messages().iter().filter(|m| m.type_() == gst::MessageType::Latency).count();
        assert_eq!(told(&rig), usize::from(depth > 0));
        let faster = builder(VideoFormat::I420, 320, 240).fps(gst::Fraction::new(50, 1)).build().unwrap();
        rig.harness.set_src_caps(faster.to_caps().unwrap());
        settle(&mut rig);
        assert_eq!(
            rig.harness.query_latency(),
            Some(gst::ClockTime::from_mseconds(7 + 20 * u64::from(depth)))
        );
        assert_eq!(told(&rig), usize::from(depth > 0));
    }
}

/// A gap is serialized, so that the caps before it have been taken.
fn settle(rig: &mut Rig) {
    assert!(rig.harness.push_event(gst::event::Gap::new(gst::ClockTime::ZERO, gst::ClockTime::ZERO)));
}

#[test]
fn upstream_is_asked_for_the_buffers_held_as_well() {
    let info = info(VideoFormat::I420, 320, 240);
    for depth in [0u32, 5] {
        let mut rig = swapping(&info, depth, |_| {});
        let size = info.size() as u32;
        let mask = gst::PadProbeType::QUERY_DOWNSTREAM | gst::PadProbeType::PUSH;
        rig.element.static_pad("src").unwrap().add_probe(mask, move |_, probe| {
            match probe.query_mut().map(|query| query.view_mut()) {
                Some(gst::QueryViewMut::Allocation(query)) => {
                    query.add_allocation_pool(None::<&gst::BufferPool>, size, 2, 0);
                    query.add_allocation_pool(None::<&gst::BufferPool>, size, 2, 4);
                    gst::PadProbeReturn::Handled
                }
                _ => gst::PadProbeReturn::Ok,
            }
        });
        settle(&mut rig);
        let mut query = gst::query::Allocation::new(Some(&info.to_caps().unwrap()), true);
        assert!(rig.element.static_pad("sink").unwrap().query(&mut query));
        let pools: Vec<_> = query.allocation_pools().map(|(_, size, min, max)| (size, min, max)).collect();
        assert_eq!(pools, [(size, 2 + depth, 0), (size, 2 + depth, 4 + depth)]);
    }
}

#[test]
fn events_do_not_overtake_frames() {
    watched(|| {
        let info = info(VideoFormat::I420, 320, 240);
        let mut rig = swapping(&info, 3, |e| e.set_property_from_str("mark", "none"));
        let log = record(&rig);
        let frames = moving(&info, 6);
        let custom = || gst::event::CustomDownstream::new(gst::Structure::new_empty("mine"));
        for (i, frame) in frames.into_iter().enumerate() {
            rig.harness.push(frame).unwrap();
            if i % 2 == 1 {
                rig.harness.push_event(custom());
            }
        }
        rig.harness.push_event(gst::event::Gap::new(gst::ClockTime::from_mseconds(240), None));
        rig.harness.push_event(gst::event::Eos::new());
        let custom = custom().type_().name().to_string();
        let wanted = ["0", "40", &custom, "80", "120", &custom, "160", "200", &custom, "gap", "eos"];
        let log = log.lock().unwrap();
        let from = log.iter().position(|entry| entry == "0").unwrap();
        assert_eq!(log[from..], wanted);
    });
}

#[test]
fn tags_of_the_stream_stay_where_they_were() {
    watched(|| {
        let info = info(VideoFormat::I420, 320, 240);
        let mut rig = swapping(&info, 3, |_| {});
        let log = record(&rig);
        for frame in moving(&info, 5) {
            rig.harness.push(frame).unwrap();
        }
        rig.harness.push_event(gst::event::Eos::new());
        let log = log.lock().unwrap();
        let from = log.iter().position(|entry| entry == "tag").expect("the mark");
        assert_eq!(log[from..], ["tag", "0", "40", "80", "120", "160", "eos"]);
    });
}

#[test]
fn a_flush_discards_what_is_in_flight_and_nothing_of_it_comes_later() {
    watched(|| {
        let info = info(VideoFormat::I420, 320, 240);
        let mut rig = swapping(&info, 4, |_| {});
        let log = record(&rig);
        let original = moving(&info, 1).remove(0);
        let mut index = 0;
        for round in 0..100 {
            for _ in 0..round % 6 {
                let mut frame = original.copy_deep().unwrap();
                frame.make_mut().set_pts(gst::ClockTime::from_mseconds(40 * index));
                index += 1;
                rig.harness.push(frame).unwrap();
            }
            let from = 40 * index;
            rig.harness.push_event(gst::event::FlushStart::new());
            rig.harness.push_event(gst::event::FlushStop::new(true));
            rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
            log.lock().unwrap().push(format!("from {from}"));
        }
        let last = stamped(&original, 100_000);
        rig.harness.push(last).unwrap();
        rig.harness.push_event(gst::event::Eos::new());
        let (mut least, mut frames) = (0u64, 0);
        for entry in log.lock().unwrap().iter() {
            if let Some(from) = entry.strip_prefix("from ") {
                least = from.parse().unwrap();
            } else if let Ok(time) = entry.parse::<u64>() {
                assert!(time >= least, "{time} after a flush at {least}");
                least = time + 40;
                frames += 1;
            }
        }
        assert!(frames > 30 && least == 4_000_040, "{frames} frames until {least}");
    });
}

#[test]
fn caps_change_with_frames_in_flight() {
    watched(|| {
        let sizes = [(320, 240), (400, 300), (322, 242)];
        let infos = sizes.map(|(w, h)| info(VideoFormat::Nv12, w, h));
        let mut rig = swapping(&infos[0], 3, |_| {});
        let frames = infos.each_ref().map(|info| moving(info, 1).remove(0));
        for i in 0..60 {
            let which = i as usize / 10 % 3;
            if i % 10 == 0 {
                rig.harness.set_src_caps(infos[which].to_caps().unwrap());
            }
            rig.harness.push(stamped(&frames[which], i)).unwrap();
        }
        rig.harness.push_event(gst::event::Eos::new());
        let out = all(&mut rig);
        let seen: Vec<_> = out.iter().map(|b| (b.pts().unwrap().mseconds(), b.size())).collect();
        let wanted: Vec<_> = (0..60).map(|i| (40 * i, infos[i as usize / 10 % 3].size())).collect();
        assert_eq!(seen, wanted);
    });
}

#[test]
fn late_frames_are_dropped_only_with_qos_and_the_others_come_out() {
    watched(|| {
        let info = info(VideoFormat::I420, 320, 240);
        for qos in [false, true] {
            let mut rig = swapping(&info, 3, |e| e.set_property("qos", qos));
            let frames = moving(&info, 12);
            for (i, frame) in frames.into_iter().enumerate() {
                if i == 6 {
                    let (now, late) = (gst::ClockTime::from_mseconds(240), 100_000_000);
                    rig.harness.push_upstream_event(gst::event::Qos::new(
                        gst::QOSType::Underflow,
                        1.5,
                        late,
                        now,
                    ));
                }
                rig.harness.push(frame).unwrap();
            }
            rig.harness.push_event(gst::event::Eos::new());
            let out = all(&mut rig);
            let times: Vec<_> = out.iter().map(|b| b.pts().unwrap().mseconds() / 40).collect();
            let dropped = rig.element.property::<gst::Structure>("stats").get::<u64>("frames-dropped");
            if qos {
                assert_eq!(times, [0, 1, 2, 3, 4, 5, 9, 10, 11]);
                assert_eq!(dropped, Ok(3));
                let marked: Vec<bool> =
                    out.iter().map(|b| b.flags().contains(gst::BufferFlags::DISCONT)).collect();
                assert!(marked[6] && !marked[5], "the frame after the dropped ones is discontinuous");
            } else {
                assert_eq!(times, (0..12).collect::<Vec<_>>());
                assert_eq!(dropped, Ok(0));
            }
        }
    });
}

#[test]
fn frames_pass_in_order_when_the_source_comes_and_goes() {
    watched(|| {
        let info = info(VideoFormat::Uyvy, 320, 240);
        let mut rig = swapping(&info, 3, |_| {});
        for (i, frame) in moving(&info, 60).into_iter().enumerate() {
            match i % 6 {
                1 => rig.element.set_property("source", None::<&str>),
                4 => rig.element.set_property("source", if i % 12 == 4 { hopper() } else { astronaut() }),
                _ => {}
            }
            rig.harness.push(frame).unwrap();
        }
        rig.harness.push_event(gst::event::Eos::new());
        let times: Vec<_> = all(&mut rig).iter().map(|b| b.pts().unwrap().mseconds() / 40).collect();
        assert_eq!(times, (0..60).collect::<Vec<_>>());
    });
}

#[test]
fn the_source_changes_every_frame() {
    watched(|| {
        let info = info(VideoFormat::Uyvy, 320, 240);
        let mut rig = swapping(&info, 2, |_| {});
        for (i, frame) in moving(&info, 40).into_iter().enumerate() {
            rig.element.set_property("source", if i % 2 == 0 { hopper() } else { astronaut() });
            rig.harness.push(frame).unwrap();
        }
        rig.harness.push_event(gst::event::Eos::new());
        assert_eq!(all(&mut rig).len(), 40);
    });
}

/// A pipeline that swaps a still picture of a face, until it is stopped.
fn pipeline(rest: &str) -> gst::Pipeline {
    init();
    let line = format!(
        "filesrc location={} ! pngdec ! imagefreeze ! videoconvert ! videoscale ! \
         video/x-raw,format=I420,width=256,height=256,framerate=50/1 ! \
         faceswap name=swap source={} model-dir={} {rest}",
        astronaut(),
        hopper(),
        models().display()
    );
    gst::parse::launch(&line).unwrap().downcast().unwrap()
}

#[test]
fn states_cycle_with_frames_in_flight() {
    watched(|| {
        let pipeline = pipeline("max-in-flight=3 ! fakesink name=sink sync=false");
        let paused = gst::State::Paused;
        for i in 0..100 {
            let end = [gst::State::Ready, gst::State::Null, paused, gst::State::Ready][i % 4];
            pipeline.set_state(gst::State::Playing).unwrap();
            if i % 10 == 0 {
                pipeline.state(gst::ClockTime::from_seconds(10)).0.unwrap();
            }
            pipeline.set_state(end).unwrap();
        }
        pipeline.set_state(gst::State::Playing).unwrap();
        let swap = pipeline.by_name("swap").unwrap();
        eventually("frames are swapped", || {
            swap.property::<gst::Structure>("stats").get::<u64>("frames-swapped").unwrap() > 10
        });
        pipeline.set_state(gst::State::Null).unwrap();
        let errors = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
        assert!(errors.is_none(), "{errors:?}");
    });
}

#[test]
fn a_hundred_seeks_while_playing() {
    watched(|| {
        let pipeline = pipeline("max-in-flight=3 ! fakesink name=sink sync=true");
        pipeline.set_state(gst::State::Playing).unwrap();
        pipeline.state(gst::ClockTime::from_seconds(10)).0.unwrap();
        let swap = pipeline.by_name("swap").unwrap();
        let swapped = || swap.property::<gst::Structure>("stats").get::<u64>("frames-swapped").unwrap();
        for i in 0..100 {
            pipeline.seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::from_mseconds(200 * i)).unwrap();
            std::thread::sleep(Duration::from_millis(i % 8 * 5));
        }
        let before = swapped();
        eventually("frames are swapped after the last seek", || swapped() > before + 5);
        pipeline.set_state(gst::State::Null).unwrap();
        let errors = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
        assert!(errors.is_none(), "{errors:?}");
    });
}

#[test]
fn a_stalled_sink_does_not_keep_the_element_from_stopping() {
    watched(|| {
        let pipeline = pipeline("max-in-flight=3 ! fakesink name=sink sync=false");
        let sink = pipeline.by_name("sink").unwrap().static_pad("sink").unwrap();
        let stalled = sink
            .add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BLOCK, |_, _| gst::PadProbeReturn::Ok);
        pipeline.set_state(gst::State::Playing).unwrap();
        let swap = pipeline.by_name("swap").unwrap();
        eventually("a frame is swapped", || {
            swap.property::<gst::Structure>("stats").get::<u64>("frames-swapped").unwrap() > 0
        });
        // Queries and statistics answer while the frames wait.
        assert!(swap.query(&mut gst::query::Latency::new()));
        pipeline.set_state(gst::State::Null).unwrap();
        sink.remove_probe(stalled.unwrap());
    });
}

#[test]
fn two_elements_in_a_row() {
    watched(|| {
        let second = format!("faceswap source={} model-dir={} max-in-flight=2", hopper(), models().display());
        let pipeline =
            pipeline(&format!("max-in-flight=3 ! {second} ! identity eos-after=30 ! fakesink sync=false"));
        pipeline.set_state(gst::State::Playing).unwrap();
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let message = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(250), &kinds);
        assert_eq!(message.map(|m| m.type_()), Some(gst::MessageType::Eos));
        pipeline.set_state(gst::State::Null).unwrap();
    });
}
