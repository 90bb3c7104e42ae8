//! Models that take several images in one run, once that was seen to give what each gives alone.

use std::sync::{Arc, atomic::Ordering};

use super::{changed, make_up, single};
use crate::models::{Model, ModelError, Options, Provider, loaded::Loaded, runtime, session::Session};

/// The part of what a mixed-up image would change by that two images in one run may differ from each
/// alone.
const SHARE: f32 = 0.1;
/// The part of an image's own spread.
const OF_SPREAD: f32 = 0.05;

/// A large model as [`changed`] has it, its batch opened where that pays and is sound.
pub(super) fn proved_open(model: &Model, options: &Options) -> Result<Arc<Loaded>, ModelError> {
    if options.provider != Provider::Cpu {
        options.check(model)?;
        return open(model, options, || single(model, options));
    }
    let loaded = single(model, options)?;
    match loaded.card.batches_on_cpu {
        true => open(model, options, || Ok(loaded.clone())),
        false => Ok(loaded),
    }
}

/// The model with its batch opened, else `alone`; says what was the matter.
fn open(
    model: &Model,
    options: &Options,
    alone: impl Fn() -> Result<Arc<Loaded>, ModelError>,
) -> Result<Arc<Loaded>, ModelError> {
    let tell = |reason: String| {
        let path = model.path.display();
        runtime::tell(&format!("{path}: faces go through it one by one, not in batches: {reason}"));
    };
    let opened = match changed(model, options, true) {
        Ok(Some(opened)) => Ok(opened),
        Ok(None) => {
            let loaded = alone()?;
            if let Err(reason) = prove(&loaded) {
                tell(reason);
            }
            return Ok(loaded);
        }
        Err(e) => Err(e.to_string()),
    };
    match opened.and_then(|loaded| prove(&loaded).map(|()| loaded)) {
        Ok(loaded) => Ok(loaded),
        Err(reason) => {
            tell(reason);
            alone()
        }
    }
}

/// Runs two images at once and each alone, and remembers that they came out the same.
fn prove(loaded: &Arc<Loaded>) -> Result<(), String> {
    let mut session = Session::on(loaded.clone());
    if !(0..loaded.inputs.len()).all(|input| session.input_shape(input).first() == Some(&-1)) {
        return Err("its inputs have no free batch".into());
    }
    let mut run = |seeds: &dyn Fn(usize) -> Vec<u32>| run(&mut session, seeds).map_err(|e| e.to_string());
    let (first, second) = (run(&|_| vec![1])?, run(&|_| vec![2])?);
    let both = run(&|_| vec![1, 2])?;
    if both.len() != first.len() + second.len() {
        return Err(format!("of two images it gives {} values, of one {}", both.len(), first.len()));
    }
    // What would become of the second, were one of its inputs the first's.
    let mut mixed = f32::INFINITY;
    for input in 0..loaded.inputs.len() {
        mixed = mixed.min(apart(&run(&|at| vec![if at == input { 1 } else { 2 }])?, &second));
    }
    let (one, other) = both.split_at(first.len());
    let off = apart(one, &first).max(apart(other, &second));
    let most = (SHARE * mixed).min(OF_SPREAD * spread(&second));
    // Written so that what is no number fails.
    if off < most {
        loaded.batches.store(true, Ordering::Relaxed);
        return Ok(());
    }
    Err(format!(
        "of two at once it makes other pictures than of each alone ({off:.2e} apart, {most:.2e} at most)"
    ))
}

/// One run on made-up images, those of each input by their seeds.
fn run(session: &mut Session, seeds: &dyn Fn(usize) -> Vec<u32>) -> Result<Vec<f32>, ModelError> {
    let count = session.card().inputs.len();
    for input in 0..count {
        let seeds = seeds(input);
        let mut shape: Vec<i64> = session.input_shape(input).iter().map(|&d| d.max(1)).collect();
        shape[0] = seeds.len() as i64;
        let values = session.input(input, &shape)?;
        let each = values.len() / seeds.len().max(1);
        for (image, seed) in values.chunks_exact_mut(each.max(1)).zip(seeds) {
            make_up(image, shape.len(), seed);
        }
    }
    session.run()?;
    Ok(session.output(0).1.to_vec())
}

/// Root mean square of the differences.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / a.len().max(1) as f32).sqrt()
}

/// Standard deviation.
fn spread(values: &[f32]) -> f32 {
    let mean = values.iter().sum::<f32>() / values.len().max(1) as f32;
    apart(values, &vec![mean; values.len()])
}
