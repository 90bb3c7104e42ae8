//! Model cards, where models are found, and ONNX Runtime sessions.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod blocks;
mod card;
mod cuda;
mod emap;
mod error;
mod find;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod graph;
mod identify;
mod library;
mod loaded;
mod measure;
pub mod onnx;
mod operator;
mod provider;
mod role;
mod runtime;
mod session;
mod shared;
pub mod small;
pub(crate) mod store;
mod winograd;

pub use card::{
    Card, Channels, Decode, Dim, Layout, Origin, Partners, PerChannel, Postprocess, Preprocess, Tensor,
};
pub(crate) use emap::emap;
pub use error::ModelError;
pub use find::{Model, Pack, Search, Wanted};
pub use graph::{Places, Port, compare};
pub use identify::sha256;
pub use library::{LibraryDevice, library_devices};
pub use measure::{Measured, fastest};
pub use provider::{Options, Provider};
pub use role::Role;
pub(crate) use runtime::forbid_telemetry;
pub use runtime::{
    LIBRARY, LogLevel, LogSink, load as load_runtime, loaded as runtime_loaded, set_log_level, set_log_sink,
};
pub use session::{Interrupter, Session};
pub use shared::hash;
