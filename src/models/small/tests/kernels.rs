use std::array::from_fn;

use super::super::depthwise::{self, Depthwise};
use super::super::lanes::{LANES, Lane, padded};
use super::super::packed::Packed;
use super::super::product::{self, Finish, Rectifier, Taps};
use super::{Builder, Numbers, compare};

/// The side that `size` becomes under a window.
fn side(size: i64, pads: i64, kernel: i64, stride: i64) -> i64 {
    (size + pads - kernel) / stride + 1
}

#[test]
fn a_convolution_of_all_channels_with_any_padding() {
    for (size, channels) in [([7, 5], 3), ([5, 15], 3), ([6, 13], 8), ([9, 9], 11)] {
        for kernel in [1, 2, 3, 5] {
            for stride in 1..=3 {
                for pads in [[0; 4], [0, 0, 1, 1], [1; 4], [1, 0, 0, 0], [0, 1, 0, 0], [2, 1, 0, 2]] {
                    if pads.iter().any(|&p| p >= kernel) {
                        continue;
                    }
                    let mut b = Builder::new([size[0], size[1], channels]);
                    b.conv("x", "y", [19, channels, kernel, kernel], stride, pads, 1);
                    b.rectifier("y", "z", 19);
                    let height = side(size[0], pads[0] + pads[2], kernel, stride);
                    let width = side(size[1], pads[1] + pads[3], kernel, stride);
                    compare(&b.model("z", [height, width, 19]));
                }
            }
        }
    }
}

#[test]
fn a_depthwise_convolution_with_any_padding() {
    for size in [[3, 3], [1, 1], [2, 7], [8, 5], [12, 12]] {
        for channels in [3, 8, 16, 20, 32, 40, 64, 128] {
            for stride in 1..=2 {
                for pads in [[1; 4], [0, 0, 1, 1], [0; 4], [1, 1, 0, 0], [2, 0, 1, 2], [2; 4], [0, 2, 2, 0]] {
                    let height = side(size[0], pads[0] + pads[2], 3, stride);
                    let width = side(size[1], pads[1] + pads[3], 3, stride);
                    if size[0] + pads[0] + pads[2] < 3 || size[1] + pads[1] + pads[3] < 3 {
                        continue;
                    }
                    let mut b = Builder::new([size[0], size[1], 2]);
                    b.conv("x", "y", [channels, 2, 1, 1], 1, [0; 4], 1);
                    b.conv("y", "d", [channels, 1, 3, 3], stride, pads, channels);
                    b.conv("d", "z", [24, channels, 1, 1], 1, [0; 4], 1);
                    compare(&b.model("z", [height, width, 24]));
                }
            }
        }
    }
}

#[test]
fn residual_blocks_with_every_shortcut() {
    for (size, pads, channels, more) in [
        ([8, 12], [0, 0, 1, 1], 16, 16),
        ([9, 7], [0; 4], 12, 9),
        ([6, 6], [1, 1, 0, 0], 8, 0),
        ([4, 31], [0, 0, 1, 0], 16, 1),
    ] {
        for swapped in [false, true] {
            let out = channels + more;
            let mut b = Builder::new([size[0], size[1], 3]);
            b.conv("x", "c", [channels, 3, 3, 3], 1, [1; 4], 1);
            b.rectifier("c", "r", channels);
            b.conv("r", "d1", [channels, 1, 3, 3], 1, [1; 4], channels);
            b.conv("d1", "p1", [channels, channels, 1, 1], 1, [0; 4], 1);
            b.node("Add", if swapped { &["p1", "r"] } else { &["r", "p1"] }, "s1", &[]);
            b.constant("slope", &[channels, 1, 1]);
            b.node("PRelu", &["s1", "slope"], "r1", &[]);
            b.conv("r1", "d2", [channels, 1, 3, 3], 2, pads, channels);
            b.conv("d2", "p2", [out, channels, 1, 1], 1, [0; 4], 1);
            b.node("MaxPool", &["r1"], "m", &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])]);
            b.longs("pads", &[0, 0, 0, 0, 0, more, 0, 0]);
            let other = if more > 0 { "e" } else { "m" };
            if more > 0 {
                b.node("Pad", &["m", "pads"], "e", &[]);
            }
            let sides = if swapped { ["p2", other] } else { [other, "p2"] };
            b.node("Add", &sides, "s2", &[]);
            b.rectifier("s2", "r2", out);
            compare(&b.model("r2", [size[0] / 2, size[1] / 2, out]));
        }
    }
}

#[test]
fn a_shortcut_that_only_gets_more_channels() {
    let mut b = Builder::new([5, 6, 3]);
    b.conv("x", "c", [8, 3, 1, 1], 1, [0; 4], 1);
    b.conv("c", "p", [30, 8, 1, 1], 1, [0; 4], 1);
    b.longs("pads", &[0, 0, 0, 0, 0, 22, 0, 0]);
    b.node("Pad", &["c", "pads"], "e", &[]);
    b.node("Add", &["e", "p"], "s", &[]);
    b.node("Relu", &["s"], "r", &[]);
    compare(&b.model("r", [5, 6, 30]));
}

#[test]
fn images_that_are_read_again_later_are_kept() {
    let mut b = Builder::new([6, 7, 3]);
    b.conv("x", "a", [16, 3, 3, 3], 1, [1; 4], 1);
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")] {
        b.conv(from, to, [16, 16, 1, 1], 1, [0; 4], 1);
    }
    b.node("Add", &["e", "a"], "f", &[]);
    compare(&b.model("f", [6, 7, 16]));
}

/// The versions for other processors are not those that run here.
#[test]
fn all_kernels_give_the_same() {
    let mut numbers = Numbers(5);
    let close = |a: &[Lane], b: &[Lane]| {
        a.as_flattened().iter().zip(b.as_flattened()).for_each(|(a, b)| assert!((a - b).abs() < 1e-4));
    };
    for (depth, outputs, pixels, widest) in
        [(16, 16, 13, 2), (32, 40, 6, 2), (9, 24, 7, 4), (50, 120, 1, 8), (20, 120, 31, 8)]
    {
        let (data, weights) = (numbers.take(depth * pixels), numbers.take(depth * outputs));
        let packed = Packed::new(depth, outputs, widest, |row, output| weights[row * outputs + output]);
        let bias = padded(&numbers.take(outputs));
        let rectifier =
            Rectifier { below: padded(&numbers.take(outputs)), above: padded(&numbers.take(outputs)) };
        let shortcut = padded(&numbers.take(bias.len() * LANES * pixels));
        let finish = Finish { bias: &bias, shortcut: Some(&shortcut), rectifier: &rectifier };
        let taps = Taps { data: &data, pixel: depth, segment: 0, segments: 1, length: depth };
        let mut results: [_; 3] = from_fn(|_| vec![[0.0; LANES]; pixels * bias.len()]);
        product::multiply(&taps, pixels, &packed, &finish, &mut results[0]);
        product::narrow(&taps, pixels, &packed, &finish, &mut results[1]);
        product::panels::<false>(&taps, pixels, &packed, &finish, &mut results[2]);
        close(&results[0], &results[1]);
        close(&results[0], &results[2]);
    }
    for channels in [16, 24] {
        let depthwise = Depthwise::new(&numbers.take(9 * channels), &numbers.take(channels), 1, 1);
        let rows: [_; 3] = from_fn(|_| padded(&numbers.take(channels * 10)));
        let rows = from_fn(|y| rows[y].as_slice());
        let mut results: [_; 2] = from_fn(|_| vec![[0.0; LANES]; 10 * channels / LANES]);
        depthwise::convolve(rows, 10, &depthwise, &mut results[0]);
        depthwise::sized::<false>(rows, 10, &depthwise, &mut results[1]);
        close(&results[0], &results[1]);
    }
}
