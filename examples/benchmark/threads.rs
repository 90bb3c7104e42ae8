//! How well work spreads over threads.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use image::RgbImage;

use crate::{
    common::{self, ms},
    record::{Better, Outcome},
    stages::Stream,
    suite::Suite,
};

pub fn measure(suite: &mut Suite) -> Result<()> {
    let counts = counts();
    let wanted = |suite: &mut Suite, id: &str, workers| suite.wants(&format!("threads/{id}/{workers}"));
    for (id, faces, face) in [("one-frame-one-face", 1, 400.0), ("one-frame-four-faces", 4, 240.0)] {
        let chosen: Vec<usize> =
            counts.iter().copied().filter(|workers| wanted(suite, id, *workers)).collect();
        if chosen.is_empty() {
            continue;
        }
        let pictures = [common::crowd(1920, 1080, face, faces)];
        for workers in chosen {
            let values = one(suite, &pictures, workers)?;
            suite.add_frames(&format!("threads/{id}/{workers}"), values, None);
        }
        efficiency(suite, id, &counts);
    }
    let chosen: Vec<usize> =
        counts.iter().copied().filter(|workers| wanted(suite, "streams", *workers)).collect();
    if !chosen.is_empty() {
        let pictures = [common::crowd(1920, 1080, 400.0, 1)];
        for workers in chosen {
            let values = many(suite, &pictures, workers)?;
            suite.add_frames(&format!("threads/streams/{workers}"), values, None);
        }
        efficiency(suite, "streams", &counts);
    }
    Ok(())
}

/// All up to eight, then twice as many each time, and the machine's.
fn counts() -> Vec<usize> {
    let most = thread::available_parallelism().map_or(1, usize::from);
    let doubled = std::iter::successors(Some(16), |n| Some(n * 2)).take_while(|n| *n < most);
    let mut counts: Vec<usize> = (1..=most.min(8)).chain(doubled).collect();
    if most > 8 {
        counts.push(most);
    }
    counts
}

fn budget(suite: &Suite) -> Duration {
    suite.budget(Duration::from_secs(2), Duration::from_millis(100))
}

/// One frame after the other, each on all the threads: ms a frame.
fn one(suite: &Suite, pictures: &[RgbImage], threads: usize) -> Result<Vec<f64>> {
    let mut stream = Stream::new(pictures, threads)?;
    let budget = budget(suite);
    (0..10).for_each(|_| _ = stream.frame());
    let (mut values, started) = (Vec::new(), Instant::now());
    while values.len() < 20 || started.elapsed() < budget {
        values.push(ms(stream.frame()[4]));
    }
    Ok(values)
}

/// As many streams as threads, each on one: ms a frame of all of them together.
fn many(suite: &Suite, pictures: &[RgbImage], streams: usize) -> Result<Vec<f64>> {
    let mut all = (0..streams).map(|_| Stream::new(pictures, 1)).collect::<Result<Vec<_>>>()?;
    let budget = budget(suite);
    const TOGETHER: usize = 10;
    let (begin, end) = (Barrier::new(streams + 1), Barrier::new(streams + 1));
    let rounds = 2 + if suite.is_quick() { 3 } else { (budget.as_millis() / 50).max(5) as usize };
    let mut values = Vec::with_capacity(rounds);
    thread::scope(|scope| {
        for stream in &mut all {
            let (begin, end) = (&begin, &end);
            scope.spawn(move || {
                for _ in 0..rounds {
                    begin.wait();
                    (0..TOGETHER).for_each(|_| _ = stream.frame());
                    end.wait();
                }
            });
        }
        for _ in 0..rounds {
            begin.wait();
            let started = Instant::now();
            end.wait();
            values.push(ms(started.elapsed()) / (streams * TOGETHER) as f64);
        }
    });
    // The first rounds warm up.
    Ok(values.split_off(2))
}

/// The cases to measure for a case, which may be made of others.
pub fn behind(id: String) -> Vec<String> {
    let parts = id.strip_prefix("threads/efficiency/").and_then(|rest| rest.rsplit_once('/'));
    match parts {
        Some((case, workers)) => vec![format!("threads/{case}/1"), format!("threads/{case}/{workers}"), id],
        None => vec![id],
    }
}

/// Speed-up over one worker, as a share of the number of workers.
fn efficiency(suite: &mut Suite, id: &str, counts: &[usize]) {
    let rate = |suite: &Suite, workers: usize| {
        let outcome = suite.outcome(&format!("threads/{id}/{workers}"));
        outcome.and_then(|outcome: &Outcome| outcome.per_second)
    };
    let Some(alone) = rate(suite, 1) else { return };
    for &workers in counts.iter().filter(|workers| **workers > 1) {
        if let Some(rate) = rate(suite, workers) {
            let share = 100.0 * rate / (alone * workers as f64);
            suite.add_value(&format!("threads/efficiency/{id}/{workers}"), "%", Better::Higher, vec![share]);
        }
    }
}
