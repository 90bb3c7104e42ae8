//! A warm session allocates nothing in Rust: neither in our code nor in the binding's.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    time::Instant,
};

use gstfaceswap::models::{Pack, Search, Session};

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
    println!("{name} {shape:?}: {:.2} ms a run", start.elapsed().as_secs_f64() * 50.0);
    assert_eq!(COUNT.get() - before, 0, "{name}");
}

#[test]
fn warm_runs_allocate_nothing() {
    let pack = Pack::find(&Search::default()).unwrap();
    steady("detector", Session::load(&pack.detector, 1).unwrap(), &[1, 3, 192, 320]);
    steady("detector", Session::load(&pack.detector, 1).unwrap(), &[1, 3, 384, 640]);
    steady("landmarker", Session::load(&pack.landmarker, 1).unwrap(), &[1, 192, 192, 3]);
}
