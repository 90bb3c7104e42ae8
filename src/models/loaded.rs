//! A model in ONNX Runtime's memory, to be run by any number of [`Session`](super::Session)s.

use std::{
    ffi::CString,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use ort::{
    ep,
    session::builder::{GraphOptimizationLevel, SessionBuilder},
    value::Tensor,
};

use super::{
    Card, Model, ModelError, Options, Provider, cuda,
    graph::{Places, Port, compare},
    identify,
    onnx::{self, Changed, Weights},
    operator,
    provider::cache_name,
    runtime,
};

/// Element types that sessions convert from and to 32-bit floats.
const KINDS: [&str; 3] = ["float32", "float16", "float64"];

/// How a model is loaded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Form<'f> {
    /// What a run needs is given back after it, as befits large models.
    pub lean: bool,
    /// The model as it was changed, in place of the file.
    pub changed: Option<&'f Changed>,
    /// A card's runs are recorded as one graph of its work, and replayed.
    pub recorded: bool,
}

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
    /// Index of the card, where it runs on one.
    pub device: i32,
    /// See [`Form::recorded`].
    pub recorded: bool,
    /// Its convolutions are run by [`operator`].
    pub rewritten: bool,
    /// Several images in one run give what each gives alone, as was seen.
    pub batches: AtomicBool,
}

impl Loaded {
    /// Loads the runtime if need be, then the model with exactly this provider, and compares its
    /// inputs and outputs with the card.
    ///
    pub fn new(model: &Model, options: &Options, form: Form<'_>) -> Result<Loaded, ModelError> {
        let path = model.path.clone();
        if !path.is_file() {
            return Err(ModelError::NoSuchFile { role: model.role, path });
        }
        onnx::check(&path)?;
        let environment = runtime::load(model.runtime.as_deref())?;
        let invalid = |e: ort::Error| ModelError::Invalid { path: path.clone(), reason: e.message().into() };
        let name = match &options.cache {
            Some(_) => cache_name(&path)?,
            None => String::new(),
        };
        // Providers come in the order of preference, so the CPU's settings after the chosen one.
        let builder = SessionBuilder::new(environment).map_err(invalid)?;
        let builder = options.register(builder, &name, form.recorded)?;
        let mut builder = configured(builder, options.threads, form.lean).map_err(invalid)?;
        let session = cuda::preparing(|| match form.changed {
            None => builder.commit_from_file(&path),
            Some(changed) => commit(builder, changed),
        });
        let session = session.map_err(invalid)?;
        let (inputs, outputs) = ports(&session);
        let (card, places) = fit(model, &inputs, &outputs)?;
        let pick =
            |ports: &[Port], at: &[usize]| -> Vec<Port> { at.iter().map(|&i| ports[i].clone()).collect() };
        let (inputs, outputs) = (pick(&inputs, &places.inputs), pick(&outputs, &places.outputs));
        if let Some(port) = inputs.iter().chain(&outputs).find(|port| !KINDS.contains(&port.kind.as_str())) {
            let reason = format!("{port}: only {} are; export it with one of these", KINDS.join(", "));
            return Err(ModelError::Unusable { path, reason });
        }
        let (input_names, output_names) = (names(&inputs), names(&outputs));
        let provider = options.provider;
        Ok(Loaded {
            session,
            inputs,
            outputs,
            input_names,
            output_names,
            card,
            path,
            provider,
            device: options.index().unwrap_or(0),
            recorded: form.recorded,
            rewritten: form.changed.is_some_and(|changed| changed.changes.winograd),
            batches: AtomicBool::new(false),
        })
    }

    /// The card that the same content has as this model, whatever it was loaded as.
    ///
    /// # Errors
    /// None fits, or several do.
    pub fn card_for(&self, model: &Model) -> Result<Arc<Card>, ModelError> {
        let (inputs, outputs) = ports(&self.session);
        Ok(fit(model, &inputs, &outputs)?.0)
    }
}

/// Inputs and outputs in the order of the file.
fn ports(session: &ort::session::Session) -> (Vec<Port>, Vec<Port>) {
    (session.inputs().iter().map(Port::of).collect(), session.outputs().iter().map(Port::of).collect())
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

fn commit(mut builder: SessionBuilder, changed: &Changed) -> ort::Result<ort::session::Session> {
    const FOLDER: &str = "session.model_external_initializers_file_folder_path";
    if changed.changes.winograd {
        builder = builder.with_operators(operator::domain()?)?;
    }
    for weights in &changed.weights {
        let values = read(&changed.path, weights).map_err(|e| ort::Error::new(e.to_string()))?;
        let tensor = Tensor::from_array((weights.dims.as_slice(), values))?;
        builder = builder.with_initializer(&weights.name, tensor.into_dyn())?;
    }
    let folder = changed.path.parent().unwrap_or(&changed.path);
    builder.with_config_entry(FOLDER, folder.to_string_lossy())?.commit_from_memory(&changed.bytes)
}

/// Weights of a file, read and not mapped: what others do to the file from now on changes nothing.
fn read(path: &Path, weights: &Weights) -> io::Result<Vec<f32>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(weights.offset as u64))?;
    let mut values = vec![0f32; weights.count];
    file.read_exact(bytemuck::cast_slice_mut(&mut values))?;
    values.iter_mut().for_each(|value| *value = f32::from_bits(u32::from_le(value.to_bits())));
    Ok(values)
}

/// The card that a graph of such inputs and outputs is of, and where they are.
pub(super) fn fit(
    model: &Model,
    inputs: &[Port],
    outputs: &[Port],
) -> Result<(Arc<Card>, Places), ModelError> {
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
