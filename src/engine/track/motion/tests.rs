use proptest::prelude::*;

use super::*;
use crate::engine::swap::mesh::topology::frontal;

/// The brightness of an endless picture, smooth enough to be sampled at whole pixels.
fn scene(p: Point) -> f32 {
    let wave = |x: f32, y: f32, phase: f32| (x * p.x + y * p.y + phase).sin();
    120.0 + 30.0 * wave(0.05, 0.01, 0.3) + 25.0 * wave(-0.02, 0.06, 1.0) + 20.0 * wave(0.04, -0.045, 2.0)
}

/// A patch through `map` of what `look` shows at places of the frame.
fn patch(map: Similarity, look: impl Fn(Point) -> f32) -> Patch {
    let side = 2 * SIDE;
    let picture: Vec<f32> = (0..side * side)
        .flat_map(|i| {
            let p = map.apply(Point::new((i % side) as f32 + 0.5, (i / side) as f32 + 0.5));
            [look(p) / 255.0; 3]
        })
        .collect();
    let mut patch = Patch::default();
    patch.take(&picture, map);
    patch
}

fn placed(mesh: &Mesh, by: Similarity) -> Box<Mesh> {
    Box::new(mesh.map(|[x, y, z]| {
        let p = by.apply(Point::new(x, y));
        [p.x, p.y, by.scale() * z]
    }))
}

/// About the face of [`frontal`].
const CROP: (Point, f32) = (Point::new(240.0, 240.0), 450.0);

fn crop(dx: f32, angle: f32) -> Similarity {
    Similarity::crop(Point::new(CROP.0.x + dx, CROP.0.y), CROP.1, angle, 2.0 * SIDE as f32)
}

fn fit(mesh: &Mesh) -> Similarity {
    crate::engine::track::smooth::fit(mesh).unwrap()
}

/// Mean distance, in pixels, of the face's places where `a` and `b` take them.
fn apart(a: Similarity, b: Similarity) -> f32 {
    let mesh = frontal();
    let places = mesh.iter().map(|p| Point::new(p[0], p[1]));
    places.map(|p| a.apply(p).distance(b.apply(p))).sum::<f32>() / mesh.len() as f32
}

/// What is measured where the face moves by `truth` and its landmarks say `wrong` more; `look` is the second
/// picture, given where the first had what is at a place.
fn measured(
    truth: Similarity,
    wrong: Similarity,
    look: impl Fn(Point, Point) -> f32,
) -> (Option<Similarity>, f32) {
    let (mesh, mut motion) = (frontal(), Motion::default());
    let back = truth.inverse().unwrap();
    assert!(motion.follow(&patch(crop(0.0, 0.0), scene), &mesh, fit(&mesh)).is_none());
    let told = placed(&mesh, wrong.after(truth));
    let second = patch(crop(3.0, 0.02), |p| look(p, back.apply(p)));
    let moved = motion.follow(&second, &told, fit(&told));
    (moved, apart(wrong.after(truth), truth))
}

const STEP: Similarity = Similarity { a: 1.015, b: 0.02, tx: 6.0, ty: -9.0 };
/// Landmarks that are off by two pixels and a little turned and grown.
const OFF: Similarity = Similarity { a: 1.004, b: 0.004, tx: 1.2, ty: -2.0 };

#[test]
fn what_the_landmarks_miss_is_seen_in_the_picture() {
    let (moved, before) = measured(STEP, OFF, |_, p| scene(p));
    let after = apart(moved.unwrap(), STEP);
    assert!(before > 1.0 && after < 0.1 * before, "{after} of {before} pixels");
}

#[test]
fn another_light_and_a_hand_change_little() {
    let (moved, before) = measured(STEP, OFF, |p, q| {
        // A hand that stays where it is over a third of the face.
        if p.x < 190.0 { 200.0 + 40.0 * (0.2 * p.y).sin() } else { 0.9 * scene(q) - 8.0 }
    });
    let after = apart(moved.unwrap(), STEP);
    assert!(after < 0.35 * before, "{after} of {before} pixels");
}

#[test]
fn where_nothing_is_to_be_seen_the_landmarks_hold() {
    let (mesh, mut motion) = (frontal(), Motion::default());
    let dark = |map| patch(map, |_| 16.0);
    motion.follow(&dark(crop(0.0, 0.0)), &mesh, fit(&mesh));
    let told = placed(&mesh, STEP);
    let moved = motion.follow(&dark(crop(3.0, 0.02)), &told, fit(&told)).unwrap();
    assert!(apart(moved, STEP) < 0.05, "{moved:?}");
}

#[test]
fn another_picture_tells_nothing() {
    let other = |p: Point| 255.0 - scene(Point::new(1.7 * p.y, 1.3 * p.x));
    let (moved, _) = measured(STEP, OFF, |p, _| other(p));
    // It may be none, but it is never far from what the landmarks say.
    let far = moved.map_or(0.0, |moved| apart(moved, OFF.after(STEP)));
    assert!(far < 1.5 * REACH * CROP.1 / SIDE as f32, "{far} pixels");
}

#[test]
fn what_was_forgotten_is_not_followed() {
    let (mesh, mut motion) = (frontal(), Motion::default());
    let seen = patch(crop(0.0, 0.0), scene);
    motion.follow(&seen, &mesh, fit(&mesh));
    motion.forget();
    assert!(motion.follow(&seen, &mesh, fit(&mesh)).is_none());
    assert!(motion.follow(&seen, &mesh, fit(&mesh)).is_some());
}

#[test]
fn a_mesh_of_no_size_or_outside_the_picture_is_no_motion() {
    let (mesh, mut motion) = (frontal(), Motion::default());
    let seen = patch(crop(0.0, 0.0), scene);
    for by in [Similarity { a: 1e-9, ..Similarity::IDENTITY }, Similarity { tx: 1e7, ..Similarity::IDENTITY }]
    {
        let off = placed(&mesh, by);
        let fit = fit(&mesh);
        motion.follow(&seen, &off, fit);
        assert!(motion.follow(&seen, &off, fit).is_none());
    }
}

proptest! {
    #[test]
    fn any_small_motion_is_found(
        grow in -0.03f32..0.03, turn in -0.04f32..0.04, tx in -12.0f32..12.0, ty in -12.0f32..12.0,
        wrong_x in -2.5f32..2.5, wrong_y in -2.5f32..2.5,
    ) {
        let middle = CROP.0;
        let (a, b) = (1.0 + grow, turn);
        let truth = Similarity {
            a,
            b,
            tx: middle.x + tx - a * middle.x + b * middle.y,
            ty: middle.y + ty - b * middle.x - a * middle.y,
        };
        let wrong = Similarity { tx: wrong_x, ty: wrong_y, ..Similarity::IDENTITY };
        let (moved, _) = measured(truth, wrong, |_, p| scene(p));
        let after = apart(moved.unwrap(), truth);
        prop_assert!(after < 0.15, "{after} pixels");
    }
}
