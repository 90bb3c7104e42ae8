//! Takes away what was drawn where the frame's own pixels are to show.

use super::{
    grain::Grain,
    raster::{Band, Brush, Image, Ink, Vertex, triangle},
    texture::Level,
    topology::{Mesh, signed_area, topology},
};

/// Erases as much as R of `keep` says (0–255), on the `triangles` of `mesh` that face the camera.
/// `mesh`: frame pixels, `corner` those of the layer's; `uv`: pixels of `keep` of every vertex.
pub(super) fn erase(
    band: &mut Band<'_>,
    keep: &Level,
    mesh: &Mesh,
    uv: &[[f32; 2]],
    triangles: impl Iterator<Item = usize>,
    corner: (usize, usize),
) {
    let brush = Brush {
        image: Image::Flat(keep),
        ink: Ink::Erase,
        over: false,
        opacity: 255.0,
        colour: 1.0,
        grain: Grain::NONE,
    };
    let vertex = |v: u16| {
        let ([x, y, _], [u, v]) = (mesh[usize::from(v)], uv[usize::from(v)]);
        Vertex { x: x - corner.0 as f32, y: y - corner.1 as f32, u, v, ..Vertex::default() }
    };
    for index in triangles {
        let tri = topology().triangles[index];
        if signed_area(mesh, tri) > 0.0 {
            triangle(band, brush, tri.map(vertex).each_ref());
        }
    }
}
