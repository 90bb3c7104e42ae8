//! Pictures in the engine's pixel formats, made and read back independently of it: BT.709, limited
//! range, chroma as the mean of the pixels it covers.

use gstfaceswap::engine::{Colorimetry, Frame, Matrix, PixelFormat, Range};
use image::RgbImage;

pub const COLORIMETRY: Colorimetry = Colorimetry { matrix: Matrix::Bt601, range: Range::Limited };

// BT.601, what a picture of this size has unless its caps say otherwise.
const KR: f64 = 0.299;
const KG: f64 = 0.587;
const KB: f64 = 0.114;

/// An owned frame. What lies between its rows and in unused channels is not zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub format: PixelFormat,
    pub width: usize,
    pub height: usize,
    pub planes: [Vec<u8>; 3],
    pub strides: [usize; 3],
}

/// Planar Y'CbCr, chroma halved both ways.
pub struct Yuv {
    pub y: Vec<f64>,
    pub cb: Vec<f64>,
    pub cr: Vec<f64>,
}

fn luma(rgb: [f64; 3]) -> f64 {
    16.0 + 219.0 / 255.0 * (KR * rgb[0] + KG * rgb[1] + KB * rgb[2])
}

fn chroma(rgb: [f64; 3]) -> [f64; 2] {
    let y = KR * rgb[0] + KG * rgb[1] + KB * rgb[2];
    [(rgb[2] - y) / (2.0 * (1.0 - KB)), (rgb[0] - y) / (2.0 * (1.0 - KR))].map(|c| 128.0 + 224.0 / 255.0 * c)
}

fn round(v: f64) -> u8 {
    v.round().clamp(0.0, 255.0) as u8
}

/// Offsets of red, green, blue and bytes a pixel.
fn rgb_offsets(format: PixelFormat) -> ([usize; 3], usize) {
    match format {
        PixelFormat::Rgb => ([0, 1, 2], 3),
        PixelFormat::Bgr => ([2, 1, 0], 3),
        PixelFormat::Rgbx | PixelFormat::Rgba => ([0, 1, 2], 4),
        _ => ([2, 1, 0], 4),
    }
}

impl Picture {
    /// Read back.
    pub fn image(&self) -> RgbImage {
        let pixel = |x, y| image::Rgb(self.rgb(x as usize, y as usize));
        RgbImage::from_fn(self.width as u32, self.height as u32, pixel)
    }

    /// Rows `padding` bytes longer than need be (an odd number shifts them), the last one not.
    pub fn blank(format: PixelFormat, width: usize, height: usize, padding: usize) -> Picture {
        let mut picture =
            Picture { format, width, height, planes: Default::default(), strides: Default::default() };
        for plane in 0..format.planes() {
            let (row, rows) = format.plane_size(plane, width, height);
            picture.strides[plane] = row + padding;
            picture.planes[plane] =
                super::noise(plane as u64 + 7).take((row + padding) * rows - padding).collect();
        }
        picture
    }

    /// `rgb` in `format`.
    pub fn of(rgb: &RgbImage, format: PixelFormat, padding: usize) -> Picture {
        let (width, height) = (rgb.width() as usize, rgb.height() as usize);
        let mut picture = Picture::blank(format, width, height, padding);
        let at = |x: usize, y: usize| {
            let pixel = rgb.get_pixel(x.min(width - 1) as u32, y.min(height - 1) as u32);
            pixel.0.map(f64::from)
        };
        let mean = |x: usize, y: usize, rows: usize| {
            let mut sum = [0.0; 3];
            for (dx, dy) in [(0, 0), (1, 0), (0, rows - 1), (1, rows - 1)] {
                let pixel = at(x + dx, y + dy);
                (0..3).for_each(|k| sum[k] += pixel[k] / 4.0);
            }
            sum
        };
        let strides = picture.strides;
        for y in 0..height {
            for x in 0..width {
                let row = y * strides[0];
                match format {
                    PixelFormat::Nv12 | PixelFormat::I420 => {
                        picture.planes[0][row + x] = round(luma(at(x, y)));
                        if x % 2 == 0 && y % 2 == 0 {
                            let [cb, cr] = chroma(mean(x, y, 2)).map(round);
                            let (cb_at, cr_at) = picture.chroma_at(x, y);
                            picture.planes[cb_at.0][cb_at.1] = cb;
                            picture.planes[cr_at.0][cr_at.1] = cr;
                        }
                    }
                    PixelFormat::Uyvy | PixelFormat::Yuy2 => {
                        let luma_at = usize::from(format == PixelFormat::Uyvy);
                        picture.planes[0][row + 2 * x + luma_at] = round(luma(at(x, y)));
                        if x % 2 == 0 {
                            let [cb, cr] = chroma(mean(x, y, 1)).map(round);
                            let (cb_at, cr_at) = picture.chroma_at(x, y);
                            picture.planes[0][cb_at.1] = cb;
                            picture.planes[0][cr_at.1] = cr;
                        }
                    }
                    _ => {
                        let (offsets, step) = rgb_offsets(format);
                        let pixel = at(x, y);
                        for k in 0..3 {
                            picture.planes[0][row + x * step + offsets[k]] = pixel[k] as u8;
                        }
                    }
                }
            }
        }
        picture
    }

    /// Plane and index of the Cb and of the Cr sample of a pixel.
    fn chroma_at(&self, x: usize, y: usize) -> ((usize, usize), (usize, usize)) {
        let [row, half, third] = [y * self.strides[0], y / 2 * self.strides[1], y / 2 * self.strides[2]];
        match self.format {
            PixelFormat::Nv12 => ((1, half + x / 2 * 2), (1, half + x / 2 * 2 + 1)),
            PixelFormat::I420 => ((1, half + x / 2), (2, third + x / 2)),
            PixelFormat::Uyvy => ((0, row + x / 2 * 4), (0, row + x / 2 * 4 + 2)),
            _ => ((0, row + x / 2 * 4 + 1), (0, row + x / 2 * 4 + 3)),
        }
    }

    pub fn frame(&mut self) -> Frame<'_> {
        let planes = self.planes.each_mut().map(Vec::as_mut_slice);
        Frame::new(self.format, self.width, self.height, planes, self.strides, COLORIMETRY).unwrap()
    }

    /// The frame rectangle `[x0, x1) × [y0, y1)` that a byte describes; `None` for padding, alpha
    /// and the like.
    pub fn place(&self, plane: usize, index: usize) -> Option<[usize; 4]> {
        let (row, _) = self.format.plane_size(plane, self.width, self.height);
        let (y, x) = (index / self.strides[plane], index % self.strides[plane]);
        if x >= row {
            return None;
        }
        let [left, top, wide, high] = match (self.format, plane) {
            (PixelFormat::Nv12 | PixelFormat::I420, 0) => [x, y, 1, 1],
            (PixelFormat::Nv12, _) => [x / 2 * 2, 2 * y, 2, 2],
            (PixelFormat::I420, _) => [2 * x, 2 * y, 2, 2],
            (PixelFormat::Uyvy, _) if x % 2 == 1 => [x / 2, y, 1, 1],
            (PixelFormat::Yuy2, _) if x % 2 == 0 => [x / 2, y, 1, 1],
            (PixelFormat::Uyvy | PixelFormat::Yuy2, _) => [x / 4 * 2, y, 2, 1],
            (PixelFormat::Rgb | PixelFormat::Bgr, _) => [x / 3, y, 1, 1],
            _ if x % 4 == 3 => return None,
            _ => [x / 4, y, 1, 1],
        };
        // In an odd frame the last pair's second luma sample shows nothing.
        (left < self.width).then_some([left, top, left + wide, top + high])
    }

    /// Bytes that differ from those of `other`: plane and index.
    pub fn differences<'a>(&'a self, other: &'a Picture) -> impl Iterator<Item = (usize, usize)> + 'a {
        (0..3).flat_map(move |plane| {
            let pairs = self.planes[plane].iter().zip(&other.planes[plane]).enumerate();
            pairs.filter(|(_, (a, b))| a != b).map(move |(index, _)| (plane, index))
        })
    }

    /// R, G, B of a pixel of an RGB format.
    pub fn rgb(&self, x: usize, y: usize) -> [u8; 3] {
        let (offsets, step) = rgb_offsets(self.format);
        offsets.map(|k| self.planes[0][y * self.strides[0] + x * step + k])
    }

    pub fn yuv(&self) -> Yuv {
        let (half_w, half_h) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut yuv = Yuv {
            y: vec![0.0; self.width * self.height],
            cb: vec![0.0; half_w * half_h],
            cr: vec![0.0; half_w * half_h],
        };
        let planar = self.format.planes() > 1;
        let packed = matches!(self.format, PixelFormat::Uyvy | PixelFormat::Yuy2);
        for y in 0..self.height {
            for x in 0..self.width {
                let index = y * self.width + x;
                let row = y * self.strides[0];
                yuv.y[index] = match self.format {
                    _ if planar => f64::from(self.planes[0][row + x]),
                    PixelFormat::Uyvy => f64::from(self.planes[0][row + 2 * x + 1]),
                    PixelFormat::Yuy2 => f64::from(self.planes[0][row + 2 * x]),
                    _ => luma(self.rgb(x, y).map(f64::from)),
                };
                let [cb, cr] = if planar || packed {
                    let (cb, cr) = self.chroma_at(x, y);
                    [cb, cr].map(|(plane, at)| f64::from(self.planes[plane][at]))
                } else {
                    chroma(self.rgb(x, y).map(f64::from))
                };
                let (x1, y1) = ((self.width - x / 2 * 2).min(2), (self.height - y / 2 * 2).min(2));
                let cell = y / 2 * half_w + x / 2;
                yuv.cb[cell] += cb / (x1 * y1) as f64;
                yuv.cr[cell] += cr / (x1 * y1) as f64;
            }
        }
        yuv
    }
}
