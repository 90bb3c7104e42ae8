//! Where the skin lies on a flat sheet: the canonical face unrolled from a cylinder, so that
//! cheeks keep their room.

use std::sync::LazyLock;

use super::topology::{VERTICES, topology};

/// Distance of the cylinder's axis behind the face's zero depth, in face widths.
const AXIS: f32 = 0.35;
/// Distance of the nose from the axis: there one unit of the sheet is one of the face.
const RADIUS: f32 = 0.6;
/// Pixels left free around the skin.
const MARGIN: f32 = 3.0;

struct Sheet {
    /// In face widths; x symmetric around 0.
    at: Box<[[f32; 2]; VERTICES]>,
    half_width: f32,
    top: f32,
    bottom: f32,
}

static SHEET: LazyLock<Sheet> = LazyLock::new(|| {
    let mut at = Box::new([[0.0; 2]; VERTICES]);
    for (at, p) in at.iter_mut().zip(topology().canonical.iter()) {
        *at = [RADIUS * p[0].atan2((AXIS - p[2]).max(0.05)), p[1]];
    }
    let fold = |axis: usize, f: fn(f32, f32) -> f32| at.iter().map(|p| p[axis]).fold(0.0, f);
    let half_width = fold(0, f32::max).max(-fold(0, f32::min));
    let (top, bottom) = (fold(1, f32::min), fold(1, f32::max));
    Sheet { at, half_width, top, bottom }
});

/// A sheet of a certain size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Pixels a face width, at the nose.
    pub density: f32,
    pub width: usize,
    pub height: usize,
}

impl Layout {
    /// `density`: pixels a face width.
    pub fn new(density: f32) -> Self {
        let size = |length: f32| (length * density + 2.0 * MARGIN).ceil() as usize;
        let sheet = &*SHEET;
        Layout { density, width: size(2.0 * sheet.half_width), height: size(sheet.bottom - sheet.top) }
    }

    /// Place of a pixel, by its index: in face widths from the middle, and down as the canonical
    /// face has it.
    pub fn face_at(&self, index: usize) -> [f32; 2] {
        let (x, y) = (index % self.width, index / self.width);
        let across = (x as f32 + 0.5 - 0.5 * self.width as f32) / self.density;
        [across, (y as f32 + 0.5 - MARGIN) / self.density + SHEET.top]
    }

    /// The inverse of [`face_at`](Self::face_at): column and row, counted from the first pixel's middle.
    pub fn pixel_at(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [x * self.density + 0.5 * self.width as f32 - 0.5, (y - SHEET.top) * self.density + MARGIN - 0.5]
    }

    /// Pixels of every vertex; left and right mirror each other.
    pub fn places(&self) -> Box<[[f32; 2]; VERTICES]> {
        let sheet = &*SHEET;
        let mut places = sheet.at.clone();
        for p in places.iter_mut() {
            p[0] = 0.5 * self.width as f32 + p[0] * self.density;
            p[1] = MARGIN + (p[1] - sheet.top) * self.density;
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_triangle_of_the_skin_is_folded_and_sides_mirror() {
        let layout = Layout::new(200.0);
        let at = layout.places();
        let t = topology();
        let mut folded = 0;
        for tri in &t.triangles[..t.skin] {
            let [a, b, c] = tri.map(|v| at[usize::from(v)]);
            let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
            folded += usize::from(area <= 0.0);
        }
        assert_eq!(folded, 0);
        for (v, p) in at.iter().enumerate() {
            let m = at[usize::from(t.mirror[v])];
            assert!((p[0] + m[0] - layout.width as f32).abs() < 0.05 && (p[1] - m[1]).abs() < 0.05);
            assert!(p[0] > 2.0 && p[1] > 2.0);
            assert!(p[0] < layout.width as f32 - 2.0 && p[1] < layout.height as f32 - 2.0);
        }
    }
}
