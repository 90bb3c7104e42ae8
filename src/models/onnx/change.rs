//! Changes a graph: opens its batch where it was exported for one image, and has convolutions run by
//! another operator.
//!
//! Inputs and outputs get a free first dimension, and what is reshaped to a batch of one keeps its
//! own. Whether that is all that the graph needs, running it must show: one that mixes the images of
//! a batch looks no different.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
};

use prost::{Message, bytes::Bytes};

use super::{
    convolution::{self, Fate},
    decode, map,
    schema::{
        AttributeProto, Dimension, EXTERNAL, Entry, Extent, GraphProto, NodeProto, TensorProto, ValueInfo,
        attribute, element,
    },
    wire::{Field, fields, put},
};
use crate::models::ModelError;

/// Field numbers of `ModelProto` and `GraphProto`.
mod number {
    pub const GRAPH: u64 = 7;
    pub const OPERATORS: u64 = 8;
    pub const NODE: u64 = 1;
    pub const INITIALIZER: u64 = 5;
    pub const INPUT: u64 = 11;
    pub const OUTPUT: u64 = 12;
    pub const VALUE_INFO: u64 = 13;
}

/// Weights of as many bytes and more stay in their file.
const LARGE: usize = 4096;
const BATCH: &str = "batch";

/// What is changed in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// The batch is opened.
    pub batch: bool,
    /// Convolutions of many channels are run by [`winograd`](crate::models::winograd).
    pub winograd: bool,
}

/// A changed model. Its largest weights are where they were.
#[derive(Debug)]
pub struct Changed {
    /// The model, which names weights as data of another file.
    pub bytes: Vec<u8>,
    /// That file, links followed.
    pub path: PathBuf,
    /// What was changed.
    pub changes: Changes,
    /// Weights that the runtime is to be given: it would leave them in their file, where others may
    /// overwrite them.
    pub weights: Vec<Weights>,
}

/// A tensor of 32-bit floats in the model's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    pub name: String,
    pub dims: Vec<i64>,
    /// Where it begins, in bytes.
    pub offset: usize,
    /// How many numbers there are.
    pub count: usize,
}

/// The model with an open batch or other convolutions; `None` where a batch to be opened is not of one
/// image, or there is nothing to change.
///
/// # Errors
/// The file cannot be read or is no whole ONNX model.
pub fn change(path: &Path, mut changes: Changes) -> Result<Option<Changed>, ModelError> {
    let unreadable = |e: std::io::Error| ModelError::Unreadable { path: path.into(), reason: e.to_string() };
    // What lies in another file may lie in the model's own folder only, links followed.
    let path = path.canonicalize().map_err(unreadable)?;
    let file = map(&path)?;
    let Some(graph) = decode(&path, file.clone())?.graph else { return Ok(None) };
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
    let fates = if changes.winograd { convolution::fates(&graph) } else { HashMap::new() };
    changes.winograd = !fates.is_empty();
    if changes == Changes::default() {
        return Ok(None);
    }
    let rewrite = Rewrite { graph: &graph, file: &file, name, fates, batch: changes.batch };
    let bytes = rewrite.model();
    let weights = rewrite.weights();
    Ok(bytes.map(|bytes| Changed { bytes, path: path.clone(), changes, weights }))
}

struct Rewrite<'m> {
    graph: &'m GraphProto,
    file: &'m Bytes,
    name: &'m str,
    fates: HashMap<usize, Fate>,
    batch: bool,
}

impl Rewrite<'_> {
    fn model(&self) -> Option<Vec<u8>> {
        let constants: HashSet<&str> = self.graph.initializer.iter().map(|t| t.name.as_str()).collect();
        let fed = |port: &&ValueInfo| !constants.contains(port.name.as_str());
        if self.batch && !self.graph.input.iter().filter(fed).all(is_single) {
            return None;
        }
        let mut model = Vec::new();
        for field in fields(self.file)? {
            match field.number {
                number::GRAPH => put(&mut model, field.number, &self.rewritten(&field.content, &constants)?),
                _ => model.extend_from_slice(&field.whole),
            }
        }
        if !self.fates.is_empty() {
            put(&mut model, number::OPERATORS, &convolution::operators().encode_to_vec());
        }
        Some(model)
    }

    fn rewritten(&self, graph: &Bytes, constants: &HashSet<&str>) -> Option<Vec<u8>> {
        let fields = fields(graph)?;
        let carried = self.carried(constants);
        let shapes: Vec<Option<Vec<i64>>> =
            self.graph.node.iter().map(|node| self.open_shape(node, &carried)).collect();
        let mut out = Vec::new();
        for shape in shapes.iter().flatten().collect::<BTreeSet<_>>() {
            put(&mut out, number::NODE, &constant(shape).encode_to_vec());
        }
        let of = |number: u64| fields.iter().filter(move |field| field.number == number);
        for (at, (field, shape)) in of(number::NODE).zip(&shapes).enumerate() {
            match (self.fates.get(&at), shape) {
                (Some(Fate::Dropped), _) => {}
                (Some(Fate::Replaced(node)), _) => put(&mut out, number::NODE, &node.encode_to_vec()),
                (None, Some(shape)) => put(&mut out, number::NODE, &with_shape(field, &name(shape))?),
                (None, None) => out.extend_from_slice(&field.whole),
            }
        }
        let given = self.given();
        for (field, tensor) in of(number::INITIALIZER).zip(&self.graph.initializer) {
            let stays = !self.fates.is_empty() && !given.contains(tensor.name.as_str());
            match self.outside(tensor).filter(|_| !stays) {
                Some(outside) => put(&mut out, number::INITIALIZER, &outside.encode_to_vec()),
                None => out.extend_from_slice(&field.whole),
            }
        }
        let (inputs, outputs) = (&self.graph.input, &self.graph.output);
        for (number, ports) in [(number::INPUT, inputs), (number::OUTPUT, outputs)] {
            for (field, port) in of(number).zip(ports) {
                match self.batch && is_single(port) && !constants.contains(port.name.as_str()) {
                    true => put(&mut out, number, &opened(port).encode_to_vec()),
                    false => out.extend_from_slice(&field.whole),
                }
            }
        }
        // The runtime works out the shapes between anew.
        let known = [number::NODE, number::INITIALIZER, number::INPUT, number::OUTPUT, number::VALUE_INFO];
        for field in fields.iter().filter(|field| !known.contains(&field.number)) {
            out.extend_from_slice(&field.whole);
        }
        Some(out)
    }

    /// The names of the weights of other convolutions.
    fn given(&self) -> HashSet<&str> {
        let replaced = self.fates.values().filter_map(|fate| match fate {
            Fate::Replaced(node) => node.input.get(1),
            Fate::Dropped => None,
        });
        replaced.map(String::as_str).collect()
    }

    fn weights(&self) -> Vec<Weights> {
        let given = self.given();
        let tensors = self.graph.initializer.iter().filter(|tensor| given.contains(tensor.name.as_str()));
        let weights = |tensor: &TensorProto| {
            Some(Weights {
                name: tensor.name.clone(),
                dims: tensor.dims.clone(),
                offset: self.offset(tensor)?,
                count: tensor.raw_data.len() / size_of::<f32>(),
            })
        };
        tensors.filter_map(weights).collect()
    }

    /// What is worked out from the inputs; all else is the same for every image.
    fn carried(&self, constants: &HashSet<&str>) -> HashSet<&str> {
        let inputs = self.graph.input.iter().map(|port| port.name.as_str());
        let mut carried: HashSet<&str> = inputs.filter(|name| !constants.contains(name)).collect();
        for node in &self.graph.node {
            if node.input.iter().any(|input| carried.contains(input.as_str())) {
                carried.extend(node.output.iter().map(String::as_str));
            }
        }
        carried
    }

    /// The shape that a node should give what it reshapes to a batch of one.
    fn open_shape(&self, node: &NodeProto, carried: &HashSet<&str>) -> Option<Vec<i64>> {
        let takes_zero = node.attribute.iter().any(|a| a.name == "allowzero" && a.i == Some(1));
        if !self.batch
            || node.op_type != "Reshape"
            || takes_zero
            || !carried.contains(node.input.first()?.as_str())
        {
            return None;
        }
        let mut shape = self.integers(node.input.get(1)?)?;
        if shape.len() < 2 || shape[0] != 1 {
            return None;
        }
        // 0: as it was; of the two, this leaves it to the runtime where the others say it all.
        shape[0] = if shape[1..].contains(&-1) { 0 } else { -1 };
        Some(shape)
    }

    /// Elements of a constant.
    fn integers(&self, name: &str) -> Option<Vec<i64>> {
        let of_node = |node: &&NodeProto| node.op_type == "Constant" && node.output.iter().any(|o| o == name);
        let tensor = match self.graph.initializer.iter().find(|tensor| tensor.name == name) {
            Some(tensor) => tensor,
            None => {
                let attributes = &self.graph.node.iter().find(of_node)?.attribute;
                let of_name = |name: &str| attributes.iter().find(|attribute| attribute.name == name);
                if let Some(list) = of_name("value_ints") {
                    return Some(list.ints.clone());
                }
                of_name("value")?.t.as_ref()?
            }
        };
        if tensor.data_type != element::INT64 || tensor.data_location == EXTERNAL {
            return None;
        }
        if tensor.raw_data.is_empty() {
            return Some(tensor.int64_data.clone());
        }
        let number = |bytes: &[u8]| bytes.try_into().map(i64::from_le_bytes).ok();
        tensor.raw_data.chunks(8).map(number).collect()
    }

    /// Where a large tensor's data is in the file.
    fn offset(&self, tensor: &TensorProto) -> Option<usize> {
        if tensor.raw_data.len() < LARGE || tensor.data_location == EXTERNAL {
            return None;
        }
        // A part of the mapping.
        let offset = (tensor.raw_data.as_ptr() as usize).checked_sub(self.file.as_ptr() as usize)?;
        (offset + tensor.raw_data.len() <= self.file.len()).then_some(offset)
    }

    /// A large tensor, as one whose data lies in another file: the model's own.
    fn outside(&self, tensor: &TensorProto) -> Option<TensorProto> {
        let offset = self.offset(tensor)?;
        let entry = |key: &str, value: String| Entry { key: key.into(), value };
        Some(TensorProto {
            dims: tensor.dims.clone(),
            data_type: tensor.data_type,
            name: tensor.name.clone(),
            external_data: vec![
                entry("location", self.name.into()),
                entry("offset", offset.to_string()),
                entry("length", tensor.raw_data.len().to_string()),
            ],
            data_location: EXTERNAL,
            ..Default::default()
        })
    }
}

fn dims(port: &ValueInfo) -> &[Dimension] {
    let tensor = port.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
    tensor.and_then(|tensor| tensor.shape.as_ref()).map_or(&[], |shape| &shape.dim)
}

fn is_single(port: &ValueInfo) -> bool {
    dims(port).first().is_some_and(|dim| dim.extent == Some(Extent::Fixed(1)))
}

fn opened(port: &ValueInfo) -> ValueInfo {
    let mut port = port.clone();
    let tensor = port.kind.as_mut().and_then(|kind| kind.tensor.as_mut());
    if let Some(first) = tensor.and_then(|tensor| tensor.shape.as_mut()?.dim.first_mut()) {
        first.extent = Some(Extent::Free(BATCH.into()));
    }
    port
}

fn name(shape: &[i64]) -> String {
    format!("{BATCH} {shape:?}")
}

fn constant(shape: &[i64]) -> NodeProto {
    let value = TensorProto {
        dims: vec![shape.len() as i64],
        data_type: element::INT64,
        raw_data: shape.iter().flat_map(|d| d.to_le_bytes()).collect(),
        ..Default::default()
    };
    NodeProto {
        output: vec![name(shape)],
        name: name(shape),
        op_type: "Constant".into(),
        attribute: vec![AttributeProto {
            name: "value".into(),
            t: Some(value),
            kind: attribute::TENSOR,
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// A reshaping node with another shape.
fn with_shape(node: &Field, shape: &str) -> Option<Vec<u8>> {
    const INPUT: u64 = 1;
    let (mut out, mut inputs) = (Vec::new(), 0);
    for field in fields(&node.content)? {
        inputs += usize::from(field.number == INPUT);
        match (field.number, inputs) {
            (INPUT, 2) => put(&mut out, INPUT, shape.as_bytes()),
            _ => out.extend_from_slice(&field.whole),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests;
