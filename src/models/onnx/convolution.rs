//! Convolutions that are better run by [`winograd`](crate::models::winograd) than by the runtime, with
//! the rectifier behind them.

use std::collections::{HashMap, HashSet};

use super::schema::{
    AttributeProto, EXTERNAL, GraphProto, NodeProto, OperatorSet, TensorProto, attribute, element,
};
use crate::models::operator::{ALPHA, DOMAIN, NAME, PADS, VERSION};

/// Channels, in and out, from which on it pays.
const LEAST: i64 = 64;
/// Zeros a side that a tile has room for.
const MOST_PAD: i64 = 2;

/// What becomes of a node.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    Replaced(Box<NodeProto>),
    /// Another does its work as well.
    Dropped,
}

/// The fates of nodes, by their place in the graph; none of a node that stays as it is.
pub(super) fn fates(graph: &GraphProto) -> HashMap<usize, Fate> {
    let weights: HashMap<&str, &TensorProto> =
        graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, node) in graph.node.iter().enumerate() {
        // Graphs within a node may read anything.
        if node.attribute.iter().any(|a| matches!(a.kind, attribute::GRAPH | attribute::GRAPHS)) {
            return HashMap::new();
        }
        for input in &node.input {
            readers.entry(input).or_default().push(at);
        }
    }
    let seen: HashSet<&str> = graph.output.iter().map(|port| port.name.as_str()).collect();
    let mut fates = HashMap::new();
    for (at, node) in graph.node.iter().enumerate() {
        let Some(pads) = pads(node, &weights) else { continue };
        let mut output = node.output[0].clone();
        let mut alpha = 1.0;
        if let Some([reader]) = readers.get(output.as_str()).map(Vec::as_slice)
            && !seen.contains(output.as_str())
            && let Some(slope) = slope(&graph.node[*reader])
        {
            (alpha, output) = (slope, graph.node[*reader].output[0].clone());
            fates.insert(*reader, Fate::Dropped);
        }
        let replaced = NodeProto {
            input: node.input.clone(),
            output: vec![output],
            name: node.name.clone(),
            op_type: NAME.into(),
            domain: DOMAIN.into(),
            attribute: vec![
                AttributeProto {
                    name: PADS.into(),
                    ints: pads.to_vec(),
                    kind: attribute::INTS,
                    ..Default::default()
                },
                AttributeProto {
                    name: ALPHA.into(),
                    f: Some(alpha),
                    kind: attribute::FLOAT,
                    ..Default::default()
                },
            ],
        };
        fates.insert(at, Fate::Replaced(Box::new(replaced)));
    }
    fates
}

/// What the model has to say of the operator.
pub(super) fn operators() -> OperatorSet {
    OperatorSet { domain: DOMAIN.into(), version: VERSION }
}

/// The pads of a 3×3 convolution with stride 1 of many channels; `None` of another node.
fn pads(node: &NodeProto, weights: &HashMap<&str, &TensorProto>) -> Option<[i64; 4]> {
    if node.op_type != "Conv" || !node.domain.is_empty() || node.output.len() != 1 {
        return None;
    }
    if !(2..=3).contains(&node.input.len()) || node.input.iter().any(String::is_empty) {
        return None;
    }
    let filters = weights.get(node.input[1].as_str())?;
    let &[to, from, 3, 3] = filters.dims.as_slice() else { return None };
    // Weights in other files would be used where they lie, and others may overwrite them.
    let elsewhere = filters.data_location == EXTERNAL;
    if filters.data_type != element::FLOAT || elsewhere || to < LEAST || from < LEAST {
        return None;
    }
    let mut pads = [0; 4];
    for attribute in &node.attribute {
        let ints = attribute.ints.as_slice();
        let plain = match attribute.name.as_str() {
            "auto_pad" => attribute.s.as_deref() == Some(b"NOTSET"),
            "dilations" | "strides" => ints == [1, 1],
            "group" => attribute.i == Some(1),
            "kernel_shape" => ints == [3, 3],
            "pads" => ints.try_into().map(|given| pads = given).is_ok(),
            _ => false,
        };
        if !plain {
            return None;
        }
    }
    pads.iter().all(|pad| (0..=MOST_PAD).contains(pad)).then_some(pads)
}

/// What a rectifier multiplies numbers below zero by.
fn slope(node: &NodeProto) -> Option<f32> {
    if !node.domain.is_empty() || node.input.len() != 1 || node.output.len() != 1 {
        return None;
    }
    match (node.op_type.as_str(), node.attribute.as_slice()) {
        ("Relu", []) => Some(0.0),
        ("LeakyRelu", []) => Some(0.01),
        ("LeakyRelu", [alpha]) if alpha.name == "alpha" => alpha.f,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
        let input = inputs.iter().map(|&name| name.into()).collect();
        NodeProto {
            input,
            output: vec![output.into()],
            op_type: kind.into(),
            attribute,
            ..Default::default()
        }
    }

    fn ints(name: &str, ints: &[i64]) -> AttributeProto {
        AttributeProto { name: name.into(), ints: ints.into(), kind: attribute::INTS, ..Default::default() }
    }

    fn weights(name: &str, dims: &[i64]) -> TensorProto {
        let dims = dims.to_vec();
        TensorProto { name: name.into(), dims, data_type: element::FLOAT, ..Default::default() }
    }

    fn graph(node: Vec<NodeProto>) -> GraphProto {
        let mut initializer = vec![weights("many", &[96, 64, 3, 3]), weights("few", &[64, 3, 3, 3])];
        initializer.push(TensorProto { data_location: EXTERNAL, ..weights("away", &[64, 64, 3, 3]) });
        GraphProto { node, initializer, ..Default::default() }
    }

    #[test]
    fn a_convolution_takes_the_rectifier_behind_it_along() {
        let conv = node("Conv", &["x", "many", "bias"], "y", vec![ints("pads", &[1, 0, 1, 2])]);
        let slope = AttributeProto { name: "alpha".into(), f: Some(0.2), ..Default::default() };
        let leaky = node("LeakyRelu", &["y"], "z", vec![slope]);
        let fates = fates(&graph(vec![conv, leaky]));
        let Some(Fate::Replaced(new)) = fates.get(&0) else { panic!("{fates:?}") };
        assert_eq!((new.op_type.as_str(), new.domain.as_str()), (NAME, DOMAIN));
        assert_eq!((new.input.len(), new.output.as_slice()), (3, &["z".to_string()][..]));
        assert_eq!((new.attribute[0].ints.as_slice(), new.attribute[1].f), (&[1, 0, 1, 2][..], Some(0.2)));
        assert_eq!(fates.get(&1), Some(&Fate::Dropped));
    }

    #[test]
    fn what_others_read_stays() {
        let conv = || node("Conv", &["x", "many"], "y", vec![ints("kernel_shape", &[3, 3])]);
        let relu = || node("Relu", &["y"], "z", vec![]);
        let alone = |fates: HashMap<usize, Fate>| match fates.get(&0) {
            Some(Fate::Replaced(new)) => {
                assert_eq!((new.output[0].as_str(), new.attribute[1].f), ("y", Some(1.0)));
                fates.len() == 1
            }
            _ => false,
        };
        assert!(alone(fates(&graph(vec![conv(), relu(), node("Add", &["y", "z"], "w", vec![])]))));
        let mut seen = graph(vec![conv(), relu()]);
        seen.output = vec![super::super::schema::ValueInfo { name: "y".into(), kind: None }];
        assert!(alone(fates(&seen)));
        let inner = AttributeProto { name: "body".into(), kind: attribute::GRAPH, ..Default::default() };
        assert!(fates(&graph(vec![conv(), node("Loop", &["y"], "z", vec![inner])])).is_empty());
    }

    #[test]
    fn other_convolutions_stay() {
        let conv = |inputs: &[&str], attribute| node("Conv", inputs, "y", attribute);
        let stays = |conv: NodeProto| assert!(fates(&graph(vec![conv.clone()])).is_empty(), "{conv:?}");
        stays(conv(&["x", "few"], vec![]));
        stays(conv(&["x", "away"], vec![]));
        stays(conv(&["x", "computed"], vec![]));
        stays(conv(&["x"], vec![]));
        stays(conv(&["x", "many", ""], vec![]));
        for attribute in [
            ints("strides", &[2, 2]),
            ints("dilations", &[2, 2]),
            ints("pads", &[3, 1, 1, 1]),
            ints("pads", &[1, 1]),
            ints("kernel_shape", &[3]),
            AttributeProto { name: "group".into(), i: Some(2), ..Default::default() },
            AttributeProto { name: "auto_pad".into(), s: Some("SAME_UPPER".into()), ..Default::default() },
            AttributeProto { name: "new".into(), ..Default::default() },
        ] {
            stays(conv(&["x", "many"], vec![attribute]));
        }
        let mut other = conv(&["x", "many"], vec![]);
        other.domain = "com.microsoft".into();
        stays(other);
    }
}
