//! What once spoiled the picture, each on a picture where it shows.

use gstfaceswap::engine::{ColourMatch, Engine, Params, PixelFormat, Source};
use image::RgbImage;

use super::{Outcome, astronaut, at, common, engine, hopper, load, noise, params, photo, picture::Picture};

/// Shown for this many frames, a face is known.
const KNOWN: u64 = 14;

/// `image` through `engine` as the frame `number`.
fn shown(engine: &mut Engine, source: &Source, image: &RgbImage, number: u64) -> (RgbImage, Outcome) {
    let mut picture = Picture::of(image, PixelFormat::Rgb, 0);
    let report = engine.process(&mut picture.frame(), source, &params(), at(number)).unwrap();
    assert_eq!(report.swapped, 1, "frame {number}");
    (picture.image(), Outcome::of(report))
}

/// Mean difference over the pixels that `wanted` names, in levels.
fn difference(a: &RgbImage, b: &RgbImage, wanted: impl Fn(u32, u32) -> bool) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for (x, y, p) in a.enumerate_pixels().filter(|&(x, y, _)| wanted(x, y)) {
        sum += p.0.iter().zip(b.get_pixel(x, y).0).map(|(a, b)| f64::from(a.abs_diff(b))).sum::<f64>();
        n += 3.0;
    }
    assert!(n > 900.0, "{n}");
    sum / n
}

fn luma(p: &image::Rgb<u8>) -> f64 {
    let [r, g, b] = p.0.map(f64::from);
    0.299 * r + 0.587 * g + 0.114 * b
}

/// Puts `colour` with soft edges over `image` where `inside` (pixels from its edge) is positive.
fn covered(
    image: &RgbImage,
    inside: impl Fn(f64, f64) -> f64,
    colour: impl Fn(f64, f64) -> [f64; 3],
) -> RgbImage {
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let (fx, fy) = (f64::from(x), f64::from(y));
        let share = (0.5 + inside(fx, fy) / 2.0).clamp(0.0, 1.0);
        let under = image.get_pixel(x, y).0.map(f64::from);
        let over = colour(fx, fy);
        image::Rgb([0, 1, 2].map(|k| (under[k] + share * (over[k] - under[k])).round() as u8))
    })
}

/// Something passes before the mouth of a face that is known: a microphone, and a palm a little redder
/// than the cheek. Without a memory of the face both are painted over.
#[test]
fn what_comes_before_the_face_stays_the_pictures() {
    let face = astronaut(900);
    let source = hopper();
    let (_, plain) = shown(&mut engine(), &source, &face, 0);
    let points = plain.faces[0].landmarks.clone();
    let width = f64::from(points[454].x - points[234].x);
    let cheek = face.get_pixel(points[50].x as u32, points[50].y as u32).0.map(f64::from);
    let palm = [1.03 * cheek[0], 0.9 * cheek[1], 0.8 * cheek[2]];
    for (what, colour) in [("microphone", [28.0, 28.0, 32.0]), ("palm", palm)] {
        let middle = |k: u64| {
            let along = k as f64 - KNOWN as f64;
            let chin = points[152];
            (f64::from(chin.x) + 0.03 * width * along, f64::from(chin.y) - 0.06 * width * along)
        };
        let inside = |k: u64| {
            let (x0, y0) = middle(k);
            let radius = 0.2 * width;
            move |x: f64, y: f64| {
                // A disc on a stick, from below.
                let stick = if y > y0 { 0.5 * radius - (x - x0).abs() } else { f64::NEG_INFINITY };
                (radius - (x - x0).hypot(y - y0)).max(stick)
            }
        };
        let grooved = |x: f64, y: f64| colour.map(|c| c * (1.0 + 0.06 * (0.4 * x).sin() * (0.3 * y).cos()));
        let mut known = engine();
        for k in 0..KNOWN {
            shown(&mut known, &source, &face, k);
        }
        for k in KNOWN..KNOWN + 6 {
            let frame = covered(&face, inside(k), grooved);
            let hidden = inside(k);
            let deep = |x: u32, y: u32| {
                let (fx, fy) = (f64::from(x), f64::from(y));
                hidden(fx, fy) > 3.0 && fy < f64::from(points[152].y) - 0.02 * width
            };
            let (after, outcome) = shown(&mut known, &source, &frame, k);
            if k < KNOWN + 3 {
                continue;
            }
            let (before, _) = shown(&mut engine(), &source, &frame, 0);
            let (with, without) = (difference(&frame, &after, deep), difference(&frame, &before, deep));
            let brows = outcome.faces[0].landmarks[9].y as u32;
            let top = |x: u32, y: u32| {
                y < brows + (0.3 * width) as u32
                    && y > brows
                    && x.abs_diff(points[9].x as u32) < (0.25 * width) as u32
            };
            let beside = (difference(&frame, &after, top), difference(&frame, &before, top));
            println!(
                "{what} {k}: {with:.2} levels are painted on it, {without:.2} without; beside {beside:?}"
            );
            assert!(with < 0.25 * without, "{what} {k}: {with} of {without}");
            assert!(beside.0 > 0.8 * beside.1, "{what} {k}: {beside:?}");
        }
    }
}

/// Of the middle of the face: Immerkær's operator (1996), by the middle of its values.
fn noise_of(image: &RgbImage, points: &[gstfaceswap::engine::geometry::Point]) -> f64 {
    let mut values = Vec::new();
    let (left, right) = (points[50].x as u32, points[280].x as u32);
    let (top, bottom) = (points[6].y as u32, points[2].y as u32);
    for y in top..bottom {
        for x in left..right {
            let row = |y: u32| {
                let at = |x: u32| luma(image.get_pixel(x, y));
                at(x - 1) - 2.0 * at(x) + at(x + 1)
            };
            values.push((row(y - 1) - 2.0 * row(y) + row(y + 1)).abs());
        }
    }
    values.sort_by(f64::total_cmp);
    values[values.len() / 2] / (6.0 * 0.6745)
}

#[test]
fn a_noisy_picture_gets_a_face_with_its_noise_and_a_clean_one_none() {
    let clean = astronaut(900);
    let mut bytes = noise(5);
    let mut even = || f64::from(bytes.next().unwrap()) / 255.0;
    let noisy = RgbImage::from_fn(900, 900, |x, y| {
        let n = 9.0 * ((0..6).map(|_| even()).sum::<f64>() - 3.0) / 0.5f64.sqrt();
        image::Rgb(clean.get_pixel(x, y).0.map(|c| (f64::from(c) + n).round().clamp(0.0, 255.0) as u8))
    });
    let source = hopper();
    for (what, picture, bounds) in [("noisy", &noisy, 0.75..1.35), ("clean", &clean, 0.0..1.5)] {
        let (swapped, outcome) = shown(&mut engine(), &source, picture, 0);
        let points = &outcome.faces[0].landmarks;
        let (own, wanted) = (noise_of(&swapped, points), noise_of(picture, points));
        println!("{what}: {own:.2} levels of noise, {wanted:.2} in the picture");
        let ratio = own / wanted.max(0.7);
        assert!(bounds.contains(&ratio), "{what}: {own} {wanted}");
    }
    let again = |_| shown(&mut engine(), &source, &noisy, 3).0;
    assert!(again(0) == again(1), "the noise of a frame comes again");
}

fn grey(image: &RgbImage) -> RgbImage {
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        image::Rgb([luma(image.get_pixel(x, y)).round() as u8; 3])
    })
}

/// Mean red less green around a landmark.
fn redness(image: &RgbImage, p: gstfaceswap::engine::geometry::Point) -> f64 {
    let around = (-2..=2).flat_map(|dy| (-2..=2).map(move |dx| (dx, dy)));
    let of = |(dx, dy): (i32, i32)| {
        let pixel = image.get_pixel((p.x as i32 + dx) as u32, (p.y as i32 + dy) as u32);
        f64::from(pixel.0[0]) - f64::from(pixel.0[1])
    };
    around.map(of).sum::<f64>() / 25.0
}

#[test]
fn a_black_and_white_source_takes_its_colour_from_the_picture() {
    let path = common::folder("grey-source").join("grey.png");
    grey(&photo(&common::hopper())).save(&path).unwrap();
    let (source, _) = load(&[path]).unwrap();
    let target = astronaut(900);
    let (swapped, outcome) = shown(&mut engine(), &source, &target, 0);
    let points = &outcome.faces[0].landmarks;
    // Cheeks, and the middle of the lower lip, which must be redder.
    let cheek = redness(&swapped, points[50]) / redness(&target, points[50]);
    let lip = |image: &RgbImage| redness(image, points[16]) - redness(image, points[50]);
    let (own, wanted) = (lip(&swapped), lip(&target));
    println!("cheek {cheek:.2} as red as the picture's, lip {own:.1} redder than it of {wanted:.1}");
    assert!((0.7..1.4).contains(&cheek), "{cheek}");
    assert!(own > 0.35 * wanted && wanted > 10.0, "{own} of {wanted}");
}

#[test]
fn no_colour_of_the_source_shows_in_a_black_and_white_picture() {
    let target = grey(&astronaut(900));
    let (source, mut most) = (hopper(), [0u8; 2]);
    for (most, colour_match) in most.iter_mut().zip([ColourMatch::Light, ColourMatch::None]) {
        let mut picture = Picture::of(&target, PixelFormat::Rgb, 0);
        let params = Params { colour_match, ..params() };
        engine().process(&mut picture.frame(), &source, &params, at(0)).unwrap();
        for p in picture.image().pixels() {
            let [r, g, b] = p.0;
            *most = (*most).max(r.abs_diff(g)).max(g.abs_diff(b));
        }
    }
    println!("at most {} levels of colour, {} with colour-match=none", most[0], most[1]);
    assert!(most[0] <= 2 && most[1] > 20, "{most:?}");
}
