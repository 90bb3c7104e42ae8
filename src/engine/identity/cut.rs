//! The face cut out of a photo, with its mesh on it.

use std::time::Duration;

use image::RgbImage;

use crate::engine::{
    frame::{Colorimetry, Frame, PixelFormat},
    geometry::Rect,
    landmarks::bounds,
    swap::mesh::{
        bake::Photo,
        texture::Texture,
        topology::{Mesh, VERTICES, topology},
        worn::Worn,
    },
};

/// The texture reaches this far beyond the face's box, in its sides.
const MARGIN: f32 = 0.25;
/// Longest side of a texture in pixels; larger photos are scaled down to it.
const MAX_TEXTURE: f32 = 2048.0;
/// Smaller faces are enlarged to this width, smoothly: drawing a small texture large shows its
/// pixels.
const ENLARGED: f32 = 280.0;
const MAX_ENLARGEMENT: f32 = 8.0;
/// How far the oval moves inward, so that background and hair stay out: on the rim and one ring in.
const INSET: [f32; 2] = [0.02, 0.01];

/// A photo's face.
pub(super) struct Cut {
    pub texture: Texture,
    /// Texture pixels of every vertex.
    pub uv: Box<[[f32; 2]; VERTICES]>,
    inset: Box<[[f32; 2]; VERTICES]>,
    pub mesh: Box<Mesh>,
    width: f32,
    worn: Worn,
    /// See [`Photo::merit`].
    pub merit: f32,
}

impl Cut {
    /// Cuts the face with this mesh out of a photo.
    pub fn new(image: &RgbImage, mesh: Box<Mesh>) -> Self {
        let face = bounds(&mesh);
        let (mx, my) = (MARGIN * face.width, MARGIN * face.height);
        let wanted = Rect::new(face.x - mx, face.y - my, face.width + 2.0 * mx, face.height + 2.0 * my);
        let clip = |v: f32, max: u32| v.clamp(0.0, max as f32) as u32;
        let (x0, y0) = (clip(wanted.x, image.width() - 1), clip(wanted.y, image.height() - 1));
        let x1 = clip((wanted.x + wanted.width).ceil(), image.width()).max(x0 + 1);
        let y1 = clip((wanted.y + wanted.height).ceil(), image.height()).max(y0 + 1);
        let (width, height) = (x1 - x0, y1 - y0);
        let mut rgbx = Vec::with_capacity((width * height * 4) as usize);
        for y in y0..y1 {
            for x in x0..x1 {
                let [r, g, b] = image.get_pixel(x, y).0;
                rgbx.extend([r, g, b, 0]);
            }
        }
        let whole = Texture::new(rgbx, width, height);
        let shrink = (MAX_TEXTURE / width.max(height) as f32).min(1.0);
        let enlarge = (ENLARGED / face.width.max(1.0)).min(MAX_ENLARGEMENT);
        let (texture, scale) = if shrink < 1.0 {
            whole.shrunk(shrink)
        } else if enlarge > 1.0 {
            whole.enlarged(enlarge)
        } else {
            (whole, (1.0, 1.0))
        };
        let mut uv = Box::new([[0.0; 2]; VERTICES]);
        for (uv, p) in uv.iter_mut().zip(mesh.iter()) {
            *uv = [(p[0] - x0 as f32) * scale.0, (p[1] - y0 as f32) * scale.1];
        }
        let worn = worn(&texture, &uv);
        let mut pulled = uv.clone();
        inset(&mut pulled);
        let mut cut = Cut { texture, uv, inset: pulled, mesh, width: face.width, worn, merit: 0.0 };
        cut.merit = cut.photo().merit();
        cut
    }

    pub fn photo(&self) -> Photo<'_> {
        Photo {
            texture: &self.texture,
            uv: &self.uv,
            inset: &self.inset,
            mesh: &self.mesh,
            width: self.width,
            worn: &self.worn,
        }
    }
}

/// The glasses in a texture with the face's vertices at `uv`.
fn worn(texture: &Texture, uv: &[[f32; 2]; VERTICES]) -> Worn {
    let level = &texture.levels[0];
    let (mut rgbx, stride) = (level.rgbx(), 4 * level.width);
    let planes = [&mut rgbx[..], &mut [][..], &mut [][..]];
    let size = (level.width, level.height);
    let mut worn = Worn::default();
    if let Ok(frame) =
        Frame::new(PixelFormat::Rgbx, size.0, size.1, planes, [stride, 0, 0], Colorimetry::default())
    {
        worn.observe(&frame, &Box::new(uv.map(|[x, y]| [x, y, 0.0])), Duration::ZERO);
    }
    worn
}

/// Pulls the rim's coordinates towards the face's centre.
fn inset(uv: &mut [[f32; 2]; VERTICES]) {
    let t = topology();
    let n = t.oval.len() as f32;
    let mean = |axis: usize| t.oval.iter().map(|&v| uv[usize::from(v)][axis]).sum::<f32>() / n;
    let centre = [mean(0), mean(1)];
    for (uv, &ring) in uv.iter_mut().zip(&t.ring) {
        if let Some(inset) = INSET.get(usize::from(ring)) {
            for k in 0..2 {
                uv[k] += inset * (centre[k] - uv[k]);
            }
        }
    }
}
