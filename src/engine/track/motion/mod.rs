//! How a face moved from one frame to the next, measured on the pictures themselves.
//!
//! Landmarks tremble by what a network makes of noise and of another crop; smoothing that away lets the mesh trail
//! behind a moving head. The motion of the skin between two frames can be measured ten times as well: by the
//! similarity that brings the brightness of some hundred places of the face to where it is in the new frame
//! (Lucas and Kanade 1981, in the inverse compositional form of Baker and Matthews 2004), started from where the
//! landmarks say that the face went.

use crate::engine::{
    geometry::{Point, Similarity},
    linear::eliminate,
    swap::mesh::{
        raster::LUMA,
        topology::{Mesh, signed_area, topology},
    },
};

/// Pixels a side of a patch; half the landmark network's picture.
const SIDE: usize = 96;
/// Lowest point of the face that is looked at, on the canonical face: what is below speaks.
const LOWEST: f32 = 0.2;
/// Steps at most, and the shift in patch pixels that ends them.
const STEPS: usize = 8;
const SETTLED: f32 = 0.01;
/// Levels by which a place may have changed for it to count half, at least.
const NOISE: f32 = 4.0;
/// How much a motion other than the landmarks' is believed, against the picture: the noise of a place's brightness
/// in levels over that of the landmarks in patch pixels, squared.
const PRIOR: f32 = 40.0;
/// The face's places must be worth so many in the end, as a share.
const AGREE: f32 = 0.4;
/// Furthest from where the landmarks say, in patch pixels.
const REACH: f32 = 4.0;
/// By how much a face may grow or shrink between two frames.
const SCALES: std::ops::Range<f32> = 0.5..2.0;
/// Shift and turn, scale, and a change of brightness.
const TERMS: usize = 5;

/// The brightness of a face and its surroundings, from the crop that the landmark network looked at.
#[derive(Debug)]
pub(crate) struct Patch {
    /// From patch pixels to the frame's.
    map: Similarity,
    luma: Vec<f32>,
}

impl Default for Patch {
    fn default() -> Self {
        Patch { map: Similarity::IDENTITY, luma: vec![0.0; SIDE * SIDE] }
    }
}

impl Patch {
    /// Takes in the network's picture, RGB in 0–1, of twice the patch's sides. `map` is from its pixels to the
    /// frame's.
    pub fn take(&mut self, picture: &[f32], map: Similarity) {
        self.map = Similarity { a: 2.0 * map.a, b: 2.0 * map.b, ..map };
        let rows = picture.chunks_exact(2 * 6 * SIDE);
        for (out, rows) in self.luma.chunks_exact_mut(SIDE).zip(rows) {
            let (upper, lower) = rows.split_at(6 * SIDE);
            for ((out, a), b) in out.iter_mut().zip(upper.chunks_exact(6)).zip(lower.chunks_exact(6)) {
                let of = |k: usize| LUMA[k] * (a[k] + a[k + 3] + b[k] + b[k + 3]);
                *out = 0.25 * 255.0 * (of(0) + of(1) + of(2));
            }
        }
    }

    /// The brightness at a place in patch pixels, `None` outside.
    fn at(&self, p: Point) -> Option<f32> {
        let (x, y) = (p.x - 0.5, p.y - 0.5);
        let most = (SIDE - 1) as f32;
        if !(x >= 0.0 && y >= 0.0 && x < most && y < most) {
            return None;
        }
        let (i, j) = (x as usize, y as usize);
        let (s, t) = (x - i as f32, y - j as f32);
        let row = |j: usize| {
            let at = j * SIDE + i;
            self.luma[at] + s * (self.luma[at + 1] - self.luma[at])
        };
        let (upper, lower) = (row(j), row(j + 1));
        Some(upper + t * (lower - upper))
    }
}

/// A place of the face in the last patch.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: Point,
    value: f32,
    /// Levels for one unit of each term.
    by: [f32; TERMS],
}

/// Maps of the last frame.
#[derive(Debug, Clone, Copy)]
struct Last {
    /// From patch pixels to the frame's, and back.
    map: Similarity,
    back: Similarity,
    /// From the landmarks to the canonical face.
    unfit: Similarity,
}

/// What is remembered of a face to measure its motion to the next frame.
#[derive(Debug, Default)]
pub(crate) struct Motion {
    places: Vec<Place>,
    /// By how much every place is brighter than it was, and the same in order.
    offs: Vec<f32>,
    order: Vec<f32>,
    last: Option<Last>,
    middle: Point,
    radius: f32,
}

impl Motion {
    /// The next face is another.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// How the face moved since the last call, in frame pixels, `None` where the pictures do not tell. `patch` shows
    /// the face with landmarks `mesh`, to which `fit` brings the canonical face.
    pub fn follow(&mut self, patch: &Patch, mesh: &Mesh, fit: Similarity) -> Option<Similarity> {
        let Some(back) = patch.map.inverse() else {
            self.forget();
            return None;
        };
        let moved = self.last.and_then(|last| {
            let guess = back.after(fit).after(last.unfit).after(last.map);
            let moved = self.refine(patch, guess)?;
            Some(patch.map.after(moved).after(last.back))
        });
        self.last = fit.inverse().map(|unfit| Last { map: patch.map, back, unfit });
        self.remember(patch, mesh, back);
        moved.filter(|m| m.tx.is_finite() && m.ty.is_finite() && SCALES.contains(&m.scale()))
    }

    /// The map from the last patch's pixels to `patch`'s, near `guess`.
    fn refine(&mut self, patch: &Patch, guess: Similarity) -> Option<Similarity> {
        let back = guess.inverse()?;
        let mut moved = guess;
        for _ in 0..STEPS {
            let (light, spread) = self.compare(patch, moved)?;
            let scale = (2.5 * spread).max(NOISE);
            let mut system = [[0.0; TERMS + 1]; TERMS];
            let mut total = 0.0;
            for (place, off) in self.places.iter().zip(&self.offs).filter(|(_, off)| off.is_finite()) {
                let off = off - light;
                let weight = (1.0 + (off / scale).powi(2)).powi(-2);
                total += weight;
                for (row, by) in system.iter_mut().zip(place.by) {
                    let by = weight * by;
                    row.iter_mut().zip(place.by).for_each(|(sum, other)| *sum += f64::from(by * other));
                    row[TERMS] += f64::from(by * off);
                }
            }
            if total < AGREE * self.places.len() as f32 {
                return None;
            }
            let away = self.terms(back.after(moved));
            for i in 0..TERMS - 1 {
                system[i][i] += f64::from(PRIOR);
                system[i][TERMS] += f64::from(PRIOR * away[i]);
            }
            if !eliminate(&mut system) {
                return None;
            }
            let change = system.map(|row| row[TERMS] as f32);
            moved = moved.after(self.similarity(change.map(|c| -c)));
            let most = |terms: &[f32]| terms.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            let far = most(&self.terms(back.after(moved)));
            if far > REACH {
                return None;
            }
            if most(&change[..TERMS - 1]) < SETTLED {
                break;
            }
        }
        Some(moved)
    }

    /// Sets how much brighter every place is in `patch`, where `moved` takes it; NaN outside. Returns the middle and
    /// the median distance from it, `None` where too few places are inside.
    fn compare(&mut self, patch: &Patch, moved: Similarity) -> Option<(f32, f32)> {
        let Motion { places, offs, order, .. } = self;
        offs.clear();
        offs.reserve(places.capacity());
        offs.extend(places.iter().map(|p| patch.at(moved.apply(p.at)).map_or(f32::NAN, |v| v - p.value)));
        order.clear();
        order.reserve(places.capacity());
        order.extend(offs.iter().filter(|off| off.is_finite()));
        if order.is_empty() || (order.len() as f32) < AGREE * places.len() as f32 {
            return None;
        }
        let half = order.len() / 2;
        let light = *order.select_nth_unstable_by(half, f32::total_cmp).1;
        order.iter_mut().for_each(|off| *off = (*off - light).abs());
        let spread = *order.select_nth_unstable_by(half, f32::total_cmp).1;
        Some((light, spread))
    }

    /// The motion in the last patch by its terms: growth and turn at the radius, then shift, in pixels.
    fn similarity(&self, [grow, turn, dx, dy, _]: [f32; TERMS]) -> Similarity {
        let (a, b) = (1.0 + grow / self.radius, turn / self.radius);
        let m = self.middle;
        Similarity { a, b, tx: m.x + dx - a * m.x + b * m.y, ty: m.y + dy - b * m.x - a * m.y }
    }

    fn terms(&self, s: Similarity) -> [f32; TERMS] {
        let to = s.apply(self.middle);
        [self.radius * (s.a - 1.0), self.radius * s.b, to.x - self.middle.x, to.y - self.middle.y, 0.0]
    }

    /// Takes note of the face's places; `back` is from the frame's pixels to the patch's.
    fn remember(&mut self, patch: &Patch, mesh: &Mesh, back: Similarity) {
        let t = topology();
        self.places.clear();
        self.places.reserve(t.skin);
        let canonical = &t.canonical;
        for tri in &t.triangles[..t.skin] {
            let still =
                tri.iter().all(|&v| canonical[usize::from(v)][1] < LOWEST && t.ring[usize::from(v)] > 0);
            if !still || signed_area(mesh, *tri) <= 0.0 {
                continue;
            }
            let mean = |k: usize| tri.iter().map(|&v| mesh[usize::from(v)][k]).sum::<f32>() / 3.0;
            let at = back.apply(Point::new(mean(0), mean(1)));
            let near = |dx: f32, dy: f32| patch.at(Point::new(at.x + dx, at.y + dy));
            let all = (near(0.0, 0.0), near(-1.0, 0.0), near(1.0, 0.0), near(0.0, -1.0), near(0.0, 1.0));
            if let (Some(value), Some(left), Some(right), Some(up), Some(down)) = all {
                let (across, along) = (0.5 * (right - left), 0.5 * (down - up));
                self.places.push(Place { at, value, by: [0.0, 0.0, across, along, 1.0] });
            }
        }
        let n = self.places.len().max(1) as f32;
        let sum = self.places.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.at.x, sum.1 + p.at.y));
        self.middle = Point::new(sum.0 / n, sum.1 / n);
        let spread = self.places.iter().map(|p| p.at.distance(self.middle).powi(2)).sum::<f32>();
        self.radius = (spread / n).sqrt().max(1.0);
        for place in &mut self.places {
            let (x, y) =
                ((place.at.x - self.middle.x) / self.radius, (place.at.y - self.middle.y) / self.radius);
            let [_, _, across, along, _] = place.by;
            (place.by[0], place.by[1]) = (across * x + along * y, along * x - across * y);
        }
    }
}

#[cfg(test)]
mod tests;
