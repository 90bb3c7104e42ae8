//! How far each vertex lies inside the mask.

use super::topology::{Mesh, VERTICES, normal, topology};
use crate::engine::{
    geometry::Rect,
    params::{Owner, Params},
};

/// Fade at the eyes' and mouth's openings, in face widths.
const OPENING: f32 = 0.016;
/// Vertices further in than this many rings are opaque whatever the feather.
const DEEP: u8 = 5;
const OPAQUE: f32 = 16.0;

fn segment_distance(p: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length = dx * dx + dy * dy;
    let t = if length > 0.0 { ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length } else { 0.0 };
    let t = t.clamp(0.0, 1.0);
    (p[0] - a[0] - t * dx).hypot(p[1] - a[1] - t * dy)
}

/// Distance in pixels from `p` to a closed loop of vertices.
fn loop_distance(mesh: &Mesh, contour: &[u16], p: [f32; 3]) -> f32 {
    let at = |v: u16| [mesh[usize::from(v)][0], mesh[usize::from(v)][1]];
    let mut last = at(contour[contour.len() - 1]);
    let mut best = f32::INFINITY;
    for &v in contour {
        let next = at(v);
        best = best.min(segment_distance([p[0], p[1]], last, next));
        last = next;
    }
    best
}

/// Width of the face in pixels: the longer of the oval's breadth and 0.72 of its height, so that a
/// turned face keeps its feather.
pub(crate) fn face_width(mesh: &Mesh) -> f32 {
    let span = |a: usize, b: usize| (mesh[a][0] - mesh[b][0]).hypot(mesh[a][1] - mesh[b][1]);
    span(234, 454).max(0.72 * span(10, 152))
}

/// How squarely each vertex faces the camera: the z part of its unit normal, 1 towards the camera.
pub(crate) fn facing(mesh: &Mesh, normals: &mut [[f32; 3]; VERTICES]) {
    normals.fill([0.0; 3]);
    for tri in &topology().triangles[..topology().skin] {
        let n = normal(mesh, *tri);
        for v in tri {
            for k in 0..3 {
                normals[usize::from(*v)][k] += n[k];
            }
        }
    }
    for n in normals.iter_mut() {
        let length = (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]).sqrt().max(1e-9);
        *n = n.map(|v| v / length);
    }
}

/// Cover of each vertex: 0 at the mask's edge, 1 one feather width inside. `whole` is the same
/// without the openings of eyes and mouth. `shut`: how far the right and the left eye are (0–1), which then have
/// no opening.
pub(crate) fn cover(
    mesh: &Mesh,
    normals: &[[f32; 3]; VERTICES],
    params: &Params,
    shut: [f32; 2],
    whole: &mut [f32; VERTICES],
    out: &mut [f32; VERTICES],
) {
    let t = topology();
    let width = face_width(mesh);
    let feather = (0.1 * params.mask_blur * width).max(0.75);
    for (v, out) in whole.iter_mut().enumerate() {
        *out = match t.ring[v] {
            0 => 0.0,
            r if r <= DEEP => loop_distance(mesh, &t.oval, mesh[v]) / feather,
            _ => OPAQUE,
        };
        // Grazing skin is stretched skin: let it go before it turns away.
        let fade = ((normals[v][2] - 0.05) / 0.3).clamp(0.0, 1.0);
        *out = out.min(OPAQUE) * fade;
    }
    if params.mask_padding != [0.0; 4] {
        pad(mesh, params.mask_padding, feather, whole);
    }
    out.copy_from_slice(whole);
    let opening = (OPENING * width).max(0.75);
    let mut open = |contour: &[u16], shut: f32| {
        for &v in contour {
            let v = usize::from(v);
            out[v] = out[v].min(shut);
        }
        for v in t.neighbours(contour) {
            let v = usize::from(v);
            out[v] = out[v].min(shut + loop_distance(mesh, contour, mesh[v]) / opening);
        }
    };
    if params.mouth == Owner::Target {
        open(&t.lips_inner, 0.0);
    }
    if params.eyes == Owner::Target {
        open(&t.right_eye, shut[0]);
        open(&t.left_eye, shut[1]);
    }
}

/// Moves the mask's edges inward by `padding` % of the face box: top, right, bottom, left.
fn pad(mesh: &Mesh, padding: [f32; 4], feather: f32, out: &mut [f32; VERTICES]) {
    let face = Rect::around(mesh.iter().map(|p| crate::engine::geometry::Point::new(p[0], p[1])));
    let [top, right, bottom, left] = padding.map(|p| p / 100.0);
    for (p, out) in mesh.iter().zip(out.iter_mut()) {
        let inside = [
            p[1] - face.y - top * face.height,
            face.x + face.width * (1.0 - right) - p[0],
            face.y + face.height * (1.0 - bottom) - p[1],
            p[0] - face.x - left * face.width,
        ];
        let nearest = inside.into_iter().fold(f32::INFINITY, f32::min);
        *out = out.min(nearest / feather);
    }
}
