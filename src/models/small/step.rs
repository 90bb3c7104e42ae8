//! A fused step, and running it strip by strip.

use std::array::from_fn;
use std::ops::Range;

use super::depthwise::{Depthwise, convolve, extend, pool};
use super::graph::{Id, Image, Pads};
use super::lanes::{Floats, LANES, Lane};
use super::packed::Packed;
use super::product::{Finish, Rectifier, Taps, multiply};

/// Convolution, shortcut and rectifier.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) front: Front,
    pub(super) input: Id,
    pub(super) from: Image,
    pub(super) product: Packed,
    pub(super) bias: Vec<Lane>,
    pub(super) shortcut: Option<Shortcut>,
    pub(super) rectifier: Rectifier,
    pub(super) output: Id,
    pub(super) to: Image,
    /// Rows that are worked on at once.
    pub(super) strip: usize,
}

/// Where the rows of the matrix product come from.
#[derive(Debug)]
pub(super) enum Front {
    /// The input's pixels themselves, `pixel` floats each.
    Pixels { pixel: usize },
    /// The pixels of a depthwise convolution of the input, with `top` rows of zeros above it.
    Depthwise { depthwise: Depthwise, stride: usize, top: usize },
    /// The input's pixels under a window: a row of the kernel is one run of floats.
    Window(Columns),
}

/// A window over the input's pixels.
#[derive(Debug)]
pub(super) struct Columns {
    /// Floats from a pixel to the next.
    pub(super) pixel: usize,
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) pads: Pads,
}

/// What is added to the product.
#[derive(Debug)]
pub(super) struct Shortcut {
    pub(super) image: Id,
    /// Its pixels may have fewer vectors than the product's.
    pub(super) from: Image,
    /// Whether it is halved to the largest of each 2x2 pixels.
    pub(super) pooled: bool,
}

/// Working memory of a run.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    front: Floats,
    pooled: Floats,
    zeros: Floats,
}

impl Scratch {
    /// Memory for all of `steps`.
    pub(super) fn new(steps: &[Step]) -> Self {
        let [front, pooled, zeros] = Self::sizes(steps).map(Floats::new);
        Self { front, pooled, zeros }
    }

    /// Floats of each part.
    pub(super) fn sizes(steps: &[Step]) -> [usize; 3] {
        steps.iter().map(Step::scratch).fold([0; 3], |most, step| from_fn(|i| most[i].max(step[i])))
    }
}

impl Step {
    /// Floats of each part of the working memory.
    fn scratch(&self) -> [usize; 3] {
        let strip = self.strip * self.to.width * LANES;
        let pooled = if self.shortcut.is_some() { strip * self.to.groups() } else { 0 };
        match &self.front {
            Front::Pixels { .. } => [0, pooled, 0],
            Front::Depthwise { depthwise, .. } => {
                let groups = depthwise.groups();
                [strip * groups, pooled, self.from.width * groups * LANES]
            }
            Front::Window(Columns { pixel, kernel, pads, .. }) => {
                let line = (self.from.width + pads[1] + pads[3]).saturating_mul(*pixel);
                [line.saturating_mul(kernel[0]), pooled, 0]
            }
        }
    }

    /// Runs the step: `input` and `shortcut` are the images it names.
    pub(super) fn run(
        &self,
        input: &Floats,
        shortcut: Option<&Floats>,
        scratch: &mut Scratch,
        out: &mut Floats,
    ) {
        let row = self.to.width * self.bias.len();
        for y in (0..self.to.height).step_by(self.strip) {
            let rows = y..self.to.height.min(y + self.strip);
            let shortcut = self.shortcut.as_ref().zip(shortcut);
            let shortcut =
                shortcut.map(|(s, image)| s.pixels(image.lanes(), self.to, &rows, &mut scratch.pooled));
            let finish = Finish { bias: &self.bias, shortcut, rectifier: &self.rectifier };
            let out = &mut out.lanes_mut()[rows.start * row..rows.end * row];
            self.multiply(input, rows, &finish, (&mut scratch.front, &scratch.zeros), out);
        }
    }

    fn multiply(
        &self,
        input: &Floats,
        rows: Range<usize>,
        finish: &Finish<'_>,
        (front, zeros): (&mut Floats, &Floats),
        out: &mut [Lane],
    ) {
        let width = self.to.width;
        let pixels = rows.len() * width;
        let taps = |data, pixel| Taps { data, pixel, segment: 0, segments: 1, length: pixel };
        match &self.front {
            &Front::Pixels { pixel } => {
                let data = &input.floats()[rows.start * width * pixel..];
                multiply(&taps(data, pixel), pixels, &self.product, finish, out);
            }
            Front::Depthwise { depthwise, stride, top } => {
                let line = self.from.width * depthwise.groups();
                let zeros = &zeros.lanes()[..line];
                let lanes = front.lanes_mut().chunks_exact_mut(width * depthwise.groups());
                for (y, lanes) in rows.zip(lanes) {
                    let three = from_fn(|i| match (y * stride + i).checked_sub(*top) {
                        Some(at) if at < self.from.height => &input.lanes()[at * line..][..line],
                        _ => zeros,
                    });
                    convolve(three, self.from.width, depthwise, lanes);
                }
                let taps = taps(front.floats(), depthwise.groups() * LANES);
                multiply(&taps, pixels, &self.product, finish, out);
            }
            Front::Window(window) => {
                for (y, out) in rows.zip(out.chunks_exact_mut(width * self.bias.len())) {
                    let taps = window.row(input.floats(), self.from, y, front.floats_mut());
                    multiply(&taps, width, &self.product, finish, out);
                }
            }
        }
    }
}

impl Shortcut {
    /// The pixels that are added to `rows` of `to`.
    fn pixels<'a>(
        &self,
        image: &'a [Lane],
        to: Image,
        rows: &Range<usize>,
        memory: &'a mut Floats,
    ) -> &'a [Lane] {
        let (groups, wide) = (self.from.groups(), self.from.width * self.from.groups());
        let line = to.width * to.groups();
        if !self.pooled && groups == to.groups() {
            return &image[rows.start * line..rows.end * line];
        }
        let memory = &mut memory.lanes_mut()[..rows.len() * line];
        for (y, out) in rows.clone().zip(memory.chunks_exact_mut(line)) {
            if self.pooled {
                let (upper, lower) = image[2 * y * wide..][..2 * wide].split_at(wide);
                pool([upper, lower], groups, out, to.groups());
            } else {
                extend(&image[y * wide..][..wide], groups, out, to.groups());
            }
        }
        memory
    }
}

impl Columns {
    /// What the window sees in row `y` of the result. With padding it is copied to `memory` first.
    fn row<'a>(&self, input: &'a [f32], from: Image, y: usize, memory: &'a mut [f32]) -> Taps<'a> {
        let &Self { pixel, kernel: [height, width], stride, pads: [top, left, bottom, right] } = self;
        let line = from.width * pixel;
        let taps = |data, segment| Taps {
            data,
            pixel: stride[1] * pixel,
            segment,
            segments: height,
            length: width * pixel,
        };
        if [top, left, bottom, right] == [0; 4] {
            return taps(&input[y * stride[0] * line..], line);
        }
        let padded = (left + from.width + right) * pixel;
        for (i, out) in memory.chunks_exact_mut(padded).take(height).enumerate() {
            match (y * stride[0] + i).checked_sub(top).filter(|&at| at < from.height) {
                Some(at) => {
                    let (before, rest) = out.split_at_mut(left * pixel);
                    let (middle, after) = rest.split_at_mut(line);
                    before.fill(0.0);
                    middle.copy_from_slice(&input[at * line..][..line]);
                    after.fill(0.0);
                }
                None => out.fill(0.0),
            }
        }
        taps(memory, padded)
    }
}
