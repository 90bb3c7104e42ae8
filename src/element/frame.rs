//! From buffers and caps to the engine's view of a frame.

use std::{ops::Range, slice, time::Duration};

use gst_video::{
    VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrameRef, VideoInterlaceMode, prelude::*,
};

use crate::engine::{Colorimetry, Frame, Matrix, PixelFormat, Range as Quantisation};

/// Formats of the pad templates, those that need the least conversion first.
pub(super) const FORMATS: [VideoFormat; 10] = [
    VideoFormat::Nv12,
    VideoFormat::I420,
    VideoFormat::Uyvy,
    VideoFormat::Yuy2,
    VideoFormat::Bgrx,
    VideoFormat::Bgra,
    VideoFormat::Rgbx,
    VideoFormat::Rgba,
    VideoFormat::Rgb,
    VideoFormat::Bgr,
];

/// How the frames of one set of caps lie in memory.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub info: gst_video::VideoInfo,
    format: PixelFormat,
    colorimetry: Colorimetry,
}

/// Why a buffer cannot be seen as a frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a buffer of {bytes} bytes cannot be mapped as a {width}×{height} {format} frame", format = format.to_str())]
    Map { bytes: usize, width: u32, height: u32, format: VideoFormat },
    #[error(
        "plane {plane} of a frame has stride {stride} and reaches past its memory, overlaps another plane, or runs backwards"
    )]
    Plane { plane: usize, stride: i32 },
    #[error("no buffer to copy a shared frame to: {0}")]
    Pool(glib::BoolError),
}

impl Layout {
    /// # Errors
    /// Says why frames like this are refused.
    pub fn new(info: &gst_video::VideoInfo) -> Result<Self, String> {
        let format = match info.format() {
            VideoFormat::Nv12 => PixelFormat::Nv12,
            VideoFormat::I420 => PixelFormat::I420,
            VideoFormat::Uyvy => PixelFormat::Uyvy,
            VideoFormat::Yuy2 => PixelFormat::Yuy2,
            VideoFormat::Rgb => PixelFormat::Rgb,
            VideoFormat::Bgr => PixelFormat::Bgr,
            VideoFormat::Rgbx => PixelFormat::Rgbx,
            VideoFormat::Bgrx => PixelFormat::Bgrx,
            VideoFormat::Rgba => PixelFormat::Rgba,
            VideoFormat::Bgra => PixelFormat::Bgra,
            other => {
                return Err(format!("{} frames cannot be used; put a videoconvert before", other.to_str()));
            }
        };
        if matches!(info.interlace_mode(), VideoInterlaceMode::Fields | VideoInterlaceMode::Alternate) {
            return Err(format!(
                "interlace-mode={} has the two fields apart; put a deinterlace before",
                info.interlace_mode().to_str()
            ));
        }
        Ok(Layout { info: info.clone(), format, colorimetry: colorimetry(info) })
    }

    /// Of one frame, where the caps tell it.
    pub fn frame_duration(&self) -> Option<Duration> {
        let fps = self.info.fps();
        (fps.numer() > 0 && fps.denom() > 0)
            .then(|| Duration::from_secs_f64(f64::from(fps.denom()) / f64::from(fps.numer())))
    }

    /// Maps `buffer` for reading and writing and shows it to `see`.
    pub fn view<R>(
        &self,
        buffer: &mut gst::BufferRef,
        see: impl FnOnce(&mut Frame<'_>) -> R,
    ) -> Result<R, FrameError> {
        let unmapped = self.unmapped(buffer);
        let frame = VideoFrameRef::from_buffer_ref_writable(buffer, &self.info).map_err(|_| unmapped)?;
        let spans = self.spans(frame.as_ptr())?;
        // SAFETY: `spans` lie inside the memory mapped for writing and do not overlap; `frame`
        // keeps it mapped until after the last use.
        let planes = spans.each_ref().map(|s| unsafe { slice::from_raw_parts_mut(s.start, s.bytes) });
        let strides = spans.each_ref().map(|s| s.stride);
        let (width, height) = (self.info.width() as usize, self.info.height() as usize);
        let mut view = Frame::new(self.format, width, height, planes, strides, self.colorimetry)
            .map_err(|e| FrameError::Plane { plane: e.plane, stride: strides[e.plane] as i32 })?;
        Ok(see(&mut view))
    }

    /// A copy of `buffer` from `pool`, with its metas, flags and times.
    pub fn copy(&self, buffer: &gst::BufferRef, pool: &gst::BufferPool) -> Result<gst::Buffer, FrameError> {
        let mut copy = pool
            .acquire_buffer(None)
            .map_err(|e| FrameError::Pool(glib::bool_error!("the pool answers {:?}", e)))?;
        let target = copy.make_mut();
        let from =
            VideoFrameRef::from_buffer_ref_readable(buffer, &self.info).map_err(|_| self.unmapped(buffer))?;
        let unmapped = self.unmapped(target);
        let to = VideoFrameRef::from_buffer_ref_writable(target, &self.info).map_err(|_| unmapped)?;
        let (sources, targets) = (self.spans(from.as_ptr())?, self.spans(to.as_ptr())?);
        for plane in 0..self.format.planes() {
            let (row, rows) = self.plane_size(plane);
            let (s, t) = (&sources[plane], &targets[plane]);
            for y in 0..rows {
                // SAFETY: both rows lie inside the spans, which lie inside mapped memory of two
                // different buffers.
                unsafe { s.start.add(y * s.stride).copy_to_nonoverlapping(t.start.add(y * t.stride), row) }
            }
        }
        drop(to);
        let flags =
            gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::META;
        buffer.copy_into(target, flags, ..).map_err(FrameError::Pool)?;
        Ok(copy)
    }

    fn plane_size(&self, plane: usize) -> (usize, usize) {
        self.format.plane_size(plane, self.info.width() as usize, self.info.height() as usize)
    }

    fn unmapped(&self, buffer: &gst::BufferRef) -> FrameError {
        FrameError::Map {
            bytes: buffer.size(),
            width: self.info.width(),
            height: self.info.height(),
            format: self.info.format(),
        }
    }

    /// Where the planes lie, without the padding after the last row, which need not be there.
    fn spans(&self, frame: *const gst_video::ffi::GstVideoFrame) -> Result<[Span; 3], FrameError> {
        // SAFETY: the caller's frame is mapped; only its plain fields are read.
        let frame = unsafe { &*frame };
        let mut spans = [Span::EMPTY; 3];
        for plane in 0..self.format.planes() {
            let (row, rows) = self.plane_size(plane);
            let stride = frame.info.stride[plane];
            let map = &frame.map[if frame.meta.is_null() { 0 } else { plane }];
            let start: *mut u8 = frame.data[plane].cast();
            let span = usize::try_from(stride)
                .ok()
                .filter(|&stride| stride >= row)
                .and_then(|stride| {
                    stride.checked_mul(rows - 1)?.checked_add(row).map(|bytes| Span { start, bytes, stride })
                })
                .ok_or(FrameError::Plane { plane, stride })?;
            let memory = map.data as usize..map.data as usize + map.size;
            let range = span.range();
            let inside = range.start >= memory.start && range.end <= memory.end;
            let apart = spans[..plane]
                .iter()
                .all(|other| other.range().end <= range.start || range.end <= other.range().start);
            if !inside || !apart {
                return Err(FrameError::Plane { plane, stride });
            }
            spans[plane] = span;
        }
        Ok(spans)
    }
}

/// One plane in mapped memory.
#[derive(Clone, Copy)]
struct Span {
    start: *mut u8,
    bytes: usize,
    stride: usize,
}

impl Span {
    const EMPTY: Span = Span { start: std::ptr::NonNull::dangling().as_ptr(), bytes: 0, stride: 0 };

    fn range(&self) -> Range<usize> {
        self.start as usize..self.start as usize + self.bytes
    }
}

/// What the caps leave open is what players assume: BT.709 above 576 lines, else BT.601; limited.
fn colorimetry(info: &gst_video::VideoInfo) -> Colorimetry {
    let matrix = match info.colorimetry().matrix() {
        VideoColorMatrix::Bt601 => Matrix::Bt601,
        VideoColorMatrix::Bt709 => Matrix::Bt709,
        VideoColorMatrix::Bt2020 => Matrix::Bt2020,
        VideoColorMatrix::Smpte240m => Matrix::Smpte240m,
        VideoColorMatrix::Fcc => Matrix::Fcc,
        _ if info.height() > 576 => Matrix::Bt709,
        _ => Matrix::Bt601,
    };
    let range = match info.colorimetry().range() {
        VideoColorRange::Range0_255 => Quantisation::Full,
        _ => Quantisation::Limited,
    };
    Colorimetry { matrix, range }
}
