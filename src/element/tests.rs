//! What only a hook inside the element can bring about.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use gst::prelude::*;

static PANIC: AtomicBool = AtomicBool::new(false);

/// Called by a worker for each frame.
pub(super) fn inject_panic() {
    assert!(!PANIC.swap(false, Ordering::Relaxed), "injected");
}

#[test]
fn a_panic_of_a_worker_is_an_error_and_the_element_starts_again() {
    gst::init().unwrap();
    crate::plugin_register_static().unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let element = gst::ElementFactory::make("faceswap")
        .property("source", models.join("demo/grace_hopper.jpg").to_str())
        .property("model-dir", models.to_str())
        .property("max-in-flight", 3u32)
        .build()
        .unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    for injected in [true, false] {
        let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps_str("video/x-raw,format=I420,width=64,height=48,framerate=25/1");
        PANIC.store(injected, Ordering::Relaxed);
        let mut push = |index: u64| {
            let mut frame = gst::Buffer::from_mut_slice(vec![128u8; 64 * 48 * 3 / 2]);
            frame.get_mut().unwrap().set_pts(40 * index * gst::ClockTime::MSECOND);
            harness.push(frame)
        };
        let pushed: Vec<_> = (0..8).map(&mut push).collect();
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
}
