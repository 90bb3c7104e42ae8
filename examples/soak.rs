//! Swaps a face in a live stream for a long time and checks that the element keeps its word: no
//! frame lost or out of order, frames as late as the latency it tells, memory that does not grow.
//!
//! `make soak`, or `cargo run --release --example soak -- --seconds 600 --depth 3`. Without a video
//! it shows the default pack's photo of an astronaut. With `--hog` something else takes all cores in
//! the middle third. The exit status says whether all held.

mod common;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use gst::prelude::*;

/// Frames of the video that are kept in memory and shown to and fro.
const KEPT: usize = 120;
/// Frames that the pipeline may hold; where it holds more, the next wait, as at a camera.
const SPARE: u32 = 40;
const PHOTO: &str = "filesrc location={} ! pngdec ! imagefreeze num-buffers=1";

/// Run the element live for a long time.
#[derive(Debug, Parser)]
struct Args {
    /// How long.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// Frames in flight.
    #[arg(long, default_value_t = 3)]
    depth: u32,
    #[arg(long, default_value_t = 60)]
    fps: u32,
    #[arg(long, default_value_t = 1920)]
    width: u32,
    #[arg(long, default_value_t = 1080)]
    height: u32,
    /// What to show.
    #[arg(long)]
    video: Option<PathBuf>,
    /// Take all cores in the middle third.
    #[arg(long)]
    hog: bool,
}

/// What a pad saw of each frame.
#[derive(Debug, Default)]
struct Seen {
    /// Wall clock minus timestamp, milliseconds.
    delays: Vec<f64>,
    last: Option<gst::ClockTime>,
    disordered: usize,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let models = common::start()?;
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Nv12, args.width, args.height)
        .fps(gst::Fraction::new(args.fps as i32, 1))
        .build()?;
    let pictures = pictures(&args, &models, &info)?;

    let pipeline = gst::Pipeline::new();
    let source = gst_app::AppSrc::builder()
        .caps(&info.to_caps()?)
        .format(gst::Format::Time)
        .is_live(true)
        .min_latency(0)
        .build();
    let swap = common::faceswap(&models, args.depth)?;
    let queue = gst::ElementFactory::make("queue").property("max-size-buffers", 64u32).build()?;
    let sink = gst::ElementFactory::make("fakesink").property("sync", true).property("qos", true).build()?;
    pipeline.add_many([source.upcast_ref(), &swap, &queue, &sink])?;
    gst::Element::link_many([source.upcast_ref(), &swap, &queue, &sink])?;
    let arrived = watch(&swap, "sink", &pipeline);
    let left = watch(&swap, "src", &pipeline);
    let shown = watch(&sink, "sink", &pipeline);

    pipeline.set_state(gst::State::Playing)?;
    let frames = args.seconds * u64::from(args.fps);
    let stop = Arc::new(AtomicBool::new(false));
    let feeder = thread::spawn({
        let (pipeline, info, stop) = (pipeline.clone(), info.clone(), stop.clone());
        move || feed(&pipeline, &source, &info, &pictures, frames, &stop)
    });
    let outcome = listen(&args, &pipeline, &swap, Instant::now());
    stop.store(true, Ordering::Relaxed);
    let fed = feeder.join().map_err(|_| anyhow::anyhow!("the feeder panicked"))??;
    let latency = swap.property::<gst::Structure>("stats").get::<f64>("latency-ms")?;
    pipeline.set_state(gst::State::Null)?;
    let rss = outcome?;
    judge(&args, fed, latency, &rss, [&arrived, &left, &shown])
}

/// The video's first frames, or the photo, as raw frames.
fn pictures(args: &Args, models: &std::path::Path, info: &gst_video::VideoInfo) -> Result<Vec<gst::Buffer>> {
    let head = match &args.video {
        Some(video) => format!("filesrc location={} ! decodebin ! videoconvert", video.display()),
        None => PHOTO.replace("{}", &models.join("demo/astronaut.png").to_string_lossy()),
    };
    let caps = info.to_caps()?;
    let line = format!("{head} ! videoconvertscale ! appsink name=end sync=false");
    let pipeline: gst::Pipeline = gst::parse::launch(&line)?.downcast().ok().context("no pipeline")?;
    let end =
        pipeline.by_name("end").and_then(|e| e.downcast::<gst_app::AppSink>().ok()).context("no end")?;
    end.set_caps(Some(&caps.iter().map(without_rate).collect()));
    pipeline.set_state(gst::State::Playing)?;
    let pulled = std::iter::from_fn(|| end.pull_sample().ok()?.buffer_owned());
    let frames: Vec<gst::Buffer> = pulled.take(KEPT).collect();
    pipeline.set_state(gst::State::Null)?;
    ensure!(!frames.is_empty(), "{line}: no frame");
    Ok(frames)
}

fn without_rate(structure: &gst::StructureRef) -> gst::Structure {
    let mut structure = structure.to_owned();
    structure.remove_field("framerate");
    structure
}

/// Pushes each frame when its time has come; how many.
fn feed(
    pipeline: &gst::Pipeline,
    source: &gst_app::AppSrc,
    info: &gst_video::VideoInfo,
    pictures: &[gst::Buffer],
    frames: u64,
    stop: &AtomicBool,
) -> Result<u64> {
    let pool = gst_video::VideoBufferPool::new();
    let mut config = pool.config();
    config.set_params(Some(&info.to_caps()?), info.size() as u32, SPARE, SPARE);
    pool.set_config(config)?;
    pool.set_active(true)?;
    // All of their memory is touched now, so that none of it grows later.
    let buffers = (0..SPARE).map(|_| Ok(pool.acquire_buffer(None)?)).collect::<Result<Vec<_>>>();
    for mut buffer in buffers? {
        buffer.get_mut().context("a pool's buffer is nobody else's")?.map_writable()?.fill(0);
    }
    let begin = now(pipeline);
    let rate = info.fps();
    let at = |n: u64| {
        let nanos = n * 1_000_000_000 * rate.denom() as u64 / rate.numer() as u64;
        begin + gst::ClockTime::from_nseconds(nanos)
    };
    let mut fed = 0;
    while fed < frames && !stop.load(Ordering::Relaxed) {
        let mut buffer = pool.acquire_buffer(None)?;
        let exclusive = buffer.get_mut().context("a pool's buffer is nobody else's")?;
        let from = common::to_and_fro(pictures, fed).map_readable()?;
        exclusive.map_writable()?.copy_from_slice(&from);
        exclusive.set_pts(at(fed));
        exclusive.set_duration(at(fed + 1) - at(fed));
        if let Some(early) = at(fed).checked_sub(now(pipeline)) {
            thread::sleep(early.into());
        }
        source.push_buffer(buffer)?;
        fed += 1;
    }
    source.end_of_stream()?;
    Ok(fed)
}

/// Running time at this moment.
fn now(pipeline: &gst::Pipeline) -> gst::ClockTime {
    pipeline.current_running_time().unwrap_or_default()
}

fn watch(element: &gst::Element, pad: &str, pipeline: &gst::Pipeline) -> Arc<Mutex<Seen>> {
    let seen = Arc::new(Mutex::new(Seen { delays: Vec::with_capacity(1 << 20), ..Seen::default() }));
    let (told, pipeline) = (seen.clone(), pipeline.downgrade());
    common::watch(element, pad, move |buffer| {
        if let (Some(pts), Some(pipeline), Ok(mut seen)) = (buffer.pts(), pipeline.upgrade(), told.lock()) {
            let delay = now(&pipeline).nseconds() as f64 - pts.nseconds() as f64;
            seen.delays.push(delay / 1e6);
            seen.disordered += usize::from(seen.last.is_some_and(|last| last >= pts));
            seen.last = Some(pts);
        }
    });
    seen
}

/// Follows the bus until the end; resident memory second by second.
fn listen(args: &Args, pipeline: &gst::Pipeline, swap: &gst::Element, started: Instant) -> Result<Vec<f64>> {
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let (mut rss, mut hogs, mut calm) = (Vec::new(), Vec::new(), Arc::new(AtomicBool::new(false)));
    let third = Duration::from_secs(args.seconds / 3);
    let mut told = started;
    loop {
        let elapsed = started.elapsed();
        if args.hog && hogs.is_empty() && (third..2 * third).contains(&elapsed) {
            println!("{:6.1} s  a hog takes all cores", elapsed.as_secs_f64());
            calm = Arc::new(AtomicBool::new(false));
            hogs = (0..thread::available_parallelism()?.get()).map(|_| hog(&calm)).collect();
        } else if !hogs.is_empty() && elapsed >= 2 * third {
            println!("{:6.1} s  the hog is gone", elapsed.as_secs_f64());
            calm.store(true, Ordering::Relaxed);
            hogs.drain(..).for_each(|hog| drop(hog.join()));
        }
        if told.elapsed() >= Duration::from_secs(10) {
            told = Instant::now();
            let stats = swap.property::<gst::Structure>("stats");
            let number = |name: &str| stats.get::<f64>(name).unwrap_or_default();
            println!(
                "{:6.1} s  {:.1} frames/s, p95 {:.1} ms, level {}, {:.1} MiB, {:.0} % of a core",
                elapsed.as_secs_f64(),
                number("fps"),
                number("frame-time-p95-ms"),
                stats.get::<u32>("level").unwrap_or_default(),
                number("rss-mib"),
                number("cpu-percent"),
            );
        }
        let Some(message) = bus.timed_pop(gst::ClockTime::from_mseconds(50)) else { continue };
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(e) => anyhow::bail!("{}", e.error()),
            gst::MessageView::Latency(_) => pipeline.recalculate_latency()?,
            gst::MessageView::Element(e) => match e.structure() {
                Some(s) if s.name() == "faceswap-stats" => rss.extend(s.get::<f64>("rss-mib")),
                Some(s) if s.name() != "faceswap-face" => println!("{:6.1} s  {s}", elapsed.as_secs_f64()),
                _ => {}
            },
            _ => {}
        }
    }
    calm.store(true, Ordering::Relaxed);
    hogs.into_iter().for_each(|hog| drop(hog.join()));
    Ok(rss)
}

fn hog(calm: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let calm = calm.clone();
    thread::spawn(move || {
        while !calm.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    })
}

fn judge(args: &Args, fed: u64, latency: f64, rss: &[f64], seen: [&Arc<Mutex<Seen>>; 3]) -> Result<()> {
    let [arrived, left, shown] =
        seen.map(|seen| std::mem::take(&mut *seen.lock().expect("no probe panicked")));
    println!("\n| | frames | delay ms: least | median | 99 % | most |\n|---|---|---|---|---|---|");
    for (name, seen) in [("arrived", &arrived), ("left", &left), ("shown", &shown)] {
        let mut sorted = seen.delays.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |q: f64| sorted.get((q * (sorted.len() as f64 - 1.0)) as usize).copied().unwrap_or_default();
        let [least, median, most_of, most] = [0.0, 0.5, 0.99, 1.0].map(at);
        println!("| {name} | {} | {least:.2} | {median:.2} | {most_of:.2} | {most:.2} |", sorted.len());
    }
    let period = 1000.0 / f64::from(args.fps);
    let least = (latency - period).max(0.0);
    // The first frames wait for the models; the last leave at the end of the stream, early.
    let depth = args.depth as usize;
    let steady = (args.fps as usize).min(left.delays.len())..left.delays.len().saturating_sub(depth);
    // Where the machine kept the frame itself or one behind it from coming in time, nothing follows.
    let in_time = |n: &usize| arrived.delays[*n..=n + depth].iter().all(|delay| *delay < period);
    let frames = steady.len();
    let judged: Vec<f64> = steady.filter(in_time).map(|n| left.delays[n]).collect();
    let late = judged.iter().filter(|delay| **delay > latency.max(period)).count();
    let early = judged.iter().filter(|delay| **delay < least).count();
    println!(
        "\nlatency told {latency:.2} ms: {late} frames later, {early} earlier than {least:.2} ms, of {} that came in time of {frames}",
        judged.len(),
    );
    let settled = rss.get(10.min(rss.len().saturating_sub(1))).copied().unwrap_or_default();
    let last = rss.last().copied().unwrap_or_default();
    println!(
        "resident memory after 10 s {settled:.1} MiB, at the end {last:.1} MiB ({:+.2} %)",
        100.0 * (last / settled - 1.0)
    );
    ensure!(
        left.delays.len() as u64 == fed && shown.delays.len() as u64 == fed,
        "frames were lost: {fed} went in"
    );
    ensure!(arrived.disordered + left.disordered + shown.disordered == 0, "frames were out of order");
    ensure!(last <= 1.01 * settled, "memory grew");
    ensure!(args.hog || 1000 * (late + early) <= judged.len(), "the latency told is not the latency had");
    Ok(())
}
