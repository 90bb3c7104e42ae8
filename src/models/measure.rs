//! Which of several ways to run a model is the fastest here: measured once, and remembered by model,
//! runtime and chip.
//!
//! CoreML's compute units decide everything, and none is the best for all networks.

use std::{
    collections::HashMap,
    fmt::Write,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Model, ModelError, Options, Provider, Session, runtime, shared::hash, store};
use crate::{control::platform::platform, sync::lock};

/// Runs of a candidate that count; the first, in which memory is made, does not.
const RUNS: usize = 3;

/// The names of the winners of this process, by their keys.
static KNOWN: Mutex<Option<HashMap<String, String>>> = Mutex::new(None);

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Place among the candidates.
    pub winner: usize,
    /// Whether it was known already, and nothing was measured.
    pub known: bool,
    /// For the user: the winner, and what each candidate took or why it cannot be used.
    pub text: Arc<str>,
}

/// A result as it is kept.
#[derive(Debug, Deserialize)]
struct Kept {
    winner: String,
}

/// Loads the model as the fastest of `candidates` runs it, told apart by their names: as was found
/// before, in this process or by what lies in `folder`, else by running each. Takes seconds then.
///
/// # Errors
/// None of the candidates can be used; says why for each.
pub fn fastest(
    model: &Model,
    candidates: &[(&str, Options)],
    folder: Option<&Path>,
) -> Result<(Session, Measured), ModelError> {
    measured(model, candidates, folder, false)
}

/// As [`fastest`], `open`: to run several images at once where that pays.
pub(super) fn measured(
    model: &Model,
    candidates: &[(&str, Options)],
    folder: Option<&Path>,
    open: bool,
) -> Result<(Session, Measured), ModelError> {
    runtime::load(model.runtime.as_deref())?;
    let key = key(&hash(&model.path)?, candidates);
    let path = folder.map(|folder| folder.join("fastest").join(format!("{key}.toml")));
    if let Some(winner) = known(&key, path.as_deref())
        && let Some(at) = candidates.iter().position(|(name, _)| *name == winner)
        && let Ok(session) = Session::shared_as(model, &candidates[at].1, open)
    {
        let text = format!("{winner}, which was the fastest of those measured before").into();
        return Ok((session, Measured { winner: at, known: true, text }));
    }
    let (mut best, mut text) = (None::<(Duration, usize)>, String::new());
    let mut failures = Vec::new();
    for (at, (name, options)) in candidates.iter().enumerate() {
        let comma = if text.is_empty() { "" } else { ", " };
        match time(model, options, open) {
            Ok(took) => {
                let _ = write!(text, "{comma}{name} {:.1} ms", 1e3 * took.as_secs_f64());
                if best.is_none_or(|(least, _)| took < least) {
                    best = Some((took, at));
                }
            }
            Err(e) => {
                let _ = write!(text, "{comma}{name} cannot be used");
                runtime::tell(&format!("{name} is left out of the measurement: {e}"));
                failures.push(e);
            }
        }
    }
    let Some((_, winner)) = best else {
        let none =
            || ModelError::Unusable { path: model.path.clone(), reason: "no way to run it is left".into() };
        return Err(failures.into_iter().next().unwrap_or_else(none));
    };
    let name = candidates[winner].0;
    remember(&key, name, &text, path.as_deref());
    let session = Session::shared_as(model, &candidates[winner].1, open)?;
    let text = format!("{name}, the fastest as measured: {text}").into();
    Ok((session, Measured { winner, known: false, text }))
}

/// The best of some runs.
fn time(model: &Model, options: &Options, open: bool) -> Result<Duration, ModelError> {
    let mut session = Session::shared_as(model, options, open)?;
    session.warm_up()?;
    let mut least = Duration::MAX;
    for _ in 0..RUNS {
        let started = Instant::now();
        session.run()?;
        least = least.min(started.elapsed());
    }
    Ok(least)
}

/// What the result depends on: the model, the runtime, the chip and what there is to choose from.
fn key(model: &str, candidates: &[(&str, Options)]) -> String {
    let mut hash = Sha256::new();
    for part in [model, ort::info(), &platform().machine().chip] {
        hash.update(part);
        hash.update([0]);
    }
    for (name, options) in candidates {
        hash.update(format!("{name} {} {:?} {}\0", options.provider, options.device, options.threads));
    }
    hash.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn known(key: &str, path: Option<&Path>) -> Option<String> {
    let mut known = lock(&KNOWN);
    let known = known.get_or_insert_default();
    if let Some(winner) = known.get(key) {
        return Some(winner.clone());
    }
    let path = path?;
    let text = std::fs::read_to_string(path).ok()?;
    match toml::from_str::<Kept>(&text) {
        Ok(kept) => {
            known.insert(key.to_owned(), kept.winner.clone());
            Some(kept.winner)
        }
        Err(_) => {
            runtime::tell(&format!("{} is damaged; it is measured anew", path.display()));
            None
        }
    }
}

fn remember(key: &str, winner: &str, text: &str, path: Option<&Path>) {
    lock(&KNOWN).get_or_insert_default().insert(key.to_owned(), winner.to_owned());
    let Some(path) = path else { return };
    let content = format!("# {text}\nwinner = \"{winner}\"\n");
    if let Err(e) = store::write(path, content.as_bytes()) {
        runtime::tell(&format!("model-cache-dir: {} cannot be kept: {e}", path.display()));
    }
}

/// What `auto` and `coreml` choose from where no `device` is named: CoreML's compute units and, for
/// `auto`, the CPU without it. `None` where there is nothing to choose.
pub(super) fn candidates(options: &Options) -> Option<Vec<(&'static str, Options)>> {
    let wanted = matches!(options.provider, Provider::Auto | Provider::CoreMl);
    if !wanted || options.device.is_some() || options.library.is_some() || !Provider::CoreMl.is_built_in() {
        return None;
    }
    if options.provider == Provider::Auto && Provider::Cuda.is_built_in() {
        return None;
    }
    let units = [
        ("coreml on the Neural Engine", "ane"),
        ("coreml on all units", "all"),
        ("coreml on the GPU", "gpu"),
    ];
    let on = |(name, device): (&'static str, &str)| {
        let device = Some(device.to_owned());
        (name, Options { provider: Provider::CoreMl, device, ..options.clone() })
    };
    let mut candidates: Vec<_> = units.into_iter().map(on).collect();
    if options.provider == Provider::Auto {
        candidates.push(("cpu", options.on_cpu()));
    }
    Some(candidates)
}

impl Session {
    /// How it came to be run as it is, where that was measured.
    pub fn measured(&self) -> Option<&Arc<str>> {
        self.measured.as_ref()
    }
}
