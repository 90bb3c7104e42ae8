//! What a run came to, as it is kept. `schema.json` says the same to others.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// Of the file's form. Another number is another form.
pub const VERSION: u32 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    pub version: u32,
    pub program: Program,
    pub machine: Machine,
    pub run: Run,
    pub results: Vec<Outcome>,
    pub series: Vec<Series>,
    pub skipped: Vec<Skipped>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Program {
    pub name: String,
    pub version: String,
    pub debug: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Machine {
    pub chip: String,
    pub performance_cores: usize,
    pub efficiency_cores: usize,
    pub logical_cores: usize,
    pub memory_mib: u64,
    pub unified_memory: bool,
    pub accelerators: Vec<String>,
    pub system: String,
    pub kernel: String,
    pub architecture: String,
    pub gstreamer: String,
    pub onnx_runtime: Option<String>,
    /// Of the last minute, before the run: work that others did on this machine.
    pub load: f64,
    pub thermal: String,
    pub temperature_c: Option<f32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Run {
    /// Seconds since 1970.
    pub begun: u64,
    pub seconds: f64,
    pub quick: bool,
    pub only: Vec<String>,
    pub model: Option<String>,
}

/// Which direction is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    Lower,
    Higher,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// Group, then what makes the case: `resize/960x540/from-1080p`.
    pub id: String,
    pub unit: String,
    pub better: Better,
    pub statistics: Statistics,
    /// Operations or frames a second, where the unit is ms.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub per_second: Option<f64>,
    /// Heap allocations in Rust each, where they were counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub allocations: Option<f64>,
    /// The better quartile of each pass's values.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub passes: Vec<f64>,
    /// Share of the machine's processor time (0–1) that other processes took in the pass that they
    /// disturbed least, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub others: Option<f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub notes: BTreeMap<String, String>,
}

impl Outcome {
    pub fn group(&self) -> &str {
        self.id.split('/').next().unwrap_or_default()
    }

    /// The id without its group.
    pub fn name(&self) -> &str {
        self.id.split_once('/').map_or(&self.id, |(_, rest)| rest)
    }
}

/// Of the measured values. Warm-up is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Statistics {
    pub runs: usize,
    pub median: f64,
    pub p95: f64,
    pub mean: f64,
    pub min: f64,
    pub max: f64,
    /// First and third quartile.
    pub q1: f64,
    pub q3: f64,
}

impl Statistics {
    /// Of at least one value.
    pub fn of(mut values: Vec<f64>) -> Option<Statistics> {
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |share: f64| values[(share * last as f64).round() as usize];
        Some(Statistics {
            runs: values.len(),
            median: at(0.5),
            p95: at(0.95),
            mean: values.iter().sum::<f64>() / values.len() as f64,
            min: values[0],
            max: values[last],
            q1: at(0.25),
            q3: at(0.75),
        })
    }

    /// The quartile on the better side: other work can only make a value worse, so it moves this least.
    pub fn telling(&self, better: Better) -> f64 {
        match better {
            Better::Lower => self.q1,
            Better::Higher => self.q3,
        }
    }
}

/// Values over time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Series {
    pub id: String,
    pub unit: String,
    /// Seconds, and the value.
    pub points: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Skipped {
    pub id: String,
    pub reason: String,
}

impl Record {
    pub fn read(path: &Path) -> Result<Record> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let record: Record = serde_json::from_str(&text)
            .with_context(|| format!("{}: not a result of this program", path.display()))?;
        let version = record.version;
        ensure!(
            version == VERSION,
            "{}: of form {version}, this program reads form {VERSION}: measure anew",
            path.display()
        );
        Ok(record)
    }

    /// What other processes took of the machine, the median of the cases.
    pub fn others(&self) -> Option<f64> {
        let shares = self.results.iter().filter_map(|outcome| outcome.others).collect();
        Statistics::of(shares).map(|statistics| statistics.median)
    }

    pub fn find(&self, id: &str) -> Option<&Outcome> {
        self.results.iter().find(|outcome| outcome.id == id)
    }
}
