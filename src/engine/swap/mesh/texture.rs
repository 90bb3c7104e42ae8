//! The source's pixels with a pyramid of smaller copies, half an octave apart.

use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image};

/// One level: RGBX pixels, one more row and column than `width` × `height` so that a bilinear
/// footprint never leaves it.
#[derive(Debug)]
pub(crate) struct Level {
    pub width: usize,
    pub height: usize,
    pub data: Vec<u32>,
    /// Level pixels a level-0 pixel, across and down.
    pub scale: (f32, f32),
}

impl Level {
    fn new(rgbx: &[u8], width: usize, height: usize, scale: (f32, f32)) -> Self {
        let mut data = Vec::with_capacity((width + 1) * (height + 1));
        for y in 0..=height {
            let row = &rgbx[y.min(height - 1) * width * 4..][..width * 4];
            let pixels = row.chunks_exact(4).map(|p| u32::from_le_bytes([p[0], p[1], p[2], p[3]]));
            data.extend(pixels);
            data.push(data[data.len() - 1]);
        }
        Level { width, height, data, scale }
    }

    /// Its pixels alone, as [`Texture::new`] takes them.
    pub fn rgbx(&self) -> Vec<u8> {
        let rows = self.data.chunks_exact(self.width + 1).take(self.height);
        rows.flat_map(|row| row[..self.width].iter().flat_map(|pixel| pixel.to_le_bytes())).collect()
    }

    /// Largest 16.16 coordinates a footprint may start at.
    pub fn limits(&self) -> (i32, i32) {
        (((self.width as i32 - 1) << 16) | 0xffff, ((self.height as i32 - 1) << 16) | 0xffff)
    }
}

/// A pyramid whose level `k` is smaller than level 0 by `2^(k/2)`.
#[derive(Debug)]
pub(crate) struct Texture {
    pub levels: Vec<Level>,
}

impl Texture {
    /// `rgbx`: interleaved 8-bit pixels, `width` × `height` × 4 bytes, at least 1×1.
    pub fn new(rgbx: Vec<u8>, width: u32, height: u32) -> Self {
        let (w, h) = (width as usize, height as usize);
        let mut levels = vec![Level::new(&rgbx, w, h, (1.0, 1.0))];
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
        let mut resizer = Resizer::new();
        if let Ok(source) = Image::from_vec_u8(width, height, rgbx, PixelType::U8x4) {
            for k in 1..16 {
                let shrink = 2f32.powf(-0.5 * k as f32);
                let lw = (width as f32 * shrink).round() as u32;
                let lh = (height as f32 * shrink).round() as u32;
                if lw < 16 || lh < 16 {
                    break;
                }
                let mut level = Image::new(lw, lh, PixelType::U8x4);
                let options = options.use_alpha(false);
                if resizer.resize(&source, &mut level, &options).is_err() {
                    break;
                }
                let scale = (lw as f32 / width as f32, lh as f32 / height as f32);
                levels.push(Level::new(level.buffer(), lw as usize, lh as usize, scale));
            }
        }
        Texture { levels }
    }

    /// Drops levels finer than `factor`; returns the new level-0 pixels an old one, across and down.
    pub fn shrunk(mut self, factor: f32) -> (Self, (f32, f32)) {
        let keep = self.levels.iter().position(|l| l.scale.0 <= factor).unwrap_or(self.levels.len() - 1);
        self.levels.drain(..keep);
        let base = self.levels[0].scale;
        for level in &mut self.levels {
            level.scale = (level.scale.0 / base.0, level.scale.1 / base.1);
        }
        (self, base)
    }

    /// Enlarges level 0 by `factor`; returns the new level-0 pixels an old one, across and down.
    pub fn enlarged(self, factor: f32) -> (Self, (f32, f32)) {
        let base = &self.levels[0];
        let (width, height) = (base.width as u32, base.height as u32);
        let rgbx = base.rgbx();
        let size = |v: u32| (v as f32 * factor).round() as u32;
        let mut large = Image::new(size(width), size(height), PixelType::U8x4);
        let options =
            ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(false);
        let done = Image::from_vec_u8(width, height, rgbx, PixelType::U8x4)
            .is_ok_and(|small| Resizer::new().resize(&small, &mut large, &options).is_ok());
        if !done {
            return (self, (1.0, 1.0));
        }
        let scale = (size(width) as f32 / width as f32, size(height) as f32 / height as f32);
        (Texture::new(large.into_vec(), size(width), size(height)), scale)
    }

    /// The level for drawing with `scale` level-0 pixels an output pixel, `blur` half octaves
    /// coarser than that asks for.
    pub fn level(&self, scale: f32, blur: f32) -> &Level {
        // Half a step of bias towards the sharper level: bilinear filtering of the coarser one
        // loses more than the aliasing of the finer one shows.
        let k = (2.0 * scale.log2() + blur).max(0.0) as usize;
        &self.levels[k.min(self.levels.len() - 1)]
    }

    /// Mean colour around a level-0 position, `radius` level-0 pixels wide, R, G, B in 0–255.
    pub fn mean(&self, x: f32, y: f32, radius: f32) -> [f32; 3] {
        let level = self.level(radius, 0.0);
        let to_fixed = |v: f32, max: i32| ((v * 65536.0) as i32).clamp(0, max);
        let (max_x, max_y) = level.limits();
        let u = to_fixed(x * level.scale.0 - 0.5, max_x);
        let v = to_fixed(y * level.scale.1 - 0.5, max_y);
        bilinear(level, u, v).map(|c| f32::from(c) / 256.0)
    }
}

/// Spreads the bytes of a pixel over four 16-bit lanes.
#[inline(always)]
fn spread(p: u32) -> u64 {
    let p = u64::from(p);
    let p = (p | p << 16) & 0x0000_ffff_0000_ffff;
    (p | p << 8) & 0x00ff_00ff_00ff_00ff
}

/// R, G, B in 8.8 fixed point at 16.16 coordinates already inside [`Level::limits`].
#[inline(always)]
pub(crate) fn bilinear(level: &Level, u: i32, v: i32) -> [u16; 3] {
    let (x, y) = ((u >> 16) as usize, (v >> 16) as usize);
    let (fx, fy) = ((u >> 8 & 255) as u64, (v >> 8 & 255) as u64);
    let stride = level.width + 1;
    let at = y * stride + x;
    let Some(cell) = level.data.get(at..at + stride + 2) else {
        return [0; 3];
    };
    let (a, b, c, d) = (spread(cell[0]), spread(cell[1]), spread(cell[stride]), spread(cell[stride + 1]));
    let top = (a * (256 - fx) + b * fx) >> 8 & 0x00ff_00ff_00ff_00ff;
    let low = (c * (256 - fx) + d * fx) >> 8 & 0x00ff_00ff_00ff_00ff;
    let mix = top * (256 - fy) + low * fy;
    [mix as u16, (mix >> 16) as u16, (mix >> 32) as u16]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bilinear_interpolates_each_channel() {
        let rgbx = vec![0, 100, 200, 0, 100, 200, 0, 0, 50, 0, 10, 0, 150, 100, 30, 0];
        let t = Texture::new(rgbx, 2, 2);
        let at = |u: f32, v: f32| bilinear(&t.levels[0], (u * 65536.0) as i32, (v * 65536.0) as i32);
        assert_eq!(at(0.0, 0.0), [0, 100 << 8, 200 << 8]);
        assert_eq!(at(0.5, 0.0), [50 << 8, 150 << 8, 100 << 8]);
        assert_eq!(at(0.0, 0.5), [25 << 8, 50 << 8, 105 << 8]);
        assert_eq!(at(0.5, 0.5).map(|c| c >> 8), [75, 100, 60]);
    }

    #[test]
    fn levels_keep_the_mean() {
        let (w, h) = (200u32, 120u32);
        let rgbx: Vec<u8> = (0..w * h).flat_map(|i| [(i % w) as u8, (i / w) as u8, 77, 0]).collect();
        let t = Texture::new(rgbx, w, h);
        assert!(t.levels.len() >= 5);
        for level in &t.levels {
            let n = (level.width * level.height) as f32;
            let sum: f32 = (0..level.height)
                .flat_map(|y| level.data[y * (level.width + 1)..][..level.width].iter())
                .map(|p| (p & 255) as f32)
                .sum();
            assert!((sum / n - 99.5).abs() < 1.5, "{}", sum / n);
        }
    }
}
