//! A minute at full speed: whether the machine grows hot and slows down.

use std::time::{Duration, Instant};

use anyhow::Result;
use gstfaceswap::control::platform::platform;

use crate::{
    Args, common,
    common::Bed,
    element::Case,
    record::{Better, Statistics},
    suite::Suite,
};

const ID: &str = "soak/1920x1080/mesh";

pub fn measure(suite: &mut Suite, args: &Args) -> Result<()> {
    let held = format!("{ID}/held");
    let (whole, share) = (suite.wants(ID), suite.wants(&held));
    if !whole && !share {
        return Ok(());
    }
    let case = Case::new((1920, 1080), "mesh");
    let mut bed = Bed::new(case.element(args), &case.info()?, case.frames()?);
    let mut platform = platform();
    let seconds = if suite.is_quick() { args.soak_seconds.min(3) } else { args.soak_seconds };
    for _ in 0..20 {
        bed.frame();
    }
    let [mut rates, mut degrees, mut memory, mut cores] = [const { Vec::new() }; 4];
    let started = Instant::now();
    for second in 1..=seconds.max(2) {
        let (since, worked, mut frames) = (Instant::now(), common::processor_time(), 0);
        while since.elapsed() < Duration::from_secs(1) {
            bed.frame();
            frames += 1;
        }
        let (took, at) = (since.elapsed().as_secs_f64(), started.elapsed().as_secs_f64());
        rates.push((at, f64::from(frames) / took));
        memory.push((at, common::memory().resident as f64 / f64::from(1 << 20)));
        cores.push((at, (common::processor_time() - worked) / took));
        let thermal = platform.thermal();
        degrees.extend(thermal.celsius.map(|celsius| (at, f64::from(celsius))));
        if second == seconds {
            println!("{ID}: {} after {seconds} s", thermal.heat.name());
        }
    }
    bed.check();
    if whole {
        suite.add_frames(ID, rates.iter().map(|(_, rate)| 1e3 / rate).collect(), None);
        suite.note("thermal", platform.thermal().heat.name());
    }
    if share {
        let part = (rates.len() / 3).max(1);
        let median = |points: &[(f64, f64)]| {
            Statistics::of(points.iter().map(|(_, rate)| *rate).collect()).map_or(f64::NAN, |s| s.median)
        };
        let held_share = 100.0 * median(&rates[rates.len() - part..]) / median(&rates[..part]);
        suite.add_value(&held, "%", Better::Higher, vec![held_share]);
    }
    suite.add_series("soak/frames-per-second", "frames/s", rates);
    match degrees.is_empty() {
        true => suite.skip("soak/temperature", "no sensor tells it"),
        false => suite.add_series("soak/temperature", "°C", degrees),
    }
    suite.add_series("soak/resident", "MiB", memory);
    suite.add_series("soak/cores", "cores", cores);
    Ok(())
}
