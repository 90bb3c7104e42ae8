//! Comparison of a graph's inputs and outputs with a card.

use ort::value::{Outlet, ValueType};

use super::card::{Card, Dim, Tensor};

/// A graph's input or output, as far as a card describes it. A free dimension is −1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    pub kind: String,
    pub shape: Vec<i64>,
}

impl Port {
    pub(crate) fn of(outlet: &Outlet) -> Port {
        let (kind, shape) = match outlet.dtype() {
            ValueType::Tensor { ty, shape, .. } => (element(*ty), shape.to_vec()),
            other => (other.to_string(), Vec::new()),
        };
        Port { name: outlet.name().into(), kind, shape }
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` {} [", self.name, self.kind)?;
        for (i, dim) in self.shape.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            match dim {
                ..=-1 => write!(f, "{comma}?")?,
                dim => write!(f, "{comma}{dim}")?,
            }
        }
        f.write_str("]")
    }
}

fn element(ty: ort::value::TensorElementType) -> String {
    use ort::value::TensorElementType as T;
    match ty {
        T::Float32 => "float32".into(),
        T::Float16 => "float16".into(),
        T::Float64 => "float64".into(),
        T::Int64 => "int64".into(),
        T::Int32 => "int32".into(),
        T::Uint8 => "uint8".into(),
        other => other.to_string(),
    }
}

/// Where each of the card's tensors is in the graph, or what differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
}

/// The graph may have more outputs than the card, but not more inputs.
pub fn compare(card: &Card, inputs: &[Port], outputs: &[Port]) -> Result<Places, Vec<String>> {
    let mut differences = Vec::new();
    let places = Places {
        inputs: place("input", &card.inputs, inputs, &mut differences),
        outputs: place("output", &card.outputs, outputs, &mut differences),
    };
    for (i, port) in inputs.iter().enumerate() {
        if !places.inputs.contains(&i) {
            differences.push(format!("input {port} is not in the card"));
        }
    }
    if differences.is_empty() { Ok(places) } else { Err(differences) }
}

fn place(side: &str, wanted: &[Tensor], ports: &[Port], differences: &mut Vec<String>) -> Vec<usize> {
    let mut places = Vec::with_capacity(wanted.len());
    for (i, tensor) in wanted.iter().enumerate() {
        let found = match tensor.name.as_str() {
            "?" => (i < ports.len()).then_some(i),
            name => ports.iter().position(|port| port.name == name),
        };
        let Some(at) = found else {
            let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
            differences.push(format!(
                "{side} `{}` is missing, the file has {}",
                tensor.name,
                names.join(", ")
            ));
            continue;
        };
        let port = &ports[at];
        let float = tensor.kind == "float" && matches!(port.kind.as_str(), "float32" | "float16");
        if port.kind != tensor.kind && !float {
            differences
                .push(format!("{side} `{}` is {}, the card says {}", port.name, port.kind, tensor.kind));
        }
        if !fits(&tensor.shape, &port.shape) {
            differences.push(format!("{side} {port}: the card says {}", shape(&tensor.shape)));
        }
        places.push(at);
    }
    places
}

/// A dimension that either side leaves free fits any.
fn fits(card: &[Dim], graph: &[i64]) -> bool {
    card.len() == graph.len()
        && card.iter().zip(graph).all(|(card, graph)| match card {
            Dim::Fixed(n) => *graph < 0 || n == graph,
            Dim::Free(_) => true,
        })
}

fn shape(dims: &[Dim]) -> String {
    let dims: Vec<String> = dims
        .iter()
        .map(|dim| match dim {
            Dim::Fixed(n) => n.to_string(),
            Dim::Free(name) => name.clone(),
        })
        .collect();
    format!("[{}]", dims.join(", "))
}
