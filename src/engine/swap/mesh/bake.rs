//! A source's skin, prepared once: detail without light on a flat sheet, its far side filled from
//! the near one, hair, glasses and background taken out.

use image::{ImageBuffer, Luma, imageops::fast_blur};

use super::{
    layout::Layout,
    light::{self, Lows, TRIANGLES, luma},
    raster::{ZERO, detail},
    rim,
    texture::{Texture, bilinear},
    topology::{Mesh, VERTICES, topology},
};

/// Sheet pixels a photo pixel: resampling twice must not cost sharpness.
const OVERSAMPLE: f32 = 1.4;
/// Pixels a face width of the sheet.
const DENSITY: (f32, f32) = (128.0, 640.0);

/// What is drawn of a source.
#[derive(Debug)]
pub(crate) struct Skin {
    /// What [`detail`] gives, plus [`ZERO`].
    pub texture: Texture,
    /// Texture pixels of every vertex.
    pub uv: Box<[[f32; 2]; VERTICES]>,
    /// The photo's own slow colours.
    pub low: Box<Lows>,
    /// How sharp each level of the texture is, in levels a pixel.
    pub sharpness: Vec<f32>,
}

/// A photo with the face's mesh on it.
pub(crate) struct Photo<'a> {
    pub texture: &'a Texture,
    /// Texture pixels of every vertex.
    pub uv: &'a [[f32; 2]; VERTICES],
    /// The same with the rim pulled inward: what is drawn.
    pub inset: &'a [[f32; 2]; VERTICES],
    pub mesh: &'a Mesh,
    /// Of the face as it was stored, in pixels.
    pub width: f32,
}

/// A sheet of per-pixel values while it is made.
struct Sheet {
    layout: Layout,
    detail: Vec<[f32; 3]>,
    /// How squarely the photo saw the pixel, 0–1; below 0 outside the skin.
    facing: Vec<f32>,
    /// Detail beyond this many levels is not skin.
    limit: Vec<f32>,
    /// Of the face in the photo, in its own pixels.
    photo_width: f32,
}

/// Prepares `photo`. Tens of milliseconds.
pub(crate) fn bake(photo: &Photo<'_>) -> Skin {
    let t = topology();
    let mut normals = Box::new([[0.0; 3]; VERTICES]);
    rim::facing(photo.mesh, &mut normals);
    let facing: Vec<f32> = normals.iter().map(|n| n[2].clamp(0.0, 1.0)).collect();

    let mut colours = Box::new([[0.0; 3]; TRIANGLES]);
    light::of_texture(photo.texture, photo.uv, &mut colours);
    let seen: Vec<f32> = t.triangles[..t.skin]
        .iter()
        .map(|tri| {
            let square = tri.iter().map(|&v| facing[usize::from(v)]).sum::<f32>() / 3.0;
            // The photo's rim may show what is behind the face.
            let rim = tri.iter().any(|&v| t.ring[usize::from(v)] == 0);
            smoothstep(0.1, 0.45, square) * if rim { 0.25 } else { 1.0 }
        })
        .collect();
    let mut low = Box::new([[0.0; 3]; VERTICES]);
    let mut scratch = light::Scratch::default();
    scratch.lows(&colours, |i| seen[i], &mut low);

    let span = |axis: usize| {
        let values = photo.uv.iter().map(|p| p[axis]);
        values.clone().fold(f32::MIN, f32::max) - values.fold(f32::MAX, f32::min)
    };
    let width = span(0).max(0.72 * span(1));
    let layout = Layout::new((OVERSAMPLE * width).clamp(DENSITY.0, DENSITY.1));
    let uv = layout.places();
    let mut sheet = Sheet::new(layout, photo.width);
    sheet.draw(photo, &uv, &low, &facing);
    sheet.mirror();
    sheet.clean(luma(&mean(&low)) / 150.0);
    let texture = sheet.into_texture();
    let sharpness = light::sharpness_of(&texture, &uv);
    Skin { texture, uv, low, sharpness }
}

fn mean(low: &Lows) -> [f32; 3] {
    std::array::from_fn(|k| low.iter().map(|c| c[k]).sum::<f32>() / VERTICES as f32)
}

fn smoothstep(low: f32, high: f32, v: f32) -> f32 {
    let x = ((v - low) / (high - low)).clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// Levels beyond which detail is hair, glasses or background, by vertex.
fn limits() -> Vec<f32> {
    let t = topology();
    let face = &*t.canonical;
    let distance = |p: [f32; 3], set: &[u16]| {
        set.iter()
            .map(|&v| (p[0] - face[usize::from(v)][0]).hypot(p[1] - face[usize::from(v)][1]))
            .fold(f32::INFINITY, f32::min)
    };
    const KEEP: f32 = 400.0;
    face.iter()
        .enumerate()
        .map(|(v, &p)| {
            // The outer ends of the brows are where a fringe falls.
            let inner = |set: &[u16]| -> Vec<u16> {
                set.iter().copied().filter(|&v| face[usize::from(v)][0].abs() < 0.33).collect()
            };
            let brow = distance(p, &inner(&t.left_brow)).min(distance(p, &inner(&t.right_brow)));
            let eye = distance(p, &t.left_eye).min(distance(p, &t.right_eye));
            let lips = distance(p, &t.lips_outer).min(distance(p, &t.lips_inner));
            match p {
                _ if brow < 0.022 || eye < 0.02 || lips < 0.03 => KEEP,
                [_, y, _] if y > 0.2 => {
                    if t.ring[v] <= 1 {
                        70.0
                    } else {
                        KEEP
                    }
                }
                [x, y, _] if x.abs() < 0.3 && y > -0.06 => 110.0,
                _ if t.ring[v] == 0 => 22.0,
                [_, y, _] if y < -0.3 => 26.0,
                [x, _, _] if x.abs() < 0.08 => 36.0,
                _ if eye < 0.07 => 45.0,
                _ => 32.0,
            }
        })
        .collect()
}

impl Sheet {
    fn new(layout: Layout, photo_width: f32) -> Self {
        let count = layout.width * layout.height;
        Sheet {
            layout,
            detail: vec![[0.0; 3]; count],
            facing: vec![-1.0; count],
            limit: vec![0.0; count],
            photo_width,
        }
    }

    /// Fills the skin's triangles from the photo.
    fn draw(&mut self, photo: &Photo<'_>, uv: &[[f32; 2]; VERTICES], low: &Lows, facing: &[f32]) {
        let t = topology();
        let limits = limits();
        for tri in &t.triangles[..t.skin] {
            let v = tri.map(usize::from);
            let from = v.map(|v| photo.inset[v]);
            let to = v.map(|v| uv[v]);
            let scale = (area(from) / area(to).max(1e-6)).abs().sqrt();
            let level = photo.texture.level(scale, 0.0);
            let (max_u, max_v) = level.limits();
            each_pixel(to, self.layout, |at, w| {
                let mix = |f: &dyn Fn(usize) -> f32| w[0] * f(v[0]) + w[1] * f(v[1]) + w[2] * f(v[2]);
                let x = mix(&|v| photo.inset[v][0]) * level.scale.0 - 0.5;
                let y = mix(&|v| photo.inset[v][1]) * level.scale.1 - 0.5;
                let fixed = |v: f32, max: i32| ((v * 65536.0) as i32).clamp(0, max);
                let texel = bilinear(level, fixed(x, max_u), fixed(y, max_v));
                let colour = std::array::from_fn(|k| f32::from(texel[k]) / 256.0);
                self.detail[at] = detail(colour, std::array::from_fn(|k| mix(&|v| low[v][k])));
                self.facing[at] = mix(&|v| facing[v]).max(0.0);
                self.limit[at] = mix(&|v| limits[v]);
            });
        }
    }

    fn mirrored(&self, at: usize) -> usize {
        let (y, x) = (at / self.layout.width, at % self.layout.width);
        y * self.layout.width + self.layout.width - 1 - x
    }

    /// Where the photo saw the other side much better, takes that.
    fn mirror(&mut self) {
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

    /// Takes out what is too far from skin to be skin; `brightness` 1 is skin of medium exposure.
    fn clean(&mut self, brightness: f32) {
        let density = self.layout.density;
        self.smooth_colour();
        let [light, red, blue] = [0, 1, 2].map(|k| self.plane(k));
        let fine = blur(light, 0.008 * density);
        let (red, blue) = (blur(red, 0.02 * density), blur(blue, 0.02 * density));
        let broad = blur(self.plane(0), 0.05 * density);
        let factor = brightness.clamp(0.4, 1.2);
        let glasses = self.glasses(&fine, &broad, factor);
        let edge = |at: usize| (fine[at] - broad[at]).abs();
        let usual = {
            let plain = |at: &usize| self.facing[*at] > 0.5 && self.limit[*at] < 40.0;
            let mut edges: Vec<f32> = (0..fine.len()).filter(plain).map(edge).collect();
            let middle = edges.len() / 2;
            if edges.is_empty() { 0.0 } else { *edges.select_nth_unstable_by(middle, f32::total_cmp).1 }
        };
        let line = (7.0 * factor).max(3.5 * usual);
        let outside = self.plane_of(|at| {
            if self.facing[at] < 0.0 {
                return 0.0;
            }
            let limit = self.limit[at] * factor;
            let tint = red[at].abs() + blue[at].abs();
            let shade = fine[at].abs();
            let mut out = smoothstep(limit, 1.8 * limit, shade);
            if glasses && self.limit[at] < 300.0 && near_lens(self.layout.face_at(at)) {
                out = out.max(smoothstep(line, 2.0 * line, edge(at)));
            }
            if self.limit[at] < 100.0 { out.max(smoothstep(18.0, 34.0, tint / factor)) } else { out }
        });
        // Grown, so that the soft borders of what is taken out go with it.
        let mut outside = blur(outside, 0.02 * density);
        outside.iter_mut().for_each(|v| *v = smoothstep(0.08, 0.45, *v));
        let slow: Vec<[f32; 3]> = {
            let [l, r, b] = [0, 1, 2].map(|k| blur(self.plane(k), 0.02 * density));
            (0..l.len()).map(|at| [l[at], r[at], b[at]]).collect()
        };
        let old = self.detail.clone();
        let quick = |at: usize| -> [f32; 3] { std::array::from_fn(|k| old[at][k] - slow[at][k]) };
        for at in 0..old.len() {
            let limit = self.limit[at];
            if self.facing[at] < 0.0 || limit > 300.0 {
                continue;
            }
            let out = outside[at];
            // Skin from nearby where there is none.
            let fill = if out > 0.0 {
                let clean = |&there: &usize| {
                    self.facing[there] >= 0.0 && outside[there] < 0.1 && self.limit[there] < 60.0
                };
                let places = [(0.0, 0.2), (0.0, -0.2), (0.1, 0.25), (-0.1, 0.25), (0.0, 0.3)];
                let shifted = places.iter().filter_map(|&(x, y)| self.shifted(at, x, y));
                std::iter::once(self.mirrored(at)).chain(shifted).find(clean).map_or([0.0; 3], quick)
            } else {
                [0.0; 3]
            };
            let own = quick(at);
            for k in 0..3 {
                let bound = if k == 0 { limit * factor } else { 0.5 * limit * factor };
                let low = slow[at][k] / (1.0 + (slow[at][k] / bound).powi(2)).sqrt();
                self.detail[at][k] = low * (1.0 - 0.7 * out) + own[k] * (1.0 - out) + fill[k] * out;
            }
        }
    }

    /// Photos keep less colour than they seem to: what is left is block noise, worse in small ones.
    fn smooth_colour(&mut self) {
        let small = smoothstep(200.0, 60.0, self.photo_width);
        for k in [1, 2] {
            let smooth = blur(self.plane(k), (0.006 + 0.016 * small) * self.layout.density);
            for (detail, smooth) in self.detail.iter_mut().zip(smooth) {
                detail[k] = smooth;
            }
        }
    }

    /// The pixel `x`, `y` face widths away, if it is on the sheet.
    fn shifted(&self, at: usize, x: f32, y: f32) -> Option<usize> {
        let move_by = |from: usize, by: f32, size: usize| {
            let to = from as f32 + by * self.layout.density;
            (to >= 0.0 && to < size as f32).then_some(to as usize)
        };
        let column = move_by(at % self.layout.width, x, self.layout.width)?;
        Some(move_by(at / self.layout.width, y, self.layout.height)? * self.layout.width + column)
    }

    /// Whether a dark line crosses the bridge of the nose and another a temple.
    fn glasses(&self, fine: &[f32], broad: &[f32], factor: f32) -> bool {
        let line = |left: f32, right: f32| {
            let mut rows = vec![(0.0, 0.0); self.layout.height];
            for at in 0..fine.len() {
                let [x, y] = self.layout.face_at(at);
                if self.facing[at] >= 0.0 && x > left && x < right && y > -0.28 && y < -0.08 {
                    let row = &mut rows[at / self.layout.width];
                    *row = (row.0 + fine[at] - broad[at], row.1 + 1.0);
                }
            }
            let darkest = rows.iter().filter(|r| r.1 > 0.0).map(|r| r.0 / r.1).fold(0.0, f32::min);
            darkest / factor < -7.0
        };
        line(-0.025, 0.025) && (line(-0.62, -0.42) || line(0.42, 0.62))
    }

    fn plane(&self, channel: usize) -> ImageBuffer<Luma<f32>, Vec<f32>> {
        self.plane_of(|at| self.detail[at][channel])
    }

    fn plane_of(&self, value: impl Fn(usize) -> f32) -> ImageBuffer<Luma<f32>, Vec<f32>> {
        let width = self.layout.width as u32;
        ImageBuffer::from_fn(width, self.layout.height as u32, |x, y| Luma([value((y * width + x) as usize)]))
    }

    fn into_texture(self) -> Texture {
        let bytes = |d: &[f32; 3]| {
            let [r, g, b] = d.map(|v| (v + ZERO).round().clamp(0.0, 255.0) as u8);
            [r, g, b, 0]
        };
        let rgbx = self.detail.iter().flat_map(bytes).collect();
        Texture::new(rgbx, self.layout.width as u32, self.layout.height as u32)
    }
}

/// Whether a place on the sheet, in face widths, may lie behind a pair of glasses.
fn near_lens([x, y]: [f32; 2]) -> bool {
    y > -0.3 && y < 0.06 && (x.abs() > 0.3 || y < 0.03 - 0.1 * x.abs()) && (y < -0.06 || x.abs() > 0.06)
}

/// Gaussian blur of values within ±512, which the library wants between 0 and 1.
fn blur(mut plane: ImageBuffer<Luma<f32>, Vec<f32>>, sigma: f32) -> Vec<f32> {
    plane.iter_mut().for_each(|v| *v = *v / 1024.0 + 0.5);
    let mut out = fast_blur(&plane, sigma.max(0.5)).into_raw();
    out.iter_mut().for_each(|v| *v = (*v - 0.5) * 1024.0);
    out
}

fn area([a, b, c]: [[f32; 2]; 3]) -> f32 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// Calls `f` with index and barycentric coordinates of the pixels of a triangle, and of those up to
/// a pixel beside it, so that sampling at its edge finds skin.
fn each_pixel(corner: [[f32; 2]; 3], layout: Layout, mut f: impl FnMut(usize, [f32; 3])) {
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
        ((low - 1.5).max(0.0) as usize)..((high + 1.5).max(0.0) as usize + 1).min(size)
    };
    for y in range(top, bottom, layout.height) {
        for x in range(left, right, layout.width) {
            let p = [x as f32 + 0.5, y as f32 + 0.5];
            let w = [
                area([p, corner[1], corner[2]]) / whole,
                area([corner[0], p, corner[2]]) / whole,
                area([corner[0], corner[1], p]) / whole,
            ];
            if w.iter().all(|w| *w >= -slack) {
                f(y * layout.width + x, w);
            }
        }
    }
}
