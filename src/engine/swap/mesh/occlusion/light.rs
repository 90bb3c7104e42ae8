//! The light of the moment against that of a memory, and the colour of skin under it.

/// Levels added to luma before its logarithm is taken.
const DARK: f32 = 8.0;
/// Largest logarithm of a gain.
const MOST: f32 = 0.7;
/// Of the pixels, one in this many tells the light.
const STEP: usize = 3;
/// Levels of skin of medium exposure.
const MEDIUM: f32 = 130.0;

/// A gain on luma that changes evenly over the face, and a shift of chroma.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Light {
    plane: [f32; 3],
    shift: [f32; 3],
    /// Y, Cb, Cr of the face's skin under it: medians.
    pub skin: [f32; 3],
    /// Of skin, 1 at medium exposure.
    pub bright: f32,
}

/// The middle one of `values`, which `scratch` has room for.
pub(super) fn median(values: impl Iterator<Item = f32>, scratch: &mut [f32]) -> Option<f32> {
    let mut n = 0;
    for (to, value) in scratch.iter_mut().zip(values) {
        *to = value;
        n += 1;
    }
    (n > 0).then(|| *scratch[..n].select_nth_unstable_by(n / 2, f32::total_cmp).1)
}

impl Light {
    /// What took `memory` to `now` (Y, Cb, Cr), over the pixels that are `free`, which lie at `place`
    /// (face widths). Robust against a part of the face that changed otherwise.
    pub fn fit(
        now: &[Vec<f32>; 3],
        memory: &[Vec<f32>; 3],
        place: &[[f32; 2]],
        free: &dyn Fn(usize) -> bool,
        [logs, sorted]: [&mut Vec<f32>; 2],
    ) -> Light {
        let used = || (0..place.len()).step_by(STEP).filter(|&at| free(at));
        let count = used().count();
        let mut light = Light { bright: 1.0, skin: [128.0; 3], ..Light::default() };
        if count < 50 {
            return light;
        }
        let log = |at: usize| ((now[0][at].max(0.0) + DARK) / (memory[0][at].max(0.0) + DARK)).ln();
        logs.iter_mut().zip(used().map(log)).for_each(|(to, v)| *to = v);
        light.plane[0] = median(logs[..count].iter().copied(), sorted).unwrap_or(0.0);
        for _ in 0..3 {
            light.improve(&logs[..count], used().map(|at| place[at]));
        }
        for k in [1, 2] {
            light.shift[k] = median(used().map(|at| now[k][at] - memory[k][at]), sorted).unwrap_or(0.0);
        }
        for (k, memory) in memory.iter().enumerate() {
            let of = |at: usize| light.put_on(k, memory[at], light.gain(place[at]));
            light.skin[k] = median(used().map(of), sorted).unwrap_or(128.0);
        }
        light.bright = (light.skin[0] / MEDIUM).clamp(0.4, 1.4);
        light
    }

    /// A step of iteratively reweighted least squares.
    fn improve(&mut self, logs: &[f32], places: impl Iterator<Item = [f32; 2]>) {
        let mut system = [[0.0f32; 4]; 3];
        for (log, [x, y]) in logs.iter().zip(places) {
            let row = [1.0, x, y];
            let off = log - row.iter().zip(&self.plane).map(|(a, b)| a * b).sum::<f32>();
            let weight = 1.0 / (1.0 + (off / 0.1).powi(2));
            for (line, a) in system.iter_mut().zip(row) {
                line.iter_mut().zip(row).for_each(|(to, b)| *to += weight * a * b);
                line[3] += weight * a * off;
            }
        }
        // A pull towards even light.
        let hold = 0.02 * logs.len() as f32;
        (system[1][1], system[2][2]) = (system[1][1] + hold, system[2][2] + hold);
        for i in 0..3 {
            let pivot = system[i][i].max(1e-6);
            system[i].iter_mut().for_each(|v| *v /= pivot);
            let row = system[i];
            for (_, other) in system.iter_mut().enumerate().filter(|(j, _)| *j != i) {
                let factor = other[i];
                other.iter_mut().zip(&row).for_each(|(v, r)| *v -= factor * r);
            }
        }
        (0..3).for_each(|i| self.plane[i] += system[i][3]);
    }

    pub fn gain(&self, [x, y]: [f32; 2]) -> f32 {
        (self.plane[0] + self.plane[1] * x + self.plane[2] * y).clamp(-MOST, MOST).exp()
    }

    /// Component `k` of a memory under this light, whose gain at the place is `gain`.
    pub fn put_on(&self, k: usize, value: f32, gain: f32) -> f32 {
        if k == 0 { (value + DARK) * gain - DARK } else { value + self.shift[k] }
    }

    /// The inverse of [`put_on`](Self::put_on).
    pub fn take_off(&self, k: usize, value: f32, gain: f32) -> f32 {
        if k == 0 { (value + DARK) / gain - DARK } else { value - self.shift[k] }
    }

    /// Distance of two colours in steps that count as one; luma counts less, shade changes it.
    pub fn far(&self, a: [f32; 3], b: [f32; 3]) -> f32 {
        self.parts(a, b).map(|v| v * v).iter().sum::<f32>().sqrt()
    }

    /// The same, no component counting beyond four.
    pub fn distance(&self, a: [f32; 3], b: [f32; 3]) -> f32 {
        self.parts(a, b).map(|v| v.abs().min(4.0).powi(2)).iter().sum::<f32>().sqrt()
    }

    fn parts(&self, a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
        let scales = [super::SHADE * super::LUMA, super::CHROMA, super::CHROMA];
        std::array::from_fn(|k| (a[k] - b[k]) / (scales[k] * self.bright))
    }
}
