//! A source's skin, prepared once: detail without light on a flat sheet, each place from the photo
//! that saw it best, an unseen side filled from the other, hair, glasses and background taken out.

mod clean;
mod look;
mod sheet;
mod zones;

use look::Found;
pub(super) use sheet::each_pixel;
use sheet::{Sheet, blur};

use super::{
    chroma, grain,
    layout::Layout,
    light::{self, Colours, Lows, TRIANGLES, luma},
    raster::ZERO,
    rim,
    texture::Texture,
    topology::{Mesh, VERTICES, topology},
    worn::Worn,
};
use crate::engine::geometry::smoothstep;

/// Sheet pixels a photo pixel: resampling twice must not cost sharpness.
const OVERSAMPLE: f32 = 1.4;
/// Pixels a face width of the sheet.
const DENSITY: (f32, f32) = (128.0, 640.0);
/// How much better than the first photo another must have seen a place.
const FIRST: f32 = 1.1;

/// What is drawn of a source.
#[derive(Debug)]
pub(crate) struct Skin {
    /// What [`detail`](super::raster::detail) gives, plus [`ZERO`].
    pub texture: Texture,
    /// Texture pixels of every vertex.
    pub uv: Box<[[f32; 2]; VERTICES]>,
    /// The first photo's own slow colours.
    pub low: Box<Lows>,
    /// Mean detail of every triangle.
    pub means: Box<Colours>,
    /// How sharp each level of the texture is, in levels a pixel.
    pub sharpness: Vec<f32>,
    /// The noise of each, in levels.
    pub noise: Vec<f32>,
    /// How coloured the first photo is, see [`colourfulness`](chroma::colourfulness).
    pub coloured: f32,
}

impl Skin {
    /// What light on it needs to know.
    pub fn light(&self) -> light::Source<'_> {
        light::Source { low: &self.low, detail: &self.means }
    }
}

/// A photo with the face's mesh on it.
#[derive(Clone, Copy)]
pub(crate) struct Photo<'a> {
    pub texture: &'a Texture,
    /// Texture pixels of every vertex.
    pub uv: &'a [[f32; 2]; VERTICES],
    /// The same with the rim pulled inward: what is drawn.
    pub inset: &'a [[f32; 2]; VERTICES],
    pub mesh: &'a Mesh,
    /// Of the face as it was stored, in pixels.
    pub width: f32,
    pub worn: &'a Worn,
}

/// Prepares the photos of one person, the best first. Tens of milliseconds each.
///
/// # Panics
/// Without a photo.
pub(crate) fn bake(photos: &[Photo<'_>]) -> Skin {
    let widest = photos.iter().map(Photo::texture_width).fold(0.0, f32::max);
    let layout = Layout::new((OVERSAMPLE * widest).clamp(DENSITY.0, DENSITY.1));
    let worn: Vec<&Worn> = photos.iter().map(|photo| photo.worn).filter(|worn| worn.is_plain()).collect();
    let mut low = photos[0].low(|_| 0.0);
    let lows: Vec<Box<Lows>> = photos[1..].iter().map(|photo| photo.low(|_| 0.0)).collect();
    // Where skin is hidden is seen at half the size too.
    let coarse = Layout::new(0.5 * layout.density);
    let places = coarse.places();
    let (first, found) = whole(photos, coarse, &places, (&low, &lows), &worn);
    let hides: Vec<f32> = (0..found.outside.len()).map(|at| found.hidden(at)).collect();
    if hides.iter().any(|v| *v > 0.5) {
        // What hides the skin had its part in the slow colours, also where it hides brows, which are kept.
        let around = blur(first.plane_of(|at| hides[at]), 0.05 * coarse.density);
        let hides = hides.iter().zip(around).map(|(own, near)| own.max(smoothstep(0.25, 0.5, near)));
        let hidden = hidden(&hides.collect::<Vec<f32>>(), coarse, &places);
        low = photos[0].low(|tri| hidden[tri]);
    }
    let uv = layout.places();
    let (mut sheet, found) = whole(photos, layout, &uv, (&low, &lows), &worn);
    sheet.clean(&found);
    let texture = sheet.into_texture();
    let mut means = Box::new([[0.0; 3]; TRIANGLES]);
    light::of_texture(&texture, &uv, &mut means);
    means.iter_mut().flatten().for_each(|value| *value -= ZERO);
    let sharpness = light::sharpness_of(&texture, &uv);
    let noise = grain::of_texture(&texture, &uv);
    Skin { texture, uv, low, means, sharpness, noise, coloured: photos[0].coloured() }
}

/// The sheet of all photos, with the slow colours `low` of the first and `lows` of the others, and what was
/// found on it.
fn whole(
    photos: &[Photo<'_>],
    layout: Layout,
    uv: &[[f32; 2]; VERTICES],
    (low, lows): (&Lows, &[Box<Lows>]),
    worn: &[&Worn],
) -> (Sheet, Found) {
    let brightness = mean_luma(low);
    let others = photos[1..]
        .iter()
        .zip(lows)
        .map(|(photo, low)| Other { sheet: drawn(*photo, layout, uv, low), brightness: mean_luma(low) });
    let mut sheet = merge(drawn(photos[0], layout, uv, low), others, brightness);
    sheet.mirror();
    let found = sheet.look(brightness / 150.0, worn);
    (sheet, found)
}

/// A photo beside the first.
struct Other {
    sheet: Sheet,
    /// Mean luma of its slow colours.
    brightness: f32,
}

/// How far each triangle of the skin is `outside`.
fn hidden(outside: &[f32], layout: Layout, uv: &[[f32; 2]; VERTICES]) -> Vec<f32> {
    let share = |tri: &[u16; 3]| {
        let (mut sum, mut n) = (0.0, 0.0f32);
        each_pixel(tri.map(|v| uv[usize::from(v)]), (layout.width, layout.height), |at, _| {
            sum += outside[at];
            n += 1.0;
        });
        sum / n.max(1.0)
    };
    let t = topology();
    t.triangles[..t.skin].iter().map(share).collect()
}

fn drawn(photo: Photo<'_>, layout: Layout, uv: &[[f32; 2]; VERTICES], low: &Lows) -> Sheet {
    let mut sheet = Sheet::new(layout, photo.width);
    sheet.draw(&photo, uv, low, &photo.facing());
    sheet
}

/// Takes each place from the sheet that saw it best, with soft borders. `brightness`: of the first.
fn merge(first: Sheet, others: impl Iterator<Item = Other>, brightness: f32) -> Sheet {
    let score = |sheet: &Sheet, at: usize| sheet.facing[at] * sheet.photo_width.min(400.0).sqrt();
    let mut best: Vec<f32> = (0..first.facing.len()).map(|at| FIRST * score(&first, at)).collect();
    let mut merged = first;
    for other in others {
        // Detail grows with the light it was seen in.
        let gain = (brightness / other.brightness).clamp(0.5, 2.0);
        let other = &other.sheet;
        let better = merged.plane_of(|at| f32::from(u8::from(score(other, at) > best[at])));
        let share = blur(better, 0.02 * merged.layout.density);
        for (at, share) in share.into_iter().enumerate() {
            if other.facing[at] < 0.0 || share <= 0.0 {
                continue;
            }
            let share = share.min(1.0);
            for k in 0..3 {
                merged.detail[at][k] += share * (gain * other.detail[at][k] - merged.detail[at][k]);
            }
            merged.facing[at] += share * (other.facing[at] - merged.facing[at]);
            best[at] = best[at].max(score(other, at));
        }
        merged.photo_width = merged.photo_width.max(other.photo_width);
    }
    merged
}

impl Photo<'_> {
    /// How squarely each vertex faces the camera, 0–1.
    fn facing(&self) -> Vec<f32> {
        let mut normals = Box::new([[0.0; 3]; VERTICES]);
        rim::facing(self.mesh, &mut normals);
        normals.iter().map(|n| n[2].clamp(0.0, 1.0)).collect()
    }

    /// How good a picture of a face this is: its width, less where one side is turned away.
    pub fn merit(&self) -> f32 {
        let canonical = &topology().canonical;
        let facing = self.facing();
        let side = |keep: fn(f32) -> bool| {
            let own = facing.iter().zip(canonical.iter()).filter(|(_, p)| keep(p[0]));
            let (sum, n) = own.fold((0.0, 0.0), |(sum, n), (f, _)| (sum + f, n + 1.0));
            sum / n
        };
        side(|x| x < -0.1).min(side(|x| x > 0.1)) * self.width.min(400.0).sqrt()
    }

    /// Width of the face in texture pixels.
    fn texture_width(&self) -> f32 {
        let span = |axis: usize| {
            let values = self.uv.iter().map(|p| p[axis]);
            values.clone().fold(f32::MIN, f32::max) - values.fold(f32::MAX, f32::min)
        };
        span(0).max(0.72 * span(1))
    }

    fn coloured(&self) -> f32 {
        let facing = self.facing();
        let mut colours = Box::new([[0.0; 3]; TRIANGLES]);
        light::of_texture(self.texture, self.uv, &mut colours);
        let t = topology();
        chroma::colourfulness(&colours, |i| {
            t.triangles[i].iter().all(|&v| facing[usize::from(v)] > 0.3 && t.ring[usize::from(v)] > 1)
        })
    }

    /// Slow colours of the face, whose triangles are `hidden` so far (0–1).
    fn low(&self, hidden: impl Fn(usize) -> f32) -> Box<Lows> {
        let t = topology();
        let facing = self.facing();
        let mut colours = Box::new([[0.0; 3]; TRIANGLES]);
        light::of_texture(self.texture, self.uv, &mut colours);
        let seen: Vec<f32> = t.triangles[..t.skin]
            .iter()
            .enumerate()
            .map(|(index, tri)| {
                let square = tri.iter().map(|&v| facing[usize::from(v)]).sum::<f32>() / 3.0;
                // The photo's rim may show what is behind the face.
                let rim = tri.iter().any(|&v| t.ring[usize::from(v)] == 0);
                smoothstep(0.1, 0.45, square)
                    * if rim { 0.25 } else { 1.0 }
                    * (1.0 - smoothstep(0.1, 0.5, hidden(index)))
            })
            .collect();
        let mut low = Box::new([[0.0; 3]; VERTICES]);
        light::Scratch::default().lows(&colours, |i| seen[i], &mut low);
        low
    }
}

fn mean_luma(low: &Lows) -> f32 {
    (low.iter().map(luma).sum::<f32>() / VERTICES as f32).max(1.0)
}

#[cfg(test)]
mod tests;
