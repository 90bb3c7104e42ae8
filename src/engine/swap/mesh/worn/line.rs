//! Lines that run on from column to column, as rims and bridges do and wrinkles do not.

use std::ops::Range;

use super::{alike, ridge};

/// Levels of a line beyond which it counts no more.
const MOST: f32 = 25.0;
/// Share of a line's columns that may be fainter than what it is taken for.
const FAINT: f32 = 0.3;

/// A part of a plane, in pixels.
pub(super) struct Window {
    pub columns: Range<usize>,
    pub rows: Range<usize>,
    pub stride: usize,
}

/// How far the line that stands out most from what is above and below it does so, in levels, of those that run
/// through the whole window and rise or fall by at most one row a column. Found column by column (Viterbi 1967).
pub(super) fn running(luma: &[f32], window: &Window) -> f32 {
    let rows = window.rows.len();
    let level = |x: usize, row: usize| {
        let at = (window.rows.start + row) * window.stride + x;
        ridge(luma, at, window.stride, 1, alike).min(MOST)
    };
    let mut best = vec![0.0f32; rows];
    let mut came_from: Vec<Vec<usize>> = Vec::new();
    for x in window.columns.clone() {
        let from: Vec<usize> = (0..rows)
            .map(|row| {
                let near = row.saturating_sub(1)..(row + 2).min(rows);
                near.max_by(|&a, &b| best[a].total_cmp(&best[b])).unwrap_or(row)
            })
            .collect();
        best = from.iter().enumerate().map(|(row, &from)| best[from] + level(x, row)).collect();
        came_from.push(from);
    }
    let Some(mut row) = (0..rows).max_by(|&a, &b| best[a].total_cmp(&best[b])) else { return 0.0 };
    let mut levels: Vec<f32> = window
        .columns
        .clone()
        .rev()
        .zip(came_from.iter().rev())
        .map(|(x, from)| {
            let here = level(x, row);
            row = from[row];
            here
        })
        .collect();
    let place = (FAINT * levels.len() as f32) as usize;
    if levels.is_empty() { 0.0 } else { *levels.select_nth_unstable_by(place, f32::total_cmp).1 }
}
