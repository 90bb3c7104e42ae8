//! What on a sheet is not skin is taken out.

use super::{
    look::Found,
    sheet::{Sheet, blur},
};
use crate::engine::geometry::smoothstep;

/// Levels of detail that may be beside a brow.
const BROADER: f32 = 300.0;
/// How squarely a photo must have seen skin: from the first on its detail counts, from the second on in full.
const GRAZED: (f32, f32) = (0.05, 0.22);
/// What is left at most, in levels, of shadows of a harsh light.
const SHADOW: f32 = 25.0;
/// What is left at most, in levels, of slow shade between brow and eye, and of slow colour beside the mouth.
const LID: f32 = 60.0;
const TINT: f32 = 12.0;
/// How much darker than skin lips can be, in levels.
const MOUTH: f32 = 65.0;
/// How far detail reaches that is painted over a frame, and what is painted where it does not reach, in face widths.
const PAINT: [f32; 2] = [0.02, 0.06];
/// Percent of what is around that must show for this, at least and in full.
const SURE: (f32, f32) = (15.0, 45.0);

/// Where skin is looked for that fills what is taken out, in face widths from it.
const FILLS: [(f32, f32); 12] = [
    (0.0, 0.2),
    (0.0, -0.2),
    (0.0, 0.12),
    (0.1, 0.12),
    (-0.1, 0.12),
    (0.1, 0.25),
    (-0.1, 0.25),
    (0.0, 0.3),
    (0.2, 0.1),
    (-0.2, 0.1),
    (0.3, 0.08),
    (-0.3, 0.08),
];

impl Sheet {
    /// Takes out what was found.
    pub fn clean(&mut self, found: &Found) {
        let Found { outside, foreign, glasses, factor, fine, slow, texture, smooth, harsh } = found;
        let slow = if *glasses { &self.painted_over(outside, slow) } else { slow };
        let old = self.detail.clone();
        let quick = |at: usize| -> [f32; 3] { std::array::from_fn(|k| old[at][k] - slow[k][at]) };
        let hidden = |at: usize| found.hidden(at);
        // Slow detail, as shade is, ends slowly.
        let [wide, around] =
            [0.05, 0.09].map(|sigma| blur(self.plane_of(hidden), sigma * self.layout.density));
        for at in 0..old.len() {
            if self.facing[at] < 0.0 {
                continue;
            }
            // Features end softly.
            let limit = self.limit[at];
            let skin = (1.0 - smoothstep(240.0, 330.0, limit)).max(foreign[at]);
            // Of a brow under hair its outline is not known: what is there fades from its middle.
            let covered = smoothstep(0.1, 0.4, around[at]) * smoothstep(0.05, 0.0, self.brow[at]);
            let skin = skin.max(covered * smoothstep(0.95, 0.4, self.soft_brow[at]));
            // Skin that the photo saw from the side would be drawn out in streaks.
            let grazed = smoothstep(GRAZED.1, GRAZED.0, self.facing[at]);
            let out = skin * hidden(at).max(covered).max(grazed);
            let ends = hidden(at).max(covered).max(smoothstep(0.05, 0.6, wide[at]));
            // Behind a frame it has been painted, but not beside brows.
            let unpainted = if *glasses { smoothstep(0.07, 0.03, self.brow[at]) } else { 1.0 };
            let shade = foreign[at].max(skin * ends * unpainted);
            // Skin from nearby where there is none.
            let fill = if out > 0.0 {
                let clean = |&there: &usize| {
                    let plain = fine[there].abs() < 0.25 * limit.max(40.0) && texture[there] < 1.5 * smooth;
                    let cheek = self.limit[there] < 230.0 && self.layout.face_at(there)[1] > 0.0;
                    let skin = self.facing[there] >= GRAZED.1 && (self.limit[there] < 100.0 || cheek);
                    skin && hidden(there) < 0.1 && plain
                };
                let shifted = FILLS.iter().filter_map(|&(x, y)| self.shifted(at, x, y));
                std::iter::once(self.mirrored(at)).chain(shifted).find(clean).map_or([0.0; 3], quick)
            } else {
                [0.0; 3]
            };
            let own = quick(at);
            // A brow may be broader than its outline, unless that is a frame.
            let broader = if *glasses { 0.0 } else { BROADER };
            let limit = limit.max(broader * smoothstep(0.07, 0.02, self.brow[at]));
            let limit = if self.is_plain(at) { limit.min(SHADOW / harsh.max(1e-3)) } else { limit };
            // A socket in shadow is no make-up, and its shadow is not the brow's.
            let lid = self.lid(at);
            let limit = limit + lid * (limit.min(LID) - limit);
            let tint = 0.5 * limit * factor;
            let tint = tint + smoothstep(0.05, 0.08, self.lips[at]) * (tint.min(TINT) - tint);
            for k in 0..3 {
                let bound = if k == 0 { limit * factor } else { tint };
                let low = slow[k][at] / (1.0 + (slow[k][at] / bound).powi(4)).powf(0.25);
                self.detail[at][k] = low * (1.0 - 0.95 * shade) + own[k] * (1.0 - out) + fill[k] * out;
            }
            // An open mouth is dark, and its edge no part of the lips.
            let luma = &mut self.detail[at][0];
            let lips = smoothstep(0.03, 0.01, self.lips[at]) * f32::from(u8::from(*luma < 0.0));
            *luma += lips * (*luma / (1.0 + (*luma / (MOUTH * factor)).powi(4)).powf(0.25) - *luma);
        }
    }

    /// `slow` detail of all channels, but of skin as it is around what is `hidden`, behind it too.
    fn painted_over(&self, hidden: &[f32], slow: &[Vec<f32>; 3]) -> [Vec<f32>; 3] {
        // Lashes, brows and beards are no skin.
        let skin = |at: usize| smoothstep(300.0, 200.0, self.limit[at]);
        let shown = |at: usize| if self.facing[at] < 0.0 { 0.0 } else { skin(at) * (1.0 - hidden[at]) };
        let sigma = PAINT.map(|sigma| sigma * self.layout.density);
        // In percent: the blur is for such values.
        let [some, more] = sigma.map(|sigma| blur(self.plane_of(|at| 100.0 * shown(at)), sigma));
        [0, 1, 2].map(|k| {
            let [near, far] =
                sigma.map(|sigma| blur(self.plane_of(|at| shown(at) * self.detail[at][k]), sigma));
            let painted = |at: usize| {
                let far = 100.0 * far[at] / more[at].max(1.0);
                smoothstep(SURE.0, SURE.1, more[at]) * (100.0 * near[at] + far) / (some[at].max(0.0) + 1.0)
            };
            (0..slow[k].len()).map(|at| slow[k][at] + skin(at) * (painted(at) - slow[k][at])).collect()
        })
    }

    /// How far a pixel lies between a brow and the eye, 0–1.
    fn lid(&self, at: usize) -> f32 {
        let y = self.layout.face_at(at)[1];
        let below = smoothstep(-0.345, -0.32, y) * smoothstep(-0.18, -0.21, y);
        below * smoothstep(0.008, 0.025, self.brow[at]) * smoothstep(0.09, 0.07, self.brow[at])
    }

    /// The pixel `x`, `y` face widths away, if it is on the sheet.
    fn shifted(&self, at: usize, x: f32, y: f32) -> Option<usize> {
        let move_by = |from: usize, by: f32, size: usize| {
            let to = from as f32 + by * self.layout.density;
            (to >= 0.0 && to < size as f32).then_some(to as usize)
        };
        let column = move_by(at % self.layout.width, x, self.layout.width)?;
        Some(move_by(at / self.layout.width, y, self.layout.height)? * self.layout.width + column)
    }
}
