//! Reading single pixels in the frame's own components.

use super::{
    Frame, PixelFormat,
    colour::{Colorimetry, Matrix, Range, Transform},
    write::Fixed,
};

/// Pixels that [`Reader::add`] reads.
pub(crate) const LANES: usize = 32;

/// Reads pixels as the frame stores them, so that averages are taken before the one conversion to
/// RGB. Coordinates must be inside the frame.
pub(crate) trait Reader: Copy + Sync {
    /// Y, Cb, Cr or R, G, B in 0–255.
    fn components(&self, x: usize, y: usize) -> [u8; 3];
    /// Adds the components of [`LANES`] pixels to `sums`, one row for each component.
    #[inline(always)]
    fn add(&self, x: [u32; LANES], y: [u32; LANES], sums: &mut [[u32; LANES]; 3]) {
        for i in 0..LANES {
            let c = self.components(x[i] as usize, y[i] as usize);
            (0..3).for_each(|k| sums[k][i] += u32::from(c[k]));
        }
    }
    /// R, G, B in 0–255 (unclamped) of (averaged) components.
    fn rgb(&self, components: [f32; 3]) -> [f32; 3];
    /// R, G, B in 0–255 of [`LANES`] pixels' (averaged) components.
    #[inline(always)]
    fn levels(&self, components: [[f32; LANES]; 3]) -> [[f32; LANES]; 3] {
        let mut out = [[0.0; LANES]; 3];
        for n in 0..LANES {
            let rgb = self.rgb([components[0][n], components[1][n], components[2][n]]);
            (0..3).for_each(|k| out[k][n] = rgb[k].clamp(0.0, 255.0));
        }
        out
    }
    /// How its luma and chroma are encoded; RGB as GStreamer would by default for `height` rows.
    fn encoding(&self, height: usize) -> Transform;
    /// Luma of the pixels from `(x, y)` on, rounded as a frame would store it.
    fn luma_row(&self, encoding: &Transform, x: usize, y: usize, out: &mut [u8]);
    /// Luma of a pixel, not rounded.
    #[inline(always)]
    fn luma(&self, _encoding: &Transform, x: usize, y: usize) -> f32 {
        f32::from(self.components(x, y)[0])
    }
    /// Luma between the pixels `(⌊x⌋, ⌊y⌋)` and the next ones, which must be inside the frame too.
    #[inline(always)]
    fn luma_between(&self, encoding: &Transform, x: f32, y: f32) -> f32 {
        let (x0, y0, fx, fy) = (x as usize, y as usize, x.fract(), y.fract());
        let row = |y: usize| {
            let (left, right) = (self.luma(encoding, x0, y), self.luma(encoding, x0 + 1, y));
            left + fx * (right - left)
        };
        let (above, below) = (row(y0), row(y0 + 1));
        above + fy * (below - above)
    }
    /// Cb and Cr of (averaged) components.
    #[inline(always)]
    fn chroma(&self, _encoding: &Transform, [_, cb, cr]: [f32; 3]) -> [f32; 2] {
        [cb, cr]
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Planar420<'a> {
    pub y: &'a [u8],
    pub cb: &'a [u8],
    pub cr: &'a [u8],
    pub y_stride: usize,
    /// Of Cb and of Cr, which need not be the same.
    pub c_strides: [usize; 2],
    pub c_step: usize,
    pub transform: Transform,
}

impl Reader for Planar420<'_> {
    #[inline(always)]
    fn components(&self, x: usize, y: usize) -> [u8; 3] {
        let (row, at) = (y / 2, (x / 2) * self.c_step);
        let [cb, cr] = self.c_strides.map(|stride| row * stride + at);
        [self.y[y * self.y_stride + x], self.cb[cb], self.cr[cr]]
    }

    /// All places before all reads: these are worked out in vectors.
    #[inline(always)]
    fn add(&self, x: [u32; LANES], y: [u32; LANES], sums: &mut [[u32; LANES]; 3]) {
        let (stride, step) = (self.y_stride as u32, self.c_step as u32);
        let place = |row: u32, stride: u32, column: u32| row.wrapping_mul(stride).wrapping_add(column);
        let luma: [u32; LANES] = std::array::from_fn(|i| place(y[i], stride, x[i]));
        let [cb, cr] = self.c_strides.map(|stride| -> [u32; LANES] {
            std::array::from_fn(|i| place(y[i] / 2, stride as u32, x[i] / 2 * step))
        });
        let [of_luma, of_cb, of_cr] = sums;
        gather(self.y, &luma, |i, four| of_luma[i] += four & 255);
        if self.c_step == 2 {
            return gather(self.cb, &cb, |i, four| {
                of_cb[i] += four & 255;
                of_cr[i] += four >> 8 & 255;
            });
        }
        gather(self.cb, &cb, |i, four| of_cb[i] += four & 255);
        gather(self.cr, &cr, |i, four| of_cr[i] += four & 255);
    }

    #[inline(always)]
    fn rgb(&self, c: [f32; 3]) -> [f32; 3] {
        self.transform.rgb(c[0], c[1], c[2])
    }

    fn encoding(&self, _height: usize) -> Transform {
        self.transform
    }

    fn luma_row(&self, _: &Transform, x: usize, y: usize, out: &mut [u8]) {
        let at = y * self.y_stride + x;
        out.copy_from_slice(&self.y[at..at + out.len()]);
    }
}

/// Calls `take` with the index and two bytes or more of each place of `plane`, the first lowest; those behind
/// the plane are 0.
#[inline(always)]
fn gather(plane: &[u8], at: &[u32; LANES], mut take: impl FnMut(usize, u32)) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2")
        && at.iter().fold(0, |most, at| most.max(*at)) as usize + 4 <= plane.len().min(i32::MAX as usize)
    {
        use std::arch::x86_64::_mm256_i32gather_epi32;

        for (block, at) in at.as_chunks::<8>().0.iter().enumerate() {
            // SAFETY: the processor can, and all four bytes of each place are the plane's.
            let four = unsafe { _mm256_i32gather_epi32::<1>(plane.as_ptr().cast(), bytemuck::cast(*at)) };
            let four: [u32; 8] = bytemuck::cast(four);
            four.into_iter().enumerate().for_each(|(i, four)| take(8 * block + i, four));
        }
        return;
    }
    for (i, at) in at.iter().enumerate() {
        let at = plane.get(*at as usize..).unwrap_or(&[]);
        let byte = |k: usize| u32::from(at.get(k).copied().unwrap_or(0)) << (8 * k);
        take(i, byte(0) | byte(1));
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Packed422<'a> {
    pub data: &'a [u8],
    pub stride: usize,
    /// Offset of the first luma sample in a pair: 1 for UYVY, 0 for YUY2.
    pub luma: usize,
    pub transform: Transform,
}

impl Reader for Packed422<'_> {
    #[inline(always)]
    fn components(&self, x: usize, y: usize) -> [u8; 3] {
        let row = y * self.stride;
        let pair = row + (x / 2) * 4;
        let chroma = pair + 1 - self.luma;
        [self.data[row + x * 2 + self.luma], self.data[chroma], self.data[chroma + 2]]
    }

    #[inline(always)]
    fn rgb(&self, c: [f32; 3]) -> [f32; 3] {
        self.transform.rgb(c[0], c[1], c[2])
    }

    fn encoding(&self, _height: usize) -> Transform {
        self.transform
    }

    fn luma_row(&self, _: &Transform, x: usize, y: usize, out: &mut [u8]) {
        let line = &self.data[y * self.stride + 2 * x + self.luma..];
        for (to, from) in out.iter_mut().zip(line.iter().step_by(2)) {
            *to = *from;
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct PackedRgb<'a> {
    pub data: &'a [u8],
    pub stride: usize,
    pub step: usize,
    /// Offset of red; blue is at `2 − red`.
    pub red: usize,
}

impl Reader for PackedRgb<'_> {
    #[inline(always)]
    fn components(&self, x: usize, y: usize) -> [u8; 3] {
        let at = y * self.stride + x * self.step;
        [self.data[at + self.red], self.data[at + 1], self.data[at + 2 - self.red]]
    }

    #[inline(always)]
    fn rgb(&self, c: [f32; 3]) -> [f32; 3] {
        c
    }

    fn encoding(&self, height: usize) -> Transform {
        let matrix = if height > 576 { Matrix::Bt709 } else { Matrix::Bt601 };
        Colorimetry { matrix, range: Range::Limited }.transform()
    }

    fn luma_row(&self, encoding: &Transform, x: usize, y: usize, out: &mut [u8]) {
        let matrix = Fixed::new(encoding);
        let line = &self.data[y * self.stride + x * self.step..];
        for (to, px) in out.iter_mut().zip(line.chunks(self.step)) {
            let [r, g, b] = [px[self.red], px[1], px[2 - self.red]].map(i32::from);
            *to = matrix.component(0, r, g, b) as u8;
        }
    }

    #[inline(always)]
    fn luma(&self, encoding: &Transform, x: usize, y: usize) -> f32 {
        encoding.component(0, self.components(x, y).map(f32::from))
    }

    #[inline(always)]
    fn chroma(&self, encoding: &Transform, rgb: [f32; 3]) -> [f32; 2] {
        [1, 2].map(|row| encoding.component(row, rgb))
    }
}

/// Offset of red and bytes a pixel of an RGB format.
pub(super) const fn rgb_layout(format: PixelFormat) -> (usize, usize) {
    match format {
        PixelFormat::Rgb => (0, 3),
        PixelFormat::Bgr => (2, 3),
        PixelFormat::Bgrx | PixelFormat::Bgra => (2, 4),
        _ => (0, 4),
    }
}

impl Frame<'_> {
    pub(crate) fn planar420(&self) -> Planar420<'_> {
        let [_, first, second] = self.strides;
        let (cb, cr, c_step, c_strides): (&[u8], &[u8], usize, _) = match self.format {
            PixelFormat::Nv12 => (self.planes[1], self.planes[1].get(1..).unwrap_or(&[]), 2, [first; 2]),
            _ => (self.planes[1], self.planes[2], 1, [first, second]),
        };
        Planar420 {
            y: self.planes[0],
            cb,
            cr,
            y_stride: self.strides[0],
            c_strides,
            c_step,
            transform: Colorimetry::transform(self.colorimetry),
        }
    }

    pub(crate) fn packed422(&self) -> Packed422<'_> {
        Packed422 {
            data: self.planes[0],
            stride: self.strides[0],
            luma: usize::from(self.format == PixelFormat::Uyvy),
            transform: Colorimetry::transform(self.colorimetry),
        }
    }

    pub(crate) fn packed_rgb(&self) -> PackedRgb<'_> {
        let (red, step) = rgb_layout(self.format);
        PackedRgb { data: self.planes[0], stride: self.strides[0], step, red }
    }
}

/// Evaluates an expression with a [`Reader`] of the frame's format, monomorphised for each family.
macro_rules! with_reader {
    ($frame:expr, $reader:ident => $body:expr) => {
        match $frame.format() {
            $crate::engine::PixelFormat::Nv12 | $crate::engine::PixelFormat::I420 => {
                let $reader = $frame.planar420();
                $body
            }
            $crate::engine::PixelFormat::Uyvy | $crate::engine::PixelFormat::Yuy2 => {
                let $reader = $frame.packed422();
                $body
            }
            _ => {
                let $reader = $frame.packed_rgb();
                $body
            }
        }
    };
}
pub(crate) use with_reader;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::frame::Frame;

    #[test]
    fn many_pixels_are_read_as_each_alone_is() {
        let (width, height) = (46, 34);
        let bytes = || -> Vec<u8> { (0..4 * width * height).map(|i| (i * 7919 % 251) as u8).collect() };
        for (format, strides) in [
            (PixelFormat::Nv12, [width, width, 0]),
            (PixelFormat::I420, [width, width / 2 + 1, width / 2 + 3]),
            (PixelFormat::Uyvy, [2 * width, 0, 0]),
            (PixelFormat::Bgr, [3 * width, 0, 0]),
            (PixelFormat::Rgba, [4 * width, 0, 0]),
        ] {
            let mut planes = [bytes(), bytes(), bytes()];
            // The last place of a plane has nothing behind it.
            planes[0].truncate(strides[0] * height);
            (1..3).for_each(|k| planes[k].truncate(strides[k] * (height / 2 - 1) + width));
            let planes = planes.each_mut().map(|plane| &mut plane[..]);
            let frame = Frame::new(format, width, height, planes, strides, Colorimetry::default()).unwrap();
            with_reader!(frame, r => {
                for first in [0, width * height - LANES] {
                    let at = |i: usize| first + i * 5 % LANES;
                    let x = std::array::from_fn(|i| (at(i) % width) as u32);
                    let y = std::array::from_fn(|i| (at(i) / width) as u32);
                    let mut sums = [[3; LANES]; 3];
                    r.add(x, y, &mut sums);
                    for i in 0..LANES {
                        let one = r.components(x[i] as usize, y[i] as usize);
                        let sum = [0, 1, 2].map(|k| sums[k][i] - 3);
                        assert_eq!(sum, one.map(u32::from), "{format:?} at {}, {}", x[i], y[i]);
                    }
                }
            });
        }
    }
}
