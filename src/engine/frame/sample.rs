//! Resampling of regions for the networks: only what they look at is read.

use super::{Frame, Reader, with_reader};
use crate::engine::{
    detect::Canvas,
    geometry::{Point, Similarity},
};

/// Taps a side that box-filter a downscale by `scale` (frame pixels a sample).
fn taps(scale: f32) -> usize {
    (scale.round() as usize).clamp(1, 4)
}

/// Mean components of `taps`² samples spread over the parallelogram of one output pixel.
#[inline(always)]
fn boxed<R: Reader>(
    r: &R,
    at: Point,
    (ax, ay): (f32, f32),
    (bx, by): (f32, f32),
    taps: usize,
    (max_x, max_y): (f32, f32),
) -> [f32; 3] {
    let mut sum = [0u32; 3];
    let inv = 1.0 / taps as f32;
    for j in 0..taps {
        let v = (j as f32 + 0.5) * inv - 0.5;
        for i in 0..taps {
            let u = (i as f32 + 0.5) * inv - 0.5;
            let x = (at.x + u * ax + v * bx).clamp(0.0, max_x) as usize;
            let y = (at.y + u * ay + v * by).clamp(0.0, max_y) as usize;
            let c = r.components(x, y);
            for k in 0..3 {
                sum[k] += u32::from(c[k]);
            }
        }
    }
    let inv = inv * inv;
    [sum[0] as f32 * inv, sum[1] as f32 * inv, sum[2] as f32 * inv]
}

/// Components at `at`, bilinear in all three planes, edge-replicating.
#[inline(always)]
fn bilinear<R: Reader>(r: &R, at: Point, width: usize, height: usize) -> [f32; 3] {
    let x = (at.x - 0.5).clamp(0.0, width as f32 - 1.0);
    let y = (at.y - 0.5).clamp(0.0, height as f32 - 1.0);
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let (a, b) = (r.components(x0, y0), r.components(x1, y0));
    let (c, d) = (r.components(x0, y1), r.components(x1, y1));
    let mut out = [0.0; 3];
    for k in 0..3 {
        let top = f32::from(a[k]) + fx * (f32::from(b[k]) - f32::from(a[k]));
        let low = f32::from(c[k]) + fx * (f32::from(d[k]) - f32::from(c[k]));
        out[k] = top + fy * (low - top);
    }
    out
}

/// Samples `size`² RGB pixels, interleaved (NHWC), multiplied by `gain`: the crop's pixel `(i, j)`
/// shows the frame at `map.apply((i + .5, j + .5))`. Outside the frame its edge is repeated.
pub(crate) fn crop(frame: &Frame<'_>, map: Similarity, size: usize, gain: f32, out: &mut [f32]) {
    with_reader!(frame, r => crop_with(&r, frame.width, frame.height, map, size, gain, out));
}

fn crop_with<R: Reader>(
    r: &R,
    width: usize,
    height: usize,
    map: Similarity,
    size: usize,
    gain: f32,
    out: &mut [f32],
) {
    let taps = taps(map.scale());
    let max = (width as f32 - 1.0, height as f32 - 1.0);
    for (j, row) in out.chunks_exact_mut(size * 3).take(size).enumerate() {
        for (i, px) in row.chunks_exact_mut(3).enumerate() {
            let at = map.apply(Point::new(i as f32 + 0.5, j as f32 + 0.5));
            let c = if taps == 1 {
                bilinear(r, at, width, height)
            } else {
                boxed(r, at, (map.a, map.b), (-map.b, map.a), taps, max)
            };
            let rgb = r.rgb(c);
            for k in 0..3 {
                px[k] = rgb[k].clamp(0.0, 255.0) * gain;
            }
        }
    }
}

/// Fills the detector's canvas with the frame, box-filtered.
pub(crate) fn to_canvas(frame: &Frame<'_>, canvas: &mut Canvas) {
    with_reader!(frame, r => to_canvas_with(&r, frame.width, frame.height, canvas));
}

fn to_canvas_with<R: Reader>(r: &R, width: usize, height: usize, canvas: &mut Canvas) {
    let plane = canvas.width * canvas.height;
    let scale = canvas.scale;
    let taps = taps(scale);
    let max = (width as f32 - 1.0, height as f32 - 1.0);
    canvas.rgb.fill(0.0);
    for j in 0..canvas.content_height {
        for i in 0..canvas.content_width {
            let at = Point::new((i as f32 + 0.5) * scale, (j as f32 + 0.5) * scale);
            let c = if taps == 1 {
                bilinear(r, at, width, height)
            } else {
                boxed(r, at, (scale, 0.0), (0.0, scale), taps, max)
            };
            let to = j * canvas.width + i;
            for (k, value) in r.rgb(c).into_iter().enumerate() {
                canvas.rgb[k * plane + to] = value.clamp(0.0, 255.0);
            }
        }
    }
}

/// First component (luma or red/blue) of a coarse grid over the frame: the eye of the scene-cut
/// test.
pub(crate) fn thumbnail<const W: usize, const H: usize>(frame: &Frame<'_>, out: &mut [[u8; W]; H]) {
    let (width, height) = (frame.width, frame.height);
    with_reader!(frame, r => {
        for (j, row) in out.iter_mut().enumerate() {
            for (i, v) in row.iter_mut().enumerate() {
                let at = Point::new(
                    (i as f32 + 0.5) * width as f32 / W as f32,
                    (j as f32 + 0.5) * height as f32 / H as f32,
                );
                let cell = (width as f32 / W as f32, height as f32 / H as f32);
                let c = boxed(&r, at, (cell.0, 0.0), (0.0, cell.1), 3, (width as f32 - 1.0, height as f32 - 1.0));
                *v = c[0] as u8;
            }
        }
    });
}
