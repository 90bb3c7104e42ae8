//! What is the same for every face: where light is witnessed, and how far each witness reaches.

use std::sync::LazyLock;

use super::TRIANGLES;
use crate::engine::{
    geometry::smoothstep,
    swap::mesh::topology::{self, VERTICES, closeness, topology},
};

/// Spread of the low-pass in face widths: luminance and chroma.
pub(super) const SIGMA: f32 = 0.08;
pub(super) const SIGMA_CHROMA: f32 = 0.1;
/// Reach inward of what sets the swap apart from the target at the mask's edge, in face widths.
const SIGMA_SEAM: f32 = 0.04;

/// What may lie over a triangle of the swap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Hair {
    None,
    Head,
    Beard,
}

pub(super) struct Tables {
    /// Weight of a triangle as a witness of light, times its area on the canonical face.
    pub prior: Vec<f32>,
    pub region: Vec<u8>,
    /// What may lie over a triangle.
    pub hair: Vec<Hair>,
    /// Triangles of the mask's edge below the mouth, each with its area in space and on which side of the middle it
    /// lies.
    pub chin: Vec<(usize, f32, f32)>,
    /// `TRIANGLES` rows of `VERTICES` weights.
    pub narrow: Vec<f32>,
    pub wide: Vec<f32>,
    /// Triangles at the mask's edge, each with its area in space.
    pub rim: Vec<(u16, f32)>,
    /// A row of `VERTICES` weights for each of them.
    pub seam: Vec<f32>,
    /// How little a vertex belongs to brows, eyes and lips, 0–1.
    pub plain: Vec<f32>,
}

pub(super) const REGIONS: usize = 5;
pub(super) const FOREHEAD: usize = 0;
pub(super) const NOSE: usize = 1;
pub(super) const LEFT: usize = 2;
pub(super) const RIGHT: usize = 3;
pub(super) const CHIN: usize = 4;

pub(super) static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let t = topology();
    let face = &*t.canonical;
    let mut tables = Tables {
        prior: Vec::with_capacity(TRIANGLES),
        region: Vec::with_capacity(TRIANGLES),
        hair: Vec::with_capacity(TRIANGLES),
        chin: Vec::new(),
        narrow: Vec::with_capacity(TRIANGLES * VERTICES),
        wide: Vec::with_capacity(TRIANGLES * VERTICES),
        rim: Vec::new(),
        seam: Vec::new(),
        plain: Vec::new(),
    };
    let near = |c: [f32; 3], set: &[u16], reach: f32| {
        set.iter().any(|&v| {
            let p = face[usize::from(v)];
            (p[0] - c[0]).hypot(p[1] - c[1]) < reach
        })
    };
    for tri in &t.triangles[..t.skin] {
        let corners = tri.map(|v| face[usize::from(v)]);
        let centre = [0, 1, 2].map(|k| (corners[0][k] + corners[1][k] + corners[2][k]) / 3.0);
        let area = 0.5 * topology::signed_area(face, *tri).abs();
        let ring = tri.iter().map(|&v| t.ring[usize::from(v)]).min().unwrap_or(0);
        let witness = if near(centre, &t.left_brow, 0.05)
            || near(centre, &t.right_brow, 0.05)
            || near(centre, &t.left_eye, 0.06)
            || near(centre, &t.right_eye, 0.06)
            || near(centre, &t.lips_outer, 0.05)
        {
            0.12
        } else if centre[1] > 0.2 {
            // Below the nose a beard may grow on either face.
            0.25
        } else {
            match ring {
                0 => 0.6,
                1 => 0.9,
                _ => 1.0,
            }
        };
        tables.prior.push(witness * area);
        tables.hair.push(match centre {
            [_, y, _] if ring <= 3 && y < 0.05 => Hair::Head,
            [_, y, _] if (y > 0.36 || ring <= 3) && !near(centre, &t.lips_outer, 0.05) => Hair::Beard,
            _ => Hair::None,
        });
        if ring == 0 {
            let normal = topology::normal(face, *tri);
            let whole = 0.5 * normal.iter().map(|c| c * c).sum::<f32>().sqrt();
            let index = tables.region.len();
            tables.rim.push((index as u16, whole));
            if centre[1] > 0.42 {
                tables.chin.push((index, whole, centre[0]));
            }
            tables.seam.extend(face.iter().map(|v| closeness(v, &centre, SIGMA_SEAM)));
        }
        tables.region.push(match centre {
            [_, y, _] if y < -0.3 => 0,
            [x, y, _] if y < 0.2 && x.abs() < 0.1 => 1,
            [x, y, _] if y < 0.25 => 2 + u8::from(x > 0.0),
            _ => 4,
        });
        tables.narrow.extend(face.iter().map(|v| closeness(v, &centre, SIGMA)));
        tables.wide.extend(face.iter().map(|v| closeness(v, &centre, SIGMA_CHROMA)));
    }
    let features = [&t.left_brow, &t.right_brow, &t.left_eye, &t.right_eye, &t.lips_outer];
    let features: Vec<u16> = features.into_iter().flatten().copied().collect();
    tables.plain.extend(face.iter().map(|p| {
        let away = features.iter().map(|&f| {
            let f = face[usize::from(f)];
            (f[0] - p[0]).hypot(f[1] - p[1])
        });
        smoothstep(0.04, 0.12, away.fold(f32::INFINITY, f32::min))
    }));
    tables
});

/// Builds the tables now instead of on the first frame.
pub(crate) fn prepare() {
    LazyLock::force(&TABLES);
}
