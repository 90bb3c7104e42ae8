//! Pixels of a frame as a network's input.

use std::sync::Mutex;

use crate::{
    engine::{
        frame::{Frame, Reader, with_reader},
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
    let sampler = Sampler::new(r, width, height, grid.map);
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
        let planar = pixels.layout == Layout::Nchw;
        let len = if planar { band[0].len() } else { band[0].len() / 3 };
        for at in 0..len {
            let (i, j) = (at % side, index * rows + at / side);
            let x = (i * grid.boost + grid.phase.0) as f32 + 0.5;
            let y = (j * grid.boost + grid.phase.1) as f32 + 0.5;
            let rgb = sampler.rgb(x, y);
            for (channel, value) in pixels.values(rgb) {
                if planar { band[channel][at] = value } else { band[0][3 * at + channel] = value }
            }
        }
    })
}

/// Fraction bits of a [`fixed`] number.
pub(super) const BITS: u32 = 32;

/// A position in pixels or a difference of two, in fixed point: quicker to step on and to take apart
/// than a float. What is so far out is cut off.
#[inline(always)]
pub(super) fn fixed(v: f32) -> i64 {
    (v.clamp(-1e6, 1e6) * (1u64 << BITS) as f32) as i64
}

struct Sampler<'r, R> {
    r: &'r R,
    map: Similarity,
    taps: usize,
    /// Of the samples from the pixel's centre, where there are more than two a side.
    offsets: [(i64, i64); MOST_TAPS * MOST_TAPS],
    last: (f32, f32),
}

impl<'r, R: Reader> Sampler<'r, R> {
    fn new(r: &'r R, width: usize, height: usize, map: Similarity) -> Self {
        let taps = (map.scale().round() as usize).clamp(1, MOST_TAPS);
        let place = |i: usize| (i as f32 + 0.5) / taps as f32 - 0.5;
        let offsets = std::array::from_fn(|at| {
            let (u, v) = (place(at % taps), place(at / taps));
            (fixed(map.a * u - map.b * v), fixed(map.b * u + map.a * v))
        });
        Sampler { r, map, taps, offsets, last: (width as f32 - 1.0, height as f32 - 1.0) }
    }

    /// Red, green and blue (0–255) around a grid position.
    #[inline(always)]
    fn rgb(&self, x: f32, y: f32) -> [f32; 3] {
        let step = 1.0 / self.taps as f32;
        // Where samples are a pixel apart, what lies between them is their mean.
        let sum = if self.taps > 2 { self.nearest(x, y).map(|s| s as f32) } else { self.bilinear(x, y) };
        self.r.rgb(sum.map(|s| s * step * step)).map(|v| v.clamp(0.0, 255.0))
    }

    /// The sum of the pixels in which samples lie.
    #[inline(always)]
    fn nearest(&self, x: f32, y: f32) -> [u32; 3] {
        let centre = self.map.apply(Point::new(x, y));
        let (x, y) = (fixed(centre.x), fixed(centre.y));
        let last = (self.last.0 as i64, self.last.1 as i64);
        let mut sum = [0; 3];
        for (dx, dy) in &self.offsets[..self.taps * self.taps] {
            let x = ((x + dx) >> BITS).clamp(0, last.0) as usize;
            let y = ((y + dy) >> BITS).clamp(0, last.1) as usize;
            let c = self.r.components(x, y);
            (0..3).for_each(|k| sum[k] += u32::from(c[k]));
        }
        sum
    }

    /// The sum of samples between pixels.
    #[inline(always)]
    fn bilinear(&self, x: f32, y: f32) -> [f32; 3] {
        let place = |i: usize| (i as f32 + 0.5) / self.taps as f32 - 0.5;
        let mut sum = [0.0; 3];
        for at in 0..self.taps * self.taps {
            let (u, v) = (place(at % self.taps), place(at / self.taps));
            let c = self.between(self.map.apply(Point::new(x + u, y + v)));
            (0..3).for_each(|k| sum[k] += c[k]);
        }
        sum
    }

    #[inline(always)]
    fn between(&self, at: Point) -> [f32; 3] {
        let x = (at.x - 0.5).clamp(0.0, self.last.0);
        let y = (at.y - 0.5).clamp(0.0, self.last.1);
        let (x0, y0) = (x as usize, y as usize);
        let x1 = (x0 + 1).min(self.last.0 as usize);
        let y1 = (y0 + 1).min(self.last.1 as usize);
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let c = |x, y| self.r.components(x, y).map(f32::from);
        let (a, b, d, e) = (c(x0, y0), c(x1, y0), c(x0, y1), c(x1, y1));
        std::array::from_fn(|k| {
            let top = a[k] + fx * (b[k] - a[k]);
            let low = d[k] + fx * (e[k] - d[k]);
            top + fy * (low - top)
        })
    }
}
