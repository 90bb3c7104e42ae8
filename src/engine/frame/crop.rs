//! The square crops that the face networks look at.
//!
//! Networks move their landmarks with every rounding of a sample, so a crop is made of what all
//! pixel formats share: 8-bit luma of limited range, box-filtered, and chroma low-passed far below
//! its stored resolution. The same picture in two formats then gives the same landmarks to about
//! a tenth of a pixel.

use super::{Frame, Reader, Transform, with_reader};
use crate::engine::geometry::{Point, Rect, Similarity};

/// Side, in crop pixels, of the squares whose mean colour differences are kept.
const CELL: usize = 4;
/// Taps a side for the chroma of a square.
const CHROMA_TAPS: usize = 4;

/// Working memory of [`crop`], kept from call to call.
#[derive(Debug, Default)]
pub(crate) struct CropScratch {
    luma: Vec<u8>,
    row: Vec<u8>,
    sums: Vec<u16>,
    chroma: Vec<[f32; 2]>,
}

/// Samples `size`² RGB pixels, interleaved (NHWC), multiplied by `gain`: the crop's pixel `(i, j)`
/// shows the frame at `map.apply((i + .5, j + .5))`. Outside the frame its edge is repeated.
/// `size` is a multiple of 4, at least 8.
pub(crate) fn crop(
    frame: &Frame<'_>,
    map: Similarity,
    size: usize,
    gain: f32,
    scratch: &mut CropScratch,
    out: &mut [f32],
) {
    with_reader!(frame, r => crop_with(&r, (frame.width, frame.height), map, size, gain, scratch, out));
}

fn crop_with<R: Reader>(
    r: &R,
    frame: (usize, usize),
    map: Similarity,
    size: usize,
    gain: f32,
    scratch: &mut CropScratch,
    out: &mut [f32],
) {
    let encoding = r.encoding(frame.1);
    let CropScratch { luma, row, sums, chroma } = scratch;
    let plane = Plane::new(r, &encoding, frame, covered(map, size), shrink(map.scale()), luma, row, sums);
    colour_differences(r, &encoding, frame, map, size, chroma);
    let taps = Taps::new(plane.map(map));
    let cells = size / CELL;
    let place = |at: usize| {
        let v = ((at as f32 + 0.5) / CELL as f32 - 0.5).clamp(0.0, cells as f32 - 1.001);
        (v as usize, v.fract())
    };
    for (j, px) in out.chunks_exact_mut(size * 3).take(size).enumerate() {
        let (low, t) = place(j);
        let (upper, lower) = (&chroma[low * cells..][..cells], &chroma[(low + 1) * cells..][..cells]);
        for (i, px) in px.chunks_exact_mut(3).enumerate() {
            let (left, s) = place(i);
            let [cb, cr] = [0, 1].map(|k| {
                let a = upper[left][k] + s * (upper[left + 1][k] - upper[left][k]);
                let b = lower[left][k] + s * (lower[left + 1][k] - lower[left][k]);
                a + t * (b - a)
            });
            let rgb = encoding.rgb(taps.luma(&plane, i, j), cb, cr);
            for k in 0..3 {
                px[k] = rgb[k].clamp(0.0, 255.0) * gain;
            }
        }
    }
}

/// The box-filter's side in frame pixels, so that what remains to be shrunk is below 2.
fn shrink(scale: f32) -> usize {
    (scale as usize).clamp(1, 64)
}

/// The box around a crop in frame pixels, with a pixel of margin.
fn covered(map: Similarity, size: usize) -> Rect {
    let far = size as f32;
    let corners = [(0.0, 0.0), (far, 0.0), (0.0, far), (far, far)];
    let around = Rect::around(corners.map(|(x, y)| map.apply(Point::new(x, y))));
    let margin = 1.0 + map.scale();
    Rect::new(around.x - margin, around.y - margin, around.width + 2.0 * margin, around.height + 2.0 * margin)
}

/// Makes room, and more than is asked for: a face may come nearer, and memory shall settle.
pub(crate) fn settle<T>(memory: &mut Vec<T>, needed: usize) {
    if memory.capacity() < needed {
        memory.reserve(4 * needed);
    }
}

/// Luma of a part of the frame, box-filtered by `shrink`.
struct Plane<'a> {
    data: &'a [u8],
    width: usize,
    height: usize,
    left: usize,
    top: usize,
    shrink: usize,
}

impl<'a> Plane<'a> {
    #[allow(clippy::too_many_arguments)]
    fn new<R: Reader>(
        r: &R,
        encoding: &Transform,
        (width, height): (usize, usize),
        wanted: Rect,
        shrink: usize,
        data: &'a mut Vec<u8>,
        row: &mut Vec<u8>,
        sums: &mut Vec<u16>,
    ) -> Self {
        let span = |start: f32, length: f32, size: usize| {
            let low = (start.max(0.0) as usize).min(size - 1);
            let high = ((start + length).clamp(0.0, size as f32) as usize + 1).clamp(low + 1, size);
            (low, (high - low).div_ceil(shrink))
        };
        let (left, columns) = span(wanted.x, wanted.width, width);
        let (top, rows) = span(wanted.y, wanted.height, height);
        let read = (columns * shrink).min(width - left);
        settle(data, columns * rows);
        settle(row, read);
        settle(sums, read);
        data.clear();
        data.resize(columns * rows, 0);
        row.resize(read, 0);
        for (j, to) in data.chunks_exact_mut(columns).enumerate() {
            if shrink == 1 {
                r.luma_row(encoding, left, top + j, to);
                continue;
            }
            sums.clear();
            sums.resize(read, 0);
            let first = top + j * shrink;
            let last = (first + shrink).min(height);
            for y in first..last {
                r.luma_row(encoding, left, y, row);
                for (sum, v) in sums.iter_mut().zip(&*row) {
                    *sum += u16::from(*v);
                }
            }
            for (to, sums) in to.iter_mut().zip(sums.chunks(shrink)) {
                let count = (sums.len() * (last - first)) as u32;
                let sum: u32 = sums.iter().map(|&s| u32::from(s)).sum();
                *to = ((sum + count / 2) / count) as u8;
            }
        }
        Plane { data, width: columns, height: rows, left, top, shrink }
    }

    /// From crop pixels to the plane's.
    fn map(&self, map: Similarity) -> Similarity {
        let inv = 1.0 / self.shrink as f32;
        Similarity {
            a: map.a * inv,
            b: map.b * inv,
            tx: (map.tx - self.left as f32) * inv,
            ty: (map.ty - self.top as f32) * inv,
        }
    }

    /// Bilinear luma times 65536 at 16.16 coordinates of pixel centres; the edge is repeated.
    #[inline(always)]
    fn at(&self, x: i32, y: i32) -> u32 {
        let x = x.clamp(0, (self.width as i32 - 1) << 16) as u32;
        let y = y.clamp(0, (self.height as i32 - 1) << 16) as u32;
        let (fx, fy) = ((x >> 8) & 255, (y >> 8) & 255);
        let (x0, y0) = ((x >> 16) as usize, (y >> 16) as usize);
        let right = usize::from(x0 + 1 < self.width);
        let below = if y0 + 1 < self.height { self.width } else { 0 };
        let at = y0 * self.width + x0;
        let [a, b, c, d] = [at, at + right, at + below, at + below + right].map(|i| u32::from(self.data[i]));
        let top = a * (256 - fx) + b * fx;
        let low = c * (256 - fx) + d * fx;
        top * (256 - fy) + low * fy
    }
}

/// Four taps a crop pixel where it is shrunk, one where it is enlarged.
struct Taps {
    origin: (i32, i32),
    column: (i32, i32),
    row: (i32, i32),
    offsets: [(i32, i32); 4],
    count: usize,
}

impl Taps {
    fn new(map: Similarity) -> Self {
        let fixed = |v: f32| (v * 65536.0) as i32;
        let centre = map.apply(Point::new(0.5, 0.5));
        let offset = |u: f32, v: f32| (fixed(u * map.a - v * map.b), fixed(u * map.b + v * map.a));
        let (offsets, count) = if map.scale() > 1.0 {
            let q = 0.25;
            ([offset(-q, -q), offset(q, -q), offset(-q, q), offset(q, q)], 4)
        } else {
            ([(0, 0); 4], 1)
        };
        Taps {
            origin: (fixed(centre.x - 0.5), fixed(centre.y - 0.5)),
            column: (fixed(map.a), fixed(map.b)),
            row: (fixed(-map.b), fixed(map.a)),
            offsets,
            count,
        }
    }

    #[inline(always)]
    fn luma(&self, plane: &Plane<'_>, i: usize, j: usize) -> f32 {
        let (i, j) = (i as i32, j as i32);
        let step = |origin: i32, column: i32, row: i32| {
            origin.wrapping_add(i.wrapping_mul(column)).wrapping_add(j.wrapping_mul(row))
        };
        let x = step(self.origin.0, self.column.0, self.row.0);
        let y = step(self.origin.1, self.column.1, self.row.1);
        let taps = &self.offsets[..self.count];
        let sum: f32 = taps.iter().map(|t| plane.at(x.wrapping_add(t.0), y.wrapping_add(t.1)) as f32).sum();
        sum / (65536.0 * self.count as f32)
    }
}

/// Mean Cb and Cr of every `CELL`² square of the crop, row by row.
fn colour_differences<R: Reader>(
    r: &R,
    encoding: &Transform,
    (width, height): (usize, usize),
    map: Similarity,
    size: usize,
    out: &mut Vec<[f32; 2]>,
) {
    let cells = size / CELL;
    out.clear();
    let step = CELL as f32 / CHROMA_TAPS as f32;
    for j in 0..cells {
        for i in 0..cells {
            let mut sum = [0.0; 2];
            for tap in 0..CHROMA_TAPS * CHROMA_TAPS {
                let (u, v) = ((tap % CHROMA_TAPS) as f32 + 0.5, (tap / CHROMA_TAPS) as f32 + 0.5);
                let at = map.apply(Point::new((i * CELL) as f32 + u * step, (j * CELL) as f32 + v * step));
                let x = (at.x.max(0.0) as usize).min(width - 1);
                let y = (at.y.max(0.0) as usize).min(height - 1);
                let c = r.chroma(encoding, x, y);
                sum[0] += c[0];
                sum[1] += c[1];
            }
            let share = 1.0 / (CHROMA_TAPS * CHROMA_TAPS) as f32;
            out.push(sum.map(|s| s * share));
        }
    }
}
