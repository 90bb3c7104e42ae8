//! The network as the file has it: checked, with shapes, not yet fused.

use std::collections::HashMap;

use super::lanes::{LANES, groups};
use super::operators;
use super::proto::label;
use crate::models::onnx::schema::{
    Dimension, Extent, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfo, element,
};

/// Most floats of all activations (64 MiB), and of all weights.
pub(super) const MAX_FLOATS: usize = 1 << 24;
/// Most multiplications of a run.
const MAX_WORK: usize = 1 << 34;

/// Index into [`Graph::images`].
pub(super) type Id = usize;

/// A picture of the network, stored row by row with the channels of a pixel together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
}

impl Image {
    /// Vectors of a pixel.
    pub(super) fn groups(&self) -> usize {
        groups(self.channels)
    }

    /// The picture, unless it is too large to be counted or kept.
    pub(super) fn checked(height: usize, width: usize, channels: usize) -> Result<Self, String> {
        let groups = channels.checked_add(LANES).and_then(|c| c.checked_mul(height)?.checked_mul(width));
        if groups.is_none_or(|floats| floats == 0 || floats > MAX_FLOATS) {
            return Err(format!("the size {height}x{width}x{channels} is too large"));
        }
        Ok(Self { height, width, channels })
    }
}

/// Distances of a window: rows above, columns left, rows below, columns right.
pub(super) type Pads = [usize; 4];

#[derive(Debug)]
pub(super) struct Window {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) pads: Pads,
}

#[derive(Debug)]
pub(super) enum Op {
    /// Convolution of all channels; `weights` as in ONNX, `[out][in][y][x]`.
    Conv {
        input: Id,
        window: Window,
        weights: Vec<f32>,
        bias: Vec<f32>,
    },
    /// 3x3 convolution of each channel with its own kernel.
    Depthwise {
        input: Id,
        window: Window,
        weights: Vec<f32>,
        bias: Vec<f32>,
    },
    /// A factor per channel.
    Scale {
        input: Id,
        factors: Vec<f32>,
    },
    /// A factor per channel for negative values, and one for others.
    Rectify {
        input: Id,
        below: Vec<f32>,
        above: Vec<f32>,
    },
    Add(Id, Id),
    /// The largest of each 2x2 pixels.
    Pool(Id),
    /// Channels of zeros after those of the picture.
    Extend(Id),
}

impl Op {
    pub(super) fn inputs(&self) -> impl Iterator<Item = Id> {
        let (first, second) = match *self {
            Self::Add(a, b) => (a, Some(b)),
            Self::Conv { input, .. } | Self::Depthwise { input, .. } => (input, None),
            Self::Scale { input, .. } | Self::Rectify { input, .. } => (input, None),
            Self::Pool(input) | Self::Extend(input) => (input, None),
        };
        [Some(first), second].into_iter().flatten()
    }
}

#[derive(Debug)]
pub(super) struct Node {
    /// For errors.
    pub(super) label: String,
    pub(super) op: Op,
    pub(super) output: Id,
}

/// An input or output of the network in the file's order of dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) image: Id,
}

#[derive(Debug)]
pub(super) struct Graph {
    pub(super) images: Vec<Image>,
    pub(super) nodes: Vec<Node>,
    pub(super) input: Port,
    pub(super) outputs: Vec<Port>,
}

/// How a named value shows its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// `[1, height, width, channels]`
    ChannelsLast,
    /// `[1, channels, height, width]`
    Planes,
    /// `[1, channels]` of a picture of one pixel.
    Flat,
}

/// What is known while the nodes are read one after the other.
pub(super) struct Reader<'a> {
    tensors: HashMap<&'a str, &'a TensorProto>,
    values: HashMap<&'a str, (Id, View)>,
    pub(super) images: Vec<Image>,
    pub(super) nodes: Vec<Node>,
    weights: usize,
    work: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn tensor(&self, name: &str) -> Result<&'a TensorProto, String> {
        self.tensors.get(name).copied().ok_or_else(|| format!("`{name}` is no constant of the file"))
    }

    pub(super) fn value(&self, name: &str) -> Result<(Id, View), String> {
        self.values.get(name).copied().ok_or_else(|| format!("`{name}` is not defined before"))
    }

    /// The picture that a node's input is.
    pub(super) fn picture(&self, name: &str) -> Result<(Id, Image), String> {
        match self.value(name)? {
            (id, View::Planes) => Ok((id, self.images[id])),
            _ => Err(format!("`{name}` is not [1, channels, height, width]")),
        }
    }

    pub(super) fn name(&mut self, name: &'a str, id: Id, view: View) -> Result<(), String> {
        if name.is_empty()
            || self.tensors.contains_key(name)
            || self.values.insert(name, (id, view)).is_some()
        {
            return Err(format!("`{name}` is defined twice or empty"));
        }
        Ok(())
    }

    /// Counts `floats` of weights and `work` multiplications; fails if there are too many.
    pub(super) fn charge(&mut self, floats: Option<usize>, work: Option<usize>) -> Result<(), String> {
        let sum = |a: usize, b: Option<usize>, most: usize| a.checked_add(b?).filter(|&sum| sum <= most);
        self.weights = sum(self.weights, floats, MAX_FLOATS).ok_or("too many weights")?;
        self.work = sum(self.work, work, MAX_WORK).ok_or("too much work")?;
        Ok(())
    }

    pub(super) fn push(&mut self, node: &'a NodeProto, op: Op, image: Image) -> Result<(), String> {
        let output = self.images.len();
        self.images.push(image);
        self.nodes.push(Node { label: label(node), op, output });
        self.name(single(node)?, output, View::Planes)
    }
}

/// A node's only output.
pub(super) fn single(node: &NodeProto) -> Result<&str, String> {
    match node.output.as_slice() {
        [output] => Ok(output),
        outputs => Err(format!("it has {} outputs", outputs.len())),
    }
}

/// Reads a model of one picture and any number of outputs.
pub(super) fn read(model: &ModelProto) -> Result<Graph, String> {
    if let Some(set) = model.opset_import.iter().find(|set| !matches!(set.domain.as_str(), "" | "ai.onnx")) {
        return Err(format!("operators of `{}` are unknown", set.domain));
    }
    let graph = model.graph.as_ref().ok_or("the model has no graph")?;
    let tensors: HashMap<_, _> = graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
    if tensors.len() != graph.initializer.len() {
        return Err("two constants have one name".into());
    }
    let inputs: Vec<_> = graph.input.iter().filter(|i| !tensors.contains_key(i.name.as_str())).collect();
    let [input] = inputs.as_slice() else {
        return Err(format!("the model has {} inputs", inputs.len()));
    };
    let shape = fixed_shape(input).ok_or("the input is not of fixed size and of floats")?;
    let &[1, height, width, channels] = shape.as_slice() else {
        return Err(format!("the input is {shape:?}, not [1, height, width, channels]"));
    };
    let images = vec![Image::checked(height, width, channels)?];
    let mut reader =
        Reader { tensors, values: HashMap::new(), images, nodes: Vec::new(), weights: 0, work: 0 };
    reader.name(&input.name, 0, View::ChannelsLast)?;
    for node in &graph.node {
        operators::read(&mut reader, node).map_err(|e| format!("{}: {e}", label(node)))?;
    }
    let outputs = outputs(&reader, graph)?;
    let input = Port { name: input.name.clone(), shape, image: 0 };
    Ok(Graph { images: reader.images, nodes: reader.nodes, input, outputs })
}

fn outputs(reader: &Reader<'_>, graph: &GraphProto) -> Result<Vec<Port>, String> {
    let port = |info: &ValueInfo| {
        let (id, view) = reader.value(&info.name)?;
        let image = reader.images[id];
        // Only a picture of one pixel lies in memory as ONNX orders it.
        let shape = match view {
            View::Flat => vec![1, image.channels],
            View::Planes if image.height == 1 && image.width == 1 => vec![1, image.channels, 1, 1],
            _ => return Err(format!("output `{}` is more than one pixel", info.name)),
        };
        Ok(Port { name: info.name.clone(), shape, image: id })
    };
    graph.output.iter().map(port).collect()
}

fn fixed_shape(info: &ValueInfo) -> Option<Vec<usize>> {
    let tensor = info.kind.as_ref()?.tensor.as_ref().filter(|t| t.elem_type == element::FLOAT)?;
    let size = |d: &Dimension| match d.extent {
        Some(Extent::Fixed(size)) => usize::try_from(size).ok().filter(|&size| size > 0),
        _ => None,
    };
    tensor.shape.as_ref()?.dim.iter().map(size).collect()
}
