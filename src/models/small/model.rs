//! A model file that is run here where it can be.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};

use prost::Message;

use super::{Network, Run};
use crate::{
    models::{
        Model, Port, loaded,
        onnx::{self, schema::ModelProto},
        shared,
    },
    sync::lock,
};

/// Networks in use, by their file's hash.
static NETWORKS: Mutex<Option<HashMap<String, Weak<Network>>>> = Mutex::new(None);

/// A model with memory of its own, to be run on one thread at a time.
#[derive(Debug)]
pub struct Small {
    run: Run,
    /// Where the card's outputs are among the network's.
    outputs: Vec<usize>,
}

impl Small {
    /// The model, if it is of the kind that is known here and what its card says. All who ask with the
    /// same file share its weights. `None` is no error: a [`Session`](crate::models::Session) can run
    /// what is whole, and says what is wrong with what is not.
    pub fn load(model: &Model) -> Option<Small> {
        let hash = shared::hash(&model.path).ok()?;
        let network = {
            let mut networks = lock(&NETWORKS);
            let networks = networks.get_or_insert_default();
            networks.retain(|_, network| network.strong_count() > 0);
            match networks.get(&hash).and_then(Weak::upgrade) {
                Some(network) => network,
                None => {
                    let network = Arc::new(read(model)?);
                    networks.insert(hash, Arc::downgrade(&network));
                    network
                }
            }
        };
        let port = |(name, shape): (&str, &[usize])| Port {
            name: name.into(),
            kind: "float32".into(),
            shape: shape.iter().map(|&side| side as i64).collect(),
        };
        let inputs = [port(network.input())];
        let outputs: Vec<Port> = network.outputs().map(port).collect();
        let (_, places) = loaded::fit(model, &inputs, &outputs).ok()?;
        (places.inputs == [0]).then(|| Small { run: Run::new(network), outputs: places.outputs })
    }

    /// The elements of the input, `[1, height, width, channels]`. They stay as they are when it is run.
    pub fn input(&mut self) -> &mut [f32] {
        self.run.input()
    }

    /// Computes the outputs.
    pub fn run(&mut self) {
        self.run.run();
    }

    /// The elements of the card's output `index` after the last run; empty where there is none.
    pub fn output(&self, index: usize) -> &[f32] {
        self.outputs.get(index).map_or(&[], |&at| self.run.output(at))
    }
}

fn read(model: &Model) -> Option<Network> {
    onnx::check(&model.path).ok()?;
    Network::read(&ModelProto::decode(onnx::map(&model.path).ok()?).ok()?).ok()
}
