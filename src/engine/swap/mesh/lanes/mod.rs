//! Eight pixels at once: the arithmetic of [`raster`](super::raster), for registers of eight floats
//! where the processor has them, and for any other.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
mod plain;

use std::ops::{Add, Mul, Sub};

use super::texture::Level;

pub(crate) use plain::Plain;

/// Numbers worked on at once: short enough for the spans of small triangles.
pub(crate) const LANES: usize = 8;

/// Eight floats. All implementations give the same to the bit.
pub(crate) trait Lanes: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    /// Eight places along an axis of a texture, in 16.16 fixed point.
    type Places: Copy;

    fn new(values: [f32; LANES]) -> Self;

    fn splat(value: f32) -> Self;

    fn to_array(self) -> [f32; LANES];

    /// The larger of each two; `other` where one is no number.
    fn max(self, other: Self) -> Self;

    /// The smaller of each two; `other` where one is no number.
    fn min(self, other: Self) -> Self;

    fn over(self, divisor: Self) -> Self;

    /// Rounds to 0–255, halves up.
    fn to_bytes(self) -> [u8; LANES];

    /// `start`, `start + step`, and so on; it may overflow.
    fn places(start: i32, step: i32) -> Self::Places;

    fn advance(places: Self::Places, by: i32) -> Self::Places;

    /// R, G, B at the places `u` across and `v` down, as [`bilinear`](super::texture::bilinear) gives
    /// them, those outside of `level` brought to its edge: 8.8 fixed point.
    fn texels(level: &Level, u: Self::Places, v: Self::Places) -> [Self; 3];
}

#[cfg(test)]
mod tests;
