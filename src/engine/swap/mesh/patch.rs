//! The target's own eyes and mouth, taken along where the mesh moves.

use super::{
    raster::Vertex,
    texture::Level,
    topology::{Mesh, Opening, VERTICES, topology},
};
use crate::engine::{
    frame::{Frame, Reader, settle, with_reader},
    params::{Owner, Params},
};

/// Copies of the frame around the openings, kept for their memory.
#[derive(Debug)]
pub(crate) struct Patches {
    levels: [Level; 3],
    taken: [bool; 3],
    vertices: Box<[Vertex; VERTICES]>,
}

impl Default for Patches {
    fn default() -> Self {
        Patches {
            levels: std::array::from_fn(|_| Level {
                width: 0,
                height: 0,
                data: Vec::new(),
                scale: (1.0, 1.0),
            }),
            taken: [false; 3],
            vertices: Box::new([Vertex::default(); VERTICES]),
        }
    }
}

impl Patches {
    /// Nothing is to be taken along.
    pub fn clear(&mut self) {
        self.taken = [false; 3];
    }

    /// Copies what lies in and around the openings that stay the target's. `own`: where the face
    /// is; `moved`: where it is drawn, whose pixels relative to the layer are `at` and whose mask is `cover`.
    pub fn take(
        &mut self,
        frame: &Frame<'_>,
        own: &Mesh,
        at: &[Vertex; VERTICES],
        cover: &[f32; VERTICES],
        params: &Params,
    ) {
        self.clear();
        let t = topology();
        for (i, opening) in t.openings.iter().enumerate() {
            let owner = if opening.is_mouth { params.mouth } else { params.eyes };
            if owner == Owner::Source {
                continue;
            }
            let Some((left, top)) = copy(frame, own, opening, &mut self.levels[i]) else { continue };
            self.taken[i] = true;
            for &v in &opening.vertices {
                let v = usize::from(v);
                self.vertices[v] = Vertex {
                    u: own[v][0] - left as f32,
                    v: own[v][1] - top as f32,
                    cover: cover[v],
                    contrast: 1.0,
                    base: [0.0; 3],
                    ..at[v]
                };
            }
        }
    }

    /// Calls `draw` with each triangle of what was taken and the pixels it shows.
    pub fn each(&self, mut draw: impl FnMut(&Level, [&Vertex; 3])) {
        let t = topology();
        for ((opening, level), _) in
            t.openings.iter().zip(&self.levels).zip(self.taken).filter(|(_, taken)| *taken)
        {
            for &index in &opening.triangles {
                let corner = t.triangles[usize::from(index)];
                draw(level, corner.map(|v| &self.vertices[usize::from(v)]));
            }
        }
    }
}

/// Copies the frame's pixels around an opening; returns the copy's corner, `None` where it is
/// outside the frame.
fn copy(frame: &Frame<'_>, mesh: &Mesh, opening: &Opening, level: &mut Level) -> Option<(usize, usize)> {
    let bound = |axis: usize, size: usize| {
        let values = opening.vertices.iter().map(|&v| mesh[usize::from(v)][axis]);
        let (low, high) = values.fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let low = (low - 2.0).max(0.0) as usize;
        let high = ((high + 3.0).max(0.0) as usize).min(size);
        (low < high).then_some((low, high))
    };
    let (left, right) = bound(0, frame.width())?;
    let (top, bottom) = bound(1, frame.height())?;
    (level.width, level.height) = (right - left, bottom - top);
    level.data.clear();
    settle(&mut level.data, (level.width + 1) * (level.height + 1));
    with_reader!(frame, r => {
        for y in 0..=level.height {
            let from = top + y.min(level.height - 1);
            for x in 0..=level.width {
                let c = r.components(left + x.min(level.width - 1), from);
                let [red, green, blue] =
                    r.rgb(c.map(f32::from)).map(|v| (v.clamp(0.0, 255.0) + 0.5) as u8);
                level.data.push(u32::from_le_bytes([red, green, blue, 0]));
            }
        }
    });
    Some((left, top))
}
