//! See [`crate::fuzzing`].

use super::{
    Candidates, Canvas, Detection, Grid, WrongSize, centerface, grids,
    place::{Placer, ToFrame},
    scrfd, yunet,
};
use crate::models::Card;

type Decode = fn(&[&[f32]], &[Grid], (usize, usize), &mut Candidates) -> Result<(), WrongSize>;

/// Pixels of the made-up input.
const SIZE: (usize, usize) = (64, 32);

/// The faces of outputs that `value` gives, map by map, of one of the families; sane ones only.
pub fn decode(
    family: u8,
    threshold: f32,
    scale: f32,
    mut value: impl FnMut(usize) -> f32,
    out: &mut Vec<Detection>,
) {
    let levels = |anchors| [8, 16, 32].map(|stride| Grid { stride, anchors }).to_vec();
    let (decode, grids, per_cell): (Decode, Vec<Grid>, &[usize]) = match family % 3 {
        0 => (centerface::decode, vec![Grid { stride: 4, anchors: 1 }], &[1, 2, 2, 10]),
        1 => (yunet::decode, levels(1), &[1, 1, 4, 10]),
        _ => (scrfd::decode, levels(2), &[1, 4, 10]),
    };
    let mut maps: Vec<Vec<f32>> = Vec::new();
    for values in per_cell {
        for grid in &grids {
            let (rows, columns) = grid.cells(SIZE);
            let map = maps.len();
            maps.push((0..rows * columns * grid.anchors * values).map(|_| value(map)).collect());
        }
    }
    let views: Vec<&[f32]> = maps.iter().map(Vec::as_slice).collect();
    let mut candidates = Candidates::new();
    candidates.start(threshold, ToFrame { scale, offset: (3.0, 5.0) }, SIZE);
    let _ = decode(&views, &grids, SIZE, &mut candidates);
    candidates.finish(0.4, out);
    sane(out);
}

/// As many candidates as `offers` gives, and what survives of them.
pub fn offer(offers: impl Iterator<Item = Detection>, out: &mut Vec<Detection>) {
    let mut candidates = Candidates::new();
    candidates.start(0.0, ToFrame { scale: 1.5, offset: (0.0, 0.0) }, (1920, 1080));
    offers.for_each(|d| candidates.offer(d.score, d.rect, d.points));
    candidates.finish(0.4, out);
    sane(out);
}

fn sane(found: &[Detection]) {
    for face in found {
        assert!(face.rect.is_finite() && face.rect.width > 0.0 && face.rect.height > 0.0, "{face:?}");
        assert!((0.0..=1.0).contains(&face.score), "{face:?}");
        assert!(face.points.iter().all(|p| p.x.is_finite() && p.y.is_finite()), "{face:?}");
    }
    assert!(found.len() <= 512);
}

/// What a detector's card makes of a picture.
pub fn placed(card: &Card) {
    let _ = grids(card);
    let canvas = Canvas::layout(96, 64, 96);
    for shape in [vec![-1, 3, -1, -1], vec![1, 3, 64, 80], vec![1, 3, -1, 64]] {
        let mut placer = Placer::new(&card.preprocess, &shape);
        let whole = placer.whole(&canvas);
        let padding = card.decode.padding.filter(|p| (1.0..=8.0).contains(p)).unwrap_or(1.0);
        for placement in [whole, whole.shrunk(padding, &canvas)] {
            let area = placement.size.0 * placement.size.1;
            if area <= 1 << 20 {
                placer.fill(&canvas, &placement, &mut vec![0.0; 3 * area]);
            }
        }
    }
}
