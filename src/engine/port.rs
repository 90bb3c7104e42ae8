//! Where networks are handed to a painter.

use std::sync::{Arc, Mutex};

use super::{
    Enhancer, Network, NetworkFacts,
    swap::{
        hybrid::{HybridSwap, KeySwapper, Maker},
        neural::NeuralSwap,
    },
};
use crate::sync::lock;

/// Hands a swap network to a painter: from its next frame on the painter swaps by it, where the
/// source was prepared for it ([`Source::identify`](crate::engine::Source::identify)), and by the mesh engine until then. The network
/// before goes with the frame that takes this one.
#[derive(Debug, Clone, Default)]
pub struct NetworkPort(Arc<Mutex<Offers>>);

#[derive(Debug, Default)]
struct Offers {
    swap: Option<Offer>,
    enhancer: Option<Box<HybridSwap>>,
}

#[derive(Debug)]
pub(super) enum Offer {
    /// For every frame.
    Neural(Box<NeuralSwap>),
    /// For key frames.
    Hybrid(Box<HybridSwap>),
}

impl NetworkPort {
    /// The network is to run on every frame.
    pub fn offer(&self, network: Network) {
        lock(&self.0).swap = Some(Offer::Neural(Box::new(NeuralSwap::new(network))));
    }

    /// The network is to run on key frames, on a thread of its own, and the mesh to carry them.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn offer_key_frames(&self, network: Network) -> std::io::Result<()> {
        self.offer_hybrid(Maker::Network(Box::new(network)))
    }

    /// As [`offer_key_frames`](Self::offer_key_frames), with `swapper` in place of a network: it gets
    /// crops of `side` pixels a side, aligned as inswapper's are. `facts` are told of it.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn offer_key_frames_by(
        &self,
        swapper: Box<dyn KeySwapper>,
        side: usize,
        facts: NetworkFacts,
    ) -> std::io::Result<()> {
        self.offer_hybrid(Maker::Other { swapper, side, facts: Arc::new(facts) })
    }

    fn offer_hybrid(&self, maker: Maker) -> std::io::Result<()> {
        lock(&self.0).swap = Some(Offer::Hybrid(Box::new(HybridSwap::new(maker)?)));
        Ok(())
    }

    /// The enhancer is to run on swapped faces, on a thread of its own; between its runs the mesh
    /// carries what it made, see [`Params::enhancer_interval`](super::Params::enhancer_interval).
    ///
    /// # Errors
    /// No thread could be started.
    pub fn offer_enhancer(&self, enhancer: Enhancer) -> std::io::Result<()> {
        let enhancer = HybridSwap::new(Maker::Enhancer(Box::new(enhancer)))?;
        lock(&self.0).enhancer = Some(Box::new(enhancer));
        Ok(())
    }

    /// What was offered to swap by since the last call.
    pub(super) fn take(&self) -> Option<Offer> {
        lock(&self.0).swap.take()
    }

    /// Whether there is something to swap by that was not taken.
    pub(super) fn has_offer(&self) -> bool {
        lock(&self.0).swap.is_some()
    }

    /// The enhancer that was offered since the last call.
    pub(super) fn take_enhancer(&self) -> Option<Box<HybridSwap>> {
        lock(&self.0).enhancer.take()
    }
}
