//! The neural engine on inswapper_128 at its full size, with random weights: memory, and the
//! element's time outside networks' runs.
//!
//! `cargo run --release --example standin -- target/standin full` writes the network (554 MB), then
//! `cargo bench --bench neural`; `-- FILE PROVIDER BATCH FACES` for others, behind these `memory` for
//! memory alone, or `switch` for frames at which `source` becomes a photo that was shown before.

mod common;

use std::{
    path::PathBuf,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{Alone, Bed, Memory, median, ms};
use gst::prelude::*;
use gstfaceswap::models::{Options, Provider, Role, Search, Session, small::Small};

#[global_allocator]
static ALLOCATOR: common::Counting = common::Counting;

const ROUNDS: usize = 5;

/// A stream through an element of its own; without `file` by the mesh engine. `waits`: for networks and
/// photos.
fn stream(file: Option<&str>, provider: &str, batch: u32, frames: &Arc<[Vec<u8>]>, waits: bool) -> Bed {
    let element = common::element(&[
        ("model-file", file.unwrap_or_default()),
        ("engine", if file.is_some() { "neural" } else { "mesh" }),
        ("execution-provider", provider),
        ("batch-size", &batch.to_string()),
        ("deterministic", if waits { "true" } else { "false" }),
        ("auto-quality", "false"),
        ("select", "all"),
    ]);
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Nv12, 1920, 1080)
        .fps(gst::Fraction::new(25, 1))
        .colorimetry(&gst_video::VideoColorimetry::from_str("bt709").expect("a name that GStreamer knows"));
    Bed::new(element, &info.build().expect("a size that GStreamer knows"), frames.clone())
}

/// Pushes frames; the time for each.
fn push(bed: &mut Bed, frames: u32) -> Duration {
    (0..frames).map(|_| bed.frame()).sum::<Duration>() / frames
}

/// Prints resident memory and its highest so far, in MB (10⁶ bytes).
fn memory(after: &str) {
    let Memory { resident, peak } = common::memory();
    println!("| {after} | {} | {} |", resident / 1_000_000, peak / 1_000_000);
}

/// The network alone, on inputs of its own, `batch` images at once.
fn plain(session: &mut Session, batch: usize, runs: u32) -> Duration {
    for input in 0..2 {
        let mut shape = session.input_shape(input).to_vec();
        shape[0] = batch as i64;
        session.input(input, &shape).expect("an input").fill(0.1);
    }
    session.run().expect("a run");
    let started = Instant::now();
    for _ in 0..runs {
        session.run().expect("a run");
    }
    started.elapsed() / runs
}

/// Prints what frames take while `source` changes between two photos whose embeddings are known.
fn switch(bed: &mut Bed) {
    let photos = ["astronaut.png", "grace_hopper.jpg"].map(|name| common::photo(name).display().to_string());
    let known = |bed: &Bed| bed.stats().get::<u64>("cache-hits").unwrap_or(0);
    let change = |bed: &mut Bed, to: usize| {
        let before = known(bed) + bed.stats().get::<u64>("cache-misses").unwrap_or(0);
        bed.element.set_property("source", &photos[to]);
        let mut times = Vec::new();
        // Frames until it was looked up, and some with it.
        while known(bed) + bed.stats().get::<u64>("cache-misses").unwrap_or(0) == before {
            times.push(ms(bed.frame()));
        }
        times.extend((0..3).map(|_| ms(bed.frame())));
        times
    };
    while bed.stats().get::<&str>("engine") != Ok("neural") {
        bed.frame();
    }
    (0..2).for_each(|to| drop(change(bed, to)));
    let hits = known(bed);
    let quiet: Vec<f64> = (0..12).map(|_| ms(bed.frame())).collect();
    let times: Vec<f64> = (0..6).flat_map(|i| change(bed, i % 2)).collect();
    assert_eq!(known(bed), hits + 6, "every photo is known");
    let usual = median([&quiet[..], &times].concat());
    let worst = times.iter().copied().fold(0.0, f64::max);
    println!("| frames | median ms | longest ms while source changes | over the median | longest ms else |");
    println!("|---|---|---|---|---|");
    let other = quiet.iter().copied().fold(0.0, f64::max);
    println!("| {} | {usual:.1} | {worst:.1} | {:.2} | {other:.1} |", times.len(), worst / usual);
}

fn main() {
    gst::init().expect("GStreamer");
    gstfaceswap::plugin_register_static().expect("the plugin");
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let arg = |i: usize, default: &str| args.get(i).cloned().unwrap_or_else(|| default.into());
    let file = arg(0, "target/standin/inswapper_128.onnx");
    let (provider, name) = match arg(1, "cpu").as_str() {
        "cuda" => (Provider::Cuda, "cuda"),
        _ => (Provider::Cpu, "cpu"),
    };
    let batch: u32 = arg(2, "1").parse().expect("a batch size");
    let faces: usize = arg(3, "1").parse().expect("a number of faces");
    assert!(PathBuf::from(&file).is_file(), "{file} is not there; see the head of this bench");

    let size = if faces > 1 { 240.0 } else { 400.0 };
    let frames: Arc<[Vec<u8>]> = [common::nv12(&common::crowd(1920, 1080, size, faces))].into();
    if arg(4, "") == "switch" {
        return switch(&mut stream(Some(&file), name, batch, &frames, false));
    }
    println!("| memory, MB, after | resident | highest |\n|---|---|---|");
    memory("start");
    let element = |file| {
        let mut bed = stream(file, name, batch, &frames, true);
        push(&mut bed, 12);
        bed
    };
    let first = element(Some(&file));
    memory("an element with the network");
    let second = element(Some(&file));
    memory("a second");
    drop(second);
    if arg(4, "") == "memory" {
        drop(first);
        memory("both gone");
        let mesh = element(None);
        memory("an element with the mesh engine");
        let second = element(None);
        memory("a second");
        return drop((mesh, second));
    }

    // As in a live pipeline: the detector's runs are waited for nowhere.
    let mut timed = stream(Some(&file), name, batch, &frames, false);
    while timed.stats().get::<&str>("engine") != Ok("neural") {
        timed.frame();
    }
    drop(first);
    let model = Search::default().at(Role::Swapper, file.as_ref()).expect("the model");
    let threads = gstfaceswap::control::performance_cores();
    let options = Options { provider, threads, ..Options::default() };
    let mut session = Session::shared(&model, &options).expect("the session");
    let mut runtime = Alone::load(file.as_ref(), provider, threads, false);
    runtime.run();
    let together = if session.input_shape(0)[0] < 0 { faces.min(batch as usize) } else { 1 };
    let runs = (1000.0 / ms(plain(&mut session, together, 1)).max(1.0)).clamp(3.0, 100.0) as u32;
    let landmarks = Search::default().named(Role::Landmarker, "face_mesh.onnx").expect("the face mesh");
    let mut landmarks = Small::load(&landmarks).expect("a network of that kind");
    let (mut others, mut alone, mut meshes, mut whole) = (vec![], vec![], vec![], vec![]);
    push(&mut timed, 2);
    let allocated = common::allocated().0;
    push(&mut timed, 10);
    println!(
        "Allocations a frame, of which the bench makes some: {}",
        (common::allocated().0 - allocated) / 10
    );
    for _ in 0..ROUNDS {
        let network = ms(plain(&mut session, together, runs)) * faces.div_ceil(together) as f64;
        let each = |run: &mut dyn FnMut()| {
            let started = Instant::now();
            (0..runs).for_each(|_| run());
            ms(started.elapsed() / runs) * faces as f64
        };
        let other = each(&mut || runtime.run());
        let mesh = each(&mut || landmarks.run());
        let element = ms(push(&mut timed, runs));
        others.push(other);
        alone.push(network);
        meshes.push(mesh);
        whole.push(element);
    }
    let stats = timed.stats();
    println!(
        "| faces | ONNX Runtime alone, ms a frame | the network as the element runs it | the landmarks' network | \
         the element | outside both | of the element its network | ONNX Runtime alone over the element | engine | \
         provider | batch |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let rounds = |value: &dyn Fn(usize) -> f64| median((0..ROUNDS).map(value).collect());
    println!(
        "| {faces} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.3} | {:.3} | {} | {} | {} |",
        rounds(&|i| others[i]),
        rounds(&|i| alone[i]),
        rounds(&|i| meshes[i]),
        rounds(&|i| whole[i]),
        rounds(&|i| whole[i] - alone[i] - meshes[i]),
        rounds(&|i| alone[i] / whole[i]),
        rounds(&|i| others[i] / whole[i]),
        stats.get::<&str>("engine").unwrap_or("?"),
        stats.get::<&str>("execution-provider").unwrap_or("?"),
        stats.get::<u32>("batch").unwrap_or(0),
    );
    println!("| stage | ms |\n|---|---|");
    for stage in ["detect-ms", "landmarks-ms", "swap-ms", "network-ms", "blend-ms", "frame-time-mean-ms"] {
        println!("| {stage} | {:.2} |", stats.get::<f64>(stage).unwrap_or(f64::NAN));
    }
}
