use super::*;
use crate::engine::{Colorimetry, PixelFormat};

const SIZE: usize = 480;
const FACE: f32 = 300.0;
const STEP: Duration = Duration::from_millis(33);

/// A face seen from the front.
fn mesh() -> Box<Mesh> {
    let mut mesh = topology().canonical.clone();
    mesh.iter_mut().for_each(|p| *p = [FACE * p[0] + 240.0, FACE * p[1] + 240.0, FACE * p[2]]);
    mesh
}

/// The colour of a face at a place in face widths: brows and lips on even skin.
fn face(x: f32, y: f32) -> [f32; 3] {
    match (x.abs(), y) {
        (0.1..0.35, -0.33..-0.29) => [60.0, 45.0, 40.0],
        (..0.14, 0.24..0.34) => [170.0, 95.0, 95.0],
        _ => [190.0, 145.0, 125.0],
    }
}

/// Shows `colour` (of the place in face widths) for a moment.
fn look(occlusion: &mut Occlusion, colour: impl Fn(f32, f32) -> [f32; 3]) {
    let mut data: Vec<u8> = (0..SIZE * SIZE)
        .flat_map(|at| {
            let place = |v: usize| (v as f32 + 0.5 - 240.0) / FACE;
            colour(place(at % SIZE), place(at / SIZE)).map(|c| c as u8)
        })
        .collect();
    let planes = [&mut data[..], &mut [][..], &mut [][..]];
    let frame =
        Frame::new(PixelFormat::Rgb, SIZE, SIZE, planes, [3 * SIZE, 0, 0], Colorimetry::default()).unwrap();
    occlusion.observe(&frame, &mesh(), STEP);
}

fn known() -> Occlusion {
    let mut occlusion = Occlusion::default();
    (0..12).for_each(|_| look(&mut occlusion, face));
    occlusion
}

fn in_disc(x: f32, y: f32, at: [f32; 2]) -> bool {
    (x - at[0]).hypot(y - at[1]) < 0.16
}

/// Shares of the disc and of the rest of the face that are masked.
fn masked(occlusion: &Occlusion, at: [f32; 2]) -> (f32, f32) {
    let s = sheet();
    let share = |inside: bool| {
        let own = (0..s.skin.len()).filter(|&i| {
            // The sheet unrolls the face: near its middle the two agree.
            s.skin[i] > 0.0 && in_disc(s.place[i][0], s.place[i][1], at) == inside
        });
        let (sum, n) = own.fold((0.0, 0.0), |(sum, n), i| (sum + occlusion.mask[i], n + 1.0));
        if occlusion.any { sum / n } else { 0.0 }
    };
    (share(true), share(false))
}

#[test]
fn what_comes_before_a_known_face_is_masked_and_nothing_else() {
    let at = [-0.05, 0.12];
    // A microphone, a glove, a hand of nearly the face's own colour.
    for colour in [[30.0; 3], [60.0, 90.0, 160.0], [205.0, 140.0, 105.0]] {
        let mut occlusion = known();
        assert!(!occlusion.any());
        (0..3).for_each(|_| {
            look(&mut occlusion, |x, y| if in_disc(x, y, at) { colour } else { face(x, y) });
        });
        let (on, beside) = masked(&occlusion, at);
        assert!(on > 0.85 && beside < 0.04, "{colour:?}: {on} {beside}");
        (0..12).for_each(|_| look(&mut occlusion, face));
        assert!(!occlusion.any(), "{colour:?} is gone");
    }
}

#[test]
fn expression_light_and_shade_are_not_masked() {
    type Face = fn(f32, f32) -> [f32; 3];
    let looks: [(&str, Face); 5] = [
        ("brows and lips move", |x, y| face(x, y - 0.03)),
        ("the mesh lies beside the face", |x, y| face(x + 0.015, y + 0.015)),
        ("the light grows", |x, y| face(x, y).map(|c| 1.25 * c)),
        ("light from the side", |x, y| face(x, y).map(|c| (0.85 + 0.5 * x) * c)),
        ("a soft shade", |x, y| face(x, y).map(|c| (1.0 - 0.25 * smoothstep(0.0, 0.3, x)) * c)),
    ];
    for (what, colour) in looks {
        let mut occlusion = known();
        (0..6).for_each(|_| look(&mut occlusion, colour));
        assert!(!occlusion.any(), "{what}: {:?}", masked(&occlusion, [0.0, 0.1]));
    }
}

#[test]
fn what_was_there_from_the_start_leaves_no_ghost() {
    let at = [0.22, 0.2];
    let mut occlusion = Occlusion::default();
    (0..12).for_each(|_| look(&mut occlusion, |x, y| if in_disc(x, y, at) { [30.0; 3] } else { face(x, y) }));
    for _ in 0..4 {
        look(&mut occlusion, face);
        let (on, beside) = masked(&occlusion, at);
        assert!(on < 0.1 && beside < 0.03, "{on} {beside}");
    }
}

#[test]
fn what_was_there_from_the_start_is_found_when_it_moves() {
    let mut occlusion = Occlusion::default();
    let at = |k: i32| [0.2 - 0.01 * (k - 12).max(0) as f32, 0.15];
    let mut last = (0.0, 0.0);
    for k in 0..22 {
        look(&mut occlusion, |x, y| if in_disc(x, y, at(k)) { [30.0; 3] } else { face(x, y) });
        last = masked(&occlusion, at(k));
    }
    assert!(last.0 > 0.6 && last.1 < 0.05, "{last:?}");
}

#[test]
fn another_face_starts_unknown() {
    let mut occlusion = known();
    // Of a bare face every other frame is looked at.
    (0..2).for_each(|_| {
        look(&mut occlusion, |x, y| if in_disc(x, y, [0.0, 0.1]) { [30.0; 3] } else { face(x, y) });
    });
    assert!(occlusion.any());
    occlusion.forget();
    assert!(!occlusion.any());
    look(&mut occlusion, |_, _| [90.0, 60.0, 50.0]);
    assert!(!occlusion.any());
}
