//! Two runs side by side.

use crate::record::{Better, Outcome, Record, Statistics};

/// Share of the machine that other work may have had for a case to be judged.
const DISTURBED: f64 = 0.25;

/// Groups of cases that run none of this project's code: what they differ by is the machine's doing.
const FOREIGN: [&str; 3] = ["resize", "colour", "blur"];

/// How a case did beside the earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Better,
    Same,
    Worse,
    /// Other work disturbed one of the runs too much to tell.
    Unsure,
}

/// Speed of `new` over `old`: above 1 it became better. `None` where one of them is not above 0.
pub fn ratio(old: &Outcome, new: &Outcome) -> Option<f64> {
    let (before, now) = (old.statistics.telling(new.better), new.statistics.telling(new.better));
    let usable = before > 0.0 && now > 0.0 && before.is_finite() && now.is_finite();
    usable.then(|| match new.better {
        Better::Lower => before / now,
        Better::Higher => now / before,
    })
}

/// Other than `Same` only where the ratio is off by more than `threshold` (0–1), the middle halves of the
/// values do not overlap, and no pass of one run did as the passes of the other.
pub fn verdict(old: &Outcome, new: &Outcome, threshold: f64) -> Verdict {
    let apart = |a: (f64, f64), b: (f64, f64)| a.1 < b.0 || b.1 < a.0;
    let halves = |statistics: &Statistics| (statistics.q1, statistics.q3);
    let passes = |outcome: &Outcome| {
        let of = |fold: fn(f64, f64) -> f64| outcome.passes.iter().copied().reduce(fold);
        (of(f64::min).unwrap_or(f64::INFINITY), of(f64::max).unwrap_or(f64::NEG_INFINITY))
    };
    let differ = apart(halves(&old.statistics), halves(&new.statistics)) && apart(passes(old), passes(new));
    let verdict = match ratio(old, new) {
        Some(ratio) if differ => match ratio {
            ratio if ratio < 1.0 - threshold => Verdict::Worse,
            ratio if ratio > 1.0 / (1.0 - threshold) => Verdict::Better,
            _ => Verdict::Same,
        },
        _ => Verdict::Same,
    };
    let disturbed =
        [old, new].into_iter().any(|outcome| outcome.others.is_some_and(|share| share > DISTURBED));
    if disturbed && verdict != Verdict::Same { Verdict::Unsure } else { verdict }
}

/// How much slower (0–1) a case of `new` must be to count: by `threshold`, and by more than the machine's own
/// speed changed between the runs. That is told by the cases of foreign code, the one that changed most left out.
fn limit(old: &Record, results: &[Outcome], threshold: f64) -> f64 {
    let foreign = results.iter().filter(|now| FOREIGN.contains(&now.group()));
    let mut changes: Vec<f64> = foreign
        .filter_map(|now| ratio(old.find(&now.id)?, now))
        .map(|ratio| 1.0 - ratio.min(1.0 / ratio))
        .collect();
    changes.sort_by(f64::total_cmp);
    changes.iter().rev().nth(1).map_or(threshold, |change| threshold.max(*change))
}

/// The cases among `results` that became worse.
pub fn worse(old: &Record, results: &[Outcome], threshold: f64) -> Vec<String> {
    let threshold = limit(old, results, threshold);
    let is_worse = |now: &&Outcome| {
        old.find(&now.id).is_some_and(|before| verdict(before, now, threshold) == Verdict::Worse)
    };
    results.iter().filter(is_worse).map(|now| now.id.clone()).collect()
}

/// Prints the table; returns how many cases became worse.
pub fn print(old: &Record, new: &Record, wanted: f64) -> usize {
    let threshold = limit(old, &new.results, wanted);
    let both = || new.results.iter().filter_map(|now| Some((old.find(&now.id)?, now)));
    println!("\n{:62} {:>12} {:>12} unit {:>7}", "", "before", "now", "ratio");
    for (before, now) in both() {
        let mark = match verdict(before, now, threshold) {
            Verdict::Better => " better",
            Verdict::Same => "",
            Verdict::Worse => " WORSE",
            Verdict::Unsure => " disturbed",
        };
        let ratio = ratio(before, now).map_or("-".into(), |ratio| format!("{ratio:.3}"));
        let [a, b] = [before, now].map(|outcome| outcome.statistics.telling(now.better));
        println!("{:62} {a:12.4} {b:12.4} {:4} {ratio:>7}{mark}", now.id, now.unit);
    }
    let count = both().count();
    let of = |wanted| both().filter(|(a, b)| verdict(a, b, threshold) == wanted).count();
    let worse = of(Verdict::Worse);
    println!(
        "\nValues are quartiles on the better side. ratio: above 1 is better. {worse} of {count} cases became worse by more than {:.0} %; {} are in this run only, {} in the earlier one only.",
        100.0 * threshold,
        new.results.len() - count,
        old.results.iter().filter(|outcome| new.find(&outcome.id).is_none()).count(),
    );
    if threshold > wanted {
        println!(
            "The machine itself changed its speed by {:.0} % between the runs, as code shows that is not this project's: less is not judged.",
            100.0 * threshold
        );
    }
    if old.machine.chip != new.machine.chip || old.machine.logical_cores != new.machine.logical_cores {
        println!("The earlier run was on another machine: {}", old.machine.chip);
    }
    for (when, record) in [("earlier", old), ("newer", new)] {
        if let Some(others) = record.others() {
            println!(
                "Other work took {:.0} % of the machine at the {when} run, in the median.",
                100.0 * others
            );
        }
    }
    let disturbed = of(Verdict::Unsure);
    if disturbed > 0 {
        println!(
            "{disturbed} cases differ, and were disturbed by other work on more than {:.0} % of the machine: they are not judged.",
            100.0 * DISTURBED
        );
    }
    worse
}
