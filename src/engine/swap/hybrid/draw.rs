//! Draws the key frames that were laid onto a face.

use wide::f32x4;

use super::{
    bank::{Bank, SLOTS},
    small::GRID,
};
use crate::engine::{
    frame::{Frame, Layer, Region},
    geometry::Point,
    pool::Pool,
    swap::{
        mesh::raster::Band,
        neural::{Inverse, Patch, to_bytes},
        paint::paint,
    },
};

/// A key frame to draw: its picture, where it goes, its share.
#[derive(Clone, Copy)]
struct Drawn<'a> {
    patch: &'a Patch,
    field: &'a [[f32x4; 2]],
    mask: &'a [f32],
    share: f32,
}

/// Mixes a bank's key frames into the frame. Returns what was written, `None` when it lies outside
/// the frame, or nothing shows.
///
/// # Errors
/// The message of a panic in a worker.
pub(super) fn draw(
    bank: &Bank,
    frame: &mut Frame<'_>,
    opacity: f32,
    layer: &mut Layer,
    pool: &mut Pool,
) -> Result<Option<Region>, String> {
    let mut drawn = [const { None }; SLOTS];
    let mut total = 0.0;
    for (drawn, slot) in drawn.iter_mut().zip(&bank.slots).filter(|(_, slot)| slot.share > 0.0) {
        let key = bank.keys.iter().find(|key| key.number == slot.key);
        *drawn = key.map(|key| {
            total += slot.share;
            Drawn { patch: &key.patch, field: &slot.field, mask: &slot.mask, share: slot.share }
        });
    }
    // A key frame may have made room for another since it was laid.
    drawn.iter_mut().flatten().for_each(|drawn| drawn.share /= total);
    let Some(region) = region(bank, &drawn, frame) else { return Ok(None) };
    let back = Inverse::of(bank.map);
    let alpha = 255.0 * opacity * bank.shown;
    paint(frame, region, layer, pool, &|band| {
        for y in 0..band.rows {
            row(band, y, region, back, &drawn, alpha);
        }
    })?;
    Ok(Some(region))
}

/// The block of the frame in which any of the masks shows.
fn region(bank: &Bank, drawn: &[Option<Drawn<'_>>; SLOTS], frame: &Frame<'_>) -> Option<Region> {
    let (mut low, mut high) = ([GRID; 2], [0; 2]);
    for drawn in drawn.iter().flatten() {
        for (y, row) in drawn.mask.chunks_exact(GRID).enumerate() {
            let Some(first) = row.iter().position(|m| *m > 0.0) else { continue };
            let last = row.iter().rposition(|m| *m > 0.0).unwrap_or(first);
            low = [low[0].min(first), low[1].min(y)];
            high = [high[0].max(last + 1), high[1].max(y + 1)];
        }
    }
    if low[0] >= high[0] || low[1] >= high[1] {
        return None;
    }
    // Between grid pixels the mask fades out.
    let low = low.map(|v| (v as f32 - 0.5).max(0.0));
    let high = high.map(|v| (v as f32 + 0.5).min(GRID as f32));
    let corners = [(low[0], low[1]), (high[0], low[1]), (low[0], high[1]), (high[0], high[1])];
    let corners = corners.map(|(x, y)| bank.place(x, y));
    let least = |of: fn(&Point) -> f32| corners.iter().map(of).fold(f32::INFINITY, f32::min);
    let most = |of: fn(&Point) -> f32| corners.iter().map(of).fold(f32::NEG_INFINITY, f32::max);
    let (width, height) = (frame.width(), frame.height());
    Region::covering(least(|p| p.x), least(|p| p.y), most(|p| p.x), most(|p| p.y), width, height)
}

fn row(
    band: &mut Band<'_>,
    y: usize,
    region: Region,
    back: Inverse,
    drawn: &[Option<Drawn<'_>>; SLOTS],
    alpha: f32,
) {
    let start = back.apply(region.x as f32 + 0.5, (region.y + band.top + y) as f32 + 0.5);
    let (du, dv) = back.step();
    let at = y * band.stride;
    let side = GRID as f32;
    for x in 0..region.width {
        let (u, v) = (start.x + x as f32 * du, start.y + x as f32 * dv);
        if !(u >= 0.0 && v >= 0.0 && u < side && v < side) {
            continue;
        }
        let (i, j) =
            (((u - 0.5).max(0.0) as usize).min(GRID - 2), ((v - 0.5).max(0.0) as usize).min(GRID - 2));
        // Beyond the last centres the field goes on as it was.
        let (fu, fv) = (f32x4::splat(u - 0.5 - i as f32), f32x4::splat(v - 0.5 - j as f32));
        let cell = j * GRID + i;
        let (mut colour, mut weight) = (f32x4::ZERO, 0.0);
        for drawn in drawn.iter().flatten() {
            let mask = &drawn.mask;
            if mask[cell] + mask[cell + 1] + mask[cell + GRID] + mask[cell + GRID + 1] <= 0.0 {
                continue;
            }
            let [a, b] = [drawn.field[cell], drawn.field[cell + 1]];
            let [c, d] = [drawn.field[cell + GRID], drawn.field[cell + GRID + 1]];
            let mixed = |k: usize| {
                let (top, low) = (a[k] + fu * (b[k] - a[k]), c[k] + fu * (d[k] - c[k]));
                top + fv * (low - top)
            };
            let [s, t, ..] = mixed(0).to_array();
            let texel = drawn.patch.sample(s, t);
            let share = drawn.share * texel.to_array()[3];
            colour += (texel + mixed(1)) * share;
            weight += share;
        }
        if weight <= 0.0 {
            continue;
        }
        let [red, green, blue, _] = to_bytes(colour * (1.0 / weight));
        band.a[at + x] = (weight * alpha + 0.5) as u8;
        (band.r[at + x], band.g[at + x], band.b[at + x]) = (red, green, blue);
    }
}
