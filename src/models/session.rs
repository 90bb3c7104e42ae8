//! One model, loaded and ready to run on one thread at a time.

use std::{ffi::CString, fs::File, path::PathBuf, ptr, sync::Arc};

use ort::{
    AsPointer,
    memory::Allocator,
    session::builder::{GraphOptimizationLevel, SessionBuilder},
    value::{DynValue, Tensor},
};

use super::{
    Card, Model, ModelError,
    graph::{Places, Port, compare},
    identify, runtime,
};

/// An ONNX Runtime session with its input and output tensors. Runs allocate nothing here once an
/// input of the same shape has run before.
#[derive(Debug)]
pub struct Session {
    // Tensors first: they are dropped before the session that made them.
    inputs: Vec<Option<Tensor<f32>>>,
    outputs: Vec<DynValue>,
    input_names: Vec<CString>,
    output_names: Vec<CString>,
    input_ports: Vec<Port>,
    session: ort::session::Session,
    card: Arc<Card>,
    path: PathBuf,
}

impl Session {
    /// Loads the runtime if need be, then the model, and compares its inputs and outputs with the
    /// card. `threads` (at least 1) work on each operator.
    ///
    /// # Errors
    /// The runtime or the file is missing, damaged or not what the card says; the message names
    /// the path and each input or output that differs.
    pub fn load(model: &Model, threads: usize) -> Result<Session, ModelError> {
        let path = model.path.clone();
        if !path.is_file() {
            return Err(ModelError::NoSuchFile { role: model.role, path });
        }
        if let Err(e) = File::open(&path) {
            return Err(ModelError::Unreadable { path, reason: e.to_string() });
        }
        let environment = runtime::load(model.runtime.as_deref())?;
        let invalid = |e: ort::Error| ModelError::Invalid { path: path.clone(), reason: e.message().into() };
        let session = SessionBuilder::new(environment)
            .and_then(|builder| configured(builder, threads))
            .and_then(|mut builder| builder.commit_from_file(&path))
            .map_err(invalid)?;
        let input_ports: Vec<Port> = session.inputs().iter().map(Port::of).collect();
        let output_ports: Vec<Port> = session.outputs().iter().map(Port::of).collect();
        let (card, places) = fit(model, &input_ports, &output_ports)?;
        let not_float = |ports: &[Port], at: &[usize]| at.iter().any(|&i| ports[i].kind != "float32");
        if not_float(&input_ports, &places.inputs) || not_float(&output_ports, &places.outputs) {
            let differences = vec!["only float32 inputs and outputs can be used".into()];
            return Err(ModelError::Mismatch { path, card: card.name.clone(), differences });
        }
        let pick =
            |ports: &[Port], at: &[usize]| -> Vec<Port> { at.iter().map(|&i| ports[i].clone()).collect() };
        let input_ports = pick(&input_ports, &places.inputs);
        Ok(Session {
            inputs: input_ports.iter().map(|_| None).collect(),
            outputs: Vec::new(),
            input_names: names(&input_ports),
            output_names: names(&pick(&output_ports, &places.outputs)),
            input_ports,
            session,
            card,
            path,
        })
    }

    pub fn card(&self) -> &Arc<Card> {
        &self.card
    }

    /// Shape of the card's input `index` as the file declares it; −1 is a free dimension.
    pub fn input_shape(&self, index: usize) -> &[i64] {
        self.input_ports.get(index).map_or(&[], |port| &port.shape)
    }

    /// The elements of the card's input `index`, to be filled before [`run`](Self::run). They keep
    /// their values between runs; a shape other than the last gives zeros.
    ///
    /// # Errors
    /// No such input, or a shape that the model does not take.
    pub fn input(&mut self, index: usize, shape: &[i64]) -> Result<&mut [f32], ModelError> {
        let same = matches!(self.inputs.get(index), Some(Some(tensor)) if **tensor.shape() == *shape);
        if !same {
            self.reshape(index, shape)?;
        }
        let run_error = |reason: String| ModelError::Run { path: self.path.clone(), reason };
        match self.inputs.get_mut(index) {
            Some(Some(tensor)) => tensor
                .try_extract_tensor_mut::<f32>()
                .map(|(_, data)| data)
                .map_err(|e| run_error(e.to_string())),
            _ => Err(run_error(format!("it has no input {index}"))),
        }
    }

    fn reshape(&mut self, index: usize, shape: &[i64]) -> Result<(), ModelError> {
        let fail = |reason: String| ModelError::Run { path: self.path.clone(), reason };
        let Some(port) = self.input_ports.get(index) else {
            return Err(fail(format!("it has no input {index}")));
        };
        let fits = |(given, own): (&i64, &i64)| *given > 0 && (*own < 0 || given == own);
        if shape.len() != port.shape.len() || !shape.iter().zip(&port.shape).all(fits) {
            return Err(fail(format!("its input is {port}, not {shape:?}")));
        }
        let mut tensor = Tensor::<f32>::new(&Allocator::default(), shape).map_err(|e| fail(e.to_string()))?;
        tensor.try_extract_tensor_mut::<f32>().map_err(|e| fail(e.to_string()))?.1.fill(0.0);
        self.inputs[index] = Some(tensor);
        self.outputs.clear();
        Ok(())
    }

    /// Runs the model on its inputs.
    ///
    /// # Errors
    /// An input was never given, or the runtime refuses.
    pub fn run(&mut self) -> Result<(), ModelError> {
        self.run_raw().map_err(|reason| ModelError::Run { path: self.path.clone(), reason })
    }

    fn run_raw(&mut self) -> Result<(), String> {
        const MOST: usize = 16;
        let (mut input_names, mut inputs) = ([ptr::null(); MOST], [ptr::null(); MOST]);
        let (mut output_names, mut outputs) = ([ptr::null(); MOST], [ptr::null_mut(); MOST]);
        let (ins, outs) = (self.inputs.len(), self.output_names.len());
        if ins > MOST || outs > MOST {
            return Err(format!("it has more than {MOST} inputs or outputs"));
        }
        for (i, tensor) in self.inputs.iter().enumerate() {
            let tensor = tensor.as_ref().ok_or_else(|| format!("input {i} was not given"))?;
            (input_names[i], inputs[i]) = (self.input_names[i].as_ptr(), tensor.ptr());
        }
        for (i, name) in self.output_names.iter().enumerate() {
            output_names[i] = name.as_ptr();
            if let Some(value) = self.outputs.get_mut(i) {
                outputs[i] = value.ptr_mut();
            }
        }
        // SAFETY: all pointers belong to values that `self` owns and outlive the call; `&mut self`
        // makes it the session's only run. An output is null (the runtime then allocates it) or
        // one that the runtime made for the same inputs' shapes. ort's own `run` does the same, but
        // allocates for every output beyond the fourth.
        let result = unsafe {
            ort::Error::result_from_status((ort::api().Run)(
                self.session.ptr().cast_mut(),
                ptr::null(),
                input_names.as_ptr(),
                inputs.as_ptr(),
                ins,
                output_names.as_ptr(),
                outs,
                outputs.as_mut_ptr(),
            ))
        };
        if let Err(e) = result {
            self.outputs.clear();
            return Err(e.message().into());
        }
        if self.outputs.is_empty() {
            for &value in &outputs[..outs] {
                let value = ptr::NonNull::new(value).ok_or("it gave no output")?;
                // SAFETY: the runtime made it in this run and hands it over.
                self.outputs.push(unsafe { DynValue::from_ptr(value, Some(self.session.allocator())) });
            }
        }
        Ok(())
    }

    /// An error of this model's run, for those who read its outputs.
    pub(crate) fn error(&self, reason: String) -> ModelError {
        ModelError::Run { path: self.path.clone(), reason }
    }

    /// Shape and elements of the card's output `index` after the last run; empty before the first,
    /// or where there is no such output.
    pub fn output(&self, index: usize) -> (&[i64], &[f32]) {
        let tensor = self.outputs.get(index).and_then(|value| value.try_extract_tensor::<f32>().ok());
        tensor.map_or((&[], &[]), |(shape, data)| (shape, data))
    }
}

fn configured(builder: SessionBuilder, threads: usize) -> ort::Result<SessionBuilder> {
    Ok(builder
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads.max(1))?
        .with_intra_op_spinning(false)?)
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
