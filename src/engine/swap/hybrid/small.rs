//! Small pictures of a face's crop, on which key frames and the current frame are compared.

use crate::engine::{
    frame::Frame,
    geometry::Similarity,
    pool::Pool,
    swap::neural::{Grid, Pixels, fill},
};

/// Pixels a side of the grid that is laid over a crop.
pub(super) const GRID: usize = 96;
pub(super) const CELLS: usize = GRID * GRID;

/// A crop on the grid: R, G, B planes, 0–255, and their luma.
#[derive(Debug, Default, Clone)]
pub(super) struct Small {
    pub rgb: Vec<f32>,
    pub luma: Vec<f32>,
}

impl Small {
    /// Samples the square that `map` (grid pixels to frame) covers.
    ///
    /// # Errors
    /// The message of a panic in a worker.
    pub fn sample(&mut self, frame: &Frame<'_>, map: Similarity, pool: &mut Pool) -> Result<(), String> {
        self.rgb.resize(3 * CELLS, 0.0);
        let grid = Grid { map, boost: 1, phase: (0, 0) };
        fill(frame, grid, &Pixels::levels(GRID), &mut self.rgb, pool)?;
        self.finish();
        Ok(())
    }

    /// Makes the luma of the planes.
    pub fn finish(&mut self) {
        let (red, rest) = self.rgb.split_at(CELLS);
        let (green, blue) = rest.split_at(CELLS);
        self.luma.clear();
        self.luma.extend((0..CELLS).map(|i| 0.299 * red[i] + 0.587 * green[i] + 0.114 * blue[i]));
    }

    pub fn plane(&self, k: usize) -> &[f32] {
        &self.rgb[k * CELLS..(k + 1) * CELLS]
    }

    /// Mean luma of the middle of the crop.
    pub fn brightness(&self) -> f32 {
        let inner = GRID / 4..GRID - GRID / 4;
        let rows = self.luma.chunks_exact(GRID).skip(inner.start).take(inner.len());
        let sum: f32 = rows.map(|row| row[inner.clone()].iter().sum::<f32>()).sum();
        sum / (inner.len() * inner.len()) as f32
    }
}

/// Bilinear value of a grid plane at (`x`, `y`) in grid pixels; the edge is repeated.
#[inline(always)]
pub(super) fn at(plane: &[f32], x: f32, y: f32) -> f32 {
    let last = GRID as f32 - 1.0;
    let (x, y) = ((x - 0.5).clamp(0.0, last), (y - 0.5).clamp(0.0, last));
    let (i, j) = ((x as usize).min(GRID - 2), (y as usize).min(GRID - 2));
    let (u, v) = (x - i as f32, y - j as f32);
    let cell = j * GRID + i;
    let top = plane[cell] + u * (plane[cell + 1] - plane[cell]);
    let low = plane[cell + GRID] + u * (plane[cell + GRID + 1] - plane[cell + GRID]);
    top + v * (low - top)
}

/// From crop pixels of a crop of `side` to grid pixels.
pub(super) fn to_grid(map: Similarity, side: usize) -> Similarity {
    let step = side as f32 / GRID as f32;
    Similarity { a: map.a * step, b: map.b * step, ..map }
}

/// The other way.
pub(super) fn from_grid(map: Similarity, side: usize) -> Similarity {
    let step = GRID as f32 / side as f32;
    Similarity { a: map.a * step, b: map.b * step, ..map }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_between_pixels_are_interpolated_and_edges_repeat() {
        let plane: Vec<f32> = (0..CELLS).map(|i| (i % GRID) as f32 + 10.0 * (i / GRID) as f32).collect();
        assert_eq!(at(&plane, 0.5, 0.5), 0.0);
        assert!((at(&plane, 7.0, 3.5) - (6.5 + 30.0)).abs() < 1e-4);
        assert_eq!(at(&plane, -9.0, 0.0), 0.0);
        assert!((at(&plane, 1e6, 0.5) - 95.0).abs() < 1e-4);
    }
}
