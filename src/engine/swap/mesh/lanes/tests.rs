use proptest::prelude::*;

use super::{super::texture::bilinear, *};

/// What all kinds of eight numbers have to give.
fn check<L: Lanes>(values: ([f32; 8], [f32; 8]), pixels: &[u32], (u, v): ((i32, i32), (i32, i32))) {
    let (a, b) = (L::new(values.0), L::new(values.1));
    let each =
        |f: &dyn Fn(f32, f32) -> f32| -> [f32; 8] { std::array::from_fn(|i| f(values.0[i], values.1[i])) };
    assert_eq!((a + b).to_array(), each(&|a, b| a + b));
    assert_eq!((a - b).to_array(), each(&|a, b| a - b));
    assert_eq!((a * b).to_array(), each(&|a, b| a * b));
    assert_eq!(a.over(b).to_array().map(f32::to_bits), each(&|a, b| a / b).map(f32::to_bits));
    assert_eq!(a.max(b).to_array(), each(&f32::max));
    assert_eq!(a.min(b).to_array(), each(&f32::min));
    assert_eq!(L::splat(values.0[0]).to_array(), [values.0[0]; 8]);
    assert_eq!(a.to_bytes(), values.0.map(|v| (v + 0.5) as u8));
    let level = Level { width: 5, height: 5, data: pixels.to_vec(), scale: (1.0, 1.0) };
    let (across, down) = (L::places(u.0, u.1), L::places(v.0, v.1));
    let (mut first, mut second) = (L::texels(&level, across, down), [L::splat(0.0); 3]);
    second.copy_from_slice(&L::texels(&level, L::advance(across, 8 * u.1), L::advance(down, 8 * v.1)));
    let (max_u, max_v) = level.limits();
    for (eight, from) in [(&mut first, 0), (&mut second, 8)] {
        for i in 0..LANES {
            let at = |(start, step): (i32, i32), most: i32| (start + step * (from + i as i32)).clamp(0, most);
            let wanted = bilinear(&level, at(u, max_u), at(v, max_v)).map(f32::from);
            assert_eq!(eight.map(|channel| channel.to_array()[i]), wanted);
        }
    }
    let cut = Level { data: pixels[..20].to_vec(), ..level };
    L::texels(&cut, across, down);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn check_avx2(values: ([f32; 8], [f32; 8]), pixels: &[u32], places: ((i32, i32), (i32, i32))) {
    check::<avx2::Avx2>(values, pixels, places);
}

proptest! {
    #[test]
    fn eight_are_worked_on_as_one_is(
        values in (prop::array::uniform8(-300f32..600.0), prop::array::uniform8(-3f32..3.0)),
        pixels in prop::collection::vec(any::<u32>(), 6 * 6),
        u in (-3i32 << 16..8 << 16, -2i32 << 16..2 << 16),
        v in (-3i32 << 16..8 << 16, -2i32 << 16..2 << 16),
    ) {
        check::<Plain>(values, &pixels, (u, v));
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: there is AVX2.
            unsafe { check_avx2(values, &pixels, (u, v)) };
        }
    }
}

fn no_numbers<L: Lanes>() {
    let nan = L::splat(f32::NAN);
    assert_eq!(nan.to_bytes(), [0; 8]);
    assert_eq!(nan.max(L::splat(1.0)).to_array(), [1.0; 8]);
    assert_eq!(nan.min(L::splat(1.0)).to_array(), [1.0; 8]);
    assert_eq!(L::splat(f32::INFINITY).to_bytes(), [255; 8]);
    assert_eq!(L::splat(f32::NEG_INFINITY).to_bytes(), [0; 8]);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn no_numbers_avx2() {
    no_numbers::<avx2::Avx2>();
}

#[test]
fn what_is_no_number_is_black() {
    no_numbers::<Plain>();
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: there is AVX2.
        unsafe { no_numbers_avx2() };
    }
}
