//! A swap network on an NVIDIA card: ONNX Runtime alone, the network as the element runs it, and the
//! whole element by faces a frame, `batch-size` and `max-in-flight`, 1920×1080 NV12.
//!
//! `cargo run --release --example standin -- target/standin full`, the same with `target/standin-free
//! full --free`, then `cargo bench --bench gpu -- target/standin/inswapper_128.onnx
//! target/standin-free/inswapper_128.onnx`. The second file is what ONNX Runtime alone is measured
//! with, since it opens no batch. `cpu` behind the two tries the bench without a card, `nhwc` has ONNX
//! Runtime alone lay its tensors out so, `alone` measures no element, `one` only frames of one face, one a run.

mod common;

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use common::{Alone, Bed, median, ms};
use gstfaceswap::models::{Options, Provider, Role, Search, Session};

#[global_allocator]
static ALLOCATOR: common::Counting = common::Counting;

const ROUNDS: usize = 5;

/// What is measured: on the card, or a little of it without one.
struct Plan {
    provider: &'static str,
    batches: &'static [u32],
    faces: &'static [usize],
    depths: &'static [u32],
    /// Time of a round.
    round: Duration,
}

const CARD: Plan = Plan {
    provider: "cuda",
    batches: &[1, 4, 8, 16],
    faces: &[1, 4, 8],
    depths: &[0, 3, 16],
    round: Duration::from_millis(400),
};

const TRIAL: Plan =
    Plan { provider: "cpu", batches: &[1], faces: &[1, 2], depths: &[0, 3], round: Duration::ZERO };

/// Median time of a round's run; as many runs a round as fit.
fn time(plan: &Plan, mut run: impl FnMut()) -> f64 {
    (0..3).for_each(|_| run());
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let (started, mut runs) = (Instant::now(), 0);
        while runs == 0 || started.elapsed() < plan.round {
            run();
            runs += 1;
        }
        rounds.push(ms(started.elapsed()) / f64::from(runs));
    }
    median(rounds)
}

/// ONNX Runtime alone on a file with a free batch, from memory to memory; milliseconds a run by
/// batch.
fn plain(plan: &Plan, mut alone: Alone) -> Vec<f64> {
    let measure = |&batch: &u32| {
        alone.batch(batch as usize);
        time(plan, || alone.run())
    };
    plan.batches.iter().map(measure).collect()
}

/// The network as the element runs it, its batch opened; milliseconds a run by batch.
fn own(plan: &Plan, session: &mut Session) -> Vec<f64> {
    let measure = |&batch: &u32| {
        if batch > 1 && !session.batches() {
            return f64::NAN;
        }
        for input in 0..2 {
            let mut shape = session.input_shape(input).to_vec();
            shape[0] = i64::from(batch);
            session.input(input, &shape).expect("an input").fill(0.1);
        }
        time(plan, || session.run().expect("a run"))
    };
    plan.batches.iter().map(measure).collect()
}

/// An element that swaps every face by the network.
fn stream(plan: &Plan, file: &str, (faces, batch, depth): (usize, u32, u32)) -> Bed {
    let element = common::element(&[
        ("model-file", file),
        ("engine", "neural"),
        ("execution-provider", plan.provider),
        ("batch-size", &batch.to_string()),
        ("max-in-flight", &depth.to_string()),
        // Frames wait for the network.
        ("deterministic", "true"),
        ("select", "all"),
    ]);
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Nv12, 1920, 1080)
        .fps(gst::Fraction::new(25, 1))
        .colorimetry(&gst_video::VideoColorimetry::from_str("bt709").expect("a name that GStreamer knows"));
    let face = if faces > 1 { 240.0 } else { 400.0 };
    let frame = common::nv12(&common::crowd(1920, 1080, face, faces));
    Bed::new(element, &info.build().expect("a size that GStreamer knows"), vec![frame])
}

/// Milliseconds a frame of the whole element, the median of some rounds, and its statistics.
fn element(plan: &Plan, file: &str, config: (usize, u32, u32)) -> (f64, gst::Structure) {
    let mut bed = stream(plan, file, config);
    // The first frames wait for the network. What fills all that is in flight says how many go into a
    // round.
    let filling = config.1 + config.2 + 8;
    bed.flow(filling, false);
    let each = ms(bed.flow(2 * filling, false).spent) / f64::from(2 * filling);
    let frames = ((ms(plan.round) / each.max(0.5)).ceil() as u32).clamp(4, 200).next_multiple_of(config.1);
    bed.flow(frames, false);
    let rounds = (0..ROUNDS).map(|round| ms(bed.flow(frames, round + 1 == ROUNDS).spent) / f64::from(frames));
    let time = median(rounds.collect());
    bed.check();
    (time, bed.stats())
}

fn main() {
    gst::init().expect("GStreamer");
    gstfaceswap::plugin_register_static().expect("the plugin");
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let [file, free, rest @ ..] = &args[..] else { return println!("see the head of this bench") };
    let asked = |word: &str| rest.iter().any(|arg| arg == word);
    let mut plan = if asked("cpu") { TRIAL } else { CARD };
    if asked("one") {
        (plan.batches, plan.faces) = (&[1], &[1]);
    }
    gstfaceswap::models::set_log_sink(|_, text| eprintln!("{text}"));

    let model = Search::default().at(Role::Swapper, file.as_ref()).expect("the model");
    let provider = if plan.provider == "cuda" { Provider::Cuda } else { Provider::Cpu };
    let threads = gstfaceswap::control::performance_cores();
    let options = Options { provider, threads, ..Options::default() };
    let started = Instant::now();
    let mut session = Session::batched(&model, &options).expect("the session");
    println!(
        "{file}: loaded in {:.1} s, takes batches: {}",
        started.elapsed().as_secs_f64(),
        session.batches()
    );
    println!("| batch | ONNX Runtime alone, ms a face | as the element runs it, ms a face |\n|---|---|---|");
    let alone = Alone::load(free.as_ref(), provider, threads, asked("nhwc"));
    let (alone, own) = (plain(&plan, alone), own(&plan, &mut session));
    let each = |times: &[f64], i: usize| times[i] / f64::from(plan.batches[i]);
    for (i, batch) in plan.batches.iter().enumerate() {
        println!("| {batch} | {:.2} | {:.2} |", each(&alone, i), each(&own, i));
    }
    if asked("alone") {
        return;
    }
    println!(
        "| faces | batch | in flight | frames/s | ms a face | over ONNX Runtime alone | fill | detect | landmarks | swap | network | blend |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for &faces in plan.faces {
        for (i, &batch) in plan.batches.iter().enumerate() {
            for &depth in plan.depths {
                let (time, stats) = element(&plan, file, (faces, batch, depth));
                let stat = |name: &str| stats.get::<f64>(name).unwrap_or(f64::NAN);
                let face = time / faces as f64;
                println!(
                    "| {faces} | {batch} | {depth} | {:.1} | {face:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
                    1000.0 / time,
                    face / each(&alone, i),
                    stat("batch-fill"),
                    stat("detect-ms"),
                    stat("landmarks-ms"),
                    stat("swap-ms"),
                    stat("network-ms"),
                    stat("blend-ms"),
                );
            }
        }
    }
}
