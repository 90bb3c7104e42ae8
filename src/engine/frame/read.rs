//! Reading single pixels in the frame's own components.

use super::{
    Frame, PixelFormat,
    colour::{Colorimetry, Matrix, Range, Transform},
    write::Fixed,
};

/// Reads pixels as the frame stores them, so that averages are taken before the one conversion to
/// RGB. Coordinates must be inside the frame.
pub(crate) trait Reader: Copy + Sync {
    /// Y, Cb, Cr or R, G, B in 0–255.
    fn components(&self, x: usize, y: usize) -> [u8; 3];
    /// R, G, B in 0–255 (unclamped) of (averaged) components.
    fn rgb(&self, components: [f32; 3]) -> [f32; 3];
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
    /// Cb and Cr of a pixel.
    #[inline(always)]
    fn chroma(&self, _encoding: &Transform, x: usize, y: usize) -> [f32; 2] {
        let [_, cb, cr] = self.components(x, y);
        [f32::from(cb), f32::from(cr)]
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
    fn chroma(&self, encoding: &Transform, x: usize, y: usize) -> [f32; 2] {
        let rgb = self.components(x, y).map(f32::from);
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
