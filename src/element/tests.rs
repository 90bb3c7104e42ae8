//! What only a hook inside the element can bring about.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gst::{prelude::*, subclass::prelude::*};

use super::FaceSwap;
use crate::{
    control::{
        monitor::Monitor,
        platform::{Heat, Machine, Platform, Thermal},
    },
    sync::lock,
};

static PANIC: AtomicBool = AtomicBool::new(false);

/// Called by a worker for each frame.
pub(super) fn inject_panic() {
    assert!(!PANIC.swap(false, Ordering::Relaxed), "injected");
}

fn element(depth: u32) -> (gst::Element, gst::Bus) {
    gst::init().unwrap();
    crate::plugin_register_static().unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let element = gst::ElementFactory::make("faceswap")
        .property("source", models.join("demo/grace_hopper.jpg").to_str())
        .property("model-dir", models.to_str())
        .property("max-in-flight", depth)
        .property("deterministic", super::Deterministic::False)
        .build()
        .unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    (element, bus)
}

fn frame(index: u64) -> gst::Buffer {
    let mut frame = gst::Buffer::from_mut_slice(vec![128u8; 64 * 48 * 3 / 2]);
    frame.get_mut().unwrap().set_pts(40 * index * gst::ClockTime::MSECOND);
    frame
}

const CAPS: &str = "video/x-raw,format=I420,width=64,height=48,framerate=1/1";

#[test]
fn a_panic_of_a_worker_is_an_error_and_the_element_starts_again() {
    let (element, bus) = element(3);
    for injected in [true, false] {
        let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps_str(CAPS);
        PANIC.store(injected, Ordering::Relaxed);
        let pushed: Vec<_> = (0..8).map(|index| harness.push(frame(index))).collect();
        let error = bus.pop_filtered(&[gst::MessageType::Error]);
        if injected {
            let text = match error.as_ref().map(|m| m.view()) {
                Some(gst::MessageView::Error(error)) => error.error().to_string(),
                other => panic!("no error: {other:?}"),
            };
            assert!(text.contains("injected"), "{text}");
            assert_eq!(pushed[..2], [Ok(gst::FlowSuccess::Ok); 2]);
            assert!(pushed[2..].iter().all(|p| *p == Err(gst::FlowError::Error)), "{pushed:?}");
        } else {
            assert!(error.is_none(), "{error:?}");
            harness.push_event(gst::event::Eos::new());
            assert_eq!(harness.buffers_received(), 8);
        }
        element.set_state(gst::State::Null).unwrap();
        while bus.pop().is_some() {}
    }

    // Told as well where no other frame comes.
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_src_caps_str("video/x-raw,format=I420,width=64,height=48,framerate=50/1");
    PANIC.store(true, Ordering::Relaxed);
    harness.push(frame(0)).unwrap();
    let error = bus.timed_pop_filtered(10 * gst::ClockTime::SECOND, &[gst::MessageType::Error]);
    assert!(error.is_some(), "no error");
    element.set_state(gst::State::Null).unwrap();
}

/// A machine that is as hot as it is told to be.
#[derive(Debug, Clone, Default)]
struct Oven(Arc<AtomicUsize>);

const HEATS: [Heat; 3] = [Heat::Nominal, Heat::Serious, Heat::Critical];

impl Platform for Oven {
    fn thermal(&mut self) -> Thermal {
        Thermal { heat: HEATS[self.0.load(Ordering::Relaxed)], celsius: Some(91.5) }
    }

    fn watch(&mut self, _changed: Box<dyn Fn() + Send + Sync>) {}

    fn machine(&self) -> Machine {
        Machine::default()
    }
}

#[test]
fn heat_is_told_and_lowers_the_level() {
    let (element, bus) = element(0);
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_src_caps_str(CAPS);
    let oven = Oven::default();
    let monitor = Monitor::new(Box::new(oven.clone()), Duration::from_millis(1)).unwrap();
    *lock(&element.downcast_ref::<FaceSwap>().unwrap().imp().monitor) = Some(Arc::new(monitor));
    let mut index = 0;
    let mut told = |heat: usize| {
        oven.0.store(heat, Ordering::Relaxed);
        let (mut thermal, mut quality) = (None, None);
        for _ in 0..1000 {
            harness.push_and_pull(frame(index)).unwrap();
            index += 1;
            std::thread::sleep(Duration::from_millis(1));
            for message in std::iter::from_fn(|| bus.pop()) {
                let Some(structure) = message.structure().map(|s| s.to_owned()) else { continue };
                match structure.name().as_str() {
                    "faceswap-thermal" => thermal = Some(structure),
                    "faceswap-quality" => quality = Some(structure),
                    _ => {}
                }
            }
            if let (Some(thermal), Some(quality)) = (&thermal, &quality) {
                return (thermal.clone(), quality.clone());
            }
        }
        panic!("not told of {:?}: {thermal:?} {quality:?}", HEATS[heat]);
    };
    let text = |s: &gst::Structure, name: &str| s.get::<String>(name).unwrap();
    let (thermal, quality) = told(1);
    assert_eq!((text(&thermal, "state"), text(&thermal, "previous")), ("serious".into(), "nominal".into()));
    assert_eq!(thermal.get::<f64>("temperature-c"), Ok(91.5));
    assert_eq!(text(&thermal, "action"), "level 4 at least");
    assert_eq!((text(&quality, "to"), text(&quality, "reason")), ("balanced-4".into(), "thermal".into()));
    let (thermal, quality) = told(2);
    assert_eq!((text(&thermal, "state"), text(&quality, "to")), ("critical".into(), "balanced-6".into()));
    element.set_state(gst::State::Null).unwrap();
}
