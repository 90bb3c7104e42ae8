//! A network that restores the detail of a swapped face.

use std::sync::Arc;

use super::{
    NetworkFacts, Template,
    crop::{Pixels, Tile},
};
use crate::{
    engine::identity::alignment,
    models::{Interrupter, Model, ModelError, Options, Session},
};

/// An enhancer, loaded and ready to run.
#[derive(Debug)]
pub struct Enhancer {
    session: Session,
    template: Template,
    pixels: Pixels,
    /// The card's input of pixels.
    picture: usize,
    /// Output · gain + offset is R, G, B in 0–255.
    gain: [f32; 3],
    offset: [f32; 3],
    facts: Arc<NetworkFacts>,
}

impl Enhancer {
    /// Loads it. Takes seconds.
    ///
    /// # Errors
    /// The file is damaged, does not fit its card, or cannot be run as `options` ask; says what to do.
    pub fn load(model: &Model, options: &Options) -> Result<Enhancer, ModelError> {
        let mut session = Session::shared(model, options)?;
        let card = session.card().clone();
        let (template, pixels) = alignment(&session)?;
        let input = |name: &str| card.inputs.iter().position(|input| input.name == name);
        let lacks = |what: &str| session.unusable(format!("its card `{}` names no {what}", card.name));
        let picture = input("input").ok_or_else(|| lacks("input `input`"))?;
        let weight = match input("weight") {
            Some(at) => Some((at, card.decode.weight.ok_or_else(|| lacks("weight under [decode]"))?)),
            None => None,
        };
        let (mean, std) = (card.postprocess.mean.values(), card.postprocess.std.values());
        let facts = NetworkFacts::of(model, &session, 1)?;
        session.warm_up()?;
        if let Some((at, value)) = weight {
            session.input(at, &[1])?.fill(value);
        }
        let (gain, offset) = (std.map(|v| 255.0 * v), mean.map(|v| 255.0 * v));
        Ok(Enhancer { session, template, pixels, picture, gain, offset, facts: Arc::new(facts) })
    }

    pub fn facts(&self) -> &Arc<NetworkFacts> {
        &self.facts
    }

    /// How faces are aligned, and the pixels a side of a crop.
    pub(crate) fn framing(&self) -> (Template, usize) {
        (self.template, self.pixels.size)
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.session.is_interrupted()
    }

    /// Ends its runs from another thread.
    ///
    /// # Errors
    /// The runtime cannot make it.
    pub fn interrupter(&mut self) -> Result<Interrupter, ModelError> {
        self.session.interrupter()
    }

    /// Enhances a crop of its size, planar, 0–255, into `out`.
    ///
    /// # Errors
    /// The network failed or was interrupted.
    pub(crate) fn enhance_crop(&mut self, pixels: &[f32], out: &mut [f32]) -> Result<(), ModelError> {
        const WHOLE: Tile = Tile { boost: 1, phase: (0, 0) };
        let input = self.session.input(self.picture, &self.pixels.shape(1))?;
        self.pixels.pack(pixels, WHOLE, input);
        self.session.run()?;
        let (_, output) = self.session.output(0);
        if output.len() != out.len() {
            let reason = format!("it gives {} values, {} are wanted", output.len(), out.len());
            return Err(self.session.error(reason));
        }
        WHOLE.unpack(output, self.pixels.size, self.gain, self.offset, out);
        Ok(())
    }
}
