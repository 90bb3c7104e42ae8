//! A model in ONNX Runtime's memory, to be run by any number of [`Session`](super::Session)s.

use std::{ffi::CString, fs::File, path::PathBuf, sync::Arc};

use ort::{
    ep,
    session::builder::{GraphOptimizationLevel, SessionBuilder},
};

use super::{
    Card, Model, ModelError, Options, Provider,
    graph::{Places, Port, compare},
    identify, runtime,
};

/// Element types that sessions convert from and to 32-bit floats.
const KINDS: [&str; 3] = ["float32", "float16", "float64"];

#[derive(Debug)]
pub(super) struct Loaded {
    pub session: ort::session::Session,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    pub input_names: Vec<CString>,
    pub output_names: Vec<CString>,
    pub card: Arc<Card>,
    pub path: PathBuf,
    pub provider: Provider,
}

impl Loaded {
    /// Loads the runtime if need be, then the model with exactly this provider, and compares its
    /// inputs and outputs with the card.
    ///
    /// `lean`: what a run needs is given back after it, as befits large models.
    pub fn new(model: &Model, options: &Options, lean: bool) -> Result<Loaded, ModelError> {
        let path = model.path.clone();
        if !path.is_file() {
            return Err(ModelError::NoSuchFile { role: model.role, path });
        }
        if let Err(e) = File::open(&path) {
            return Err(ModelError::Unreadable { path, reason: e.to_string() });
        }
        let environment = runtime::load(model.runtime.as_deref())?;
        let invalid = |e: ort::Error| ModelError::Invalid { path: path.clone(), reason: e.message().into() };
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        // Providers come in the order of preference, so the CPU's settings after the chosen one.
        let builder = options.register(SessionBuilder::new(environment).map_err(invalid)?, &name)?;
        let mut builder = configured(builder, options.threads, lean).map_err(invalid)?;
        let session = builder.commit_from_file(&path).map_err(invalid)?;
        let inputs: Vec<Port> = session.inputs().iter().map(Port::of).collect();
        let outputs: Vec<Port> = session.outputs().iter().map(Port::of).collect();
        let (card, places) = fit(model, &inputs, &outputs)?;
        let pick =
            |ports: &[Port], at: &[usize]| -> Vec<Port> { at.iter().map(|&i| ports[i].clone()).collect() };
        let (inputs, outputs) = (pick(&inputs, &places.inputs), pick(&outputs, &places.outputs));
        if let Some(port) = inputs.iter().chain(&outputs).find(|port| !KINDS.contains(&port.kind.as_str())) {
            let differences = vec![format!("{port}: only {} can be used", KINDS.join(", "))];
            return Err(ModelError::Mismatch { path, card: card.name.clone(), differences });
        }
        let (input_names, output_names) = (names(&inputs), names(&outputs));
        let provider = options.provider;
        Ok(Loaded { session, inputs, outputs, input_names, output_names, card, path, provider })
    }
}

/// Full optimisation: on inswapper_128 a tenth faster on a CPU than extended, though loading then
/// takes twice the file's size for a moment.
fn configured(builder: SessionBuilder, threads: usize, lean: bool) -> ort::Result<SessionBuilder> {
    let builder = builder
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads.max(1))?
        .with_intra_op_spinning(false)?
        // Costs an arena half as large again and gains no time.
        .with_memory_pattern(false)?;
    if !lean {
        return Ok(builder);
    }
    let cpu = ep::CPU::default().with_arena_allocator(false).build();
    Ok(builder.with_execution_providers([cpu])?.with_env_allocators()?)
}

fn fit(model: &Model, inputs: &[Port], outputs: &[Port]) -> Result<(Arc<Card>, Places), ModelError> {
    match &model.card {
        Some(card) => check(card, model, inputs, outputs),
        None => {
            if let Some(card) = identify::by_sha256(&model.path, model.role)? {
                return check(&card, model, inputs, outputs);
            }
            identify::by_graph(model, inputs, outputs)
        }
    }
}

fn check(
    card: &Arc<Card>,
    model: &Model,
    inputs: &[Port],
    outputs: &[Port],
) -> Result<(Arc<Card>, Places), ModelError> {
    match compare(card, inputs, outputs) {
        Ok(places) => Ok((card.clone(), places)),
        Err(differences) => {
            Err(ModelError::Mismatch { path: model.path.clone(), card: card.name.clone(), differences })
        }
    }
}

fn names(ports: &[Port]) -> Vec<CString> {
    ports.iter().map(|port| CString::new(port.name.as_str()).unwrap_or_default()).collect()
}
