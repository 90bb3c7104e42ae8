//! See [`crate::fuzzing`].

use std::path::Path;

use prost::{Message, bytes::Bytes};

use super::{
    Card, Dim, Port, compare,
    onnx::{self, schema::ModelProto},
    small::{Network, Run},
};

/// A model card, and a graph that is compared with it.
pub fn card(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(card) = Card::parse(text, Path::new("fuzz.toml")) else { return };
    assert!(card.preprocess.std.values().iter().all(|v| v.is_finite() && *v != 0.0));
    let port = |tensor: &super::Tensor| Port {
        name: tensor.name.clone(),
        kind: tensor.kind.clone(),
        shape: tensor.shape.iter().map(|dim| if let Dim::Fixed(n) = dim { *n } else { -1 }).collect(),
    };
    let mut inputs: Vec<Port> = card.inputs.iter().map(port).collect();
    let outputs: Vec<Port> = card.outputs.iter().map(port).collect();
    let _ = compare(&card, &inputs, &outputs);
    inputs.reverse();
    let _ = compare(&card, &outputs, &inputs);
    crate::engine::fuzzing::placed(&card);
}

/// An ONNX file's bytes.
pub fn onnx(data: &[u8]) {
    onnx::fuzzing(data);
    if let Ok(model) = ModelProto::decode(data) {
        let _ = Network::read(&model).map(|network| Run::new(network.into()).run());
    }
    for size in [1, 2, 8] {
        if let Ok(values) = onnx::emap(&Bytes::copy_from_slice(data), size) {
            assert!(values.len() == size * size && values.iter().all(|v| v.is_finite()));
        }
    }
}

/// A small model with an embedding map and weights in another file.
#[cfg(test)]
pub fn seed() -> Vec<u8> {
    use prost::Message;

    use super::onnx::schema::{EXTERNAL, GraphProto, ModelProto, NodeProto, TensorProto, element};

    let values = [1.0f32, 0.0, 0.0, 1.0];
    let tensor = |name: &str, location: i32| TensorProto {
        name: name.into(),
        dims: vec![2, 2],
        data_type: element::FLOAT,
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        data_location: location,
        ..Default::default()
    };
    let node = NodeProto { op_type: "Add".into(), input: vec!["x".into()], ..Default::default() };
    let initializer = vec![tensor("away", EXTERNAL), tensor("emap", 0)];
    let graph = GraphProto { node: vec![node], initializer, ..Default::default() };
    ModelProto { ir_version: 8, graph: Some(graph), ..Default::default() }.encode_to_vec()
}
