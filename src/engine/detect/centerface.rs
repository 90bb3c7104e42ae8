//! CenterFace: one map at stride 4. Outputs heat map, scale (h, w), offset (y, x), landmarks (five
//! pairs y, x). Xu et al., “CenterFace: Joint Face Detection and Alignment Using Face as Point”.

use super::{Candidates, Grid, WrongSize, values};
use crate::engine::geometry::{Point, Rect};

pub(super) fn decode(
    maps: &[&[f32]],
    grids: &[Grid],
    size: (usize, usize),
    candidates: &mut Candidates,
) -> Result<(), WrongSize> {
    let Some(grid) = grids.first() else { return Ok(()) };
    let (rows, columns) = grid.cells(size);
    let (area, stride) = (rows * columns, grid.stride as f32);
    let heat = values(maps, 0, area)?;
    let scale = values(maps, 1, 2 * area)?;
    let offset = values(maps, 2, 2 * area)?;
    let landmarks = values(maps, 3, 10 * area)?;
    for (cell, &score) in heat.iter().enumerate() {
        if !candidates.wants(score) {
            continue;
        }
        let (row, column) = ((cell / columns) as f32, (cell % columns) as f32);
        let (h, w) = (scale[cell].exp() * stride, scale[area + cell].exp() * stride);
        let x = (column + offset[area + cell] + 0.5) * stride - 0.5 * w;
        let y = (row + offset[cell] + 0.5) * stride - 0.5 * h;
        let point = |i: usize| {
            let (py, px) = (landmarks[2 * i * area + cell], landmarks[(2 * i + 1) * area + cell]);
            Point::new(px * w + x, py * h + y)
        };
        candidates.offer(score, Rect::new(x, y, w, h), std::array::from_fn(point));
    }
    Ok(())
}
