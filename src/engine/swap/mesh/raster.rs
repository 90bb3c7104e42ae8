//! Draws textured, relit triangles into a band of a layer.

use std::array::from_fn;

#[cfg(target_arch = "x86_64")]
use super::lanes::avx2::Avx2;
use super::{
    grain::{Grain, GrainRow},
    lanes::{LANES, Lanes, Plain},
    light::luma,
    texture::{Level, Texture},
};

/// A vertex of the mesh as it is drawn.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Vertex {
    /// Layer pixels.
    pub x: f32,
    pub y: f32,
    /// Level-0 pixels of the texture.
    pub u: f32,
    pub v: f32,
    /// Distance from the mask's edge, in feather widths: 0 transparent, ≥ 1 opaque.
    pub cover: f32,
    /// Factor on the texel.
    pub contrast: f32,
    /// Further factor on detail brighter than the base.
    pub gleam: f32,
    /// What it is added to: R, G, B in levels.
    pub base: [f32; 3],
}

/// How a texel becomes a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Texel times contrast plus base, channel by channel.
    Colour,
    /// Luma detail in R, colour residues in G and B, as [`detail`] makes them.
    Detail,
    /// R of the texel takes as much of what was drawn away, 255 all of it.
    Erase,
}

/// What triangles are drawn with.
#[derive(Clone, Copy)]
pub(crate) struct Brush<'a> {
    pub image: Image<'a>,
    pub ink: Ink,
    /// Mix with what the layer holds instead of replacing it.
    pub over: bool,
    /// 0–255.
    pub opacity: f32,
    /// How much of the texels' own colour shows, 0 (luma only) to 1.
    pub colour: f32,
    pub grain: Grain,
}

/// Where texels come from.
#[derive(Clone, Copy)]
pub(crate) enum Image<'a> {
    /// With half octaves of blur beyond what the size asks for.
    Pyramid(&'a Texture, f32),
    Flat(&'a Level),
}

/// Stored for no detail.
pub(crate) const ZERO: f32 = 128.0;
/// Coefficients of the luma that detail is about.
pub(crate) const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// Luma below which a base is not divided by.
const DARK: f32 = 8.0;

/// What sets `colour` apart from `base`: luma, red and blue. Less luma dims all channels alike, as a
/// shadow does; more is added to all, as a gleam is; what is then left of red and blue is residue.
pub(crate) fn detail(colour: [f32; 3], base: [f32; 3]) -> [f32; 3] {
    let change = luma(&colour) - luma(&base);
    let factor = 1.0 + change.min(0.0) / luma(&base).max(DARK);
    let left = |k: usize| colour[k] - (base[k] * factor + change.max(0.0));
    [change, left(0), left(2)]
}

/// Rows `[top, top + rows)` of a layer, planar.
pub(crate) struct Band<'a> {
    pub top: usize,
    pub rows: usize,
    pub stride: usize,
    pub r: &'a mut [u8],
    pub g: &'a mut [u8],
    pub b: &'a mut [u8],
    pub a: &'a mut [u8],
}

const ATTRIBUTES: usize = 8;

#[inline(always)]
fn attributes(v: &Vertex, scale: (f32, f32)) -> [f32; ATTRIBUTES] {
    [
        (v.u * scale.0 - 0.5) * 65536.0,
        (v.v * scale.1 - 0.5) * 65536.0,
        v.cover,
        v.contrast,
        v.base[0],
        v.base[1],
        v.base[2],
        v.gleam,
    ]
}

/// An edge of a triangle, from its upper end to its lower.
struct Edge {
    x: f32,
    y: f32,
    slope: f32,
}

impl Edge {
    /// Symmetric in its ends, so that neighbours agree to the bit and no pixel is drawn twice or missed.
    #[inline(always)]
    fn new(p: &Vertex, q: &Vertex) -> Edge {
        let (low, high) = if (p.y, p.x) <= (q.y, q.x) { (p, q) } else { (q, p) };
        Edge { x: low.x, y: low.y, slope: (high.x - low.x) / (high.y - low.y) }
    }

    /// The x where it crosses the row centre `y`.
    #[inline(always)]
    fn crossing(&self, y: f32) -> f32 {
        self.x + (y - self.y) * self.slope
    }
}

/// Draws one triangle; either winding.
pub(crate) fn triangle(band: &mut Band<'_>, brush: Brush<'_>, corner: [&Vertex; 3]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: there is AVX2.
        return unsafe { triangle_avx2(band, brush, corner) };
    }
    triangle_of::<Plain>(band, brush, corner);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn triangle_avx2(band: &mut Band<'_>, brush: Brush<'_>, corner: [&Vertex; 3]) {
    triangle_of::<Avx2>(band, brush, corner);
}

#[inline(always)]
fn triangle_of<L: Lanes>(band: &mut Band<'_>, brush: Brush<'_>, corner: [&Vertex; 3]) {
    let mut c = corner;
    c.sort_unstable_by(|a, b| a.y.total_cmp(&b.y));
    let first = (c[0].y - 0.5).ceil().max(band.top as f32);
    let end = (c[2].y - 0.5).ceil().min((band.top + band.rows) as f32);
    if first.is_nan() || first >= end {
        return;
    }
    let (ax, ay) = (c[1].x - c[0].x, c[1].y - c[0].y);
    let (bx, by) = (c[2].x - c[0].x, c[2].y - c[0].y);
    let det = ax * by - ay * bx;
    if det.abs() < 1e-6 {
        return;
    }
    let source = (c[1].u - c[0].u) * (c[2].v - c[0].v) - (c[1].v - c[0].v) * (c[2].u - c[0].u);
    let level = match brush.image {
        Image::Pyramid(texture, blur) => texture.level((source / det).abs().sqrt(), blur),
        Image::Flat(level) => level,
    };
    let at = c.map(|v| attributes(v, level.scale));
    let (mut dx, mut dy) = ([0.0; ATTRIBUTES], [0.0; ATTRIBUTES]);
    for k in 0..ATTRIBUTES {
        let (a, b) = (at[1][k] - at[0][k], at[2][k] - at[0][k]);
        dx[k] = (a * by - b * ay) / det;
        dy[k] = (b * ax - a * bx) / det;
    }
    let (edge, upper, lower) = (Edge::new(c[0], c[2]), Edge::new(c[0], c[1]), Edge::new(c[1], c[2]));
    for y in first as usize..end as usize {
        let centre = y as f32 + 0.5;
        let long = edge.crossing(centre);
        let short = if centre < c[1].y { upper.crossing(centre) } else { lower.crossing(centre) };
        let left = ((long.min(short) - 0.5).ceil().max(0.0)) as usize;
        let right = ((long.max(short) - 0.5).ceil().max(0.0) as usize).min(band.stride);
        if left >= right {
            continue;
        }
        let (ox, oy) = (left as f32 + 0.5 - c[0].x, centre - c[0].y);
        let mut start = [0.0; ATTRIBUTES];
        for k in 0..ATTRIBUTES {
            start[k] = at[0][k] + ox * dx[k] + oy * dy[k];
        }
        let row = (y - band.top) * band.stride;
        let span = row + left..row + right;
        let out = Span {
            r: &mut band.r[span.clone()],
            g: &mut band.g[span.clone()],
            b: &mut band.b[span.clone()],
            a: &mut band.a[span],
        };
        draw::<L>(out, level, brush, start, dx, (left, brush.grain.row(y)));
    }
}

struct Span<'a> {
    r: &'a mut [u8],
    g: &'a mut [u8],
    b: &'a mut [u8],
    a: &'a mut [u8],
}

/// Writes as many of `bytes` as there is room for.
#[inline(always)]
fn put(out: &mut [u8], bytes: [u8; LANES]) {
    if let Ok(all) = <&mut [u8; LANES]>::try_from(&mut *out) {
        return *all = bytes;
    }
    for (out, byte) in out.iter_mut().zip(bytes) {
        *out = byte;
    }
}

/// The inverse of [`detail`], with detail (in 8.8 fixed point plus [`ZERO`]) times `contrast`, and what is
/// brighter than the base times `gleam` too.
#[inline(always)]
fn add_detail<L: Lanes>(texel: [L; 3], contrast: L, gleam: L, base: [L; 3], colour: f32) -> [L; 3] {
    let (zero, one) = (L::splat(0.0), L::splat(1.0));
    let [change, red, blue] = texel.map(|v| (v - L::splat(256.0 * ZERO)) * contrast);
    let (red, blue) = (red * L::splat(colour), blue * L::splat(colour));
    let factor = change.min(zero).over(grey(base).max(L::splat(DARK))) + one;
    let gleam = change.max(zero) * gleam;
    // The residues leave luma as it is.
    let green = (red * L::splat(LUMA[0]) + blue * L::splat(LUMA[2])) * L::splat(-1.0 / LUMA[1]);
    [base[0] * factor + gleam + red, base[1] * factor + gleam + green, base[2] * factor + gleam + blue]
}

#[inline(always)]
fn grey<L: Lanes>(colour: [L; 3]) -> L {
    colour[0] * L::splat(LUMA[0]) + colour[1] * L::splat(LUMA[1]) + colour[2] * L::splat(LUMA[2])
}

/// The colour that one [`detail`] on `base` gives.
pub(crate) fn lit(detail: [f32; 3], contrast: f32, gleam: f32, base: [f32; 3]) -> [f32; 3] {
    let splat = Plain::splat;
    let texel = detail.map(|v| splat((v + ZERO) * 256.0));
    let colour = add_detail(texel, splat(contrast / 256.0), splat(gleam), base.map(splat), 1.0);
    colour.map(|v| v.to_array()[0])
}

#[inline(always)]
fn draw<L: Lanes>(
    out: Span<'_>,
    level: &Level,
    brush: Brush<'_>,
    start: [f32; ATTRIBUTES],
    step: [f32; ATTRIBUTES],
    (left, grain): (usize, GrainRow),
) {
    let n = out.a.len();
    let place =
        |k: usize| (L::places(start[k] as i32, step[k] as i32), (step[k] as i32).wrapping_mul(LANES as i32));
    let ((mut u, du), (mut v, dv)) = (place(0), place(1));
    let lane = L::new([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    for first in (0..n).step_by(LANES) {
        let count = (n - first).min(LANES);
        let span = first..first + count;
        let texel = L::texels(level, u, v);
        (u, v) = (L::advance(u, du), L::advance(v, dv));
        let t = lane + L::splat(first as f32);
        let of = |k: usize| t * L::splat(step[k]) + L::splat(start[k]);
        let contrast = of(3) * L::splat(1.0 / 256.0);
        let base: [L; 3] = from_fn(|k| of(4 + k));
        let mut lit = match brush.ink {
            Ink::Colour => {
                let own: [L; 3] = from_fn(|k| texel[k] * contrast + base[k]);
                let grey = grey(own);
                own.map(|v| (grey + (v - grey) * L::splat(brush.colour)).to_bytes())
            }
            Ink::Detail => {
                let noise = grain.at::<L>(left + first);
                add_detail(texel, contrast, of(7), base, brush.colour).map(|v| (v + noise).to_bytes())
            }
            Ink::Erase => {
                for (alpha, texel) in out.a[span].iter_mut().zip(texel[0].to_array()) {
                    *alpha = (f32::from(*alpha) * (1.0 - texel / (255.0 * 256.0)) + 0.5) as u8;
                }
                continue;
            }
        };
        let cover = of(2).max(L::splat(0.0)).min(L::splat(1.0));
        let share = cover * cover * (L::splat(3.0) - L::splat(2.0) * cover);
        let mut alpha = (share * L::splat(brush.opacity)).to_bytes();
        if brush.over {
            let under = [&out.r[span.clone()], &out.g[span.clone()], &out.b[span.clone()]];
            let share = share.to_array();
            for i in (0..count).filter(|&i| out.a[first + i] > 0) {
                for (lit, under) in lit.iter_mut().zip(under) {
                    let under = f32::from(under[i]);
                    lit[i] = (under + share[i] * (f32::from(lit[i]) - under) + 0.5) as u8;
                }
                alpha[i] = alpha[i].max(out.a[first + i]);
            }
        }
        put(&mut out.r[span.clone()], lit[0]);
        put(&mut out.g[span.clone()], lit[1]);
        put(&mut out.b[span.clone()], lit[2]);
        put(&mut out.a[span], alpha);
    }
}

#[cfg(test)]
mod tests;
