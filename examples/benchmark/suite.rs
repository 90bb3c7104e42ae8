//! Which cases run, how long, and what they gave.

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    Args,
    common::{allocated, ms},
    contention::Contention,
    record::{Better, Machine, Outcome, Program, Record, Run, Series, Skipped, Statistics, VERSION},
};

/// A shorter call is made several times for one value.
const SHORTEST: Duration = Duration::from_micros(50);

/// Times that everything is measured, one after the other, so that what disturbs the machine for a while does not meet
/// all values of a case.
const PASSES: u32 = 3;
const QUICK_PASSES: u32 = 2;

pub struct Suite {
    quick: bool,
    passes: u32,
    pass: u32,
    only: Vec<String>,
    /// The cases that are measured once more; then no others are.
    again: Option<Vec<String>>,
    list: bool,
    model: Option<String>,
    started: Instant,
    met: bool,
    results: Vec<Outcome>,
    /// The values of each result.
    values: Vec<Vec<f64>>,
    /// Index of the result that was measured last.
    last: usize,
    contention: Contention,
    series: Vec<Series>,
    skipped: Vec<Skipped>,
}

impl Suite {
    pub fn new(args: &Args) -> Suite {
        Suite {
            quick: args.quick,
            passes: args.passes.unwrap_or(if args.quick { QUICK_PASSES } else { PASSES }),
            pass: 0,
            only: args.only.clone(),
            again: None,
            list: args.list,
            model: args.model.is_file().then(|| args.model.display().to_string()),
            started: Instant::now(),
            met: false,
            results: Vec::new(),
            values: Vec::new(),
            last: 0,
            contention: Contention::new(),
            series: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Whether the case is to be measured.
    pub fn wants(&mut self, id: &str) -> bool {
        if let Some(again) = &self.again {
            return again.iter().any(|case| case == id);
        }
        let chosen = self.only.is_empty() || self.only.iter().any(|part| id.contains(part.as_str()));
        self.met |= chosen;
        if chosen && self.list && self.pass == 0 {
            println!("{id}");
        }
        chosen && !self.list
    }

    /// Times that everything is measured.
    pub fn passes(&self) -> u32 {
        if self.list { 1 } else { self.passes }
    }

    /// Begins with everything once more.
    pub fn begin(&mut self, pass: u32) {
        self.pass = pass;
        if !self.list {
            println!("pass {} of {}", pass + 1, self.passes());
        }
    }

    /// Begins with these cases once more.
    pub fn begin_again(&mut self, cases: Vec<String>) {
        println!("once more, since they seem slower: {}", cases.len());
        self.again = Some(cases);
    }

    /// What was measured so far.
    pub fn results(&self) -> &[Outcome] {
        &self.results
    }

    /// Whether this is the last pass, for what is measured only once.
    pub fn is_last(&self) -> bool {
        self.pass + 1 == self.passes()
    }

    /// Whether any case was chosen.
    pub fn matched(&self) -> bool {
        self.met
    }

    /// Time for one case in one pass: of the long or, in a quick run, of the short one.
    pub fn budget(&self, long: Duration, short: Duration) -> Duration {
        let whole = if self.quick { short } else { long };
        whole / self.passes()
    }

    pub fn is_quick(&self) -> bool {
        self.quick
    }

    /// Times `work` after a warm-up, in all passes together: at least twelve values (six in a quick run) and
    /// until a second (a twentieth) is over.
    pub fn time(&mut self, id: &str, mut work: impl FnMut()) {
        if !self.wants(id) {
            return;
        }
        let budget = self.budget(Duration::from_secs(1), Duration::from_millis(50));
        let least = if self.quick { 3 } else { 4 };
        let (warm, mut calls) = (Instant::now(), 0u32);
        while calls < 2 || warm.elapsed() < budget / 5 {
            work();
            calls += 1;
        }
        let each = warm.elapsed() / calls;
        let together = (SHORTEST.as_nanos() / each.as_nanos().max(1)).clamp(1, 10_000) as u32;
        let mut values = Vec::with_capacity(1 << 14);
        let (started, before) = (Instant::now(), allocated().0);
        while values.len() < least || started.elapsed() < budget && values.len() < values.capacity() {
            let begun = Instant::now();
            for _ in 0..together {
                work();
            }
            values.push(ms(begun.elapsed()) / f64::from(together));
        }
        let calls = values.len() as f64 * f64::from(together);
        let allocations = (allocated().0 - before) as f64 / calls;
        self.add_time(id, values, Some(allocations));
    }

    /// As [`time`](Self::time), of work that gives something.
    pub fn time_of<T>(&mut self, id: &str, mut work: impl FnMut() -> T) {
        self.time(id, || drop(black_box(work())));
    }

    /// Takes values in ms that were measured elsewhere; their median gives the rate.
    pub fn add_time(&mut self, id: &str, values: Vec<f64>, allocations: Option<f64>) {
        let rate = |statistics: &Statistics| (statistics.median > 0.0).then(|| 1e3 / statistics.median);
        self.add(id, "ms", Better::Lower, values, rate, allocations);
    }

    /// As [`add_time`](Self::add_time), but the mean gives the rate, since values differ by what
    /// they do.
    pub fn add_frames(&mut self, id: &str, values: Vec<f64>, allocations: Option<f64>) {
        let rate = |statistics: &Statistics| (statistics.mean > 0.0).then(|| 1e3 / statistics.mean);
        self.add(id, "ms", Better::Lower, values, rate, allocations);
    }

    /// Takes a value that is no time.
    pub fn add_value(&mut self, id: &str, unit: &str, better: Better, values: Vec<f64>) {
        self.add(id, unit, better, values, |_| None, None);
    }

    fn add(
        &mut self,
        id: &str,
        unit: &str,
        better: Better,
        values: Vec<f64>,
        rate: impl Fn(&Statistics) -> Option<f64>,
        allocations: Option<f64>,
    ) {
        // What children of this process measured they disturbed themselves.
        let alone = !["memory/", "first-frame/"].iter().any(|group| id.starts_with(group));
        let others = self.contention.share().filter(|_| alone);
        let at = self.results.iter().position(|outcome| outcome.id == id).unwrap_or(self.results.len());
        let mut all = self.values.get(at).cloned().unwrap_or_default();
        let mut passes = self.results.get(at).map_or(Vec::new(), |before| before.passes.clone());
        passes.extend(Statistics::of(values.clone()).map(|statistics| statistics.telling(better)));
        all.extend(values);
        let Some(statistics) = Statistics::of(all.clone()) else {
            return self.skip(id, "it gave no values");
        };
        let per_second = rate(&statistics);
        let second = per_second.map(|rate| format!("{rate:12.1} /s")).unwrap_or_default();
        println!("{id:62} {:12.4} {unit:4} p95 {:12.4}{second}", statistics.median, statistics.p95);
        let (id, unit, notes) = (id.to_owned(), unit.to_owned(), BTreeMap::new());
        // Of the passes the one that was disturbed least.
        let others = match self.results.get(at).and_then(|before| before.others).zip(others) {
            Some((before, now)) => Some(before.min(now)),
            None => others,
        };
        let outcome =
            Outcome { id, unit, better, statistics, per_second, allocations, passes, others, notes };
        if at == self.results.len() {
            self.results.push(outcome);
            self.values.push(all);
        } else {
            (self.results[at], self.values[at]) = (outcome, all);
        }
        self.last = at;
    }

    /// What a case gave, where it was measured.
    pub fn outcome(&self, id: &str) -> Option<&Outcome> {
        self.results.iter().find(|outcome| outcome.id == id)
    }

    /// Adds to the case that was measured last.
    pub fn note(&mut self, name: &str, value: impl Into<String>) {
        if let Some(outcome) = self.results.get_mut(self.last) {
            outcome.notes.insert(name.into(), value.into());
        }
    }

    pub fn add_series(&mut self, id: &str, unit: &str, points: Vec<(f64, f64)>) {
        self.series.push(Series { id: id.into(), unit: unit.into(), points });
    }

    /// A case that cannot be measured here.
    pub fn skip(&mut self, id: &str, reason: impl Into<String>) {
        if self.skipped.iter().any(|skipped| skipped.id == id) {
            return;
        }
        let reason = reason.into();
        println!("{id:62} skipped: {reason}");
        self.skipped.push(Skipped { id: id.into(), reason });
    }

    pub fn finish(self, machine: Machine, begun: SystemTime) -> Record {
        Record {
            version: VERSION,
            program: Program {
                name: env!("CARGO_PKG_NAME").into(),
                version: env!("CARGO_PKG_VERSION").into(),
                debug: cfg!(debug_assertions),
            },
            machine,
            run: Run {
                begun: begun.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
                seconds: self.started.elapsed().as_secs_f64(),
                quick: self.quick,
                only: self.only,
                model: self.model,
            },
            results: self.results,
            series: self.series,
            skipped: self.skipped,
        }
    }
}
