//! The flat sheet on which a face's usual look is remembered, and what reads and filters it.

use std::sync::LazyLock;

use crate::engine::{
    frame::Reader,
    swap::mesh::{
        bake::each_pixel,
        layout::Layout,
        topology::{Mesh, VERTICES, topology},
    },
};

/// Pixels a face width.
const DENSITY: f32 = 64.0;

/// A pixel of the sheet on the skin.
pub(super) struct Texel {
    pub at: usize,
    corner: [u16; 3],
    weight: [f32; 3],
}

pub(super) struct Sheet {
    pub width: usize,
    pub height: usize,
    /// Those of the skin.
    pub texels: Vec<Texel>,
    /// In face widths.
    pub place: Vec<[f32; 2]>,
    /// 1 on the skin.
    pub skin: Vec<f32>,
    /// Around brows, eyes and lips, which move against the mesh.
    pub lively: Vec<bool>,
    /// On brows and eyes, which may be as dark as what comes before a face.
    pub dark: Vec<bool>,
    pub eye: Vec<bool>,
    /// At the oval, where the mesh may lie beside the face.
    pub rim: Vec<bool>,
    /// Pixels of every vertex.
    pub uv: Box<[[f32; 2]; VERTICES]>,
    /// The pixel in the middle of each triangle of the skin.
    pub middle: Vec<usize>,
}

static SHEET: LazyLock<Sheet> = LazyLock::new(|| {
    let t = topology();
    let layout = Layout::new(DENSITY);
    let (width, height) = (layout.width, layout.height);
    let uv = layout.places();
    let mut cells: Vec<Option<Texel>> = (0..width * height).map(|_| None).collect();
    for tri in &t.triangles[..t.skin] {
        each_pixel(tri.map(|v| uv[usize::from(v)]), (width, height), |at, weight| {
            // Those beside the triangle leave the place to the one that they lie in.
            if weight.iter().all(|w| *w >= 0.0) {
                cells[at] = Some(Texel { at, corner: *tri, weight });
            }
        });
    }
    let skin = cells.iter().map(|cell| f32::from(u8::from(cell.is_some()))).collect();
    let distance = |at: usize, sets: &[&[u16]]| {
        let p = [(at % width) as f32 + 0.5, (at / width) as f32 + 0.5];
        let away = |v: &u16| {
            let q = uv[usize::from(*v)];
            (q[0] - p[0]).powi(2) + (q[1] - p[1]).powi(2)
        };
        sets.iter().flat_map(|set| set.iter()).map(away).fold(f32::INFINITY, f32::min).sqrt() / DENSITY
    };
    let each = |f: &dyn Fn(f32, f32, f32) -> bool| -> Vec<bool> {
        let of = |at| {
            let eye = distance(at, &[&t.left_eye, &t.right_eye]);
            let brow = distance(at, &[&t.left_brow, &t.right_brow]);
            f(eye, brow, distance(at, &[&t.lips_outer, &t.lips_inner]))
        };
        (0..width * height).map(of).collect()
    };
    let middle = t.triangles[..t.skin].iter().map(|tri| {
        let of = |axis: usize| tri.iter().map(|&v| uv[usize::from(v)][axis]).sum::<f32>() / 3.0;
        of(1) as usize * width + of(0) as usize
    });
    Sheet {
        width,
        height,
        place: (0..width * height).map(|at| layout.face_at(at)).collect(),
        skin,
        lively: each(&|eye, brow, lips| eye.min(brow).min(lips) < 0.09),
        dark: each(&|eye, brow, _| eye.min(brow) < 0.05),
        eye: each(&|eye, _, _| eye < 0.06),
        rim: (0..width * height).map(|at| distance(at, &[&t.oval]) < 0.035).collect(),
        middle: middle.collect(),
        texels: cells.into_iter().flatten().collect(),
        uv,
    }
});

pub(super) fn sheet() -> &'static Sheet {
    &SHEET
}

/// Reads the frame's Y, Cb and Cr under the sheet, and how squarely each pixel faces the camera: 0
/// outside the frame and off the skin.
pub(super) fn gather<R: Reader>(
    r: &R,
    (width, height): (usize, usize),
    mesh: &Mesh,
    normals: &[[f32; 3]; VERTICES],
    out: &mut [Vec<f32>; 3],
    facing: &mut [f32],
) {
    if width < 2 || height < 2 {
        return;
    }
    let encoding = r.encoding(height);
    for Texel { at, corner, weight } in &SHEET.texels {
        let mix = |of: &dyn Fn(usize) -> f32| -> f32 {
            (0..3).map(|i| weight[i] * of(usize::from(corner[i]))).sum()
        };
        let (x, y) = (mix(&|v| mesh[v][0]) - 0.5, mix(&|v| mesh[v][1]) - 0.5);
        let inside = x >= 0.0 && y >= 0.0 && x < (width - 1) as f32 && y < (height - 1) as f32;
        if !inside {
            facing[*at] = 0.0;
            continue;
        }
        facing[*at] = mix(&|v| normals[v][2]).max(0.0);
        out[0][*at] = r.luma_between(&encoding, x, y);
        [out[1][*at], out[2][*at]] = r.chroma(&encoding, r.components(x as usize, y as usize).map(f32::from));
    }
}

/// Sums over `2 · radius + 1` pixels both ways; none beyond the sheet.
pub(super) fn box_sums(values: &[f32], radius: usize, scratch: &mut [f32], out: &mut [f32]) {
    around(values, (radius, radius), scratch, out, |a, b| a + b);
}

/// The largest or, with `least`, the smallest value `across` and `down` pixels around.
pub(super) fn extremes(
    values: &[f32],
    reach: (usize, usize),
    least: bool,
    scratch: &mut [f32],
    out: &mut [f32],
) {
    // Without the care for NaN that `f32::min` takes.
    match least {
        true => around(values, reach, scratch, out, |a, b| if b < a { b } else { a }),
        false => around(values, reach, scratch, out, |a, b| if b > a { b } else { a }),
    }
}

/// Folds each pixel with those up to `across` and `down` pixels away.
#[inline(always)]
fn around(
    values: &[f32],
    (across, down): (usize, usize),
    scratch: &mut [f32],
    out: &mut [f32],
    fold: impl Fn(f32, f32) -> f32,
) {
    let (width, height) = (SHEET.width, SHEET.height);
    let take = |to: &mut [f32], from: &[f32]| {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = fold(*to, *from));
    };
    for (row, out) in values.chunks_exact(width).zip(scratch.chunks_exact_mut(width)) {
        out.copy_from_slice(row);
        for by in 1..=across.min(width) {
            take(out, &row[by..]);
            take(&mut out[by..], row);
        }
    }
    for y in 0..height {
        let out = &mut out[y * width..][..width];
        out.copy_from_slice(&scratch[y * width..][..width]);
        for row in y.saturating_sub(down)..(y + down + 1).min(height) {
            if row != y {
                take(out, &scratch[row * width..][..width]);
            }
        }
    }
}

/// Adds to `on` what of `free` hangs together with it, over the pixels' sides.
pub(super) fn grow(on: &mut [bool], free: &[bool]) {
    let (width, height) = (SHEET.width, SHEET.height);
    const SWEEPS: usize = 6;
    for _ in 0..SWEEPS {
        let mut changed = false;
        let mut visit = |at: usize, beside: usize, above: usize| {
            if free[at] && !on[at] && (on[beside] || on[above]) {
                on[at] = true;
                changed = true;
            }
        };
        for y in 1..height {
            (y * width + 1..(y + 1) * width).for_each(|at| visit(at, at - 1, at - width));
        }
        for y in (0..height - 1).rev() {
            (y * width..(y + 1) * width - 1).rev().for_each(|at| visit(at, at + 1, at + width));
        }
        if !changed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_extremes_of_a_dot_are_squares() {
        let s = sheet();
        let mut dot = vec![0.0; s.width * s.height];
        let at = s.height / 2 * s.width + s.width / 2;
        dot[at] = 3.0;
        let (mut scratch, mut out) = (dot.clone(), dot.clone());
        box_sums(&dot, 2, &mut scratch, &mut out);
        assert_eq!(out.iter().filter(|&&v| v == 3.0).count(), 25);
        extremes(&dot, (1, 3), false, &mut scratch, &mut out);
        assert_eq!(out.iter().filter(|&&v| v == 3.0).count(), 21);
        extremes(&dot, (1, 3), true, &mut scratch, &mut out);
        assert_eq!(out.iter().filter(|&&v| v != 0.0).count(), 0);
    }

    #[test]
    fn growth_follows_a_bent_path_and_stops_at_a_gap() {
        let s = sheet();
        let mut free = vec![false; s.width * s.height];
        let path: Vec<usize> = (20..60)
            .map(|x| 20 * s.width + x)
            .chain((20..50).map(|y| y * s.width + 60))
            .chain((30..=60).map(|x| 50 * s.width + x))
            .collect();
        path.iter().for_each(|&at| free[at] = true);
        free[50 * s.width + 35] = false;
        let mut on = vec![false; free.len()];
        on[20 * s.width + 20] = true;
        grow(&mut on, &free);
        assert!(on[50 * s.width + 36] && !on[50 * s.width + 34]);
        assert_eq!(on.iter().filter(|&&v| v).count(), path.iter().filter(|&&at| free[at]).count() - 5);
    }
}
