//! A camera that moves over a photo: pan, zoom and tilt.

use std::path::Path;

use image::{Rgb, RgbImage, imageops};

pub const WIDTH: u32 = 960;
pub const HEIGHT: u32 = 540;
pub const RATE: u32 = 30;

/// Where the camera is at a time: centre and width of what it sees in pixels of the photo, tilt in degrees.
struct Key {
    seconds: f32,
    x: f32,
    y: f32,
    width: f32,
    tilt: f32,
}

const KEYS: [Key; 6] = [
    Key { seconds: 0.0, x: 256.0, y: 146.0, width: 500.0, tilt: 0.0 },
    Key { seconds: 1.6, x: 196.0, y: 140.0, width: 330.0, tilt: -8.0 },
    Key { seconds: 3.2, x: 262.0, y: 130.0, width: 300.0, tilt: 9.0 },
    Key { seconds: 4.6, x: 224.0, y: 118.0, width: 236.0, tilt: 0.0 },
    Key { seconds: 5.4, x: 224.0, y: 118.0, width: 236.0, tilt: -3.0 },
    Key { seconds: 7.0, x: 256.0, y: 146.0, width: 500.0, tilt: 0.0 },
];

/// Enlarging the photo once, with a good filter, keeps the frames smooth with a quick one.
const ENLARGED: u32 = 3;

pub struct Motion {
    photo: RgbImage,
}

impl Motion {
    pub fn over(photo: &Path) -> image::ImageResult<Motion> {
        let photo = image::open(photo)?.into_rgb8();
        let (width, height) = (photo.width() * ENLARGED, photo.height() * ENLARGED);
        Ok(Motion { photo: imageops::resize(&photo, width, height, imageops::FilterType::CatmullRom) })
    }

    pub fn frames() -> u64 {
        (KEYS[KEYS.len() - 1].seconds * RATE as f32) as u64
    }

    /// What the camera sees in a frame.
    pub fn frame(&self, index: u64) -> RgbImage {
        let key = at(index as f32 / RATE as f32);
        let scale = key.width / WIDTH as f32 * ENLARGED as f32;
        let (sin, cos) = key.tilt.to_radians().sin_cos();
        let (x0, y0) = (key.x * ENLARGED as f32, key.y * ENLARGED as f32);
        RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
            let dx = (x as f32 + 0.5 - WIDTH as f32 / 2.0) * scale;
            let dy = (y as f32 + 0.5 - HEIGHT as f32 / 2.0) * scale;
            self.sample(x0 + dx * cos - dy * sin - 0.5, y0 + dx * sin + dy * cos - 0.5)
        })
    }

    /// Bilinear; the photo's edge goes on outside it.
    fn sample(&self, x: f32, y: f32) -> Rgb<u8> {
        let x = x.clamp(0.0, self.photo.width() as f32 - 1.001);
        let y = y.clamp(0.0, self.photo.height() as f32 - 1.001);
        let (column, row) = (x as u32, y as u32);
        let (fx, fy) = (x - column as f32, y - row as f32);
        let [a, b, c, d] =
            [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(i, j)| self.photo.get_pixel(column + i, row + j).0);
        Rgb(std::array::from_fn(|i| {
            let [a, b, c, d] = [a, b, c, d].map(|p| f32::from(p[i]));
            let (top, bottom) = (a + (b - a) * fx, c + (d - c) * fx);
            (top + (bottom - top) * fy).round() as u8
        }))
    }
}

/// Between two keys the camera eases out of one and into the next.
fn at(seconds: f32) -> Key {
    let next = KEYS.iter().position(|key| key.seconds > seconds).unwrap_or(KEYS.len() - 1);
    let (from, to) = (&KEYS[next - 1], &KEYS[next]);
    let share = ((seconds - from.seconds) / (to.seconds - from.seconds)).clamp(0.0, 1.0);
    let eased = share * share * (3.0 - 2.0 * share);
    let mix = |a: f32, b: f32| a + (b - a) * eased;
    Key {
        seconds,
        x: mix(from.x, to.x),
        y: mix(from.y, to.y),
        width: mix(from.width, to.width),
        tilt: mix(from.tilt, to.tilt),
    }
}
