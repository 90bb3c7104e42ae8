//! How near the hybrid engine comes to running the network on every frame, on recordings: the left
//! half of each clip is the camera's picture, the right half the same frames swapped by a network,
//! which stands in for the network here.
//! `cargo run --release --example hybrid_pairs`; `--help` for the rest.
//!
//! PSNR (RGB) and SSIM (luma) are taken within the face's oval without a rim of 5 % of its width.

#[path = "../evaluate/clip.rs"]
#[allow(dead_code)]
mod clip;
mod recording;
#[path = "../evaluate/region.rs"]
mod region;
#[path = "../evaluate/scores.rs"]
#[allow(dead_code)]
mod scores;

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use clap::Parser;
use gstfaceswap::{
    engine::{
        Colorimetry, Effort, Engine, Frame, Masks, Params, PixelFormat, Source, SourceLoader,
        topology::VERTICES,
    },
    models::{Pack, Search},
};
use image::RgbImage;

use recording::{Pair, Player};
use region::Region;

const AGES: [usize; 6] = [1, 3, 5, 10, 20, 30];

#[derive(Parser)]
#[command(about = "How near the hybrid engine comes to the network on every frame, on recordings")]
struct Args {
    /// Clips, camera on the left and swapped on the right
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/media/pairs"))]
    pairs: PathBuf,
    /// Frames between two of the key frames that are carried on by themselves
    #[arg(long, default_value_t = 7)]
    step: usize,
    /// Frames between key frames where there is a bank of them
    #[arg(long, default_value_t = 10)]
    interval: u32,
    /// Writes every so manieth frame of the whole clips: camera, hybrid, network
    #[arg(long, default_value_t = 0)]
    pictures: usize,
    /// Where pictures go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/hybrid"))]
    out: PathBuf,
}

/// Squared error and similarity, summed over frames.
#[derive(Debug, Default, Clone, Copy)]
struct Score {
    decibels: f64,
    alike: f64,
    count: f64,
}

impl Score {
    fn add(&mut self, (decibels, alike): (f64, f64)) {
        self.decibels += decibels;
        self.alike += alike;
        self.count += 1.0;
    }

    fn mean(&self) -> (f64, f64) {
        (self.decibels / self.count.max(1.0), self.alike / self.count.max(1.0))
    }
}

/// The engine with a recording in place of its network.
struct Bench {
    pack: Pack,
    source: Arc<Source>,
}

impl Bench {
    fn engine(&self, pair: &Arc<Pair>) -> Result<Engine> {
        let engine = Engine::new(&self.pack, 0)?;
        let player = Player::new(pair.clone());
        engine.network_port().offer_key_frames_by(Box::new(player), recording::SIDE, recording::facts())?;
        Ok(engine)
    }

    /// The face in each frame of the camera's half.
    fn regions(&self, pair: &Pair) -> Result<Vec<Option<Region>>> {
        let mut engine = Engine::new(&self.pack, 0)?;
        let params = Params { opacity: 0.0, smoothing: 0.0, ..Params::default() };
        let mut regions = Vec::new();
        for (frame, time) in pair.camera.iter().zip(&pair.times) {
            let mut copy = frame.clone();
            let report = engine.process(&mut view(&mut copy)?, &self.source, &params, *time)?;
            let face = report.faces.iter().find(|face| face.swapped);
            regions.push(face.map(|face| {
                let mut mesh = Box::new([[0.0; 3]; VERTICES]);
                for (to, p) in mesh.iter_mut().zip(&face.landmarks) {
                    *to = [p.x, p.y, 0.0];
                }
                Region::of_mesh(&mesh, frame)
            }));
        }
        Ok(regions)
    }
}

fn view(picture: &mut RgbImage) -> Result<Frame<'_>> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let data: &mut [u8] = picture;
    let planes = [data, &mut [][..], &mut [][..]];
    Ok(Frame::new(PixelFormat::Rgb, width, height, planes, [width * 3, 0, 0], Colorimetry::default())?)
}

/// A key frame every `interval` frames, the whole crop carried.
fn params(interval: u32) -> Params {
    let effort = Effort { key_interval: interval, ..Effort::FULL };
    Params { effort, masks: Masks::empty(), ..Params::default() }
}

fn compare(region: &Region, out: &RgbImage, network: &RgbImage) -> (f64, f64) {
    let error = scores::mean_squared(&region.rgb(out), &region.rgb(network), &region.inside);
    let alike = scores::ssim(&region.luma(out), &region.luma(network), region.width, &region.inside);
    (scores::psnr(error.max(1e-3)), alike)
}

/// Scores at each age of a single key frame.
fn ages(bench: &Bench, pair: &Arc<Pair>, regions: &[Option<Region>], step: usize) -> Result<[Score; 6]> {
    let mut table = [Score::default(); AGES.len()];
    let mut engine = bench.engine(pair)?;
    let last = AGES[AGES.len() - 1];
    for start in (0..pair.camera.len().saturating_sub(last)).step_by(step.max(1)) {
        engine.reset();
        for age in 0..=last {
            let number = start + age;
            let mut out = pair.camera[number].clone();
            let params = params(u32::MAX);
            let report = engine.process(&mut view(&mut out)?, &bench.source, &params, pair.times[number])?;
            // A face that was lost meanwhile has another key frame.
            let own = report.hybrid.and_then(|hybrid| hybrid.age) == Some(age as u64);
            if let (Some(column), Some(region), true) =
                (AGES.iter().position(|a| *a == age), &regions[number], own)
            {
                table[column].add(compare(region, &out, &pair.network[number]));
            }
        }
    }
    Ok(table)
}

/// Score, and flicker of the output and of the network: sums of what changes from frame to frame.
struct Whole {
    score: Score,
    camera: Score,
    flicker: (f64, f64),
}

fn whole(bench: &Bench, pair: &Arc<Pair>, regions: &[Option<Region>], args: &Args) -> Result<Whole> {
    let mut engine = bench.engine(pair)?;
    let params = params(args.interval);
    let mut whole = Whole { score: Score::default(), camera: Score::default(), flicker: (0.0, 0.0) };
    let mut last: Option<RgbImage> = None;
    for (number, frame) in pair.camera.iter().enumerate() {
        let mut out = frame.clone();
        engine.process(&mut view(&mut out)?, &bench.source, &params, pair.times[number])?;
        let network = &pair.network[number];
        if args.pictures > 0 && number % args.pictures == 0 {
            let path = args.out.join(format!("{}-{number:03}.png", pair.name));
            recording::side_by_side(&[frame, &out, network]).save(path)?;
        }
        if let Some(region) = &regions[number] {
            whole.score.add(compare(region, &out, network));
            whole.camera.add(compare(region, frame, network));
        }
        if let (Some(last), Some(Some(region))) = (&last, number.checked_sub(1).map(|n| &regions[n])) {
            let motion = |a: &RgbImage, b: &RgbImage| {
                scores::mean_absolute(&region.luma(a), &region.luma(b), &region.inside)
            };
            whole.flicker.0 += motion(last, &out);
            whole.flicker.1 += motion(&pair.network[number - 1], network);
        }
        last = Some(out);
    }
    Ok(whole)
}

fn main() -> Result<()> {
    let args = Args::parse();
    gst::init()?;
    if args.pictures > 0 {
        std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    }
    let pack = Pack::find(&Search::default())?;
    // The person never shows: every first frame is a key frame.
    let photo = pack.detector.path.with_file_name("demo").join("astronaut.png");
    let (source, _) = SourceLoader::new(&pack)?.load(&[photo])?;
    let bench = Bench { pack, source };
    println!(
        "| clip | camera | age {} | every {} | flicker |",
        AGES.map(|a| a.to_string()).join(" | "),
        args.interval
    );
    println!("|{}", "---|".repeat(AGES.len() + 4));
    let mut rows: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut flickers = Vec::new();
    for path in recording::clips(&args.pairs)? {
        let pair = Arc::new(Pair::read(&path)?);
        let regions = bench.regions(&pair)?;
        let ages = ages(&bench, &pair, &regions, args.step)?;
        let whole = whole(&bench, &pair, &regions, &args)?;
        let mut row = vec![whole.camera.mean()];
        row.extend(ages.iter().map(Score::mean));
        row.push(whole.score.mean());
        let flicker = whole.flicker.0 / whole.flicker.1.max(1e-9);
        print_row(&pair.name, &row, flicker);
        rows.push(row);
        flickers.push(flicker);
    }
    let n = rows.len() as f64;
    let mean = |column: usize| {
        let sum = rows.iter().fold((0.0, 0.0), |sum, row| (sum.0 + row[column].0, sum.1 + row[column].1));
        (sum.0 / n, sum.1 / n)
    };
    let means: Vec<(f64, f64)> = (0..AGES.len() + 2).map(mean).collect();
    print_row("mean", &means, flickers.iter().sum::<f64>() / n);
    Ok(())
}

fn print_row(name: &str, row: &[(f64, f64)], flicker: f64) {
    let cells: Vec<String> = row.iter().map(|(db, alike)| format!("{db:.1} / {alike:.3}")).collect();
    println!("| {name} | {} | {flicker:.2} |", cells.join(" | "));
}
