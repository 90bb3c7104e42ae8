//! The arithmetic of the scores: plain numbers in, plain numbers out.

/// Constants of SSIM for values 0–255 (Wang 2004).
const C1: f64 = 6.5025;
const C2: f64 = 58.5225;

/// Cosine between two vectors; 0 where one is zero.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>();
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    if norm > 0.0 { dot(a, b) / norm } else { 0.0 }
}

/// Index of the entry of `gallery` with the largest cosine to `probe`.
pub fn nearest<'a>(probe: &[f32], gallery: impl Iterator<Item = &'a [f32]>) -> Option<usize> {
    let cosines = gallery.map(|entry| cosine(probe, entry)).enumerate();
    cosines.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| index)
}

/// Mean squared difference of the pixels where `inside` holds, all channels alike.
pub fn mean_squared(a: &[[u8; 3]], b: &[[u8; 3]], inside: &[bool]) -> f64 {
    let square = |(p, q): (&[u8; 3], &[u8; 3])| -> f64 {
        p.iter().zip(q).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum()
    };
    let count = inside.iter().filter(|&&i| i).count().max(1);
    let sum: f64 = a.iter().zip(b).zip(inside).filter(|(_, i)| **i).map(|(pair, _)| square(pair)).sum();
    sum / (3 * count) as f64
}

/// Peak signal-to-noise ratio in dB for values 0–255.
pub fn psnr(mean_squared: f64) -> f64 {
    10.0 * (255.0 * 255.0 / mean_squared).log10()
}

/// Mean absolute difference where `inside` holds.
pub fn mean_absolute(a: &[f32], b: &[f32], inside: &[bool]) -> f64 {
    let (mut sum, mut count) = (0.0, 0usize);
    for ((x, y), _) in a.iter().zip(b).zip(inside).filter(|(_, i)| **i) {
        sum += f64::from((x - y).abs());
        count += 1;
    }
    sum / count.max(1) as f64
}

/// Structural similarity, 11 × 11 Gaussian window with σ 1.5, mean over the pixels inside.
pub fn ssim(a: &[f32], b: &[f32], width: usize, inside: &[bool]) -> f64 {
    let product = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(p, q)| p * q).collect::<Vec<f32>>();
    let [ma, mb] = [a, b].map(|v| blur(v, width));
    let [aa, bb, ab] = [(a, a), (b, b), (a, b)].map(|(x, y)| blur(&product(x, y), width));
    let (mut sum, mut count) = (0.0, 0usize);
    for i in (0..a.len()).filter(|&i| inside[i]) {
        let [ma, mb, aa, bb, ab] = [ma[i], mb[i], aa[i], bb[i], ab[i]].map(f64::from);
        let (va, vb, cov) = (aa - ma * ma, bb - mb * mb, ab - ma * mb);
        sum += (2.0 * ma * mb + C1) * (2.0 * cov + C2) / ((ma * ma + mb * mb + C1) * (va + vb + C2));
        count += 1;
    }
    sum / count.max(1) as f64
}

/// Standard deviation of the 4-neighbour Laplacian where `inside` holds; the border counts not.
pub fn sharpness(luma: &[f32], width: usize, inside: &[bool]) -> f64 {
    let height = luma.len() / width;
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for y in 1..height.saturating_sub(1) {
        for i in y * width + 1..(y + 1) * width - 1 {
            if inside[i] {
                let around = luma[i - 1] + luma[i + 1] + luma[i - width] + luma[i + width];
                let value = f64::from(around - 4.0 * luma[i]);
                sum += value;
                squares += value * value;
                count += 1.0;
            }
        }
    }
    let n = f64::max(count, 1.0);
    (squares / n - (sum / n).powi(2)).max(0.0).sqrt()
}

/// Mean distance of paired points in % of `unit`.
pub fn landmark_error(a: &[[f32; 3]], b: &[[f32; 3]], unit: f32) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(p, q)| f64::from((p[0] - q[0]).hypot(p[1] - q[1]))).sum();
    100.0 * sum / (a.len().max(1) as f64 * f64::from(unit))
}

/// Separable Gaussian, σ 1.5, edges repeated.
fn blur(values: &[f32], width: usize) -> Vec<f32> {
    let height = values.len() / width;
    let weights: Vec<f32> = (-5..=5).map(|i| (-(i * i) as f32 / 4.5).exp()).collect();
    let total: f32 = weights.iter().sum();
    let pass = |from: &[f32], at: &dyn Fn(usize, usize, isize) -> usize| -> Vec<f32> {
        (0..height * width)
            .map(|i| {
                let taps = weights.iter().zip(-5..=5);
                taps.map(|(w, d)| w * from[at(i % width, i / width, d)]).sum::<f32>() / total
            })
            .collect()
    };
    let shift = |v: usize, d: isize, n: usize| v.saturating_add_signed(d).min(n - 1);
    let rows = pass(values, &|x, y, d| y * width + shift(x, d, width));
    pass(&rows, &|x, y, d| shift(y, d, height) * width + x)
}
