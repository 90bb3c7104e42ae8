//! Light as spherical harmonics: what of a face's slow colours light alone can explain.
//!
//! The light that a convex matt surface reflects is within 1 % a polynomial of order two in its
//! normal (Ramamoorthi and Hanrahan 2001): nine terms. A near lamp, or a lens, also shades a picture from
//! one side to the other: two more, of the place.

use std::sync::LazyLock;

use super::{
    light::Lows,
    rim,
    topology::{VERTICES, closeness, topology},
};
use crate::engine::linear::eliminate;

const TERMS: usize = 11;
/// Spread over which normals are averaged, in face widths: that of the slow colours.
const SPREAD: f32 = 0.08;
/// Pull towards no light, against terms that a face hardly shows.
const RIDGE: f64 = 1e-3;

struct Tables {
    basis: Box<[[f32; TERMS]; VERTICES]>,
    /// Least squares: from the values at the vertices to the terms' factors.
    fit: Box<[[f32; VERTICES]; TERMS]>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let face = &*topology().canonical;
    let normals = normals();
    let basis = Box::new(std::array::from_fn(|v| {
        let ([x, y, z], [across, down, _]) = (normals[v], face[v]);
        let (across, down) = (2.0 * across, 2.0 * down);
        [1.0, x, y, z, x * y, x * z, y * z, x * x - y * y, 3.0 * z * z - 1.0, across, down]
    }));
    let mut area = [0.0f64; VERTICES];
    for tri in &topology().triangles[..topology().skin] {
        let size = f64::from(super::topology::signed_area(face, *tri).abs());
        tri.iter().for_each(|&v| area[usize::from(v)] += size);
    }
    let total: f64 = area.iter().sum();
    let mut system = [[0.0f64; TERMS + VERTICES]; TERMS];
    for (i, row) in system.iter_mut().enumerate() {
        for (v, b) in basis.iter().enumerate() {
            let weighted = area[v] / total * f64::from(b[i]);
            (0..TERMS).for_each(|j| row[j] += weighted * f64::from(b[j]));
            row[TERMS + v] = weighted;
        }
        row[i] += if i == 0 { 0.0 } else { RIDGE };
    }
    let solved = eliminate(&mut system);
    debug_assert!(solved, "the terms differ from each other");
    let mut fit = Box::new([[0.0; VERTICES]; TERMS]);
    for (fit, row) in fit.iter_mut().zip(&system) {
        fit.iter_mut().zip(&row[TERMS..]).for_each(|(to, from)| *to = *from as f32);
    }
    Tables { basis, fit }
});

/// Builds the tables now instead of on the first frame.
pub(super) fn prepare() {
    LazyLock::force(&TABLES);
}

/// Of the mean face, smoothed as the slow colours are.
fn normals() -> [[f32; 3]; VERTICES] {
    let face = &*topology().canonical;
    let mut sharp = [[0.0; 3]; VERTICES];
    rim::facing(face, &mut sharp);
    std::array::from_fn(|v| {
        let mut sum = [0.0; 3];
        for (p, n) in face.iter().zip(&sharp) {
            let weight = closeness(p, &face[v], SPREAD);
            (0..3).for_each(|k| sum[k] += weight * n[k]);
        }
        let length = sum.iter().map(|c| c * c).sum::<f32>().sqrt().max(1e-9);
        sum.map(|c| c / length)
    })
}

/// The part of `lows` that is light on a matt surface.
pub(super) fn of(lows: &Lows) -> Lows {
    let t = &*TABLES;
    let mut factors = [[0.0f32; 3]; TERMS];
    for (factor, fit) in factors.iter_mut().zip(t.fit.iter()) {
        for (low, weight) in lows.iter().zip(fit) {
            (0..3).for_each(|k| factor[k] += weight * low[k]);
        }
    }
    std::array::from_fn(|v| {
        let row = &t.basis[v];
        std::array::from_fn(|k| row.iter().zip(&factors).map(|(b, f)| b * f[k]).sum())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_light_is_light_and_a_dark_spot_is_not() {
        let t = &*TABLES;
        let lit: Lows = std::array::from_fn(|v| [120.0 + 50.0 * t.basis[v][1]; 3]);
        let off = of(&lit).iter().zip(&lit).map(|(a, b)| (a[0] - b[0]).abs()).fold(0.0, f32::max);
        assert!(off < 2.0, "{off}");
        let mut spot = lit;
        let nose = topology().canonical[1];
        for (low, p) in spot.iter_mut().zip(topology().canonical.iter()) {
            if (p[0] - nose[0]).hypot(p[1] - nose[1]) < 0.1 {
                *low = low.map(|c| c - 30.0);
            }
        }
        let change = of(&spot)[1][0] - of(&lit)[1][0];
        assert!(change > -20.0, "{change}");
    }
}
