//! Judges the swap on fixed people and clips: likeness, expression, light, steadiness, sharpness.
//! `cargo run --release --example evaluate`; `--quick` for a first look, `--help` for the rest.
//!
//! Of each frame, landmarks and likeness are taken by networks apart from the engine. Fixed points
//! are printed beside the scores: two real photos of one person, and the untouched clip.

mod clip;
mod judge;
mod measure;
mod region;
mod report;
mod scores;
mod settings;
mod sheet;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use gstfaceswap::{
    engine::Params,
    models::{Pack, Search},
};
use image::RgbImage;
use indicatif::{ProgressBar, ProgressStyle};

use clip::Clip;
use measure::{Own, Person, Swapped, Target, Worker};
use report::Report;

const CLIPS: [&str; 6] = ["talk_d9", "talk_d12", "talk_d14", "talk_d20", "person_s18", "person_s32"];
const PEOPLE: usize = 24;

#[derive(Parser)]
#[command(about = "Judges the swap on fixed people and clips")]
struct Args {
    /// Folder with `identities` and `clips`
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/media"))]
    media: PathBuf,
    /// Clips to judge on, without extension
    #[arg(long, value_delimiter = ',', default_values_t = CLIPS.map(String::from))]
    clips: Vec<String>,
    /// People to put in, 1–24; the gallery always holds all
    #[arg(long, value_delimiter = ',', default_values_t = (1..=PEOPLE).collect::<Vec<_>>())]
    sources: Vec<usize>,
    /// Every how many frames are measured
    #[arg(long, default_value_t = 10)]
    every: usize,
    /// Frames painted before each measured one; all by default
    #[arg(long, value_name = "FRAMES", default_value_t = usize::MAX, hide_default_value = true)]
    lead: usize,
    /// Four people and two clips
    #[arg(long)]
    quick: bool,
    /// Engine setting, as the element's property: `--set mask-blur=0.5`
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Where the contact sheets go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/evaluate"))]
    out: PathBuf,
    /// Write the scores
    #[arg(long, value_name = "FILE.json")]
    save: Option<PathBuf>,
    /// Print ratios to the scores of an earlier run
    #[arg(long, value_name = "FILE.json")]
    compare: Option<PathBuf>,
    /// Sources worked on at once
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

fn main() -> Result<()> {
    let mut args = Args::parse();
    if args.quick {
        args.sources = vec![1, 7, 13, 19];
        args.clips = [CLIPS[1], CLIPS[4]].map(String::from).to_vec();
    }
    if let Some(bad) = args.sources.iter().find(|n| !(1..=PEOPLE).contains(*n)) {
        bail!("--sources {bad}: people are numbered 1 to {PEOPLE}");
    }
    let mut params = Params::default();
    for setting in &args.settings {
        settings::apply(&mut params, setting)?;
    }
    let earlier = args.compare.as_deref().map(report::read).transpose()?;
    gst::init()?;
    fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let search = Search::default();
    let pack = Pack::find(&search)?;
    let file = |n: usize| args.out.join(format!(".source-{n}.bmp"));
    let workers = (0..args.workers.max(1)).map(|n| Worker::new(&search, &pack, file(n)));
    let mut workers = workers.collect::<Result<Vec<_>>>()?;

    let mut report = Report::default();
    let (people, gallery) = people(&args, &mut workers[0], &mut report)?;
    let mut stills = vec![people.iter().map(|p| sheet::tile(&p.photo, &p.seen)).collect::<Vec<_>>()];
    for name in &args.clips {
        let clip = Clip::read(&args.media.join("clips").join(format!("{name}.mp4")))?;
        let target = workers[0].target(clip, &people[0].source, &params, args.every.max(1), args.lead)?;
        let (swapped, own) = judge(&mut workers, &target, &people, &gallery, &params)?;
        report.add(&target, &people, &gallery, &swapped, &own);
        let columns =
            stills[0].iter().zip(&swapped).map(|(photo, s)| vec![photo, &s.moment[0], &s.moment[1]]);
        sheet::bands(&columns.collect::<Vec<_>>(), &args.out.join(format!("{name}.png")))?;
        stills.push(swapped.into_iter().map(|s| s.still).collect());
    }
    let row = |person: usize| stills.iter().map(|column| &column[person]).collect::<Vec<&RgbImage>>();
    sheet::rows(&(0..people.len()).map(row).collect::<Vec<_>>(), &args.out.join("stills.png"))?;
    (0..workers.len()).for_each(|n| drop(fs::remove_file(file(n))));

    report.print(earlier.as_ref());
    println!("\ncontact sheets in {}", args.out.display());
    args.save.as_deref().map_or(Ok(()), |path| report.save(path))
}

/// The people chosen, and the embedding of everyone's other photo.
fn people(args: &Args, worker: &mut Worker, report: &mut Report) -> Result<(Vec<Person>, Vec<Vec<f32>>)> {
    let path = |n: usize, photo: usize| args.media.join(format!("identities/id{n:02}_{photo}.jpg"));
    let open = |path: &Path| -> Result<RgbImage> {
        Ok(image::open(path).with_context(|| path.display().to_string())?.into_rgb8())
    };
    let any = worker.load(path(1, 1))?;
    let mut gallery = Vec::new();
    for n in 1..=PEOPLE {
        let seen = worker.photo(&any, &open(&path(n, 2))?);
        gallery.push(seen.with_context(|| path(n, 2).display().to_string())?.embedding);
    }
    let mut people = Vec::new();
    for &n in &args.sources {
        let (path, entry) = (path(n, 1), n - 1);
        let photo = open(&path)?;
        let seen = worker.photo(&any, &photo).with_context(|| path.display().to_string())?;
        report.pairs.push(scores::cosine(&seen.embedding, &gallery[entry]));
        let source = worker.load(path)?;
        people.push(Person { name: format!("id{n:02}"), source, photo, seen, entry });
    }
    Ok((people, gallery))
}

/// One clip with everyone and with itself, spread over the workers.
fn judge(
    workers: &mut [Worker],
    target: &Target,
    people: &[Person],
    gallery: &[Vec<f32>],
    params: &Params,
) -> Result<(Vec<Swapped>, [Own; 2])> {
    let jobs = people.len() + 2;
    let bar =
        ProgressBar::new((jobs * target.clip.frames.len()) as u64).with_message(target.clip.name.clone());
    bar.set_style(ProgressStyle::with_template(
        "{msg:12} {wide_bar:.cyan/dim} {pos}/{len} frames {eta:>4} left",
    )?);
    let next = AtomicUsize::new(0);
    let swapped: Vec<OnceLock<Swapped>> = people.iter().map(|_| OnceLock::new()).collect();
    let own = [OnceLock::new(), OnceLock::new()];
    let failure = Mutex::new(None);
    let work = |worker: &mut Worker| -> Result<()> {
        let tick = || bar.inc(1);
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= jobs {
                return Ok(());
            }
            match job.checked_sub(2) {
                None => drop(own[job].set(worker.own(target, job == 1, params, &tick)?)),
                Some(n) => {
                    let moment = (n as f64 + 0.5) / people.len() as f64;
                    let result = worker.swap(target, &people[n], gallery, params, moment, &tick)?;
                    drop(swapped[n].set(result));
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for worker in workers {
            scope.spawn(|| {
                if let Err(error) = work(worker) {
                    next.store(jobs, Ordering::Relaxed);
                    *failure.lock().expect("no panic holds it") = Some(error);
                }
            });
        }
    });
    bar.finish_and_clear();
    if let Some(error) = failure.into_inner().expect("no panic holds it") {
        return Err(error.context(target.clip.name.clone()));
    }
    let swapped: Vec<Swapped> = swapped.into_iter().filter_map(OnceLock::into_inner).collect();
    Ok((swapped, own.map(|o| o.into_inner().unwrap_or_default())))
}
