//! The operator that runs convolutions within ONNX Runtime by [`winograd`](super::winograd).

use std::{
    ops::RangeInclusive,
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use ort::{
    operator::{
        ComputeContext, Kernel, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
        ShapeInferenceContext,
    },
    value::{Shape, SymbolicDimensions, Tensor, TensorElementType, TensorValueType, ValueType},
};

use super::winograd::{Convolution, Finish, Workspace};
use crate::sync::lock;

pub(super) const DOMAIN: &str = "faceswap";
pub(super) const VERSION: i64 = 1;
pub(super) const NAME: &str = "WinogradConv";
/// Attribute: rows and columns of zeros around, top, left, bottom, right.
pub(super) const PADS: &str = "pads";
/// Attribute: what results below zero are multiplied by.
pub(super) const ALPHA: &str = "alpha";

/// What a session needs to be told of the operator.
pub(super) fn domain() -> ort::Result<OperatorDomain> {
    OperatorDomain::new(DOMAIN)?.add(WinogradConv::default())
}

/// Those of one session's runs, one for each that happens at a time.
type Workspaces = Arc<Mutex<Vec<Workspace>>>;

#[derive(Default)]
struct WinogradConv {
    workspaces: Workspaces,
}

/// ort hands it to each run as its own, but runs may happen at a time, so nothing in it is changed.
struct Running {
    pads: [usize; 4],
    alpha: f32,
    workspaces: Workspaces,
}

impl Operator for WinogradConv {
    type Kernel<'attr> = Running;

    fn name(&self) -> &str {
        NAME
    }

    fn versions(&self) -> RangeInclusive<u32> {
        1..=VERSION as u32
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let numbers = TensorElementType::Float32;
        [OperatorInput::required(numbers), OperatorInput::required(numbers), OperatorInput::optional(numbers)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Running> {
        let pads: Vec<i64> = context.get(PADS).ok_or_else(|| error("it has no pads"))?;
        Ok(Running {
            pads: four(&pads)?,
            alpha: context.get(ALPHA).ok_or_else(|| error("it has no alpha"))?,
            workspaces: self.workspaces.clone(),
        })
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        let pads = four(&context.attr::<Vec<i64>>(PADS)?)?;
        let inputs = context.inputs();
        let shape = |index: usize| inputs.get(index).and_then(ValueType::tensor_shape);
        let (Some(&[batch, _, height, width]), Some(&[to, ..])) =
            (shape(0).map(|s| &**s), shape(1).map(|s| &**s))
        else {
            return Ok(());
        };
        let [top, left, bottom, right] = pads.map(|pad| pad as i64);
        let side = |side: i64, pads: i64| if side < 0 { -1 } else { side + pads - 2 };
        let shape = Shape::new([batch, to, side(height, top + bottom), side(width, left + right)]);
        let dimension_symbols = SymbolicDimensions::empty(4);
        let ty = TensorElementType::Float32;
        context.set_output(0, &ValueType::Tensor { ty, shape, dimension_symbols })
    }
}

impl Kernel for Running {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let this = &*self;
        // A panic must not reach the runtime.
        let run = catch_unwind(AssertUnwindSafe(|| this.run(context)));
        run.unwrap_or_else(|_| Err(error("a convolution failed")))
    }
}

impl Running {
    fn run(&self, context: &ComputeContext) -> ort::Result<()> {
        let input = |index: usize| match context.input(index)? {
            Some(value) => value.downcast::<TensorValueType<f32>>().map(Some),
            None => Ok(None),
        };
        let missing = || error("a convolution lacks an input");
        let (x, filters) = (input(0)?.ok_or_else(missing)?, input(1)?.ok_or_else(missing)?);
        let bias = if context.num_inputs()? > 2 { input(2)? } else { None };
        let of = self.convolution(x.shape(), filters.shape())?;
        let (height, width) = of.output();
        let x = aligned(&x)?;
        let bias: Vec<f32> = match &bias {
            Some(bias) if **bias.shape() == [of.to as i64] => {
                bytes(bias)?.iter().copied().map(f32::from_ne_bytes).collect()
            }
            Some(_) => return Err(error("a convolution's bias has another size")),
            None => Vec::new(),
        };
        let size = [of.batch, of.to, height, width].map(|side| side as i64);
        let mut y = context.output(0, size)?.ok_or_else(|| error("a convolution has no output"))?;
        let (_, y) = y.try_extract_tensor_mut::<f32>()?;
        let failed = AtomicBool::new(false);
        let spread = |count: usize, task: &(dyn Fn(usize) + Sync)| {
            let told = context.par_for(count, count, |i| {
                if catch_unwind(AssertUnwindSafe(|| task(i))).is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
            });
            if told.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
        };
        let mut workspace = lock(&self.workspaces).pop().unwrap_or_default();
        let finish = Finish { bias: &bias, alpha: self.alpha };
        of.run(x, bytes(&filters)?, finish, y, &mut workspace, spread);
        lock(&self.workspaces).push(workspace);
        if failed.into_inner() { Err(error("a convolution failed")) } else { Ok(()) }
    }

    /// The convolution of such inputs.
    fn convolution(&self, x: &[i64], filters: &[i64]) -> ort::Result<Convolution> {
        let (&[batch, from, height, width], &[to, depth, 3, 3]) = (x, filters) else {
            return Err(error(&format!("a convolution of {x:?} by {filters:?}")));
        };
        let whole = |side: i64| usize::try_from(side).ok().filter(|&side| side > 0);
        let sides = [batch, from, to, height, width].map(whole);
        let [Some(batch), Some(from), Some(to), Some(height), Some(width)] = sides else {
            return Err(error(&format!("a convolution of {x:?} by {filters:?}")));
        };
        let of = Convolution { batch, from, to, height, width, pads: self.pads };
        if from as i64 != depth || of.output().0 == 0 || of.output().1 == 0 {
            return Err(error(&format!("a convolution of {x:?} by {filters:?}")));
        }
        Ok(of)
    }
}

fn error(what: &str) -> ort::Error {
    ort::Error::new(what)
}

fn four(pads: &[i64]) -> ort::Result<[usize; 4]> {
    let whole = |pad: &i64| usize::try_from(*pad).ok().filter(|&pad| pad <= 2);
    let pads: Option<Vec<usize>> = pads.iter().map(whole).collect();
    pads.and_then(|pads| pads.try_into().ok()).ok_or_else(|| error("its pads are none"))
}

/// A tensor's numbers as they lie in memory: those of a mapped file may begin at any byte.
fn bytes(tensor: &Tensor<f32>) -> ort::Result<&[[u8; 4]]> {
    let count: i64 = tensor.shape().iter().product();
    let data = tensor.data_ptr().cast::<[u8; 4]>();
    if count <= 0 || data.is_null() {
        return Err(error("a convolution's input is empty"));
    }
    // SAFETY: a tensor of so many 32-bit numbers, which lives as long as `tensor`; any bytes will do.
    Ok(unsafe { slice::from_raw_parts(data, count as usize) })
}

fn aligned(tensor: &Tensor<f32>) -> ort::Result<&[f32]> {
    bytemuck::try_cast_slice(bytes(tensor)?)
        .map_err(|_| error("a convolution's input lies at an odd address"))
}
