//! Where in the crop the network's face replaces the frame's.

use multiversion::multiversion;

use crate::engine::{
    geometry::{Point, Similarity},
    params::{Masks, Params},
    swap::mesh::topology::{Mesh, topology},
};

/// Standard deviation of the blur of masks that are drawn from landmarks, in crop pixels.
const SIGMA: f32 = 5.0;
/// The outer edge of the lips.
const LIPS: [usize; 20] =
    [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185];

/// Makes masks, and remembers what does not change from frame to frame.
#[derive(Debug, Default)]
pub(crate) struct MaskMaker {
    key: Option<(usize, f32, [f32; 4])>,
    frame: Vec<f32>,
    shape: Vec<f32>,
    scratch: Vec<f32>,
    kernel: Vec<f32>,
    hull: Vec<Point>,
    corners: Vec<Point>,
}

impl MaskMaker {
    /// Writes the mask of a crop of `side` pixels a side, 0–1: the least of those that are wanted.
    /// `map` takes the crop to the frame that `mesh` lies in.
    pub fn write(&mut self, side: usize, map: Similarity, mesh: &Mesh, params: &Params, out: &mut Vec<f32>) {
        out.clear();
        out.resize(side * side, 1.0);
        if params.masks.contains(Masks::BOX) {
            self.frame(side, params);
            out.copy_from_slice(&self.frame);
        }
        let back = Inverse::of(map);
        if params.masks.contains(Masks::AREA) {
            self.hull_of(mesh, back, topology().oval.iter().map(|&v| usize::from(v)));
            self.draw(side);
            out.iter_mut().zip(&self.shape).for_each(|(to, v)| *to = to.min(post(*v)));
        }
        if params.masks.contains(Masks::MOUTH) {
            self.hull_of(mesh, back, LIPS.into_iter());
            self.draw(side);
            out.iter_mut().zip(&self.shape).for_each(|(to, v)| *to = to.min(post(1.0 - *v)));
        }
    }

    /// Brings `out`, of `side` pixels a side, down to a mask of `of` pixels a side where that is less.
    pub fn lessen(&mut self, side: usize, mask: &[f32], of: usize, out: &mut [f32]) {
        let scale = of as f32 / side as f32;
        let tap = |at: usize| {
            let x = ((at as f32 + 0.5) * scale - 0.5).clamp(0.0, (of - 1) as f32);
            (x as usize, (x as usize + 1).min(of - 1), x.fract())
        };
        self.shape.clear();
        self.shape.extend((0..side * side).map(|at| {
            let ((i, next_i, fx), (j, next_j, fy)) = (tap(at % side), tap(at / side));
            let row = |j: usize| mask[j * of + i] + fx * (mask[j * of + next_i] - mask[j * of + i]);
            let top = row(j);
            top + fy * (row(next_j) - top)
        }));
        gauss(&mut self.shape, side, SIGMA, &mut self.kernel, &mut self.scratch);
        out.iter_mut().zip(&self.shape).for_each(|(to, v)| *to = to.min(post(*v)));
    }

    /// The box: zero along the edges, blurred inward.
    fn frame(&mut self, side: usize, params: &Params) {
        let key = (side, params.mask_blur, params.mask_padding);
        if self.key == Some(key) {
            return;
        }
        self.key = Some(key);
        let blur = (0.5 * side as f32 * params.mask_blur) as usize;
        let least = (blur / 2).max(1);
        let edge = params.mask_padding.map(|percent| ((side as f32 * percent / 100.0) as usize).max(least));
        let [top, right, bottom, left] = edge.map(|edge| edge.min(side));
        self.frame.clear();
        self.frame.extend((0..side * side).map(|at| {
            let (x, y) = (at % side, at / side);
            let inside = y >= top && y < side - bottom && x >= left && x < side - right;
            f32::from(u8::from(inside))
        }));
        if blur > 0 {
            gauss(&mut self.frame, side, 0.25 * blur as f32, &mut self.kernel, &mut self.scratch);
        }
    }

    /// The convex hull of vertices, in crop pixels.
    fn hull_of(&mut self, mesh: &Mesh, back: Inverse, vertices: impl Iterator<Item = usize>) {
        self.corners.clear();
        self.corners.extend(vertices.map(|v| back.apply(mesh[v][0], mesh[v][1])));
        hull(&mut self.corners, &mut self.hull);
    }

    /// Fills `self.shape` with the blurred hull.
    fn draw(&mut self, side: usize) {
        self.shape.clear();
        self.shape.resize(side * side, 0.0);
        for (j, row) in self.shape.chunks_exact_mut(side).enumerate() {
            let y = j as f32 + 0.5;
            let Some((left, right)) = span(&self.hull, y) else { continue };
            // Pixels whose centre lies between the two.
            let first = (left - 0.5).ceil().clamp(0.0, side as f32) as usize;
            let end = ((right - 0.5).floor() + 1.0).clamp(0.0, side as f32) as usize;
            if first < end {
                row[first..end].fill(1.0);
            }
        }
        gauss(&mut self.shape, side, SIGMA, &mut self.kernel, &mut self.scratch);
    }
}

/// From the frame back to the crop.
#[derive(Clone, Copy)]
pub(crate) struct Inverse {
    a: f32,
    b: f32,
    map: Similarity,
}

impl Inverse {
    pub fn of(map: Similarity) -> Self {
        let norm = map.a * map.a + map.b * map.b;
        Inverse { a: map.a / norm, b: map.b / norm, map }
    }

    pub fn apply(self, x: f32, y: f32) -> Point {
        let (x, y) = (x - self.map.tx, y - self.map.ty);
        Point::new(self.a * x + self.b * y, self.a * y - self.b * x)
    }

    /// Crop pixels a frame pixel to the right.
    pub fn step(self) -> (f32, f32) {
        (self.a, -self.b)
    }
}

/// What is left of a blurred mask: its upper half, stretched.
fn post(value: f32) -> f32 {
    (value.clamp(0.5, 1.0) - 0.5) * 2.0
}

/// Sums of `to.len()` numbers each, from `start(k)` of `from` on, by the weights of a kernel of which
/// `half` is the middle and one side.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
fn weigh(to: &mut [f32], from: &[f32], half: &[f32], start: impl Fn(usize) -> usize) {
    const LANES: usize = 32;
    let radius = half.len() - 1;
    let (blocks, rest) = to.as_chunks_mut::<LANES>();
    let done = blocks.len() * LANES;
    for (block, to) in blocks.iter_mut().enumerate() {
        let mut sums = [0.0; LANES];
        for k in 0..=2 * radius {
            let (weight, from) = (half[k.abs_diff(radius)], &from[start(k) + block * LANES..][..LANES]);
            sums.iter_mut().zip(from).for_each(|(sum, v)| *sum += weight * v);
        }
        *to = sums;
    }
    for (at, to) in rest.iter_mut().enumerate() {
        let sum = |k: usize| half[k.abs_diff(radius)] * from[start(k) + done + at];
        *to = (0..=2 * radius).map(sum).sum();
    }
}

/// Gaussian blur of a square, mirrored at its edges without repeating them.
pub(crate) fn gauss(
    square: &mut [f32],
    side: usize,
    sigma: f32,
    kernel: &mut Vec<f32>,
    scratch: &mut Vec<f32>,
) {
    let radius = (4.0 * sigma).round() as usize;
    if radius == 0 || side < 2 {
        return;
    }
    kernel.clear();
    kernel.extend((0..=radius).map(|i| (-0.5 * (i as f32 / sigma).powi(2)).exp()));
    let total = 2.0 * kernel.iter().sum::<f32>() - kernel[0];
    kernel.iter_mut().for_each(|v| *v /= total);
    let mirror = |at: isize| {
        let period = 2 * (side as isize - 1);
        let at = at.rem_euclid(period);
        at.min(period - at) as usize
    };
    scratch.clear();
    scratch.resize(side * side + side + 2 * radius, 0.0);
    let (whole, line) = scratch.split_at_mut(side * side);
    // Down the columns, row by row, so that all reads are in a row.
    for (j, to) in whole.chunks_exact_mut(side).enumerate() {
        weigh(to, square, kernel, |k| mirror((j + k) as isize - radius as isize) * side);
    }
    for (from, to) in whole.chunks_exact(side).zip(square.chunks_exact_mut(side)) {
        for (at, v) in line.iter_mut().enumerate() {
            *v = from[mirror(at as isize - radius as isize)];
        }
        weigh(to, line, kernel, |k| k);
    }
}

/// Convex hull (Andrew's monotone chain); sorts `points`.
fn hull(points: &mut [Point], out: &mut Vec<Point>) {
    out.clear();
    points.sort_unstable_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    let left = |a: Point, b: Point, c: Point| (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x) > 0.0;
    for pass in 0..2 {
        let start = out.len();
        for i in 0..points.len() {
            let p = if pass == 0 { points[i] } else { points[points.len() - 1 - i] };
            while out.len() >= start + 2 && !left(out[out.len() - 2], out[out.len() - 1], p) {
                out.pop();
            }
            out.push(p);
        }
        out.pop();
    }
}

/// Where a horizontal line enters and leaves a convex polygon.
fn span(polygon: &[Point], y: f32) -> Option<(f32, f32)> {
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for (i, &p) in polygon.iter().enumerate() {
        let q = polygon[(i + 1) % polygon.len()];
        if (p.y <= y) != (q.y <= y) {
            let x = p.x + (y - p.y) / (q.y - p.y) * (q.x - p.x);
            (low, high) = (low.min(x), high.max(x));
        }
    }
    (low <= high).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_is_zero_at_its_edge_and_one_inside() {
        let mut maker = MaskMaker::default();
        let params = Params { mask_padding: [0.0, 25.0, 0.0, 0.0], ..Params::default() };
        maker.frame(128, &params);
        let at = |x: usize, y: usize| maker.frame[y * 128 + x];
        assert!(at(64, 0) < 0.08 && at(0, 64) < 0.08 && at(64, 127) < 0.08);
        assert!(at(100, 64) < 0.35 && at(110, 64) < 0.02, "{} {}", at(100, 64), at(110, 64));
        assert!((at(64, 64) - 1.0).abs() < 1e-4 && (at(40, 40) - 1.0).abs() < 0.01);
    }

    #[test]
    fn blur_keeps_the_sum_and_what_is_constant() {
        let (mut kernel, mut scratch) = (Vec::new(), Vec::new());
        let mut point = vec![0.0; 64 * 64];
        point[32 * 64 + 32] = 1.0;
        gauss(&mut point, 64, 3.0, &mut kernel, &mut scratch);
        assert!((point.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        let (near, far) = (point[32 * 64 + 32], point[32 * 64 + 35]);
        assert!((far / near - (-0.5f32).exp()).abs() < 1e-4, "{near} {far}");
        let mut flat = vec![1.0; 16 * 16];
        gauss(&mut flat, 16, 5.0, &mut kernel, &mut scratch);
        assert!(flat.iter().all(|v| (v - 1.0).abs() < 1e-5));
    }

    #[test]
    fn a_hull_leaves_out_what_is_inside() {
        let mut points: Vec<Point> = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0), (2.0, 2.0), (1.0, 3.0)]
            .map(|(x, y)| Point::new(x, y))
            .into();
        let mut out = Vec::new();
        hull(&mut points, &mut out);
        assert_eq!(out.len(), 4);
        assert_eq!(span(&out, 2.5), Some((0.0, 4.0)));
        assert_eq!(span(&out, 5.0), None);
    }
}
