//! YuNet: anchor-free maps at strides 8, 16, 32. Wu et al., “YuNet: A Tiny Millisecond-level Face
//! Detector”.

use super::{Candidates, Grid, WrongSize, values};
use crate::engine::geometry::{Point, Rect};

pub(super) fn decode(
    maps: &[&[f32]],
    grids: &[Grid],
    size: (usize, usize),
    candidates: &mut Candidates,
) -> Result<(), WrongSize> {
    let levels = grids.len();
    for (level, grid) in grids.iter().enumerate() {
        let (rows, columns) = grid.cells(size);
        let (cells, stride) = (rows * columns, grid.stride as f32);
        let class = values(maps, level, cells)?;
        let object = values(maps, levels + level, cells)?;
        let boxes = values(maps, 2 * levels + level, 4 * cells)?;
        let points = values(maps, 3 * levels + level, 10 * cells)?;
        for cell in 0..cells {
            let score = (class[cell].clamp(0.0, 1.0) * object[cell].clamp(0.0, 1.0)).sqrt();
            if !candidates.wants(score) {
                continue;
            }
            let (x, y) = ((cell % columns) as f32, (cell / columns) as f32);
            let [bx, by, bw, bh] = std::array::from_fn(|i| boxes[4 * cell + i]);
            let (w, h) = (bw.exp() * stride, bh.exp() * stride);
            let rect = Rect::new((x + bx) * stride - 0.5 * w, (y + by) * stride - 0.5 * h, w, h);
            let point = |i: usize| {
                let at = 10 * cell + 2 * i;
                Point::new((x + points[at]) * stride, (y + points[at + 1]) * stride)
            };
            candidates.offer(score, rect, std::array::from_fn(point));
        }
    }
    Ok(())
}
