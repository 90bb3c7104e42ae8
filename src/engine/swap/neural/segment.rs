//! Masks that networks see: what lies before the face, and what of the swapped crop is a face's skin
//! or feature.

use super::{
    crop::{Grid, Pixels, Tile, fill},
    paste::Patch,
};
use crate::{
    engine::{EngineError, frame::Frame, geometry::Similarity, pool::Pool},
    models::{Layout, Model, ModelError, Options, Role, Session},
};

/// A segmentation network.
#[derive(Debug)]
pub(super) struct Segmenter {
    session: Session,
    pixels: Pixels,
    /// Of a parser's outputs, which belong to the face; none for an occluder.
    classes: Vec<usize>,
    mask: Vec<f32>,
}

impl Segmenter {
    /// Loads an occluder or a parser.
    ///
    /// # Errors
    /// It cannot be loaded, or its card lacks size or classes.
    pub fn load(model: &Model, options: &Options) -> Result<Segmenter, ModelError> {
        let session = Session::shared(model, options)?;
        let card = session.card();
        let lacks = |what: &str| session.unusable(format!("its card `{}` names no {what}", card.name));
        let pixels = Pixels::new(&card.preprocess).ok_or_else(|| lacks("size"))?;
        let classes = card.decode.classes.clone();
        if card.role == Role::Parser && classes.is_empty() {
            return Err(lacks("classes"));
        }
        Ok(Segmenter { session, pixels, classes, mask: Vec::new() })
    }

    /// Pixels a side of its mask.
    pub fn side(&self) -> usize {
        self.pixels.size
    }

    /// What of the face in the frame nothing lies before, 0–1, row by row, on the square that `map`
    /// takes from `of` pixels a side to the frame.
    ///
    /// # Errors
    /// The network failed, or gave what are no numbers; a worker panicked.
    pub fn unoccluded(
        &mut self,
        frame: &Frame<'_>,
        map: Similarity,
        of: usize,
        pool: &mut Pool,
    ) -> Result<&[f32], EngineError> {
        let side = self.pixels.size;
        let scale = of as f32 / side as f32;
        let map = Similarity { a: scale * map.a, b: scale * map.b, ..map };
        let grid = Grid { map, boost: 1, phase: (0, 0) };
        let input = self.session.input(0, &self.pixels.shape(1))?;
        fill(frame, grid, &self.pixels, input, pool).map_err(EngineError::Panicked)?;
        Ok(self.infer()?)
    }

    /// As [`unoccluded`](Self::unoccluded), of what was copied from the frame before: planes of
    /// [`side`](Self::side)² values, 0–255.
    ///
    /// # Errors
    /// The network failed, or gave what are no numbers.
    pub fn unoccluded_of(&mut self, seen: &[f32]) -> Result<&[f32], ModelError> {
        let input = self.session.input(0, &self.pixels.shape(1))?;
        self.pixels.pack(seen, Tile { boost: 1, phase: (0, 0) }, input);
        self.infer()
    }

    fn infer(&mut self) -> Result<&[f32], ModelError> {
        let area = self.pixels.size * self.pixels.size;
        self.session.run()?;
        let (_, output) = self.session.output(0);
        if output.len() != area || !output.iter().sum::<f32>().is_finite() {
            return Err(self.unfit(output.len(), area));
        }
        self.mask.clear();
        self.mask.extend(output.iter().map(|v| v.clamp(0.0, 1.0)));
        Ok(&self.mask)
    }

    /// Where the patch shows one of the classes: 1, elsewhere 0, row by row.
    ///
    /// # Errors
    /// The network failed, or gave what are no numbers.
    pub fn face(&mut self, patch: &Patch) -> Result<&[f32], ModelError> {
        let side = self.pixels.size;
        let (area, scale) = (side * side, patch.side as f32 / side as f32);
        let planar = self.pixels.layout() == Layout::Nchw;
        let input = self.session.input(0, &self.pixels.shape(1))?;
        for at in 0..area {
            let (x, y) = ((at % side) as f32 + 0.5, (at / side) as f32 + 0.5);
            let rgb = patch.bilinear(x * scale - 0.5, y * scale - 0.5);
            for (channel, value) in self.pixels.values(rgb) {
                input[if planar { channel * area + at } else { 3 * at + channel }] = value;
            }
        }
        self.session.run()?;
        let (_, output) = self.session.output(0);
        let (given, kinds) = (output.len(), output.len() / area);
        let wanted = (1 + self.classes.iter().max().copied().unwrap_or(0)) * area;
        if given < wanted || given % area != 0 {
            return Err(self.unfit(given, wanted));
        }
        let mut sum = 0.0;
        self.mask.clear();
        self.mask.extend((0..area).map(|at| {
            let scores = (0..kinds).map(|kind| output[kind * area + at]).inspect(|score| sum += score);
            let best = scores.enumerate().fold((0, f32::NEG_INFINITY), |a, b| if b.1 > a.1 { b } else { a });
            f32::from(u8::from(self.classes.contains(&best.0)))
        }));
        if !sum.is_finite() {
            return Err(self.unfit(given, wanted));
        }
        Ok(&self.mask)
    }

    fn unfit(&self, given: usize, wanted: usize) -> ModelError {
        self.session
            .error(format!("it gives {given} values, or such that are no numbers; {wanted} are wanted"))
    }
}
