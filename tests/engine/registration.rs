//! The swap lies where the face does, as the landmark network sees both.

use gstfaceswap::engine::{Params, PixelFormat, geometry::Point};
use image::RgbImage;

use super::{astronaut, at, common, engine, hopper, load, params, photo, picture::Picture};
use crate::common::shared;

/// The landmarks that an engine which knows nothing of the picture sees in it.
fn seen(image: &RgbImage) -> Vec<Point> {
    let mut picture = Picture::of(image, PixelFormat::Rgb, 0);
    let params = Params { opacity: 0.0, ..params() };
    let mut engine = engine();
    let report = engine.process(&mut picture.frame(), &hopper(), &params, at(0)).unwrap();
    report.faces[0].landmarks.to_vec()
}

/// How far landmarks are off in the mean, in % of the distance of the outer corners of the eyes.
fn off(swapped: &RgbImage, own: &[Point]) -> f32 {
    let sum: f32 = seen(swapped).iter().zip(own).map(|(p, q)| p.distance(*q)).sum();
    100.0 * sum / (own.len() as f32 * own[33].distance(own[263]))
}

#[test]
fn a_swap_comes_to_lie_where_the_face_is() {
    let mut people = vec![(common::astronaut(), photo(&common::hopper()))];
    let others = ["identities/id01_1.jpg", "identities/id15_1.jpg", "identities/id16_1.jpg"];
    people.extend(others.iter().filter_map(|name| shared(name)).map(|path| {
        let path = path.to_str().unwrap().to_string();
        (path, astronaut(700))
    }));
    let (mut first, mut last) = (0.0, 0.0);
    for (source, image) in people {
        let (source, _) = load(&[source.into()]).unwrap();
        let own = seen(&image);
        let (mut engine, params) = (engine(), Params { shape: 0.0, ..params() });
        let mut errors = Vec::new();
        for frame in 0..50 {
            let mut picture = Picture::of(&image, PixelFormat::Rgb, 0);
            let report = engine.process(&mut picture.frame(), &source, &params, at(frame)).unwrap();
            assert_eq!(report.swapped, 1);
            if frame == 0 || frame == 49 {
                errors.push(off(&picture.image(), &own));
            }
        }
        println!("{errors:.2?} %");
        assert!(errors[1] < errors[0] + 0.06, "{errors:?}");
        (first, last) = (first + errors[0], last + errors[1]);
    }
    assert!(last < 0.9 * first, "{last} of {first}");
}
