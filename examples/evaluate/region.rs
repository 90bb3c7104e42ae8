//! The part of a frame that is compared: the face's oval, eroded.

use gstfaceswap::engine::{
    geometry::{Point, Rect},
    topology::{Mesh, topology},
};
use image::RgbImage;

/// Of the oval's width.
const EROSION: f32 = 0.05;
/// Pixels around the oval's box, for windows that reach beyond it.
const MARGIN: f32 = 8.0;

/// A box of the frame, and which of its pixels count.
pub struct Region {
    x: u32,
    y: u32,
    pub width: usize,
    height: usize,
    pub inside: Vec<bool>,
}

impl Region {
    /// The oval of `mesh` without a rim of 5 % of its width.
    pub fn of_mesh(mesh: &Mesh, frame: &RgbImage) -> Region {
        let oval = topology().oval.iter().map(|&v| mesh[usize::from(v)]);
        let oval: Vec<Point> = oval.map(|p| Point::new(p[0], p[1])).collect();
        let bounds = Rect::around(oval.iter().copied());
        let clip = |v: f32, max: u32| v.clamp(0.0, max as f32) as u32;
        let x = clip(bounds.x - MARGIN, frame.width() - 1);
        let y = clip(bounds.y - MARGIN, frame.height() - 1);
        let right = clip(bounds.x + bounds.width + MARGIN, frame.width()).max(x + 1);
        let bottom = clip(bounds.y + bounds.height + MARGIN, frame.height()).max(y + 1);
        let (width, height) = ((right - x) as usize, (bottom - y) as usize);
        let rim = EROSION * bounds.width;
        let at = |i: usize| {
            Point::new((x as usize + i % width) as f32 + 0.5, (y as usize + i / width) as f32 + 0.5)
        };
        let inside = (0..width * height).map(|i| depth(&oval, at(i)) > rim).collect();
        Region { x, y, width, height, inside }
    }

    fn pixels<'a>(&self, frame: &'a RgbImage) -> impl Iterator<Item = [u8; 3]> + use<'a> {
        let (x, y, width, height) = (self.x, self.y, self.width as u32, self.height as u32);
        (y..y + height).flat_map(move |y| (x..x + width).map(move |x| frame.get_pixel(x, y).0))
    }

    pub fn rgb(&self, frame: &RgbImage) -> Vec<[u8; 3]> {
        self.pixels(frame).collect()
    }

    /// Rec. 601 luma, 0–255.
    pub fn luma(&self, frame: &RgbImage) -> Vec<f32> {
        let luma = |[r, g, b]: [u8; 3]| 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
        self.pixels(frame).map(luma).collect()
    }
}

/// Distance from `p` to the outline, negative outside.
fn depth(outline: &[Point], p: Point) -> f32 {
    let (mut inside, mut nearest) = (false, f32::MAX);
    for (i, &a) in outline.iter().enumerate() {
        let b = outline[(i + 1) % outline.len()];
        if (a.y > p.y) != (b.y > p.y) && p.x < a.x + (p.y - a.y) / (b.y - a.y) * (b.x - a.x) {
            inside = !inside;
        }
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let t = ((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy).max(1e-9);
        let t = t.clamp(0.0, 1.0);
        nearest = nearest.min(p.distance(Point::new(a.x + t * dx, a.y + t * dy)));
    }
    if inside { nearest } else { -nearest }
}
