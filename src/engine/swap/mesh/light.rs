//! The target's light on the source's skin: one gain a vertex and channel.
//!
//! Both faces are compared triangle by triangle on the mesh, so no pixel grid is needed: the log
//! ratio of each triangle's mean colours, weighted by how much that triangle says about light, is
//! low-passed over the canonical face.

use std::sync::LazyLock;

use super::topology::{Mesh, VERTICES, topology};
use crate::engine::{
    frame::{Frame, Reader, with_reader},
    params::ColourMatch,
    swap::mesh::texture::Texture,
};

/// Triangles of the skin, without those that close mouth and eyes.
pub(crate) const TRIANGLES: usize = 852;
/// Spread of the low-pass in face widths: luminance and chroma.
const SIGMA: f32 = 0.08;
const SIGMA_CHROMA: f32 = 0.1;
/// Added to colours in 0–1 before the logarithm, so that black stays finite.
const FLOOR: f32 = 0.02;
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
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Log colour of every triangle: R, G, B.
pub(crate) type Colours = [[f32; 3]; TRIANGLES];
/// Log gain of every vertex.
pub(crate) type Gains = [[f32; 3]; VERTICES];

struct Tables {
    /// Weight of a triangle as a witness of light, times its area on the canonical face.
    prior: Vec<f32>,
    region: Vec<u8>,
    /// `TRIANGLES` rows of `VERTICES` weights.
    narrow: Vec<f32>,
    wide: Vec<f32>,
}

const REGIONS: usize = 5;

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let t = topology();
    let face = &*t.canonical;
    let mut tables = Tables {
        prior: Vec::with_capacity(TRIANGLES),
        region: Vec::with_capacity(TRIANGLES),
        narrow: Vec::with_capacity(TRIANGLES * VERTICES),
        wide: Vec::with_capacity(TRIANGLES * VERTICES),
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
        let area = 0.5 * super::topology::signed_area(face, *tri).abs();
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
                0 => 0.15,
                1 => 0.5,
                _ => 1.0,
            }
        };
        tables.prior.push(witness * area);
        tables.region.push(match centre {
            [_, y, _] if y < -0.3 => 0,
            [x, y, _] if y < 0.2 && x.abs() < 0.1 => 1,
            [x, y, _] if y < 0.25 => 2 + u8::from(x > 0.0),
            _ => 4,
        });
        for v in face {
            let square: f32 = (0..3).map(|k| (v[k] - centre[k]) * (v[k] - centre[k])).sum();
            tables.narrow.push((-square / (2.0 * SIGMA * SIGMA)).exp());
            tables.wide.push((-square / (2.0 * SIGMA_CHROMA * SIGMA_CHROMA)).exp());
        }
    }
    tables
});

/// Builds the tables now instead of on the first frame.
pub(crate) fn prepare() {
    LazyLock::force(&TABLES);
}

fn log_colour(sum: [f32; 3], n: f32) -> [f32; 3] {
    sum.map(|c| (c.max(0.0) / (255.0 * n) + FLOOR).ln())
}

/// Log mean colours of the source's triangles at texture coordinates `uv`.
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
        *out = log_colour(sum, TAPS.len() as f32);
    }
}

/// Log mean colours of the target's triangles, and whether each is seen by the camera.
pub(crate) fn of_frame(frame: &Frame<'_>, mesh: &Mesh, out: &mut Colours, seen: &mut [bool; TRIANGLES]) {
    with_reader!(frame, r => of_frame_with(&r, frame.width(), frame.height(), mesh, out, seen));
}

fn of_frame_with<R: Reader>(
    r: &R,
    width: usize,
    height: usize,
    mesh: &Mesh,
    out: &mut Colours,
    seen: &mut [bool; TRIANGLES],
) {
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
            }
        }
        *seen = n > 3 && super::topology::signed_area(mesh, *tri) > 0.0;
        if n > 0 {
            let mean = sum.map(|s| s as f32 / n as f32);
            *out = log_colour(r.rgb(mean), 1.0);
        }
    }
}

fn luma(c: &[f32; 3]) -> f32 {
    LUMA[0] * c[0] + LUMA[1] * c[1] + LUMA[2] * c[2]
}

/// Median log luminance of each region; triangles far from it are hair, glasses or shadow edges.
fn medians(
    colours: &Colours,
    used: impl Fn(usize) -> bool,
    scratch: &mut [f32; TRIANGLES],
) -> [f32; REGIONS] {
    let mut medians = [0.0; REGIONS];
    for (region, median) in medians.iter_mut().enumerate() {
        let mut n = 0;
        for (i, c) in colours.iter().enumerate() {
            if usize::from(TABLES.region[i]) == region && used(i) {
                scratch[n] = luma(c);
                n += 1;
            }
        }
        if n > 0 {
            *median = *scratch[..n].select_nth_unstable_by(n / 2, f32::total_cmp).1;
        }
    }
    medians
}

fn trust(value: f32, median: f32) -> f32 {
    let x = (value - median) / 0.35;
    1.0 / (1.0 + x * x * x * x)
}

/// Working memory of [`gains`].
#[derive(Debug)]
pub(crate) struct Scratch {
    pub target: Box<Colours>,
    pub seen: Box<[bool; TRIANGLES]>,
    order: Box<[f32; TRIANGLES]>,
    /// Per vertex: weight and luminance (narrow), weight and two chroma differences (wide).
    sums: Box<[[f32; VERTICES]; 5]>,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch {
            target: Box::new([[0.0; 3]; TRIANGLES]),
            seen: Box::new([false; TRIANGLES]),
            order: Box::new([0.0; TRIANGLES]),
            sums: Box::new([[0.0; VERTICES]; 5]),
        }
    }
}

#[multiversion::multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
fn accumulate(sum: &mut [f32; VERTICES], kernel: &[f32], factor: f32) {
    for (s, k) in sum.iter_mut().zip(kernel) {
        *s += factor * k;
    }
}

/// Log gains that bring the source's light to the target's. Fills `out`; nothing seen gives 0.
pub(crate) fn gains(source: &Colours, mode: ColourMatch, scratch: &mut Scratch, out: &mut Gains) {
    out.fill([0.0; 3]);
    if mode == ColourMatch::None {
        return;
    }
    let Scratch { target, seen, order, sums } = scratch;
    let of_target = medians(target, |i| seen[i], order);
    let of_source = medians(source, |_| true, order);
    let region = |i: usize| usize::from(TABLES.region[i]);
    // The target's skin colour holds wherever its own skin is seen, so that the source's grey beard
    // or tinted light takes it on too; its shade only where both are skin.
    let colour_weight = |i: usize| {
        TABLES.prior[i] * f32::from(u8::from(seen[i])) * trust(luma(&target[i]), of_target[region(i)])
    };
    let weight = |i: usize| colour_weight(i) * trust(luma(&source[i]), of_source[region(i)]);
    let (mut total, mut mean) = (1e-9, [0.0; 3]);
    for i in 0..TRIANGLES {
        let w = weight(i);
        total += w;
        for k in 0..3 {
            mean[k] += w * (target[i][k] - source[i][k]);
        }
    }
    let mean = mean.map(|m: f32| (m / total).clamp(-1.6, 1.6));
    out.fill(mean);
    if mode == ColourMatch::Mean {
        return;
    }
    for sum in sums.iter_mut() {
        sum.fill(0.0);
    }
    let [narrow, light, wide, red, blue] = &mut **sums;
    for i in 0..TRIANGLES {
        let (w, c) = (weight(i), colour_weight(i));
        if c < 1e-7 {
            continue;
        }
        let d: [f32; 3] = std::array::from_fn(|k| target[i][k] - source[i][k] - mean[k]);
        let l = luma(&d);
        let near = &TABLES.narrow[i * VERTICES..][..VERTICES];
        let far = &TABLES.wide[i * VERTICES..][..VERTICES];
        accumulate(narrow, near, w);
        accumulate(light, near, w * l);
        accumulate(wide, far, c);
        accumulate(red, far, c * (d[0] - l));
        accumulate(blue, far, c * (d[2] - l));
    }
    // A pull to the global gain where little was seen nearby.
    let (hold, hold_wide) = (0.02 * total * SIGMA, 0.02 * total * SIGMA_CHROMA);
    for (v, out) in out.iter_mut().enumerate() {
        let l = light[v] / (narrow[v] + hold);
        let l = 0.8 * (l / 0.8).tanh();
        let r = red[v] / (wide[v] + hold_wide);
        let b = blue[v] / (wide[v] + hold_wide);
        let g = -(LUMA[0] * r + LUMA[2] * b) / LUMA[1];
        for (k, chroma) in [r, g, b].into_iter().enumerate() {
            out[k] = (mean[k] + l + chroma).clamp(-1.8, 1.8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(colour: [f32; 3]) -> Box<Colours> {
        Box::new([log_colour(colour, 1.0); TRIANGLES])
    }

    fn run(source: &Colours, target: Box<Colours>, mode: ColourMatch) -> Box<Gains> {
        let mut scratch = Scratch { target, ..Scratch::default() };
        scratch.seen.fill(true);
        let mut out = Box::new([[0.0; 3]; VERTICES]);
        gains(source, mode, &mut scratch, &mut out);
        out
    }

    #[test]
    fn same_light_gives_no_gain() {
        let out = run(&flat([180.0, 140.0, 120.0]), flat([180.0, 140.0, 120.0]), ColourMatch::Light);
        assert!(out.iter().flatten().all(|g| g.abs() < 1e-5));
    }

    #[test]
    fn uniform_tint_is_followed_in_every_channel() {
        let out = run(&flat([100.0, 100.0, 100.0]), flat([150.0, 100.0, 80.0]), ColourMatch::Mean);
        let expected = [150.0f32, 100.0, 80.0].map(|c| ((c / 255.0 + FLOOR) / (100.0 / 255.0 + FLOOR)).ln());
        for g in out.iter() {
            for k in 0..3 {
                assert!((g[k] - expected[k]).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn side_light_darkens_one_side() {
        let t = topology();
        let mut target = flat([150.0; 3]);
        for (tri, c) in t.triangles.iter().zip(target.iter_mut()) {
            let x: f32 = tri.iter().map(|&v| t.canonical[usize::from(v)][0]).sum::<f32>() / 3.0;
            let shade = 0.85 + 0.6 * x;
            *c = log_colour([150.0 * shade; 3], 1.0);
        }
        let out = run(&flat([150.0; 3]), target, ColourMatch::Light);
        let (left, right) = (out[50][0], out[280][0]);
        assert!(right - left > 0.2, "{left} {right}");
    }

    #[test]
    fn hair_on_the_forehead_counts_little() {
        let t = topology();
        let mut target = flat([150.0; 3]);
        for (tri, c) in t.triangles.iter().zip(target.iter_mut()) {
            if tri.iter().any(|&v| t.canonical[usize::from(v)][1] < -0.45) {
                *c = log_colour([20.0; 3], 1.0);
            }
        }
        let out = run(&flat([150.0; 3]), target, ColourMatch::Light);
        assert!(
            out.iter().flatten().all(|g| *g > -0.25),
            "{:?}",
            out.iter().flatten().fold(0f32, |a, b| a.min(*b))
        );
    }
}
