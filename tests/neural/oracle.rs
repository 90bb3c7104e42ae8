//! What a stand-in must make of a face, worked out apart from the engine: in 64 bits, with an
//! equation solver for the alignment and a hull by gift wrapping. `golden.rs` holds it against
//! NumPy's answer.

use gstfaceswap::engine::geometry::Point;

use crate::standin::{self, Family, Source, Swap};

pub struct Photo {
    pub width: usize,
    pub height: usize,
    /// R, G, B row by row, no padding.
    pub rgb: Vec<u8>,
}

impl Photo {
    pub fn open(path: &str) -> Photo {
        let image = image::open(path).unwrap().to_rgb8();
        let (width, height) = (image.width() as usize, image.height() as usize);
        Photo { width, height, rgb: image.into_raw() }
    }

    pub fn enlarged(path: &str, times: u32) -> Photo {
        let image = image::open(path).unwrap().to_rgb8();
        let (width, height) = (times * image.width(), times * image.height());
        let image = image::imageops::resize(&image, width, height, image::imageops::FilterType::Triangle);
        Photo { width: width as usize, height: height as usize, rgb: image.into_raw() }
    }

    fn at(&self, x: i64, y: i64, c: usize) -> f64 {
        let x = x.clamp(0, self.width as i64 - 1) as usize;
        let y = y.clamp(0, self.height as i64 - 1) as usize;
        f64::from(self.rgb[3 * (y * self.width + x) + c])
    }

    fn bilinear(&self, x: f64, y: f64, c: usize) -> f64 {
        let (u, v) = (x - 0.5, y - 0.5);
        let (i, j) = (u.floor(), v.floor());
        let (p, q) = (u - i, v - j);
        let (i, j) = (i as i64, j as i64);
        let top = self.at(i, j, c) * (1.0 - p) + self.at(i + 1, j, c) * p;
        let low = self.at(i, j + 1, c) * (1.0 - p) + self.at(i + 1, j + 1, c) * p;
        top * (1.0 - q) + low * q
    }
}

/// x' = a·x − b·y + c, y' = b·x + a·y + d.
#[derive(Debug, Clone, Copy)]
pub struct Map {
    pub a: f64,
    pub b: f64,
    pub c: f64,
    pub d: f64,
}

impl Map {
    pub fn apply(self, x: f64, y: f64) -> (f64, f64) {
        (self.a * x - self.b * y + self.c, self.b * x + self.a * y + self.d)
    }

    /// By Cramer's rule.
    pub fn invert(self, x: f64, y: f64) -> (f64, f64) {
        let det = self.a * self.a + self.b * self.b;
        let (x, y) = (x - self.c, y - self.d);
        ((self.a * x + self.b * y) / det, (self.a * y - self.b * x) / det)
    }
}

pub fn template(name: &str) -> [(f64, f64); 5] {
    let numbers: [f64; 10] = match name {
        "arcface_112_v1" => [
            0.35473214, 0.45658929, 0.64526786, 0.45658929, 0.5, 0.61154464, 0.37913393, 0.776875,
            0.62086607, 0.776875,
        ],
        "arcface_112_v2" => [
            0.34191607, 0.46157411, 0.65653393, 0.45983393, 0.500225, 0.64050536, 0.37097589, 0.82469196,
            0.63151696, 0.82325089,
        ],
        "arcface_128" => [
            0.36167656, 0.40387734, 0.63696719, 0.40235469, 0.50019687, 0.56044219, 0.38710391, 0.72160547,
            0.61507734, 0.72034453,
        ],
        "ffhq_512" => [
            0.37691676, 0.46864664, 0.62285697, 0.46912813, 0.50123859, 0.61331904, 0.39308822, 0.725411,
            0.61150205, 0.72490465,
        ],
        "mtcnn_512" => [
            0.36562865, 0.46733799, 0.63305391, 0.46585885, 0.50019127, 0.61942959, 0.39032951, 0.77598822,
            0.61178945, 0.77476328,
        ],
        other => panic!("no template {other}"),
    };
    std::array::from_fn(|i| (numbers[2 * i], numbers[2 * i + 1]))
}

/// The least-squares map from the crop to the picture: ten equations for four unknowns, through
/// their normal equations.
pub fn align(name: &str, points: &[Point; 5], side: usize) -> Map {
    let mut normal = [[0.0f64; 5]; 4];
    for ((u, v), p) in template(name).into_iter().zip(points) {
        let (u, v) = (u * side as f64 + 0.5, v * side as f64 + 0.5);
        let rows = [([u, -v, 1.0, 0.0], f64::from(p.x)), ([v, u, 0.0, 1.0], f64::from(p.y))];
        for (row, right) in rows {
            for i in 0..4 {
                (0..4).for_each(|j| normal[i][j] += row[i] * row[j]);
                normal[i][4] += row[i] * right;
            }
        }
    }
    for i in 0..4 {
        let pivot = (i..4).max_by(|&a, &b| normal[a][i].abs().total_cmp(&normal[b][i].abs())).unwrap();
        normal.swap(i, pivot);
        for j in 0..4 {
            if i != j {
                let factor = normal[j][i] / normal[i][i];
                (0..5).for_each(|k| normal[j][k] -= factor * normal[i][k]);
            }
        }
    }
    let [a, b, c, d] = std::array::from_fn(|i| normal[i][4] / normal[i][i]);
    Map { a, b, c, d }
}

/// R, G, B (0–255) of pixel (i, j) of a crop.
pub fn crop(photo: &Photo, map: Map, i: usize, j: usize) -> [f64; 3] {
    let taps = map.a.hypot(map.b).round().clamp(1.0, 8.0) as usize;
    std::array::from_fn(|c| {
        let mut sum = 0.0;
        for v in 0..taps {
            for u in 0..taps {
                let place = |at: usize, tap: usize| at as f64 + (tap as f64 + 0.5) / taps as f64;
                let (x, y) = map.apply(place(i, u), place(j, v));
                sum += match taps {
                    1 | 2 => photo.bilinear(x, y, c),
                    _ => photo.at(x.floor() as i64, y.floor() as i64, c),
                };
            }
        }
        sum / (taps * taps) as f64
    })
}

/// The stand-in recognizer's embedding.
pub fn embedding(photo: &Photo, points: &[Point; 5]) -> Vec<f64> {
    let map = align("arcface_112_v2", points, 112);
    let mut means = [0.0; 192];
    for j in 0..112 {
        for i in 0..112 {
            let rgb = crop(photo, map, i, j);
            for c in 0..3 {
                means[c * 64 + j / 14 * 8 + i / 14] += (rgb[c] / 127.5 - 1.0) / 196.0;
            }
        }
    }
    let product = |k| (0..192).map(|m| means[m] * standin::recognizer_weight(m, k)).sum::<f64>();
    (0..512).map(|k| product(k) + standin::recognizer_bias(k)).collect()
}

fn unit(vector: &[f64]) -> Vec<f64> {
    let norm = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    vector.iter().map(|v| v / norm).collect()
}

/// The vector that goes into a family's network: of one embedding, or the mean of several.
pub fn source_vector(family: &Family, embeddings: &[Vec<f64>]) -> Vec<f64> {
    let n = embeddings.len() as f64;
    let mean = |each: &[Vec<f64>]| -> Vec<f64> {
        (0..512).map(|k| each.iter().map(|e| e[k]).sum::<f64>() / n).collect()
    };
    if let Some((_, phase)) = family.converter {
        let e = mean(embeddings);
        let convert = |k: usize| e[k] * standin::converter_scale(k, phase) + standin::converter_shift(k);
        let converted: Vec<f64> = (0..512).map(convert).collect();
        return if family.unit { unit(&converted) } else { converted };
    }
    let e = mean(&embeddings.iter().map(|e| unit(e)).collect::<Vec<_>>());
    match family.swap.source {
        Source::Vector { emap: true, .. } => {
            let row = |j| (0..512).map(|i| e[i] * standin::emap(i, j)).sum::<f64>();
            unit(&(0..512).map(row).collect::<Vec<_>>())
        }
        _ => unit(&e),
    }
}

/// The gain of each channel for photos of one person with their points.
pub fn gains(family: &Family, photos: &[(&Photo, [Point; 5])]) -> [f64; 3] {
    mixed_gains(family, photos, None)
}

/// As [`gains`], with a share of the unit embedding of a face of the frame in place of the source.
pub fn mixed_gains(
    family: &Family,
    photos: &[(&Photo, [Point; 5])],
    own: Option<(f64, &Photo, [Point; 5])>,
) -> [f64; 3] {
    let drive: [f64; 3] = match family.swap.source {
        Source::Vector { gain, .. } => {
            let embeddings: Vec<_> = photos.iter().map(|(photo, points)| embedding(photo, points)).collect();
            let mut source = source_vector(family, &embeddings);
            if let Some((share, photo, points)) = own {
                let own = unit(&embedding(photo, &points));
                source = source.iter().zip(&own).map(|(s, o)| s * (1.0 - share) + o * share).collect();
            }
            std::array::from_fn(|c| {
                source.iter().enumerate().map(|(k, v)| v * gain * standin::source_weight(k, c)).sum()
            })
        }
        Source::Image(side) => {
            let (photo, points) = &photos[0];
            let map = align(family.source_template.unwrap(), points, side);
            let mut sum = [0.0; 3];
            for y in 0..side {
                for x in 0..side {
                    let rgb = crop(photo, map, x, y);
                    (0..3).for_each(|c| sum[c] += rgb[c] / 255.0 * standin::image_weight(x, y));
                }
            }
            sum.map(|v| v / (side * side) as f64)
        }
    };
    drive.map(|v| 0.55 + 0.3 * v.tanh())
}

/// The swapped crop, R, G, B (0–255), of `side` = size · boost pixels a side.
pub fn swapped(swap: &Swap, photo: &Photo, map: Map, boost: usize, gains: [f64; 3]) -> Vec<[f64; 3]> {
    let side = swap.size * boost;
    let pixel = |at: usize| {
        let (i, j) = (at % side, at / side);
        let rgb = crop(photo, map, i, j);
        let ramp = standin::ramp(i / boost, j / boost, swap.size);
        std::array::from_fn(|c| {
            let value = rgb[c] / 255.0 * gains[c] * ramp + 0.02 * (c + 1) as f64;
            255.0 * value.clamp(0.0, 1.0)
        })
    };
    (0..side * side).map(pixel).collect()
}

fn gauss(square: &[f64], side: usize, sigma: f64) -> Vec<f64> {
    let radius = (4.0 * sigma).round() as i64;
    let weights: Vec<f64> = (-radius..=radius).map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mirror = |at: i64| {
        let (last, mut at) = (side as i64 - 1, at);
        while at < 0 || at > last {
            at = if at < 0 { -at } else { 2 * last - at };
        }
        at as usize
    };
    let pass = |from: &[f64], along_x: bool| -> Vec<f64> {
        let at = |i: usize| {
            let (x, y) = (i % side, i / side);
            let tap = |k: i64| match along_x {
                true => from[y * side + mirror(x as i64 + k)],
                false => from[mirror(y as i64 + k) * side + x],
            };
            (-radius..=radius).map(|k| weights[(k + radius) as usize] * tap(k)).sum::<f64>() / total
        };
        (0..side * side).map(at).collect()
    };
    pass(&pass(square, true), false)
}

pub fn box_mask(side: usize, blur: f64) -> Vec<f64> {
    padded_box_mask(side, blur, [0.0; 4])
}

/// With this much of the side, in percent, given up at the top, right, bottom and left at least.
pub fn padded_box_mask(side: usize, blur: f64, padding: [f64; 4]) -> Vec<f64> {
    let amount = (side as f64 * 0.5 * blur) as usize;
    let [top, right, bottom, left] =
        padding.map(|percent| (amount / 2).max(1).max((side as f64 * percent / 100.0) as usize));
    let mask: Vec<f64> = (0..side * side)
        .map(|i| {
            let (x, y) = (i % side, i / side);
            f64::from(u8::from(x >= left && x + right < side && y >= top && y + bottom < side))
        })
        .collect();
    if amount > 0 { gauss(&mask, side, 0.25 * amount as f64) } else { mask }
}

/// What is left of a blurred mask: its upper half, stretched.
fn stretched(value: f64) -> f64 {
    (value.clamp(0.5, 1.0) - 0.5) * 2.0
}

/// Where the hull of points in crop pixels is.
pub fn hull_mask(side: usize, points: &[(f64, f64)]) -> Vec<f64> {
    blurred_hull(side, points).into_iter().map(stretched).collect()
}

/// Where it is not.
pub fn hole_mask(side: usize, points: &[(f64, f64)]) -> Vec<f64> {
    blurred_hull(side, points).into_iter().map(|v| stretched(1.0 - v)).collect()
}

fn blurred_hull(side: usize, points: &[(f64, f64)]) -> Vec<f64> {
    let cross =
        |o: (f64, f64), a: (f64, f64), b: (f64, f64)| (a.0 - o.0) * (b.1 - o.1) - (a.1 - o.1) * (b.0 - o.0);
    let first = *points.iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    let mut hull = vec![first];
    loop {
        let at = *hull.last().unwrap();
        let mut next = if points[0] == at { points[1] } else { points[0] };
        for &p in points {
            if cross(at, next, p) < 0.0 {
                next = p;
            }
        }
        if next == first {
            break;
        }
        hull.push(next);
    }
    let inside = |i: usize| {
        let p = ((i % side) as f64 + 0.5, (i / side) as f64 + 0.5);
        (0..hull.len()).all(|k| cross(hull[k], hull[(k + 1) % hull.len()], p) >= 0.0)
    };
    let mask: Vec<f64> = (0..side * side).map(|i| f64::from(u8::from(inside(i)))).collect();
    gauss(&mask, side, 5.0)
}

/// A mask of `of` pixels a side at `side` pixels a side, blurred, its upper half stretched.
fn softened(mask: &[f64], of: usize, side: usize) -> Vec<f64> {
    let at = |x: i64, y: i64| {
        let inside = |v: i64| v.clamp(0, of as i64 - 1) as usize;
        mask[inside(y) * of + inside(x)]
    };
    let resized: Vec<f64> = (0..side * side)
        .map(|i| {
            let place = |at: usize| (at as f64 + 0.5) * of as f64 / side as f64 - 0.5;
            let (x, y) = (place(i % side), place(i / side));
            let (p, q) = (x - x.floor(), y - y.floor());
            let (x, y) = (x.floor() as i64, y.floor() as i64);
            let top = at(x, y) * (1.0 - p) + at(x + 1, y) * p;
            top * (1.0 - q) + (at(x, y + 1) * (1.0 - p) + at(x + 1, y + 1) * p) * q
        })
        .collect();
    gauss(&resized, side, 5.0).into_iter().map(stretched).collect()
}

/// What the stand-in occluder sees on a crop of `side` pixels a side.
pub fn occlusion_mask(photo: &Photo, map: Map, side: usize) -> Vec<f64> {
    let scale = side as f64 / 256.0;
    let finer = Map { a: map.a * scale, b: map.b * scale, ..map };
    let [blue, green, red, across] = standin::OCCLUDER;
    let mask: Vec<f64> = (0..256 * 256)
        .map(|i| {
            let [r, g, b] = crop(photo, finer, i % 256, i / 256).map(|v| v / 255.0);
            (blue * b + green * g + red * r + across * (i % 256) as f64 / 255.0).clamp(0.0, 1.0)
        })
        .collect();
    softened(&mask, 256, side)
}

/// What the stand-in parser sees on a swapped crop of `side` pixels a side.
pub fn region_mask(swapped: &[[f64; 3]], side: usize) -> Vec<f64> {
    let photo = |x: i64, y: i64, c: usize| {
        let inside = |v: i64| v.clamp(0, side as i64 - 1) as usize;
        swapped[inside(y) * side + inside(x)][c]
    };
    let (mean, std) = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]);
    let mask: Vec<f64> = (0..512 * 512)
        .map(|i| {
            let place = |at: usize| (at as f64 + 0.5) * side as f64 / 512.0 - 0.5;
            let (x, y) = (place(i % 512), place(i / 512));
            let (p, q) = (x - x.floor(), y - y.floor());
            let (x, y) = (x.floor() as i64, y.floor() as i64);
            let colour: [f64; 3] = std::array::from_fn(|c| {
                let top = photo(x, y, c) * (1.0 - p) + photo(x + 1, y, c) * p;
                let low = photo(x, y + 1, c) * (1.0 - p) + photo(x + 1, y + 1, c) * p;
                (top * (1.0 - q) + low * q - mean[c]) / std[c]
            });
            let score = |w: &[f64; 4]| (0..3).map(|c| w[c] * colour[c]).sum::<f64>() + w[3];
            let best = standin::PARSER.iter().max_by(|a, b| score(&a.1).total_cmp(&score(&b.1))).unwrap();
            f64::from(u8::from(best.0 == 1))
        })
        .collect();
    softened(&mask, 512, side)
}

/// The photo with the swapped crop mixed in, in the engine's 8 bits, and which pixels the crop
/// reaches.
pub fn paste(photo: &Photo, map: Map, side: usize, crop: &[[f64; 3]], mask: &[f64]) -> (Vec<u8>, Vec<bool>) {
    let mut out = photo.rgb.clone();
    let mut reached = vec![false; photo.width * photo.height];
    let texel = |x: i64, y: i64| -> [f64; 4] {
        let last = side as i64 - 1;
        let at = y.clamp(0, last) as usize * side + x.clamp(0, last) as usize;
        let alone = x < 0 || y < 0 || x > last || y > last;
        let [r, g, b] = crop[at];
        [r, g, b, if alone { 0.0 } else { mask[at] }]
    };
    for py in 0..photo.height {
        for px in 0..photo.width {
            let (u, v) = map.invert(px as f64 + 0.5, py as f64 + 0.5);
            let (u, v) = (u - 0.5, v - 0.5);
            let (i, j) = (u.floor(), v.floor());
            if u < -1.0 || v < -1.0 || u > side as f64 || v > side as f64 {
                continue;
            }
            let (p, q) = (u - i, v - j);
            let (i, j) = (i as i64, j as i64);
            let corners = [texel(i, j), texel(i + 1, j), texel(i, j + 1), texel(i + 1, j + 1)];
            let mixed: [f64; 4] = std::array::from_fn(|k| {
                let top = corners[0][k] * (1.0 - p) + corners[1][k] * p;
                let low = corners[2][k] * (1.0 - p) + corners[3][k] * p;
                top * (1.0 - q) + low * q
            });
            let at = py * photo.width + px;
            reached[at] = mixed[3] > 0.0;
            let alpha = (255.0 * mixed[3]).round() / 255.0;
            for c in 0..3 {
                let old = f64::from(photo.rgb[3 * at + c]);
                out[3 * at + c] = (old + (mixed[c].round() - old) * alpha).round() as u8;
            }
        }
    }
    (out, reached)
}
