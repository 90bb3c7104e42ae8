//! The mesh engine: the source photo's skin, warped triangle by triangle onto the target's mesh,
//! relit to the target's light, blended in.

pub(crate) mod bake;
mod layout;
pub(crate) mod light;
pub(crate) mod raster;
pub(crate) mod rim;
pub(crate) mod texture;
pub mod topology;

use raster::{Ink, Vertex, triangle};
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
        }
    }
}

impl MeshSwap {
    /// Draws `view` on the face whose mesh is `mesh` (frame pixels) in the light of `gains`.
    /// Returns the region that was written, `None` when the face is outside the frame.
    ///
    /// # Errors
    /// The message of a panic in a worker.
    pub fn draw(
        &mut self,
        frame: &mut Frame<'_>,
        mesh: &Mesh,
        view: &View,
        gains: &light::Gains,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Option<Region>, String> {
        let t = topology();
        rim::facing(mesh, &mut self.normals);
        rim::cover(mesh, &self.normals, params, &mut self.cover);
        let bound = |axis: usize| {
            mesh.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), p| {
                (low.min(p[axis]), high.max(p[axis]))
            })
        };
        let ((left, right), (top, bottom)) = (bound(0), bound(1));
        let Some(region) = Region::covering(left, top, right, bottom, frame.width(), frame.height()) else {
            return Ok(None);
        };
        let (x, y) = (region.x as f32, region.y as f32);
        for (i, vertex) in self.vertices.iter_mut().enumerate() {
            let [contrast, red, green, blue] = gains[i];
            *vertex = Vertex {
                x: mesh[i][0] - x,
                y: mesh[i][1] - y,
                u: view.skin.uv[i][0],
                v: view.skin.uv[i][1],
                cover: self.cover[i],
                contrast,
                base: [red, green, blue],
            };
        }
        for (inner, (vertex, i)) in self.inner.iter_mut().zip(self.vertices.iter().zip(0..)) {
            let [contrast, red, green, blue] = gains[i];
            let base = [red, green, blue];
            *inner = Vertex {
                u: view.uv[i][0],
                v: view.uv[i][1],
                cover: 1.0,
                base: std::array::from_fn(|k| base[k] - contrast * view.skin.low[i][k]),
                ..*vertex
            };
        }
        self.sort(mesh, params);
        let (vertices, inner, order) = (&self.vertices, &self.inner, &self.order);
        let opacity = 255.0 * params.opacity;
        paint(frame, region, &mut self.layer, pool, &|band| {
            for &(_, index) in order {
                let corner = t.triangles[usize::from(index)].map(usize::from);
                if usize::from(index) < t.skin {
                    triangle(band, &view.skin.texture, Ink::Detail, corner.map(|v| &vertices[v]), opacity);
                } else {
                    triangle(band, &view.photo, Ink::Colour, corner.map(|v| &inner[v]), opacity);
                }
            }
        })?;
        Ok(Some(region))
    }

    /// The triangles that face the camera, far to near.
    fn sort(&mut self, mesh: &Mesh, params: &Params) {
        let t = topology();
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
