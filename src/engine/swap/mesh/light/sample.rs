//! Mean colours of triangles, and how sharp they are.

use super::{Colours, TRIANGLES};
use crate::engine::{
    frame::{Frame, Reader, with_reader},
    swap::mesh::{
        texture::{Level, Texture},
        topology::{self, Mesh, VERTICES, topology},
    },
};

/// Barycentric places where a triangle's colour is sampled.
const TAPS: [[f32; 3]; 7] = [
    [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0],
    [0.6, 0.2, 0.2],
    [0.2, 0.6, 0.2],
    [0.2, 0.2, 0.6],
    [0.45, 0.45, 0.1],
    [0.45, 0.1, 0.45],
    [0.1, 0.45, 0.45],
];

/// Mean colours of the source's triangles at texture coordinates `uv`.
pub(crate) fn of_texture(texture: &Texture, uv: &[[f32; 2]; VERTICES], out: &mut Colours) {
    for (tri, out) in topology().triangles.iter().zip(out.iter_mut()) {
        let [a, b, c] = tri.map(|v| uv[usize::from(v)]);
        let area = 0.5 * ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])).abs();
        let radius = (area / TAPS.len() as f32).sqrt();
        let mut sum = [0.0; 3];
        for tap in TAPS {
            let x = tap[0] * a[0] + tap[1] * b[0] + tap[2] * c[0];
            let y = tap[0] * a[1] + tap[1] * b[1] + tap[2] * c[1];
            let colour = texture.mean(x, y, radius);
            for k in 0..3 {
                sum[k] += colour[k];
            }
        }
        *out = sum.map(|c| c / TAPS.len() as f32);
    }
}

/// Mean colours of the target's triangles, and whether each is seen by the camera. Returns how
/// sharp the face is: the mean size of the Laplacian of its first component, in levels.
pub(crate) fn of_frame(
    frame: &Frame<'_>,
    mesh: &Mesh,
    out: &mut Colours,
    seen: &mut [bool; TRIANGLES],
) -> f32 {
    with_reader!(frame, r => of_frame_with(&r, frame.width(), frame.height(), mesh, out, seen))
}

fn of_frame_with<R: Reader>(
    r: &R,
    width: usize,
    height: usize,
    mesh: &Mesh,
    out: &mut Colours,
    seen: &mut [bool; TRIANGLES],
) -> f32 {
    let (mut edges, mut edge_count) = (0u32, 0u32);
    let triangles = topology().triangles.iter();
    for ((tri, out), seen) in triangles.zip(out.iter_mut()).zip(seen.iter_mut()) {
        let [a, b, c] = tri.map(|v| mesh[usize::from(v)]);
        let (mut sum, mut n) = ([0u32; 3], 0u32);
        for tap in TAPS {
            let x = tap[0] * a[0] + tap[1] * b[0] + tap[2] * c[0];
            let y = tap[0] * a[1] + tap[1] * b[1] + tap[2] * c[1];
            if x >= 0.0 && y >= 0.0 && x < width as f32 && y < height as f32 {
                let colour = r.components(x as usize, y as usize);
                for k in 0..3 {
                    sum[k] += u32::from(colour[k]);
                }
                n += 1;
                let (x, y) = (x as usize, y as usize);
                if x > 0 && y > 0 && x + 1 < width && y + 1 < height {
                    let at = |x, y| i32::from(r.components(x, y)[0]);
                    let sum = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1);
                    edges += (4 * i32::from(colour[0]) - sum).unsigned_abs();
                    edge_count += 1;
                }
            }
        }
        *seen = n > 3 && topology::signed_area(mesh, *tri) > 0.0;
        if n > 0 {
            *out = r.rgb(sum.map(|s| s as f32 / n as f32));
        }
    }
    edges as f32 / edge_count.max(1) as f32
}

/// The same sharpness of a texture's red channel, at the same places, for each of its levels.
pub(crate) fn sharpness_of(texture: &Texture, uv: &[[f32; 2]; VERTICES]) -> Vec<f32> {
    let measure = |level: &Level| {
        let (mut sum, mut n) = (0u32, 0u32);
        for tri in &topology().triangles[..TRIANGLES] {
            let [a, b, c] = tri.map(|v| uv[usize::from(v)]);
            for tap in TAPS {
                let at = |k: usize| (tap[0] * a[k] + tap[1] * b[k] + tap[2] * c[k]).max(0.0);
                let (x, y) = ((at(0) * level.scale.0) as usize, (at(1) * level.scale.1) as usize);
                if x > 0 && y > 0 && x + 1 < level.width && y + 1 < level.height {
                    let red = |x: usize, y: usize| (level.data[y * (level.width + 1) + x] & 255) as i32;
                    let around = red(x - 1, y) + red(x + 1, y) + red(x, y - 1) + red(x, y + 1);
                    sum += (4 * red(x, y) - around).unsigned_abs();
                    n += 1;
                }
            }
        }
        sum as f32 / n.max(1) as f32
    };
    texture.levels.iter().map(measure).collect()
}
