//! A warm session allocates nothing in Rust: neither in our code nor in the binding's.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    path::Path,
    time::Instant,
};

use gstfaceswap::{
    engine::detect::{Canvas, Detector},
    models::{Pack, Role, Search, Session},
};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: passes every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn steady(name: &str, mut session: Session, shape: &[i64]) {
    let mut once = || {
        session.input(0, shape).unwrap().fill(0.25);
        session.run().unwrap();
        session.output(0).1.iter().sum::<f32>()
    };
    let first = once();
    once();
    let before = COUNT.get();
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(once(), first);
    }
    let (elapsed, allocations) = (start.elapsed(), COUNT.get() - before);
    println!("{name} {shape:?}: {:.2} ms and {allocations} allocations a run", elapsed.as_secs_f64() * 50.0);
    assert_eq!(allocations, 0, "{name}");
}

fn portrait(long_side: usize) -> Canvas {
    let photo = Pack::find(&Search::default()).unwrap().detector.path.with_file_name("demo/astronaut.png");
    let photo = image::open(&photo).unwrap().to_rgb8();
    let mut canvas = Canvas::layout(photo.width() as usize, photo.height() as usize, long_side);
    let area = canvas.width * canvas.height;
    for (i, value) in canvas.rgb.iter_mut().enumerate() {
        let (x, y) = (i % area % canvas.width, i % area / canvas.width);
        let (x, y) = ((x as f32 * canvas.scale) as u32, (y as f32 * canvas.scale) as u32);
        *value = photo.get_pixel(x.min(511), y.min(511))[i / area].into();
    }
    canvas
}

fn steady_detector(name: &str, mut detector: Detector, threshold: f32) {
    let (portrait, black) = (portrait(320), Canvas::layout(320, 320, 320));
    let mut found = Vec::with_capacity(512);
    detector.detect(&portrait, threshold, &mut found).unwrap();
    assert!(!found.is_empty(), "{name}");
    detector.detect(&black, 0.99, &mut found).unwrap();
    let before = COUNT.get();
    for canvas in [&portrait, &portrait, &black, &portrait, &black] {
        detector.detect(canvas, threshold, &mut found).unwrap();
    }
    assert_eq!(COUNT.get() - before, 0, "{name}");
}

#[test]
fn warm_detections_allocate_nothing() {
    let pack = Pack::find(&Search::default()).unwrap();
    steady_detector("centerface", Detector::load(&pack.detector, 1).unwrap(), 0.5);
    steady_detector("centerface, all candidates", Detector::load(&pack.detector, 1).unwrap(), 0.0);
    let brought = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/models");
    if !brought.is_dir() {
        println!("not run: ../shared absent (detectors that users bring)");
        return;
    }
    for file in ["scrfd_500m_kps.onnx", "yunet_n_dynamic.onnx"] {
        let model = Search::default().at(Role::Detector, &brought.join(file)).unwrap();
        steady_detector(file, Detector::load(&model, 1).unwrap(), 0.5);
    }
}

#[test]
fn warm_runs_allocate_nothing() {
    let pack = Pack::find(&Search::default()).unwrap();
    steady("detector", Session::load(&pack.detector, 1).unwrap(), &[1, 3, 192, 320]);
    steady("detector", Session::load(&pack.detector, 1).unwrap(), &[1, 3, 384, 640]);
    steady("landmarker", Session::load(&pack.landmarker, 1).unwrap(), &[1, 192, 192, 3]);
}
