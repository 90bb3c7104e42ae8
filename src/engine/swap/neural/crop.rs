//! Pixels of a frame as a network's input.

use std::sync::Mutex;

use multiversion::multiversion;

use crate::{
    engine::{
        frame::{Frame, LANES, Reader, bilinear, with_reader},
        geometry::{Point, Similarity},
        pool::Pool,
    },
    models::{Channels, Layout, Preprocess},
    sync::lock,
};

/// Bands of rows that the threads share out.
const BANDS: usize = 16;
/// Most samples a side of one crop pixel.
const MOST_TAPS: usize = 8;

/// How a network takes pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pixels {
    /// Of the square input.
    pub size: usize,
    layout: Layout,
    /// Input channel of red, green and blue.
    channels: [usize; 3],
    /// Input value = pixel · gain + offset, for red, green and blue.
    gain: [f32; 3],
    offset: [f32; 3],
}

impl Pixels {
    /// As a card says; `None` where it names no size.
    pub fn new(card: &Preprocess) -> Option<Pixels> {
        let channels = match card.channels {
            Channels::Rgb => [0, 1, 2],
            Channels::Bgr => [2, 1, 0],
        };
        let (mean, std) = (card.mean.values(), card.std.values());
        Some(Pixels {
            size: card.size? as usize,
            layout: card.layout,
            channels,
            gain: channels.map(|c| 1.0 / std[c]),
            offset: channels.map(|c| -mean[c] / std[c]),
        })
    }

    /// RGB divided by 255, plane by plane.
    pub fn unit(size: usize) -> Pixels {
        let layout = Layout::Nchw;
        Pixels { size, layout, channels: [0, 1, 2], gain: [1.0 / 255.0; 3], offset: [0.0; 3] }
    }

    /// RGB in 0–255, plane by plane.
    pub fn levels(size: usize) -> Pixels {
        Pixels { gain: [1.0; 3], ..Pixels::unit(size) }
    }

    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Channel and value of a pixel's red, green and blue (0–255).
    pub fn values(&self, rgb: [f32; 3]) -> [(usize, f32); 3] {
        std::array::from_fn(|k| (self.channels[k], rgb[k] * self.gain[k] + self.offset[k]))
    }

    /// Elements of one image.
    pub fn len(&self) -> usize {
        3 * self.size * self.size
    }

    /// Writes a tile of a crop, planar, 0–255, as the network takes it.
    pub(super) fn pack(&self, crop: &[f32], tile: Tile, out: &mut [f32]) {
        let (area, plane) = (crop.len() / 3, self.size * self.size);
        for at in 0..plane {
            let from = tile.place(at, self.size);
            for (k, &channel) in self.channels.iter().enumerate() {
                let to = match self.layout {
                    Layout::Nchw => channel * plane + at,
                    Layout::Nhwc => 3 * at + channel,
                };
                out[to] = crop[k * area + from] * self.gain[k] + self.offset[k];
            }
        }
    }

    /// Shape of a batch.
    pub fn shape(&self, batch: usize) -> [i64; 4] {
        let (n, s) = (batch as i64, self.size as i64);
        match self.layout {
            Layout::Nchw => [n, 3, s, s],
            Layout::Nhwc => [n, s, s, 3],
        }
    }
}

/// Every `boost`th pixel, across and down, of a crop of `boost` times a network's size, from `phase`
/// (x, y) on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    pub boost: usize,
    pub phase: (usize, usize),
}

impl Tile {
    /// Index in a plane of the crop of the tile's pixel `at`, by its index in a tile of `size`.
    fn place(self, at: usize, size: usize) -> usize {
        let (x, y) = (at % size * self.boost + self.phase.0, at / size * self.boost + self.phase.1);
        y * size * self.boost + x
    }

    /// Writes a network's planar `image` into the crop `out`, as `gain` and `offset` make its values
    /// levels.
    pub fn unpack(self, image: &[f32], size: usize, gain: [f32; 3], offset: [f32; 3], out: &mut [f32]) {
        let area = out.len() / 3;
        for (k, plane) in image.chunks_exact(size * size).enumerate().take(3) {
            for (at, value) in plane.iter().enumerate() {
                out[k * area + self.place(at, size)] = value * gain[k] + offset[k];
            }
        }
    }
}

/// A sampling of the frame: a grid of `size·boost` pixels a side, of which each image takes every
/// `boost`th pixel from `phase` (x, y) on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    /// Takes grid pixels to the frame.
    pub map: Similarity,
    pub boost: usize,
    pub phase: (usize, usize),
}

/// Fills `out`, one image, with what the frame shows on the grid: a pixel is the mean of samples,
/// as many a side as frame pixels go on its side (8 at most), bilinear up to two a side. The frame's
/// edge is repeated outside it.
///
/// # Errors
/// The message of a panic in a worker.
pub(crate) fn fill(
    frame: &Frame<'_>,
    grid: Grid,
    pixels: &Pixels,
    out: &mut [f32],
    pool: &mut Pool,
) -> Result<(), String> {
    let size = (frame.width(), frame.height());
    with_reader!(frame, r => fill_from(&r, size, grid, pixels, out, pool))
}

/// As [`fill`], from anything that can be read.
pub(crate) fn fill_from<R: Reader>(
    r: &R,
    (width, height): (usize, usize),
    grid: Grid,
    pixels: &Pixels,
    out: &mut [f32],
    pool: &mut Pool,
) -> Result<(), String> {
    let side = pixels.size;
    if out.len() != pixels.len() || width == 0 || height == 0 {
        return Ok(());
    }
    let sampler = Sampler::new(r, width, height, grid);
    let rows = side.div_ceil((2 * pool.width()).min(BANDS));
    let bands: [Mutex<Option<[&mut [f32]; 3]>>; BANDS] = Default::default();
    let mut count = 0;
    match pixels.layout {
        Layout::Nchw => {
            let (first, rest) = out.split_at_mut(side * side);
            let (second, third) = rest.split_at_mut(side * side);
            let chunk = rows * side;
            let planes = first.chunks_mut(chunk).zip(second.chunks_mut(chunk)).zip(third.chunks_mut(chunk));
            for ((a, b), c) in planes {
                *lock(&bands[count]) = Some([a, b, c]);
                count += 1;
            }
        }
        Layout::Nhwc => {
            for band in out.chunks_mut(rows * side * 3) {
                *lock(&bands[count]) = Some([band, &mut [], &mut []]);
                count += 1;
            }
        }
    }
    pool.run(count, &|index| {
        let Some(band) = lock(&bands[index]).take() else { return };
        fill_rows(&sampler, index * rows, pixels, band);
    })
}

/// Fraction bits of a [`fixed`] number.
pub(super) const BITS: u32 = 32;

/// A position in pixels or a difference of two, in fixed point: quicker to step on and to take apart
/// than a float. What is so far out is cut off.
#[inline(always)]
pub(super) fn fixed(v: f64) -> i64 {
    (v.clamp(-1e6, 1e6) * (1u64 << BITS) as f64) as i64
}

struct Sampler<'r, R> {
    r: &'r R,
    grid: Grid,
    taps: usize,
    /// In fixed point, where there are more than two samples a side: the centre of the first pixel, from
    /// one to the next, across and down, and from a pixel's centre to its samples.
    first: (i64, i64),
    across: (i64, i64),
    down: (i64, i64),
    offsets: [(i64, i64); MOST_TAPS * MOST_TAPS],
    last: (usize, usize),
}

impl<'r, R: Reader> Sampler<'r, R> {
    fn new(r: &'r R, width: usize, height: usize, grid: Grid) -> Self {
        let map = grid.map;
        let taps = (map.scale().round() as usize).clamp(1, MOST_TAPS);
        let (a, b) = (f64::from(map.a), f64::from(map.b));
        let turned = |u: f64, v: f64| (a * u - b * v, b * u + a * v);
        let fixed = |(x, y)| (fixed(x), fixed(y));
        let place = |i: usize| (i as f64 + 0.5) / taps as f64 - 0.5;
        let start = turned(grid.phase.0 as f64 + 0.5, grid.phase.1 as f64 + 0.5);
        let boost = grid.boost as f64;
        Sampler {
            r,
            grid,
            taps,
            first: fixed((start.0 + f64::from(map.tx), start.1 + f64::from(map.ty))),
            across: fixed(turned(boost, 0.0)),
            down: fixed(turned(0.0, boost)),
            offsets: std::array::from_fn(|at| fixed(turned(place(at % taps), place(at / taps)))),
            last: (width - 1, height - 1),
        }
    }

    /// Red, green and blue (0–255) of [`LANES`] pixels of a row, from column `i` on.
    #[inline(always)]
    fn rgb(&self, i: usize, j: usize) -> [[f32; LANES]; 3] {
        let step = 1.0 / (self.taps * self.taps) as f32;
        // Where samples are a pixel apart, what lies between them is their mean.
        let means = if self.taps > 2 {
            self.nearest(i as i64, j as i64).map(|sums| sums.map(|s| s as f32 * step))
        } else {
            let lanes: [[f32; 3]; LANES] = std::array::from_fn(|n| self.between(i + n, j));
            std::array::from_fn(|k| lanes.map(|sums| sums[k] * step))
        };
        self.r.levels(means)
    }

    /// The sums of the pixels in which samples lie.
    #[inline(always)]
    fn nearest(&self, i: i64, j: i64) -> [[u32; LANES]; 3] {
        let start = |first: i64, across: i64, down: i64| -> [i64; LANES] {
            std::array::from_fn(|n| first + j * down + (i + n as i64) * across)
        };
        let x = start(self.first.0, self.across.0, self.down.0);
        let y = start(self.first.1, self.across.1, self.down.1);
        let mut sums = [[0; LANES]; 3];
        for (dx, dy) in &self.offsets[..self.taps * self.taps] {
            let inside = |at: [i64; LANES], by: i64, last: usize| {
                at.map(|at| (((at + by) >> BITS) as i32).max(0).min(last as i32) as u32)
            };
            self.r.add(inside(x, *dx, self.last.0), inside(y, *dy, self.last.1), &mut sums);
        }
        sums
    }

    /// The sum of samples between pixels.
    #[inline(always)]
    fn between(&self, i: usize, j: usize) -> [f32; 3] {
        let Grid { map, boost, phase } = self.grid;
        let (x, y) = ((i * boost + phase.0) as f32 + 0.5, (j * boost + phase.1) as f32 + 0.5);
        let place = |i: usize| (i as f32 + 0.5) / self.taps as f32 - 0.5;
        let mut sum = [0.0; 3];
        for at in 0..self.taps * self.taps {
            let (u, v) = (place(at % self.taps), place(at / self.taps));
            let c = bilinear(self.r, map.apply(Point::new(x + u, y + v)), self.last.0 + 1, self.last.1 + 1);
            (0..3).for_each(|k| sum[k] += c[k]);
        }
        sum
    }
}

/// Fills whole rows of the image, from row `top` on.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
fn fill_rows<R: Reader>(sampler: &Sampler<'_, R>, top: usize, pixels: &Pixels, band: [&mut [f32]; 3]) {
    let side = pixels.size;
    let planar = pixels.layout == Layout::Nchw;
    let rows = band[0].len() / if planar { side } else { 3 * side };
    for row in 0..rows {
        for first in (0..side).step_by(LANES) {
            let rgb = sampler.rgb(first, top + row);
            for (k, values) in rgb.iter().enumerate() {
                let (channel, at) = (pixels.channels[k], row * side + first);
                let values = values.map(|v| v * pixels.gain[k] + pixels.offset[k]);
                let count = LANES.min(side - first);
                if planar {
                    band[channel][at..at + count].copy_from_slice(&values[..count]);
                } else {
                    let places = band[0][3 * at + channel..].iter_mut().step_by(3);
                    places.zip(&values[..count]).for_each(|(to, v)| *to = *v);
                }
            }
        }
    }
}
