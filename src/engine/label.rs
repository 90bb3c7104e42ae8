//! The visible mark: a small label in a corner clear of faces.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

use super::{
    frame::{Frame, Layer, Region},
    geometry::Rect,
    pool::Pool,
    swap::paint::paint,
};

/// What the label says.
pub const TEXT: &str = "AI face swap";

/// Height of the text over that of the frame, and its least in pixels.
const HEIGHT: f32 = 0.028;
const LEAST: f32 = 11.0;
/// Opacity of the backing, 0–255.
const BACKING: f32 = 150.0;
/// The label stays in its corner until faces cover this share of it.
const TOLERANCE: f32 = 0.02;

/// The label as an image: its coverage by text, 0–255.
#[derive(Debug, Default)]
pub(crate) struct Label {
    frame: (usize, usize),
    width: usize,
    height: usize,
    text: Vec<u8>,
    corner: usize,
    layer: Layer,
}

impl Label {
    /// Renders the label for a frame size; does nothing when it is the same as before.
    pub fn fit(&mut self, width: usize, height: usize) {
        if self.frame == (width, height) {
            return;
        }
        *self = Label { frame: (width, height), layer: std::mem::take(&mut self.layer), ..Label::default() };
        let Ok(font) = FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT) else {
            return;
        };
        let short = width.min(height) as f32;
        // A narrow frame gets smaller text rather than none.
        let mut size = (HEIGHT * short).max(LEAST);
        let advance = |size: f32| {
            let scaled = font.as_scaled(PxScale::from(size));
            TEXT.chars().map(|c| scaled.h_advance(font.glyph_id(c))).sum::<f32>()
        };
        size *= (0.9 * width as f32 / (advance(size) + size)).min(1.0);
        let margin = 0.35 * size;
        let (w, h) = ((advance(size) + 2.0 * margin).ceil(), (size + 2.0 * margin * 0.5).ceil());
        if size < 5.0 || h > 0.5 * height as f32 {
            return;
        }
        (self.width, self.height) = (w as usize, h as usize);
        self.text.resize(self.width * self.height, 0);
        let scaled = font.as_scaled(PxScale::from(size));
        let mut x = margin;
        for c in TEXT.chars() {
            let at = point(x, 0.5 * margin + scaled.ascent());
            let glyph: Glyph = font.glyph_id(c).with_scale_and_position(size, at);
            x += scaled.h_advance(glyph.id);
            let Some(outline) = font.outline_glyph(glyph) else {
                continue;
            };
            let bounds = outline.px_bounds();
            outline.draw(|dx, dy, coverage| {
                let (px, py) = (bounds.min.x as i32 + dx as i32, bounds.min.y as i32 + dy as i32);
                if px >= 0 && py >= 0 && (px as usize) < self.width && (py as usize) < self.height {
                    let to = &mut self.text[py as usize * self.width + px as usize];
                    *to = (*to).max((255.0 * coverage.min(1.0)) as u8);
                }
            });
        }
    }

    /// Bottom right, bottom left, top right, top left.
    fn place(&self, corner: usize) -> Rect {
        let (fw, fh) = (self.frame.0 as f32, self.frame.1 as f32);
        let (w, h) = (self.width as f32, self.height as f32);
        let gap = (0.02 * fw.min(fh)).min(0.5 * (fw - w)).min(0.5 * (fh - h)).max(0.0);
        let x = if corner.is_multiple_of(2) { fw - w - gap } else { gap };
        let y = if corner < 2 { fh - h - gap } else { gap };
        Rect::new(x.max(0.0).floor(), y.max(0.0).floor(), w, h)
    }

    /// Draws the label where it covers least of `faces`; returns its box.
    ///
    /// # Errors
    /// The message of a panic in a worker.
    pub fn draw(
        &mut self,
        frame: &mut Frame<'_>,
        faces: impl Iterator<Item = Rect> + Clone,
        pool: &mut Pool,
    ) -> Result<Option<Rect>, String> {
        self.fit(frame.width(), frame.height());
        if self.width == 0 {
            return Ok(None);
        }
        let hidden = |corner: usize| {
            let rect = self.place(corner);
            faces.clone().map(|f| f.scaled(1.2).overlap(rect)).sum::<f32>() / rect.area()
        };
        if hidden(self.corner) > TOLERANCE {
            let best = (0..4).min_by(|&a, &b| hidden(a).total_cmp(&hidden(b)));
            self.corner = best.unwrap_or(0);
        }
        let rect = self.place(self.corner);
        let (right, bottom) = (rect.x + rect.width, rect.y + rect.height);
        let region = Region::covering(rect.x, rect.y, right, bottom, frame.width(), frame.height());
        let Some(region) = region else {
            return Ok(None);
        };
        let (dx, dy) = (rect.x as usize - region.x, rect.y as usize - region.y);
        let (width, height, text) = (self.width, self.height, &self.text);
        paint(frame, region, &mut self.layer, pool, &|band| {
            for y in 0..band.rows {
                let Some(row) = (band.top + y).checked_sub(dy).filter(|row| *row < height) else {
                    continue;
                };
                for x in 0..width.min(band.stride - dx) {
                    let ink = f32::from(text[row * width + x]) / 255.0;
                    let at = y * band.stride + dx + x;
                    let alpha = BACKING + (255.0 - BACKING) * ink;
                    let white = (255.0 * 255.0 * ink / alpha).min(255.0) as u8;
                    (band.r[at], band.g[at], band.b[at], band.a[at]) = (white, white, white, alpha as u8);
                }
            }
        })?;
        Ok(Some(rect))
    }
}
