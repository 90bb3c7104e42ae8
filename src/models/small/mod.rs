//! A small network on one core of the CPU, such as MediaPipe's face mesh.
//!
//! For networks of a few million multiplications ONNX Runtime spends most of its time between the
//! convolutions. Here a depthwise convolution, the pointwise one after it, the residual sum and the
//! parametric rectifier are one step that works strip by strip, so that what lies between them stays in the
//! cache. Only what such networks are made of is known; [`Network::read`] refuses the rest.

mod depthwise;
mod fuse;
mod graph;
mod lanes;
mod model;
mod operators;
mod packed;
mod plan;
mod product;
mod proto;
mod step;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod wide;

use std::sync::Arc;

pub use model::Small;

use super::onnx::schema::ModelProto;
use graph::Port;
use lanes::Floats;
use plan::Plan;
use step::{Scratch, Step};

/// A network that is ready to run. It does not change and can be shared between threads.
#[derive(Debug)]
pub struct Network {
    input: Port,
    outputs: Vec<Port>,
    steps: Vec<Step>,
    plan: Plan,
}

impl Network {
    /// Reads a network with one input, `[1, height, width, channels]`, and outputs of one pixel.
    ///
    /// # Errors
    ///
    /// Names the node and the operator that is not known here, or what is broken in the file.
    pub fn read(model: &ModelProto) -> Result<Self, String> {
        let (steps, graph) = fuse::fuse(graph::read(model)?)?;
        let plan = Plan::new(&graph, &steps)?;
        let made = |id| id == graph.input.image || steps.iter().any(|s| s.output == id);
        if let Some(port) =
            graph.outputs.iter().find(|port| !made(port.image) || port.image == graph.input.image)
        {
            return Err(format!("output `{}` is not computed", port.name));
        }
        Ok(Self { input: graph.input, outputs: graph.outputs, steps, plan })
    }

    /// The input's name and its shape, `[1, height, width, channels]`.
    pub fn input(&self) -> (&str, &[usize]) {
        (&self.input.name, &self.input.shape)
    }

    /// The outputs' names and shapes in the order of the file.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = (&str, &[usize])> {
        self.outputs.iter().map(|port| (port.name.as_str(), port.shape.as_slice()))
    }
}

/// The memory of one network in use. It takes no more while running.
#[derive(Debug)]
pub struct Run {
    network: Arc<Network>,
    buffers: Vec<Floats>,
    scratch: Scratch,
}

impl Run {
    /// Memory to run `network`; its input is zero.
    pub fn new(network: Arc<Network>) -> Self {
        let buffers = network.plan.sizes.iter().map(|&floats| Floats::new(floats)).collect();
        let scratch = Scratch::new(&network.steps);
        Self { network, buffers, scratch }
    }

    /// The network that is run.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The input's elements, row by row as in [`Network::input`]. They stay as they are when it is run.
    pub fn input(&mut self) -> &mut [f32] {
        self.buffers[self.network.plan.places[self.network.input.image]].floats_mut()
    }

    /// Computes the outputs.
    pub fn run(&mut self) {
        let Self { network, buffers, scratch } = self;
        let places = &network.plan.places;
        for step in &network.steps {
            let place = places[step.output];
            let mut out = std::mem::take(&mut buffers[place]);
            let shortcut = step.shortcut.as_ref().map(|s| &buffers[places[s.image]]);
            step.run(&buffers[places[step.input]], shortcut, scratch, &mut out);
            buffers[place] = out;
        }
    }

    /// The elements of an output, by its place in [`Network::outputs`]; zero before the first run.
    ///
    /// # Panics
    ///
    /// If there are not that many outputs.
    pub fn output(&self, index: usize) -> &[f32] {
        let port = &self.network.outputs[index];
        let floats = self.buffers[self.network.plan.places[port.image]].floats();
        &floats[..port.shape.iter().product()]
    }
}
