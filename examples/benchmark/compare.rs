//! Two runs side by side.

use crate::record::{Better, Outcome, Record, Statistics};

/// Share of the machine that other work may have had for a case to be judged.
const DISTURBED: f64 = 0.25;

/// How a case did beside the earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Better,
    Same,
    Worse,
    /// Other work disturbed one of the runs too much to tell.
    Unsure,
}

/// The quartile on the better side: other work can only make a value worse, so it moves this least.
fn telling(statistics: &Statistics, better: Better) -> f64 {
    match better {
        Better::Lower => statistics.q1,
        Better::Higher => statistics.q3,
    }
}

/// Speed of `new` over `old`: above 1 it became better. `None` where one of them is not above 0.
pub fn ratio(old: &Outcome, new: &Outcome) -> Option<f64> {
    let (before, now) = (telling(&old.statistics, new.better), telling(&new.statistics, new.better));
    let usable = before > 0.0 && now > 0.0 && before.is_finite() && now.is_finite();
    usable.then(|| match new.better {
        Better::Lower => before / now,
        Better::Higher => now / before,
    })
}

/// Other than `Same` only where the ratio is off by more than `threshold` (0–1) and the middle
/// halves of the values do not overlap.
pub fn verdict(old: &Outcome, new: &Outcome, threshold: f64) -> Verdict {
    let apart = |a: &Statistics, b: &Statistics| a.q3 < b.q1 || b.q3 < a.q1;
    let verdict = match ratio(old, new) {
        Some(ratio) if apart(&old.statistics, &new.statistics) => match ratio {
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

/// Prints the table; returns how many cases became worse.
pub fn print(old: &Record, new: &Record, threshold: f64) -> usize {
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
        let [a, b] = [before, now].map(|outcome| telling(&outcome.statistics, now.better));
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
