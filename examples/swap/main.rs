//! Swaps faces in files: `cargo run --release --example swap -- -s face.jpg -t in.mp4 -o out.mp4`; `--help` tells the rest.
//!
//! A model of how to use the element on files: one element for all that is to be done (`swapper`), the video decoded and
//! encoded in segments (`segment`), everything else of the file copied past it (`join`, `mp4`).

mod args;
mod boxes;
mod encoder;
mod exit;
mod job;
mod join;
mod movie;
mod mp4;
mod pages;
mod part;
mod picture;
mod pipe;
mod plan;
mod provenance;
mod segment;
mod show;
mod subtitles;
mod swapper;
mod targets;
mod timing;
mod upright;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use clap::Parser;

use args::Args;
use exit::{Exit, Failure, Outcome, fail};
use job::{Done, Job};
use show::Show;
use swapper::Swapper;
use targets::Target;

fn main() -> ExitCode {
    match pages::write() {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => {
            eprintln!("swap: {error}");
            return ExitCode::from(Exit::Usage as u8);
        }
    }
    let args = Args::parse();
    let mut show = Show::new(args.enable_monitoring);
    let result = run(&args, &mut show);
    show.finish();
    show.table();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("swap: {failure}");
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn run(args: &Args, show: &mut Show) -> Outcome<()> {
    gst::init()?;
    gstfaceswap::plugin_register_static()?;
    let targets = targets::expand(args)?;
    if args.count {
        println!("{}", Job::plan(args, &targets[0].path, &targets[0].output, &[])?.segments());
        return Ok(());
    }
    // What cannot work is said before the models are loaded.
    for target in targets.iter().filter(|target| !target.picture) {
        encoder::choose(args, &target.output)?.elements()?;
    }
    let stop = stop()?;
    let swapper = Swapper::start(args)?;
    let mut first = None;
    for target in &targets {
        if args.resume && target.output.exists() {
            continue;
        }
        if stop.load(Relaxed) {
            return fail(
                Exit::Stopped,
                format!("stopped before {}; --resume goes on", target.path.display()),
            );
        }
        match one(args, target, &swapper, &stop, show) {
            Ok(()) => {}
            Err(failure) if targets.len() == 1 || failure.exit == Exit::Stopped => return Err(failure),
            Err(failure) => {
                show.failed(&target.output, &failure.to_string());
                first.get_or_insert(failure.exit);
            }
        }
    }
    match first {
        Some(exit) => Err(Failure { exit, error: anyhow::anyhow!("not all targets could be done") }),
        None => Ok(()),
    }
}

fn one(
    args: &Args,
    target: &Target,
    swapper: &Swapper,
    stop: &Arc<AtomicBool>,
    show: &mut Show,
) -> Outcome<()> {
    if target.picture {
        show.begin(&target.output, 1);
        let (swapped, milliseconds) = picture::swap(swapper, &target.path, &target.output, args.quality)?;
        show.result(&target.output, 1, swapped.into(), milliseconds);
        return Ok(());
    }
    let job = Job::plan(args, &target.path, &target.output, &swapper.settings)?;
    match job.run(swapper, stop, show)? {
        Done::Joined(sum) => show.result(&target.output, sum.frames, sum.swapped, sum.milliseconds),
        Done::Segment => {}
        Done::Partial(path, end) => {
            let (path, seconds) = (path.display(), end as f64 / 1e9);
            return fail(
                Exit::Stopped,
                format!("stopped at {seconds:.1} s; {path} is whole until there, and --resume goes on"),
            );
        }
    }
    Ok(())
}

/// Set by Ctrl-C or a termination signal; a second one ends the process at once, and leaves only what --resume knows.
fn stop() -> Outcome<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    ctrlc::set_handler(move || {
        if seen.swap(true, Relaxed) {
            std::process::exit(i32::from(Exit::Stopped as u8));
        }
    })?;
    Ok(stop)
}
