//! The mesh engine: the source photo's skin, warped triangle by triangle onto the target's mesh,
//! relit to the target's light, blended in.

pub(crate) mod bake;
mod layout;
pub(crate) mod light;
mod patch;
pub(crate) mod raster;
pub(crate) mod rim;
pub(crate) mod shape;
pub(crate) mod texture;
pub mod topology;

use patch::Patches;
use raster::{Brush, Image, Ink, Vertex, triangle};
use shape::Usual;
use topology::{Mesh, VERTICES, topology};

use super::paint::paint;
use crate::engine::{
    frame::{Frame, Layer, Region},
    identity::View,
    params::{Owner, Params},
    pool::Pool,
};

/// Working memory of the mesh engine, kept from frame to frame.
#[derive(Debug)]
pub(crate) struct MeshSwap {
    layer: Layer,
    vertices: Box<[Vertex; VERTICES]>,
    /// The same for what lies inside eyes and mouth: drawn from the photo itself.
    inner: Box<[Vertex; VERTICES]>,
    normals: Box<[[f32; 3]; VERTICES]>,
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
            cover: Box::new([0.0; VERTICES]),
            order: Vec::with_capacity(topology().triangles.len()),
            patches: Patches::default(),
            moved: Box::new([[0.0; 3]; VERTICES]),
        }
    }
}

/// What a face is drawn with.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub view: &'a View,
    pub gains: &'a light::Gains,
    pub usual: &'a Usual,
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
        let moves = look.usual.move_towards(&view.shape, params.shape, mesh, &mut self.moved);
        rim::facing(&self.moved, &mut self.normals);
        rim::cover(&self.moved, &self.normals, params, &mut self.cover);
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
        self.sort(params);
        self.patches.clear();
        if moves {
            self.patches.take(frame, mesh, &self.vertices, params);
        }
        let (vertices, inner, order, patches) = (&self.vertices, &self.inner, &self.order, &self.patches);
        let opacity = 255.0 * params.opacity;
        let skin =
            Brush { image: Image::Pyramid(&view.skin.texture), ink: Ink::Detail, over: false, opacity };
        let photo = Brush { image: Image::Pyramid(&view.photo), ink: Ink::Colour, ..skin };
        paint(frame, region, &mut self.layer, pool, &|band| {
            patches.each(|level, corner| {
                triangle(band, Brush { image: Image::Flat(level), ..photo }, corner);
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
        })?;
        Ok(Some(region))
    }

    /// Sets the vertices' attributes, relative to `region`.
    fn place(&mut self, region: Region, look: Look<'_>) {
        let (x, y) = (region.x as f32, region.y as f32);
        let view = look.view;
        for i in 0..VERTICES {
            let [contrast, red, green, blue] = look.gains[i];
            let base = [red, green, blue];
            let skin = Vertex {
                x: self.moved[i][0] - x,
                y: self.moved[i][1] - y,
                u: view.skin.uv[i][0],
                v: view.skin.uv[i][1],
                cover: self.cover[i],
                contrast,
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
