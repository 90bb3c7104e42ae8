//! A borrowed, mutable view of one frame.

use super::Colorimetry;

/// Pixel formats the engine reads and writes in place. Names as in GStreamer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    Nv12,
    I420,
    Uyvy,
    Yuy2,
    Rgb,
    Bgr,
    Rgbx,
    Bgrx,
    Rgba,
    Bgra,
}

impl PixelFormat {
    pub const ALL: [PixelFormat; 10] = [
        PixelFormat::Nv12,
        PixelFormat::I420,
        PixelFormat::Uyvy,
        PixelFormat::Yuy2,
        PixelFormat::Rgb,
        PixelFormat::Bgr,
        PixelFormat::Rgbx,
        PixelFormat::Bgrx,
        PixelFormat::Rgba,
        PixelFormat::Bgra,
    ];

    pub const fn planes(self) -> usize {
        match self {
            PixelFormat::Nv12 => 2,
            PixelFormat::I420 => 3,
            _ => 1,
        }
    }

    /// Bytes of one row of `plane` and rows in it, for a frame of the given size, without padding.
    pub const fn plane_size(self, plane: usize, width: usize, height: usize) -> (usize, usize) {
        let (half_w, half_h) = (width.div_ceil(2), height.div_ceil(2));
        match (self, plane) {
            (PixelFormat::Nv12 | PixelFormat::I420, 0) => (width, height),
            (PixelFormat::Nv12, _) => (half_w * 2, half_h),
            (PixelFormat::I420, _) => (half_w, half_h),
            (PixelFormat::Uyvy | PixelFormat::Yuy2, _) => (half_w * 4, height),
            (PixelFormat::Rgb | PixelFormat::Bgr, _) => (width * 3, height),
            _ => (width * 4, height),
        }
    }
}

/// A frame whose planes do not hold the pixels that its size promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plane {plane} of a {width}×{height} {format:?} frame needs {needed} bytes, it has {have}")]
pub struct PlaneError {
    pub format: PixelFormat,
    pub width: usize,
    pub height: usize,
    pub plane: usize,
    pub needed: usize,
    pub have: usize,
}

/// One frame, borrowed for reading and writing in place. `planes` beyond the format's count are
/// empty. `strides` are in bytes; the last row of a plane may lack its padding.
#[derive(Debug)]
pub struct Frame<'a> {
    pub(crate) format: PixelFormat,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) planes: [&'a mut [u8]; 3],
    pub(crate) strides: [usize; 3],
    pub(crate) colorimetry: Colorimetry,
}

impl<'a> Frame<'a> {
    /// Checks that every row of every plane lies inside its slice.
    ///
    /// # Errors
    /// [`PlaneError`] names the first plane that is too small for its stride and size.
    pub fn new(
        format: PixelFormat,
        width: usize,
        height: usize,
        planes: [&'a mut [u8]; 3],
        strides: [usize; 3],
        colorimetry: Colorimetry,
    ) -> Result<Self, PlaneError> {
        for plane in 0..format.planes() {
            let (row, rows) = format.plane_size(plane, width, height);
            let needed = match rows {
                0 => 0,
                _ => strides[plane].max(row).saturating_mul(rows - 1).saturating_add(row),
            };
            let have = planes[plane].len();
            if strides[plane] < row || have < needed {
                return Err(PlaneError { format, width, height, plane, needed, have });
            }
        }
        Ok(Frame { format, width, height, planes, strides, colorimetry })
    }

    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Pixels across.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> usize {
        self.height
    }
}
