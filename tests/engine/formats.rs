//! Every pixel format, at awkward sizes: what changes and what must not.

use gstfaceswap::engine::{
    Params, PixelFormat,
    geometry::{Point, Rect},
};

use super::{Outcome, astronaut, at, collage, engine, hopper, params, picture::Picture, swap};

const SIZES: [(usize, usize); 8] = [(333, 257), (1, 1), (2, 1), (1, 2), (1, 7), (7, 1), (2, 2), (64, 3)];

fn face(width: usize, height: usize) -> image::RgbImage {
    collage(width as u32, height as u32, &[(&astronaut(400), -30, -20)])
}

#[test]
fn opacity_zero_leaves_every_byte() {
    let params = Params { opacity: 0.0, label: true, ..params() };
    let source = hopper();
    for format in PixelFormat::ALL {
        // One engine for all sizes: a stream may be renegotiated.
        let mut engine = engine();
        for (frame, (width, height)) in SIZES.into_iter().enumerate() {
            let original = Picture::of(&face(width, height), format, 5);
            let mut picture = original.clone();
            let report = engine.process(&mut picture.frame(), &source, &params, at(frame as u64)).unwrap();
            assert_eq!((report.swapped, report.altered), (0, false), "{format:?} {width}×{height}");
            assert_eq!(report.faces.iter().any(|f| f.score > 0.5), width == 333 || !report.faces.is_empty());
            assert!(picture == original, "{format:?} {width}×{height}");
        }
    }
}

/// Corners of the convex hull, clockwise on screen.
fn hull(points: &[Point]) -> Vec<Point> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    let chain = |points: &mut dyn Iterator<Item = &Point>| {
        let mut hull: Vec<Point> = Vec::new();
        for &p in points {
            while let [.., a, b] = hull[..]
                && (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x) <= 0.0
            {
                hull.pop();
            }
            hull.push(p);
        }
        hull.pop();
        hull
    };
    let mut all = chain(&mut sorted.iter());
    all.extend(chain(&mut sorted.iter().rev()));
    all
}

/// Whether `p` is inside the hull or less than `margin` outside one of its edges.
fn near(hull: &[Point], p: Point, margin: f32) -> bool {
    let edges = hull.iter().zip(hull.iter().cycle().skip(1));
    edges.into_iter().all(|(a, b)| {
        let cross = (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x);
        cross >= -margin * a.distance(*b)
    })
}

/// All changed bytes show a pixel inside a reported region and at most 1 px (chroma 2 px) outside
/// the hull of the landmarks.
fn check_changes(original: &Picture, picture: &Picture, outcome: &Outcome) {
    let what = format!("{:?} {}×{}", picture.format, picture.width, picture.height);
    let hulls: Vec<_> = outcome.faces.iter().filter(|f| f.swapped).map(|f| hull(&f.landmarks)).collect();
    let mut changed = 0;
    for (plane, index) in original.differences(picture) {
        let place = picture.place(plane, index);
        let [x0, y0, x1, y1] =
            place.unwrap_or_else(|| panic!("{what}: byte {index} of plane {plane} shows nothing"));
        let rect = Rect::new(x0 as f32, y0 as f32, (x1 - x0) as f32, (y1 - y0) as f32);
        assert!(outcome.regions.iter().any(|r| r.overlap(rect) > 0.0), "{what}: {rect:?} is in no region");
        let margin = if rect.width > 1.0 { 2.0 } else { 1.0 };
        let inside = hulls.iter().any(|hull| near(hull, rect.centre(), margin));
        assert!(inside, "{what}: {rect:?} is outside the landmarks");
        changed += 1;
    }
    assert!(changed > 1500, "{what}: {changed} bytes changed");
}

#[test]
fn only_what_the_mask_covers_changes() {
    let source = hopper();
    for format in PixelFormat::ALL {
        for (width, height, padding) in [(333, 257, 0), (334, 257, 3), (333, 258, 64)] {
            let original = Picture::of(&face(width, height), format, padding);
            let mut picture = original.clone();
            let outcome = swap(&mut picture, &source, &params());
            assert_eq!(outcome.swapped, 1, "{format:?} {width}×{height}");
            check_changes(&original, &picture, &outcome);
        }
    }
}

#[test]
fn a_padded_mask_leaves_what_it_gives_up() {
    let source = hopper();
    let original = Picture::of(&face(333, 257), PixelFormat::Nv12, 7);
    let mut picture = original.clone();
    let params = Params { mask_padding: [50.0, 0.0, 0.0, 0.0], ..params() };
    let outcome = swap(&mut picture, &source, &params);
    check_changes(&original, &picture, &outcome);
    let face = Rect::around(outcome.faces[0].landmarks.iter().copied());
    let top = face.y + 0.45 * face.height;
    for (plane, index) in original.differences(&picture) {
        let [_, _, _, bottom] = picture.place(plane, index).unwrap();
        assert!(bottom as f32 > top, "changed at {bottom}, above {top}");
    }
}

#[test]
fn a_frame_without_a_face_keeps_every_byte_in_every_format() {
    let source = hopper();
    for format in PixelFormat::ALL {
        let mut engine = engine();
        for (frame, (width, height)) in SIZES.into_iter().enumerate().skip(1) {
            let original = Picture::blank(format, width, height, 3);
            let mut picture = original.clone();
            let report = engine.process(&mut picture.frame(), &source, &params(), at(frame as u64)).unwrap();
            assert!(!report.altered && picture == original, "{format:?} {width}×{height}");
        }
    }
}
