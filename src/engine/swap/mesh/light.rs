//! The target's light on the source's skin: a contrast and a base colour for every vertex.
//!
//! A face is its slow changes, which are light and complexion, plus its detail, which is the
//! person: brows, creases, lips. The slow part of each face is a robust low-pass of its triangles'
//! mean colours over the canonical face, in which brows, eyes, lips, hair and glasses hardly count.
//! The swap shows the source's slow part under the target's light (`harmonics`) with the source's
//! detail, added in gamma space: adding keeps the detail of dark skin from being blown up on bright
//! skin, as a ratio of the two would.

use std::sync::LazyLock;

use super::{
    harmonics,
    topology::{Mesh, VERTICES, topology},
};
use crate::engine::{
    frame::{Frame, Reader, with_reader},
    geometry::smoothstep,
    params::ColourMatch,
    swap::mesh::{
        raster::LUMA,
        texture::{Level, Texture},
    },
};

/// Triangles of the skin, without those that close mouth and eyes.
pub(crate) const TRIANGLES: usize = 852;
/// Spread of the low-pass in face widths: luminance and chroma.
const SIGMA: f32 = 0.08;
const SIGMA_CHROMA: f32 = 0.1;
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

/// Mean colour of every triangle: R, G, B in 0–255.
pub(crate) type Colours = [[f32; 3]; TRIANGLES];
/// Slowly changing colour at every vertex: R, G, B in 0–255.
pub(crate) type Lows = [[f32; 3]; VERTICES];
/// At every vertex: factor on the source's detail, the base colour it is added to, and how much of
/// the swap shows beside the target's hair (0–1).
pub(crate) type Gains = [[f32; 5]; VERTICES];

struct Tables {
    /// Weight of a triangle as a witness of light, times its area on the canonical face.
    prior: Vec<f32>,
    region: Vec<u8>,
    /// Whether hair may hang over a triangle.
    hairline: Vec<bool>,
    /// Triangles around each vertex.
    around: Vec<Vec<u16>>,
    /// `TRIANGLES` rows of `VERTICES` weights.
    narrow: Vec<f32>,
    wide: Vec<f32>,
}

const REGIONS: usize = 5;
const FOREHEAD: usize = 0;
const NOSE: usize = 1;
const LEFT: usize = 2;
const RIGHT: usize = 3;
const CHIN: usize = 4;

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let t = topology();
    let face = &*t.canonical;
    let mut tables = Tables {
        prior: Vec::with_capacity(TRIANGLES),
        region: Vec::with_capacity(TRIANGLES),
        hairline: Vec::with_capacity(TRIANGLES),
        around: vec![Vec::new(); VERTICES],
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
                0 => 0.6,
                1 => 0.9,
                _ => 1.0,
            }
        };
        tables.prior.push(witness * area);
        tables.hairline.push(ring <= 3 && centre[1] < 0.05);
        for &v in tri {
            tables.around[usize::from(v)].push(tables.region.len() as u16);
        }
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
        *seen = n > 3 && super::topology::signed_area(mesh, *tri) > 0.0;
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

pub(crate) fn luma(c: &[f32; 3]) -> f32 {
    LUMA[0] * c[0] + LUMA[1] * c[1] + LUMA[2] * c[2]
}

/// Luminance as the eye judges ratios; black stays finite.
fn log_luma(c: &[f32; 3]) -> f32 {
    (luma(c).max(0.0) + 5.0).ln()
}

/// Log luminance that skin has in each region. A forehead that is mostly fringe and a chin that is
/// mostly beard are judged by the cheeks.
fn expected(
    colours: &Colours,
    used: impl Fn(usize) -> bool,
    scratch: &mut [f32; TRIANGLES],
) -> [f32; REGIONS] {
    let mut medians = [None; REGIONS];
    for (region, median) in medians.iter_mut().enumerate() {
        let mut n = 0;
        for (i, c) in colours.iter().enumerate() {
            if usize::from(TABLES.region[i]) == region && used(i) {
                scratch[n] = log_luma(c);
                n += 1;
            }
        }
        if n > 4 {
            *median = Some(*scratch[..n].select_nth_unstable_by(n / 2, f32::total_cmp).1);
        }
    }
    let of = |list: [usize; 3]| {
        let (sum, n) = list.iter().filter_map(|&i| medians[i]).fold((0.0, 0.0), |(s, n), m| (s + m, n + 1.0));
        (n > 0.0).then(|| sum / n)
    };
    let skin = of([NOSE, LEFT, RIGHT]).or(medians[FOREHEAD]).or(medians[CHIN]).unwrap_or(5.0);
    let near = |median: Option<f32>, reach: f32| match median {
        Some(m) if (m - skin).abs() < reach => m,
        _ => skin,
    };
    let mut expected = medians.map(|m| m.unwrap_or(skin));
    expected[FOREHEAD] = near(medians[FOREHEAD], 0.45);
    expected[CHIN] = near(medians[CHIN], 0.35);
    expected
}

/// Weight of a triangle whose log luminance is `off` from what skin has there.
fn trust(off: f32) -> f32 {
    let x = off / 0.6;
    1.0 / (1.0 + x.powi(8))
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

impl Scratch {
    /// The slow part of a face, see [`lows`].
    pub fn lows(&mut self, colours: &Colours, seen: impl Fn(usize) -> f32, out: &mut Lows) {
        lows(colours, seen, &mut self.order, &mut self.sums, out);
    }
}

#[multiversion::multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
fn accumulate(sum: &mut [f32; VERTICES], kernel: &[f32], factor: f32) {
    for (s, k) in sum.iter_mut().zip(kernel) {
        *s += factor * k;
    }
}

/// The slow part of a face whose triangles have `colours`, each as far as it is `seen` (0–1).
/// Returns the log luminance of its skin in each region.
fn lows(
    colours: &Colours,
    seen: impl Fn(usize) -> f32,
    order: &mut [f32; TRIANGLES],
    sums: &mut [[f32; VERTICES]; 5],
    out: &mut Lows,
) -> [f32; REGIONS] {
    let skin = expected(colours, |i| seen(i) > 0.5, order);
    let weights = order;
    let (mut total, mut mean) = (1e-9, [0.0; 3]);
    for (i, (colour, weight)) in colours.iter().zip(weights.iter_mut()).enumerate() {
        let off = log_luma(colour) - skin[usize::from(TABLES.region[i])];
        let w = TABLES.prior[i] * seen(i) * trust(off);
        *weight = w;
        total += w;
        for k in 0..3 {
            mean[k] += w * colour[k];
        }
    }
    let mean = mean.map(|m: f32| m / total);
    for sum in sums.iter_mut() {
        sum.fill(0.0);
    }
    let [narrow, light, wide, red, blue] = sums;
    for (i, (colour, &w)) in colours.iter().zip(weights.iter()).enumerate() {
        if w < 1e-7 {
            continue;
        }
        let d: [f32; 3] = std::array::from_fn(|k| colour[k] - mean[k]);
        let l = luma(&d);
        let near = &TABLES.narrow[i * VERTICES..][..VERTICES];
        let far = &TABLES.wide[i * VERTICES..][..VERTICES];
        accumulate(narrow, near, w);
        accumulate(light, near, w * l);
        accumulate(wide, far, w);
        accumulate(red, far, w * (d[0] - l));
        accumulate(blue, far, w * (d[2] - l));
    }
    // A pull to the mean where little was seen nearby.
    let (hold, hold_wide) = (0.005 * total * SIGMA, 0.005 * total * SIGMA_CHROMA);
    for (v, out) in out.iter_mut().enumerate() {
        let l = light[v] / (narrow[v] + hold);
        let r = red[v] / (wide[v] + hold_wide);
        let b = blue[v] / (wide[v] + hold_wide);
        let g = -(LUMA[0] * r + LUMA[2] * b) / LUMA[1];
        for (k, chroma) in [r, g, b].into_iter().enumerate() {
            out[k] = mean[k] + l + chroma;
        }
    }
    skin
}

/// Largest change of the face's mean luminance that is followed in full, in levels: beyond it the
/// person's own complexion shows through.
const FOLLOWED: f32 = 30.0;
const BEYOND: f32 = 0.8;
/// Added before logarithms are taken, so that black stays finite.
const DARK: f32 = 8.0;
/// What light alone cannot explain of the difference between two faces is a feature of one of them:
/// followed where it is small against this log luminance, left where it is large.
const FEATURE: f32 = 0.2;
/// Powers of the ratio of base colours that the detail's contrast follows: of the whole face, where
/// the target is darker and where it is brighter, and from place to place.
const DIMMED: f32 = 0.8;
const LIFTED: f32 = 0.6;
const SHADED: f32 = 0.7;

/// What brings the slow part `source` to that of the target in `scratch`. Nothing seen leaves the
/// source as it is.
pub(crate) fn gains(source: &Lows, mode: ColourMatch, scratch: &mut Scratch, out: &mut Gains) {
    let Scratch { target, seen, order, sums } = scratch;
    let any = seen.iter().any(|&s| s);
    if mode == ColourMatch::None || !any {
        for (out, low) in out.iter_mut().zip(source) {
            *out = [1.0, low[0], low[1], low[2], 1.0];
        }
        return;
    }
    let mut slow = [[0.0; 3]; VERTICES];
    let skin = lows(target, |i| f32::from(u8::from(seen[i])), order, sums, &mut slow);
    let mean = |lows: &Lows| -> [f32; 3] {
        std::array::from_fn(|k| lows.iter().map(|low| low[k]).sum::<f32>() / VERTICES as f32)
    };
    let (of_source, of_target) = (mean(source), mean(&slow));
    let change = luma(&of_target) - luma(&of_source);
    let excess = (change.abs() - FOLLOWED).max(0.0) * change.signum();
    let kept = -(1.0 - BEYOND) * excess;
    let log = |c: f32| (c.max(0.0) + DARK).ln();
    let ratio: Lows = std::array::from_fn(|v| std::array::from_fn(|k| log(slow[v][k]) - log(source[v][k])));
    let lit = harmonics::of(&ratio);
    let overall = (luma(&of_target) + kept).max(4.0) / luma(&of_source).max(4.0);
    let contrast_overall = overall.powf(if overall < 1.0 { DIMMED } else { LIFTED });
    for (((out, from), to), lit) in out.iter_mut().zip(source).zip(&ratio).zip(&lit) {
        let rest: [f32; 3] = std::array::from_fn(|k| to[k] - lit[k]);
        let share = 1.0 / (1.0 + (luma(&rest) / FEATURE).powi(2));
        let base: [f32; 3] = std::array::from_fn(|k| match mode {
            ColourMatch::Mean => from[k] + of_target[k] - of_source[k] + kept,
            _ => (from[k] + DARK) * (lit[k] + share * rest[k]).exp() - DARK + kept,
        });
        let ratio = (luma(&base).max(4.0)) / luma(from).max(4.0);
        let contrast = contrast_overall * (ratio / overall).powf(SHADED);
        *out = [contrast.clamp(0.3, 1.8), base[0], base[1], base[2], 1.0];
    }
    hide_behind_hair(target, seen, &skin, out);
}

/// Darkness, in log luminance below that of skin, at which a triangle of the forehead or temples is
/// half taken for hair.
const HAIR: f32 = 0.5;

/// Lets the target's hair lie over the swap.
fn hide_behind_hair(target: &Colours, seen: &[bool; TRIANGLES], skin: &[f32; REGIONS], out: &mut Gains) {
    let bare = |i: usize| {
        let darker = skin[usize::from(TABLES.region[i])] - log_luma(&target[i]);
        if !TABLES.hairline[i] || !seen[i] || darker <= 0.0 {
            return 1.0;
        }
        let x = (darker / HAIR).powi(3);
        1.0 / (1.0 + x * x)
    };
    for (out, around) in out.iter_mut().zip(&TABLES.around) {
        let sum: f32 = around.iter().map(|&i| bare(usize::from(i))).sum();
        let mean = sum / around.len().max(1) as f32;
        out[4] = smoothstep(0.3, 0.8, mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(colour: [f32; 3]) -> Box<Colours> {
        Box::new([colour; TRIANGLES])
    }

    fn run(source: &Colours, target: Box<Colours>, mode: ColourMatch) -> Box<Gains> {
        let mut scratch = Scratch { target, ..Scratch::default() };
        scratch.seen.fill(true);
        let mut low = Box::new([[0.0; 3]; VERTICES]);
        scratch.lows(source, |_| 1.0, &mut low);
        let mut out = Box::new([[0.0; 5]; VERTICES]);
        gains(&low, mode, &mut scratch, &mut out);
        out
    }

    #[test]
    fn same_light_gives_the_same_colours() {
        for mode in [ColourMatch::None, ColourMatch::Mean, ColourMatch::Light] {
            let out = run(&flat([180.0, 140.0, 120.0]), flat([180.0, 140.0, 120.0]), mode);
            for g in out.iter() {
                let off = (0..4).map(|k| (g[k] - [1.0, 180.0, 140.0, 120.0][k]).abs()).fold(0.0, f32::max);
                assert!(off < 1e-2, "{mode:?} {g:?}");
            }
        }
    }

    #[test]
    fn a_tint_is_followed_in_every_channel() {
        for mode in [ColourMatch::Mean, ColourMatch::Light] {
            let out = run(&flat([100.0; 3]), flat([120.0, 100.0, 80.0]), mode);
            for g in out.iter() {
                assert!((g[1] - 120.0).abs() < 0.5 && (g[3] - 80.0).abs() < 0.5, "{mode:?} {g:?}");
            }
        }
    }

    #[test]
    fn a_much_brighter_target_does_not_bleach_the_source() {
        let out = run(&flat([70.0; 3]), flat([200.0; 3]), ColourMatch::Light);
        assert!(out.iter().all(|g| g[1] > 150.0 && g[1] < 190.0 && g[0] < 1.8), "{:?}", out[1]);
        let out = run(&flat([200.0; 3]), flat([70.0; 3]), ColourMatch::Light);
        assert!(out.iter().all(|g| g[1] > 75.0 && g[1] < 120.0 && g[0] < 0.75), "{:?}", out[1]);
    }

    #[test]
    fn side_light_darkens_one_side() {
        let t = topology();
        let mut target = flat([150.0; 3]);
        for (tri, c) in t.triangles.iter().zip(target.iter_mut()) {
            let x: f32 = tri.iter().map(|&v| t.canonical[usize::from(v)][0]).sum::<f32>() / 3.0;
            *c = [150.0 * (0.85 + 0.6 * x); 3];
        }
        let out = run(&flat([150.0; 3]), target, ColourMatch::Light);
        let (left, right) = (out[50][1], out[280][1]);
        assert!(right - left > 25.0, "{left} {right}");
    }

    #[test]
    fn a_dark_patch_of_the_target_is_not_taken_for_light() {
        let t = topology();
        let mut target = flat([150.0; 3]);
        for (tri, c) in t.triangles.iter().zip(target.iter_mut()) {
            let beside = |v: &u16| {
                let p = t.canonical[usize::from(*v)];
                (p[0] - 0.25).hypot(p[1] + 0.05) < 0.15
            };
            if tri.iter().any(beside) {
                *c = [100.0; 3];
            }
        }
        let out = run(&flat([150.0; 3]), target, ColourMatch::Light);
        let darkest = out.iter().map(|g| g[1]).fold(255.0, f32::min);
        assert!(darkest > 113.0, "{darkest}");
    }

    #[test]
    fn hair_on_the_forehead_and_a_beard_count_little() {
        let t = topology();
        for hairy in [|y: f32| y < -0.45, |y: f32| y > 0.25] {
            let mut target = flat([150.0; 3]);
            for (tri, c) in t.triangles.iter().zip(target.iter_mut()) {
                if tri.iter().any(|&v| hairy(t.canonical[usize::from(v)][1])) {
                    *c = [20.0; 3];
                }
            }
            let out = run(&flat([150.0; 3]), target, ColourMatch::Light);
            let hidden = out.iter().filter(|g| g[4] < 0.1).count();
            assert_eq!(hidden > 10, hairy(-1.0), "{hidden}");
            let darkest = out.iter().map(|g| g[1]).fold(255.0, f32::min);
            assert!(darkest > 120.0, "{darkest}");
        }
    }
}
