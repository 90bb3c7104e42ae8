//! Runs the element while everything about it changes, and counts what must not change: frames lost or
//! unmarked, memory, threads, open files.
//!
//! `make unrest`, or `cargo run --release --example unrest -- --seconds 3600`. A live stream whose source,
//! quality, selection and more change at random a few times a second, and whose size and format change every
//! minute; then, for a twelfth of the time, twenty elements at once. The exit status says whether all held; the
//! last lines are a row of the table in docs/soak.md.

mod common;

use std::{
    collections::HashSet,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};

/// Places of the photo in its frames, shown to and fro.
const PLACES: u64 = 12;
/// The first is that of the twenty as well.
const SHAPES: [(VideoFormat, u32, u32); 6] = [
    (VideoFormat::I420, 640, 360),
    (VideoFormat::Nv12, 1920, 1080),
    (VideoFormat::Bgrx, 1280, 720),
    (VideoFormat::Yuy2, 960, 540),
    (VideoFormat::Nv12, 1080, 1920),
    (VideoFormat::Rgb, 641, 479),
];

/// Run the element while everything changes.
#[derive(Debug, Parser)]
struct Args {
    /// How long the first part takes; the second takes a twelfth of it.
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// Seconds between two changes of size and format.
    #[arg(long, default_value_t = 60)]
    caps_every: u64,
    #[arg(long, default_value_t = 30)]
    fps: u64,
    /// Elements at once in the second part.
    #[arg(long, default_value_t = 20)]
    elements: usize,
    /// Print every change.
    #[arg(long)]
    tell: bool,
    /// Of the random changes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Frames that left.
#[derive(Debug, Default)]
struct Left {
    count: AtomicU64,
    unmarked: AtomicU64,
    disordered: AtomicU64,
    last: AtomicU64,
}

/// What the process takes of the system.
#[derive(Debug, Clone, Copy)]
struct Taken {
    at: f64,
    rss_mib: f64,
    files: usize,
    threads: usize,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let models = common::start()?;
    let begun = Instant::now();
    let frames = SHAPES.map(|shape| pictures(&models, shape)).into_iter().collect::<Result<Vec<_>>>()?;
    let taken = Arc::new(Mutex::new(Vec::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = thread::spawn({
        let (taken, stop) = (taken.clone(), stop.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                if let (Some(now), Ok(mut taken)) = (Taken::now(begun), taken.lock()) {
                    taken.push(now);
                }
                thread::sleep(Duration::from_secs(1));
            }
        }
    });

    println!("one element, {} s", args.seconds);
    let single = stream(&args, &models, &frames, args.seconds, args.fps, args.seed, true)?;
    let first: Vec<Taken> = taken.lock().map(|mut taken| std::mem::take(&mut *taken)).unwrap_or_default();
    let after = Taken::now(begun).context("no /proc here")?;

    let (many, short) = (args.elements, args.seconds.div_ceil(12));
    println!("{many} elements at once, {short} s");
    let together: Vec<Result<Counts>> = thread::scope(|scope| {
        let run = |index: usize| {
            let (args, models, frames) = (&args, &models, &frames);
            scope.spawn(move || stream(args, models, frames, short, 2, args.seed + 1 + index as u64, false))
        };
        let threads: Vec<_> = (0..many).map(run).collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a stream panicked"))))
            .collect()
    });
    let together = together.into_iter().collect::<Result<Vec<_>>>()?;
    let second: Vec<Taken> = taken.lock().map(|taken| taken.clone()).unwrap_or_default();
    stop.store(true, Ordering::Relaxed);
    let _ = watcher.join();
    judge(&args, &single, &together, &first, &second, after, begun)
}

/// Of one stream.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    fed: u64,
    left: u64,
    unmarked: u64,
    disordered: u64,
    changes: u64,
    warnings: u64,
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides.max(1)
    }
}

/// Feeds one element at its pace until the time is over.
fn stream(
    args: &Args,
    models: &Path,
    shapes: &[(VideoInfo, Vec<gst::Buffer>)],
    seconds: u64,
    fps: u64,
    seed: u64,
    reshape: bool,
) -> Result<Counts> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let pipeline = gst::Pipeline::new();
    let source = gst_app::AppSrc::builder().format(gst::Format::Time).is_live(true).build();
    let swap = common::faceswap(models, dice.roll(4) as u32)?;
    swap.set_property_from_str("mark", "metadata");
    let sink = gst::ElementFactory::make("fakesink").property("sync", false).build()?;
    pipeline.add_many([source.upcast_ref(), &swap, &sink])?;
    gst::Element::link_many([source.upcast_ref(), &swap, &sink])?;
    let left = Arc::new(Left::default());
    watch(&swap, left.clone());

    let (mut shape, mut counts) = (usize::from(reshape), Counts::default());
    source.set_caps(Some(&shapes[shape].0.to_caps()?));
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let check = || match bus.pop_filtered(&[gst::MessageType::Error]) {
        Some(message) => match message.view() {
            gst::MessageView::Error(e) => anyhow::bail!("{}", e.error()),
            _ => Ok(()),
        },
        None => Ok(()),
    };
    let (begun, mut change_at, mut told) = (Instant::now(), 0.5, 0.0);
    let mut reshape_at = args.caps_every as f64;
    while begun.elapsed().as_secs() < seconds {
        let elapsed = begun.elapsed().as_secs_f64();
        // Until the first photo is there a bad one is an error, as it should be.
        if elapsed >= change_at && left.count.load(Ordering::Relaxed) > 0 {
            let (to, bad) = change(&swap, models, &mut dice);
            if args.tell {
                println!("{elapsed:9.3} s  {to}, {} in", counts.fed);
            }
            counts.warnings += u64::from(bad);
            counts.changes += 1;
            change_at = elapsed + 0.05 * (1 + dice.roll(30)) as f64;
        }
        if reshape && elapsed >= reshape_at {
            shape = (shape + 1 + dice.roll(SHAPES.len() as u64 - 1) as usize) % SHAPES.len();
            source.set_caps(Some(&shapes[shape].0.to_caps()?));
            reshape_at += args.caps_every as f64;
            if args.tell {
                println!("{elapsed:9.3} s  {}, {} in", shapes[shape].0.to_caps()?, counts.fed);
            }
        }
        let mut buffer = common::to_and_fro(&shapes[shape].1, counts.fed).copy_deep()?;
        let nanos = counts.fed * 1_000_000_000 / fps;
        buffer.make_mut().set_pts(gst::ClockTime::from_nseconds(nanos));
        let due = Duration::from_nanos(nanos);
        thread::sleep(due.saturating_sub(begun.elapsed()));
        // A source that waits by itself would wait for ever after an error.
        while source.current_level_buffers() >= 4 {
            check()?;
            thread::sleep(Duration::from_millis(5));
        }
        source.push_buffer(buffer)?;
        counts.fed += 1;
        check()?;
        if reshape && elapsed >= told + 60.0 {
            told = elapsed;
            let info = &shapes[shape].0;
            println!(
                "{elapsed:7.0} s  {} in, {} out, {} {}×{}",
                counts.fed,
                left.count.load(Ordering::Relaxed),
                info.format(),
                info.width(),
                info.height()
            );
        }
    }
    source.end_of_stream()?;
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    ensure!(end.is_some_and(|m| m.type_() == gst::MessageType::Eos), "the stream did not end");
    pipeline.set_state(gst::State::Null)?;
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    (counts.left, counts.unmarked, counts.disordered) =
        (read(&left.count), read(&left.unmarked), read(&left.disordered));
    Ok(counts)
}

/// Changes something at random. Returns what, and whether it is something that cannot be used.
fn change(swap: &gst::Element, models: &Path, dice: &mut Dice) -> (String, bool) {
    let pick = |dice: &mut Dice, values: &[&'static str]| values[dice.roll(values.len() as u64) as usize];
    let (name, value) = match dice.roll(9) {
        0..=2 => {
            let photo = pick(dice, &["grace_hopper.jpg", "astronaut.png", "none.jpg"]);
            swap.set_property("source", models.join("demo").join(photo).to_str());
            return (format!("source={photo}"), photo == "none.jpg");
        }
        3 => ("quality", pick(dice, &["performance", "balanced", "quality"]).to_owned()),
        4 => ("select", pick(dice, &["largest", "all", "centre", "left-most", "top"]).to_owned()),
        5 => ("on-lost", pick(dice, &["hold", "blur", "black"]).to_owned()),
        6 => ("colour-match", pick(dice, &["none", "mean", "light"]).to_owned()),
        7 => ("shape", (dice.roll(11) as f64 / 10.0).to_string()),
        _ => ("detection-interval", (1 + dice.roll(20)).to_string()),
    };
    swap.set_property_from_str(name, &value);
    (format!("{name}={value}"), false)
}

fn watch(swap: &gst::Element, left: Arc<Left>) {
    common::watch(swap, "src", move |buffer| {
        let pts = buffer.pts().map_or(0, |pts| pts.nseconds() + 1);
        let before = left.last.swap(pts, Ordering::Relaxed);
        left.disordered.fetch_add(u64::from(pts <= before), Ordering::Relaxed);
        let marked = gst::meta::CustomMeta::from_buffer(buffer, "FaceSwapMarkMeta").is_ok();
        if !marked {
            eprintln!("frame {} left unmarked", left.count.load(Ordering::Relaxed));
            left.unmarked.fetch_add(1, Ordering::Relaxed);
        }
        left.count.fetch_add(1, Ordering::Relaxed);
    });
}

/// A photo at all its places, in one shape.
fn pictures(
    models: &Path,
    (format, width, height): (VideoFormat, u32, u32),
) -> Result<(VideoInfo, Vec<gst::Buffer>)> {
    let photo = image::open(models.join("demo/astronaut.png"))?;
    let side = width.min(height) * 9 / 10;
    let photo = photo.resize(side, side, image::imageops::FilterType::Triangle).to_rgba8();
    let info = VideoInfo::builder(format, width, height).fps(gst::Fraction::new(30, 1)).build()?;
    let from = VideoInfo::builder(VideoFormat::Rgba, width, height).fps(info.fps()).build()?;
    let converter = gst_video::VideoConverter::new(&from, &info, None)?;
    let frame = |place: u64| {
        let mut canvas = image::RgbaImage::from_pixel(width, height, image::Rgba([90, 110, 100, 255]));
        let room = i64::from(width - photo.width());
        image::imageops::overlay(
            &mut canvas,
            &photo,
            room / 4 + room * place as i64 / (4 * PLACES as i64),
            8,
        );
        let given =
            gst_video::VideoFrame::from_buffer_readable(gst::Buffer::from_slice(canvas.into_raw()), &from);
        let target = gst::Buffer::with_size(info.size())?;
        let target = gst_video::VideoFrame::from_buffer_writable(target, &info);
        let (given, mut target) = (given.ok().context("a frame")?, target.ok().context("a frame")?);
        converter.frame(&given, &mut target);
        Ok(target.into_buffer())
    };
    let frames = (0..PLACES).map(frame).collect::<Result<Vec<_>>>()?;
    Ok((info, frames))
}

impl Taken {
    fn now(begun: Instant) -> Option<Taken> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let number = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<usize>().ok()
        };
        Some(Taken {
            at: begun.elapsed().as_secs_f64(),
            rss_mib: number("VmRSS:")? as f64 / 1024.0,
            files: fs::read_dir("/proc/self/fd").ok()?.count(),
            threads: number("Threads:")?,
        })
    }
}

/// MiB an hour, by least squares.
fn slope(taken: &[Taken]) -> f64 {
    let n = taken.len().max(1) as f64;
    let mean = |value: fn(&Taken) -> f64| taken.iter().map(value).sum::<f64>() / n;
    let (x, y) = (mean(|t| t.at), mean(|t| t.rss_mib));
    let along: f64 = taken.iter().map(|t| (t.at - x) * (t.rss_mib - y)).sum();
    let across: f64 = taken.iter().map(|t| (t.at - x).powi(2)).sum();
    3600.0 * along / across.max(1e-9)
}

fn judge(
    args: &Args,
    single: &Counts,
    together: &[Counts],
    first: &[Taken],
    second: &[Taken],
    after: Taken,
    begun: Instant,
) -> Result<()> {
    // What is needed at most is there once every shape has been seen, at latest after half of the time.
    let settled = &first[first.len() / 2..];
    let most =
        |taken: &[Taken], value: fn(&Taken) -> usize| taken.iter().map(value).max().unwrap_or_default();
    let peak = |taken: &[Taken]| taken.iter().map(|t| t.rss_mib).fold(0.0, f64::max);
    let kinds: HashSet<usize> = settled.iter().map(|t| t.files).collect();
    let row = |name: &str, seconds: u64, all: &[Counts], taken: &[Taken], steady: &[Taken]| {
        let sum = |value: fn(&Counts) -> u64| all.iter().map(value).sum::<u64>();
        println!(
            "| {name} | {seconds} s | {} | {} | {} | {} | {} | {:+.0} MiB/h | {:.0} MiB | {} | {} |",
            sum(|c| c.fed),
            sum(|c| c.fed) - sum(|c| c.left),
            sum(|c| c.disordered),
            sum(|c| c.unmarked),
            sum(|c| c.changes),
            slope(steady),
            peak(taken),
            most(taken, |t| t.files),
            most(taken, |t| t.threads),
        );
    };
    println!(
        "\n| | time | frames | lost | out of order | unmarked | changes | memory's slope | at most | files at most | threads at most |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    row("one element", args.seconds, &[*single], first, settled);
    let later = &second[second.len() / 3..];
    row(&format!("{} elements", together.len()), args.seconds.div_ceil(12), together, second, later);
    thread::sleep(Duration::from_secs(1));
    let end = Taken::now(begun).context("no /proc here")?;
    println!(
        "\nafter one element stopped: {:.0} MiB, {} files, {} threads; after all: {:.0} MiB, {} files, {} threads; kinds of file counts {kinds:?}",
        after.rss_mib, after.files, after.threads, end.rss_mib, end.files, end.threads
    );
    for counts in together.iter().chain([single]) {
        ensure!(counts.left == counts.fed, "frames were lost: {counts:?}");
        ensure!(counts.disordered == 0, "frames were out of order: {counts:?}");
        ensure!(counts.unmarked == 0, "frames left unmarked: {counts:?}");
    }
    ensure!(end.files <= after.files + 2, "files stay open: {} became {}", after.files, end.files);
    ensure!(end.threads <= after.threads + 2, "threads stay: {} became {}", after.threads, end.threads);
    let quarter = first.len() / 4;
    let middle = |taken: &[Taken]| {
        let mut rss: Vec<f64> = taken.iter().map(|t| t.rss_mib).collect();
        rss.sort_by(f64::total_cmp);
        rss.get(rss.len() / 2).copied().unwrap_or_default()
    };
    let (early, late) = (peak(&first[quarter..2 * quarter]), middle(&first[3 * quarter..]));
    println!("memory: at most {early:.0} MiB in the second quarter, {late:.0} MiB in the middle of the last");
    ensure!(late <= 1.02 * early, "memory grew");
    Ok(())
}
