//! Resampling of regions for the networks: only what they look at is read.

use multiversion::multiversion;

use super::{Frame, LANES, Reader, with_reader};
use crate::engine::{
    detect::Canvas,
    geometry::{Point, Similarity},
};

/// Taps a side that box-filter a downscale by `scale` (frame pixels a sample).
fn taps(scale: f32) -> usize {
    ((scale * 0.7 + 0.5) as usize).clamp(1, 4)
}

/// A grid of sample points: 16.16 steps a column and a row, and where each output pixel is sampled.
struct Grid {
    map: Similarity,
    origin: (i32, i32),
    column: (i32, i32),
    row: (i32, i32),
    taps: [(i32, i32); 16],
    count: usize,
    last: (i32, i32),
}

impl Grid {
    /// `map` takes output pixels to the frame; frames up to 32768 pixels a side.
    fn new(map: Similarity, width: usize, height: usize) -> Self {
        let taps = taps(map.scale());
        let fixed = |v: f32| (v * 65536.0) as i32;
        let centre = map.apply(Point::new(0.5, 0.5));
        let mut grid = Grid {
            map,
            origin: (fixed(centre.x), fixed(centre.y)),
            column: (fixed(map.a), fixed(map.b)),
            row: (fixed(-map.b), fixed(map.a)),
            taps: [(0, 0); 16],
            count: taps * taps,
            last: (width as i32 - 1, height as i32 - 1),
        };
        let place = |i: usize| (i as f32 + 0.5) / taps as f32 - 0.5;
        for (at, tap) in grid.taps.iter_mut().take(taps * taps).enumerate() {
            let (u, v) = (place(at % taps), place(at / taps));
            *tap = (fixed(u * map.a - v * map.b), fixed(u * map.b + v * map.a));
        }
        grid
    }

    /// Components of [`LANES`] output pixels of a row, from `(i, j)` on: box-filtered where the frame is scaled
    /// down, else bilinear.
    #[inline(always)]
    fn sample<R: Reader>(&self, r: &R, i: usize, j: usize) -> [[f32; LANES]; 3] {
        if self.count > 1 {
            return self.mean(r, i as i32, j as i32);
        }
        let lanes: [[f32; 3]; LANES] = std::array::from_fn(|n| {
            let at = self.map.apply(Point::new((i + n) as f32 + 0.5, j as f32 + 0.5));
            bilinear(r, at, self.last.0 as usize + 1, self.last.1 as usize + 1)
        });
        std::array::from_fn(|k| lanes.map(|c| c[k]))
    }

    /// Mean components of [`LANES`] output pixels; the frame's edge is repeated outside it.
    #[inline(always)]
    fn mean<R: Reader>(&self, r: &R, i: i32, j: i32) -> [[f32; LANES]; 3] {
        let start = |origin: i32, column: i32, row: i32| -> [i32; LANES] {
            let first = origin.wrapping_add(i.wrapping_mul(column)).wrapping_add(j.wrapping_mul(row));
            std::array::from_fn(|n| first.wrapping_add((n as i32).wrapping_mul(column)))
        };
        let x = start(self.origin.0, self.column.0, self.row.0);
        let y = start(self.origin.1, self.column.1, self.row.1);
        let mut sums = [[0; LANES]; 3];
        for tap in &self.taps[..self.count] {
            let inside = |at: [i32; LANES], by: i32, last: i32| {
                at.map(|at| (at.wrapping_add(by) >> 16).max(0).min(last) as u32)
            };
            r.add(inside(x, tap.0, self.last.0), inside(y, tap.1, self.last.1), &mut sums);
        }
        let inv = 1.0 / self.count as f32;
        sums.map(|sums| sums.map(|s| s as f32 * inv))
    }
}

/// Components at `at`, bilinear in all three planes, edge-replicating.
#[inline(always)]
pub(crate) fn bilinear<R: Reader>(r: &R, at: Point, width: usize, height: usize) -> [f32; 3] {
    let x = (at.x - 0.5).clamp(0.0, width as f32 - 1.0);
    let y = (at.y - 0.5).clamp(0.0, height as f32 - 1.0);
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let (a, b) = (r.components(x0, y0), r.components(x1, y0));
    let (c, d) = (r.components(x0, y1), r.components(x1, y1));
    let mut out = [0.0; 3];
    for k in 0..3 {
        let top = f32::from(a[k]) + fx * (f32::from(b[k]) - f32::from(a[k]));
        let low = f32::from(c[k]) + fx * (f32::from(d[k]) - f32::from(c[k]));
        out[k] = top + fy * (low - top);
    }
    out
}

/// Fills the detector's canvas with the frame, box-filtered.
pub(crate) fn to_canvas(frame: &Frame<'_>, canvas: &mut Canvas) {
    with_reader!(frame, r => to_canvas_with(&r, frame.width, frame.height, canvas));
}

#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
fn to_canvas_with<R: Reader>(r: &R, width: usize, height: usize, canvas: &mut Canvas) {
    let plane = canvas.width * canvas.height;
    let scale = canvas.scale;
    let map = Similarity { a: scale, b: 0.0, tx: 0.0, ty: 0.0 };
    let grid = Grid::new(map, width, height);
    canvas.rgb.fill(0.0);
    for j in 0..canvas.content_height {
        for i in (0..canvas.content_width).step_by(LANES) {
            let rgb = r.levels(grid.sample(r, i, j));
            let (to, count) = (j * canvas.width + i, LANES.min(canvas.content_width - i));
            for (k, values) in rgb.iter().enumerate() {
                canvas.rgb[k * plane + to..][..count].copy_from_slice(&values[..count]);
            }
        }
    }
}

/// First component (luma or red/blue) of a coarse grid over the frame: the eye of the scene-cut
/// test.
pub(crate) fn thumbnail<const W: usize, const H: usize>(frame: &Frame<'_>, out: &mut [[u8; W]; H]) {
    let (width, height) = (frame.width, frame.height);
    with_reader!(frame, r => {
        for (j, row) in out.iter_mut().enumerate() {
            for (i, v) in row.iter_mut().enumerate() {
                let mut sum = 0;
                for (dx, dy) in [(1, 1), (3, 1), (1, 3), (3, 3)] {
                    let c = r.components((4 * i + dx) * width / (4 * W), (4 * j + dy) * height / (4 * H));
                    sum += u32::from(c[0]);
                }
                *v = (sum / 4) as u8;
            }
        }
    });
}
