//! Operators as ONNX describes them, one number after the other.

use std::collections::HashMap;

use crate::models::onnx::schema::{GraphProto, NodeProto, TensorProto};

/// `[1, channels, height, width]`
#[derive(Clone)]
pub(super) struct Planes {
    pub(super) size: [usize; 3],
    pub(super) data: Vec<f32>,
}

impl Planes {
    fn new(size: [usize; 3], value: impl Fn(usize, usize, usize) -> f32) -> Self {
        let [channels, height, width] = size;
        let at = |i: usize| value(i / (height * width), i / width % height, i % width);
        Self { size, data: (0..channels * height * width).map(at).collect() }
    }

    fn at(&self, channel: usize, y: usize, x: usize) -> f32 {
        self.data[(channel * self.size[1] + y) * self.size[2] + x]
    }
}

/// All values of the graph by their names.
pub(super) fn run(graph: &GraphProto, input: &[f32]) -> HashMap<String, Planes> {
    let tensors: HashMap<&str, &TensorProto> =
        graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
    let shape = graph.input[0].kind.as_ref().unwrap().tensor.as_ref().unwrap().shape.as_ref().unwrap();
    let dims: Vec<usize> = shape
        .dim
        .iter()
        .map(|d| match d.extent {
            Some(crate::models::onnx::schema::Extent::Fixed(size)) => size as usize,
            _ => unreachable!(),
        })
        .collect();
    let (height, width, channels) = (dims[1], dims[2], dims[3]);
    let image = Planes::new([channels, height, width], |c, y, x| input[(y * width + x) * channels + c]);
    let mut values = HashMap::from([("image".to_string(), image)]);
    for node in &graph.node {
        let a = &values[&node.input[0]];
        let constant = |i: usize| node.input.get(i).and_then(|name| tensors.get(name.as_str())).copied();
        let result = match node.op_type.as_str() {
            "Transpose" | "Flatten" | "Reshape" => a.clone(),
            "Relu" => Planes::new(a.size, |c, y, x| a.at(c, y, x).max(0.0)),
            "PRelu" => {
                let slope = &constant(1).unwrap().float_data;
                let value = |v: f32, c: usize| if v < 0.0 { v * slope[c % slope.len()] } else { v };
                Planes::new(a.size, |c, y, x| value(a.at(c, y, x), c))
            }
            "Add" => {
                let b = &values[&node.input[1]];
                Planes::new(a.size, |c, y, x| a.at(c, y, x) + b.at(c, y, x))
            }
            "MaxPool" => Planes::new([a.size[0], a.size[1] / 2, a.size[2] / 2], |c, y, x| {
                let row = |y: usize| a.at(c, y, 2 * x).max(a.at(c, y, 2 * x + 1));
                row(2 * y).max(row(2 * y + 1))
            }),
            "Pad" => {
                let raw = &constant(1).unwrap().raw_data;
                let more = usize::from(raw[5 * 8]);
                let [channels, height, width] = a.size;
                let value = |c, y, x| if c < channels { a.at(c, y, x) } else { 0.0 };
                Planes::new([channels + more, height, width], value)
            }
            "Conv" => conv(node, a, constant(1).unwrap(), constant(2)),
            op => panic!("{op}"),
        };
        values.insert(node.output[0].clone(), result);
    }
    values
}

fn conv(node: &NodeProto, a: &Planes, weights: &TensorProto, bias: Option<&TensorProto>) -> Planes {
    let attribute = |name: &str| node.attribute.iter().find(|a| a.name == name);
    let ints = |name: &str| attribute(name).map(|a| a.ints.iter().map(|&v| v as usize).collect::<Vec<_>>());
    let group = attribute("group").and_then(|a| a.i).unwrap_or(1) as usize;
    let stride = ints("strides").unwrap_or(vec![1, 1]);
    let pads = ints("pads").unwrap_or(vec![0; 4]);
    let dims: Vec<usize> = weights.dims.iter().map(|&d| d as usize).collect();
    let (outputs, inputs, kh, kw) = (dims[0], dims[1], dims[2], dims[3]);
    let height = (a.size[1] + pads[0] + pads[2] - kh) / stride[0] + 1;
    let width = (a.size[2] + pads[1] + pads[3] - kw) / stride[1] + 1;
    Planes::new([outputs, height, width], |c, y, x| {
        let mut sum = bias.map_or(0.0, |b| f64::from(b.float_data[c]));
        for i in 0..inputs {
            let channel = c / (outputs / group) * inputs + i;
            for ky in 0..kh {
                for kx in 0..kw {
                    let (row, column) = (y * stride[0] + ky, x * stride[1] + kx);
                    let inside = (pads[0]..pads[0] + a.size[1]).contains(&row)
                        && (pads[1]..pads[1] + a.size[2]).contains(&column);
                    if inside {
                        let weight = weights.float_data[((c * inputs + i) * kh + ky) * kw + kx];
                        sum += f64::from(weight) * f64::from(a.at(channel, row - pads[0], column - pads[1]));
                    }
                }
            }
        }
        sum as f32
    })
}
