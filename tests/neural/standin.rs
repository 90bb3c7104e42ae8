//! Stand-ins for networks that cannot be had: the same inputs, outputs, names and shapes, and a
//! result known in closed form. `golden/neural.py` and `oracle.rs` each work it out anew.
//!
//! A swap network gives `pixel · gain · ramp + 0.02 · (channel + 1)`, pixels in 0–1. The gain of
//! each channel depends on `source`, the ramp on the place in the crop, so that swapped channels, a
//! wrong mean, template or source, or a transposed crop all show.

#![allow(dead_code)]

use std::path::Path;

use gstfaceswap::models::onnx::schema::{
    AttributeProto, Dimension, Extent, GraphProto, ModelProto, NodeProto, OperatorSet, Shape, TensorProto,
    TensorType, TypeProto, ValueInfo, attribute, element,
};
use half::f16;
use prost::Message;

/// What a swap network takes.
#[derive(Debug, Clone, Copy)]
pub struct Swap {
    pub size: usize,
    /// Of the input, R, G, B in 0–1.
    pub mean: [f64; 3],
    pub std: [f64; 3],
    /// Of the output: R, G, B in 0–1 = x · std + mean.
    pub out_mean: f64,
    pub out_std: f64,
    pub source: Source,
    pub half: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source {
    /// A vector of 512; what its product with the weights is multiplied by.
    Vector { gain: f64, emap: bool },
    /// An image of so many pixels a side.
    Image(usize),
}

/// Weight of element `k` of the source in the gain of channel `c`.
pub fn source_weight(k: usize, c: usize) -> f64 {
    (0.37 * (k + 1) as f64 * (c + 1) as f64).sin()
}

/// Weight of a pixel of a source image.
pub fn image_weight(x: usize, y: usize) -> f64 {
    8.0 * (0.11 * x as f64).sin() * (0.07 * y as f64).cos()
}

/// The ramp of a crop of `size` pixels a side.
pub fn ramp(x: usize, y: usize, size: usize) -> f64 {
    let last = (size - 1) as f64;
    0.6 + 0.3 * x as f64 / last + 0.1 * y as f64 / last
}

pub fn emap(i: usize, j: usize) -> f64 {
    0.1 * (0.013 * (i + 1) as f64 * (j + 2) as f64).sin()
}

/// The recognizer: the means of 8×8 squares of each channel times these, plus `bias`.
pub fn recognizer_weight(m: usize, k: usize) -> f64 {
    0.2 * (0.017 * (m + 1) as f64 * (k + 3) as f64).sin()
}

pub fn recognizer_bias(k: usize) -> f64 {
    0.1 * (k as f64).cos()
}

/// The converters, told apart by their phase: embedding · scale + shift.
pub fn converter_scale(k: usize, phase: f64) -> f64 {
    0.5 + 0.5 * (k as f64 + phase).sin()
}

pub fn converter_shift(k: usize) -> f64 {
    0.3 * (3.0 * k as f64).cos()
}

/// Makes a graph node by node.
#[derive(Default)]
pub struct Builder {
    graph: GraphProto,
    half: bool,
    names: usize,
}

impl Builder {
    fn kind(&self) -> i32 {
        if self.half { element::FLOAT16 } else { element::FLOAT }
    }

    fn port(&self, name: &str, dims: &[i64], elem_type: i32) -> ValueInfo {
        let dim = dims.iter().map(|&d| match d {
            0 => Dimension { extent: Some(Extent::Free("batch".into())) },
            d => Dimension { extent: Some(Extent::Fixed(d)) },
        });
        let tensor = TensorType { elem_type, shape: Some(Shape { dim: dim.collect() }) };
        ValueInfo { name: name.into(), kind: Some(TypeProto { tensor: Some(tensor) }) }
    }

    pub fn input(&mut self, name: &str, dims: &[i64]) -> String {
        self.input_of(name, dims, self.kind())
    }

    /// Of elements of a kind of its own.
    pub fn input_of(&mut self, name: &str, dims: &[i64], kind: i32) -> String {
        let port = self.port(name, dims, kind);
        self.graph.input.push(port);
        name.into()
    }

    pub fn output(&mut self, name: &str, dims: &[i64]) {
        let port = self.port(name, dims, self.kind());
        self.graph.output.push(port);
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    pub fn floats(&mut self, dims: &[i64], values: impl IntoIterator<Item = f64>) -> String {
        let values = values.into_iter();
        let raw: Vec<u8> = match self.half {
            true => values.flat_map(|v| f16::from_f64(v).to_le_bytes()).collect(),
            false => values.flat_map(|v| (v as f32).to_le_bytes()).collect(),
        };
        let kind = self.kind();
        self.tensor(dims, kind, raw)
    }

    fn integers(&mut self, dims: &[i64], values: &[i64]) -> String {
        self.tensor(dims, element::INT64, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    fn tensor(&mut self, dims: &[i64], data_type: i32, raw: Vec<u8>) -> String {
        let name = self.name();
        self.graph.initializer.push(TensorProto {
            name: name.clone(),
            dims: dims.into(),
            data_type,
            raw_data: raw.into(),
            ..Default::default()
        });
        name
    }

    pub fn op(&mut self, kind: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let output = self.name();
        self.op_to(kind, inputs, attributes, &output);
        output
    }

    pub fn op_to(&mut self, kind: &str, inputs: &[&str], attribute: Vec<AttributeProto>, output: &str) {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|s| (*s).into()).collect(),
            output: vec![output.into()],
            name: format!("{kind}_{output}"),
            op_type: kind.into(),
            attribute,
            ..Default::default()
        });
    }

    pub fn finish(mut self, name: &str) -> ModelProto {
        self.graph.name = name.into();
        ModelProto {
            ir_version: 8,
            producer_name: "faceswap stand-in".into(),
            graph: Some(self.graph),
            opset_import: vec![OperatorSet { domain: String::new(), version: 17 }],
        }
    }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: name.into(), ints: values.into(), kind: attribute::INTS, ..Default::default() }
}

pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i: Some(value), kind: attribute::INT, ..Default::default() }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f: Some(value), kind: attribute::FLOAT, ..Default::default() }
}

fn text(name: &str, value: &str) -> AttributeProto {
    let s = Some(value.to_owned().into());
    AttributeProto { name: name.into(), s, kind: attribute::STRING, ..Default::default() }
}

pub fn swap(spec: &Swap) -> ModelProto {
    let mut b = Builder { half: spec.half, ..Default::default() };
    let size = spec.size as i64;
    let target = b.input("target", &[1, 3, size, size]);
    let channels = [1, 3, 1, 1];
    let drive = match spec.source {
        Source::Vector { gain, .. } => {
            let source = b.input("source", &[1, 512]);
            let weights = b.floats(&[512, 3], (0..512 * 3).map(|i| gain * source_weight(i / 3, i % 3)));
            let product = b.op("MatMul", &[&source, &weights], vec![]);
            let shape = b.integers(&[4], &channels);
            b.op("Reshape", &[&product, &shape], vec![])
        }
        Source::Image(side) => {
            let n = side as i64;
            let source = b.input("source", &[1, 3, n, n]);
            let weights = (0..side * side).map(|i| image_weight(i % side, i / side));
            let weights = b.floats(&[1, 1, n, n], weights);
            let weighted = b.op("Mul", &[&source, &weights], vec![]);
            b.op("ReduceMean", &[&weighted], vec![ints("axes", &[2, 3]), int("keepdims", 1)])
        }
    };
    let drive = b.op("Tanh", &[&drive], vec![]);
    let (third, half) = (b.floats(&[1], [0.3]), b.floats(&[1], [0.55]));
    let drive = b.op("Mul", &[&drive, &third], vec![]);
    let gain = b.op("Add", &[&drive, &half], vec![]);
    let (std, mean) = (b.floats(&channels, spec.std), b.floats(&channels, spec.mean));
    let pixel = b.op("Mul", &[&target, &std], vec![]);
    let pixel = b.op("Add", &[&pixel, &mean], vec![]);
    let pixel = b.op("Mul", &[&pixel, &gain], vec![]);
    let row = b.floats(&[1, 1, 1, size], (0..spec.size).map(|x| ramp(x, 0, spec.size)));
    let column = b.floats(&[1, 1, size, 1], (0..spec.size).map(|y| ramp(0, y, spec.size) - 0.6));
    let ramp = b.op("Add", &[&row, &column], vec![]);
    let pixel = b.op("Mul", &[&pixel, &ramp], vec![]);
    let bias = b.floats(&channels, [0.02, 0.04, 0.06]);
    let pixel = b.op("Add", &[&pixel, &bias], vec![]);
    let (mean, std) = (b.floats(&[1], [spec.out_mean]), b.floats(&[1], [spec.out_std]));
    let pixel = b.op("Sub", &[&pixel, &mean], vec![]);
    b.op_to("Div", &[&pixel, &std], vec![], "output");
    b.output("output", &[1, 3, size, size]);
    if let Source::Vector { emap: true, .. } = spec.source {
        b.floats(&[512, 512], (0..512 * 512).map(|i| emap(i / 512, i % 512)));
    }
    b.finish("swap")
}

/// A recognizer of `dimension` numbers.
pub fn recognizer(dimension: usize) -> ModelProto {
    let mut b = Builder::default();
    let input = b.input("input", &[1, 3, 112, 112]);
    let pool = vec![ints("kernel_shape", &[14, 14]), ints("strides", &[14, 14])];
    let pooled = b.op("AveragePool", &[&input], pool);
    let flat = b.op("Flatten", &[&pooled], vec![int("axis", 1)]);
    let d = dimension as i64;
    let weights = (0..192 * dimension).map(|i| recognizer_weight(i / dimension, i % dimension));
    let weights = b.floats(&[192, d], weights);
    let product = b.op("MatMul", &[&flat, &weights], vec![]);
    let bias = b.floats(&[1, d], (0..dimension).map(recognizer_bias));
    b.op_to("Add", &[&product, &bias], vec![], "embedding");
    b.output("embedding", &[1, d]);
    b.finish("recognizer")
}

pub fn converter(phase: f64) -> ModelProto {
    let mut b = Builder::default();
    let input = b.input("input", &[1, 512]);
    let scale = b.floats(&[1, 512], (0..512).map(|k| converter_scale(k, phase)));
    let shift = b.floats(&[1, 512], (0..512).map(converter_shift));
    let scaled = b.op("Mul", &[&input, &scale], vec![]);
    b.op_to("Add", &[&scaled, &shift], vec![], "output");
    b.output("output", &[1, 512]);
    b.finish("converter")
}

/// An occluder's weights of blue, green and red in 0–1, and of the place across.
pub const OCCLUDER: [f64; 4] = [1.2, -0.5, 0.4, 0.5];

/// xseg: of each pixel the weighted sum of its colour and its place across, 0–1.
pub fn occluder() -> ModelProto {
    let mut b = Builder::default();
    let input = b.input("input", &[1, 256, 256, 3]);
    let weights = b.floats(&[3, 1], OCCLUDER[..3].iter().copied());
    let colour = b.op("MatMul", &[&input, &weights], vec![]);
    let place = b.floats(&[1, 1, 256, 1], (0..256).map(|x| OCCLUDER[3] * f64::from(x) / 255.0));
    b.op_to("Add", &[&colour, &place], vec![], "output");
    b.output("output", &[1, 256, 256, 1]);
    b.finish("xseg")
}

/// A parser's weights of the normalised red, green and blue for background, skin (1) and ear (7),
/// and their bias. All other classes are never the best.
pub const PARSER: [(usize, [f64; 4]); 3] =
    [(0, [0.0, 0.0, 0.0, -1.4]), (1, [0.6, 0.3, 0.4, 0.0]), (7, [-0.4, 0.2, 0.9, -1.2])];

/// bisenet: of each pixel scores that depend on its colour alone.
pub fn parser() -> ModelProto {
    let mut b = Builder::default();
    let input = b.input("input", &[1, 3, 512, 512]);
    let of = |class: usize| PARSER.iter().find(|(own, _)| *own == class).map(|(_, weights)| weights);
    let weights = (0..19).flat_map(|class| of(class).map_or([0.0; 3], |w| [w[0], w[1], w[2]]));
    let weights = b.floats(&[19, 3, 1, 1], weights);
    let bias = b.floats(&[19], (0..19).map(|class| of(class).map_or(-100.0, |w| w[3])));
    b.op_to("Conv", &[&input, &weights, &bias], vec![ints("kernel_shape", &[1, 1])], "output");
    b.output("output", &[1, 19, 512, 512]);
    b.finish("bisenet")
}

/// As [`swap`], but what it gives is no number.
pub fn broken(spec: &Swap) -> ModelProto {
    not_numbers(swap(spec))
}

/// The same graph, but what it gives is no number.
pub fn not_numbers(mut model: ModelProto) -> ModelProto {
    let graph = model.graph.as_mut().unwrap();
    if let Some(last) = graph.node.iter_mut().find(|node| node.output == ["output"]) {
        last.output = vec!["whole".into()];
    }
    graph.node.push(NodeProto {
        input: vec!["whole".into(), "whole".into()],
        output: vec!["none".into()],
        op_type: "Sub".into(),
        ..Default::default()
    });
    graph.node.push(NodeProto {
        input: vec!["none".into(), "none".into()],
        output: vec!["output".into()],
        op_type: "Div".into(),
        ..Default::default()
    });
    model
}

/// How a graph for one image goes wrong with two.
#[derive(Debug, Clone, Copy)]
pub enum Wrong {
    /// It takes the channels of both for those of one.
    Mixes,
    /// It shows both with what the first is driven by.
    TakesTheFirst,
    /// It has a shape that only one fits.
    Fails,
}

/// As [`swap`], with brighter green and blue, by a graph that is right for one image only.
pub fn single(spec: &Swap, wrong: Wrong) -> ModelProto {
    let mut model = swap(spec);
    let mut graph = model.graph.take().unwrap();
    let size = spec.size as i64;
    if let Some(last) = graph.node.iter_mut().find(|node| node.output == ["output"]) {
        last.output = vec!["whole".into()];
    }
    let names = graph.node.len() + graph.initializer.len();
    // The emap must stay the last.
    let emap = graph.initializer.pop();
    let mut b = Builder { graph, half: spec.half, names };
    let (inner, dims) = match wrong {
        Wrong::Mixes => ([3, -1, size, size], [3, 1, 1, 1]),
        Wrong::TakesTheFirst => ([1, 3, size, size], [1, 3, 1, 1]),
        Wrong::Fails => ([3, 1, size, size], [3, 1, 1, 1]),
    };
    let mut whole = "whole".to_owned();
    if let Wrong::TakesTheFirst = wrong {
        let first = b.integers(&[1], &[0]);
        let source = b.op("Gather", &["source", &first], vec![int("axis", 0)]);
        let mean = b.op("ReduceMean", &[&source], vec![ints("axes", &[1]), int("keepdims", 1)]);
        let shape = b.integers(&[4], &[1, 1, 1, 1]);
        let mean = b.op("Reshape", &[&mean, &shape], vec![]);
        let gain = b.floats(&[1], [50.0]);
        let mean = b.op("Mul", &[&mean, &gain], vec![]);
        whole = b.op("Add", &[&whole, &mean], vec![]);
    }
    let (inner, outer) = (b.integers(&[4], &inner), b.integers(&[4], &[1, 3, size, size]));
    let channels = b.op("Reshape", &[&whole, &inner], vec![]);
    let bias = b.floats(&dims, [0.0, 0.05, 0.1]);
    let lit = b.op("Add", &[&channels, &bias], vec![]);
    b.op_to("Reshape", &[&lit, &outer], vec![], "output");
    b.graph.initializer.extend(emap);
    model.graph = Some(b.graph);
    model
}

/// As [`swap`], but it fails on crops whose mean is `limit` (0–1) or more.
pub fn fragile(spec: &Swap, limit: f64) -> ModelProto {
    fragile_at(&swap(spec), "target", limit..2.0)
}

/// The same graph of 32-bit floats, but it fails where the mean of one of an input's images is in
/// `range`.
pub fn fragile_at(model: &ModelProto, input: &str, range: std::ops::Range<f64>) -> ModelProto {
    trip(model, input, range, |b, over| {
        let place = b.op("Cast", &[over], vec![int("to", element::INT64.into())]);
        // The only element of this is at 0.
        let zero = b.floats(&[1], [0.0]);
        b.op("Gather", &[&zero, &place], vec![])
    })
}

/// As [`fragile_at`], but there it gives what are no numbers.
pub fn absurd_at(model: &ModelProto, input: &str, range: std::ops::Range<f64>) -> ModelProto {
    trip(model, input, range, |b, over| {
        let below = b.op("Neg", &[over], vec![]);
        b.op("Sqrt", &[&below], vec![])
    })
}

/// Adds what `with` makes to each image of an input before all else: of 1 or more where the image's
/// mean is in `range`, and of 0 elsewhere, where it must make 0.
fn trip(
    model: &ModelProto,
    input: &str,
    range: std::ops::Range<f64>,
    with: impl FnOnce(&mut Builder, &str) -> String,
) -> ModelProto {
    let mut model = model.clone();
    let mut graph = model.graph.take().unwrap();
    let names = graph.node.len() + graph.initializer.len();
    let mut nodes = std::mem::take(&mut graph.node);
    for name in nodes.iter_mut().flat_map(|node| &mut node.input).filter(|name| *name == input) {
        *name = "seen".into();
    }
    // The emap must stay the last.
    let emap = graph.initializer.pop();
    let mut b = Builder { graph, half: false, names };
    let mean = b.op("ReduceMean", &[input], vec![ints("axes", &[1, 2, 3]), int("keepdims", 1)]);
    let centre = b.floats(&[1], [0.5 * (range.start + range.end)]);
    let reach = b.floats(&[1], [0.5 * (range.end - range.start)]);
    let off = b.op("Sub", &[&mean, &centre], vec![]);
    let off = b.op("Abs", &[&off], vec![]);
    let over = b.op("Div", &[&reach, &off], vec![]);
    let over = b.op("Floor", &[&over], vec![]);
    let tripped = with(&mut b, &over);
    b.op_to("Add", &[input, &tripped], vec![], "seen");
    b.graph.node.extend(nodes);
    b.graph.initializer.extend(emap);
    model.graph = Some(b.graph);
    model
}

/// inswapper_128 at its full size: its architecture (138.55 million weights with the emap, 174.6
/// GMAC) with random weights; with `free` its batch is left open.
pub fn inswapper_full(half: bool, free: bool) -> ModelProto {
    let mut b = Builder { half, ..Default::default() };
    let batch = if free { 0 } else { 1 };
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    let target = b.input("target", &[batch, 3, 128, 128]);
    let source = b.input("source", &[batch, 512]);
    let mut weights = |b: &mut Builder, dims: &[i64], fan_in: i64| {
        let scale = (3.0 / fan_in as f64).sqrt();
        let count = dims.iter().product::<i64>();
        b.floats(dims, (0..count).map(|_| scale * random()))
    };
    let pad = |b: &mut Builder, x: &str, by: i64| {
        let pads = b.integers(&[8], &[0, 0, by, by, 0, 0, by, by]);
        b.op("Pad", &[x, &pads], vec![text("mode", "reflect")])
    };
    let mut conv = |b: &mut Builder, x: &str, (from, to): (i64, i64), kernel: i64, stride: i64, pad: i64| {
        let w = weights(b, &[to, from, kernel, kernel], from * kernel * kernel);
        let bias = weights(b, &[to], 300);
        let attributes = vec![
            ints("kernel_shape", &[kernel, kernel]),
            ints("strides", &[stride, stride]),
            ints("pads", &[pad, pad, pad, pad]),
        ];
        b.op("Conv", &[x, &w, &bias], attributes)
    };
    let leaky = |b: &mut Builder, x: &str| b.op("LeakyRelu", &[x], vec![float("alpha", 0.2)]);

    let x = pad(&mut b, &target, 3);
    let x = conv(&mut b, &x, (3, 128), 7, 1, 0);
    let mut x = leaky(&mut b, &x);
    for (ports, stride) in [((128, 256), 1), ((256, 512), 2), ((512, 1024), 2)] {
        let y = conv(&mut b, &x, ports, 3, stride, 1);
        x = leaky(&mut b, &y);
    }
    let style_shape = b.integers(&[5], &[-1, 2, 1024, 1, 1]);
    let (zero, one) = (b.integers(&[], &[0]), b.integers(&[], &[1]));
    let epsilon = b.floats(&[1], [1e-5]);
    let mut styles = Vec::new();
    let mut state = 0x1234_5678_9abc_def1u64;
    for _ in 0..12 {
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f64 / f64::from(1 << 23) - 1.0
        };
        let w = b.floats(&[2048, 512], (0..2048 * 512).map(|_| random()));
        let bias = b.floats(&[2048], (0..2048).map(|i| if i < 1024 { 1.0 } else { 0.0 }));
        let style = b.op("Gemm", &[&source, &w, &bias], vec![int("transB", 1)]);
        styles.push(b.op("Reshape", &[&style, &style_shape], vec![]));
    }
    let mean =
        |b: &mut Builder, x: &str| b.op("ReduceMean", &[x], vec![ints("axes", &[2, 3]), int("keepdims", 1)]);
    for block in 0..6 {
        let mut y = x.clone();
        for half in 0..2 {
            let padded = pad(&mut b, &y, 1);
            y = conv(&mut b, &padded, (1024, 1024), 3, 1, 0);
            let middle = mean(&mut b, &y);
            let centred = b.op("Sub", &[&y, &middle], vec![]);
            let square = b.op("Mul", &[&centred, &centred], vec![]);
            let variance = mean(&mut b, &square);
            let variance = b.op("Add", &[&variance, &epsilon], vec![]);
            let deviation = b.op("Sqrt", &[&variance], vec![]);
            let normal = b.op("Div", &[&centred, &deviation], vec![]);
            let style = &styles[2 * block + half];
            let scale = b.op("Gather", &[style, &zero], vec![int("axis", 1)]);
            let shift = b.op("Gather", &[style, &one], vec![int("axis", 1)]);
            let scaled = b.op("Mul", &[&normal, &scale], vec![]);
            y = b.op("Add", &[&scaled, &shift], vec![]);
            if half == 0 {
                y = b.op("Relu", &[&y], vec![]);
            }
        }
        x = b.op("Add", &[&x, &y], vec![]);
    }
    // Resize takes its scales in 32 bits also where all else is in 16.
    let double = [1.0f32, 1.0, 2.0, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let double = b.tensor(&[4], element::FLOAT, double);
    for (ports, enlarge) in [((1024, 512), true), ((512, 256), true), ((256, 128), false)] {
        if enlarge {
            let attributes =
                vec![text("mode", "linear"), text("coordinate_transformation_mode", "half_pixel")];
            x = b.op("Resize", &[&x, "", &double], attributes);
        }
        let y = conv(&mut b, &x, ports, 3, 1, 1);
        x = leaky(&mut b, &y);
    }
    let y = pad(&mut b, &x, 3);
    let y = conv(&mut b, &y, (128, 3), 7, 1, 0);
    let y = b.op("Tanh", &[&y], vec![]);
    let (one, half) = (b.floats(&[1], [1.0]), b.floats(&[1], [0.5]));
    let y = b.op("Add", &[&y, &one], vec![]);
    b.op_to("Mul", &[&y, &half], vec![], "output");
    b.output("output", &[batch, 3, 128, 128]);
    b.floats(&[512, 512], (0..512 * 512).map(|i| emap(i / 512, i % 512)));
    b.finish("inswapper_128")
}

pub fn write(model: &ModelProto, path: &Path) {
    std::fs::write(path, model.encode_to_vec()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

const PLAIN: ([f64; 3], [f64; 3]) = ([0.0; 3], [1.0; 3]);
const HALF: ([f64; 3], [f64; 3]) = ([0.5; 3], [0.5; 3]);
const IMAGENET: ([f64; 3], [f64; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

/// A family: file name, network, template, converter and its phase.
pub struct Family {
    pub file: &'static str,
    pub swap: Swap,
    /// Whether the vector that goes in has norm 1.
    pub unit: bool,
    pub template: &'static str,
    pub converter: Option<(&'static str, f64)>,
    /// Template of the source image, where there is one.
    pub source_template: Option<&'static str>,
    /// The card beside the file, where none is built in.
    pub card: Option<&'static str>,
}

/// Every row of the table of families.
pub fn families() -> Vec<Family> {
    let family = |file, size, (mean, std): ([f64; 3], [f64; 3]), out_half: bool, source, template| Family {
        file,
        swap: Swap {
            size,
            mean,
            std,
            out_mean: if out_half { 0.5 } else { 0.0 },
            out_std: if out_half { 0.5 } else { 1.0 },
            source,
            half: false,
        },
        unit: true,
        template,
        converter: None,
        source_template: None,
        card: None,
    };
    let vector = Source::Vector { gain: 1.0, emap: false };
    let mapped = Source::Vector { gain: 1.0, emap: true };
    let long = Source::Vector { gain: 0.05, emap: false };
    let fp16 = family("inswapper_128_fp16.onnx", 128, PLAIN, false, mapped, "arcface_128");
    let simswap = Some(("crossface_simswap.onnx", 0.0));
    let ghost = |file| Family {
        converter: Some(("crossface_ghost.onnx", 1.0)),
        unit: false,
        ..family(file, 256, HALF, true, long, "arcface_112_v1")
    };
    let hyperswap = |file| family(file, 256, HALF, true, vector, "arcface_128");
    vec![
        family("inswapper_128.onnx", 128, PLAIN, false, mapped, "arcface_128"),
        Family { swap: Swap { half: true, ..fp16.swap }, ..fp16 },
        hyperswap("hyperswap_1a_256.onnx"),
        hyperswap("hyperswap_1b_256.onnx"),
        hyperswap("hyperswap_1c_256.onnx"),
        Family {
            converter: simswap,
            ..family("simswap_256.onnx", 256, IMAGENET, false, vector, "arcface_112_v1")
        },
        Family {
            converter: simswap,
            ..family("simswap_unofficial_512.onnx", 512, PLAIN, false, vector, "arcface_112_v1")
        },
        ghost("ghost_1_256.onnx"),
        ghost("ghost_2_256.onnx"),
        ghost("ghost_3_256.onnx"),
        Family {
            converter: Some(("crossface_hififace.onnx", 2.0)),
            ..family("hififace_unofficial_256.onnx", 256, HALF, true, vector, "mtcnn_512")
        },
        Family {
            source_template: Some("ffhq_512"),
            ..family("uniface_256.onnx", 256, HALF, true, Source::Image(256), "ffhq_512")
        },
        Family {
            source_template: Some("arcface_112_v2"),
            ..family("blendswap_256.onnx", 256, PLAIN, false, Source::Image(112), "ffhq_512")
        },
    ]
}

/// Writes a family and what it needs into `folder`.
pub fn write_family(family: &Family, folder: &Path) {
    let path = folder.join(family.file);
    write(&swap(&family.swap), &path);
    if let Some(card) = family.card {
        std::fs::write(path.with_extension("toml"), card).unwrap();
    }
    if let Source::Vector { .. } = family.swap.source {
        write(&recognizer(512), &folder.join("arcface_w600k_r50.onnx"));
    }
    if let Some((file, phase)) = family.converter {
        write(&converter(phase), &folder.join(file));
    }
}
