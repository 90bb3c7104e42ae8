//! What the user set, and the properties that set it.

mod specs;
#[cfg(test)]
mod tests;
mod values;

use std::path::PathBuf;

use super::choice::{Neural, Usage};
use super::enums::{Deterministic, Engine, ExecutionProvider, Mark};
use crate::{
    engine::{self, Params, split_list, split_map},
    models::{Options, Search, Wanted},
};

pub(super) use specs::specs;

/// Milliseconds.
pub(super) const DEFAULT_STATS_INTERVAL: u32 = 1000;
const DEFAULT_PADDING: &str = "0,0,0,0";

/// Values of the properties.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub source: Option<String>,
    pub engine: Engine,
    pub model_dir: Option<String>,
    pub detector_file: Option<String>,
    pub landmarker_file: Option<String>,
    pub model_file: Option<String>,
    pub reference: Option<String>,
    pub face_map: Option<String>,
    pub recognizer_file: Option<String>,
    pub occluder_file: Option<String>,
    pub parser_file: Option<String>,
    pub enhancer_file: Option<String>,
    pub model_cache_dir: Option<String>,
    pub execution_provider: ExecutionProvider,
    pub execution_provider_library: Option<String>,
    pub device: Option<String>,
    pub batch_size: u32,
    pub threads: u32,
    /// MiB, 0 = from what is free.
    pub max_memory: u32,
    /// Frames, 0 = synchronous.
    pub max_in_flight: u32,
    pub auto_quality: bool,
    /// Frames a second, 0 = the stream's.
    pub target_fps: u32,
    pub params: Params,
    pub mask_padding: String,
    pub deterministic: Deterministic,
    pub mark: Mark,
    pub meta: bool,
    /// Milliseconds, 0 = never.
    pub stats_interval: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            source: None,
            engine: Engine::default(),
            model_dir: None,
            detector_file: None,
            landmarker_file: None,
            model_file: None,
            reference: None,
            face_map: None,
            recognizer_file: None,
            occluder_file: None,
            parser_file: None,
            enhancer_file: None,
            model_cache_dir: None,
            execution_provider: ExecutionProvider::default(),
            execution_provider_library: None,
            device: None,
            batch_size: 1,
            threads: 0,
            max_memory: 0,
            max_in_flight: 0,
            auto_quality: true,
            target_fps: 0,
            params: Params::default(),
            mask_padding: DEFAULT_PADDING.into(),
            deterministic: Deterministic::default(),
            mark: Mark::default(),
            meta: false,
            stats_interval: DEFAULT_STATS_INTERVAL,
        }
    }
}

impl Settings {
    /// Whether any face is to be swapped.
    pub fn is_wanted(&self) -> bool {
        self.source.is_some() || self.face_map.is_some()
    }

    /// Photos of whom faces become: `source`, or the first of `face-map` where nobody else is
    /// swapped.
    pub fn photos(&self) -> Option<String> {
        let mapped = || split_map(self.face_map.as_deref()?).ok()?.into_iter().next();
        self.source.clone().or_else(|| mapped().map(|(_, shown)| shown))
    }

    pub fn search(&self) -> Search {
        let path = |file: &Option<String>| file.as_ref().map(PathBuf::from);
        Search {
            model_dir: path(&self.model_dir),
            detector_file: path(&self.detector_file),
            landmarker_file: path(&self.landmarker_file),
            swapper_file: path(&self.model_file),
            recognizer_file: path(&self.recognizer_file),
            occluders: self.wanted(engine::Masks::OCCLUSION, &self.occluder_file),
            parser: self.wanted(engine::Masks::REGION, &self.parser_file),
            enhancer_file: path(&self.enhancer_file),
        }
    }

    fn wanted(&self, mask: engine::Masks, files: &Option<String>) -> Wanted {
        match files {
            _ if !self.params.masks.contains(mask) => Wanted::None,
            Some(list) => Wanted::These(split_list(list)),
            None => Wanted::Usual,
        }
    }

    /// The swap network, where one is wanted.
    ///
    /// # Errors
    /// One is wanted, and none is named.
    pub fn neural(&self) -> Result<Option<Neural>, String> {
        match (self.engine, &self.model_file) {
            (Engine::Mesh, _) | (Engine::Auto, None) => Ok(None),
            (Engine::Neural, None) => {
                Err("engine=neural needs a swap network: name its ONNX file with model-file".into())
            }
            (Engine::Hybrid, None) => {
                Err("engine=hybrid needs a swap network: name its ONNX file with model-file".into())
            }
            (engine, Some(_)) => {
                let usage = match engine {
                    Engine::Hybrid => Usage::KeyFrames,
                    Engine::Neural => Usage::EveryFrame,
                    Engine::Auto | Engine::Mesh => Usage::Measured,
                };
                Ok(Some(Neural { options: self.options(), batch: self.batch_size as usize, usage }))
            }
        }
    }

    /// How the enhancer is to run, where one is named.
    pub fn enhancer(&self) -> Option<Options> {
        self.enhancer_file.as_ref().map(|_| self.options())
    }

    /// How networks are to run.
    fn options(&self) -> Options {
        let threads = crate::control::threads(self.threads as usize);
        let cache = self.model_cache_dir.as_ref().map(PathBuf::from);
        let library = self.execution_provider_library.as_ref().map(PathBuf::from);
        let (provider, device) = (self.execution_provider.into(), self.device.clone());
        Options { provider, device, threads, cache, library }
    }
}
