//! Mixing a rendered layer into the frame, in the frame's own format.
//!
//! Where alpha is 0 a sample keeps its exact value; where it is 255 it becomes the layer's.

use multiversion::multiversion;

use super::{
    Frame, PixelFormat,
    colour::{Colorimetry, Transform},
    read::rgb_layout,
};

/// A block of the frame that starts at even coordinates and ends at even ones or at the frame's
/// edge, so that chroma samples are never shared across its border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Region {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Region {
    /// The even-aligned block that covers `[left, right) × [top, bottom)`, clipped to the frame;
    /// `None` when nothing of it is inside.
    pub fn covering(
        left: f32,
        top: f32,
        right: f32,
        bottom: f32,
        width: usize,
        height: usize,
    ) -> Option<Region> {
        if !(left < right && top < bottom) {
            return None;
        }
        let low = |v: f32, max: usize| (v.max(0.0).min(max as f32) as usize) & !1;
        let high = |v: f32, max: usize| (((v.max(0.0).ceil() as usize).min(max) + 1) & !1).min(max);
        let (x, y) = (low(left, width), low(top, height));
        let (x1, y1) = (high(right, width), high(bottom, height));
        (x < x1 && y < y1).then(|| Region { x, y, width: x1 - x, height: y1 - y })
    }
}

/// Rendered pixels of a [`Region`], planar, rows of `stride` bytes.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub stride: usize,
    pub r: Vec<u8>,
    pub g: Vec<u8>,
    pub b: Vec<u8>,
    pub a: Vec<u8>,
}

impl Layer {
    /// Makes room for `region`; allocates only when it is larger than any before.
    pub fn fit(&mut self, region: Region) {
        self.stride = region.width;
        let len = region.width * region.height;
        if self.a.len() < len {
            for plane in [&mut self.r, &mut self.g, &mut self.b, &mut self.a] {
                plane.resize(len, 0);
            }
        }
    }
}

/// Planar rows of a layer, `stride` apart: a band of a [`Layer`].
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub stride: usize,
    pub r: &'a [u8],
    pub g: &'a [u8],
    pub b: &'a [u8],
    pub a: &'a [u8],
}

#[inline(always)]
fn mix(old: u8, new: i32, alpha: i32) -> u8 {
    let old = i32::from(old);
    let d = (new - old) * alpha;
    // Exact round-half-away division by 255, so that alpha 255 gives `new` and alpha 0 `old`.
    (old + (d + (d >> 31 | 1) * 127) / 255) as u8
}

/// Forward matrix in 16.16 fixed point.
#[derive(Clone, Copy)]
pub(super) struct Fixed {
    m: [[i32; 4]; 3],
}

impl Fixed {
    pub fn new(t: &Transform) -> Self {
        let mut m = [[0; 4]; 3];
        for (row, from) in m.iter_mut().zip(&t.to_yuv) {
            for (to, from) in row.iter_mut().zip(from) {
                *to = (from * 65536.0).round() as i32;
            }
            row[3] += 32768;
        }
        Fixed { m }
    }

    #[inline(always)]
    pub fn component(&self, row: usize, r: i32, g: i32, b: i32) -> i32 {
        let m = &self.m[row];
        ((m[0] * r + m[1] * g + m[2] * b + m[3]) >> 16).clamp(0, 255)
    }
}

/// Mutable rows of the planes a band of the frame covers. Bands start at even rows.
pub(crate) struct Target<'a> {
    pub format: PixelFormat,
    pub planes: [&'a mut [u8]; 3],
    pub strides: [usize; 3],
    pub colorimetry: Colorimetry,
}

/// Mixes layer rows `[0, height)` into the frame rows that start at `(x, 0)` of `target`.
pub(crate) fn blend_rows(target: &mut Target<'_>, rows: Rows<'_>, x: usize, width: usize, height: usize) {
    match target.format {
        PixelFormat::Nv12 | PixelFormat::I420 => blend_420(target, rows, x, width, height),
        PixelFormat::Uyvy | PixelFormat::Yuy2 => blend_422(target, rows, x, width, height),
        _ => blend_rgb(target, rows, x, width, height),
    }
}

#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
fn luma_row(to: &mut [u8], r: &[u8], g: &[u8], b: &[u8], a: &[u8], m: &Fixed) {
    let n = to.len();
    let (r, g, b, a) = (&r[..n], &g[..n], &b[..n], &a[..n]);
    for i in 0..n {
        let y = m.component(0, i32::from(r[i]), i32::from(g[i]), i32::from(b[i]));
        to[i] = mix(to[i], y, i32::from(a[i]));
    }
}

/// Alpha-weighted mean colour of up to four pixels and their mean alpha.
#[inline(always)]
fn chroma_cell(rows: &Rows<'_>, at: [usize; 4], m: &Fixed) -> Option<(i32, i32, i32)> {
    let a = at.map(|i| i32::from(rows.a[i]));
    let total = a[0] + a[1] + a[2] + a[3];
    if total == 0 {
        return None;
    }
    let mean = |p: &[u8]| {
        let own = at.map(|i| i32::from(p[i]));
        if total == 4 * 255 {
            return (own[0] + own[1] + own[2] + own[3] + 2) >> 2;
        }
        let sum: i32 = (0..4).map(|k| own[k] * a[k]).sum();
        (sum + total / 2) / total
    };
    let (r, g, b) = (mean(rows.r), mean(rows.g), mean(rows.b));
    Some((m.component(1, r, g, b), m.component(2, r, g, b), (total + 2) / 4))
}

fn blend_420(target: &mut Target<'_>, rows: Rows<'_>, x: usize, width: usize, height: usize) {
    let m = Fixed::new(&target.colorimetry.transform());
    let y_stride = target.strides[0];
    for j in 0..height {
        let at = j * rows.stride;
        let span = at..at + width;
        let to = &mut target.planes[0][j * y_stride + x..][..width];
        luma_row(to, &rows.r[span.clone()], &rows.g[span.clone()], &rows.b[span.clone()], &rows.a[span], &m);
    }
    let [_, cb_stride, cr_stride] = target.strides;
    let [_, p1, p2] = &mut target.planes;
    for j in 0..height.div_ceil(2) {
        let top = 2 * j * rows.stride;
        let low = if 2 * j + 1 < height { top + rows.stride } else { top };
        for i in 0..width.div_ceil(2) {
            let left = 2 * i;
            let right = (left + 1).min(width - 1);
            let cell = [top + left, top + right, low + left, low + right];
            let Some((cb, cr, a)) = chroma_cell(&rows, cell, &m) else {
                continue;
            };
            if target.format == PixelFormat::Nv12 {
                let to = j * cb_stride + x + 2 * i;
                p1[to] = mix(p1[to], cb, a);
                p1[to + 1] = mix(p1[to + 1], cr, a);
            } else {
                let at = x / 2 + i;
                let (first, second) = (j * cb_stride + at, j * cr_stride + at);
                p1[first] = mix(p1[first], cb, a);
                p2[second] = mix(p2[second], cr, a);
            }
        }
    }
}

fn blend_422(target: &mut Target<'_>, rows: Rows<'_>, x: usize, width: usize, height: usize) {
    let m = Fixed::new(&target.colorimetry.transform());
    let luma = usize::from(target.format == PixelFormat::Uyvy);
    let stride = target.strides[0];
    let data = &mut *target.planes[0];
    for j in 0..height {
        let at = j * rows.stride;
        let line = &mut data[j * stride + x * 2..];
        for i in 0..width {
            let a = i32::from(rows.a[at + i]);
            if a != 0 {
                let (r, g, b) = (rows.r[at + i], rows.g[at + i], rows.b[at + i]);
                let y = m.component(0, i32::from(r), i32::from(g), i32::from(b));
                let to = &mut line[i * 2 + luma];
                *to = mix(*to, y, a);
            }
        }
        for i in 0..width.div_ceil(2) {
            let left = at + 2 * i;
            let right = at + (2 * i + 1).min(width - 1);
            if let Some((cb, cr, a)) = chroma_cell(&rows, [left, right, left, right], &m) {
                let c = i * 4 + 1 - luma;
                line[c] = mix(line[c], cb, a);
                line[c + 2] = mix(line[c + 2], cr, a);
            }
        }
    }
}

fn blend_rgb(target: &mut Target<'_>, rows: Rows<'_>, x: usize, width: usize, height: usize) {
    let (red, step) = rgb_layout(target.format);
    let stride = target.strides[0];
    for j in 0..height {
        let span = j * rows.stride..j * rows.stride + width;
        let to = &mut target.planes[0][j * stride + x * step..][..width * step];
        let (r, g, b, a) =
            (&rows.r[span.clone()], &rows.g[span.clone()], &rows.b[span.clone()], &rows.a[span]);
        match (step, red) {
            (3, 0) => rgb_row::<3, 0>(to, r, g, b, a),
            (3, _) => rgb_row::<3, 2>(to, r, g, b, a),
            (_, 0) => rgb_row::<4, 0>(to, r, g, b, a),
            _ => rgb_row::<4, 2>(to, r, g, b, a),
        }
    }
}

fn rgb_row<const STEP: usize, const RED: usize>(to: &mut [u8], r: &[u8], g: &[u8], b: &[u8], a: &[u8]) {
    for (i, px) in to.chunks_exact_mut(STEP).enumerate() {
        let alpha = i32::from(a[i]);
        px[RED] = mix(px[RED], i32::from(r[i]), alpha);
        px[1] = mix(px[1], i32::from(g[i]), alpha);
        px[2 - RED] = mix(px[2 - RED], i32::from(b[i]), alpha);
    }
}

impl Frame<'_> {
    /// Cuts the rows of `region` into bands of `rows` (even) rows, top to bottom, and hands each to
    /// `take` with its first row in the region and its number of rows.
    pub(crate) fn split<'s>(
        &'s mut self,
        region: Region,
        rows: usize,
        mut take: impl FnMut(Target<'s>, usize, usize),
    ) {
        let halved = matches!(self.format, PixelFormat::Nv12 | PixelFormat::I420);
        let strides = self.strides;
        let mut rest = self.planes.each_mut().map(|plane| &mut plane[..]);
        for (plane, rest) in rest.iter_mut().enumerate() {
            let first = if plane > 0 && halved { region.y / 2 } else { region.y };
            let skip = (first * strides[plane]).min(rest.len());
            *rest = &mut std::mem::take(rest)[skip..];
        }
        let mut top = 0;
        while top < region.height {
            let count = rows.min(region.height - top);
            let mut planes: [&mut [u8]; 3] = Default::default();
            for plane in 0..self.format.planes() {
                let lines = if plane > 0 && halved { count.div_ceil(2) } else { count };
                let whole = std::mem::take(&mut rest[plane]);
                let at = (lines * strides[plane]).min(whole.len());
                (planes[plane], rest[plane]) = whole.split_at_mut(at);
            }
            let target = Target { format: self.format, planes, strides, colorimetry: self.colorimetry };
            take(target, top, count);
            top += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::frame::{Matrix, Range};

    const SIDE: usize = 64;
    const COLORIMETRY: Colorimetry = Colorimetry { matrix: Matrix::Bt709, range: Range::Limited };

    /// A smooth colour that differs between picture and layer.
    fn colour(x: usize, y: usize, phase: f32) -> [f32; 3] {
        [0.0, 2.0, 4.0].map(|k| 128.0 + 90.0 * (0.07 * x as f32 + 0.05 * y as f32 + k + phase).sin())
    }

    /// The means of the picture's Y, Cb, Cr over a cell of two pixels and `rows` rows.
    fn cell(x: usize, y: usize, rows: usize, at: impl Fn(usize, usize) -> [f32; 3]) -> [f32; 3] {
        let t = COLORIMETRY.transform();
        let mut sum = [0.0; 3];
        for (dx, dy) in [(0, 0), (1, 0), (0, rows - 1), (1, rows - 1)] {
            let rgb = at(x + dx, y + dy);
            (0..3).for_each(|k| sum[k] += t.component(k, rgb) / 4.0);
        }
        sum
    }

    fn blended(format: PixelFormat, rows: Rows<'_>) -> [Vec<u8>; 3] {
        let t = COLORIMETRY.transform();
        let at = |x, y| colour(x, y, 0.0);
        let mut planes: [Vec<u8>; 3] = Default::default();
        for y in 0..SIDE {
            for x in 0..SIDE {
                let luma = t.component(0, at(x, y)).round() as u8;
                match format {
                    PixelFormat::I420 => {
                        planes[0].push(luma);
                        if x % 2 == 0 && y % 2 == 0 {
                            let c = cell(x, y, 2, at);
                            planes[1].push(c[1].round() as u8);
                            planes[2].push(c[2].round() as u8);
                        }
                    }
                    PixelFormat::Yuy2 => {
                        let c = cell(x / 2 * 2, y, 1, at);
                        planes[0].extend([luma, c[1 + x % 2].round() as u8]);
                    }
                    _ => planes[0].extend(at(x, y).map(|v| v.round() as u8)),
                }
            }
        }
        let strides = match format {
            PixelFormat::I420 => [SIDE, SIDE / 2, SIDE / 2],
            PixelFormat::Yuy2 => [2 * SIDE, 0, 0],
            _ => [3 * SIDE, 0, 0],
        };
        let views = planes.each_mut().map(Vec::as_mut_slice);
        let mut target = Target { format, planes: views, strides, colorimetry: COLORIMETRY };
        blend_rows(&mut target, rows, 0, SIDE, SIDE);
        planes
    }

    #[test]
    fn a_layer_blends_alike_in_every_family() {
        let mut layer = Layer::default();
        layer.fit(Region { x: 0, y: 0, width: SIDE, height: SIDE });
        for i in 0..SIDE * SIDE {
            let (x, y) = (i % SIDE, i / SIDE);
            let c = colour(x, y, 1.0).map(|v| v.round() as u8);
            (layer.r[i], layer.g[i], layer.b[i]) = (c[0], c[1], c[2]);
            // A feathered disc with a hard hole whose edge cuts chroma cells.
            let from = |cx: f32, cy: f32| (x as f32 - cx).hypot(y as f32 - cy);
            let disc = ((28.0 - from(31.5, 31.5)) * 50.0).clamp(0.0, 255.0);
            layer.a[i] = if from(34.0, 27.0) < 7.0 { 0 } else { disc as u8 };
        }
        let rows = Rows { stride: SIDE, r: &layer.r, g: &layer.g, b: &layer.b, a: &layer.a };
        let [rgb, ..] = blended(PixelFormat::Rgb, rows);
        let rgb = |x: usize, y: usize| [0, 1, 2].map(|k| f32::from(rgb[(y * SIDE + x) * 3 + k]));
        let [planar, cb, cr] = blended(PixelFormat::I420, rows);
        let [packed, ..] = blended(PixelFormat::Yuy2, rows);
        let mut most = [0.0f32; 2];
        for y in 0..SIDE {
            for x in 0..SIDE {
                let luma = COLORIMETRY.transform().component(0, rgb(x, y));
                let line = y * 2 * SIDE;
                for have in [planar[y * SIDE + x], packed[line + 2 * x]] {
                    most[0] = most[0].max((f32::from(have) - luma).abs());
                }
                let (c420, c422) = (cell(x / 2 * 2, y / 2 * 2, 2, rgb), cell(x / 2 * 2, y, 1, rgb));
                let at = y / 2 * (SIDE / 2) + x / 2;
                let pairs = [
                    (cb[at], c420[1]),
                    (cr[at], c420[2]),
                    (packed[line + x / 2 * 4 + 1], c422[1]),
                    (packed[line + x / 2 * 4 + 3], c422[2]),
                ];
                for (have, want) in pairs {
                    most[1] = most[1].max((f32::from(have) - want).abs());
                }
            }
        }
        assert!(most[0] <= 2.0 && most[1] <= 3.0, "luma {}, chroma {} levels apart", most[0], most[1]);
    }
}
