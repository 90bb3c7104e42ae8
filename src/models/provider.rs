//! Execution providers: what runs a network.

use std::{
    fmt,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    str::FromStr,
};

use ort::{
    ep::{self, ExecutionProvider, ExecutionProviderDispatch},
    session::builder::SessionBuilder,
};
use sha2::{Digest, Sha256};

use super::{ModelError, library, runtime, shared};
use crate::files;

/// An execution provider of ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Provider {
    /// The first of CUDA and CoreML that the runtime has and that works, else the CPU.
    #[default]
    Auto,
    Cpu,
    CoreMl,
    Cuda,
    TensorRt,
    OpenVino,
    WebGpu,
    Xnnpack,
    /// One that only a plugin library has.
    Plugin,
}

impl Provider {
    /// What `auto` tries before the CPU, best first.
    pub(super) const PREFERRED: [Provider; 2] = [Provider::Cuda, Provider::CoreMl];
    const NAMED: [Provider; 7] = [
        Provider::Cpu,
        Provider::CoreMl,
        Provider::Cuda,
        Provider::TensorRt,
        Provider::OpenVino,
        Provider::WebGpu,
        Provider::Xnnpack,
    ];

    /// As the property `execution-provider` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Provider::Auto => "auto",
            Provider::Cpu => "cpu",
            Provider::CoreMl => "coreml",
            Provider::Cuda => "cuda",
            Provider::TensorRt => "tensorrt",
            Provider::OpenVino => "openvino",
            Provider::WebGpu => "webgpu",
            Provider::Xnnpack => "xnnpack",
            Provider::Plugin => "plugin",
        }
    }

    /// By the name that a plugin library gives it.
    pub(super) fn of_library(name: &str) -> Provider {
        match name {
            "CoreMLExecutionProvider" => Provider::CoreMl,
            "CUDAExecutionProvider" => Provider::Cuda,
            "TensorrtExecutionProvider" | "NvTensorRTRTXExecutionProvider" => Provider::TensorRt,
            "OpenVINOExecutionProvider" => Provider::OpenVino,
            "WebGpuExecutionProvider" => Provider::WebGpu,
            "XnnpackExecutionProvider" => Provider::Xnnpack,
            _ => Provider::Plugin,
        }
    }

    /// Whether the loaded runtime was built with it.
    pub(super) fn is_built_in(self) -> bool {
        match self {
            Provider::Auto | Provider::Cpu => true,
            Provider::Plugin => false,
            Provider::CoreMl => ep::CoreML::is_available().unwrap_or(false),
            Provider::Cuda => ep::CUDA::is_available().unwrap_or(false),
            Provider::TensorRt => ep::TensorRT::is_available().unwrap_or(false),
            Provider::OpenVino => ep::OpenVINO::is_available().unwrap_or(false),
            Provider::WebGpu => ep::WebGPU::is_available().unwrap_or(false),
            Provider::Xnnpack => ep::XNNPACK::is_available().unwrap_or(false),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a network is run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Options {
    pub provider: Provider,
    /// CUDA and TensorRT: the device's index; CoreML: all, ane, gpu or cpu; OpenVINO: its device
    /// type.
    pub device: Option<String>,
    /// CPU threads for each operator, 1 at least.
    pub threads: usize,
    /// Where a provider may keep what it compiled.
    pub cache: Option<PathBuf>,
    /// The plugin library that the provider comes from, in place of the runtime itself. Its devices
    /// are told by their index or as cpu, gpu or npu.
    pub library: Option<PathBuf>,
}

impl Options {
    /// The same on the CPU, as the runtime itself has it.
    pub fn on_cpu(&self) -> Options {
        Options { provider: Provider::Cpu, device: None, library: None, ..self.clone() }
    }

    /// With the provider that these mean, where that is in a library.
    ///
    /// # Errors
    /// The library cannot be used, or lacks the provider or the device.
    pub(super) fn resolved(&self, model: &super::Model) -> Result<Options, ModelError> {
        match &self.library {
            Some(library) if self.provider != Provider::Cpu => {
                runtime::load(model.runtime.as_deref())?;
                let provider = library::provider(library, self.provider, self.device.as_deref())?;
                Ok(Options { provider, ..self.clone() })
            }
            _ => Ok(Options { library: None, ..self.clone() }),
        }
    }

    /// Adds the provider to a session that is being made. `model` names the file in caches, `recorded`
    /// has CUDA record its runs.
    ///
    /// # Errors
    /// The runtime lacks the provider, it refuses, or `device` is not one of its devices.
    pub(super) fn register(
        &self,
        builder: SessionBuilder,
        model: &str,
        recorded: bool,
    ) -> Result<SessionBuilder, ModelError> {
        if let Some(path) = &self.library {
            return library::append(builder, path, self.provider, self.device.as_deref());
        }
        let Some(dispatch) = self.dispatch(model, recorded)? else { return Ok(builder) };
        builder
            .with_execution_providers([dispatch.error_on_failure()])
            .map_err(|e| self.error(e.message().to_owned()))
    }

    /// Whether the provider can be asked for at all: cheap, before anything is loaded.
    ///
    /// # Errors
    /// As [`register`](Self::register), short of the provider's own refusal.
    pub(super) fn check(&self, model: &super::Model) -> Result<(), ModelError> {
        runtime::load(model.runtime.as_deref())?;
        if self.library.is_some() {
            Ok(())
        } else {
            self.dispatch(&cache_name(&model.path)?, false).map(drop)
        }
    }

    /// Makes the cache's folder, or sees that nobody else can write into the one there is: what lies
    /// there is run.
    ///
    /// # Errors
    /// [`ModelError::Cache`].
    pub fn prepare_cache(&self) -> Result<(), ModelError> {
        self.cache.as_deref().map_or(Ok(()), private)
    }

    pub(super) fn error(&self, reason: String) -> ModelError {
        let runtime = runtime::loaded().map_or_else(PathBuf::new, PathBuf::from);
        ModelError::Provider { provider: self.provider, runtime, reason }
    }

    fn dispatch(&self, model: &str, recorded: bool) -> Result<Option<ExecutionProviderDispatch>, ModelError> {
        if !self.provider.is_built_in() {
            let has: Vec<&str> =
                Provider::NAMED.iter().filter(|p| p.is_built_in()).map(|p| p.name()).collect();
            return Err(self.error(format!("it was built without it, it has {}", has.join(", "))));
        }
        let cache = self.cache.as_ref().map(|folder| folder.join(model));
        if let Some(folder) = &cache
            && matches!(self.provider, Provider::CoreMl | Provider::TensorRt | Provider::OpenVino)
        {
            self.prepare_cache()?;
            private(folder)?;
        }
        let cache = cache.map(|folder| folder.display().to_string());
        Ok(Some(match self.provider {
            Provider::Auto | Provider::Cpu | Provider::Plugin => return Ok(None),
            Provider::Cuda => ep::CUDA::default()
                .with_device_id(self.index()?)
                .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
                .with_tf32(true)
                .with_cuda_graph(recorded)
                .build(),
            Provider::TensorRt => {
                let provider = ep::TensorRT::default().with_device_id(self.index()?);
                match cache {
                    Some(folder) => provider.with_engine_cache(true).with_engine_cache_path(folder).build(),
                    None => provider.build(),
                }
            }
            Provider::CoreMl => {
                use ep::coreml::{ComputeUnits, ModelFormat};
                let units = match self.device.as_deref() {
                    None | Some("all") => ComputeUnits::All,
                    Some("ane") => ComputeUnits::CPUAndNeuralEngine,
                    Some("gpu") => ComputeUnits::CPUAndGPU,
                    Some("cpu") => ComputeUnits::CPUOnly,
                    Some(other) => return Err(self.no_device(other, "all, ane, gpu or cpu")),
                };
                let provider = ep::CoreML::default()
                    .with_model_format(ModelFormat::MLProgram)
                    .with_static_input_shapes(true)
                    .with_compute_units(units);
                match cache {
                    Some(folder) => provider.with_model_cache_dir(folder).build(),
                    None => provider.build(),
                }
            }
            Provider::OpenVino => {
                let mut provider = ep::OpenVINO::default();
                if let Some(device) = &self.device {
                    provider = provider.with_device_type(device);
                }
                match cache {
                    Some(folder) => provider.with_cache_dir(folder).build(),
                    None => provider.build(),
                }
            }
            Provider::WebGpu => ep::WebGPU::default().build(),
            Provider::Xnnpack => {
                let threads = NonZeroUsize::new(self.threads).unwrap_or(NonZeroUsize::MIN);
                ep::XNNPACK::default().with_intra_op_num_threads(threads).build()
            }
        }))
    }

    pub(super) fn index(&self) -> Result<i32, ModelError> {
        let text = self.device.as_deref().unwrap_or("0");
        i32::from_str(text).ok().filter(|&i| i >= 0).ok_or_else(|| self.no_device(text, "an index from 0"))
    }

    fn no_device(&self, device: &str, wanted: &str) -> ModelError {
        self.error(format!("device is {device:?}; give {wanted}"))
    }
}

/// Folder of what is compiled of a model: by its content and the runtime, since caches notice
/// neither.
pub(super) fn cache_name(path: &Path) -> Result<String, ModelError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut hash = Sha256::new();
    hash.update(shared::hash(path)?);
    hash.update(ort::info());
    let digest = hash.finalize();
    Ok(digest.iter().take(8).fold(format!("{stem}-"), |name, byte| format!("{name}{byte:02x}")))
}

fn private(folder: &Path) -> Result<(), ModelError> {
    let unusable = |e: std::io::Error| ModelError::Cache { path: folder.into(), reason: e.to_string() };
    files::private_folder(folder).map_err(unusable)
}
