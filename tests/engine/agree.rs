//! The same picture in different formats, swapped alike.

use gstfaceswap::engine::PixelFormat;

use super::{Outcome, astronaut, at, collage, engine, params, picture::Picture};

/// Frames until each mesh has settled on the still picture.
const FRAMES: u64 = 12;

/// Differences inside the swapped region, in levels.
#[derive(Debug, Default)]
struct Gap {
    most: f64,
    sum: f64,
    count: f64,
    over: f64,
}

impl Gap {
    fn add(&mut self, a: f64, b: f64) {
        let off = (a - b).abs();
        self.most = self.most.max(off);
        self.sum += off;
        self.count += 1.0;
        self.over += f64::from(u8::from(off > 3.0));
    }

    fn mean(&self) -> f64 {
        self.sum / self.count
    }

    /// Share of samples within three levels.
    fn within(&self) -> f64 {
        1.0 - self.over / self.count
    }
}

/// The astronaut with a face 220 pixels wide, swapped by a photo without glasses: the hard edges of what is left of
/// them would show the mesh's rounding and nothing else.
fn swapped(format: PixelFormat) -> (Picture, Outcome) {
    let original = Picture::of(&collage(640, 480, &[(&astronaut(1180), -190, -20)]), format, 0);
    let (mut engine, source) = (engine(), crate::load(&[crate::common::astronaut().into()]).unwrap().0);
    let (mut picture, mut outcome) = (original.clone(), None);
    for frame in 0..FRAMES {
        picture = original.clone();
        let report = engine.process(&mut picture.frame(), &source, &params(), at(frame)).unwrap();
        assert_eq!(report.swapped, 1, "{format:?}");
        outcome = Some(Outcome::of(report));
    }
    (picture, outcome.unwrap())
}

/// Luma pixel by pixel and chroma at half resolution, over the whole region that was written.
///
/// Where the swap ends hard, at the eyes and the lips, and at the edges of the source's own picture,
/// the twentieth of a pixel that rounding moves the mesh by shows: so three levels are asked of all
/// but one pixel in two hundred. With equal meshes they hold for every pixel; `frame::write` tests
/// that.
#[test]
fn formats_agree_within_three_levels() {
    let (bgra, reference) = swapped(PixelFormat::Bgra);
    let wanted = bgra.yuv();
    let region = reference.regions[0];
    let (x0, y0) = (region.x as usize, region.y as usize);
    let (x1, y1) = (x0 + region.width as usize, y0 + region.height as usize);
    for format in PixelFormat::ALL {
        let (picture, outcome) = swapped(format);
        let moved = outcome.faces[0].landmarks.iter().zip(&reference.faces[0].landmarks);
        let moved = moved.map(|(a, b)| a.distance(*b)).fold(0.0, f32::max);
        let yuv = picture.yuv();
        let (mut luma, mut chroma) = (Gap::default(), Gap::default());
        for y in y0..y1 {
            for x in x0..x1 {
                let index = y * picture.width + x;
                luma.add(yuv.y[index], wanted.y[index]);
                if x % 2 == 0 && y % 2 == 0 {
                    let cell = y / 2 * picture.width.div_ceil(2) + x / 2;
                    chroma.add(yuv.cb[cell], wanted.cb[cell]);
                    chroma.add(yuv.cr[cell], wanted.cr[cell]);
                }
            }
        }
        println!("{format:?}: landmarks moved {moved:.3} px at most");
        for (what, gap) in [("luma", &luma), ("chroma", &chroma)] {
            println!(
                "  {what}: {:.2} % within 3 levels, {:.3} in the mean, {:.1} at most",
                100.0 * gap.within(),
                gap.mean(),
                gap.most
            );
        }
        assert!(moved < 0.15, "{format:?}: {moved}");
        assert!(luma.within() > 0.995 && luma.mean() < 0.6, "{format:?}: {luma:?}");
        assert!(chroma.within() > 0.999 && chroma.mean() < 0.6, "{format:?}: {chroma:?}");
        let rgb =
            !matches!(format, PixelFormat::Nv12 | PixelFormat::I420 | PixelFormat::Uyvy | PixelFormat::Yuy2);
        assert!(!rgb || (moved == 0.0 && luma.most == 0.0), "{format:?}");
    }
}
