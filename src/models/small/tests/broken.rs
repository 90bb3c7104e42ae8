use prost::Message;

use super::super::Network;
use super::Builder;
use crate::models::onnx::schema::{Extent, GraphProto, ModelProto};

/// A network of every kind of node.
fn model() -> ModelProto {
    let mut b = Builder::new([8, 8, 3]);
    b.conv("x", "c", [16, 3, 3, 3], 1, [1; 4], 1);
    b.rectifier("c", "r", 16);
    b.conv("r", "d", [16, 1, 3, 3], 2, [0, 0, 1, 1], 16);
    b.conv("d", "p", [24, 16, 1, 1], 1, [0; 4], 1);
    b.node("MaxPool", &["r"], "m", &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])]);
    b.longs("pads", &[0, 0, 0, 0, 0, 8, 0, 0]);
    b.node("Pad", &["m", "pads"], "e", &[]);
    b.node("Add", &["e", "p"], "s", &[]);
    b.model("s", [4, 4, 24])
}

/// Reads the network after a change, and expects an error that tells of `what`.
#[track_caller]
fn broken(what: &str, change: impl FnOnce(&mut GraphProto)) {
    let mut model = model();
    change(model.graph.as_mut().unwrap());
    let error = Network::read(&model).unwrap_err();
    assert!(error.contains(what), "{error}");
}

fn set(graph: &mut GraphProto, output: &str, attribute: &str, ints: &[i64]) {
    let node = graph.node.iter_mut().find(|n| n.output[0] == output).unwrap();
    let attribute = node.attribute.iter_mut().find(|a| a.name == attribute).unwrap();
    attribute.ints = ints.to_vec();
    attribute.i = ints.first().copied();
}

#[test]
fn the_whole_network_is_read() {
    Network::read(&model()).unwrap();
}

#[test]
fn constants() {
    broken("elements", |g| g.initializer[0].float_data.truncate(5));
    broken("elements", |g| g.initializer[0].float_data.push(0.0));
    broken("elements", |g| g.initializer[0].raw_data = vec![0; 3].into());
    broken("no constant", |g| drop(g.initializer.remove(0)));
    broken("one name", |g| g.initializer.push(g.initializer[0].clone()));
    broken("type", |g| g.initializer[0].data_type = 10);
    broken("elsewhere", |g| g.initializer[0].data_location = 1);
    for dims in [vec![], vec![16], vec![0, 3, 3, 3], vec![-16, -3, 3, 3], vec![i64::MAX; 4], vec![1 << 32; 4]]
    {
        broken("Conv `c`", |g| g.initializer[0].dims = dims);
    }
    broken("biases", |g| {
        g.initializer[1].dims = vec![15];
        g.initializer[1].float_data.pop();
    });
    for value in [-8, i64::MAX, 1 << 40] {
        broken("Pad `e`", |g| {
            let pads = g.initializer.iter_mut().find(|t| t.name == "pads").unwrap();
            let raw: Vec<u8> =
                [0, 0, 0, 0, 0, value, 0, 0].iter().flat_map(|v: &i64| v.to_le_bytes()).collect();
            pads.raw_data = raw.into();
        });
    }
}

#[test]
fn nan_is_a_number() {
    let mut model = model();
    model.graph.as_mut().unwrap().initializer[0].float_data.fill(f32::NAN);
    super::super::Run::new(Network::read(&model).unwrap().into()).run();
}

#[test]
fn attributes() {
    for (name, ints) in [
        ("strides", vec![0, 0]),
        ("strides", vec![-1, 1]),
        ("strides", vec![1]),
        ("strides", vec![i64::MAX, i64::MAX]),
        ("pads", vec![-1, 0, 0, 0]),
        ("pads", vec![i64::MAX; 4]),
        ("pads", vec![3; 4]),
        ("pads", vec![]),
        ("group", vec![0]),
        ("group", vec![3]),
        ("group", vec![-16]),
    ] {
        broken("Conv `c`", |g| set(g, "c", name, &ints));
    }
    broken("Conv `d`", |g| set(g, "d", "group", &[1]));
    broken("Conv `d`", |g| set(g, "d", "strides", &[1, 2]));
    broken("MaxPool `m`", |g| set(g, "m", "kernel_shape", &[3, 3]));
    broken("MaxPool `m`", |g| set(g, "m", "strides", &[1, 1]));
    broken("Transpose `x`", |g| set(g, "x", "perm", &[0, 1, 2, 3]));
    broken("Flatten `out`", |g| set(g, "out", "axis", &[2]));
    broken("attribute `mystery`", |g| g.node[1].attribute[0].name = "mystery".into());
}

#[test]
fn nodes() {
    broken("Softmax `c`", |g| g.node[1].op_type = "Softmax".into());
    broken("inputs", |g| g.node[1].input.clear());
    broken("outputs", |g| g.node[1].output.clear());
    broken("outputs", |g| g.node[1].output.push("second".into()));
    broken("not defined", |g| g.node[1].input[0] = "c".into());
    broken("not defined", |g| g.node.swap(1, 2));
    broken("not defined", |g| drop(g.node.remove(0)));
    broken("twice", |g| g.node.push(g.node[1].clone()));
    broken("twice", |g| g.node[1].output[0] = "c_w".into());
    broken("Conv `c`", |g| g.node[1].input[0] = "image".into());
    // What nobody reads, and a sum that belongs to no convolution.
    broken("no step", |g| {
        let mut node = g.node[2].clone();
        node.output[0] = "unread".into();
        g.node.insert(3, node);
    });
    broken("sum", |g| g.node.iter_mut().find(|n| n.output[0] == "s").unwrap().input[0] = "m".into());
}

#[test]
fn inputs_and_outputs() {
    broken("inputs", |g| g.input.clear());
    broken("inputs", |g| g.input.push(super::info("second", &[1])));
    broken("fixed size", |g| g.input[0].kind = None);
    for dims in [[1, 0, 8, 3], [1, -8, 8, 3]] {
        broken("fixed size", |g| g.input[0] = super::info("image", &dims));
    }
    broken("not [1,", |g| g.input[0] = super::info("image", &[2, 8, 8, 3]));
    for dims in
        [[1, i64::MAX, i64::MAX, 3], [1, 1 << 32, 1 << 32, 3], [1, 1 << 20, 8, 3], [1, 8, 8, i64::MAX]]
    {
        broken("too large", |g| g.input[0] = super::info("image", &dims));
    }
    broken("fixed size", |g| {
        let shape = g.input[0].kind.as_mut().unwrap().tensor.as_mut().unwrap().shape.as_mut().unwrap();
        shape.dim[1].extent = Some(Extent::Free("height".into()));
    });
    broken("not defined", |g| g.output[0].name = "nothing".into());
    broken("one pixel", |g| g.output[0].name = "s".into());
    broken("0 inputs", |g| *g = GraphProto::default());
    assert!(Network::read(&ModelProto::default()).is_err());
}

#[test]
fn memory_is_limited() {
    // Each image alone would do, but all of them are needed for the sums at the end.
    let mut b = Builder::new([256, 256, 8]);
    let names: Vec<String> = (0..40).map(|i| format!("n{i}")).collect();
    let mut last = "x".to_string();
    for name in &names {
        b.conv(&last, name, [16, if last == "x" { 8 } else { 16 }, 1, 1], 1, [0; 4], 1);
        last.clone_from(name);
    }
    for (i, name) in names.iter().rev().skip(1).enumerate() {
        let (conv, sum) = (format!("c{i}"), format!("s{i}"));
        b.conv(name, &conv, [16, 16, 1, 1], 1, [0; 4], 1);
        b.node("Add", &[&last, &conv], &sum, &[]);
        last = sum;
    }
    b.conv(&last, "m", [8, 16, 16, 16], 16, [0; 4], 1);
    let error = Network::read(&b.model("m", [16, 16, 8])).unwrap_err();
    assert!(error.contains("memory"), "{error}");
    // One constant that many nodes pack.
    let mut b = Builder::new([1, 1, 2048]);
    b.constant("w", &[2048, 2048, 1, 1]);
    let mut last = "x".to_string();
    for i in 0..8 {
        let next = format!("n{i}");
        b.node("Conv", &[&last, "w"], &next, &[]);
        last = next;
    }
    let error = Network::read(&b.model(&last, [1, 1, 2048])).unwrap_err();
    assert!(error.contains("too many weights"), "{error}");
}

#[test]
fn flipped_bits_do_no_harm() {
    let bytes = model().encode_to_vec();
    // The constants are most of the file, but not what is of interest.
    let names: Vec<usize> =
        (0..bytes.len()).filter(|&i| i < 700 || i + 200 > bytes.len() || i % 64 == 0).collect();
    let mut read = 0;
    for at in names {
        for flip in [1, 8, 0x80] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            let network = ModelProto::decode(bytes.as_slice()).ok().and_then(|m| Network::read(&m).ok());
            if let Some(network) = network {
                super::super::Run::new(network.into()).run();
                read += 1;
            }
        }
    }
    assert!(read > 100, "{read}");
}
