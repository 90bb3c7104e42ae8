//! The engine alone: milliseconds a frame by stage and heap allocations a frame, NV12; and what a source
//! photo takes to load.
//!
//! `cargo bench --bench engine`, with `-- source` the photo alone.

mod common;

use std::time::{Duration, Instant};

use gstfaceswap::{
    engine::{Colorimetry, Engine, Frame, Matrix, Params, PixelFormat, Range, SourceLoader},
    models::{Pack, Search},
};

#[global_allocator]
static ALLOCATOR: common::Counting = common::Counting;

const FRAMES: usize = 500;
const ROUNDS: usize = 5;

fn main() {
    let pack = Pack::find(&Search::default()).expect("the default pack");
    let mut loader = SourceLoader::new(&pack).expect("the source loader");
    let (source, _) = loader.load(&[common::photo("grace_hopper.jpg")]).expect("the source photo");
    let params = Params { label: false, ..Params::default() };
    let colorimetry = Colorimetry { matrix: Matrix::Bt709, range: Range::Limited };
    if std::env::args().any(|arg| arg == "source") {
        return sources(&mut loader);
    }
    println!(
        "| frame | face px | frames/s | ms/frame | detect | landmarks | light | draw | allocations/frame | p95 ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (width, height, face) in [(1920, 1080, 400.0), (1920, 1080, 900.0), (960, 540, 200.0)] {
        let originals: Vec<Vec<u8>> =
            common::pictures(width, height, face, 24).iter().map(common::nv12).collect();
        let mut buffers = originals.clone();
        let (w, h) = (width as usize, height as usize);
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let mut engine = Engine::new(&pack, 0).expect("the engine");
            let (mut spent, mut stages, mut before) = (Duration::ZERO, [Duration::ZERO; 4], (0, 0));
            let mut each = Vec::with_capacity(FRAMES);
            let warm = 50;
            for i in 0..FRAMES + warm {
                let at = i % originals.len();
                buffers[at].copy_from_slice(&originals[at]);
                if i == warm {
                    before = common::allocated();
                    spent = Duration::ZERO;
                    stages = [Duration::ZERO; 4];
                }
                let (luma, chroma) = buffers[at].split_at_mut(w * h);
                let planes = [luma, chroma, &mut [][..]];
                let frame = Frame::new(PixelFormat::Nv12, w, h, planes, [w, w, 0], colorimetry);
                let mut frame = frame.expect("a frame that fits");
                let time = Duration::from_secs_f64(i as f64 / 60.0);
                let started = Instant::now();
                let report = engine.process(&mut frame, &source, &params, time).expect("a frame");
                let took = started.elapsed();
                spent += took;
                assert_eq!(report.swapped, 1, "frame {i}");
                let t = report.times;
                for (sum, t) in stages.iter_mut().zip([t.detect, t.landmarks, t.swap, t.blend]) {
                    *sum += t;
                }
                if i >= warm {
                    each.push(took);
                }
            }
            let allocations = (common::allocated().0 - before.0) as f64 / FRAMES as f64;
            each.sort_unstable();
            rounds.push((spent, stages, allocations, each[FRAMES * 95 / 100]));
        }
        rounds.sort_by_key(|r| r.0);
        let (spent, stages, allocations, p95) = &rounds[ROUNDS / 2];
        let ms = |d: Duration| d.as_secs_f64() * 1e3 / FRAMES as f64;
        let [detect, landmarks, light, draw] = stages.map(ms);
        println!(
            "| {width}×{height} | {face} | {:.0} | {:.2} | {detect:.2} | {landmarks:.2} | {light:.2} | {draw:.2} | {allocations:.2} | {:.2} |",
            FRAMES as f64 / spent.as_secs_f64(),
            ms(*spent),
            p95.as_secs_f64() * 1e3,
        );
    }
    // While it lives it would be shared.
    drop(source);
    sources(&mut loader);
}

fn sources(loader: &mut SourceLoader) {
    println!("\n| source photo | ms to load |");
    println!("|---|---|");
    for name in ["grace_hopper.jpg", "astronaut.png"] {
        let photo = [common::photo(name)];
        let mut load = |_| {
            let started = Instant::now();
            loader.load(&photo).expect("the source photo");
            started.elapsed().as_secs_f64() * 1e3
        };
        println!("| {name} | {:.0} |", common::median((0..ROUNDS).map(&mut load).collect()));
    }
}
