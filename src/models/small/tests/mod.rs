//! Networks made up here, and a plain way to run them.

mod broken;
mod kernels;
mod naive;

use std::sync::Arc;

use super::{Network, Run};
use crate::models::onnx::schema::{
    AttributeProto, Dimension, Extent, GraphProto, ModelProto, NodeProto, Shape, TensorProto, TensorType,
    TypeProto, ValueInfo, attribute, element,
};

/// Numbers between -1 and 1 that are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn take(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// Writes a model node by node.
struct Builder {
    graph: GraphProto,
    numbers: Numbers,
}

impl Builder {
    /// Begins with an input of channels last, and `x`, the same as planes.
    fn new([height, width, channels]: [i64; 3]) -> Self {
        let graph =
            GraphProto { input: vec![info("image", &[1, height, width, channels])], ..Default::default() };
        let mut builder = Self { graph, numbers: Numbers(height as u64 * 1000 + width as u64) };
        builder.node("Transpose", &["image"], "x", &[("perm", &[0, 3, 1, 2])]);
        builder
    }

    fn node(&mut self, op: &str, inputs: &[&str], output: &str, attributes: &[(&str, &[i64])]) {
        let attribute = |&(name, ints): &(&str, &[i64])| {
            let (i, kind) = match ints {
                &[i] => (Some(i), attribute::INT),
                _ => (None, attribute::INTS),
            };
            let ints = if i.is_some() { Vec::new() } else { ints.to_vec() };
            AttributeProto { name: name.into(), i, ints, kind, ..Default::default() }
        };
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&i| i.into()).collect(),
            output: vec![output.into()],
            name: String::new(),
            op_type: op.into(),
            attribute: attributes.iter().map(attribute).collect(),
            ..Default::default()
        });
    }

    /// A constant of random numbers.
    fn constant(&mut self, name: &str, dims: &[i64]) {
        let float_data = self.numbers.take(dims.iter().product::<i64>() as usize);
        self.graph.initializer.push(TensorProto {
            dims: dims.to_vec(),
            data_type: element::FLOAT,
            float_data,
            name: name.into(),
            ..Default::default()
        });
    }

    fn longs(&mut self, name: &str, values: &[i64]) {
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.graph.initializer.push(TensorProto {
            dims: vec![values.len() as i64],
            data_type: element::INT64,
            raw_data: raw.into(),
            name: name.into(),
            ..Default::default()
        });
    }

    /// A convolution with random weights `[out, in / group, height, width]` and biases.
    fn conv(&mut self, input: &str, output: &str, dims: [i64; 4], stride: i64, pads: [i64; 4], group: i64) {
        let (weights, bias) = (format!("{output}_w"), format!("{output}_b"));
        self.constant(&weights, &dims);
        self.constant(&bias, &dims[..1]);
        self.node(
            "Conv",
            &[input, &weights, &bias],
            output,
            &[("strides", &[stride, stride]), ("pads", &pads), ("group", &[group])],
        );
    }

    /// A parametric rectifier as the face mesh has it.
    fn rectifier(&mut self, input: &str, output: &str, channels: i64) {
        let name = |part: &str| format!("{output}_{part}");
        for (part, from) in [("below", input), ("above", &name("relu"))] {
            let weights = name(&format!("{part}_w"));
            self.constant(&weights, &[channels, 1, 1, 1]);
            if part == "above" {
                self.node("Relu", &[input], from, &[]);
            }
            self.node("Conv", &[from, &weights], &name(part), &[("group", &[channels])]);
        }
        self.node("Add", &[&name("below"), &name("above")], output, &[]);
    }

    /// Ends with a convolution of all that is left of `input`, so that the output is one pixel.
    fn model(mut self, input: &str, [height, width, channels]: [i64; 3]) -> ModelProto {
        self.conv(input, "all", [21, channels, height, width], 1, [0; 4], 1);
        self.node("Flatten", &["all"], "out", &[("axis", &[1])]);
        self.graph.output.push(info("out", &[1, 21]));
        ModelProto { graph: Some(self.graph), ..Default::default() }
    }
}

fn info(name: &str, dims: &[i64]) -> ValueInfo {
    let dim = dims.iter().map(|&d| Dimension { extent: Some(Extent::Fixed(d)) }).collect();
    let tensor = Some(TensorType { elem_type: element::FLOAT, shape: Some(Shape { dim }) });
    ValueInfo { name: name.into(), kind: Some(TypeProto { tensor }) }
}

/// Runs `model` here and plainly on random input, twice, and compares the outputs.
fn compare(model: &ModelProto) {
    let network = Arc::new(Network::read(model).unwrap());
    let mut run = Run::new(network.clone());
    for seed in 0..2 {
        let input = Numbers(seed).take(run.input().len());
        run.input().copy_from_slice(&input);
        run.run();
        assert_eq!(run.input(), input);
        let expected = naive::run(model.graph.as_ref().unwrap(), &input);
        for (i, (name, shape)) in network.outputs().enumerate() {
            let (own, expected) = (run.output(i), &expected[name].data);
            assert_eq!(own.len(), shape.iter().product::<usize>());
            assert_eq!(own.len(), expected.len());
            let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            for (a, b) in own.iter().zip(expected) {
                assert!((a - b).abs() <= 1e-4 * largest, "{name}: {a} instead of {b} of {largest}");
            }
        }
    }
}
