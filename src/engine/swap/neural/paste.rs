//! Puts a network's crop back into the frame.

use wide::f32x4;

use super::{
    crop::{BITS, fixed},
    mask::Inverse,
};
use crate::engine::{
    frame::{Frame, Layer, Region},
    geometry::{Point, Similarity},
    pool::Pool,
    swap::{mesh::raster::Band, paint::paint},
};

/// A swapped crop: red, green, blue (0–255) and the mask (0–1) of each pixel, with a border of one
/// pixel that repeats the colours and has no mask.
#[derive(Debug, Default)]
pub(crate) struct Patch {
    /// Pixels a side, without the border.
    pub side: usize,
    texels: Vec<[f32; 4]>,
    /// Columns and rows from which and before which there is a mask.
    columns: (usize, usize),
    rows: (usize, usize),
}

impl Patch {
    /// Makes room for a crop of `side` pixels a side.
    pub fn fit(&mut self, side: usize) {
        self.side = side;
        self.texels.resize((side + 2) * (side + 2), [0.0; 4]);
    }

    /// The pixel at column `x` and row `y`.
    #[inline(always)]
    pub fn texel(&mut self, x: usize, y: usize) -> &mut [f32; 4] {
        &mut self.texels[(y + 1) * (self.side + 2) + x + 1]
    }

    /// Red, green and blue at a place where pixels' centres are at whole numbers; beyond the edge as
    /// on it.
    pub fn bilinear(&self, x: f32, y: f32) -> [f32; 3] {
        let last = (self.side - 1) as f32;
        let (x, y) = (x.clamp(0.0, last), y.clamp(0.0, last));
        let (i, j) = (x as usize, y as usize);
        let (fx, fy) = (x - i as f32, y - j as f32);
        let next = |at: usize| (at + 1).min(self.side - 1);
        let texel = |x: usize, y: usize| self.texels[(y + 1) * (self.side + 2) + x + 1];
        let corners = [texel(i, j), texel(next(i), j), texel(i, next(j)), texel(next(i), next(j))];
        std::array::from_fn(|k| {
            let top = corners[0][k] + fx * (corners[1][k] - corners[0][k]);
            let low = corners[2][k] + fx * (corners[3][k] - corners[2][k]);
            top + fy * (low - top)
        })
    }

    /// Writes the mask, row by row, and the border.
    pub fn finish(&mut self, mask: &[f32]) {
        let side = self.side;
        (self.columns, self.rows) = ((side, 0), (side, 0));
        for (y, row) in mask.chunks_exact(side).enumerate() {
            for (x, value) in row.iter().enumerate() {
                self.texel(x, y)[3] = *value;
            }
            let (Some(first), Some(last)) =
                (row.iter().position(|v| *v > 0.0), row.iter().rposition(|v| *v > 0.0))
            else {
                continue;
            };
            self.columns = (self.columns.0.min(first), self.columns.1.max(last + 1));
            self.rows = (self.rows.0.min(y), y + 1);
        }
        let stride = side + 2;
        let bare = |[r, g, b, _]: [f32; 4]| [r, g, b, 0.0];
        for y in 1..=side {
            let row = &mut self.texels[y * stride..(y + 1) * stride];
            (row[0], row[side + 1]) = (bare(row[1]), bare(row[side]));
        }
        for x in 0..stride {
            self.texels[x] = bare(self.texels[stride + x]);
            self.texels[(side + 1) * stride + x] = bare(self.texels[side * stride + x]);
        }
    }

    /// Colour (0–255) and mask (0–1) at (`x`, `y`) in crop pixels, bilinear; outside the crop there is
    /// no mask.
    #[inline(always)]
    pub fn sample(&self, x: f32, y: f32) -> f32x4 {
        let last = self.side as f32 + 0.999;
        let (u, v) = ((x + 0.5).clamp(0.0, last), (y + 0.5).clamp(0.0, last));
        let (i, j) = (u as usize, v as usize);
        let (fu, fv) = (f32x4::splat(u - i as f32), f32x4::splat(v - j as f32));
        let stride = self.side + 2;
        let at = j * stride + i;
        let Some(cell) = self.texels.get(at..at + stride + 2) else { return f32x4::ZERO };
        let mixed = |pair: &[[f32; 4]]| {
            let (left, right) = (f32x4::from(pair[0]), f32x4::from(pair[1]));
            left + fu * (right - left)
        };
        let (top, low) = (mixed(&cell[..2]), mixed(&cell[stride..]));
        top + fv * (low - top)
    }

    /// Mixes the crop into the frame, where `map` takes it. Returns what was written, `None` when
    /// it lies outside the frame.
    ///
    /// # Errors
    /// The message of a panic in a worker.
    pub fn paste(
        &self,
        frame: &mut Frame<'_>,
        map: Similarity,
        opacity: f32,
        layer: &mut Layer,
        pool: &mut Pool,
    ) -> Result<Option<Region>, String> {
        let ((left, right), (top, bottom)) = (self.columns, self.rows);
        if left >= right || top >= bottom {
            return Ok(None);
        }
        // Between pixels the mask fades out over half of one.
        let (left, right) = (left as f32 - 0.5, right as f32 + 0.5);
        let (top, bottom) = (top as f32 - 0.5, bottom as f32 + 0.5);
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)];
        let corners = corners.map(|(x, y)| map.apply(Point::new(x, y)));
        let low = corners.iter().fold((f32::INFINITY, f32::INFINITY), |l, p| (l.0.min(p.x), l.1.min(p.y)));
        let high =
            corners.iter().fold((f32::NEG_INFINITY, f32::NEG_INFINITY), |h, p| (h.0.max(p.x), h.1.max(p.y)));
        let (width, height) = (frame.width(), frame.height());
        let Some(region) = Region::covering(low.0, low.1, high.0, high.1, width, height) else {
            return Ok(None);
        };
        let back = Inverse::of(map);
        paint(frame, region, layer, pool, &|band| self.draw(band, region, back, 255.0 * opacity))?;
        Ok(Some(region))
    }

    fn draw(&self, band: &mut Band<'_>, region: Region, back: Inverse, opacity: f32) {
        let stride = self.side + 2;
        let gain = f32x4::new([1.0, 1.0, 1.0, opacity]);
        // In texels, the first of which has its centre at 0.
        let across = (self.columns.0 as f32, self.columns.1 as f32 + 1.0);
        let down = (self.rows.0 as f32, self.rows.1 as f32 + 1.0);
        let (du, dv) = back.step();
        let fixed = |v: f32| fixed(v.into());
        let step = (fixed(du), fixed(dv));
        let range = |(low, high): (f32, f32)| fixed(low)..fixed(high);
        let (columns, rows) = (range(across), range(down));
        for y in 0..band.rows {
            let at = back.apply(region.x as f32 + 0.5, (region.y + band.top + y) as f32 + 0.5);
            let (u0, v0) = (at.x + 0.5, at.y + 0.5);
            let row = y * band.stride..y * band.stride + region.width;
            let (r, g) = (&mut band.r[row.clone()], &mut band.g[row.clone()]);
            let (b, a) = (&mut band.b[row.clone()], &mut band.a[row]);
            let (first, end) = inside([(u0, du, across), (v0, dv, down)], region.width);
            let (mut u, mut v) = (fixed(u0 + first as f32 * du), fixed(v0 + first as f32 * dv));
            for x in first..end {
                let at = (u, v);
                (u, v) = (u + step.0, v + step.1);
                if !(columns.contains(&at.0) && rows.contains(&at.1)) {
                    continue;
                }
                let (i, j) = ((at.0 >> BITS) as usize, (at.1 >> BITS) as usize);
                let fraction = |at: i64| f32x4::splat((at as u32 >> 8) as f32 * (1.0 / (1 << 24) as f32));
                let (fu, fv) = (fraction(at.0), fraction(at.1));
                let at = j * stride + i;
                let (top, low) = (&self.texels[at..at + 2], &self.texels[at + stride..at + stride + 2]);
                let mixed = |pair: &[[f32; 4]]| {
                    let (left, right) = (f32x4::from(pair[0]), f32x4::from(pair[1]));
                    left + fu * (right - left)
                };
                let (top, low) = (mixed(top), mixed(low));
                let [red, green, blue, mask] = to_bytes((top + fv * (low - top)) * gain);
                (r[x], g[x], b[x], a[x]) = (red, green, blue, mask);
            }
        }
    }
}

/// Rounds to 0–255.
#[inline(always)]
pub(crate) fn to_bytes(levels: f32x4) -> [u8; 4] {
    let whole = (levels + 0.5).fast_max(f32x4::ZERO).fast_min(f32x4::splat(255.0)).fast_trunc_int();
    whole.to_array().map(|v| v as u8)
}

/// The columns of a row, from start to end, at which positions that begin at the first number and
/// grow by the second may lie in the range; one too many at most on each side.
fn inside(axes: [(f32, f32, (f32, f32)); 2], width: usize) -> (usize, usize) {
    let (mut low, mut high) = (0.0f32, width as f32);
    for (start, step, range) in axes {
        if step.abs() < 1e-9 {
            if !(range.0..range.1).contains(&start) {
                return (0, 0);
            }
            continue;
        }
        let (a, b) = ((range.0 - start) / step, (range.1 - start) / step);
        low = low.max(a.min(b).floor());
        high = high.min(a.max(b).ceil() + 1.0);
    }
    if low < high { (low as usize, (high as usize).min(width)) } else { (0, 0) }
}
