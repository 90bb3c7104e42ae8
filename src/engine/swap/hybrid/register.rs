//! Brings a key frame's picture of the camera onto that of the current frame: landmarks are a pixel
//! or two off, the pictures themselves tell.

use multiversion::multiversion;

use super::small::{CELLS, GRID, Small, at};
use crate::engine::swap::neural::gauss;

const ROUNDS: usize = 3;
/// Standard deviations in grid pixels: of the window that votes on a shift, of the smoothing of
/// shifts, of the slow light that is left out.
const WINDOW: f32 = 2.0;
const SMOOTH: f32 = 3.0;
const SLOW: f32 = 2.9;
/// Added to the squared gradients: where there is nothing to see, nothing moves.
const HOLD: f32 = 20.0;
/// Longest shift of a round and of all, grid pixels.
const STEP: f32 = 2.0;
const MOST: f32 = 0.06 * GRID as f32;

/// Working memory of [`Registrar::refine`].
#[derive(Debug, Default)]
pub(super) struct Registrar {
    now: Vec<f32>,
    seen: Vec<f32>,
    slow: Vec<f32>,
    shift: [Vec<f32>; 2],
    /// Gradient products: xx, xy, yy, xt, yt.
    sums: [Vec<f32>; 5],
    pub blur: Blur,
}

/// Gaussian blur of grid planes.
#[derive(Debug, Default)]
pub(super) struct Blur {
    kernel: Vec<f32>,
    scratch: Vec<f32>,
}

impl Blur {
    pub fn apply(&mut self, plane: &mut [f32], sigma: f32) {
        gauss(plane, GRID, sigma, &mut self.kernel, &mut self.scratch);
    }
}

/// `values` without their slow part.
fn quick(values: &mut [f32], slow: &mut Vec<f32>, blur: &mut Blur) {
    slow.clear();
    slow.extend_from_slice(values);
    blur.apply(slow, SLOW);
    values.iter_mut().zip(&*slow).for_each(|(v, s)| *v -= s);
}

impl Registrar {
    /// Moves the positions `u`, `v` on the key frame's grid so that `key` there looks as `now` does
    /// (Lucas and Kanade 1981, dense, on the mean of both pictures' gradients).
    pub fn refine(&mut self, now: &Small, key: &Small, u: &mut [f32], v: &mut [f32]) {
        self.now.clear();
        self.now.extend_from_slice(&now.luma);
        quick(&mut self.now, &mut self.slow, &mut self.blur);
        for shift in &mut self.shift {
            shift.clear();
            shift.resize(CELLS, 0.0);
        }
        self.seen.resize(CELLS, 0.0);
        for _ in 0..ROUNDS {
            for cell in 0..CELLS {
                let (x, y) = self.place(cell);
                self.seen[cell] = at(&key.luma, at(u, x, y), at(v, x, y));
            }
            quick(&mut self.seen, &mut self.slow, &mut self.blur);
            gradients(&self.now, &self.seen, &mut self.sums);
            for sum in &mut self.sums {
                self.blur.apply(sum, WINDOW);
            }
            let [along, down] = &mut self.shift;
            solve(&self.sums, along, down);
            for shift in &mut self.shift {
                self.blur.apply(shift, SMOOTH);
            }
        }
        // `seen` and `slow` have served; the moved positions are made in them.
        self.slow.resize(CELLS, 0.0);
        for cell in 0..CELLS {
            let (x, y) = self.place(cell);
            (self.seen[cell], self.slow[cell]) = (at(u, x, y), at(v, x, y));
        }
        u.copy_from_slice(&self.seen);
        v.copy_from_slice(&self.slow);
    }

    fn place(&self, cell: usize) -> (f32, f32) {
        let (x, y) = ((cell % GRID) as f32 + 0.5, (cell / GRID) as f32 + 0.5);
        (x + self.shift[0][cell].clamp(-MOST, MOST), y + self.shift[1][cell].clamp(-MOST, MOST))
    }
}

/// Products of the gradients (Sobel) of both pictures' mean, and of these with their difference.
fn gradients(now: &[f32], seen: &[f32], sums: &mut [Vec<f32>; 5]) {
    for sum in sums.iter_mut() {
        sum.clear();
        sum.resize(CELLS, 0.0);
    }
    let mean = |cell: usize| 0.5 * (now[cell] + seen[cell]);
    for y in 1..GRID - 1 {
        for x in 1..GRID - 1 {
            let cell = y * GRID + x;
            let (above, below) = (cell - GRID, cell + GRID);
            let corners = [mean(above - 1), mean(above + 1), mean(below - 1), mean(below + 1)];
            let across = 2.0 * (mean(cell + 1) - mean(cell - 1));
            let along = (corners[1] - corners[0] + corners[3] - corners[2] + across) / 8.0;
            let down =
                (corners[2] - corners[0] + corners[3] - corners[1] + 2.0 * (mean(below) - mean(above))) / 8.0;
            let off = seen[cell] - now[cell];
            sums[0][cell] = along * along;
            sums[1][cell] = along * down;
            sums[2][cell] = down * down;
            sums[3][cell] = along * off;
            sums[4][cell] = down * off;
        }
    }
}

/// Adds each pixel's least-squares shift.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
fn solve(sums: &[Vec<f32>; 5], along: &mut [f32], down: &mut [f32]) {
    let [xx, xy, yy, xt, yt] = sums.each_ref().map(|sum| &sum[..CELLS]);
    let (along, down) = (&mut along[..CELLS], &mut down[..CELLS]);
    for i in 0..CELLS {
        let (a, b, c) = (xx[i] + HOLD, xy[i], yy[i] + HOLD);
        let scale = 1.0 / (a * c - b * b);
        along[i] += ((b * yt[i] - c * xt[i]) * scale).clamp(-STEP, STEP);
        down[i] += ((b * xt[i] - a * yt[i]) * scale).clamp(-STEP, STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture with detail of a few pixels, moved.
    fn picture(dx: f32, dy: f32) -> Small {
        let mut small = Small::default();
        for _ in 0..3 {
            small.rgb.extend((0..CELLS).map(|i| {
                let (x, y) = ((i % GRID) as f32 - dx, (i / GRID) as f32 - dy);
                128.0 + 40.0 * (0.8 * x).sin() * (0.7 * y).cos() + 25.0 * (0.5 * x + 0.6 * y).sin()
            }));
        }
        small.finish();
        small
    }

    fn identity() -> (Vec<f32>, Vec<f32>) {
        let u = (0..CELLS).map(|i| (i % GRID) as f32 + 0.5).collect();
        (u, (0..CELLS).map(|i| (i / GRID) as f32 + 0.5).collect())
    }

    #[test]
    fn a_shift_is_found_and_sameness_is_left_alone() {
        let (now, key) = (picture(0.0, 0.0), picture(1.4, -0.9));
        let (mut u, mut v) = identity();
        Registrar::default().refine(&now, &key, &mut u, &mut v);
        let inner = (20..76).flat_map(|y| (20..76).map(move |x| (x, y)));
        let (mut dx, mut dy) = (0.0, 0.0);
        for (x, y) in inner {
            dx += (u[y * GRID + x] - x as f32 - 0.5) / 3136.0;
            dy += (v[y * GRID + x] - y as f32 - 0.5) / 3136.0;
        }
        assert!((dx - 1.4).abs() < 0.2 && (dy + 0.9).abs() < 0.2, "{dx} {dy}");
        let (mut u, mut v) = identity();
        Registrar::default().refine(&now, &now, &mut u, &mut v);
        assert!(u.iter().zip(identity().0).all(|(a, b)| (a - b).abs() < 1e-3));
    }

    #[test]
    fn a_change_of_light_moves_nothing() {
        let now = picture(0.0, 0.0);
        let mut key = now.clone();
        key.rgb.iter_mut().enumerate().for_each(|(i, v)| *v += 30.0 - 0.2 * (i % GRID) as f32);
        key.finish();
        let (mut u, mut v) = identity();
        Registrar::default().refine(&now, &key, &mut u, &mut v);
        let inner = (10 * GRID..CELLS - 10 * GRID).filter(|i| (10..86).contains(&(i % GRID)));
        assert!(inner.map(|i| (u[i] - identity().0[i]).abs()).fold(0.0, f32::max) < 0.2);
    }
}
