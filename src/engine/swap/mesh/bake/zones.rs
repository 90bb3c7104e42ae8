//! How much detail skin may have, by place.

use std::sync::LazyLock;

use image::{ImageBuffer, Luma};

use super::{each_pixel, sheet::blur};
use crate::engine::{
    geometry::smoothstep,
    swap::mesh::{layout::Layout, topology::topology},
};

/// Pixels a face width of the table.
const DENSITY: f32 = 160.0;
/// Blur of the borders between limits, in face widths.
const SOFT: f32 = 0.008;
/// The same of brows that hair falls over.
const SOFTER: f32 = 0.02;
/// Detail that is kept whatever it is: of features, and where there may be a beard.
const KEEP: f32 = 400.0;

/// Levels beyond which detail is hair, glasses or background; the distances from the brows and the lips, in face
/// widths; how much of a brow there is, softly, 0–1.
pub(super) type Zone = [f32; 4];

/// A table over the sheet.
pub(super) struct Zones {
    layout: Layout,
    values: Vec<Zone>,
}

/// The table; built on the first call.
pub(super) fn zones() -> &'static Zones {
    static ZONES: LazyLock<Zones> = LazyLock::new(Zones::new);
    &ZONES
}

impl Zones {
    fn new() -> Self {
        let layout = Layout::new(DENSITY);
        let (uv, t) = (layout.places(), topology());
        let mut values = vec![[KEEP, 1.0, 1.0, 0.0]; layout.width * layout.height];
        let shape = |set: &[u16]| -> Vec<[f32; 2]> {
            set.iter().map(|&v| t.canonical[usize::from(v)]).map(|[x, y, _]| [x, y]).collect()
        };
        let features = Features {
            brows: [hull(shape(&t.left_brow)), hull(shape(&t.right_brow))],
            eyes: [hull(shape(&t.left_eye)), hull(shape(&t.right_eye))],
            lips: hull(shape(&t.lips_outer)),
            oval: shape(&t.oval),
        };
        let mut places = vec![None; values.len()];
        for tri in &t.triangles {
            let v = tri.map(usize::from);
            each_pixel(v.map(|v| uv[v]), (layout.width, layout.height), |at, w| {
                let mix = |k: usize| (0..3).map(|i| w[i] * t.canonical[v[i]][k]).sum::<f32>();
                places[at] = Some([mix(0), mix(1)]);
            });
        }
        for (value, place) in values.iter_mut().zip(places) {
            *value = place.map_or(*value, |place| features.at(place));
        }
        let width = layout.width;
        for (k, sigma) in [(0, SOFT), (3, SOFTER)] {
            let plane = ImageBuffer::from_fn(width as u32, layout.height as u32, |x, y| {
                Luma([values[y as usize * width + x as usize][k]])
            });
            for (value, soft) in values.iter_mut().zip(blur(plane, sigma * DENSITY)) {
                value[k] = soft;
            }
        }
        Zones { layout, values }
    }

    /// At a place of the sheet, in face widths.
    pub fn at(&self, place: [f32; 2]) -> Zone {
        let [x, y] = self.layout.pixel_at(place);
        let split = |v: f32, size: usize| {
            let v = v.clamp(0.0, size as f32 - 1.001);
            (v as usize, v.fract())
        };
        let ((x, s), (y, t)) = (split(x, self.layout.width), split(y, self.layout.height));
        let row = |y: usize| {
            let (a, b) = (self.values[y * self.layout.width + x], self.values[y * self.layout.width + x + 1]);
            [0, 1, 2, 3].map(|k| a[k] + s * (b[k] - a[k]))
        };
        let (above, below) = (row(y), row(y + 1));
        [0, 1, 2, 3].map(|k| above[k] + t * (below[k] - above[k]))
    }
}

/// Outlines on the canonical face.
struct Features {
    brows: [Vec<[f32; 2]>; 2],
    eyes: [Vec<[f32; 2]>; 2],
    lips: Vec<[f32; 2]>,
    oval: Vec<[f32; 2]>,
}

impl Features {
    fn at(&self, p: [f32; 2]) -> Zone {
        let near = |sets: &[Vec<[f32; 2]>]| sets.iter().map(|s| outside(s, p)).fold(f32::INFINITY, f32::min);
        let (brow, eye, lips) = (near(&self.brows), near(&self.eyes), outside(&self.lips, p));
        let rim = border(&self.oval, p);
        let limit = match p {
            _ if eye < 0.02 || lips < 0.03 => KEEP,
            [_, y] if y > 0.2 => {
                if rim < 0.08 {
                    140.0
                } else {
                    KEEP
                }
            }
            [x, y] if x.abs() < 0.3 && y > -0.06 => 220.0,
            _ if rim < 0.03 => 30.0,
            [_, y] if y < -0.3 => 36.0,
            [x, _] if x.abs() < 0.08 => 72.0,
            _ if eye < 0.07 => 90.0,
            // There may be an ear behind the cheek.
            _ if rim < 0.07 => 45.0,
            _ => 62.0,
        };
        // The outer ends of brows are where hair falls.
        let keep = smoothstep(0.014, 0.006, brow) * smoothstep(0.37, 0.28, p[0].abs());
        let limit = limit + keep * (KEEP - limit).max(0.0);
        [limit, brow.min(1.0), lips.min(1.0), keep]
    }
}

/// The convex hull, in order (Andrew 1979).
fn hull(mut points: Vec<[f32; 2]>) -> Vec<[f32; 2]> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let half = |points: &mut dyn Iterator<Item = [f32; 2]>| {
        let mut chain: Vec<[f32; 2]> = Vec::new();
        for p in points {
            while let [.., a, b] = chain[..]
                && (b[0] - a[0]) * (p[1] - a[1]) <= (b[1] - a[1]) * (p[0] - a[0])
            {
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut outline = half(&mut points.iter().copied());
    outline.extend(half(&mut points.iter().rev().copied()));
    outline
}

/// Distance from the line around a shape.
fn border(shape: &[[f32; 2]], p: [f32; 2]) -> f32 {
    let edges = shape.iter().zip(shape.iter().cycle().skip(1));
    edges
        .map(|(a, b)| {
            let (along, to) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
            let length = along[0] * along[0] + along[1] * along[1];
            let t = ((along[0] * to[0] + along[1] * to[1]) / length.max(1e-9)).clamp(0.0, 1.0);
            (to[0] - t * along[0]).hypot(to[1] - t * along[1])
        })
        .fold(f32::INFINITY, f32::min)
}

/// Distance from a convex shape, whose corners go around; 0 inside.
fn outside(shape: &[[f32; 2]], p: [f32; 2]) -> f32 {
    let side =
        |(a, b): (&[f32; 2], &[f32; 2])| (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) >= 0.0;
    let inside = shape.iter().zip(shape.iter().cycle().skip(1)).all(side);
    if inside { 0.0 } else { border(shape, p) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_outline() {
        let square = hull(vec![[0.0, 0.0], [1.0, 0.0], [0.4, 0.5], [1.0, 1.0], [0.0, 1.0], [0.5, 0.0]]);
        assert_eq!(square.len(), 4);
        assert_eq!(outside(&square, [0.5, 0.2]), 0.0);
        assert!((outside(&square, [1.5, 0.5]) - 0.5).abs() < 1e-6);
        assert!((outside(&square, [2.0, 2.0]) - 2f32.sqrt()).abs() < 1e-6);
        assert!((border(&square, [0.5, 0.2]) - 0.2).abs() < 1e-6);
    }

    #[test]
    fn brows_are_kept_and_the_forehead_above_them_is_not() {
        let t = topology();
        let places = Layout::new(100.0).places();
        let layout = Layout::new(100.0);
        let place = |v: u16| {
            let [x, y] = places[usize::from(v)];
            [(x - 0.5 * layout.width as f32) / 100.0, layout.face_at(0)[1] + (y - 0.5) / 100.0]
        };
        // The middle of a brow's upper edge, and the vertex above it on the forehead.
        let [limit, brow, ..] = zones().at(place(105));
        assert!(limit > 200.0 && brow < 0.01, "{limit} {brow}");
        let [limit, brow, ..] = zones().at(place(69));
        assert!(limit < 50.0 && brow > 0.03, "{limit} {brow}");
        assert!(t.ring[69] > 0);
    }
}
