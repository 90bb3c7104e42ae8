//! Two runs side by side.

use crate::record::{Better, Outcome, Record, Statistics};

/// How a case did beside the earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Better,
    Same,
    Worse,
}

/// Speed of `new` over `old` by their medians: above 1 it became better. `None` where one of them
/// is not above 0.
pub fn ratio(old: &Outcome, new: &Outcome) -> Option<f64> {
    let (before, now) = (old.statistics.median, new.statistics.median);
    let usable = before > 0.0 && now > 0.0 && before.is_finite() && now.is_finite();
    usable.then(|| match new.better {
        Better::Lower => before / now,
        Better::Higher => now / before,
    })
}

/// Other than `Same` only where the medians differ by more than `threshold` (0–1) and the middle
/// halves of the values do not overlap.
pub fn verdict(old: &Outcome, new: &Outcome, threshold: f64) -> Verdict {
    let apart = |a: &Statistics, b: &Statistics| a.q3 < b.q1 || b.q3 < a.q1;
    match ratio(old, new) {
        Some(ratio) if apart(&old.statistics, &new.statistics) => match ratio {
            ratio if ratio < 1.0 - threshold => Verdict::Worse,
            ratio if ratio > 1.0 / (1.0 - threshold) => Verdict::Better,
            _ => Verdict::Same,
        },
        _ => Verdict::Same,
    }
}

/// Prints the table; returns how many cases became worse.
pub fn print(old: &Record, new: &Record, threshold: f64) -> usize {
    let both = || new.results.iter().filter_map(|now| Some((old.find(&now.id)?, now)));
    println!("\n{:62} {:>12} {:>12} unit {:>7}", "", "before", "now", "ratio");
    for (before, now) in both() {
        let mark = match verdict(before, now, threshold) {
            Verdict::Better => " better",
            Verdict::Same => "",
            Verdict::Worse => " WORSE",
        };
        let ratio = ratio(before, now).map_or("-".into(), |ratio| format!("{ratio:.3}"));
        let (a, b) = (before.statistics.median, now.statistics.median);
        println!("{:62} {a:12.4} {b:12.4} {:4} {ratio:>7}{mark}", now.id, now.unit);
    }
    let count = both().count();
    let worse = both().filter(|(a, b)| verdict(a, b, threshold) == Verdict::Worse).count();
    println!(
        "\nratio: above 1 is better. {worse} of {count} cases became worse by more than {:.0} %; {} are in this run only, {} in the earlier one only.",
        100.0 * threshold,
        new.results.len() - count,
        old.results.iter().filter(|outcome| new.find(&outcome.id).is_none()).count(),
    );
    if old.machine.chip != new.machine.chip || old.machine.logical_cores != new.machine.logical_cores {
        println!("The earlier run was on another machine: {}", old.machine.chip);
    }
    for (when, record) in [("earlier", old), ("newer", new)] {
        let (load, cores) = (record.machine.load, record.machine.logical_cores);
        if load > 0.5 * cores as f64 {
            println!(
                "Other work kept the machine busy at the {when} run (load {load:.1} on {cores} cores): ratios say little."
            );
        }
    }
    worse
}
