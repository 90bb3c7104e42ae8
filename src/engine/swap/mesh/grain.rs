//! The noise of the target's picture, put on what is drawn over it.

use std::sync::LazyLock;

use super::{
    lanes::{LANES, Lanes},
    texture::Texture,
    topology::{Mesh, VERTICES, signed_area, topology},
};
use crate::engine::{
    frame::{Frame, Reader, with_reader},
    geometry::smoothstep,
};

/// Pixels a side of the tile of noise, a power of two.
const SIDE: usize = 128;
/// Pixels of a row that are there twice, so that eight in a row can always be read.
const MORE: usize = 8;
/// Noise below this many levels is rounding; from the second on it is matched in full.
const CLEAN: (f32, f32) = (0.6, 1.0);
/// More is no camera's noise.
const MOST: f32 = 25.0;
/// Places where noise is measured on each triangle.
const TAPS: [[f32; 3]; 3] = [[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]];

struct Tables {
    /// Normal deviates of mean 0 and deviation 1.
    tile: Vec<f32>,
    /// Triangles of plain skin, where fine detail is mostly noise.
    plain: Vec<[u16; 3]>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let t = topology();
    let far = |v: u16| {
        let p = t.canonical[usize::from(v)];
        let sets = [&t.left_eye, &t.right_eye, &t.left_brow, &t.right_brow, &t.lips_outer];
        let away = |q: &u16| {
            let q = t.canonical[usize::from(*q)];
            (p[0] - q[0]).hypot(p[1] - q[1])
        };
        t.ring[usize::from(v)] > 1 && sets.iter().flat_map(|set| set.iter()).all(|q| away(q) > 0.05)
    };
    let plain = t.triangles[..t.skin].iter().filter(|tri| tri.iter().all(|&v| far(v))).copied().collect();
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    // The sum of twelve even deviates is as good as normal here.
    let mut normal = || {
        let even = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        (0..12).map(even).sum::<f32>() - 6.0
    };
    let mut tile = Vec::with_capacity(SIDE * (SIDE + MORE));
    for _ in 0..SIDE {
        let row: Vec<f32> = (0..SIDE).map(|_| normal()).collect();
        tile.extend(row.iter().chain(&row[..MORE]));
    }
    Tables { tile, plain }
});

/// Builds the tables now instead of on the first frame.
pub(super) fn prepare() {
    LazyLock::force(&TABLES);
}

/// Noise of a certain strength at places of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grain {
    /// Deviation in levels.
    pub sigma: f32,
    shift: (usize, usize),
}

impl Grain {
    pub const NONE: Grain = Grain { sigma: 0.0, shift: (0, 0) };

    /// For the layer whose corner is at `corner` of the frame, shown at `time` in nanoseconds: another
    /// pattern every frame, and always the same one.
    pub fn new(sigma: f32, time: u64, corner: (usize, usize)) -> Grain {
        let mixed = (time ^ 0x5851_F42D).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let shift = ((mixed >> 40) as usize + corner.0, (mixed >> 52) as usize + corner.1);
        Grain { sigma, shift }
    }

    /// The row `y` of the layer.
    pub fn row(self, y: usize) -> GrainRow {
        let at = ((y + self.shift.1) % SIDE) * (SIDE + MORE);
        GrainRow { row: &TABLES.tile[at..at + SIDE + MORE], shift: self.shift.0, sigma: self.sigma }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct GrainRow {
    row: &'static [f32],
    shift: usize,
    sigma: f32,
}

impl GrainRow {
    /// Of the pixels `x` to `x + 7`, in levels.
    #[inline(always)]
    pub fn at<L: Lanes>(self, x: usize) -> L {
        let from = (x + self.shift) % SIDE;
        let eight = self.row[from..from + LANES].try_into().unwrap_or([0.0; LANES]);
        L::new(eight) * L::splat(self.sigma)
    }
}

/// Deviation of what is left of a picture after its planes and edges are taken out (Immerkær 1996),
/// by the middle rather than the mean of its values, since skin has texture too.
fn deviation(values: &mut [f32]) -> f32 {
    if values.len() < 30 {
        return 0.0;
    }
    let middle = values.len() / 2;
    let median = *values.select_nth_unstable_by(middle, f32::total_cmp).1;
    median / (6.0 * 0.6745)
}

/// Immerkær's operator at a pixel.
#[inline(always)]
fn operator(at: impl Fn(usize, usize) -> f32, x: usize, y: usize) -> f32 {
    let row = |y: usize| at(x - 1, y) - 2.0 * at(x, y) + at(x + 1, y);
    (row(y - 1) - 2.0 * row(y) + row(y + 1)).abs()
}

/// Calls `f` with the places (whole pixels) where noise is measured.
fn places(at: impl Fn(u16) -> [f32; 2], seen: impl Fn([u16; 3]) -> bool, mut f: impl FnMut(usize, usize)) {
    for &tri in &TABLES.plain {
        if seen(tri) {
            let corner = tri.map(&at);
            for tap in TAPS {
                let mix = |k: usize| (0..3).map(|i| tap[i] * corner[i][k]).sum::<f32>();
                let (x, y) = (mix(0), mix(1));
                // Far from any picture, where whole numbers end, there is none.
                if [x, y].iter().all(|v| (1.0..1e6).contains(v)) {
                    f(x as usize, y as usize);
                }
            }
        }
    }
}

/// The noise of the luma of the face whose mesh is `mesh` (frame pixels), in levels. `scratch` is
/// working memory.
pub(crate) fn of_frame(frame: &Frame<'_>, mesh: &Mesh, scratch: &mut Vec<f32>) -> f32 {
    with_reader!(frame, r => of_reader(&r, (frame.width(), frame.height()), mesh, scratch))
}

fn of_reader<R: Reader>(r: &R, (width, height): (usize, usize), mesh: &Mesh, scratch: &mut Vec<f32>) -> f32 {
    scratch.clear();
    scratch.reserve(TAPS.len() * TABLES.plain.len());
    let encoding = r.encoding(height);
    let corner = |v: u16| [mesh[usize::from(v)][0], mesh[usize::from(v)][1]];
    places(
        corner,
        |tri| signed_area(mesh, tri) > 0.0,
        |x, y| {
            if x + 1 < width && y + 1 < height {
                let mut rows = [[0u8; 3]; 3];
                for (k, row) in rows.iter_mut().enumerate() {
                    r.luma_row(&encoding, x - 1, y + k - 1, row);
                }
                scratch.push(operator(|x, y| f32::from(rows[y][x]), 1, 1));
            }
        },
    );
    let [low, high] = [0.0, 255.0].map(|v| encoding.component(0, [v; 3]));
    deviation(scratch) * 255.0 / (high - low)
}

/// Sharpness, as the mean size of the Laplacian, of a picture without its noise: white noise has a
/// Laplacian of deviation √20 σ.
pub(crate) fn without(sharpness: f32, sigma: f32) -> f32 {
    let of_noise = 0.8 * 20f32.sqrt() * sigma * smoothstep(CLEAN.0, CLEAN.1, sigma);
    (sharpness * sharpness - of_noise * of_noise).max(0.1 * sharpness * sharpness).sqrt()
}

/// The same of the red channel of a texture with the face's vertices at `uv`, for each of its levels.
pub(crate) fn of_texture(texture: &Texture, uv: &[[f32; 2]; VERTICES]) -> Vec<f32> {
    let mut values = Vec::new();
    let mut measure = |level: &super::texture::Level| {
        values.clear();
        let corner = |v: u16| [uv[usize::from(v)][0] * level.scale.0, uv[usize::from(v)][1] * level.scale.1];
        places(
            corner,
            |_| true,
            |x, y| {
                if x + 1 < level.width && y + 1 < level.height {
                    let red = |x: usize, y: usize| (level.data[y * (level.width + 1) + x] & 255) as f32;
                    values.push(operator(red, x, y));
                }
            },
        );
        deviation(&mut values)
    };
    texture.levels.iter().map(&mut measure).collect()
}

/// What is to be added to a texture of that noise so that it has the `target`'s.
pub(crate) fn missing(target: f32, own: f32) -> f32 {
    let wanted = target.min(MOST) * smoothstep(CLEAN.0, CLEAN.1, target);
    (wanted * wanted - own * own).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::{super::lanes::Plain, *};
    use crate::engine::{Colorimetry, PixelFormat};

    fn measured(sigma: f32, time: u64) -> f32 {
        const SIZE: usize = 400;
        let grain = Grain::new(sigma, time, (17, 40));
        let mut data = vec![0u8; SIZE * SIZE * 3];
        for y in 0..SIZE {
            for x in (0..SIZE).step_by(8) {
                let noise = grain.row(y).at::<Plain>(x).to_array();
                for (i, n) in noise.iter().enumerate() {
                    let value = (100.0 + 0.2 * x as f32 + n).round() as u8;
                    data[(y * SIZE + x + i) * 3..][..3].fill(value);
                }
            }
        }
        let mut mesh = topology().canonical.clone();
        mesh.iter_mut().for_each(|p| *p = [250.0 * p[0] + 200.0, 250.0 * p[1] + 200.0, 250.0 * p[2]]);
        let planes = [&mut data[..], &mut [][..], &mut [][..]];
        let frame =
            Frame::new(PixelFormat::Rgb, SIZE, SIZE, planes, [3 * SIZE, 0, 0], Colorimetry::default())
                .unwrap();
        of_frame(&frame, &mesh, &mut Vec::new())
    }

    #[test]
    fn measured_noise_is_that_which_was_put_in() {
        for sigma in [2.0, 5.0, 10.0] {
            let found = measured(sigma, 40_000_000);
            assert!((found / sigma - 1.0).abs() < 0.12, "{sigma}: {found}");
        }
        assert!(measured(0.0, 0) < 0.5);
    }

    #[test]
    fn frames_have_patterns_of_their_own_that_come_again() {
        let row = |time| Grain::new(3.0, time, (0, 0)).row(5).at::<Plain>(64).to_array();
        assert_eq!(row(1_000_000), row(1_000_000));
        assert_ne!(row(1_000_000), row(34_000_000));
    }

    #[test]
    fn nothing_is_added_for_a_clean_target_or_to_a_noisier_source() {
        assert_eq!(missing(0.5, 0.0), 0.0);
        assert_eq!(missing(3.0, 4.0), 0.0);
        assert!((missing(5.0, 3.0) - 4.0).abs() < 1e-3);
    }
}
