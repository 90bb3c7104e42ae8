//! In registers of eight floats, which the compiler does not find by itself: what the code for any
//! processor becomes with AVX2 works on four.

use std::{
    arch::x86_64::{
        __m256, __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256,
        _mm256_castps_si256, _mm256_castsi256_ps, _mm256_cvtepi32_ps, _mm256_cvttps_epi32, _mm256_div_ps,
        _mm256_max_epi32, _mm256_max_ps, _mm256_min_epi32, _mm256_min_ps, _mm256_mul_ps, _mm256_mullo_epi16,
        _mm256_mullo_epi32, _mm256_or_si256, _mm256_packus_epi16, _mm256_packus_epi32, _mm256_set_epi64x,
        _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps,
        _mm256_setzero_si256, _mm256_shuffle_ps, _mm256_slli_epi32, _mm256_srai_epi32, _mm256_srli_epi16,
        _mm256_srli_epi32, _mm256_sub_epi16, _mm256_sub_ps,
    },
    ops::{Add, Mul, Sub},
};

use super::{super::texture::Level, LANES, Lanes};

/// Eight floats in one register. To be made only where there is AVX2, in code compiled for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(__m256);

impl Add for Avx2 {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: there is AVX2.
        Avx2(unsafe { _mm256_add_ps(self.0, other.0) })
    }
}

impl Sub for Avx2 {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: there is AVX2.
        Avx2(unsafe { _mm256_sub_ps(self.0, other.0) })
    }
}

impl Mul for Avx2 {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: there is AVX2.
        Avx2(unsafe { _mm256_mul_ps(self.0, other.0) })
    }
}

impl Lanes for Avx2 {
    type Places = __m256i;

    #[inline(always)]
    fn new(values: [f32; LANES]) -> Self {
        Avx2(bytemuck::cast(values))
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: there is AVX2.
        Avx2(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        bytemuck::cast(self.0)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: there is AVX2.
        Avx2(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: there is AVX2.
        Avx2(unsafe { _mm256_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn over(self, divisor: Self) -> Self {
        // SAFETY: there is AVX2.
        Avx2(unsafe { _mm256_div_ps(self.0, divisor.0) })
    }

    #[inline(always)]
    fn to_bytes(self) -> [u8; LANES] {
        // SAFETY: there is AVX2.
        unsafe { bytes(self.0) }
    }

    #[inline(always)]
    fn places(start: i32, step: i32) -> __m256i {
        // SAFETY: there is AVX2.
        unsafe { ramp(start, step) }
    }

    #[inline(always)]
    fn advance(places: __m256i, by: i32) -> __m256i {
        // SAFETY: there is AVX2.
        unsafe { _mm256_add_epi32(places, _mm256_set1_epi32(by)) }
    }

    #[inline(always)]
    fn texels(level: &Level, u: __m256i, v: __m256i) -> [Self; 3] {
        // SAFETY: there is AVX2.
        unsafe { texels(level, u, v) }.map(Avx2)
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn bytes(value: __m256) -> [u8; LANES] {
    let rounded = _mm256_add_ps(value, _mm256_set1_ps(0.5));
    let bounded = _mm256_min_ps(_mm256_max_ps(rounded, _mm256_setzero_ps()), _mm256_set1_ps(255.0));
    let whole = _mm256_cvttps_epi32(bounded);
    // Four bytes come to lie at the beginning of each half.
    let words = _mm256_packus_epi32(whole, whole);
    let packed: [u32; LANES] = bytemuck::cast(_mm256_packus_epi16(words, words));
    bytemuck::cast([packed[0], packed[4]])
}

#[inline]
#[target_feature(enable = "avx2")]
fn ramp(start: i32, step: i32) -> __m256i {
    let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_add_epi32(_mm256_set1_epi32(start), _mm256_mullo_epi32(lane, _mm256_set1_epi32(step)))
}

/// Shares of the one and the other neighbour, of 256, twice in each lane.
#[inline]
#[target_feature(enable = "avx2")]
fn shares(at: __m256i) -> (__m256i, __m256i) {
    let low = _mm256_and_si256(_mm256_srli_epi32::<8>(at), _mm256_set1_epi32(255));
    let there = _mm256_or_si256(low, _mm256_slli_epi32::<16>(low));
    (_mm256_sub_epi16(_mm256_set1_epi16(256), there), there)
}

#[inline]
#[target_feature(enable = "avx2")]
fn blend(a: __m256i, b: __m256i, (here, there): (__m256i, __m256i)) -> __m256i {
    _mm256_add_epi16(_mm256_mullo_epi16(a, here), _mm256_mullo_epi16(b, there))
}

#[inline]
#[target_feature(enable = "avx2")]
fn texels(level: &Level, u: __m256i, v: __m256i) -> [__m256; 3] {
    let stride = level.width + 1;
    if level.width == 0 || level.height == 0 || level.data.len() < stride * (level.height + 1) {
        return [_mm256_setzero_ps(); 3];
    }
    let (max_u, max_v) = level.limits();
    let inside = |at: __m256i, most: i32| {
        _mm256_min_epi32(_mm256_max_epi32(at, _mm256_setzero_si256()), _mm256_set1_epi32(most))
    };
    let (u, v) = (inside(u, max_u), inside(v, max_v));
    let rows = _mm256_mullo_epi32(_mm256_srai_epi32::<16>(v), _mm256_set1_epi32(stride as i32));
    let at: [i32; LANES] = bytemuck::cast(_mm256_add_epi32(rows, _mm256_srai_epi32::<16>(u)));
    let pair = |i: usize, row: usize| -> i64 {
        // SAFETY: the place is at most the last but one of a row but the last, so that its right neighbour
        // and the row below are there, as the length was looked at.
        unsafe { level.data.as_ptr().add(at[i] as usize + row).cast::<i64>().read_unaligned() }
    };
    // In an order that lets a shuffle within halves put the pixels into their own.
    let row = |row: usize| {
        let of = |i: [usize; 4]| {
            let [a, b, c, d] = i.map(|i| pair(i, row));
            _mm256_castsi256_ps(_mm256_set_epi64x(d, c, b, a))
        };
        let (one, other) = (of([0, 1, 4, 5]), of([2, 3, 6, 7]));
        let left = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(one, other));
        (left, _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(one, other)))
    };
    let ((a, b), (c, d)) = (row(0), row(stride));
    let (across, down) = (shares(u), shares(v));
    // Two channels share a lane, 16 bits each.
    let red_blue = |cell| _mm256_and_si256(cell, _mm256_set1_epi16(255));
    let green = |cell| _mm256_srli_epi16::<8>(cell);
    let mix = |[a, b, c, d]: [__m256i; 4]| {
        let top = _mm256_srli_epi16::<8>(blend(a, b, across));
        let low = _mm256_srli_epi16::<8>(blend(c, d, across));
        blend(top, low, down)
    };
    let (red_blue, green) = (mix([a, b, c, d].map(red_blue)), mix([a, b, c, d].map(green)));
    let low = |lanes| _mm256_cvtepi32_ps(_mm256_and_si256(lanes, _mm256_set1_epi32(0xffff)));
    [low(red_blue), low(green), _mm256_cvtepi32_ps(_mm256_srli_epi32::<16>(red_blue))]
}
