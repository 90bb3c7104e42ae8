//! Why a model or the runtime cannot be used. Each says what was wrong, with the path, and what to
//! do about it.

use std::{fmt::Write, path::PathBuf};

use super::{Role, provider::Provider};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error(
        "{role} model {file} not found in {}; run `make models` to fetch the default models, or name their folder with model-dir or GST_FACESWAP_MODEL_DIR",
        list(looked_in)
    )]
    Missing { role: Role, file: String, looked_in: Vec<PathBuf> },
    #[error("{role} model {}: no such file; check the path", path.display())]
    NoSuchFile { role: Role, path: PathBuf },
    #[error("model {}: cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("model {}: not a usable ONNX model, perhaps truncated; fetch it again (`make models` for the default ones): {reason}", path.display())]
    Invalid { path: PathBuf, reason: String },
    #[error(
        "model {}: does not fit its card `{card}`: {}; give the file its own name back, or put a card that fits it beside it, named {}",
        path.display(), differences.join("; "), path.with_extension("toml").display()
    )]
    Mismatch { path: PathBuf, card: String, differences: Vec<String> },
    #[error(
        "model {}: by its card `{card}` it is a {role}, and a {wanted} is wanted here; {}, or put a card of a {wanted} beside it, named {}",
        path.display(), name_another(*role, *wanted), path.with_extension("toml").display()
    )]
    WrongRole { path: PathBuf, card: String, role: Role, wanted: Role },
    /// `nearest`: the built-in cards that differ least, and in what.
    #[error(
        "model {}: no card of a {role} fits it: its {found}; nearest come {nearest}; put a card beside it, named {}",
        path.display(), path.with_extension("toml").display()
    )]
    Unknown { role: Role, path: PathBuf, found: String, nearest: String },
    #[error("model {}: card `{card}` says family `{family}`, which is no {role} this plugin can read", path.display())]
    Unsupported { role: Role, path: PathBuf, card: String, family: String },
    #[error("model cache folder {}: it cannot be used: {reason}", path.display())]
    Cache { path: PathBuf, reason: String },
    #[error("model card {}: {reason}", path.display())]
    Card { path: PathBuf, reason: String },
    #[error("ONNX Runtime not found: {}: {reason}; run `make models` to fetch it, or name the library with ORT_DYLIB_PATH", path.display())]
    RuntimeMissing { path: PathBuf, reason: String },
    #[error("ONNX Runtime {}: version {version} is too old, {needed} at least is needed; run `make models` to fetch one, or name a newer library with ORT_DYLIB_PATH", path.display())]
    RuntimeTooOld { path: PathBuf, version: String, needed: String },
    #[error("ONNX Runtime {}: cannot be used: {reason}; run `make models` to fetch it again, or name another library with ORT_DYLIB_PATH", path.display())]
    RuntimeBroken { path: PathBuf, reason: String },
    #[error("model {}: run failed: {reason}", path.display())]
    Run { path: PathBuf, reason: String },
    #[error("model {}: cannot be used: {reason}", path.display())]
    Unusable { path: PathBuf, reason: String },
    #[error(
        "model {}: as a {role} it fits several cards: {}; name it as one of them does, or put a card beside it, named {}",
        path.display(), cards.join(", "), path.with_extension("toml").display()
    )]
    Ambiguous { role: Role, path: PathBuf, cards: Vec<String> },
    #[error(
        "model {}: it needs a {role} beside it or in {}: {partner}; put it there{}",
        path.display(), list(looked_in), or_name_it(*role)
    )]
    NoPartner { role: Role, path: PathBuf, partner: String, looked_in: Vec<PathBuf> },
    #[error("execution provider library {}: {reason}", path.display())]
    Library { path: PathBuf, reason: String },
    #[error("execution provider {provider}: ONNX Runtime {} cannot use it: {reason}; name a runtime that can with ORT_DYLIB_PATH, or choose another execution-provider", runtime.display())]
    Provider { provider: Provider, runtime: PathBuf, reason: String },
}

fn name_another(role: Role, wanted: Role) -> String {
    match role.property() {
        Some(property) => format!("name it with {property} and a {wanted} here"),
        None => format!("name a {wanted}"),
    }
}

fn or_name_it(role: Role) -> String {
    role.property().map(|property| format!(", or name one with {property}")).unwrap_or_default()
}

fn list(folders: &[PathBuf]) -> String {
    let mut text = String::new();
    for (i, folder) in folders.iter().enumerate() {
        let _ = write!(text, "{}{}", if i > 0 { ", " } else { "" }, folder.display());
    }
    if text.is_empty() { "no folder at all".into() } else { text }
}
