//! The tensors of a run, of whatever kind of number the model has.

use half::{f16, slice::HalfFloatSliceExt};
use ort::{
    AsPointer,
    memory::Allocator,
    value::{DynValue, Tensor, TensorElementType},
};

use super::super::{
    cuda::{Host, Resident},
    loaded::Loaded,
};

/// The tensors of a run. Where several images may go through at once there is a set for each number.
#[derive(Debug)]
pub(super) struct Tensors {
    /// Images of a run, where that may vary.
    pub batch: i64,
    // First: it uses the memory of the others.
    pub resident: Option<Resident>,
    /// Whether there was an attempt to make that.
    pub settled: bool,
    pub inputs: Vec<Option<Input>>,
    pub outputs: Vec<DynValue>,
    /// Outputs that are not of 32-bit floats, converted; else empty.
    pub converted: Vec<Vec<f32>>,
}

impl Tensors {
    pub fn of(loaded: &Loaded, batch: i64) -> Tensors {
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
pub(super) enum Input {
    Single(Tensor<f32>),
    Half(Tensor<f16>, Vec<f32>),
    Double(Tensor<f64>, Vec<f32>),
}

impl Input {
    /// Zeros.
    pub fn new(kind: &str, shape: &[i64]) -> ort::Result<Input> {
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
    pub fn host(&mut self) -> Host<'_> {
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
    pub fn value(&mut self) -> Result<*const ort::sys::OrtValue, String> {
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

pub(super) fn element(kind: &str) -> TensorElementType {
    match kind {
        "float16" => TensorElementType::Float16,
        "float64" => TensorElementType::Float64,
        _ => TensorElementType::Float32,
    }
}
