//! A model's inputs and outputs, to be run on one thread at a time.

mod interrupter;
mod run;
mod tensors;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use ort::session::RunOptions;

use super::{Card, Model, ModelError, Provider, cuda, loaded::Loaded};

pub use interrupter::Interrupter;
use tensors::{Input, Tensors};

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
    /// Its user's own file, which may be another than the one of the same content that was loaded.
    path: PathBuf,
}

impl Session {
    pub(super) fn on(loaded: Arc<Loaded>) -> Session {
        let (sets, path) = (vec![Tensors::of(&loaded, 0)], loaded.path.clone());
        Session { sets, set: 0, run: None, interrupted: false, measured: None, loaded, path }
    }

    /// The same for `model`, whose content was loaded.
    pub(super) fn of(model: &Model, loaded: Arc<Loaded>) -> Session {
        Session { path: model.path.clone(), ..Session::on(loaded) }
    }

    /// Another of the same model, with tensors of its own. What interrupts this one interrupts both.
    pub(crate) fn another(&self) -> Session {
        Session { run: self.run.clone(), path: self.path.clone(), ..Session::on(self.loaded.clone()) }
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

    /// Whether convolutions of the file are run by this crate's own operator.
    pub fn is_rewritten(&self) -> bool {
        self.loaded.rewritten
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

    /// Frees the tensors of past runs; the next run makes new ones.
    pub(crate) fn forget(&mut self) {
        (self.sets, self.set) = (vec![Tensors::of(&self.loaded, 0)], 0);
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
        let path = &self.path;
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

    /// The model's file.
    pub fn path(&self) -> &Path {
        &self.path
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
        ModelError::Unusable { path: self.path.clone(), reason }
    }

    /// An error of this model's run, for those who read its outputs.
    pub(crate) fn error(&self, reason: String) -> ModelError {
        ModelError::Run { path: self.path.clone(), reason }
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
