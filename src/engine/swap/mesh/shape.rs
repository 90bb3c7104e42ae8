//! Moves the target's features to where the source has them.
//!
//! Both meshes are brought to the canonical pose. There each feature gives an offset: the eyes'
//! place, size and slant, part of the brows' height, the nose, the lips' place, width and thickness; and so do the
//! cheeks' and jaw's outline, but less down than across, since the chin goes down where the mouth opens.
//! Between features the offsets spread harmonically. What the target's features are is averaged
//! over seconds, so that the offsets hold still while the face speaks.

use std::{sync::LazyLock, time::Duration};

use super::topology::{Mesh, VERTICES, topology};

/// How much sooner than the brows all else is where the source has it, since brows show expression.
const SOON: f32 = 2.0;
/// Share of the outline's offset down that is taken: the chin goes down where the mouth opens.
const DOWN: f32 = 0.7;
/// Largest offset of a feature and of the outline, in face widths.
const BOUND: f32 = 0.07;
const BOUND_OUTLINE: f32 = 0.14;
/// Share of the brows' offset that is taken; the rest may be expression.
const BROWS: f32 = 0.8;
/// Power of the lips' widths' ratio: a smile widens them too.
const SMILE: f32 = 0.25;
/// Time constant of the target's averaged face in seconds.
const TAU: f32 = 1.5;
/// Radians between two poses up to which offsets hold, and from which there are none.
const POSES: (f32, f32) = (20.0 / 180.0 * std::f32::consts::PI, 60.0 / 180.0 * std::f32::consts::PI);

/// Corners of the eyes.
pub(super) const RIGHT_EYE: [usize; 2] = [33, 133];
pub(super) const LEFT_EYE: [usize; 2] = [362, 263];
/// Lip corners and the middle of the upper lip's edge, which jaw and smile move least.
const MOUTH: [usize; 2] = [61, 291];
const UPPER_LIP: [usize; 3] = [0, 37, 267];
/// Vertices of the lips' outer edge, each with the one of the inner edge beside it.
const ACROSS_LIPS: [[usize; 2]; 18] = [
    [185, 191],
    [40, 80],
    [39, 81],
    [37, 82],
    [0, 13],
    [267, 312],
    [269, 311],
    [270, 310],
    [409, 415],
    [146, 95],
    [91, 88],
    [181, 178],
    [84, 87],
    [17, 14],
    [314, 317],
    [405, 402],
    [321, 318],
    [375, 324],
];

struct Tables {
    /// Vertices that tell the pose: those that do not speak.
    still: Vec<usize>,
    eyes: [Vec<usize>; 2],
    brows: [Vec<usize>; 2],
    nose: Vec<usize>,
    lips: Vec<usize>,
    /// Of the oval, from cheek to cheek around the chin.
    outline: Vec<usize>,
    /// Vertices with an offset of their own, in the columns' order of `spread`.
    fixed: Vec<usize>,
    free: Vec<usize>,
    /// `free` rows of `fixed` weights.
    spread: Vec<f32>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let t = topology();
    let face = &*t.canonical;
    let list = |set: &[u16]| -> Vec<usize> { set.iter().map(|&v| usize::from(v)).collect() };
    let within = |keep: &dyn Fn([f32; 3]) -> bool| -> Vec<usize> {
        (0..VERTICES).filter(|&v| keep(face[v])).collect()
    };
    let eyes = [list(&t.right_eye), list(&t.left_eye)];
    let brows = [list(&t.right_brow), list(&t.left_brow)];
    let mut lips = list(&t.lips_outer);
    lips.extend(list(&t.lips_inner));
    let nose = within(&|[x, y, _]| x.abs() < 0.14 && y > -0.12 && y < 0.06);
    let used = |v: usize, sets: &[&Vec<usize>]| sets.iter().any(|set| set.contains(&v));
    let still = within(&|[_, y, _]| y < 0.1)
        .into_iter()
        .filter(|&v| !used(v, &[&eyes[0], &eyes[1], &brows[0], &brows[1]]))
        .collect();
    let oval = list(&t.oval);
    let fixed: Vec<usize> = (0..VERTICES)
        .filter(|&v| used(v, &[&eyes[0], &eyes[1], &brows[0], &brows[1], &lips, &nose, &oval]))
        .collect();
    let free: Vec<usize> = (0..VERTICES).filter(|v| !fixed.contains(v)).collect();
    let spread = harmonic(&fixed, &free);
    let outline = oval.iter().copied().filter(|&v| face[v][1] > 0.0).collect();
    Tables { still, eyes, brows, nose, lips, outline, fixed, free, spread }
});

/// Builds the tables now instead of on the first frame.
pub(crate) fn prepare() {
    LazyLock::force(&TABLES);
}

/// Weights that give each free vertex the mean of its neighbours, by Gaussian elimination.
fn harmonic(fixed: &[usize], free: &[usize]) -> Vec<f32> {
    let mut beside = vec![Vec::new(); VERTICES];
    for tri in &topology().triangles {
        for i in 0..3 {
            let (a, b) = (usize::from(tri[i]), usize::from(tri[(i + 1) % 3]));
            if !beside[a].contains(&b) {
                beside[a].push(b);
                beside[b].push(a);
            }
        }
    }
    let place = |set: &[usize], v: usize| set.iter().position(|&s| s == v);
    let (n, m) = (free.len(), fixed.len());
    let width = n + m;
    let mut rows = vec![0.0f64; n * width];
    for (i, &v) in free.iter().enumerate() {
        rows[i * width + i] = beside[v].len() as f64;
        for &other in &beside[v] {
            match place(free, other) {
                Some(j) => rows[i * width + j] -= 1.0,
                None => rows[i * width + n + place(fixed, other).unwrap_or(0)] += 1.0,
            }
        }
    }
    // The matrix is diagonally dominant: no pivoting needed.
    for i in 0..n {
        let (done, rest) = rows.split_at_mut((i + 1) * width);
        let pivot = &mut done[i * width..];
        let scale = 1.0 / pivot[i];
        pivot[i..].iter_mut().for_each(|v| *v *= scale);
        for row in rest.chunks_exact_mut(width) {
            let factor = row[i];
            if factor != 0.0 {
                row[i..].iter_mut().zip(&pivot[i..]).for_each(|(v, p)| *v -= factor * p);
            }
        }
    }
    for i in (1..n).rev() {
        let (above, below) = rows.split_at_mut(i * width);
        let pivot = &below[..width];
        for row in above.chunks_exact_mut(width) {
            let factor = row[i];
            if factor != 0.0 {
                row[n..].iter_mut().zip(&pivot[n..]).for_each(|(v, p)| *v -= factor * p);
            }
        }
    }
    rows.chunks_exact(width).flat_map(|row| row[n..].iter().map(|&v| v as f32)).collect()
}

/// Rotation, scale and translation in space: `x ↦ scale · rotation · x + shift`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pose {
    rotation: [[f32; 3]; 3],
    scale: f32,
    shift: [f32; 3],
}

impl Pose {
    /// The pose that takes the canonical face to `mesh`: least squares over what does not speak
    /// (Horn 1987, by unit quaternions).
    pub fn of(mesh: &Mesh) -> Pose {
        let from = &*topology().canonical;
        let still = &TABLES.still;
        let n = still.len() as f32;
        let mean = |set: &Mesh| -> [f32; 3] {
            std::array::from_fn(|k| still.iter().map(|&v| set[v][k]).sum::<f32>() / n)
        };
        let (a, b) = (mean(from), mean(mesh));
        let (mut s, mut norm) = ([[0.0f32; 3]; 3], 0.0f32);
        for &v in still {
            for i in 0..3 {
                let p = from[v][i] - a[i];
                norm += p * p;
                for j in 0..3 {
                    s[i][j] += p * (mesh[v][j] - b[j]);
                }
            }
        }
        let rotation = rotation(largest(s));
        let dot: f32 = (0..3).map(|j| (0..3).map(|i| rotation[j][i] * s[i][j]).sum::<f32>()).sum();
        let scale = (dot / norm.max(1e-12)).max(1e-6);
        let turned = turn(&rotation, a);
        Pose { rotation, scale, shift: std::array::from_fn(|k| b[k] - scale * turned[k]) }
    }

    /// `p` in the canonical pose.
    fn undo(&self, p: [f32; 3]) -> [f32; 3] {
        let d: [f32; 3] = std::array::from_fn(|k| (p[k] - self.shift[k]) / self.scale);
        std::array::from_fn(|k| (0..3).map(|j| self.rotation[j][k] * d[j]).sum())
    }

    /// Angle between two poses in radians.
    fn angle(&self, other: &Pose) -> f32 {
        let trace: f32 =
            (0..3).map(|i| (0..3).map(|j| self.rotation[i][j] * other.rotation[i][j]).sum::<f32>()).sum();
        (0.5 * (trace - 1.0)).clamp(-1.0, 1.0).acos()
    }
}

fn turn(rotation: &[[f32; 3]; 3], p: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|k| (0..3).map(|j| rotation[k][j] * p[j]).sum())
}

/// The quaternion of the largest eigenvalue of Horn's matrix of the correlations `s`.
fn largest(s: [[f32; 3]; 3]) -> [f32; 4] {
    let n = [
        [s[0][0] + s[1][1] + s[2][2], s[1][2] - s[2][1], s[2][0] - s[0][2], s[0][1] - s[1][0]],
        [s[1][2] - s[2][1], s[0][0] - s[1][1] - s[2][2], s[0][1] + s[1][0], s[2][0] + s[0][2]],
        [s[2][0] - s[0][2], s[0][1] + s[1][0], s[1][1] - s[0][0] - s[2][2], s[1][2] + s[2][1]],
        [s[0][1] - s[1][0], s[2][0] + s[0][2], s[1][2] + s[2][1], s[2][2] - s[0][0] - s[1][1]],
    ];
    // Shifted, so that the largest eigenvalue is the largest in size too.
    let size = n.iter().flatten().map(|v| v.abs()).sum::<f32>().max(1e-12);
    let mut q = [1.0, 0.01, 0.01, 0.01];
    for _ in 0..60 {
        let next: [f32; 4] =
            std::array::from_fn(|i| q[i] + (0..4).map(|j| n[i][j] * q[j]).sum::<f32>() * 4.0 / size);
        let length = next.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
        q = next.map(|v| v / length);
    }
    q
}

fn rotation([w, x, y, z]: [f32; 4]) -> [[f32; 3]; 3] {
    [
        [w * w + x * x - y * y - z * z, 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), w * w - x * x + y * y - z * z, 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]
}

/// A face in the canonical pose and the pose it was seen in.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    mesh: Box<Mesh>,
    pose: Pose,
}

impl Shape {
    pub fn of(mesh: &Mesh) -> Shape {
        let pose = Pose::of(mesh);
        let mut own = Box::new([[0.0; 3]; VERTICES]);
        for (own, p) in own.iter_mut().zip(mesh) {
            *own = pose.undo(*p);
        }
        Shape { mesh: own, pose }
    }
}

/// The face of a target, averaged over its expressions.
#[derive(Debug)]
pub(crate) struct Usual {
    mesh: Box<Mesh>,
    /// Seconds seen, at most a few `TAU`; 0: nothing yet.
    seen: f32,
}

impl Default for Usual {
    fn default() -> Self {
        Usual { mesh: Box::new([[0.0; 3]; VERTICES]), seen: 0.0 }
    }
}

impl Usual {
    pub fn forget(&mut self) {
        self.seen = 0.0;
    }

    /// Takes in a frame's mesh, `dt` after the last.
    pub fn observe(&mut self, mesh: &Mesh, dt: Duration) {
        let pose = Pose::of(mesh);
        let dt = dt.as_secs_f32().clamp(0.001, 0.2);
        self.seen = (self.seen + dt).min(TAU);
        let share = (dt / self.seen).min(1.0);
        for (own, p) in self.mesh.iter_mut().zip(mesh) {
            let p = pose.undo(*p);
            for k in 0..3 {
                own[k] += share * (p[k] - own[k]);
            }
        }
    }

    /// Writes `mesh`, moved by `amount` (0–1) towards `source`, to `out`. Returns whether anything
    /// moved.
    pub fn move_towards(&self, source: &Shape, amount: f32, mesh: &Mesh, out: &mut Mesh) -> bool {
        out.copy_from_slice(mesh);
        if amount <= 0.0 || self.seen <= 0.0 {
            return false;
        }
        let pose = Pose::of(mesh);
        let apart = pose.angle(&source.pose);
        let near = ((POSES.1 - apart) / (POSES.1 - POSES.0)).clamp(0.0, 1.0);
        let amount = amount * near * near * (3.0 - 2.0 * near);
        if amount < 1e-3 {
            return false;
        }
        let offsets = self.offsets(&source.mesh, amount);
        for (p, offset) in out.iter_mut().zip(&offsets) {
            let [x, y] = offset.map(|o| pose.scale * o);
            let moved = turn(&pose.rotation, [x, y, 0.0]);
            p[0] += moved[0];
            p[1] += moved[1];
        }
        true
    }

    /// Offsets of every vertex in face widths, in the canonical pose, `amount` (0–1) of the way.
    fn offsets(&self, source: &Mesh, amount: f32) -> [[f32; 2]; VERTICES] {
        let t = &*TABLES;
        let own = &*self.mesh;
        let mut offsets = [[0.0f32; 2]; VERTICES];
        let middle = |m: &Mesh, pair: [usize; 2]| [0, 1].map(|k| 0.5 * (m[pair[0]][k] + m[pair[1]][k]));
        let width = |m: &Mesh, pair: [usize; 2]| {
            (m[pair[0]][0] - m[pair[1]][0]).hypot(m[pair[0]][1] - m[pair[1]][1]).max(1e-3)
        };
        let mut put = |v: usize, offset: [f32; 2], share: f32, bound: f32| {
            let fit = share * bound / offset[0].hypot(offset[1]).max(bound);
            offsets[v] = offset.map(|o| fit * o);
        };
        let soon = (SOON * amount).min(1.0);
        let slant =
            |m: &Mesh, pair: [usize; 2]| (m[pair[1]][1] - m[pair[0]][1]).atan2(m[pair[1]][0] - m[pair[0]][0]);
        for (corners, set) in [(RIGHT_EYE, &t.eyes[0]), (LEFT_EYE, &t.eyes[1])] {
            let (from, to) = (middle(own, corners), middle(source, corners));
            let size = (width(source, corners) / width(own, corners)).clamp(0.85, 1.18);
            let (sin, cos) = (slant(source, corners) - slant(own, corners)).sin_cos();
            for &v in set {
                let d = [0, 1].map(|k| own[v][k] - from[k]);
                let turned = [cos * d[0] - sin * d[1], sin * d[0] + cos * d[1]];
                let offset = [0, 1].map(|k| to[k] - from[k] + size * turned[k] - d[k]);
                put(v, offset, soon, BOUND);
            }
        }
        for set in &t.brows {
            let mean = |m: &Mesh, k: usize| set.iter().map(|&v| m[v][k]).sum::<f32>() / set.len() as f32;
            let offset = [0, 1].map(|k| BROWS * (mean(source, k) - mean(own, k)));
            set.iter().for_each(|&v| put(v, offset, amount, BOUND));
        }
        for &v in &t.nose {
            put(v, [0, 1].map(|k| source[v][k] - own[v][k]), soon, BOUND);
        }
        for &v in &t.outline {
            let offset = [source[v][0] - own[v][0], DOWN * (source[v][1] - own[v][1])];
            put(v, offset, soon, BOUND_OUTLINE);
        }
        let lip = |m: &Mesh, k: usize| UPPER_LIP.iter().map(|&v| m[v][k]).sum::<f32>() / 3.0;
        let down = lip(source, 1) - lip(own, 1);
        let from = middle(own, MOUTH)[0];
        let wider = (width(source, MOUTH) / width(own, MOUTH)).powf(SMILE);
        for &v in &t.lips {
            let across = ACROSS_LIPS.iter().find(|pair| pair[0] == v);
            let thickness = |m: &Mesh| across.map_or(0.0, |&[outer, inner]| m[outer][1] - m[inner][1]);
            let thicker = thickness(source) - thickness(own);
            put(v, [(wider - 1.0) * (own[v][0] - from), down + thicker], soon, BOUND);
        }
        for (&v, weights) in t.free.iter().zip(t.spread.chunks_exact(t.fixed.len())) {
            let mut sum = [0.0; 2];
            for (&from, w) in t.fixed.iter().zip(weights) {
                sum[0] += w * offsets[from][0];
                sum[1] += w * offsets[from][1];
            }
            offsets[v] = sum;
        }
        offsets
    }
}

#[cfg(test)]
mod tests;
