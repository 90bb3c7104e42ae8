use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

/// Numbers between −1 and 1.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// The sum as it is defined, in 64 bits.
fn direct(of: &Convolution, x: &[f32], filters: &[f32], bias: &[f32], alpha: f32) -> Vec<f64> {
    let (height, width) = of.output();
    let at = |image: usize, channel: usize, y: usize, x_: usize| {
        let (y, x_) = (y.checked_sub(of.pads[0]), x_.checked_sub(of.pads[1]));
        match (y, x_) {
            (Some(y), Some(x_)) if y < of.height && x_ < of.width => {
                f64::from(x[((image * of.from + channel) * of.height + y) * of.width + x_])
            }
            _ => 0.0,
        }
    };
    let mut sums = Vec::new();
    for image in 0..of.batch {
        for to in 0..of.to {
            for place in 0..height * width {
                let mut sum = bias.get(to).map_or(0.0, |&b| f64::from(b));
                for from in 0..of.from {
                    for tap in 0..9 {
                        let filter = f64::from(filters[(to * of.from + from) * 9 + tap]);
                        sum += filter * at(image, from, place / width + tap / 3, place % width + tap % 3);
                    }
                }
                sums.push(if sum < 0.0 { f64::from(alpha) * sum } else { sum });
            }
        }
    }
    sums
}

fn agrees(of: Convolution, biased: bool, alpha: f32) {
    let x = numbers(of.batch * of.from * of.height * of.width, 3);
    let filters = numbers(of.to * of.from * 9, 5);
    let bias = numbers(if biased { of.to } else { 0 }, 7);
    // At an odd address, as a mapped file may have it.
    let mut bytes = vec![0; 1];
    bytes.extend(filters.iter().flat_map(|v| v.to_ne_bytes()));
    let workspace = &mut Workspace::default();
    let next = AtomicUsize::new(0);
    let spread = |count: usize, task: &(dyn Fn(usize) + Sync)| {
        next.store(0, Ordering::Relaxed);
        let work = || {
            while let Some(i) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&i| i < count) {
                task(i);
            }
        };
        std::thread::scope(|threads| {
            threads.spawn(work);
            threads.spawn(work);
        });
    };
    let (raw, finish) = (bytes[1..].as_chunks().0, Finish { bias: &bias, alpha });
    // The sums' own size, and what F(4×4, 3×3) is known to lose in 32 bits.
    let most = 2e-5 * (9.0 * of.from as f64).sqrt();
    let sums = direct(&of, &x, &filters, &bias, alpha);
    // For registers of both sizes, and twice: what a run leaves behind does not matter to the next.
    for way in 0..4 {
        let mut y = vec![f32::NAN; sums.len()];
        match way {
            0 => of.run_as::<6, 1>(&x, raw, finish, &mut y, workspace, spread),
            1 => of.run_as::<8, 2>(&x, raw, finish, &mut y, workspace, spread),
            _ => of.run(&x, raw, finish, &mut y, workspace, spread),
        }
        for (i, (y, sum)) in y.iter().zip(&sums).enumerate() {
            assert!((f64::from(*y) - sum).abs() < most, "{of:?}, way {way}, {i}: {y}, not {sum}");
        }
    }
}

#[test]
fn it_is_the_sum_s_own_value() {
    let of = |batch, from, to, height, width, pads| Convolution { batch, from, to, height, width, pads };
    agrees(of(2, 70, 37, 9, 13, [1; 4]), true, 1.0);
    agrees(of(1, 64, 64, 10, 34, [0; 4]), false, 0.0);
    agrees(of(1, 130, 48, 7, 6, [1, 0, 2, 1]), true, 0.2);
    // Several strips, the last of them smaller.
    agrees(of(1, 3, 2, 70, 150, [1; 4]), true, 1.0);
    // One row of tiles is a strip.
    agrees(of(1, 1, 1, 9, 600, [1; 4]), false, 1.0);
    agrees(of(1, 2, 1, 1, 1, [1; 4]), false, 1.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn it_is_the_sum_s_own_value_whatever_the_shape(
        batch in 1usize..3,
        from in 1usize..80,
        to in 1usize..40,
        sides in (3usize..20, 3usize..20),
        pads in prop::array::uniform4(0usize..3),
        alpha in -1f32..1.5,
    ) {
        agrees(Convolution { batch, from, to, height: sides.0, width: sides.1, pads }, true, alpha);
    }
}
