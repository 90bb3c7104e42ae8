//! The mesh engine: the source photo's skin, warped triangle by triangle onto the target's mesh,
//! relit to the target's light, blended in.

pub(crate) mod bake;
pub(crate) mod chroma;
mod erase;
pub(crate) mod grain;
mod harmonics;
mod lanes;
mod layout;
pub(crate) mod lids;
pub(crate) mod light;
pub(crate) mod occlusion;
mod patch;
pub(crate) mod raster;
pub(crate) mod registration;
pub(crate) mod rim;
pub(crate) mod shape;
pub(crate) mod texture;
pub mod topology;
pub(crate) mod worn;

use grain::Grain;
use lids::Lids;
use occlusion::Occlusion;
use patch::Patches;
use raster::{Brush, Image, Ink, Vertex, triangle};
use registration::Registration;
use shape::Usual;
use topology::{Mesh, VERTICES, topology};
use worn::Worn;

use super::paint::paint;
use crate::engine::{
    frame::{Frame, Layer, Region},
    identity::View,
    params::{ColourMatch, Owner, Params},
    pool::Pool,
};

/// Power of how likely both faces are one person's, by which the source's shape is left out: other people of
/// much the same skin reach a half.
const ALIKE: i32 = 4;

/// Working memory of the mesh engine, kept from frame to frame.
#[derive(Debug)]
pub(crate) struct MeshSwap {
    layer: Layer,
    vertices: Box<[Vertex; VERTICES]>,
    /// The same for what lies inside eyes and mouth: drawn from the photo itself.
    inner: Box<[Vertex; VERTICES]>,
    normals: Box<[[f32; 3]; VERTICES]>,
    /// Cover without the openings, and with them.
    whole: Box<[f32; VERTICES]>,
    cover: Box<[f32; VERTICES]>,
    order: Vec<(f32, u16)>,
    patches: Patches,
    /// Where the face is drawn: its mesh with the source's shape.
    moved: Box<Mesh>,
}

impl Default for MeshSwap {
    fn default() -> Self {
        MeshSwap {
            layer: Layer::default(),
            vertices: Box::new([Vertex::default(); VERTICES]),
            inner: Box::new([Vertex::default(); VERTICES]),
            normals: Box::new([[0.0; 3]; VERTICES]),
            whole: Box::new([0.0; VERTICES]),
            cover: Box::new([0.0; VERTICES]),
            order: Vec::with_capacity(topology().triangles.len()),
            patches: Patches::default(),
            moved: Box::new([[0.0; 3]; VERTICES]),
        }
    }
}

/// Builds the tables now instead of on the first frame.
pub(crate) fn prepare() {
    light::prepare();
    grain::prepare();
    harmonics::prepare();
    shape::prepare();
    worn::prepare();
    occlusion::prepare();
}

/// A texture's value at `level`, in half octaves, between those of its `levels`. A finer one than the
/// first is the first magnified, by r = √2 a step, which divides the value by r to the `power`.
fn value_at(levels: &[f32], level: f32, power: f32) -> f32 {
    let (k, t) = (level.max(0.0) as usize, level.max(0.0).fract());
    let of = |k: usize| levels.get(k).or(levels.last()).copied().unwrap_or(0.0);
    (of(k) + t * (of(k + 1) - of(k))) * (0.5 * power * level.min(0.0)).exp2()
}

/// Blur with which a texture of this `sharpness`, drawn at `level`, is as sharp as `wanted`. A
/// Laplacian is a second derivative: magnification divides it by r².
fn blur_for(sharpness: &[f32], level: f32, wanted: f32) -> f32 {
    let mut blur = 0.0;
    while blur < 8.0 && value_at(sharpness, level + blur, 2.0) * (-blur).exp2() > wanted {
        blur += 0.125;
    }
    blur
}

/// What a face is drawn with.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub view: &'a View,
    pub gains: &'a light::Gains,
    pub usual: &'a Usual,
    pub worn: &'a Worn,
    pub lids: &'a Lids,
    pub occlusion: &'a Occlusion,
    pub registration: &'a Registration,
    /// Of the target, see [`light::of_frame`].
    pub sharpness: f32,
    /// Of the target, see [`grain::of_frame`].
    pub noise: f32,
    /// How coloured the target is, see [`chroma::colourfulness`].
    pub coloured: f32,
    /// How likely both faces are one person's, 0–1: that has the shape already.
    pub alike: f32,
    /// Of the frame in the stream, in nanoseconds.
    pub time: u64,
}

impl MeshSwap {
    /// Draws `look` on the face whose mesh is `mesh` (frame pixels). Returns the region that was
    /// written, `None` when the face is outside the frame.
    ///
    /// # Errors
    /// The message of a panic in a worker.
    pub fn draw(
        &mut self,
        frame: &mut Frame<'_>,
        mesh: &Mesh,
        look: Look<'_>,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Option<Region>, String> {
        let t = topology();
        let view = look.view;
        let shape = params.shape * (1.0 - look.alike.powi(ALIKE));
        let moves = look.usual.move_towards(&view.shape, shape, mesh, &mut self.moved);
        let moves = look.registration.apply(mesh, &mut self.moved) || moves;
        look.lids.close(&mut self.moved);
        rim::facing(&self.moved, &mut self.normals);
        let shut = look.lids.shut();
        rim::cover(&self.moved, &self.normals, params, shut, &mut self.whole, &mut self.cover);
        let bound = |axis: usize| {
            self.moved.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), p| {
                (low.min(p[axis]), high.max(p[axis]))
            })
        };
        let ((left, right), (top, bottom)) = (bound(0), bound(1));
        let Some(region) = Region::covering(left, top, right, bottom, frame.width(), frame.height()) else {
            return Ok(None);
        };
        self.place(region, look);
        look.lids.shade(&mut self.vertices[..]);
        self.sort(params);
        self.patches.clear();
        if moves {
            self.patches.take(frame, mesh, &self.vertices, &self.whole, params);
        }
        let (vertices, inner, order, patches) = (&self.vertices, &self.inner, &self.order, &self.patches);
        let opacity = 255.0 * params.opacity;
        let (blur, sigma) = self.blur(look, params.sharpness);
        let colour = match params.colour_match {
            ColourMatch::None => 1.0,
            _ => look.coloured * chroma::damping(&view.skin.low, look.gains),
        };
        let skin = Brush {
            image: Image::Pyramid(&view.skin.texture, blur),
            ink: Ink::Detail,
            over: false,
            opacity,
            colour,
            grain: Grain::new(sigma, look.time, (region.x, region.y)),
        };
        let photo = Brush { image: Image::Pyramid(&view.photo, blur), ink: Ink::Colour, ..skin };
        let own = Brush { colour: 1.0, ..photo };
        paint(frame, region, &mut self.layer, pool, &|band| {
            patches.each(|level, corner| {
                triangle(band, Brush { image: Image::Flat(level), ..own }, corner);
            });
            for &(_, index) in order {
                let index = usize::from(index);
                let corner = t.triangles[index].map(usize::from);
                if index < t.skin {
                    let over = moves && t.beside[index];
                    triangle(band, Brush { over, ..skin }, corner.map(|v| &vertices[v]));
                } else {
                    triangle(band, photo, corner.map(|v| &inner[v]));
                }
            }
            look.worn.erase(band, mesh, (region.x, region.y));
            look.occlusion.erase(band, mesh, (region.x, region.y));
        })?;
        Ok(Some(region))
    }

    /// Sets the vertices' attributes, relative to `region`.
    fn place(&mut self, region: Region, look: Look<'_>) {
        let (x, y) = (region.x as f32, region.y as f32);
        let view = look.view;
        for i in 0..VERTICES {
            let [contrast, red, green, blue, shown, gleam] = look.gains[i];
            let base = [red, green, blue];
            let skin = Vertex {
                x: self.moved[i][0] - x,
                y: self.moved[i][1] - y,
                u: view.skin.uv[i][0],
                v: view.skin.uv[i][1],
                cover: if shown < 1.0 { shown * self.cover[i].min(1.5) } else { self.cover[i] },
                contrast,
                gleam,
                base,
            };
            self.vertices[i] = skin;
            self.inner[i] = Vertex {
                u: view.uv[i][0],
                v: view.uv[i][1],
                cover: 1.0,
                base: std::array::from_fn(|k| base[k] - contrast * view.skin.low[i][k]),
                ..skin
            };
        }
    }

    /// Half octaves of blur that make the source as sharp as the target is without its noise, times
    /// 2^(2 `sharpness`); and the noise that is then missing, in levels.
    fn blur(&self, look: Look<'_>, sharpness: f32) -> (f32, f32) {
        const MOST: f32 = 4.0;
        // Relit features stand out more from the skin than a blur of the whole texture tells: measured over
        // 24 sources and six clips.
        const SHARE: f32 = 0.87;
        let t = topology();
        let area = |p: &dyn Fn(usize) -> (f32, f32), tri: &[u16; 3]| {
            let [a, b, c] = tri.map(|v| p(usize::from(v)));
            ((b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0)).max(0.0)
        };
        let (mut sheet, mut screen) = (0.0, 0.0);
        for tri in &t.triangles[..t.skin] {
            let seen = area(&|v| (self.vertices[v].x, self.vertices[v].y), tri);
            if seen > 0.0 {
                screen += seen;
                sheet += area(&|v| (self.vertices[v].u, self.vertices[v].v), tri);
            }
        }
        let contrast = look.gains.iter().map(|g| g[0]).sum::<f32>() / VERTICES as f32;
        let contrast = contrast.max(0.1);
        let wanted = SHARE * grain::without(look.sharpness, look.noise) * (2.0 * sharpness).exp2();
        let level = (sheet / screen.max(1.0)).max(1e-6).log2();
        let skin = &look.view.skin;
        let blur = blur_for(&skin.sharpness, level, wanted / contrast).min(MOST);
        // Noise is measured by fourth derivatives.
        let own = contrast * value_at(&skin.noise, level + blur, 4.0) * (-2.0 * blur).exp2();
        (blur, grain::missing(look.noise, own))
    }

    /// The triangles that face the camera, far to near.
    fn sort(&mut self, params: &Params) {
        let t = topology();
        let mesh = &*self.moved;
        let mouth_end = t.skin + t.mouth;
        self.order.clear();
        for (i, tri) in t.triangles.iter().enumerate() {
            let wanted = i < t.skin
                || (i < mouth_end && params.mouth == Owner::Source)
                || (i >= mouth_end && params.eyes == Owner::Source);
            if wanted && topology::signed_area(mesh, *tri) > 0.0 {
                let depth = tri.iter().map(|&v| mesh[usize::from(v)][2]).sum::<f32>();
                self.order.push((-depth, i as u16));
            }
        }
        self.order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_brings_a_sharp_texture_down_and_leaves_a_soft_one() {
        let levels = [10.0, 11.0, 12.0, 13.0];
        assert_eq!(blur_for(&levels, 0.0, 20.0), 0.0);
        let blur = blur_for(&levels, 0.0, 5.0);
        assert!((1.0..1.5).contains(&blur), "{blur}");
        assert!(blur_for(&levels, 1.0, 5.0) > blur);
        assert_eq!(blur_for(&levels, -4.0, 5.0), 0.0);
    }
}
