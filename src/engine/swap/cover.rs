//! Covers a region so that whoever is in it cannot be recognised.

use super::{mesh::raster::Band, paint::paint};
use crate::engine::{
    frame::{Frame, Layer, Reader, Region, with_reader},
    geometry::Rect,
    pool::Pool,
};

/// Cells a side that remain of what was there.
const CELLS: usize = 6;

/// Mean colours of a `CELLS`² grid over a region.
type Grid = [[[f32; 3]; CELLS]; CELLS];

/// How a region is covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cover {
    Blur,
    Black,
}

/// Covers `rect` (clipped to the frame); returns what was written.
///
/// # Errors
/// The message of a panic in a worker.
pub(crate) fn cover(
    frame: &mut Frame<'_>,
    rect: Rect,
    how: Cover,
    layer: &mut Layer,
    pool: &mut Pool,
) -> Result<Option<Region>, String> {
    let (right, bottom) = (rect.x + rect.width, rect.y + rect.height);
    let Some(region) = Region::covering(rect.x, rect.y, right, bottom, frame.width(), frame.height()) else {
        return Ok(None);
    };
    let grid = match how {
        Cover::Blur => means(frame, region),
        Cover::Black => [[[0.0; 3]; CELLS]; CELLS],
    };
    paint(frame, region, layer, pool, &|band| fill(band, region, &grid))?;
    Ok(Some(region))
}

fn means(frame: &Frame<'_>, region: Region) -> Grid {
    const TAPS: usize = 12;
    let mut grid = [[[0.0; 3]; CELLS]; CELLS];
    with_reader!(frame, r => {
        for (j, row) in grid.iter_mut().enumerate() {
            for (i, cell) in row.iter_mut().enumerate() {
                let mut sum = [0.0; 3];
                for t in 0..TAPS * TAPS {
                    let (u, v) = (t % TAPS, t / TAPS);
                    let x = region.x + region.width * (i * TAPS + u) / (CELLS * TAPS);
                    let y = region.y + region.height * (j * TAPS + v) / (CELLS * TAPS);
                    let c = r.components(x, y);
                    for k in 0..3 {
                        sum[k] += f32::from(c[k]);
                    }
                }
                *cell = r.rgb(sum.map(|s| s / (TAPS * TAPS) as f32));
            }
        }
    });
    grid
}

/// Bilinear enlargement of the grid.
fn fill(band: &mut Band<'_>, region: Region, grid: &Grid) {
    let place = |at: usize, size: usize| {
        let v = ((at as f32 + 0.5) * CELLS as f32 / size as f32 - 0.5).clamp(0.0, CELLS as f32 - 1.001);
        (v as usize, v.fract())
    };
    for y in 0..band.rows {
        let (j, v) = place(band.top + y, region.height);
        let cells: [[f32; 3]; CELLS] = std::array::from_fn(|i| {
            std::array::from_fn(|k| grid[j][i][k] + v * (grid[j + 1][i][k] - grid[j][i][k]))
        });
        for x in 0..region.width {
            let (i, u) = place(x, region.width);
            let at = y * band.stride + x;
            let value =
                |k: usize| (cells[i][k] + u * (cells[i + 1][k] - cells[i][k])).clamp(0.0, 255.0) as u8;
            (band.r[at], band.g[at], band.b[at], band.a[at]) = (value(0), value(1), value(2), 255);
        }
    }
}
