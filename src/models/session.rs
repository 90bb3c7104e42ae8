//! A model's inputs and outputs, to be run on one thread at a time.

use std::{
    path::Path,
    ptr,
    sync::{Arc, atomic::Ordering},
};

use half::{f16, slice::HalfFloatSliceExt};
use ort::{
    AsPointer,
    memory::Allocator,
    session::RunOptions,
    value::{DynValue, Tensor, TensorElementType},
};

use super::{
    Card, ModelError, Provider,
    cuda::{self, Host, Resident},
    loaded::Loaded,
    runtime,
};

/// Inputs, or outputs, that a model has at most.
pub(super) const MOST_PORTS: usize = 16;

/// A model with input and output tensors of its own. Runs allocate nothing here once an input of
/// the same shape has run before.
#[derive(Debug)]
pub struct Session {
    // Tensors first: they are dropped before the session that made them.
    sets: Vec<Tensors>,
    /// The set in use.
    set: usize,
    run: Option<Interrupter>,
    /// The last run was ended from another thread.
    interrupted: bool,
    /// How it came to be run as it is, where that was measured.
    pub(super) measured: Option<Arc<str>>,
    loaded: Arc<Loaded>,
}

/// The tensors of a run. Where several images may go through at once there is a set for each number.
#[derive(Debug)]
struct Tensors {
    /// Images of a run, where that may vary.
    batch: i64,
    // First: it uses the memory of the others.
    resident: Option<Resident>,
    /// Whether there was an attempt to make that.
    settled: bool,
    inputs: Vec<Option<Input>>,
    outputs: Vec<DynValue>,
    /// Outputs that are not of 32-bit floats, converted; else empty.
    converted: Vec<Vec<f32>>,
}

impl Tensors {
    fn of(loaded: &Loaded, batch: i64) -> Tensors {
        Tensors {
            batch,
            resident: None,
            settled: false,
            inputs: loaded.inputs.iter().map(|_| None).collect(),
            outputs: Vec::new(),
            converted: vec![Vec::new(); loaded.outputs.len()],
        }
    }
}

/// An input tensor. What is not of 32-bit floats is filled through a copy that is.
#[derive(Debug)]
enum Input {
    Single(Tensor<f32>),
    Half(Tensor<f16>, Vec<f32>),
    Double(Tensor<f64>, Vec<f32>),
}

/// Ends a session's run from another thread.
#[derive(Clone)]
pub struct Interrupter {
    options: Arc<RunOptions>,
}

impl std::fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupter").finish_non_exhaustive()
    }
}

impl Interrupter {
    /// Makes the run under way, and those to come, end with an error soon.
    pub fn interrupt(&self) {
        // Fails only on a null pointer.
        let _ = self.options.terminate();
    }

    /// Lets the session run again.
    pub fn resume(&self) {
        let _ = self.options.unterminate();
    }
}

impl Session {
    pub(super) fn on(loaded: Arc<Loaded>) -> Session {
        let sets = vec![Tensors::of(&loaded, 0)];
        Session { sets, set: 0, run: None, interrupted: false, measured: None, loaded }
    }

    /// Another of the same model, with tensors of its own. What interrupts this one interrupts both.
    pub(crate) fn another(&self) -> Session {
        Session { run: self.run.clone(), ..Session::on(self.loaded.clone()) }
    }

    pub fn card(&self) -> &Arc<Card> {
        &self.loaded.card
    }

    /// What the model runs on.
    pub fn provider(&self) -> Provider {
        self.loaded.provider
    }

    /// Whether several images may go through in one run: it pays on this processor, and was seen to give
    /// what each gives alone. Only where it was asked for, by [`Session::batched`].
    pub fn batches(&self) -> bool {
        self.loaded.batches.load(Ordering::Relaxed)
    }

    /// What ends this session's runs from another thread.
    ///
    /// # Errors
    /// The runtime cannot make it.
    pub fn interrupter(&mut self) -> Result<Interrupter, ModelError> {
        if self.run.is_none() {
            let options = self.options().map_err(|e| self.error(e.message().into()))?;
            self.run = Some(Interrupter { options: Arc::new(options) });
        }
        self.run.clone().ok_or_else(|| self.error("it cannot be interrupted".into()))
    }

    /// Has the memory that a run needed given back after it, for sessions that run now and then.
    ///
    /// # Errors
    /// The runtime refuses.
    pub(crate) fn give_back(&mut self) -> Result<(), ModelError> {
        let error = |e: ort::Error| self.error(e.message().into());
        let mut options = self.options().map_err(error)?;
        options.set("memory.enable_memory_arena_shrinkage", "cpu:0").map_err(error)?;
        self.run = Some(Interrupter { options: Arc::new(options) });
        Ok(())
    }

    fn options(&self) -> ort::Result<RunOptions> {
        let mut options = RunOptions::new()?;
        if self.loaded.recorded {
            cuda::unrecorded(&mut options)?;
        }
        Ok(options)
    }

    /// Whether runs are recorded, for the thread that they happen on.
    pub(crate) fn is_recorded(&self) -> bool {
        self.loaded.recorded
    }

    /// Whether the last run failed because it was ended from another thread.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Shape of the card's input `index` as the file declares it; −1 is a free dimension.
    pub fn input_shape(&self, index: usize) -> &[i64] {
        self.loaded.inputs.get(index).map_or(&[], |port| &port.shape)
    }

    /// Shape of the card's output `index` as the file declares it; −1 is a free dimension.
    pub fn output_shape(&self, index: usize) -> &[i64] {
        self.loaded.outputs.get(index).map_or(&[], |port| &port.shape)
    }

    /// The elements of the card's input `index`, to be filled before [`run`](Self::run). They keep
    /// their values between runs; a shape other than the last gives zeros.
    ///
    /// # Errors
    /// No such input, or a shape that the model does not take.
    pub fn input(&mut self, index: usize, shape: &[i64]) -> Result<&mut [f32], ModelError> {
        if self.batches() {
            self.choose(shape.first().copied().unwrap_or(0));
        }
        let same = match self.sets[self.set].inputs.get(index) {
            Some(Some(Input::Single(tensor))) => **tensor.shape() == *shape,
            Some(Some(Input::Half(tensor, _))) => **tensor.shape() == *shape,
            Some(Some(Input::Double(tensor, _))) => **tensor.shape() == *shape,
            _ => false,
        };
        if !same {
            self.reshape(index, shape)?;
        }
        let path = &self.loaded.path;
        let run_error = |reason: String| ModelError::Run { path: path.clone(), reason };
        match self.sets[self.set].inputs.get_mut(index) {
            Some(Some(Input::Single(tensor))) => tensor
                .try_extract_tensor_mut::<f32>()
                .map(|(_, data)| data)
                .map_err(|e| run_error(e.to_string())),
            Some(Some(Input::Half(_, values) | Input::Double(_, values))) => Ok(values),
            _ => Err(run_error(format!("it has no input {index}"))),
        }
    }

    /// Goes to the set for runs of so many images.
    fn choose(&mut self, batch: i64) {
        if self.sets[self.set].batch == batch {
            return;
        }
        self.set = self.sets.iter().position(|set| set.batch == batch).unwrap_or_else(|| {
            self.sets.push(Tensors::of(&self.loaded, batch));
            self.sets.len() - 1
        });
    }

    fn reshape(&mut self, index: usize, shape: &[i64]) -> Result<(), ModelError> {
        let Some(port) = self.loaded.inputs.get(index) else {
            return Err(self.error(format!("it has no input {index}")));
        };
        let fits = |(given, own): (&i64, &i64)| *given > 0 && (*own < 0 || given == own);
        if shape.len() != port.shape.len() || !shape.iter().zip(&port.shape).all(fits) {
            return Err(self.error(format!("its input is {port}, not {shape:?}")));
        }
        let input = Input::new(&port.kind, shape).map_err(|e| self.error(e.to_string()))?;
        let set = &mut self.sets[self.set];
        (set.resident, set.settled) = (None, false);
        set.inputs[index] = Some(input);
        set.outputs.clear();
        Ok(())
    }

    /// Runs the model on its inputs.
    ///
    /// # Errors
    /// An input was never given, the run was interrupted, or the runtime refuses.
    pub fn run(&mut self) -> Result<(), ModelError> {
        if self.loaded.recorded {
            // Says that runs with tensors elsewhere leave no graph behind.
            self.interrupter()?;
        }
        let on_card = matches!(self.loaded.provider, Provider::Cuda | Provider::TensorRt);
        let run = match &mut self.sets[self.set] {
            Tensors { resident: Some(resident), inputs, .. } => {
                self.interrupted = false;
                inputs
                    .iter_mut()
                    .flatten()
                    .try_for_each(|input| input.value().map(drop))
                    .and_then(|()| resident.run(&self.loaded))
            }
            _ if on_card => cuda::using(|| {
                self.run_raw()?;
                self.settle();
                Ok(())
            }),
            _ => self.run_raw(),
        };
        run.and_then(|()| self.convert()).map_err(|reason| self.error(reason))
    }

    /// Keeps the tensors on the card from now on, where runs are recorded.
    fn settle(&mut self) {
        let set = &mut self.sets[self.set];
        if !self.loaded.recorded || set.settled {
            return;
        }
        set.settled = true;
        let inputs = set.inputs.iter_mut().flatten().map(Input::host);
        let outputs: Option<Vec<Host<'_>>> = set
            .outputs
            .iter_mut()
            .zip(&self.loaded.outputs)
            .map(|(value, port)| {
                let mut data = ptr::null_mut();
                // SAFETY: the value is a tensor in memory, which outlives the call.
                let status = unsafe { (ort::api().GetTensorMutableData)(value.ptr_mut(), &mut data) };
                // SAFETY: the status was given by the call above.
                unsafe { ort::Error::result_from_status(status) }.ok()?;
                Some(Host { kind: element(&port.kind), shape: value.shape(), data })
            })
            .collect();
        let Some(outputs) = outputs else { return };
        // SAFETY: the tensors are this set's, and go only after what is made here, see `reshape`,
        // `run_raw` and the order of the fields.
        match unsafe { Resident::new(&self.loaded, inputs, outputs.into_iter()) } {
            Ok(resident) => set.resident = Some(resident),
            Err(e) => runtime::tell(&format!(
                "{}: its tensors are copied anew for each run: {e}",
                self.loaded.path.display()
            )),
        }
    }

    fn run_raw(&mut self) -> Result<(), String> {
        const MOST: usize = MOST_PORTS;
        let (mut input_names, mut inputs) = ([ptr::null(); MOST], [ptr::null(); MOST]);
        let (mut output_names, mut outputs) = ([ptr::null(); MOST], [ptr::null_mut(); MOST]);
        let set = &mut self.sets[self.set];
        let (ins, outs) = (set.inputs.len(), self.loaded.output_names.len());
        if ins > MOST || outs > MOST {
            return Err(format!("it has more than {MOST} inputs or outputs"));
        }
        for (i, input) in set.inputs.iter_mut().enumerate() {
            let input = input.as_mut().ok_or_else(|| format!("input {i} was not given"))?;
            (input_names[i], inputs[i]) = (self.loaded.input_names[i].as_ptr(), input.value()?);
        }
        for (i, name) in self.loaded.output_names.iter().enumerate() {
            output_names[i] = name.as_ptr();
            if let Some(value) = set.outputs.get_mut(i) {
                outputs[i] = value.ptr_mut();
            }
        }
        let options = self.run.as_ref().map_or(ptr::null(), |run| run.options.ptr());
        // SAFETY: all pointers belong to values that `self` owns and outlive the call. A session
        // may be run from several threads at once, as ONNX Runtime's documentation says; the
        // tensors are this one's alone. An output is null (the runtime then allocates it) or one
        // that the runtime made for the same inputs' shapes. ort's own `run` does the same, but
        // allocates for every output beyond the fourth.
        let result = unsafe {
            ort::Error::result_from_status((ort::api().Run)(
                self.loaded.session.ptr().cast_mut(),
                options,
                input_names.as_ptr(),
                inputs.as_ptr(),
                ins,
                output_names.as_ptr(),
                outs,
                outputs.as_mut_ptr(),
            ))
        };
        self.interrupted = false;
        if let Err(e) = result {
            set.outputs.clear();
            // The interrupter may have let go again since.
            self.interrupted = e.message().contains("terminate flag");
            return Err(e.message().into());
        }
        if set.outputs.is_empty() {
            for &value in &outputs[..outs] {
                let value = ptr::NonNull::new(value).ok_or("it gave no output")?;
                let allocator = self.loaded.session.allocator();
                // SAFETY: the runtime made it in this run and hands it over.
                set.outputs.push(unsafe { DynValue::from_ptr(value, Some(allocator)) });
            }
        }
        Ok(())
    }

    fn convert(&mut self) -> Result<(), String> {
        let Tensors { outputs, converted, .. } = &mut self.sets[self.set];
        for ((value, port), to) in outputs.iter().zip(&self.loaded.outputs).zip(converted) {
            match port.kind.as_str() {
                "float16" => {
                    let (_, from) = value.try_extract_tensor::<f16>().map_err(|e| e.to_string())?;
                    to.resize(from.len(), 0.0);
                    from.convert_to_f32_slice(to);
                }
                "float64" => {
                    let (_, from) = value.try_extract_tensor::<f64>().map_err(|e| e.to_string())?;
                    to.clear();
                    to.extend(from.iter().map(|&v| v as f32));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The model's file.
    pub fn path(&self) -> &Path {
        &self.loaded.path
    }

    /// Runs it once on zeros, so that the next run need not make tensors. Free dimensions are 1.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn warm_up(&mut self) -> Result<(), ModelError> {
        for index in 0..self.loaded.inputs.len() {
            let shape: Vec<i64> = self.input_shape(index).iter().map(|&d| d.max(1)).collect();
            self.input(index, &shape)?;
        }
        self.run()
    }

    /// What is wrong with this model for good.
    pub(crate) fn unusable(&self, reason: String) -> ModelError {
        ModelError::Unusable { path: self.loaded.path.clone(), reason }
    }

    /// An error of this model's run, for those who read its outputs.
    pub(crate) fn error(&self, reason: String) -> ModelError {
        ModelError::Run { path: self.loaded.path.clone(), reason }
    }

    /// Shape and elements of the card's output `index` after the last run; empty before the first,
    /// or where there is no such output.
    pub fn output(&self, index: usize) -> (&[i64], &[f32]) {
        let set = &self.sets[self.set];
        let Some(value) = set.outputs.get(index) else { return (&[], &[]) };
        match set.converted.get(index) {
            Some(values) if !values.is_empty() => (value.shape(), values),
            _ => value.try_extract_tensor::<f32>().map_or((&[], &[]), |(shape, data)| (shape, data)),
        }
    }
}

fn element(kind: &str) -> TensorElementType {
    match kind {
        "float16" => TensorElementType::Float16,
        "float64" => TensorElementType::Float64,
        _ => TensorElementType::Float32,
    }
}

impl Input {
    /// Zeros.
    fn new(kind: &str, shape: &[i64]) -> ort::Result<Input> {
        let allocator = Allocator::default();
        Ok(match kind {
            "float16" => {
                let tensor = Tensor::<f16>::new(&allocator, shape)?;
                let values = vec![0.0; tensor.shape().num_elements()];
                Input::Half(tensor, values)
            }
            "float64" => {
                let tensor = Tensor::<f64>::new(&allocator, shape)?;
                let values = vec![0.0; tensor.shape().num_elements()];
                Input::Double(tensor, values)
            }
            _ => {
                let mut tensor = Tensor::<f32>::new(&allocator, shape)?;
                tensor.try_extract_tensor_mut::<f32>()?.1.fill(0.0);
                Input::Single(tensor)
            }
        })
    }

    /// The tensor's memory.
    fn host(&mut self) -> Host<'_> {
        match self {
            Input::Single(tensor) => {
                let data = tensor.data_ptr_mut();
                Host { kind: TensorElementType::Float32, shape: tensor.shape(), data }
            }
            Input::Half(tensor, _) => {
                let data = tensor.data_ptr_mut();
                Host { kind: TensorElementType::Float16, shape: tensor.shape(), data }
            }
            Input::Double(tensor, _) => {
                let data = tensor.data_ptr_mut();
                Host { kind: TensorElementType::Float64, shape: tensor.shape(), data }
            }
        }
    }

    /// The tensor, with what was filled in.
    fn value(&mut self) -> Result<*const ort::sys::OrtValue, String> {
        match self {
            Input::Single(tensor) => Ok(tensor.ptr()),
            Input::Half(tensor, values) => {
                let (_, to) = tensor.try_extract_tensor_mut::<f16>().map_err(|e| e.to_string())?;
                to.convert_from_f32_slice(values);
                Ok(tensor.ptr())
            }
            Input::Double(tensor, values) => {
                let (_, to) = tensor.try_extract_tensor_mut::<f64>().map_err(|e| e.to_string())?;
                to.iter_mut().zip(values).for_each(|(to, from)| *to = f64::from(*from));
                Ok(tensor.ptr())
            }
        }
    }
}
