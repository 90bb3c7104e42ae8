//! ONNX Runtime by itself, without anything of the plugin's.

use std::path::Path;

use gstfaceswap::models::Provider;
use ort::{
    ep,
    session::{
        Session,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::{DynTensor, Tensor, TensorElementType},
};

/// A swap network with inputs `target`, square pictures, and `source`, 512 numbers.
pub struct Alone {
    session: Session,
    inputs: [DynTensor; 2],
}

impl Alone {
    /// Loads a file as any program would; `nhwc`: CUDA lays its tensors out so.
    pub fn load(file: &Path, provider: Provider, threads: usize, nhwc: bool) -> Alone {
        let environment =
            gstfaceswap::models::load_runtime(None).expect("the runtime that the plugin loaded");
        let builder = SessionBuilder::new(environment).expect("a builder");
        let builder = builder.with_optimization_level(GraphOptimizationLevel::All).expect("a level");
        let mut builder = builder.with_intra_threads(threads).expect("threads");
        if provider == Provider::Cuda {
            let cuda = ep::CUDA::default()
                .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
                .with_prefer_nhwc(nhwc)
                .with_tf32(true);
            builder = builder.with_execution_providers([cuda.build().error_on_failure()]).expect("CUDA");
        }
        let session = builder.commit_from_file(file).expect("the network");
        let inputs = inputs(&session, 1);
        Alone { session, inputs }
    }

    /// Takes `batch` pictures a run from now on, where the file lets it.
    pub fn batch(&mut self, batch: usize) {
        self.inputs = inputs(&self.session, batch);
    }

    /// From memory to memory.
    pub fn run(&mut self) {
        let [target, source] = &self.inputs;
        self.session.run(ort::inputs!["target" => target, "source" => source]).map(drop).expect("a run");
    }
}

fn inputs(session: &Session, batch: usize) -> [DynTensor; 2] {
    let side = session.inputs()[0].dtype().tensor_shape().map_or(0, |shape| shape[2]);
    let half = session.inputs()[0].dtype().tensor_type() == Some(TensorElementType::Float16);
    [vec![batch as i64, 3, side, side], vec![batch as i64, 512]].map(|shape| {
        let len = shape.iter().product::<i64>() as usize;
        let wave = |i: usize| 0.5 + 0.4 * (i as f32 * 0.01).sin();
        match half {
            true => {
                let values = (0..len).map(|i| half::f16::from_f32(wave(i))).collect::<Vec<_>>();
                Tensor::from_array((shape, values)).expect("a tensor").upcast()
            }
            false => {
                let values = (0..len).map(wave).collect::<Vec<_>>();
                Tensor::from_array((shape, values)).expect("a tensor").upcast()
            }
        }
    })
}
