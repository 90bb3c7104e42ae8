//! Pictures without colour, or of one tint: a black-and-white source gets its colour from the
//! target's face, and on a black-and-white target no colour of the source shows.

use super::{
    light::{Colours, Gains, Lows, TRIANGLES, luma},
    topology::topology,
};
use crate::engine::geometry::smoothstep;

/// Levels by which a face's colours vary beside what their luma explains: up to the first a picture
/// is of one tint, from the second on it is coloured. Faces in twenty coloured photos and clips vary
/// by 2.8 to 12, in black and white by 0.
const TINTED: f32 = 0.8;
const COLOURED: f32 = 2.0;

/// Red and blue less luma.
pub(super) fn chroma(c: &[f32; 3]) -> [f32; 2] {
    let l = luma(c);
    [c[0] - l, c[2] - l]
}

/// How coloured a face is, 0 (of one tint) to 1, by the triangles that are `seen`.
pub(crate) fn colourfulness(colours: &Colours, seen: impl Fn(usize) -> bool) -> f32 {
    let used = || (0..TRIANGLES).filter(|&i| seen(i)).map(|i| (luma(&colours[i]), chroma(&colours[i])));
    let n = used().count() as f32;
    if n < 20.0 {
        return 1.0;
    }
    let sum = |f: &dyn Fn((f32, [f32; 2])) -> f32| used().map(f).sum::<f32>() / n;
    let middle = sum(&|(l, _)| l);
    let spread = sum(&|(l, _)| (l - middle).powi(2)).max(1.0);
    let square: f32 = [0, 1]
        .map(|k| {
            let mean = sum(&|(_, c)| c[k]);
            let slope = sum(&|(l, c)| (l - middle) * (c[k] - mean)) / spread;
            sum(&|(l, c)| (c[k] - mean - slope * (l - middle)).powi(2))
        })
        .iter()
        .sum();
    smoothstep(TINTED, COLOURED, square.sqrt())
}

/// Gives the base colours in `gains` the target's own chroma, where source or target have none of
/// their own: `coloured` is 1 where both have.
pub(crate) fn borrow(target: &Colours, seen: &[bool; TRIANGLES], coloured: f32, gains: &mut Gains) {
    if coloured >= 1.0 {
        return;
    }
    let mean = |list: &mut dyn Iterator<Item = usize>| {
        let (mut sum, mut n) = ([0.0; 2], 0.0f32);
        for i in list.filter(|&i| seen[i]) {
            let c = chroma(&target[i]);
            (sum, n) = ([sum[0] + c[0], sum[1] + c[1]], n + 1.0);
        }
        (n > 0.0).then(|| sum.map(|s| s / n))
    };
    let Some(all) = mean(&mut (0..TRIANGLES)) else { return };
    for (gain, around) in gains.iter_mut().zip(&topology().around) {
        let own = mean(&mut around.iter().map(|&i| usize::from(i))).unwrap_or(all);
        let base = [gain[1], gain[2], gain[3]];
        let (l, has) = (luma(&base), chroma(&base));
        let [red, blue] = [0, 1].map(|k| own[k] + coloured * (has[k] - own[k]));
        let [r, g, b] = super::raster::LUMA;
        (gain[1], gain[3]) = (l + red, l + blue);
        gain[2] = l - (r * red + b * blue) / g;
    }
}

/// Factor on the colour of a source's detail, whose slow colours are `low`, where `gains` put it on paler
/// skin: what is grey on a tanned face, such as brows, would turn blue there.
pub(crate) fn damping(low: &Lows, gains: &Gains) -> f32 {
    let size = |c: [f32; 3]| chroma(&c)[0].hypot(chroma(&c)[1]);
    let (mut here, mut there) = (0.0, 1.0);
    for (gain, low) in gains.iter().zip(low) {
        here += size([gain[1], gain[2], gain[3]]);
        there += gain[0] * size(*low);
    }
    (here / there).sqrt().clamp(0.3, 1.0)
}

#[cfg(test)]
mod tests {
    use super::{super::topology::VERTICES, *};

    fn face(colour: impl Fn(usize) -> [f32; 3]) -> Box<Colours> {
        Box::new(std::array::from_fn(colour))
    }

    #[test]
    fn grey_and_sepia_are_of_one_tint_and_lips_make_a_face_coloured() {
        let shade = |i: usize| 60.0 + (i % 90) as f32;
        let grey = face(|i| [shade(i); 3]);
        assert_eq!(colourfulness(&grey, |_| true), 0.0);
        let sepia = face(|i| [1.1, 1.0, 0.8].map(|c| c * shade(i)));
        assert!(colourfulness(&sepia, |_| true) < 0.05);
        let skin =
            face(|i| if i % 10 == 0 { [150.0, 90.0, 90.0] } else { [1.2, 0.95, 0.8].map(|c| c * shade(i)) });
        assert_eq!(colourfulness(&skin, |_| true), 1.0);
    }

    #[test]
    fn colour_of_detail_is_damped_on_paler_skin_only() {
        let low = [[180.0, 120.0, 90.0]; VERTICES];
        let on = |base: [f32; 3]| damping(&low, &[[1.0, base[0], base[1], base[2], 1.0, 1.0]; VERTICES]);
        assert!((on([180.0, 120.0, 90.0]) - 1.0).abs() < 1e-3);
        assert_eq!(on([220.0, 110.0, 70.0]), 1.0);
        let pale = on([220.0, 205.0, 197.5]);
        assert!((pale - 0.5).abs() < 0.01, "{pale}");
    }

    #[test]
    fn a_borrowed_chroma_keeps_luma() {
        let target = face(|_| [180.0, 130.0, 110.0]);
        let mut gains: Box<Gains> = Box::new([[1.0, 100.0, 100.0, 100.0, 1.0, 1.0]; VERTICES]);
        borrow(&target, &[true; TRIANGLES], 0.0, &mut gains);
        for g in gains.iter() {
            assert!((luma(&[g[1], g[2], g[3]]) - 100.0).abs() < 0.01);
            assert!((g[1] - g[3] - 70.0).abs() < 0.01, "{g:?}");
        }
        let before = gains.clone();
        borrow(&face(|_| [90.0; 3]), &[true; TRIANGLES], 1.0, &mut gains);
        assert_eq!(before, gains);
    }
}
