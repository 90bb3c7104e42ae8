//! Model cards, where models are found, and ONNX Runtime sessions.

mod card;
mod error;
mod find;
mod graph;
mod identify;
mod runtime;
mod session;

pub use card::{Card, Channels, Decode, Dim, Layout, PerChannel, Preprocess, Role, Tensor};
pub use error::ModelError;
pub use find::{Model, Pack, Search};
pub use graph::{Places, Port, compare};
pub use identify::sha256;
pub use runtime::{LIBRARY, LogLevel, LogSink, loaded as runtime_loaded, set_log_level, set_log_sink};
pub use session::Session;
