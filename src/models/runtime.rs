//! ONNX Runtime, loaded at run time, once a process.

use std::{
    panic::catch_unwind,
    path::{Path, PathBuf},
    sync::{
        OnceLock, RwLock,
        atomic::{AtomicU8, Ordering},
    },
};

use once_cell::sync::OnceCell;
use ort::{LoadDynamicError, environment::Environment};

pub use ort::logging::LogLevel;

use super::ModelError;

/// File name of the library on this system.
#[cfg(target_os = "macos")]
pub const LIBRARY: &str = "libonnxruntime.dylib";
#[cfg(target_os = "windows")]
pub const LIBRARY: &str = "onnxruntime.dll";
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
pub const LIBRARY: &str = "libonnxruntime.so";

/// Receives ONNX Runtime's log messages, on any thread.
pub type LogSink = fn(LogLevel, &str);

static ENVIRONMENT: OnceCell<Environment> = OnceCell::new();
static LOADED: OnceLock<PathBuf> = OnceLock::new();
/// ort keeps the library it has once opened, so one that proves unusable afterwards spoils the process.
static SPOILT: OnceLock<ModelError> = OnceLock::new();
static SINK: RwLock<Option<LogSink>> = RwLock::new(None);
static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Warning as u8);

/// Where ONNX Runtime's messages go; until then, and if never called, nowhere.
pub fn set_log_sink(sink: LogSink) {
    if let Ok(mut slot) = SINK.write() {
        *slot = Some(sink);
    }
}

/// The least level that reaches the sink, at first `Warning`. Below `Warning` every run of a model
/// writes messages.
pub fn set_log_level(level: LogLevel) {
    LEVEL.store(level as u8, Ordering::Relaxed);
    if let Some(environment) = ENVIRONMENT.get() {
        environment.set_log_level(level);
    }
}

/// The library in use, once one is loaded.
pub fn loaded() -> Option<&'static Path> {
    LOADED.get().map(PathBuf::as_path)
}

/// Loads ONNX Runtime from `path`, or by the system's loader where there is none. The first success
/// holds for the process; a failure may be followed by another attempt.
///
/// # Errors
/// Not there, older than this build needs, or not ONNX Runtime.
pub fn load(path: Option<&Path>) -> Result<&'static Environment, ModelError> {
    ENVIRONMENT.get_or_try_init(|| {
        if let Some(error) = SPOILT.get() {
            return Err(error.clone());
        }
        let path = path.unwrap_or(Path::new(LIBRARY));
        // A library that answers nonsense makes ort panic instead of returning an error.
        let built = catch_unwind(|| build(path)).unwrap_or_else(|_| {
            let reason = "it does not offer the interface that its version promises".into();
            Err(SPOILT.get_or_init(|| ModelError::RuntimeBroken { path: path.into(), reason }).clone())
        })?;
        let _ = LOADED.set(path.into());
        Ok(built)
    })
}

/// Keeps ONNX Runtime from sending reports: official builds for Linux do so from 1.29 on unless this
/// is set before they are loaded. To be called as early as can be, since it changes the environment.
pub(crate) fn forbid_telemetry() {
    const NAME: &str = "ORT_DISABLE_TELEMETRY";
    if std::env::var_os(NAME).is_none_or(|value| value != "1") {
        // SAFETY: Rust's own readers are locked out. C's are not, so the plugin does this when it is
        // loaded, before it has a thread; a library user's first load of a model comes too early for them as well.
        unsafe { std::env::set_var(NAME, "1") };
    }
}

fn build(path: &Path) -> Result<Environment, ModelError> {
    forbid_telemetry();
    let builder = ort::init_from(path).map_err(|error| explain(error, path))?;
    let environment = builder
        .with_name("faceswap")
        .with_telemetry(false)
        .with_logger(std::sync::Arc::new(forward))
        .build()
        .map_err(|e| ModelError::RuntimeBroken { path: path.into(), reason: e.to_string() })?;
    environment.set_log_level(level(LEVEL.load(Ordering::Relaxed)));
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if let Err(e) = super::blocks::offer(&environment) {
        tell(&format!("large models will take more memory, their own allocator is refused: {e}"));
    }
    Ok(environment)
}

fn explain(error: LoadDynamicError, path: &Path) -> ModelError {
    let (path, given) = (PathBuf::from(path), path);
    match error {
        LoadDynamicError::BadVersion { version_str, path } => {
            let needed = format!("1.{}", ort::MINOR_VERSION);
            ModelError::RuntimeTooOld { path, version: version_str, needed }
        }
        LoadDynamicError::Dlopen { error, .. } => {
            let reason = std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string);
            match given.is_file() {
                true => ModelError::RuntimeBroken { path, reason },
                false => ModelError::RuntimeMissing { path, reason },
            }
        }
        other => ModelError::RuntimeBroken { path, reason: other.to_string() },
    }
}

fn level(value: u8) -> LogLevel {
    [LogLevel::Verbose, LogLevel::Info, LogLevel::Warning, LogLevel::Error]
        .into_iter()
        .find(|level| *level as u8 == value)
        .unwrap_or(LogLevel::Fatal)
}

/// A message of our own, beside the runtime's.
pub(super) fn tell(message: &str) {
    let sink = SINK.read().ok().and_then(|sink| *sink);
    if let Some(sink) = sink {
        sink(LogLevel::Warning, message);
    }
}

fn forward(level: LogLevel, _category: &str, _id: &str, location: &str, message: &str) {
    let sink = SINK.read().ok().and_then(|sink| *sink);
    if let Some(sink) = sink {
        sink(level, &format!("onnxruntime {location}: {message}"));
    }
}
