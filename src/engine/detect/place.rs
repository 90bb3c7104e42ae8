//! Putting the canvas into a model's input: size, position, channel order, normalisation.

use super::Canvas;
use crate::models::{Channels, Preprocess};

/// Where the canvas lies in an input: `input = canvas · scale + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Placement {
    /// Width and height of the input in pixels.
    pub size: (usize, usize),
    pub scale: f32,
    pub offset: (f32, f32),
}

/// Input pixels to frame pixels: `frame = (input − offset) · scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ToFrame {
    pub scale: f32,
    pub offset: (f32, f32),
}

impl Placement {
    /// The same input with the picture smaller by `factor`, in the middle.
    pub fn shrunk(self, factor: f32, canvas: &Canvas) -> Placement {
        let scale = self.scale / factor;
        let middle = |size: usize, content: usize| ((size as f32 - content as f32 * scale) * 0.5).floor();
        let offset = (middle(self.size.0, canvas.content_width), middle(self.size.1, canvas.content_height));
        Placement { scale, offset, ..self }
    }

    pub fn to_frame(self, canvas: &Canvas) -> ToFrame {
        ToFrame { scale: canvas.scale / self.scale, offset: self.offset }
    }
}

/// Where a row or column of the input comes from: two neighbours and the second's weight.
#[derive(Debug, Clone, Copy)]
struct Tap {
    first: usize,
    second: usize,
    weight: f32,
}

#[derive(Debug)]
pub(super) struct Placer {
    /// Width and height where the graph fixes them.
    fixed: (Option<usize>, Option<usize>),
    multiple: usize,
    /// Canvas plane for each input plane.
    order: [usize; 3],
    gain: [f32; 3],
    bias: [f32; 3],
    columns: Vec<Tap>,
}

impl Placer {
    pub fn new(preprocess: &Preprocess, shape: &[i64]) -> Placer {
        let fixed = |at: usize| shape.get(at).and_then(|&n| usize::try_from(n).ok()).filter(|&n| n > 0);
        let order = match preprocess.channels {
            Channels::Rgb => [0, 1, 2],
            Channels::Bgr => [2, 1, 0],
        };
        let (mean, std) = (preprocess.mean.values(), preprocess.std.values());
        Placer {
            fixed: (fixed(3), fixed(2)),
            multiple: preprocess.multiple_of.map_or(1, |m| m.clamp(1, 1024) as usize),
            order,
            gain: std::array::from_fn(|c| 1.0 / std[c]),
            bias: std::array::from_fn(|c| -mean[c] / std[c]),
            columns: Vec::new(),
        }
    }

    /// The canvas as it is where the input's size is free; else scaled to fill what is fixed.
    pub fn whole(&self, canvas: &Canvas) -> Placement {
        let free = |n: usize| n.max(1).next_multiple_of(self.multiple);
        let size = (self.fixed.0.unwrap_or(free(canvas.width)), self.fixed.1.unwrap_or(free(canvas.height)));
        let fill = |fixed: Option<usize>, content: usize| {
            fixed.map_or(f32::INFINITY, |side| side as f32 / content.max(1) as f32)
        };
        let scale = fill(self.fixed.0, canvas.content_width).min(fill(self.fixed.1, canvas.content_height));
        // With one side free the other must not outgrow its room.
        let room = (size.0 as f32 / canvas.content_width.max(1) as f32)
            .min(size.1 as f32 / canvas.content_height.max(1) as f32);
        let scale = if scale.is_finite() { scale.min(room) } else { 1.0 };
        Placement { size, scale, offset: (0.0, 0.0) }
    }

    /// Writes three normalised planes. What the canvas does not cover is black.
    pub fn fill(&mut self, canvas: &Canvas, placement: &Placement, input: &mut [f32]) {
        let (width, height) = placement.size;
        let Placement { scale, offset, .. } = *placement;
        let end = |content: usize, offset: f32, side: usize| {
            ((content as f32 * scale + offset).round().max(0.0) as usize).min(side)
        };
        let columns = offset.0 as usize..end(canvas.content_width, offset.0, width);
        let rows = offset.1 as usize..end(canvas.content_height, offset.1, height);
        self.columns.clear();
        self.columns.extend(columns.clone().map(|x| tap(x, offset.0, scale, canvas.content_width)));
        for (c, plane) in input.chunks_exact_mut((width * height).max(1)).take(3).enumerate() {
            let (gain, bias) = (self.gain[c], self.bias[c]);
            let source = canvas.plane(self.order[c]);
            plane.fill(bias);
            if source.is_empty() || columns.is_empty() {
                continue;
            }
            for y in rows.clone() {
                let row = &mut plane[y * width..(y + 1) * width][columns.clone()];
                if scale == 1.0 {
                    let y = y - rows.start;
                    let from = &source[y * canvas.width..][..row.len()];
                    row.iter_mut().zip(from).for_each(|(to, from)| *to = from * gain + bias);
                } else {
                    let t = tap(y, offset.1, scale, canvas.content_height);
                    let above = &source[t.first * canvas.width..][..canvas.width];
                    let below = &source[t.second * canvas.width..][..canvas.width];
                    blend(row, &self.columns, above, below, t.weight, (gain, bias));
                }
            }
        }
    }
}

fn blend(to: &mut [f32], columns: &[Tap], above: &[f32], below: &[f32], weight: f32, affine: (f32, f32)) {
    for (to, t) in to.iter_mut().zip(columns) {
        let top = above[t.first] + (above[t.second] - above[t.first]) * t.weight;
        let bottom = below[t.first] + (below[t.second] - below[t.first]) * t.weight;
        *to = (top + (bottom - top) * weight) * affine.0 + affine.1;
    }
}

/// Bilinear, pixel centres at half-integers, edges repeated.
fn tap(at: usize, offset: f32, scale: f32, content: usize) -> Tap {
    let last = content.max(1) - 1;
    let position = ((at as f32 - offset + 0.5) / scale - 0.5).clamp(0.0, last as f32);
    let first = position as usize;
    Tap { first, second: (first + 1).min(last), weight: position - first as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::PerChannel;

    fn canvas() -> Canvas {
        let mut canvas = Canvas::layout(64, 48, 64);
        let (width, area) = (canvas.width, canvas.width * canvas.height);
        for y in 0..48 {
            for x in 0..64 {
                for c in 0..3 {
                    canvas.rgb[c * area + y * width + x] = (c * 50 + x) as f32 + y as f32 * 0.5;
                }
            }
        }
        canvas
    }

    #[test]
    fn a_free_input_takes_the_canvas_as_it_is() {
        let preprocess = Preprocess {
            channels: Channels::Bgr,
            mean: PerChannel::Each([10.0, 20.0, 30.0]),
            std: PerChannel::Same(2.0),
            multiple_of: Some(32),
            ..Default::default()
        };
        let (canvas, mut placer) = (canvas(), Placer::new(&preprocess, &[-1, 3, -1, -1]));
        let placement = placer.whole(&canvas);
        assert_eq!(placement, Placement { size: (64, 64), scale: 1.0, offset: (0.0, 0.0) });
        let mut input = vec![f32::NAN; 3 * 64 * 64];
        placer.fill(&canvas, &placement, &mut input);
        assert_eq!(input[2 * 64 + 5], (100.0 + 5.0 + 1.0 - 10.0) / 2.0);
        assert_eq!(input[64 * 64], (50.0 - 20.0) / 2.0);
        assert_eq!(input[2 * 64 * 64 + 50 * 64], -15.0);
    }

    #[test]
    fn a_fixed_input_takes_it_scaled_and_a_shrunk_one_in_the_middle() {
        let (canvas, preprocess) = (canvas(), Preprocess::default());
        let mut placer = Placer::new(&preprocess, &[1, 3, 128, 128]);
        let whole = placer.whole(&canvas);
        assert_eq!(whole, Placement { size: (128, 128), scale: 2.0, offset: (0.0, 0.0) });
        let shrunk = whole.shrunk(2.0, &canvas);
        assert_eq!(shrunk, Placement { size: (128, 128), scale: 1.0, offset: (32.0, 40.0) });
        let mut input = vec![f32::NAN; 3 * 128 * 128];
        placer.fill(&canvas, &whole, &mut input);
        // A linear ramp stays one: canvas position of input pixel (9, 6) is (4.25, 2.75).
        assert!((input[6 * 128 + 9] - (4.25 + 2.75 * 0.5)).abs() < 1e-4);
        assert_eq!(input[97 * 128], 0.0);
        placer.fill(&canvas, &shrunk, &mut input);
        assert_eq!(input[(40 + 7) * 128 + 32 + 9], 9.0 + 3.5);
        assert_eq!(input[39 * 128 + 40], 0.0);
        assert!(input.iter().all(|v| v.is_finite()));
    }
}
