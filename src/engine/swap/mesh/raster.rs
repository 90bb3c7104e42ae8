//! Draws textured, relit triangles into a band of a layer.

use multiversion::multiversion;
use wide::{f32x8, i32x8};

use super::{
    grain::{Grain, GrainRow},
    light::luma,
    texture::{Level, Texture, bilinear8},
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

/// The x where the edge `p`–`q` crosses the row centre `y`. Symmetric in its ends, so that
/// neighbours agree to the bit and no pixel is drawn twice or missed.
#[inline(always)]
fn crossing(p: &Vertex, q: &Vertex, y: f32) -> f32 {
    let (low, high) = if (p.y, p.x) <= (q.y, q.x) { (p, q) } else { (q, p) };
    low.x + (y - low.y) * ((high.x - low.x) / (high.y - low.y))
}

/// Draws one triangle; either winding.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
pub(crate) fn triangle(band: &mut Band<'_>, brush: Brush<'_>, corner: [&Vertex; 3]) {
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
    for y in first as usize..end as usize {
        let centre = y as f32 + 0.5;
        let long = crossing(c[0], c[2], centre);
        let short = if centre < c[1].y { crossing(c[0], c[1], centre) } else { crossing(c[1], c[2], centre) };
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
        draw(out, level, brush, start, dx, (left, brush.grain.row(y)));
    }
}

struct Span<'a> {
    r: &'a mut [u8],
    g: &'a mut [u8],
    b: &'a mut [u8],
    a: &'a mut [u8],
}

/// Pixels worked on at once: short enough for the spans of small triangles.
const LANES: usize = 8;

/// Rounds to 0–255.
#[inline(always)]
fn to_bytes(value: f32x8) -> [u8; LANES] {
    let whole = (value + 0.5).fast_max(f32x8::ZERO).fast_min(f32x8::splat(255.0)).fast_trunc_int();
    whole.to_array().map(|v| v as u8)
}

/// The inverse of [`detail`], with detail (in 8.8 fixed point plus [`ZERO`]) times `contrast`, and what is
/// brighter than the base times `gleam` too.
#[inline(always)]
fn add_detail(texel: [f32x8; 3], contrast: f32x8, gleam: f32x8, base: [f32x8; 3], colour: f32) -> [f32x8; 3] {
    let [change, red, blue] = texel.map(|v| (v - 256.0 * ZERO) * contrast);
    let (red, blue) = (red * colour, blue * colour);
    let luma = base[0] * LUMA[0] + base[1] * LUMA[1] + base[2] * LUMA[2];
    let factor = change.fast_min(f32x8::ZERO) / luma.fast_max(f32x8::splat(DARK)) + 1.0;
    let gleam = change.fast_max(f32x8::ZERO) * gleam;
    // The residues leave luma as it is.
    let green = (red * LUMA[0] + blue * LUMA[2]) * (-1.0 / LUMA[1]);
    [base[0] * factor + gleam + red, base[1] * factor + gleam + green, base[2] * factor + gleam + blue]
}

/// The colour that one [`detail`] on `base` gives.
pub(crate) fn lit(detail: [f32; 3], contrast: f32, gleam: f32, base: [f32; 3]) -> [f32; 3] {
    let texel = detail.map(|v| f32x8::splat((v + ZERO) * 256.0));
    let splat = f32x8::splat;
    let colour = add_detail(texel, splat(contrast / 256.0), splat(gleam), base.map(splat), 1.0);
    colour.map(|v| v.to_array()[0])
}

/// Texels are fetched one by one, the arithmetic on them is vectorised.
#[inline(always)]
fn draw(
    out: Span<'_>,
    level: &Level,
    brush: Brush<'_>,
    start: [f32; ATTRIBUTES],
    step: [f32; ATTRIBUTES],
    (left, grain): (usize, GrainRow),
) {
    let n = out.a.len();
    let (max_u, max_v) = level.limits();
    let places = |start: f32, step: f32| {
        let step = step as i32;
        let lanes = std::array::from_fn(|i| (start as i32).wrapping_add(step.wrapping_mul(i as i32)));
        (i32x8::new(lanes), i32x8::splat(step.wrapping_mul(LANES as i32)))
    };
    let ((mut u, du), (mut v, dv)) = (places(start[0], step[0]), places(start[1], step[1]));
    let (max_u, max_v) = (i32x8::splat(max_u), i32x8::splat(max_v));
    let lane = f32x8::new([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    for first in (0..n).step_by(LANES) {
        let count = (n - first).min(LANES);
        let texel = bilinear8(level, u.max(i32x8::ZERO).min(max_u), v.max(i32x8::ZERO).min(max_v));
        (u, v) = (u + du, v + dv);
        let t = lane + first as f32;
        let contrast = (t * step[3] + start[3]) * (1.0 / 256.0);
        let base: [f32x8; 3] = std::array::from_fn(|k| t * step[4 + k] + start[4 + k]);
        let gleam = t * step[7] + start[7];
        let mut lit = match brush.ink {
            Ink::Colour => {
                let own: [f32x8; 3] = std::array::from_fn(|k| texel[k] * contrast + base[k]);
                let grey = own[0] * LUMA[0] + own[1] * LUMA[1] + own[2] * LUMA[2];
                own.map(|v| to_bytes(grey + (v - grey) * brush.colour))
            }
            Ink::Detail => {
                let noise = grain.at(left + first);
                add_detail(texel, contrast, gleam, base, brush.colour).map(|v| to_bytes(v + noise))
            }
            Ink::Erase => {
                for (alpha, texel) in out.a[first..first + count].iter_mut().zip(texel[0].to_array()) {
                    *alpha = (f32::from(*alpha) * (1.0 - texel / (255.0 * 256.0)) + 0.5) as u8;
                }
                continue;
            }
        };
        let cover = (t * step[2] + start[2]).fast_max(f32x8::ZERO).fast_min(f32x8::ONE);
        let share = cover * cover * (3.0 - 2.0 * cover);
        let mut alpha = to_bytes(share * brush.opacity);
        let span = first..first + count;
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
        out.r[span.clone()].copy_from_slice(&lit[0][..count]);
        out.g[span.clone()].copy_from_slice(&lit[1][..count]);
        out.b[span.clone()].copy_from_slice(&lit[2][..count]);
        out.a[span].copy_from_slice(&alpha[..count]);
    }
}

#[cfg(test)]
mod tests;
