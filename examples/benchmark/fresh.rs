//! What only a process that has done nothing else can tell: memory, and the first frame's time.

use std::{env, process::Command};

use anyhow::{Context, Result, bail, ensure};
use gstfaceswap::{
    engine::Engine,
    models::{Pack, Search},
};
use serde::{Deserialize, Serialize};

use crate::{
    Args, common,
    common::{Bed, ms},
    element::{Case, engines},
    record::Better,
    suite::Suite,
};

/// What a child prints.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// MiB.
    resident: f64,
    /// MiB.
    peak: f64,
    /// ms from the start of the element to its first frame.
    first: Option<f64>,
}

const FRAMES: u32 = 60;

pub fn run(suite: &mut Suite, args: &Args) -> Result<()> {
    let mut cases = vec!["process".to_owned(), "models".to_owned()];
    for engine in engines() {
        let sizes: &[(u32, u32)] =
            if engine == "mesh" { &[(960, 540), (1920, 1080), (3840, 2160)] } else { &[(1920, 1080)] };
        cases.extend(sizes.iter().map(|(width, height)| format!("{width}x{height}/{engine}/depth=0")));
    }
    cases.push("1920x1080/mesh/depth=3".into());
    for case in cases {
        let ids = ["memory/resident", "memory/peak", "first-frame"].map(|group| format!("{group}/{case}"));
        let wanted = ids.each_ref().map(|id| suite.wants(id));
        if !wanted.contains(&true) {
            continue;
        }
        let mesh = !case.contains("neural") && !case.contains("hybrid");
        if !mesh && !args.model.is_file() {
            suite.skip(&ids[0], format!("{}: no such file", args.model.display()));
            continue;
        }
        let runs = if suite.is_quick() || !mesh { 1 } else { 2 };
        let told = (0..runs).map(|_| ask(&case, args)).collect::<Result<Vec<Told>>>()?;
        let values = |of: &dyn Fn(&Told) -> f64| told.iter().map(of).collect();
        if wanted[0] {
            suite.add_value(&ids[0], "MiB", Better::Lower, values(&|told| told.resident));
        }
        if wanted[1] {
            suite.add_value(&ids[1], "MiB", Better::Lower, values(&|told| told.peak));
        }
        let first: Vec<f64> = told.iter().filter_map(|told| told.first).collect();
        if wanted[2] && !first.is_empty() {
            suite.add_value(&ids[2], "ms", Better::Lower, first);
        }
    }
    Ok(())
}

fn ask(case: &str, args: &Args) -> Result<Told> {
    let output = Command::new(env::current_exe()?)
        .args(["--fresh", case, "--execution-provider", &args.execution_provider, "--model"])
        .arg(&args.model)
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{case} in a process of its own: {}", told.trim());
    serde_json::from_slice(&output.stdout).with_context(|| format!("{case} in a process of its own"))
}

/// Measures in this process and prints it.
pub fn child(case: &str, args: &Args) -> Result<()> {
    let mut first = None;
    let kept: Box<dyn std::any::Any> = match case {
        "process" => Box::new(()),
        "models" => Box::new(Engine::new(&Pack::find(&Search::default())?, 0)?),
        _ => {
            let case = parse(case)?;
            let mut frames = case.frames()?;
            frames.truncate(2);
            let mut bed = Bed::new(case.element(args), &case.info()?, frames);
            match case.depth {
                0 => {
                    bed.frame();
                    first = Some(ms(bed.age()));
                    let rest = if case.engine == "mesh" { FRAMES } else { 2 };
                    (0..rest).for_each(|_| _ = bed.frame());
                }
                _ => (0..FRAMES / 4).for_each(|_| _ = bed.flow(4, false)),
            }
            Box::new(bed)
        }
    };
    let memory = common::memory();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let told = Told { resident: mib(memory.resident), peak: mib(memory.peak), first };
    println!("{}", serde_json::to_string(&told)?);
    drop(kept);
    Ok(())
}

fn parse(text: &str) -> Result<Case> {
    let parts: Vec<&str> = text.split('/').collect();
    let [size, engine, depth] = parts[..] else { bail!("--fresh {text}: no such case") };
    let (width, height) = size.split_once('x').context("a frame size")?;
    let depth = depth.strip_prefix("depth=").context("a depth")?.parse()?;
    Ok(Case { depth, ..Case::new((width.parse()?, height.parse()?), engine) })
}
