//! Which card a file belongs to when neither a card beside it nor its name tells.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    Card, Model, ModelError, Role,
    graph::{Places, Port, compare},
    onnx, shared,
};
use crate::files;

/// SHA-256 of a file in lower-case hexadecimal. Reads all of it.
///
/// # Errors
/// [`ModelError::Unreadable`].
pub fn sha256(path: &Path) -> Result<String, ModelError> {
    files::sha256(path, onnx::MOST_BYTES)
        .map_err(|e| ModelError::Unreadable { path: path.into(), reason: e.to_string() })
}

pub(super) fn by_sha256(path: &Path, role: Role) -> Result<Option<Arc<Card>>, ModelError> {
    let known = || Card::built_in().iter().filter(move |card| card.role == role && !card.sha256.is_empty());
    if known().next().is_none() {
        return Ok(None);
    }
    let digest = shared::hash(path)?;
    let found = known().find(|card| card.sha256.contains(&digest)).cloned();
    Ok(found)
}

pub(super) fn by_graph(
    model: &Model,
    inputs: &[Port],
    outputs: &[Port],
) -> Result<(Arc<Card>, Places), ModelError> {
    let (mut fitting, mut apart) = (Vec::new(), Vec::new());
    for card in Card::built_in().iter().filter(|card| card.role == model.role) {
        match compare(card, inputs, outputs) {
            Ok(places) => fitting.push((card.clone(), places)),
            Err(differences) => apart.push((&*card.name, differences)),
        }
    }
    let mut fitting = fitting.into_iter();
    let Some((card, places)) = fitting.next() else {
        let text = |ports: &[Port]| ports.iter().map(Port::to_string).collect::<Vec<_>>().join(", ");
        let found = format!("inputs are {}, its outputs {}", text(inputs), text(outputs));
        let (role, path) = (model.role, model.path.clone());
        return Err(ModelError::Unknown { role, path, found, nearest: nearest(&apart) });
    };
    let others: Vec<String> =
        fitting.filter(|(other, _)| !is_alike(other, &card)).map(|(other, _)| other.file.clone()).collect();
    if others.is_empty() {
        return Ok((card, places));
    }
    let cards = [vec![card.file.clone()], others].concat();
    Err(ModelError::Ambiguous { role: model.role, path: model.path.clone(), cards })
}

/// The names of the cards with the fewest differences, and these, once for all that have the same.
fn nearest(apart: &[(&str, Vec<String>)]) -> String {
    let fewest = apart.iter().map(|(_, differences)| differences.len()).min();
    let mut alike: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, differences) in apart.iter().filter(|(_, differences)| Some(differences.len()) == fewest) {
        alike.entry(differences.join("; ")).or_default().push(format!("`{name}`"));
    }
    let told = alike.iter().map(|(differences, names)| format!("{} ({differences})", names.join(", ")));
    told.collect::<Vec<_>>().join(", ")
}

/// Whether a file can be used by either card with the same result.
fn is_alike(a: &Card, b: &Card) -> bool {
    let key = |card: &Card| (card.family.clone(), card.template.clone(), card.partners.clone());
    key(a) == key(b) && a.preprocess == b.preprocess && a.postprocess == b.postprocess && a.source == b.source
}
