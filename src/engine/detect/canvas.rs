//! The picture that a detector looks at.

use super::super::geometry::Point;

/// The frame scaled down, aspect kept, in the top left corner; the rest is 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Canvas {
    /// Pixels, a multiple of 32.
    pub width: usize,
    /// Pixels, a multiple of 32.
    pub height: usize,
    /// Pixels across that show the frame.
    pub content_width: usize,
    /// Pixels down that show the frame.
    pub content_height: usize,
    /// Frame pixels a canvas pixel.
    pub scale: f32,
    /// Three planes R, G, B of `width · height` values in 0–255.
    pub rgb: Vec<f32>,
}

impl Canvas {
    /// A black canvas for frames of the given size, whose long side becomes `long_side` pixels
    /// (32–4096).
    pub fn layout(frame_width: usize, frame_height: usize, long_side: usize) -> Canvas {
        let (content_width, content_height, scale) = content(frame_width, frame_height, long_side);
        let (width, height) = (content_width.next_multiple_of(32), content_height.next_multiple_of(32));
        let rgb = vec![0.0; 3 * width * height];
        Canvas { width, height, content_width, content_height, scale, rgb }
    }

    /// Whether [`layout`](Self::layout) would give a canvas of the same shape and scale.
    pub fn is_for(&self, frame_width: usize, frame_height: usize, long_side: usize) -> bool {
        (self.content_width, self.content_height, self.scale) == content(frame_width, frame_height, long_side)
    }

    /// A point of the canvas in frame pixels.
    pub fn to_frame(&self, p: Point) -> Point {
        Point::new(p.x * self.scale, p.y * self.scale)
    }

    /// What is wrong with the fields, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        let Canvas { width, height, content_width, content_height, scale, .. } = *self;
        let content = (1..=width).contains(&content_width) && (1..=height).contains(&content_height);
        let values = width.checked_mul(height).and_then(|area| area.checked_mul(3));
        let sane = content && scale.is_finite() && scale > 0.0 && values == Some(self.rgb.len());
        let have = self.rgb.len();
        (!sane).then(|| {
            format!("a {width}×{height} canvas that shows {content_width}×{content_height} at {scale} in {have} values")
        })
    }

    pub(super) fn plane(&self, channel: usize) -> &[f32] {
        let area = self.width * self.height;
        self.rgb.get(channel * area..(channel + 1) * area).unwrap_or(&[])
    }
}

/// Width and height of the part that shows the frame, and frame pixels a canvas pixel.
fn content(frame_width: usize, frame_height: usize, long_side: usize) -> (usize, usize, f32) {
    let (frame_width, frame_height) = (frame_width.max(1), frame_height.max(1));
    let long_side = long_side.clamp(32, 4096);
    let scale = frame_width.max(frame_height) as f64 / long_side as f64;
    let side = |frame: usize| ((frame as f64 / scale).round() as usize).clamp(1, long_side);
    (side(frame_width), side(frame_height), scale as f32)
}
