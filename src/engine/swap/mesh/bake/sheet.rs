//! A sheet of skin while it is made.

use image::{ImageBuffer, Luma, imageops::fast_blur};

use super::{Photo, zones::zones};
use crate::engine::geometry::smoothstep;
use crate::engine::swap::mesh::{
    layout::Layout,
    light::Lows,
    raster::{ZERO, detail},
    texture::{Texture, bilinear},
    topology::{VERTICES, topology},
};

/// Per-pixel values.
pub(super) struct Sheet {
    pub layout: Layout,
    pub detail: Vec<[f32; 3]>,
    /// How squarely the photo saw the pixel, 0–1; below 0 outside the skin.
    pub facing: Vec<f32>,
    /// Detail beyond this many levels is not skin.
    pub limit: Vec<f32>,
    /// Distances from the brows and the lips, in face widths.
    pub brow: Vec<f32>,
    pub lips: Vec<f32>,
    /// How much of a brow there is, softly, 0–1.
    pub soft_brow: Vec<f32>,
    /// Of the face in the photo, in its own pixels.
    pub photo_width: f32,
}

impl Sheet {
    pub fn new(layout: Layout, photo_width: f32) -> Self {
        let count = layout.width * layout.height;
        Sheet {
            layout,
            detail: vec![[0.0; 3]; count],
            facing: vec![-1.0; count],
            limit: vec![0.0; count],
            brow: vec![1.0; count],
            lips: vec![1.0; count],
            soft_brow: vec![0.0; count],
            photo_width,
        }
    }

    /// Fills the skin's triangles from the photo.
    pub fn draw(&mut self, photo: &Photo<'_>, uv: &[[f32; 2]; VERTICES], low: &Lows, facing: &[f32]) {
        let t = topology();
        let zones = zones();
        for tri in &t.triangles[..t.skin] {
            let v = tri.map(usize::from);
            let from = v.map(|v| photo.inset[v]);
            let to = v.map(|v| uv[v]);
            let scale = (area(from) / area(to).max(1e-6)).abs().sqrt();
            let level = photo.texture.level(scale, 0.0);
            let (max_u, max_v) = level.limits();
            each_pixel(to, (self.layout.width, self.layout.height), |at, w| {
                let mix = |f: &dyn Fn(usize) -> f32| w[0] * f(v[0]) + w[1] * f(v[1]) + w[2] * f(v[2]);
                let x = mix(&|v| photo.inset[v][0]) * level.scale.0 - 0.5;
                let y = mix(&|v| photo.inset[v][1]) * level.scale.1 - 0.5;
                let fixed = |v: f32, max: i32| ((v * 65536.0) as i32).clamp(0, max);
                let texel = bilinear(level, fixed(x, max_u), fixed(y, max_v));
                let colour = std::array::from_fn(|k| f32::from(texel[k]) / 256.0);
                self.detail[at] = detail(colour, std::array::from_fn(|k| mix(&|v| low[v][k])));
                self.facing[at] = mix(&|v| facing[v]).max(0.0);
                [self.limit[at], self.brow[at], self.lips[at], self.soft_brow[at]] =
                    zones.at(self.layout.face_at(at));
            });
        }
    }

    pub fn mirrored(&self, at: usize) -> usize {
        let (y, x) = (at / self.layout.width, at % self.layout.width);
        y * self.layout.width + self.layout.width - 1 - x
    }

    /// Where the photo saw the other side much better, takes that.
    pub fn mirror(&mut self) {
        let light = blur(self.plane(0), 0.02 * self.layout.density);
        let share = self.plane_of(|at| {
            let there = self.mirrored(at);
            let (own, other) = (self.facing[at], self.facing[there]);
            if own < 0.0 || other < 0.0 {
                return 0.0;
            }
            let unlike = smoothstep(20.0, 50.0, (light[at] - light[there]).abs());
            let better = other - own;
            smoothstep(0.1, 0.4, better).max(unlike * smoothstep(0.0, 0.1, better))
        });
        let share = blur(share, 0.02 * self.layout.density);
        let old = self.detail.clone();
        for (at, &share) in share.iter().enumerate().filter(|(_, s)| **s > 0.0) {
            let other = old[self.mirrored(at)];
            for k in 0..3 {
                self.detail[at][k] += share * (other[k] - old[at][k]);
            }
        }
    }

    pub fn plane(&self, channel: usize) -> ImageBuffer<Luma<f32>, Vec<f32>> {
        self.plane_of(|at| self.detail[at][channel])
    }

    pub fn plane_of(&self, value: impl Fn(usize) -> f32) -> ImageBuffer<Luma<f32>, Vec<f32>> {
        let width = self.layout.width as u32;
        ImageBuffer::from_fn(width, self.layout.height as u32, |x, y| Luma([value((y * width + x) as usize)]))
    }

    pub fn into_texture(self) -> Texture {
        let bytes = |d: &[f32; 3]| {
            let [r, g, b] = d.map(|v| ((v + ZERO).clamp(0.0, 255.0) + 0.5) as u8);
            [r, g, b, 0]
        };
        let rgbx = self.detail.iter().flat_map(bytes).collect();
        Texture::new(rgbx, self.layout.width as u32, self.layout.height as u32)
    }
}

/// Gaussian blur of values within ±512, wide ones at lower resolution.
pub(super) fn blur(plane: ImageBuffer<Luma<f32>, Vec<f32>>, sigma: f32) -> Vec<f32> {
    let (width, height) = (plane.width() as usize, plane.height() as usize);
    let factor = ((0.5 * sigma) as usize).clamp(1, 4);
    let (w, h) = (width.div_ceil(factor), height.div_ceil(factor));
    let whole = plane.into_raw();
    // The library wants values between 0 and 1.
    let small = ImageBuffer::from_fn(w as u32, h as u32, |x, y| {
        let columns = x as usize * factor..((x as usize + 1) * factor).min(width);
        let rows = y as usize * factor..((y as usize + 1) * factor).min(height);
        let n = (columns.len() * rows.len()) as f32;
        let sum: f32 = rows.map(|y| whole[y * width..][columns.clone()].iter().sum::<f32>()).sum();
        Luma([sum / n / 1024.0 + 0.5])
    });
    let small = fast_blur(&small, (sigma / factor as f32).max(0.5)).into_raw();
    let place = |at: usize, size: usize| {
        let v = ((at as f32 + 0.5) / factor as f32 - 0.5).clamp(0.0, size as f32 - 1.0);
        (v as usize, (v as usize + 1).min(size - 1), v.fract())
    };
    let columns: Vec<_> = (0..width).map(|x| place(x, w)).collect();
    let mut out = whole;
    for (y, row) in out.chunks_exact_mut(width).enumerate() {
        let (above, below, t) = place(y, h);
        let (above, below) = (&small[above * w..][..w], &small[below * w..][..w]);
        for (v, &(left, right, s)) in row.iter_mut().zip(&columns) {
            let a = above[left] + s * (above[right] - above[left]);
            let b = below[left] + s * (below[right] - below[left]);
            *v = (a + t * (b - a) - 0.5) * 1024.0;
        }
    }
    out
}

fn area([a, b, c]: [[f32; 2]; 3]) -> f32 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// Calls `f` with index and barycentric coordinates of the pixels of a triangle, and of those up to
/// a pixel beside it, so that sampling at its edge finds skin.
pub(in crate::engine::swap::mesh) fn each_pixel(
    corner: [[f32; 2]; 3],
    size: (usize, usize),
    mut f: impl FnMut(usize, [f32; 3]),
) {
    let whole = area(corner);
    if whole.abs() < 1e-6 {
        return;
    }
    let bound = |axis: usize| {
        let v = corner.map(|c| c[axis]);
        (v[0].min(v[1]).min(v[2]), v[0].max(v[1]).max(v[2]))
    };
    let ((left, right), (top, bottom)) = (bound(0), bound(1));
    let slack = {
        let longest = (0..3)
            .map(|i| {
                let (p, q) = (corner[i], corner[(i + 1) % 3]);
                (p[0] - q[0]).hypot(p[1] - q[1])
            })
            .fold(0.0, f32::max);
        longest / whole.abs()
    };
    let range = |low: f32, high: f32, size: usize| {
        ((low - 1.5).max(0.0) as usize)..((high + 1.5).max(0.0) as usize).saturating_add(1).min(size)
    };
    for y in range(top, bottom, size.1) {
        for x in range(left, right, size.0) {
            let p = [x as f32 + 0.5, y as f32 + 0.5];
            let w = [
                area([p, corner[1], corner[2]]) / whole,
                area([corner[0], p, corner[2]]) / whole,
                area([corner[0], corner[1], p]) / whole,
            ];
            if w.iter().all(|w| *w >= -slack) {
                f(y * size.0 + x, w);
            }
        }
    }
}
