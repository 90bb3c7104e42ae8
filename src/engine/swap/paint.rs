//! Renders a layer band by band on all threads and mixes each band into the frame at once, while
//! it is still in the cache.

use std::sync::Mutex;

use super::mesh::raster::Band;
use crate::engine::{
    frame::{Frame, Layer, Region, Rows, Target, blend_rows},
    pool::Pool,
};

const MAX_BANDS: usize = 16;

/// Calls `draw` for every band of `region`, with alpha cleared, and blends what it drew.
///
/// # Errors
/// The message of a panic in `draw`.
pub(crate) fn paint(
    frame: &mut Frame<'_>,
    region: Region,
    layer: &mut Layer,
    pool: &mut Pool,
    draw: &(dyn Fn(&mut Band<'_>) + Sync),
) -> Result<(), String> {
    layer.fit(region);
    let width = region.width;
    let wanted = (2 * pool.width()).min(MAX_BANDS);
    let rows = (region.height.div_ceil(wanted).next_multiple_of(2)).max(16);
    let len = width * region.height;
    let mut planes = [&mut layer.r[..len], &mut layer.g[..len], &mut layer.b[..len], &mut layer.a[..len]];
    let slots: [Mutex<Option<(Target<'_>, Band<'_>)>>; MAX_BANDS] = Default::default();
    let mut count = 0;
    frame.split(region, rows, |target, top, rows| {
        let [r, g, b, a] = planes.each_mut().map(|plane| {
            let (band, rest) = std::mem::take(plane).split_at_mut(rows * width);
            *plane = rest;
            band
        });
        if let Ok(mut slot) = slots[count].lock() {
            *slot = Some((target, Band { top, rows, stride: width, r, g, b, a }));
        }
        count += 1;
    });
    pool.run(count, &|index| {
        let taken = slots[index].lock().ok().and_then(|mut slot| slot.take());
        let Some((mut target, mut band)) = taken else {
            return;
        };
        band.a.fill(0);
        draw(&mut band);
        let rows = Rows { stride: width, r: band.r, g: band.g, b: band.b, a: band.a };
        blend_rows(&mut target, rows, region.x, width, band.rows);
    })
}
