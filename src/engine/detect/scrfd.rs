//! SCRFD and the RetinaFace of the same makers: scores, distances to the box's sides and five points
//! around anchors at (column, row) · stride, in strides. Guo et al., “Sample and Computation
//! Redistribution for Efficient Face Detection”.

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
        let (anchors, stride) = (rows * columns * grid.anchors, grid.stride as f32);
        let scores = values(maps, level, anchors)?;
        let boxes = values(maps, levels + level, 4 * anchors)?;
        let points = values(maps, 2 * levels + level, 10 * anchors)?;
        for (anchor, &score) in scores.iter().enumerate() {
            if !candidates.wants(score) {
                continue;
            }
            let cell = anchor / grid.anchors;
            let (x, y) = ((cell % columns) as f32, (cell / columns) as f32);
            let [left, top, right, bottom] = std::array::from_fn(|i| boxes[4 * anchor + i]);
            let rect = Rect::new(
                (x - left) * stride,
                (y - top) * stride,
                (left + right) * stride,
                (top + bottom) * stride,
            );
            let point = |i: usize| {
                let at = 10 * anchor + 2 * i;
                Point::new((x + points[at]) * stride, (y + points[at + 1]) * stride)
            };
            candidates.offer(score, rect, std::array::from_fn(point));
        }
    }
    Ok(())
}
