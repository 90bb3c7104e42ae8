//! What recognition and image-driven networks need of a source photo.

use image::{RgbImage, imageops};
use sha2::{Digest, Sha256};

use crate::engine::{
    frame::PackedRgb,
    geometry::Point,
    landmarks::bounds,
    swap::{
        mesh::topology::Mesh,
        neural::{Points, points_of},
    },
};

/// The cut reaches this far beyond the face's box, in its sides: as far as any template does.
const MARGIN: f32 = 1.0;
/// Longest side of the cut in pixels; larger ones are scaled down.
const MAX_SIDE: u32 = 2048;

/// A face cut out of a photo.
#[derive(Debug)]
pub(crate) struct Portrait {
    image: RgbImage,
    /// In pixels of the cut.
    pub points: Points,
    /// In pixels of the photo.
    pub in_photo: Points,
    /// Of pixels and points: what recognition depends on.
    pub digest: [u8; 32],
}

impl Portrait {
    /// Cuts out the face whose mesh is `mesh`, in pixels of `photo`.
    pub fn cut(photo: &RgbImage, mesh: &Mesh) -> Self {
        let face = bounds(mesh);
        let side = |at: f32, length: f32, most: u32| {
            let low = (at - MARGIN * length).clamp(0.0, (most - 1) as f32) as u32;
            let high = (at + (1.0 + MARGIN) * length).ceil().clamp(0.0, most as f32) as u32;
            (low, high.max(low + 1) - low)
        };
        let (x, width) = side(face.x, face.width, photo.width());
        let (y, height) = side(face.y, face.height, photo.height());
        let mut image = imageops::crop_imm(photo, x, y, width, height).to_image();
        let shrink = (MAX_SIDE as f32 / width.max(height) as f32).min(1.0);
        if shrink < 1.0 {
            let scaled = |side: u32| ((side as f32 * shrink).round() as u32).max(1);
            image = imageops::thumbnail(&image, scaled(width), scaled(height));
        }
        let scale = (image.width() as f32 / width as f32, image.height() as f32 / height as f32);
        let place = |p: Point| Point::new((p.x - x as f32) * scale.0, (p.y - y as f32) * scale.1);
        let in_photo = points_of(mesh);
        let points = in_photo.map(place);
        let mut hash = Sha256::new();
        hash.update(image.width().to_le_bytes());
        hash.update(image.as_raw());
        points.iter().for_each(|p| {
            hash.update(p.x.to_le_bytes());
            hash.update(p.y.to_le_bytes());
        });
        Portrait { image, points, in_photo, digest: hash.finalize().into() }
    }

    pub fn reader(&self) -> PackedRgb<'_> {
        PackedRgb { data: self.image.as_raw(), stride: 3 * self.image.width() as usize, step: 3, red: 0 }
    }

    /// Pixels across and down.
    pub fn size(&self) -> (usize, usize) {
        (self.image.width() as usize, self.image.height() as usize)
    }
}
