//! Puts a network's crop back into the frame.

use wide::f32x4;

use super::mask::Inverse;
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

    /// Writes the mask, row by row, and the border.
    pub fn finish(&mut self, mask: &[f32]) {
        let (side, stride) = (self.side, self.side + 2);
        for (y, row) in mask.chunks_exact(side).enumerate() {
            for (x, value) in row.iter().enumerate() {
                self.texel(x, y)[3] = *value;
            }
        }
        for at in (0..stride * stride).filter(|at| {
            let (x, y) = (at % stride, at / stride);
            x == 0 || y == 0 || x > side || y > side
        }) {
            let (x, y) = ((at % stride).clamp(1, side), (at / stride).clamp(1, side));
            let [r, g, b, _] = self.texels[y * stride + x];
            self.texels[at] = [r, g, b, 0.0];
        }
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
        // The mask fades out over the border's half pixel.
        let (first, last) = (-0.5, self.side as f32 + 0.5);
        let corners = [(first, first), (last, first), (first, last), (last, last)];
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
        let most = self.side as f32 + 1.0;
        let stride = self.side + 2;
        let (du, dv) = back.step();
        for y in 0..band.rows {
            let at = back.apply(region.x as f32 + 0.5, (region.y + band.top + y) as f32 + 0.5);
            // Texel (1, 1) has its centre at (0.5, 0.5) of the crop.
            let (u0, v0) = (at.x + 0.5, at.y + 0.5);
            let row = y * band.stride..y * band.stride + region.width;
            let (r, g) = (&mut band.r[row.clone()], &mut band.g[row.clone()]);
            let (b, a) = (&mut band.b[row.clone()], &mut band.a[row]);
            let (first, end) = inside(u0, du, v0, dv, most, region.width);
            for x in first..end {
                let (u, v) = (u0 + x as f32 * du, v0 + x as f32 * dv);
                if !(u >= 0.0 && v >= 0.0 && u < most && v < most) {
                    continue;
                }
                let (i, j) = (u as usize, v as usize);
                let (fu, fv) = (f32x4::splat(u - i as f32), f32x4::splat(v - j as f32));
                let texel = |at: usize| f32x4::from(self.texels[at]);
                let at = j * stride + i;
                let top = texel(at) + fu * (texel(at + 1) - texel(at));
                let low = texel(at + stride) + fu * (texel(at + stride + 1) - texel(at + stride));
                let [red, green, blue, mask] = (top + fv * (low - top)).to_array();
                a[x] = (mask * opacity + 0.5) as u8;
                (r[x], g[x], b[x]) = ((red + 0.5) as u8, (green + 0.5) as u8, (blue + 0.5) as u8);
            }
        }
    }
}

/// The columns of a row whose crop position may lie in `[0, most)` both ways; one too many at most
/// on each side.
fn inside(u0: f32, du: f32, v0: f32, dv: f32, most: f32, width: usize) -> (usize, usize) {
    let (mut low, mut high) = (0.0f32, width as f32);
    for (start, step) in [(u0, du), (v0, dv)] {
        if step.abs() < 1e-9 {
            if !(0.0..most).contains(&start) {
                return (0, 0);
            }
            continue;
        }
        let (a, b) = (-start / step, (most - start) / step);
        low = low.max(a.min(b).floor());
        high = high.min(a.max(b).ceil() + 1.0);
    }
    if low < high { (low as usize, (high as usize).min(width)) } else { (0, 0) }
}
