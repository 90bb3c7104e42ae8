//! The square crops that the face networks look at.
//!
//! Networks move their landmarks with every rounding of a sample, so a crop is made of what all
//! pixel formats share: 8-bit luma of limited range, box-filtered, and chroma low-passed far below
//! its stored resolution. The same picture in two formats then gives the same landmarks to about
//! a tenth of a pixel.

use multiversion::multiversion;

use super::{self as frame, Frame, Reader, Transform, with_reader};
use crate::engine::geometry::{Point, Rect, Similarity};

/// Side, in crop pixels, of the squares whose mean colour differences are kept.
const CELL: usize = 4;

/// Working memory of [`crop`], kept from call to call.
#[derive(Debug, Default)]
pub(crate) struct CropScratch {
    luma: Vec<u8>,
    row: Vec<u8>,
    sums: Vec<u16>,
    chroma: Vec<[f32; 2]>,
    line: [Vec<f32>; 2],
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

#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
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
    let CropScratch { luma, row, sums, chroma, line } = scratch;
    let plane = Plane::new(r, &encoding, frame, covered(map, size), shrink(map.scale()), luma, row, sums);
    colour_differences(r, &encoding, frame, map, size, chroma);
    fill(&plane, &Taps::new(plane.map(map)), &encoding, chroma, (size, gain), line, out);
}

/// Pixels worked on at once.
const LANES: usize = 8;

/// Of the pixels of a block, the square before them, counted from the one before the block's first, and
/// the share of the next.
const BETWEEN: [(usize, f32); LANES] =
    [(0, 0.625), (0, 0.875), (1, 0.125), (1, 0.375), (1, 0.625), (1, 0.875), (2, 0.125), (2, 0.375)];

/// Writes the crop's pixels: luma of the `plane`, colour of the squares in `chroma`, between whose centres it is
/// interpolated. `line` is working memory.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
fn fill(
    plane: &Plane<'_>,
    taps: &Taps,
    encoding: &Transform,
    chroma: &[[f32; 2]],
    (size, gain): (usize, f32),
    line: &mut [Vec<f32>; 2],
    out: &mut [f32],
) {
    let cells = size / CELL;
    for line in &mut *line {
        line.clear();
        line.resize(cells + 4, 0.0);
    }
    for (j, row) in out.chunks_exact_mut(size * 3).take(size).enumerate() {
        // A row of squares, with the first and the last one repeated.
        let v = ((j as f32 + 0.5) / CELL as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
        let low = (v as usize).min(cells - 2);
        let t = v - low as f32;
        let (upper, lower) = (&chroma[low * cells..][..cells], &chroma[(low + 1) * cells..][..cells]);
        for (k, line) in line.iter_mut().enumerate() {
            for (to, (upper, lower)) in line[1..].iter_mut().zip(upper.iter().zip(lower)) {
                *to = upper[k] + t * (lower[k] - upper[k]);
            }
            line[0] = line[1];
            let last = line[cells];
            line[cells + 1..].fill(last);
        }
        for (block, px) in row.chunks_mut(3 * LANES).enumerate() {
            let luma = taps.luma(plane, block * LANES, j);
            let at = block * LANES / CELL;
            let colour = |line: &[f32]| -> [f32; LANES] {
                let near: [f32; 4] = std::array::from_fn(|i| line[at + i]);
                BETWEEN.map(|(i, s)| near[i] + s * (near[i + 1] - near[i]))
            };
            let (cb, cr) = (colour(&line[0]), colour(&line[1]));
            let mut rgb = [[0.0; LANES]; 3];
            for i in 0..LANES {
                let c = encoding.rgb(luma[i], cb[i], cr[i]).map(|v| v.clamp(0.0, 255.0) * gain);
                (rgb[0][i], rgb[1][i], rgb[2][i]) = (c[0], c[1], c[2]);
            }
            for (i, px) in px.chunks_exact_mut(3).enumerate() {
                (px[0], px[1], px[2]) = (rgb[0][i], rgb[1][i], rgb[2][i]);
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

/// Divides sums of bytes by how many there are, at most 64².
#[derive(Clone, Copy)]
struct Mean {
    half: u32,
    /// 2³² / count, rounded up.
    inverse: u64,
}

impl Mean {
    fn of(count: u32) -> Mean {
        Mean { half: count / 2, inverse: (1u64 << 32).div_ceil(u64::from(count.max(1))) }
    }

    /// `sum` / count to the nearest: as an exact division gives, since sums are below 2²¹.
    fn round(self, sum: u32) -> u8 {
        ((u64::from(sum + self.half) * self.inverse) >> 32) as u8
    }
}

/// Luma of a part of the frame, box-filtered by `shrink`.
struct Plane<'a> {
    /// With three rows and four pixels more than `width` × `height`, of any value.
    data: &'a [u8],
    width: usize,
    height: usize,
    left: usize,
    top: usize,
    shrink: usize,
}

impl<'a> Plane<'a> {
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
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
        let needed = columns * (rows + 3) + 4;
        settle(data, needed);
        settle(row, read);
        settle(sums, read);
        data.clear();
        data.resize(needed, 0);
        row.resize(read, 0);
        for (j, to) in data.chunks_exact_mut(columns).take(rows).enumerate() {
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
            let rows = (last - first) as u32;
            let whole = Mean::of(shrink as u32 * rows);
            let (boxes, rest) = sums.split_at(read - read % shrink);
            for (to, sums) in to.iter_mut().zip(boxes.chunks_exact(shrink)) {
                *to = whole.round(sums.iter().map(|&s| u32::from(s)).sum());
            }
            if let (Some(to), false) = (to.last_mut(), rest.is_empty()) {
                *to = Mean::of(rest.len() as u32 * rows).round(rest.iter().map(|&s| u32::from(s)).sum());
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

    /// The sum of bilinear luma times 65536 at taps around 16.16 coordinates of pixel centres, less than
    /// two pixels apart from each other; the edge is repeated.
    #[inline(always)]
    fn sum(&self, x: [i32; LANES], y: [i32; LANES], taps: &[(i32, i32)]) -> [f32; LANES] {
        let (right, bottom) = ((self.width as i32 - 1) << 16, (self.height as i32 - 1) << 16);
        let inside =
            |v: [i32; LANES], offset: i32, end: i32| v.map(|v| v.wrapping_add(offset).max(0).min(end));
        let least = taps.iter().fold((0, 0), |least, tap| (least.0.min(tap.0), least.1.min(tap.1)));
        let (left, top) = (inside(x, least.0, right), inside(y, least.1, bottom));
        // Four neighbours a row, in one number, of four rows: all that the taps need.
        let mut rows = [[0u32; LANES]; 4];
        for i in 0..LANES {
            let at = (top[i] >> 16) as usize * self.width + (left[i] >> 16) as usize;
            if let Some(cell) = self.data.get(at..at + 3 * self.width + 4) {
                for (k, row) in rows.iter_mut().enumerate() {
                    let four = cell[k * self.width..].first_chunk();
                    row[i] = four.map_or(0, |four| u32::from_le_bytes(*four));
                }
            }
        }
        let mut out = [0.0; LANES];
        for tap in taps {
            let (x, y) = (inside(x, tap.0, right), inside(y, tap.1, bottom));
            for i in 0..LANES {
                let column = (8 * ((x[i] >> 16) - (left[i] >> 16)).min(2)) as u32;
                let row = (y[i] >> 16) - (top[i] >> 16);
                // In two steps it took a sixth longer.
                let pick = |a: u32, b: u32, c: u32| {
                    (if row <= 0 {
                        a
                    } else if row == 1 {
                        b
                    } else {
                        c
                    }) >> column
                };
                let top = pick(rows[0][i], rows[1][i], rows[2][i]);
                let low = pick(rows[1][i], rows[2][i], rows[3][i]);
                // Whole numbers below 2²⁴: exact.
                let (fx, fy) = (((x[i] >> 8) & 255) as f32, ((y[i] >> 8) & 255) as f32);
                let [top, low] = [top, low].map(|pair| {
                    let (near, far) = ((pair & 255) as i32 as f32, ((pair >> 8) & 255) as i32 as f32);
                    near * (256.0 - fx) + far * fx
                });
                out[i] += top * (256.0 - fy) + low * fy;
            }
        }
        out
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

    /// Luma of the crop's pixels from `(i, j)` on.
    #[inline(always)]
    fn luma(&self, plane: &Plane<'_>, i: usize, j: usize) -> [f32; LANES] {
        let step = |origin: i32, column: i32, row: i32| {
            let first = origin.wrapping_add((j as i32).wrapping_mul(row));
            std::array::from_fn(|k| first.wrapping_add(((i + k) as i32).wrapping_mul(column)))
        };
        let x: [i32; LANES] = step(self.origin.0, self.column.0, self.row.0);
        let y: [i32; LANES] = step(self.origin.1, self.column.1, self.row.1);
        plane.sum(x, y, &self.offsets[..self.count]).map(|sum| sum / (65536.0 * self.count as f32))
    }
}

/// Mean Cb and Cr of every `CELL`² square of the crop, row by row, of a tap a pixel.
#[inline(always)]
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
    out.resize(cells * cells, [0.0; 2]);
    let fixed = |v: f32| (v * 65536.0) as i32;
    let (right, bottom) = (width as i32 - 1, height as i32 - 1);
    let (dx, dy) = (fixed(map.a), fixed(map.b));
    for (row, out) in out.chunks_exact_mut(cells).enumerate() {
        for (block, out) in out.chunks_mut(frame::LANES / CELL).enumerate() {
            let mut sums = [[0; frame::LANES]; 3];
            for j in CELL * row..CELL * (row + 1) {
                let first = map.apply(Point::new(0.5, j as f32 + 0.5));
                let places = |first: f32, step: i32, last: i32| -> [u32; frame::LANES] {
                    let at = |n: usize| fixed(first).wrapping_add((n as i32).wrapping_mul(step)) >> 16;
                    std::array::from_fn(|n| at(block * frame::LANES + n).max(0).min(last) as u32)
                };
                r.add(places(first.x, dx, right), places(first.y, dy, bottom), &mut sums);
            }
            for (cell, out) in out.iter_mut().enumerate() {
                let mean = |sums: &[u32]| {
                    sums[CELL * cell..][..CELL].iter().sum::<u32>() as f32 / (CELL * CELL) as f32
                };
                *out = r.chroma(encoding, [mean(&sums[0]), mean(&sums[1]), mean(&sums[2])]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
