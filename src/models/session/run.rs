//! Running a model, on tensors in memory or on the card.

use std::ptr;

use half::{f16, slice::HalfFloatSliceExt};
use ort::{AsPointer, value::DynValue};

use super::{
    super::{
        ModelError, Provider,
        cuda::{self, Host, Resident},
        runtime,
    },
    MOST_PORTS, Session,
    tensors::{Input, Tensors, element},
};

impl Session {
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
                self.path.display()
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
}
