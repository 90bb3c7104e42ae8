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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texture() -> Texture {
        Texture::new([128u8, 64, 32, 0].repeat(32 * 32), 32, 32)
    }

    fn brush(texture: &Texture) -> Brush<'_> {
        Brush {
            image: Image::Pyramid(texture, 0.0),
            ink: Ink::Colour,
            over: false,
            opacity: 255.0,
            colour: 1.0,
            grain: Grain::NONE,
        }
    }

    fn vertex(x: f32, y: f32) -> Vertex {
        Vertex { x, y, u: x, v: y, cover: 2.0, contrast: 1.0, gleam: 1.0, base: [0.0; 3] }
    }

    proptest! {
        /// Two triangles that share an edge cover every pixel of their quad exactly once.
        #[test]
        fn neighbours_neither_overlap_nor_gap(p in prop::array::uniform8(0.0f32..32.0)) {
            let q = [vertex(p[0], p[1]), vertex(p[2], p[3]), vertex(p[4], p[5]), vertex(p[6], p[7])];
            let texture = texture();
            let mut hits = vec![0u32; 32 * 32];
            // The quad's diagonal must lie inside it: 0 and 2 on different sides of 1–3.
            let side = |a: &Vertex| (q[3].x - q[1].x) * (a.y - q[1].y) - (q[3].y - q[1].y) * (a.x - q[1].x);
            prop_assume!(side(&q[0]) * side(&q[2]) < -1.0);
            for t in [[&q[0], &q[1], &q[3]], [&q[2], &q[1], &q[3]]] {
                let mut planes = vec![vec![0u8; 32 * 32]; 4];
                let [r, g, b, a] = &mut planes[..] else { unreachable!() };
                triangle(&mut Band { top: 0, rows: 32, stride: 32, r, g, b, a }, brush(&texture), t);
                for (h, a) in hits.iter_mut().zip(&planes[3]) {
                    *h += u32::from(*a == 255);
                }
            }
            prop_assert!(hits.iter().all(|&h| h <= 1));
            let area = 0.5 * (side(&q[0]).abs() + side(&q[2]).abs());
            let covered: u32 = hits.iter().sum();
            let perimeter: f32 = (0..4).map(|i| (q[i].x - q[(i + 1) % 4].x).hypot(q[i].y - q[(i + 1) % 4].y)).sum();
            prop_assert!((covered as f32 - area).abs() <= perimeter + 2.0);
        }
    }

    #[test]
    fn bands_draw_what_the_whole_draws() {
        let texture = texture();
        let t = [vertex(3.3, 1.2), vertex(28.0, 9.7), vertex(11.5, 30.9)];
        let t = [&t[0], &t[1], &t[2]];
        let mut whole = vec![vec![0u8; 32 * 32]; 4];
        let [r, g, b, a] = &mut whole[..] else { unreachable!() };
        triangle(&mut Band { top: 0, rows: 32, stride: 32, r, g, b, a }, brush(&texture), t);
        let mut parts = vec![vec![0u8; 32 * 32]; 4];
        for top in [0, 12] {
            let rows = if top == 0 { 12 } else { 20 };
            let span = top * 32..(top + rows) * 32;
            let [r, g, b, a] = &mut parts[..] else { unreachable!() };
            let mut band = Band {
                top,
                rows,
                stride: 32,
                r: &mut r[span.clone()],
                g: &mut g[span.clone()],
                b: &mut b[span.clone()],
                a: &mut a[span],
            };
            triangle(&mut band, brush(&texture), t);
        }
        assert_eq!(whole, parts);
    }

    #[test]
    fn contrast_and_base_make_the_colour() {
        let lit = |contrast: f32, base: [f32; 3]| {
            let corner = [(0.0, 0.0), (32.0, 0.0), (0.0, 32.0)].map(|(x, y)| Vertex {
                contrast,
                base,
                ..vertex(x, y)
            });
            let mut planes = vec![vec![0u8; 32 * 32]; 4];
            let [r, g, b, a] = &mut planes[..] else { unreachable!() };
            let mut band = Band { top: 0, rows: 32, stride: 32, r, g, b, a };
            triangle(&mut band, brush(&texture()), corner.each_ref());
            [planes[0][99], planes[1][99], planes[2][99]]
        };
        assert_eq!(lit(1.0, [0.0; 3]), [128, 64, 32]);
        assert_eq!(lit(0.5, [10.0, 20.0, -30.0]), [74, 52, 0]);
        assert_eq!(lit(3.0, [0.0; 3]), [255, 192, 96]);
    }

    #[test]
    fn over_mixes_by_cover_and_keeps_opacity() {
        let corner = |cover: f32| {
            [(0.0, 0.0), (32.0, 0.0), (0.0, 32.0)].map(|(x, y)| Vertex { cover, ..vertex(x, y) })
        };
        let mut planes = vec![vec![0u8; 32 * 32]; 4];
        let [r, g, b, a] = &mut planes[..] else { unreachable!() };
        let mut band = Band { top: 0, rows: 32, stride: 32, r, g, b, a };
        let texture = texture();
        let half = Brush { opacity: 127.5, ..brush(&texture) };
        triangle(&mut band, half, corner(1.0).each_ref());
        let dark = corner(0.5).map(|v| Vertex { contrast: 0.0, ..v });
        triangle(&mut band, Brush { over: true, ..half }, dark.each_ref());
        assert_eq!([planes[0][99], planes[1][99], planes[3][99]], [64, 32, 128]);
    }

    #[test]
    fn erase_takes_away_what_was_drawn() {
        let mut planes = vec![vec![200u8; 32 * 32]; 4];
        let [r, g, b, a] = &mut planes[..] else { unreachable!() };
        let mut band = Band { top: 0, rows: 32, stride: 32, r, g, b, a };
        let texture = texture();
        let corner = [(0.0, 0.0), (32.0, 0.0), (0.0, 32.0)].map(|(x, y)| vertex(x, y));
        triangle(&mut band, Brush { ink: Ink::Erase, ..brush(&texture) }, corner.each_ref());
        assert_eq!([planes[0][99], planes[3][99], planes[3][32 * 32 - 1]], [200, 100, 200]);
    }

    proptest! {
        /// Detail taken from a base and put back on it gives the colour again.
        #[test]
        fn detail_comes_back(colour in prop::array::uniform3(0.0f32..255.0), base in prop::array::uniform3(10.0f32..255.0)) {
            let back = lit(detail(colour, base), 1.0, 1.0, base);
            for k in 0..3 {
                prop_assert!((back[k] - colour[k]).abs() < 0.05, "{colour:?} {base:?} {k}");
            }
        }
    }
}
