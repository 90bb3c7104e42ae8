use super::*;
use crate::models::onnx::schema::{ModelProto, Shape, TensorType, TypeProto};

const OPEN: Changes = Changes { batch: true, winograd: false };

fn port(name: &str, dims: &[i64]) -> ValueInfo {
    let dim = dims.iter().map(|&d| Dimension { extent: Some(Extent::Fixed(d)) }).collect();
    let tensor = TensorType { elem_type: element::FLOAT, shape: Some(Shape { dim }) };
    ValueInfo { name: name.into(), kind: Some(TypeProto { tensor: Some(tensor) }) }
}

fn reshape(from: &str, shape: &str, to: &str) -> NodeProto {
    NodeProto {
        input: vec![from.into(), shape.into()],
        output: vec![to.into()],
        op_type: "Reshape".into(),
        ..Default::default()
    }
}

fn shape(name: &str, dims: &[i64]) -> TensorProto {
    let raw_data = dims.iter().flat_map(|d| d.to_le_bytes()).collect();
    let dims = vec![dims.len() as i64];
    TensorProto { name: name.into(), dims, data_type: element::INT64, raw_data, ..Default::default() }
}

/// A graph whose input is flattened and brought back, with a field that no schema here knows.
fn model(first: i64) -> Vec<u8> {
    let weights = TensorProto {
        name: "weights".into(),
        dims: vec![2000],
        data_type: element::FLOAT,
        raw_data: (0..2000).flat_map(|i| (i as f32).to_le_bytes()).collect(),
        ..Default::default()
    };
    let graph = GraphProto {
        node: vec![
            reshape("in", "flat", "middle"),
            reshape("middle", "square", "out"),
            reshape("weights", "flat", "constant"),
        ],
        initializer: vec![weights, shape("flat", &[1, -1]), shape("square", &[1, 3, 4])],
        input: vec![port("in", &[first, 3, 4])],
        output: vec![port("out", &[first, 3, 4])],
        ..Default::default()
    };
    let model = ModelProto { ir_version: 8, graph: Some(graph), ..Default::default() };
    let mut bytes = model.encode_to_vec();
    put(&mut bytes, 99, b"kept");
    bytes
}

fn written(name: &str, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("faceswap-batch-{}-{name}.onnx", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn ports_and_shapes_are_opened_and_all_else_is_kept() {
    let path = written("open", &model(1));
    let opened = change(&path, OPEN).unwrap().expect("a batch of one");
    let bytes = Bytes::from(opened.bytes);
    assert!(fields(&bytes).unwrap().iter().any(|f| f.number == 99 && f.content == b"kept"[..]));
    let graph = ModelProto::decode(bytes).unwrap().graph.unwrap();
    for port in graph.input.iter().chain(&graph.output) {
        assert_eq!(dims(port)[0].extent, Some(Extent::Free("batch".into())));
        assert_eq!(dims(port)[1..].len(), 2);
    }
    let shape_of = |output: &str| {
        let node = graph.node.iter().find(|node| node.output == [output]).unwrap();
        let constant = graph.node.iter().find(|constant| constant.output[0] == node.input[1]);
        let tensor = constant.map(|constant| constant.attribute[0].t.clone().unwrap());
        let raw = tensor.map(|tensor| tensor.raw_data).unwrap_or_default();
        raw.chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!((shape_of("middle"), shape_of("out")), (vec![0, -1], vec![-1, 3, 4]));
    // What is the same for every image stays so.
    assert_eq!(graph.node.iter().find(|node| node.output == ["constant"]).unwrap().input[1], "flat");
    let weights = &graph.initializer[0];
    let told = |key: &str| weights.external_data.iter().find(|e| e.key == key).unwrap().value.clone();
    let (offset, length) = (told("offset").parse::<usize>().unwrap(), told("length").parse::<usize>());
    assert_eq!(told("location"), path.file_name().unwrap().to_str().unwrap());
    let file = std::fs::read(&path).unwrap();
    assert_eq!(file[offset + 4 * 1234..][..4], 1234f32.to_le_bytes());
    assert_eq!((length, weights.raw_data.len()), (Ok(8000), 0));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn what_is_made_for_several_is_left_alone() {
    let path = written("several", &model(2));
    assert!(change(&path, OPEN).unwrap().is_none());
    std::fs::write(&path, &model(1)[..300]).unwrap();
    assert!(matches!(change(&path, OPEN), Err(ModelError::Invalid { .. })));
    std::fs::remove_file(path).unwrap();
}
