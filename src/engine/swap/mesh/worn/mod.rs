//! The glasses that the target wears: they stay on.
//!
//! Around the eyes the target's luma is gathered on a small flat sheet, as the mean of what was seen
//! of late: what moves with the head stays sharp there, gleams and noise do not. Lines across the
//! bridge of the nose and over a cheek or temple tell glasses; where such lines run, the frame's own
//! pixels show.

mod line;

use std::{sync::LazyLock, time::Duration};

use super::{
    bake::each_pixel,
    erase::erase,
    layout::Layout,
    raster::Band,
    texture::Level,
    topology::{Mesh, topology},
};
use crate::engine::{
    frame::{Frame, Reader, settle, with_reader},
    geometry::smoothstep,
};

/// Pixels a face width.
const DENSITY: f32 = 128.0;
/// Rows of the face that glasses may cover, in face widths.
const ROWS: (f32, f32) = (-0.4, 0.1);
/// Time constant of the mean.
const TAU: f32 = 0.4;
/// Pixels to either side that a line stands out from.
const REACH: usize = 3;
/// Levels, on skin of medium exposure, that lines on cheeks and bridge have with glasses, as their
/// geometric mean. Nine clips: 8.8 to 60 with glasses, 2 to 8.7 without.
const ON: f32 = 11.5;
const OFF: f32 = 8.5;
/// Levels, on skin of medium exposure, of lines that run on over the bridge and under an eye, as their geometric
/// mean, above which one look is enough. 63 photos, small ones enlarged to 280 pixels: 13.6 to 28 with glasses, 7
/// with two that hardly show; up to 10.3 without.
const PLAIN: f32 = 12.0;
/// Columns and rows, in face widths, that the bridge runs through, and a rim under the eye on the right.
const BRIDGE: [(f32, f32); 2] = [(-0.06, 0.06), (-0.33, -0.1)];
const RIM: [(f32, f32); 2] = [(0.14, 0.32), (-0.16, 0.03)];
/// Levels that a line has at least.
const LEAST: f32 = 4.5;

/// A pixel of the sheet on the skin.
struct Texel {
    corner: [u16; 3],
    weight: [f32; 3],
}

struct Sheet {
    layout: Layout,
    /// Rows of the layout above the sheet.
    top: usize,
    width: usize,
    height: usize,
    texels: Vec<Option<Texel>>,
    /// How far a line counts as a pair of glasses' (0–1): not on brows and lids, which are lines too.
    counts: Vec<f32>,
    /// Triangles that may show glasses.
    triangles: Vec<u16>,
    /// Sheet pixels of every vertex.
    uv: Vec<[f32; 2]>,
    /// Pixels between the eyes, and under them where glasses have their lower rims, by column.
    bridge_columns: Vec<Vec<usize>>,
    cheek_columns: Vec<Vec<usize>>,
    cheeks: Vec<usize>,
}

static SHEET: LazyLock<Sheet> = LazyLock::new(|| {
    let t = topology();
    let layout = Layout::new(DENSITY);
    let uv: Vec<[f32; 2]> = layout.places().to_vec();
    let of = |row: usize| layout.face_at(row * layout.width)[1];
    let rows: Vec<usize> = (0..layout.height).filter(|&row| of(row) > ROWS.0 && of(row) < ROWS.1).collect();
    let (top, height, width) = (rows[0], rows.len(), layout.width);
    let mut sheet = Sheet {
        layout,
        top,
        width,
        height,
        texels: (0..width * height).map(|_| None).collect(),
        counts: vec![0.0; width * height],
        triangles: Vec::new(),
        uv: uv.iter().map(|p| [p[0], p[1] - top as f32]).collect(),
        bridge_columns: vec![Vec::new(); width],
        cheek_columns: vec![Vec::new(); width],
        cheeks: Vec::new(),
    };
    for (index, tri) in t.triangles[..t.skin].iter().enumerate() {
        let corner = tri.map(|v| sheet.uv[usize::from(v)]);
        let mut any = false;
        each_pixel(corner, (width, height), |at, weight| {
            sheet.texels[at] = Some(Texel { corner: *tri, weight });
            any = true;
        });
        if any {
            sheet.triangles.push(index as u16);
        }
    }
    let near = |p: [f32; 2], set: &[u16]| {
        let away = |v: &u16| {
            let q = uv[usize::from(*v)];
            (q[0] - p[0]).powi(2) + (q[1] - p[1]).powi(2)
        };
        set.iter().map(away).fold(f32::INFINITY, f32::min).sqrt() / DENSITY
    };
    for at in 0..width * height {
        if sheet.texels[at].is_none() {
            continue;
        }
        let p = [(at % width) as f32 + 0.5, (at / width + top) as f32 + 0.5];
        let [x, y] = layout.face_at(at + top * width);
        let brow = near(p, &t.left_brow).min(near(p, &t.right_brow));
        let eye = near(p, &t.left_eye).min(near(p, &t.right_eye));
        let ring = near(p, &t.oval);
        let below_brows = if x.abs() < 0.45 { smoothstep(-0.33, -0.31, y) } else { 1.0 };
        let free = below_brows
            * smoothstep(0.04, 0.06, brow)
            * smoothstep(0.03, 0.05, eye)
            * smoothstep(0.01, 0.03, ring);
        // The wings of the nose and the folds beside them are lines of the face.
        let nose = y > 0.03 && x.abs() < 0.16;
        sheet.counts[at] = if nose { 0.0 } else { free * smoothstep(ROWS.1, ROWS.1 - 0.03, y) };
        if x.abs() < 0.03 && y > -0.33 && y < -0.1 {
            sheet.bridge_columns[at % width].push(at);
        }
        if x.abs() > 0.13 && x.abs() < 0.36 && y > -0.17 && y < 0.02 {
            sheet.cheek_columns[at % width].push(at);
            sheet.cheeks.push(at);
        }
    }
    sheet.bridge_columns.retain(|column| !column.is_empty());
    sheet.cheek_columns.retain(|column| !column.is_empty());
    sheet
});

/// What one track's face was seen to wear.
#[derive(Debug)]
pub(crate) struct Worn {
    /// Luma of the sheet's pixels, the mean of late; NaN beside the skin.
    mean: Vec<f32>,
    seen: bool,
    /// How far each pixel stands out as part of a line, in levels.
    lines: Vec<f32>,
    scratch: Vec<f32>,
    score: f32,
    /// How much of the frame's own pixels shows, 0–255.
    keep: Level,
    any: bool,
}

impl Default for Worn {
    fn default() -> Self {
        let level = Level { width: 0, height: 0, data: Vec::new(), scale: (1.0, 1.0) };
        let (mean, lines, scratch) = Default::default();
        Worn { mean, seen: false, lines, scratch, score: 0.0, keep: level, any: false }
    }
}

/// Builds the tables now instead of on the first frame.
pub(crate) fn prepare() {
    LazyLock::force(&SHEET);
}

impl Worn {
    /// Whether one look is enough to tell that there are glasses.
    pub fn is_plain(&self) -> bool {
        self.any && self.frame_levels() > PLAIN
    }

    /// How far lines stand out that run on as those of a frame do, in levels on skin of medium exposure.
    fn frame_levels(&self) -> f32 {
        let sheet = &*SHEET;
        let run = |[columns, rows]: [(f32, f32); 2]| {
            let column = |x: f32| sheet.layout.pixel_at([x, 0.0])[0] as usize;
            let row = |y: f32| sheet.layout.pixel_at([0.0, y])[1] as usize - sheet.top;
            let window = line::Window {
                columns: column(columns.0)..column(columns.1),
                rows: row(rows.0)..row(rows.1),
                stride: sheet.width,
            };
            line::running(&self.mean, &window)
        };
        let [(left, right), rows] = RIM;
        let rim = run(RIM).max(run([(-right, -left), rows]));
        (rim * run(BRIDGE)).sqrt() / brightness(&self.mean)
    }

    /// How far a place, in face widths on a [`Layout`], lies on glasses (0–1).
    pub fn at(&self, place: [f32; 2]) -> f32 {
        let sheet = &*SHEET;
        let [x, y] = sheet.layout.pixel_at(place);
        let (x, y) = (x.round(), y.round() - sheet.top as f32);
        let inside = x >= 0.0 && y >= 0.0 && x < sheet.width as f32 && y < sheet.height as f32;
        if !self.any || !inside {
            return 0.0;
        }
        self.keep.data[y as usize * (sheet.width + 1) + x as usize] as f32 / 255.0
    }

    /// Another face: nothing was seen of it.
    pub fn forget(&mut self) {
        (self.seen, self.any, self.score) = (false, false, 0.0);
    }

    /// Looks at the face whose mesh is `mesh` (frame pixels), `dt` after the look before.
    pub fn observe(&mut self, frame: &Frame<'_>, mesh: &Mesh, dt: Duration) {
        let sheet = &*SHEET;
        let count = sheet.texels.len();
        self.mean.resize(count, f32::NAN);
        self.lines.resize(count, 0.0);
        self.scratch.resize(count, 0.0);
        let share = if self.seen { 1.0 - (-dt.as_secs_f32() / TAU).exp() } else { 1.0 };
        self.seen = true;
        with_reader!(frame, r => gather(&r, frame.width(), frame.height(), mesh, share, &mut self.mean));
        self.find_lines(|before, after| 0.5 * (before + after).abs());
        let bright = brightness(&self.mean);
        let rim = of_columns(&self.lines, &sheet.cheek_columns, 0.3, &mut self.scratch) / bright;
        let bridge = of_columns(&self.lines, &sheet.bridge_columns, 0.5, &mut self.scratch) / bright;
        let score = (rim * bridge).sqrt();
        self.score += share * (score - self.score);
        self.any = self.score > if self.any { OFF } else { ON };
        if self.any {
            self.mark((0.25 * rim).max(LEAST) * bright);
        }
    }

    /// How far each pixel stands out: `by` of its differences to those [`REACH`] to either side of it.
    fn find_lines(&mut self, by: impl Fn(f32, f32) -> f32) {
        let sheet = &*SHEET;
        self.lines.fill(0.0);
        for y in REACH..sheet.height - REACH {
            for at in y * sheet.width + REACH..(y + 1) * sheet.width - REACH {
                let ridge = |across, along| ridge(&self.mean, at, across, along, &by);
                // NaN beside the skin makes NaN here, which `max` leaves out.
                self.lines[at] = 0f32.max(ridge(sheet.width, 1)).max(ridge(1, sheet.width));
            }
        }
    }

    /// Keeps the frame's pixels on lines of at least `line` levels.
    fn mark(&mut self, line: f32) {
        let sheet = &*SHEET;
        // On both sides alike: what lies beside a line stands out from the line alone.
        self.find_lines(alike);
        for (line_at, counts) in self.lines.iter_mut().zip(&sheet.counts) {
            *line_at = counts * smoothstep(0.7 * line, 1.3 * line, *line_at);
        }
        for y in 0..sheet.height {
            for x in 0..sheet.width {
                self.scratch[y * sheet.width + x] = grown(&self.lines, x, y);
            }
        }
        let keep = &mut self.keep;
        (keep.width, keep.height) = (sheet.width, sheet.height);
        keep.data.clear();
        settle(&mut keep.data, (sheet.width + 1) * (sheet.height + 1));
        for y in 0..=sheet.height {
            for x in 0..=sheet.width {
                keep.data.push((255.0 * softened(&self.scratch, x, y)) as u32);
            }
        }
    }

    /// Takes what was drawn on the glasses away again. `mesh`: where the target's face is, in frame
    /// pixels; `corner` of the layer there.
    pub fn erase(&self, band: &mut Band<'_>, mesh: &Mesh, corner: (usize, usize)) {
        if !self.any {
            return;
        }
        let triangles = SHEET.triangles.iter().map(|&index| usize::from(index));
        erase(band, &self.keep, mesh, &SHEET.uv, triangles, corner);
    }
}

fn gather<R: Reader>(r: &R, width: usize, height: usize, mesh: &Mesh, share: f32, mean: &mut [f32]) {
    let encoding = r.encoding(height);
    let (right, bottom) = (width.saturating_sub(2) as f32, height.saturating_sub(2) as f32);
    if width < 2 || height < 2 {
        return;
    }
    for (texel, mean) in SHEET.texels.iter().zip(mean) {
        let Some(Texel { corner, weight }) = texel else { continue };
        let at = |k: usize| -> f32 {
            (0..3).map(|i| weight[i] * mesh[usize::from(corner[i])][k]).sum::<f32>() - 0.5
        };
        let (x, y) = (at(0).clamp(0.0, right), at(1).clamp(0.0, bottom));
        let value = r.luma_between(&encoding, x, y);
        *mean = if share < 1.0 { *mean + share * (value - *mean) } else { value };
    }
}

/// How far a pixel, with those before and after it `along` a line, stands out: `by` of its differences to those
/// [`REACH`] to either side `across` it.
fn ridge(luma: &[f32], at: usize, across: usize, along: usize, by: impl Fn(f32, f32) -> f32) -> f32 {
    let sum = |at: usize| luma[at - along] + luma[at] + luma[at + along];
    let far = REACH * across;
    by(sum(at) - sum(at - far), sum(at) - sum(at + far)) / 3.0
}

/// How far something stands out from both sides alike.
fn alike(before: f32, after: f32) -> f32 {
    if before * after > 0.0 { before.abs().min(after.abs()) } else { 0.0 }
}

/// The largest of a pixel and its neighbours, those across counting in part.
fn grown(lines: &[f32], x: usize, y: usize) -> f32 {
    let sheet = &*SHEET;
    let mut most = 0.0f32;
    for (dx, dy) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))) {
        let share = if dx != 0 && dy != 0 { 0.6 } else { 1.0 };
        let (x, y) = (x.wrapping_add_signed(dx), y.wrapping_add_signed(dy));
        if x < sheet.width && y < sheet.height {
            most = most.max(share * lines[y * sheet.width + x]);
        }
    }
    most
}

/// Mean of a pixel and its neighbours.
fn softened(values: &[f32], x: usize, y: usize) -> f32 {
    let (width, height) = (SHEET.width, SHEET.height);
    let mut sum = 0.0;
    for y in y.saturating_sub(1)..(y + 2).min(height) {
        sum += values[y * width..][x.saturating_sub(1).min(width)..(x + 2).min(width)].iter().sum::<f32>();
    }
    sum / 9.0
}

/// How bright the cheeks are: 1 with medium exposure.
fn brightness(mean: &[f32]) -> f32 {
    let cheeks = &SHEET.cheeks;
    let luma = cheeks.iter().map(|&at| mean[at]).sum::<f32>() / cheeks.len().max(1) as f32;
    luma.clamp(45.0, 195.0) / 150.0
}

/// The strongest value of each column, and of these the one that `share` of them stay below.
fn of_columns(values: &[f32], columns: &[Vec<usize>], share: f32, scratch: &mut [f32]) -> f32 {
    let strongest = &mut scratch[..columns.len()];
    for (to, column) in strongest.iter_mut().zip(columns) {
        *to = column.iter().map(|&at| values[at]).fold(0.0, f32::max);
    }
    let k = (share * columns.len() as f32) as usize;
    *strongest.select_nth_unstable_by(k, f32::total_cmp).1
}

#[cfg(test)]
mod tests;
