//! What on a sheet is not skin.

use super::sheet::{Sheet, blur};
use crate::engine::{geometry::smoothstep, swap::mesh::worn::Worn};

/// How often what was found takes in what hangs together with it, and how far each time, in face widths.
const GROWTH: (usize, f32) = (6, 0.02);
/// How far inside the face's edge something must begin, in face widths, and how surely be found, to hang
/// together with it.
const EDGE: f32 = 0.04;
const HANGS: f32 = 0.2;
/// Edges within it, in levels, and roughness over the cheeks', up to which it is shade on skin. Of 36 photos and 18
/// frames shade has up to 6.7 and 2.4, hair from 11 and 2.3 on.
const SOFT: (f32, f32) = (9.0, 2.5);
/// Rows of the face from which on and at which hair is as dark as where it was found.
const CHEEK: (f32, f32) = (-0.3, -0.15);
/// Row of the face above which there is forehead, where there is no brow.
const FOREHEAD: f32 = -0.25;
/// Distances from a brow, in face widths, nearer than which nothing that is found may begin, since a brow may be
/// broader than its outline; it may spread to there.
const BROW: (f32, f32) = (0.03, 0.05);
/// Row of the face below which there may be a beard.
const BEARD: f32 = 0.1;
/// Where the side of the face begins, on the sheet, and down to which row hair is followed there.
const SIDE: (f32, f32) = (0.48, 0.36);
/// Bright levels of detail beside the jaw, and the share of pixels, from which on an ear shows there: a beard
/// is dark.
const EAR: (f32, f32) = (25.0, 0.08);
/// Skin shines, but hair is no brighter: light detail may be so many times stronger.
const SHINE: f32 = 1.8;
/// Up to how far to each side creases go straight on, in face widths.
const CREASE: f32 = 0.12;
/// Levels of slow detail below skin from which on and at which what lies along a forehead is no crease.
const DARK: (f32, f32) = (10.0, 20.0);
/// A fringe is so many times rougher than the cheeks, these taken to be so rough at least, in levels.
const HAIRY: (f32, f32) = (2.8, 4.5);
const LEAST: f32 = 3.0;

/// Slow detail that a twentieth of the skin exceeds, in levels of a medium exposure, from which on and at which
/// its shadows are taken for those of a harsh light, or a painter.
const HARSH: (f32, f32) = (38.0, 50.0);

/// How much more of blue than of red, in levels of a medium exposure, from which on and at which nothing on a face
/// is so blue. 63 photos: cloth and background 34 and more, skin and beards up to 23 nearly everywhere.
const BLUE: (f32, f32) = (24.0, 36.0);
/// Levels that tell of a frame, where skin may have more.
const FRAME: f32 = 60.0;
/// How far the borders of what is found go with it, in face widths; and those of a frame, which is sharp.
const BORDER: (f32, f32) = (0.02, 0.012);
/// The same of what is foreign, whose edge is of neither colour.
const SEAM: f32 = 0.05;

/// What was found out about a sheet.
pub(super) struct Found {
    /// How far each pixel is no skin, 0–1.
    pub outside: Vec<f32>,
    /// The same where there may be a beard, of what is none.
    pub foreign: Vec<f32>,
    /// Whether there are glasses.
    pub glasses: bool,
    /// What levels of a medium exposure are multiplied with.
    pub factor: f32,
    /// Luma detail, and all channels, slowly changing.
    pub fine: Vec<f32>,
    pub slow: [Vec<f32>; 3],
    /// Roughness, and that of plain skin.
    pub texture: Vec<f32>,
    pub smooth: f32,
    /// How harsh the light was, 0–1.
    pub harsh: f32,
}

impl Found {
    /// How far a pixel is not the person's own skin, 0–1.
    pub fn hidden(&self, at: usize) -> f32 {
        self.outside[at].max(self.foreign[at])
    }
}

impl Sheet {
    /// Finds what is too far from skin to be skin, and glasses; `brightness` 1 is skin of medium exposure.
    pub fn look(&mut self, brightness: f32, worn: &[&Worn]) -> Found {
        let density = self.layout.density;
        self.smooth_colour();
        let blurred = |k: usize, sigma: f32| blur(self.plane(k), sigma * density);
        let (fine, broad) = (blurred(0, 0.008), blurred(0, 0.05));
        let slow = [0, 1, 2].map(|k| blurred(k, 0.02));
        let factor = brightness.clamp(0.4, 1.2);
        let edge = |at: usize| (fine[at] - broad[at]).abs();
        let usual = self.quantile(0.5, edge, |at| self.limit[at] < 70.0);
        // Creases of a forehead lie along it, hair across; but the edge of a fringe, which is dark.
        let level = along(&fine, self.layout.width, (CREASE * density) as usize);
        let across = |at: usize| {
            let dark = smoothstep(DARK.0, DARK.1, -broad[at] / factor);
            (fine[at] - level[at]).abs().max(dark * edge(at))
        };
        let cheek = |at: usize| self.limit[at] < 70.0 && self.layout.face_at(at)[1] > -0.06;
        let roughness = |detail: &dyn Fn(usize) -> f32| {
            let texture = blur(self.plane_of(|at| detail(at).min(60.0)), 0.025 * density);
            (texture, self.quantile(0.5, detail, cheek).max(LEAST))
        };
        let (strands, (texture, smooth)) = (roughness(&across), roughness(&edge));
        let line = (7.0 * factor).max(3.5 * usual);
        let glasses = !worn.is_empty();
        let shade = |at: usize| (-fine[at]).max(fine[at] / SHINE);
        let tint = |at: usize| (slow[1][at].abs() + slow[2][at].abs()) / factor;
        let rough = |at: usize, texture: &[f32], smooth: f32| {
            if !self.is_forehead(at) {
                return 0.0;
            }
            // Wrinkles and grain are rough too, but as light as skin and of its colour.
            let foreign = smoothstep(10.0, 0.0, broad[at] / factor).max(smoothstep(4.0, 10.0, tint(at)));
            foreign * smoothstep(HAIRY.0, HAIRY.1, texture[at] / smooth)
        };
        let ears = [-1.0, 1.0].map(|side: f32| {
            let strip = |at: &usize| {
                let place = self.layout.face_at(*at);
                self.facing[*at] >= 0.0 && is_beside(place) && place[0] * side > 0.0
            };
            let (n, bright) = (0..fine.len())
                .filter(strip)
                .fold((0, 0), |(n, bright), at| (n + 1, bright + usize::from(fine[at] > EAR.0 * factor)));
            bright as f32 > EAR.1 * n as f32
        });
        let outside = self.plane_of(|at| {
            if self.facing[at] < 0.0 {
                return 0.0;
            }
            let limit = self.limit[at] * factor;
            let place = self.layout.face_at(at);
            if glasses && self.limit[at] < 300.0 && near_glasses(place) {
                let shade = smoothstep(limit, 1.8 * limit, fine[at].abs());
                return worn.iter().map(|worn| worn.at(place)).fold(shade, f32::max);
            }
            let mut out = smoothstep(limit, 1.8 * limit, shade(at)).max(rough(at, &strands.0, strands.1));
            if is_beside(place) && ears[usize::from(place[0] > 0.0)] {
                out = out.max(smoothstep(22.0 * factor, 40.0 * factor, fine[at].abs()));
            }
            if self.limit[at] < 150.0 {
                out = out.max(smoothstep(30.0, 56.0, tint(at)));
            }
            out * smoothstep(BROW.0, BROW.1, self.brow[at])
        });
        let outside = if glasses {
            outside.into_raw()
        } else {
            let mean = |part: &[usize], of: &dyn Fn(usize) -> f32| {
                part.iter().map(|&at| of(at)).sum::<f32>() / part.len().max(1) as f32
            };
            let strands = |at: usize| strands.0[at] / strands.1;
            self.hanging(outside.into_raw(), |part| {
                mean(part, &edge) > SOFT.0 || mean(part, &strands) > SOFT.1
            })
        };
        let foreign = self.plane_of(|at| {
            let blue = (slow[2][at] - slow[1][at]) / factor;
            let beard = self.facing[at] >= 0.0 && self.layout.face_at(at)[1] > BEARD;
            if beard { smoothstep(BLUE.0, BLUE.1, blue) } else { 0.0 }
        });
        let foreign = self.hanging(foreign.into_raw(), |_| true);
        let (sum, n) = (0..outside.len())
            .filter(|&at| outside[at] > 0.5)
            .fold((0.0, 0.0f32), |(sum, n), at| (sum + fine[at].abs(), n + 1.0));
        let depth = sum / n.max(1.0);
        let outside = self.grown(outside, glasses, |at| {
            let limit = self.limit[at] * factor;
            let shade = if glasses { fine[at].abs() } else { shade(at) };
            if glasses && near_glasses(self.layout.face_at(at)) {
                let limit = limit.min(FRAME * factor);
                return smoothstep(0.5 * limit, 0.8 * limit, shade);
            }
            if self.limit[at] > 80.0 {
                return smoothstep(30.0 * factor, 50.0 * factor, shade);
            }
            let line = smoothstep(0.5 * line, line, edge(at));
            // On a cheek beside hair there may be shade that is no hair.
            let cheek = depth * smoothstep(CHEEK.0, CHEEK.1, self.layout.face_at(at)[1]);
            line.max(smoothstep((0.35 * limit).max(0.6 * cheek), (0.6 * limit).max(0.9 * cheek), shade))
                // Beside hair all that is rough may be hair.
                .max(rough(at, &texture, smooth) * smoothstep(0.01, 0.04, self.brow[at]))
        });
        // The soft borders of what is taken out go with it.
        let with_borders = |found: Vec<f32>, border: f32| {
            let mut wider = blur(self.plane_of(|at| found[at]), border * density);
            wider.iter_mut().for_each(|v| *v = smoothstep(0.08, 0.45, *v));
            wider
        };
        let outside = with_borders(outside, if glasses { BORDER.1 } else { BORDER.0 });
        let foreign = with_borders(foreign, SEAM);
        let deep = self.quantile(0.95, |at| slow[0][at].abs(), |at| self.is_plain(at) && outside[at] < 0.2);
        let harsh = smoothstep(HARSH.0, HARSH.1, deep / factor);
        Found { outside, foreign, glasses, factor, fine, slow, texture, smooth, harsh }
    }

    /// Photos keep less colour than they seem to: what is left is block noise, worse in small ones.
    fn smooth_colour(&mut self) {
        let small = smoothstep(200.0, 60.0, self.photo_width);
        let sigma = (0.006 + 0.016 * small) * self.layout.density;
        for k in [1, 2] {
            let smooth = blur(self.plane(k), sigma);
            for (detail, smooth) in self.detail.iter_mut().zip(smooth) {
                detail[k] = smooth;
            }
        }
    }

    fn is_forehead(&self, at: usize) -> bool {
        self.limit[at] < 50.0 && self.layout.face_at(at)[1] < FOREHEAD
    }

    /// Skin where there are no features, nor a beard.
    pub fn is_plain(&self, at: usize) -> bool {
        self.limit[at] < 300.0 && self.brow[at] > BROW.1 && self.layout.face_at(at)[1] < BEARD
    }

    /// Below what a `share` (0–1) of the skin stays that faces the camera.
    fn quantile(&self, share: f32, value: impl Fn(usize) -> f32, is_skin: impl Fn(usize) -> bool) -> f32 {
        let plain = (0..self.facing.len()).filter(|&at| self.facing[at] > 0.5 && is_skin(at));
        let mut values: Vec<f32> = plain.map(value).collect();
        let place = (share * values.len() as f32) as usize;
        if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(place, f32::total_cmp).1 }
    }

    /// Leaves of what was found what hangs together with the face's edge, as hair and hands do, but wrinkles
    /// and what is beside brows do not, and of that the parts that satisfy `is_it`.
    fn hanging(&self, mut found: Vec<f32>, is_it: impl Fn(&[usize]) -> bool) -> Vec<f32> {
        let (width, height) = (self.layout.width, self.layout.height);
        let on_sheet = |x: Option<usize>, y: Option<usize>| match (x, y) {
            (Some(x), Some(y)) if x < width && y < height => Some(y * width + x),
            _ => None,
        };
        // Those that are `step` pixels away, across and down; `None` is beyond the sheet.
        let beside = |at: usize, step: usize| {
            let (x, y) = (at % width, at / width);
            [
                on_sheet(x.checked_sub(step), Some(y)),
                on_sheet(Some(x + step), Some(y)),
                on_sheet(Some(x), y.checked_sub(step)),
                on_sheet(Some(x), Some(y + step)),
            ]
        };
        // Takes what `may` be from `open` on into `reached`; returns what was new.
        let flood = |mut open: Vec<usize>, may: &dyn Fn(usize) -> bool, reached: &mut [bool]| {
            let mut part = Vec::new();
            while let Some(at) = open.pop() {
                if !reached[at] && may(at) {
                    reached[at] = true;
                    part.push(at);
                    open.extend(beside(at, 1).into_iter().flatten());
                }
            }
            part
        };
        let is_last = |at: &usize| beside(*at, 1).contains(&None);
        let mut around = vec![false; width * height];
        flood((0..found.len()).filter(is_last).collect(), &|at| self.facing[at] < 0.0, &mut around);
        let reach = (EDGE * self.layout.density) as usize;
        let is_edge = |at: usize| beside(at, reach).into_iter().any(|at| at.is_none_or(|at| around[at]));
        let hangs = |at: usize| found[at] > HANGS;
        let (mut reached, mut kept) = (vec![false; width * height], vec![false; width * height]);
        for start in (0..found.len()).filter(|&at| hangs(at) && is_edge(at)) {
            let part = flood(vec![start], &hangs, &mut reached);
            if !part.is_empty() && is_it(&part) {
                part.iter().for_each(|&at| kept[at] = true);
            }
        }
        found.iter_mut().zip(kept).filter(|(_, kept)| !kept).for_each(|(found, _)| *found = 0.0);
        found
    }

    /// Takes in what may belong to something that is not skin, and touches what was found of it; not on
    /// brows, and around eyes only behind glasses.
    fn grown(&self, mut found: Vec<f32>, glasses: bool, may: impl Fn(usize) -> f32) -> Vec<f32> {
        if found.iter().all(|v| *v < 0.1) {
            return found;
        }
        let dark = blur(self.plane(0), 0.02 * self.layout.density);
        // A beard is on both sides.
        let one_sided = |at: usize| dark[at] < dark[self.mirrored(at)] - 25.0;
        let place = |at: usize| self.layout.face_at(at);
        let hairy = |at: usize| {
            let [x, y] = place(at);
            let side = x.abs() > SIDE.0 && y < SIDE.1 && (self.limit[at] < 130.0 || one_sided(at));
            self.limit[at] < 50.0 || side
        };
        let open: Vec<(bool, bool)> = (0..found.len())
            .map(|at| {
                if self.facing[at] < 0.0 || self.limit[at] > 300.0 {
                    return (false, false);
                }
                let hairy = hairy(at);
                (hairy || glasses && near_glasses(place(at)), hairy)
            })
            .collect();
        for round in 0..GROWTH.0 {
            let near = blur(self.plane_of(|at| found[at]), GROWTH.1 * self.layout.density);
            let mut grew = false;
            for (at, found) in found.iter_mut().enumerate().filter(|(at, _)| near[*at] > 0.1) {
                let (open, hairy) = open[at];
                // A frame is thin, and creases touch it.
                if open && (round < 2 || hairy) {
                    let more = smoothstep(0.1, 0.3, near[at]) * may(at);
                    grew |= more > *found + 0.01;
                    *found = found.max(more);
                }
            }
            if !grew {
                break;
            }
        }
        found
    }
}

/// The mean of each pixel's row around it, up to `radius` pixels to each side.
fn along(plane: &[f32], width: usize, radius: usize) -> Vec<f32> {
    let mut sums = Vec::with_capacity(width + 1);
    let mut out = Vec::with_capacity(plane.len());
    for row in plane.chunks_exact(width) {
        sums.clear();
        sums.push(0.0);
        sums.extend(row.iter().scan(0.0, |sum, v| {
            *sum += v;
            Some(*sum)
        }));
        out.extend((0..width).map(|x| {
            let (from, to) = (x.saturating_sub(radius), (x + radius + 1).min(width));
            (sums[to] - sums[from]) / (to - from) as f32
        }));
    }
    out
}

/// Whether a place on the sheet is where an ear may show beside the face.
fn is_beside([x, y]: [f32; 2]) -> bool {
    x.abs() > 0.44 && y > 0.0 && y < 0.46
}

/// Whether a place on the sheet, in face widths, may lie behind a pair of glasses: its lenses and bridge, or its upper
/// edge, which is at the brows' outer ends.
fn near_glasses([x, y]: [f32; 2]) -> bool {
    let lens =
        y > -0.3 && y < 0.06 && (x.abs() > 0.3 || y < 0.03 - 0.1 * x.abs()) && (y < -0.06 || x.abs() > 0.06);
    lens || x.abs() > 0.2 && y < -0.25 && y > -0.28 - 0.4 * x.abs()
}
