//! For any processor.

use std::array::from_fn;

use bytemuck::cast;
use wide::{f32x8, i32x8, u16x16};

use super::{super::texture::Level, LANES, Lanes};

/// In two registers of four where there are none of eight.
pub(crate) type Plain = f32x8;

impl Lanes for Plain {
    type Places = i32x8;

    #[inline(always)]
    fn new(values: [f32; LANES]) -> Self {
        f32x8::new(values)
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        f32x8::splat(value)
    }

    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        f32x8::to_array(self)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.fast_max(other)
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.fast_min(other)
    }

    #[inline(always)]
    fn over(self, divisor: Self) -> Self {
        self / divisor
    }

    #[inline(always)]
    fn to_bytes(self) -> [u8; LANES] {
        let whole = (self + 0.5).fast_max(f32x8::ZERO).fast_min(f32x8::splat(255.0)).fast_trunc_int();
        whole.to_array().map(|v| v as u8)
    }

    #[inline(always)]
    fn places(start: i32, step: i32) -> i32x8 {
        i32x8::new(from_fn(|i| start.wrapping_add(step.wrapping_mul(i as i32))))
    }

    #[inline(always)]
    fn advance(places: i32x8, by: i32) -> i32x8 {
        places + i32x8::splat(by)
    }

    #[inline(always)]
    fn texels(level: &Level, u: i32x8, v: i32x8) -> [Self; 3] {
        let (max_u, max_v) = level.limits();
        let u = u.max(i32x8::ZERO).min(i32x8::splat(max_u));
        let v = v.max(i32x8::ZERO).min(i32x8::splat(max_v));
        let stride = level.width + 1;
        let (us, vs) = (u.to_array(), v.to_array());
        let mut cells = [[0u32; LANES]; 4];
        for i in 0..LANES {
            let at = (vs[i] >> 16) as usize * stride + (us[i] >> 16) as usize;
            if let Some(cell) = level.data.get(at..at + stride + 2) {
                (cells[0][i], cells[1][i]) = (cell[0], cell[1]);
                (cells[2][i], cells[3][i]) = (cell[stride], cell[stride + 1]);
            }
        }
        // Two channels share a 32-bit lane, 16 bits each.
        let share = |at: i32x8| -> (u16x16, u16x16) {
            let low = (at >> 8) & i32x8::splat(255);
            let both: u16x16 = cast(low | (low << 16));
            (both, u16x16::splat(256) - both)
        };
        let ((right, left), (below, above)) = (share(u), share(v));
        let bytes = u16x16::splat(255);
        let mix = |[a, b, c, d]: [u16x16; 4]| -> i32x8 {
            let top = (a * left + b * right) >> 8;
            let low = (c * left + d * right) >> 8;
            cast(top * above + low * below)
        };
        let red_blue = mix(cells.map(|cell| cast::<_, u16x16>(cell) & bytes));
        let green = mix(cells.map(|cell| cast::<_, u16x16>(cell) >> 8));
        let low = |lanes: i32x8| f32x8::from_i32x8(lanes & i32x8::splat(0xffff));
        [low(red_blue), low(green), low(red_blue >> 16)]
    }
}
