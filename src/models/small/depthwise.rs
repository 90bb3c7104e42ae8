//! Depthwise 3x3 convolution of one row, and the pooling beside it.

use std::array::from_fn;

use multiversion::{multiversion, target::target_cfg_f};

use super::lanes::{LANES, Lane, groups, max, mul_add, padded};

/// Side of the kernel.
pub(super) const SIDE: usize = 3;

/// A depthwise 3x3 convolution.
#[derive(Debug)]
pub(super) struct Depthwise {
    /// One per channel group.
    kernels: Vec<Kernel>,
    stride: usize,
    /// Columns of zeros left of the picture; at most 2.
    left: usize,
}

#[derive(Clone, Copy, Debug)]
struct Kernel {
    taps: [[Lane; SIDE]; SIDE],
    bias: Lane,
}

impl Depthwise {
    /// `weights` are those of ONNX, nine per channel.
    pub(super) fn new(weights: &[f32], bias: &[f32], stride: usize, left: usize) -> Self {
        let plane = |tap: usize| {
            let of_tap: Vec<f32> = weights.iter().skip(tap).step_by(SIDE * SIDE).copied().collect();
            padded(&of_tap)
        };
        let planes: Vec<Vec<Lane>> = (0..SIDE * SIDE).map(plane).collect();
        let bias = padded(bias);
        let kernel = |(g, &bias): (usize, &Lane)| Kernel {
            taps: from_fn(|y| from_fn(|x| planes[y * SIDE + x][g])),
            bias,
        };
        let kernels = bias.iter().enumerate().map(kernel).collect();
        Self { kernels, stride, left }
    }

    pub(super) fn groups(&self) -> usize {
        self.kernels.len()
    }

    /// Floats that the kernels take, if they can be counted.
    pub(super) fn floats(channels: usize) -> Option<usize> {
        groups(channels).checked_mul(size_of::<Kernel>() / size_of::<f32>())
    }
}

/// Writes the pixels of one row: `rows` are the three input rows of `width` pixels.
#[multiversion(targets("x86_64+avx2+fma"))]
pub(super) fn convolve(rows: [&[Lane]; SIDE], width: usize, depthwise: &Depthwise, out: &mut [Lane]) {
    if cfg!(target_arch = "aarch64") || target_cfg_f!(target_feature = "fma") {
        sized::<true>(rows, width, depthwise, out);
    } else {
        sized::<false>(rows, width, depthwise, out);
    }
}

/// With a distance between pixels that the compiler knows the loop is faster.
#[inline(always)]
pub(super) fn sized<const FUSED: bool>(
    rows: [&[Lane]; SIDE],
    width: usize,
    depthwise: &Depthwise,
    out: &mut [Lane],
) {
    match depthwise.groups() {
        _ if depthwise.stride == 1 => rolling::<FUSED>(rows, width, depthwise, out),
        2 => columns::<FUSED, 2>(rows, width, depthwise, out),
        4 => columns::<FUSED, 4>(rows, width, depthwise, out),
        8 => columns::<FUSED, 8>(rows, width, depthwise, out),
        16 => columns::<FUSED, 16>(rows, width, depthwise, out),
        _ => columns::<FUSED, 0>(rows, width, depthwise, out),
    }
}

/// In steps of one pixel each column of the input adds to three sums, so that it is loaded once.
#[inline(always)]
fn rolling<const FUSED: bool>(rows: [&[Lane]; SIDE], width: usize, depthwise: &Depthwise, out: &mut [Lane]) {
    let &Depthwise { ref kernels, left, .. } = depthwise;
    let groups = kernels.len();
    let count = out.len() / groups;
    let rows = rows.map(|row| &row[..width * groups]);
    for (g, kernel) in kernels.iter().enumerate() {
        // A copy, so that it lies in registers.
        let Kernel { taps, bias } = *kernel;
        let with = |mut sum: Lane, column: [Lane; SIDE], kx: usize| {
            for y in 0..SIDE {
                sum = mul_add::<FUSED>(column[y], taps[y][kx], sum);
            }
            sum
        };
        // The sums that miss one column, and two.
        let (mut near, mut far) = (bias, bias);
        let begin = (SIDE - 1).saturating_sub(left).min(width);
        for x in 0..begin {
            let column = from_fn(|y| rows[y][x * groups + g]);
            (near, far) = (with(far, column, 1), with(bias, column, 0));
        }
        let mut at = g;
        for x in begin..width {
            let from = x * groups + g;
            let column = from_fn(|y| rows[y][from]);
            out[at] = with(near, column, 2);
            (near, far) = (with(far, column, 1), with(bias, column, 0));
            at += groups;
        }
        // Right of the picture there are zeros.
        for (ahead, sum) in [near, far].into_iter().enumerate() {
            if let Some(x) = (width + left + ahead).checked_sub(2).filter(|&x| x < count) {
                out[x * groups + g] = sum;
            }
        }
    }
}

/// `GROUPS` is the vectors of a pixel, or 0 for any number.
#[inline(always)]
fn columns<const FUSED: bool, const GROUPS: usize>(
    rows: [&[Lane]; SIDE],
    width: usize,
    depthwise: &Depthwise,
    out: &mut [Lane],
) {
    let &Depthwise { ref kernels, stride, left } = depthwise;
    let groups = if GROUPS == 0 { kernels.len() } else { GROUPS };
    let count = out.len() / groups;
    let rows = rows.map(|row| &row[..width * groups]);
    // Columns whose three taps all lie inside.
    let first = left.div_ceil(stride).min(count);
    let end = if width + left < SIDE { first } else { (width + left - SIDE) / stride + 1 };
    let end = end.clamp(first, count);
    for x in (0..first).chain(end..count) {
        for (g, kernel) in kernels.iter().enumerate() {
            let mut sum = kernel.bias;
            for kx in 0..SIDE {
                // Outside there are zeros.
                if let Some(column) = (x * stride + kx).checked_sub(left).filter(|&column| column < width) {
                    for (row, taps) in rows.iter().zip(&kernel.taps) {
                        sum = mul_add::<FUSED>(row[column * groups + g], taps[kx], sum);
                    }
                }
            }
            out[x * groups + g] = sum;
        }
    }
    for (g, kernel) in kernels.iter().enumerate() {
        // A copy, so that it lies in registers.
        let Kernel { taps, bias } = *kernel;
        let mut start = (first * stride).saturating_sub(left) * groups + g;
        let mut at = first * groups + g;
        for _ in first..end {
            let rows: [&[Lane]; SIDE] = from_fn(|y| &rows[y][start..][..2 * groups + 1]);
            let mut sum = bias;
            for y in 0..SIDE {
                for kx in 0..SIDE {
                    sum = mul_add::<FUSED>(rows[y][kx * groups], taps[y][kx], sum);
                }
            }
            out[at] = sum;
            at += groups;
            start += stride * groups;
        }
    }
}

/// Writes the largest of each 2x2 pixels of two rows; an odd last column is left out. The result's pixels
/// have `wide` vectors, of which those after `groups` are zero.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn pool(rows: [&[Lane]; 2], groups: usize, out: &mut [Lane], wide: usize) {
    let [upper, lower] = rows.map(|row| row.chunks_exact(2 * groups));
    for ((upper, lower), out) in upper.zip(lower).zip(out.chunks_exact_mut(wide)) {
        let ((a, b), (c, d)) = (upper.split_at(groups), lower.split_at(groups));
        let (out, zeros) = out.split_at_mut(groups);
        for (g, out) in out.iter_mut().enumerate() {
            *out = max(max(a[g], b[g]), max(c[g], d[g]));
        }
        zeros.fill([0.0; LANES]);
    }
}

/// Writes pixels of `groups` vectors as pixels of `wide`, with zeros at their ends.
pub(super) fn extend(row: &[Lane], groups: usize, out: &mut [Lane], wide: usize) {
    for (pixel, out) in row.chunks_exact(groups).zip(out.chunks_exact_mut(wide)) {
        let (out, zeros) = out.split_at_mut(groups);
        out.copy_from_slice(pixel);
        zeros.fill([0.0; LANES]);
    }
}
