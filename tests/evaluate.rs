//! The arithmetic of the judge, `examples/evaluate`, on arrays whose scores are known.

#[path = "../examples/evaluate/scores.rs"]
mod scores;

use scores::*;

const WIDTH: usize = 24;

fn noise(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as f32
    };
    (0..count).map(next).collect()
}

#[test]
fn psnr_of_a_known_difference_inside_the_mask() {
    let a = vec![[100u8; 3]; 8];
    let mut b = vec![[110u8; 3]; 8];
    let mut inside = vec![true; 8];
    (b[0], inside[0]) = ([255; 3], false);
    let error = mean_squared(&a, &b, &inside);
    assert!((error - 100.0).abs() < 1e-9, "{error}");
    assert!((psnr(error) - 28.1308).abs() < 1e-3);
    assert!(psnr(0.0).is_infinite());
}

#[test]
fn ssim_of_equal_flat_and_unlike_pictures() {
    let a = noise(WIDTH * WIDTH);
    let inside = vec![true; a.len()];
    assert!((ssim(&a, &a, WIDTH, &inside) - 1.0).abs() < 1e-4);
    // Flat pictures leave only the luminance term: (2·100·120 + C1) / (100² + 120² + C1).
    let (dark, light) = (vec![100.0; a.len()], vec![120.0; a.len()]);
    assert!((ssim(&dark, &light, WIDTH, &inside) - 24006.5 / 24406.5).abs() < 1e-3);
    let negative: Vec<f32> = a.iter().map(|v| 255.0 - v).collect();
    assert!(ssim(&a, &negative, WIDTH, &inside) < 0.0);
}

#[test]
fn ssim_sees_only_the_mask() {
    let a = noise(WIDTH * WIDTH);
    let mut b = a.clone();
    let inside: Vec<bool> = (0..a.len()).map(|i| i % WIDTH < 8).collect();
    // Beyond the window's reach from the mask.
    for i in (0..a.len()).filter(|i| i % WIDTH >= 14) {
        b[i] = 0.0;
    }
    assert!((ssim(&a, &b, WIDTH, &inside) - 1.0).abs() < 1e-4);
}

#[test]
fn cosine_and_nearest() {
    assert!((cosine(&[1.0, 0.0], &[3.0, 0.0]) - 1.0).abs() < 1e-9);
    assert!(cosine(&[1.0, 0.0], &[0.0, 2.0]).abs() < 1e-9);
    assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), 0.0);
    let gallery = [[0.0f32, 9.0], [5.0, 4.0], [0.1, 0.0]];
    assert_eq!(nearest(&[1.0, 0.1], gallery.iter().map(|g| &g[..])), Some(2));
    assert_eq!(nearest(&[1.0, 1.0], gallery.iter().map(|g| &g[..])), Some(1));
    assert_eq!(nearest(&[1.0], std::iter::empty()), None);
}

#[test]
fn sharpness_follows_contrast_and_ignores_ramps() {
    let ramp: Vec<f32> = (0..WIDTH * WIDTH).map(|i| (i % WIDTH) as f32 * 3.0).collect();
    let inside = vec![true; ramp.len()];
    assert!(sharpness(&ramp, WIDTH, &inside) < 1e-6);
    let a = noise(ramp.len());
    let soft: Vec<f32> = a.iter().map(|v| 0.5 * v).collect();
    let ratio = sharpness(&soft, WIDTH, &inside) / sharpness(&a, WIDTH, &inside);
    assert!((ratio - 0.5).abs() < 1e-4, "{ratio}");
}

#[test]
fn differences_and_landmark_errors() {
    assert_eq!(mean_absolute(&[1.0, 5.0, 9.0], &[3.0, 1.0, 0.0], &[true, true, false]), 3.0);
    let a = vec![[0.0, 0.0, 0.0]; 4];
    let b = vec![[3.0, 4.0, 50.0]; 4];
    assert!((landmark_error(&a, &b, 200.0) - 2.5).abs() < 1e-9);
}
