//! Which triangle of the current face lies under each pixel of the grid.

use std::sync::LazyLock;

use super::small::{CELLS, GRID};
use crate::engine::{
    geometry::Point,
    swap::mesh::topology::{VERTICES, topology},
};

/// Vertices around the face, far from its oval, that keep their place in the crop.
pub(super) const RING: usize = 36;
pub(super) const ALL: usize = VERTICES + RING;
/// Distance of the ring from the oval's middle, over that of the oval.
const FAR: f32 = 1.9;
const NOTHING: u16 = u16::MAX;

/// Vertices in grid pixels, then the ring.
pub(super) type Outline = [[f32; 2]; ALL];

/// Triangles between the oval and the ring.
static BEYOND: LazyLock<Vec<[u16; 3]>> = LazyLock::new(|| {
    let oval = &topology().oval;
    let ring = |i: usize| (VERTICES + i % RING) as u16;
    (0..oval.len())
        .flat_map(|i| {
            let (a, b) = (oval[i], oval[(i + 1) % oval.len()]);
            [[a, b, ring(i)], [b, ring(i + 1), ring(i)]]
        })
        .collect()
});

/// Builds the tables now instead of on the first frame.
pub(crate) fn prepare() {
    LazyLock::force(&BEYOND);
}

/// For every grid pixel the triangle it lies in, and where in it.
#[derive(Debug)]
pub(super) struct Cells {
    triangle: Vec<u16>,
    /// Shares of the second and the third corner.
    place: Vec<[f32; 2]>,
    order: Vec<(f32, u16)>,
}

impl Default for Cells {
    fn default() -> Self {
        Cells {
            triangle: vec![NOTHING; CELLS],
            place: vec![[0.0; 2]; CELLS],
            order: Vec::with_capacity(topology().triangles.len()),
        }
    }
}

/// Puts the ring around the vertices of `outline`.
pub(super) fn surround(outline: &mut Outline) {
    let oval = &topology().oval;
    let n = oval.len() as f32;
    let mean = [0, 1].map(|k| oval.iter().map(|&v| outline[usize::from(v)][k]).sum::<f32>() / n);
    for (i, &v) in oval.iter().take(RING).enumerate() {
        let p = outline[usize::from(v)];
        outline[VERTICES + i] = [0, 1].map(|k| mean[k] + FAR * (p[k] - mean[k]));
    }
}

fn corners(index: u16) -> [u16; 3] {
    let triangles = &topology().triangles;
    let index = usize::from(index);
    triangles.get(index).copied().unwrap_or_else(|| BEYOND[index - triangles.len()])
}

impl Cells {
    /// Draws the triangles of `outline`, far to near by `depth` (of the vertices of the mesh).
    pub fn draw(&mut self, outline: &Outline, depth: impl Fn(usize) -> f32) {
        let t = topology();
        self.triangle.fill(NOTHING);
        for index in 0..BEYOND.len() {
            self.fill((t.triangles.len() + index) as u16, outline, true);
        }
        self.order.clear();
        self.order.extend(
            t.triangles
                .iter()
                .enumerate()
                .map(|(i, tri)| (-tri.iter().map(|&v| depth(usize::from(v))).sum::<f32>(), i as u16)),
        );
        self.order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for at in 0..self.order.len() {
            self.fill(self.order[at].1, outline, false);
        }
    }

    fn fill(&mut self, index: u16, outline: &Outline, either_side: bool) {
        let [a, b, c] = corners(index).map(|v| outline[usize::from(v)]);
        let (e, f) = ([b[0] - a[0], b[1] - a[1]], [c[0] - a[0], c[1] - a[1]]);
        let area = e[0] * f[1] - e[1] * f[0];
        if area.is_nan() || area.abs() < 1e-4 || (area < 0.0 && !either_side) {
            return;
        }
        let span = |k: usize| {
            let (low, high) = (a[k].min(b[k]).min(c[k]), a[k].max(b[k]).max(c[k]));
            let first = (low - 0.5).ceil().clamp(0.0, GRID as f32) as usize;
            (first, ((high - 0.5).floor() + 1.0).clamp(first as f32, GRID as f32) as usize)
        };
        let ((left, right), (top, bottom)) = (span(0), span(1));
        let inverse = 1.0 / area;
        // Rounding must leave no pixel between two triangles.
        const SLACK: f32 = -1e-4;
        for y in top..bottom {
            for x in left..right {
                let (dx, dy) = (x as f32 + 0.5 - a[0], y as f32 + 0.5 - a[1]);
                let second = (dx * f[1] - dy * f[0]) * inverse;
                let third = (dy * e[0] - dx * e[1]) * inverse;
                if second >= SLACK && third >= SLACK && second + third <= 1.0 - SLACK {
                    self.triangle[y * GRID + x] = index;
                    self.place[y * GRID + x] = [second, third];
                }
            }
        }
    }

    /// Where each grid pixel lies on a key frame's face; what is outside all triangles stays.
    pub fn map(&self, key: &Outline, now: &Outline, u: &mut Vec<f32>, v: &mut Vec<f32>) {
        u.resize(CELLS, 0.0);
        v.resize(CELLS, 0.0);
        for (at, (&index, &[second, third])) in self.triangle.iter().zip(&self.place).enumerate() {
            let own = Point::new((at % GRID) as f32 + 0.5, (at / GRID) as f32 + 0.5);
            (u[at], v[at]) = (own.x, own.y);
            if index == NOTHING {
                continue;
            }
            let corner = corners(index).map(usize::from);
            let moved = corner.map(|c| match c < VERTICES {
                true => [key[c][0] - now[c][0], key[c][1] - now[c][1]],
                false => [0.0; 2],
            });
            let first = 1.0 - second - third;
            u[at] += first * moved[0][0] + second * moved[1][0] + third * moved[2][0];
            v[at] += first * moved[0][1] + second * moved[1][1] + third * moved[2][1];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(x: f32, y: f32) -> Box<Outline> {
        let mut outline = Box::new([[0.0; 2]; ALL]);
        for (to, from) in outline.iter_mut().zip(topology().canonical.iter()) {
            *to = [x + 50.0 * from[0], y + 50.0 * from[1]];
        }
        surround(&mut outline);
        outline
    }

    #[test]
    fn the_face_moves_and_what_is_far_from_it_stays() {
        let (now, key) = (outline(48.0, 48.0), outline(50.0, 47.0));
        let mut cells = Cells::default();
        cells.draw(&now, |v| topology().canonical[v][2]);
        let (mut u, mut v) = (Vec::new(), Vec::new());
        cells.map(&key, &now, &mut u, &mut v);
        let moved = |x: usize, y: usize| (u[y * GRID + x] - x as f32 - 0.5, v[y * GRID + x] - y as f32 - 0.5);
        for (x, y) in [(48, 48), (40, 60), (58, 40)] {
            let (dx, dy) = moved(x, y);
            assert!((dx - 2.0).abs() < 1e-3 && (dy + 1.0).abs() < 1e-3, "{x} {y}: {dx} {dy}");
        }
        assert_eq!(moved(0, 0), (0.0, 0.0));
        let steepest = (1..GRID).map(|x| (u[48 * GRID + x] - u[48 * GRID + x - 1] - 1.0).abs());
        assert!(steepest.fold(0.0, f32::max) < 0.5, "the map is torn");
    }
}
