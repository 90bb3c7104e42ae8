//! Face detection: a canvas holding the scaled-down frame in, boxes and five points a face out.

mod candidates;
mod canvas;
mod centerface;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod place;
mod scrfd;
#[cfg(test)]
mod tests;
mod yunet;

pub use candidates::suppress;
pub use canvas::Canvas;

use super::geometry::{Point, Rect};
use crate::models::{Card, Layout, Model, ModelError, Role, Session};
use candidates::Candidates;
use place::{Placement, Placer};

/// Outputs of the family that has most.
const MAPS: usize = 12;

/// More threads would gain little, as layers of so small networks end too soon.
const THREADS: usize = 4;

/// A face as a detector sees it, in frame pixels. All numbers are finite; parts may lie outside
/// the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    pub rect: Rect,
    /// 0–1.
    pub score: f32,
    /// Left eye on screen, right eye, nose, left mouth corner, right mouth corner.
    pub points: [Point; 5],
}

/// A face detector: its session and its scratch memory.
#[derive(Debug)]
pub struct Detector {
    session: Session,
    family: Family,
    grids: Vec<Grid>,
    nms: f32,
    placer: Placer,
    candidates: Candidates,
}

#[derive(Debug, Clone, Copy)]
enum Family {
    CenterFace,
    YuNet,
    Scrfd,
}

/// One output map: input pixels a cell, and anchors in it.
#[derive(Debug, Clone, Copy)]
struct Grid {
    stride: usize,
    anchors: usize,
}

impl Grid {
    /// Rows and columns for an input of that width and height.
    fn cells(self, size: (usize, usize)) -> (usize, usize) {
        (size.1.div_ceil(self.stride), size.0.div_ceil(self.stride))
    }
}

impl Detector {
    /// Loads the model. Of `threads` threads that there are for the work on a frame it runs on half, at
    /// most four: the others track and paint meanwhile.
    ///
    /// # Errors
    /// As [`Session::load`]; a card whose family or numbers no decoder here can use.
    pub fn load(model: &Model, threads: usize) -> Result<Detector, ModelError> {
        let session = Session::load(model, (threads / 2).clamp(1, THREADS))?;
        let card = session.card().clone();
        let (family, maps) = match card.family.as_str() {
            "centerface" => (Family::CenterFace, 4),
            "yunet" => (Family::YuNet, 4),
            "scrfd" => (Family::Scrfd, 3),
            _ => return Err(unsupported(model, &card)),
        };
        let grids = grids(&card);
        let maps_fit =
            !grids.is_empty() && card.outputs.len() == maps * grids.len() && card.outputs.len() <= MAPS;
        if !maps_fit || card.preprocess.layout != Layout::Nchw {
            return Err(unsupported(model, &card));
        }
        let nms = card.decode.nms_threshold.unwrap_or(0.4);
        let placer = Placer::new(&card.preprocess, session.input_shape(0));
        Ok(Detector { session, family, grids, nms, placer, candidates: Candidates::new() })
    }

    /// Has the memory that a run needed given back after it, for detectors that run now and then.
    ///
    /// # Errors
    /// The runtime refuses.
    pub(crate) fn give_back(&mut self) -> Result<(), ModelError> {
        self.session.give_back()
    }

    /// Frees what runs so far have left, for detectors that run now and then.
    pub(crate) fn forget(&mut self) {
        self.session.forget();
    }

    /// Finds the faces of the canvas whose score is at least `threshold` (0–1) and puts them into
    /// `out`, best first, at most 512. `out` is emptied first.
    ///
    /// # Errors
    /// The canvas's fields do not fit each other, the runtime refuses, or the model's outputs are not of the size that its card promises.
    pub fn detect(
        &mut self,
        canvas: &Canvas,
        threshold: f32,
        out: &mut Vec<Detection>,
    ) -> Result<(), ModelError> {
        out.clear();
        if let Some(fault) = canvas.fault() {
            return Err(self.session.error(fault));
        }
        let whole = self.placer.whole(canvas);
        self.look(canvas, whole, threshold, out)?;
        let padding = self.session.card().decode.padding.filter(|p| (1.0..=8.0).contains(p));
        if let (true, Some(padding)) = (out.is_empty(), padding) {
            self.look(canvas, whole.shrunk(padding, canvas), threshold, out)?;
        }
        Ok(())
    }

    fn look(
        &mut self,
        canvas: &Canvas,
        placement: Placement,
        threshold: f32,
        out: &mut Vec<Detection>,
    ) -> Result<(), ModelError> {
        let size = placement.size;
        let input = self.session.input(0, &[1, 3, size.1 as i64, size.0 as i64])?;
        self.placer.fill(canvas, &placement, input);
        self.session.run()?;
        self.candidates.start(threshold, placement.to_frame(canvas), size);
        let maps: [&[f32]; MAPS] = std::array::from_fn(|i| self.session.output(i).1);
        let decoded = match self.family {
            Family::CenterFace => centerface::decode(&maps, &self.grids, size, &mut self.candidates),
            Family::YuNet => yunet::decode(&maps, &self.grids, size, &mut self.candidates),
            Family::Scrfd => scrfd::decode(&maps, &self.grids, size, &mut self.candidates),
        };
        if let Err(WrongSize { output }) = decoded {
            let reason = format!("its output {output} has {:?} values", self.session.output(output).0);
            return Err(self.session.error(format!("{reason}, which does not fit a {size:?} input")));
        }
        self.candidates.finish(self.nms, out);
        Ok(())
    }
}

/// An output whose number of values does not follow from the input's size.
#[derive(Debug)]
struct WrongSize {
    output: usize,
}

/// Output `index`, which must hold `len` values.
fn values<'a>(maps: &[&'a [f32]], index: usize, len: usize) -> Result<&'a [f32], WrongSize> {
    match maps.get(index) {
        Some(map) if map.len() == len => Ok(map),
        _ => Err(WrongSize { output: index }),
    }
}

fn grids(card: &Card) -> Vec<Grid> {
    let strides = card.decode.strides.iter().enumerate();
    let grid = |(i, &stride): (usize, &u32)| {
        let anchors = card.decode.anchors.get(i).copied().unwrap_or(1);
        (stride > 0 && (1..=16).contains(&anchors))
            .then_some(Grid { stride: stride as usize, anchors: anchors as usize })
    };
    strides.map(grid).collect::<Option<Vec<Grid>>>().unwrap_or_default()
}

fn unsupported(model: &Model, card: &Card) -> ModelError {
    ModelError::Unsupported {
        role: Role::Detector,
        path: model.path.clone(),
        card: card.name.clone(),
        family: card.family.clone(),
    }
}
