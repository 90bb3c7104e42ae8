//! Measures what a machine makes of the element and of what it is built from, keeps the figures as
//! JSON, sets two runs side by side and draws them.
//!
//!     cargo run --release --example benchmark -- --save results.json --html report.html
//!     cargo run --release --example benchmark -- --compare results.json
//!
//! `--list` names the cases, `--only` picks some, `--quick` takes a first look. `schema.json`
//! describes the file. The exit status is 3 where something became slower, see `compare`.

#[path = "../../benches/common/mod.rs"]
mod common;

mod compare;
mod contention;
mod element;
mod fresh;
mod machine;
mod micro;
mod networks;
mod pools;
mod record;
mod report;
mod soak;
mod stages;
mod suite;
mod threads;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use record::Record;
use suite::Suite;

#[global_allocator]
static ALLOCATOR: common::Counting = common::Counting;

/// What a run that became slower exits with.
const SLOWER: u8 = 3;

/// How often, at most, cases that seem slower than in an earlier run are measured once more.
const AGAIN: usize = 3;

/// Measure the element and what it is built from.
#[derive(Parser)]
struct Args {
    /// Write the figures
    #[arg(long, value_name = "FILE.json")]
    save: Option<PathBuf>,
    /// Write a page with plots
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
    /// Print ratios to an earlier run; exit with 3 where something became slower
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,
    /// How much slower counts as slower, in %
    #[arg(long, default_value_t = 10.0, value_parser = percent)]
    threshold: f64,
    /// Do not measure: take the figures of an earlier run, to compare or to draw
    #[arg(long, value_name = "NEW.json", conflicts_with_all = ["quick", "only", "list", "save"])]
    load: Option<PathBuf>,
    /// Short runs, for a first look
    #[arg(long)]
    quick: bool,
    /// How often everything is measured, one time after the other [default: 3, with --quick 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    passes: Option<u32>,
    /// Only cases whose name holds one of these: `--only resize,element/1920x1080`
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Name the cases and measure nothing
    #[arg(long)]
    list: bool,
    /// Every format, number of faces, batch and depth with every frame size and engine, not one at
    /// a time
    #[arg(long)]
    cross: bool,
    /// Swap network for the neural engines, with what it needs beside it
    #[arg(long, value_name = "FILE.onnx", default_value = "target/standin/inswapper_128.onnx")]
    model: PathBuf,
    /// What the swap network runs on, as the element's property
    #[arg(long, default_value = "auto")]
    execution_provider: String,
    /// How long the thermal soak lasts
    #[arg(long, default_value_t = 60)]
    soak_seconds: u64,
    /// Measures one thing in this process, which does nothing else, and prints it
    #[arg(long, hide = true)]
    fresh: Option<String>,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..100.0).contains(&value) => Ok(value),
        _ => Err("a number from 0 to below 100".into()),
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(slower) if slower > 0 => ExitCode::from(SLOWER),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benchmark: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns how many cases became slower.
fn run(args: &Args) -> Result<usize> {
    gst::init()?;
    gstfaceswap::plugin_register_static()?;
    if let Some(what) = &args.fresh {
        return fresh::child(what, args).map(|()| 0);
    }
    let earlier = args.compare.as_deref().map(Record::read).transpose()?;
    let record = match &args.load {
        Some(path) => Record::read(path)?,
        None => measure(args, earlier.as_ref())?,
    };
    if args.list {
        return Ok(0);
    }
    if let Some(path) = &args.save {
        write(path, &(serde_json::to_string_pretty(&record)? + "\n"))?;
    }
    if let Some(path) = &args.html {
        write(path, &report::page(&record, earlier.as_ref())?)?;
    }
    let Some(earlier) = earlier else { return Ok(0) };
    Ok(compare::print(&earlier, &record, args.threshold / 100.0))
}

fn measure(args: &Args, earlier: Option<&Record>) -> Result<Record> {
    for needed in ["astronaut.png", "grace_hopper.jpg"].map(common::photo) {
        ensure!(needed.is_file(), "{}: no such file; `make models` brings it", needed.display());
    }
    let machine = machine::describe();
    let begun = SystemTime::now();
    let mut suite = Suite::new(args);
    for pass in 0..suite.passes() {
        suite.begin(pass);
        take(&mut suite, args)?;
    }
    ensure!(suite.matched(), "no case's name holds any of {:?}; --list names them", args.only);
    if let Some(earlier) = earlier.filter(|_| !args.list) {
        // A machine is slower for a while now and then: what seems worse must be so later too.
        for _ in 0..AGAIN {
            let worse = compare::worse(earlier, suite.results(), args.threshold / 100.0);
            if worse.is_empty() {
                break;
            }
            suite.begin_again(worse.into_iter().flat_map(threads::behind).collect());
            take(&mut suite, args)?;
        }
    }
    Ok(suite.finish(machine, begun))
}

/// Measures everything that the suite wants once.
fn take(suite: &mut Suite, args: &Args) -> Result<()> {
    fresh::run(suite, args)?;
    micro::measure(suite)?;
    pools::measure(suite)?;
    stages::measure(suite)?;
    networks::measure(suite, args)?;
    threads::measure(suite)?;
    element::measure(suite, args)?;
    if suite.is_last() {
        soak::measure(suite, args)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::write(path, text).with_context(|| path.display().to_string())?;
    println!("{}", path.display());
    Ok(())
}
