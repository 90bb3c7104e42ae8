use image::{Rgb, RgbImage};

use super::*;
use crate::engine::{
    Source,
    swap::mesh::{raster::ZERO, topology::frontal, worn},
};

/// A sheet of one detail that saw the left or the right side better.
fn half(value: f32, left: bool) -> Sheet {
    let mut sheet = Sheet::new(Layout::new(100.0), 100.0);
    for at in 0..sheet.facing.len() {
        let better = (sheet.layout.face_at(at)[0] < 0.0) == left;
        sheet.detail[at] = [value; 3];
        sheet.facing[at] = if better { 0.9 } else { 0.3 };
    }
    sheet
}

/// Luma detail at a place, in face widths.
fn luma_at(sheet: &Sheet, place: [f32; 2]) -> f32 {
    let [column, row] = sheet.layout.pixel_at(place).map(|v| v.round() as usize);
    sheet.detail[row * sheet.layout.width + column][0]
}

#[test]
fn each_side_comes_from_the_photo_that_saw_it_with_a_soft_border() {
    let merged =
        merge(half(10.0, true), [Other { sheet: half(-10.0, false), brightness: 150.0 }].into_iter(), 150.0);
    let row = merged.layout.height / 2 * merged.layout.width;
    let line: Vec<f32> = (0..merged.layout.width).map(|x| merged.detail[row + x][0]).collect();
    let (w, middle) = (line.len(), line.len() / 2);
    assert!((line[w / 4] - 10.0).abs() < 0.1 && (line[3 * w / 4] + 10.0).abs() < 0.1);
    assert!(line[middle].abs() < 6.0, "{}", line[middle]);
    let steepest = line.windows(2).map(|p| (p[0] - p[1]).abs()).fold(0.0, f32::max);
    assert!(steepest < 8.0, "{steepest}");
}

#[test]
fn an_unseen_side_is_the_seen_one_mirrored() {
    let mut sheet = half(0.0, true);
    for at in 0..sheet.detail.len() {
        let [x, y] = sheet.layout.face_at(at);
        sheet.detail[at] = [if x < 0.0 { 20.0 * y } else { 90.0 }; 3];
    }
    sheet.mirror();
    for at in 0..sheet.detail.len() {
        let [x, y] = sheet.layout.face_at(at);
        if x.abs() > 0.2 {
            assert!((sheet.detail[at][0] - 20.0 * y).abs() < 1.0, "{x} {y}");
        }
    }
}

#[test]
fn hair_on_the_forehead_is_taken_out_and_a_beard_is_kept() {
    let mut sheet = half(0.0, true);
    let limit = |[_, y]: [f32; 2]| if y > 0.2 { 400.0 } else { 26.0 };
    for at in 0..sheet.detail.len() {
        let [x, y] = sheet.layout.face_at(at);
        sheet.facing[at] = 0.9;
        sheet.limit[at] = limit([x, y]);
        let hair = y < -0.35 && x < -0.1;
        sheet.detail[at] = if hair || y > 0.3 { [-90.0, 0.0, 0.0] } else { [0.0; 3] };
    }
    let found = sheet.look(1.0, &[]);
    sheet.clean(&found);
    for at in 0..sheet.detail.len() {
        let ([x, y], dark) = (sheet.layout.face_at(at), sheet.detail[at][0]);
        match y {
            _ if y < -0.42 && x < -0.2 => assert!(dark > -15.0, "{x} {y} {dark}"),
            _ if y > 0.35 => assert!(dark < -80.0, "{x} {y} {dark}"),
            _ => {}
        }
    }
}

#[test]
fn shadows_of_a_harsh_light_are_softened_and_a_beard_and_usual_ones_are_not() {
    let shaded = |levels: f32| {
        let mut sheet = half(0.0, true);
        let shadow = |[x, y]: [f32; 2]| x.abs() < 0.25 && (-0.12..0.08).contains(&y) || y > 0.3;
        for at in 0..sheet.detail.len() {
            let place = sheet.layout.face_at(at);
            sheet.facing[at] = 0.9;
            sheet.limit[at] = if place[1] > 0.2 { 400.0 } else { 220.0 };
            sheet.detail[at] = if shadow(place) { [-levels, 0.0, 0.0] } else { [0.0; 3] };
        }
        let found = sheet.look(1.0, &[]);
        sheet.clean(&found);
        (-luma_at(&sheet, [0.0, -0.02]), -luma_at(&sheet, [0.0, 0.38]))
    };
    let (harsh, beard) = shaded(70.0);
    assert!((15.0..30.0).contains(&harsh) && beard > 60.0, "{harsh} {beard}");
    let (usual, _) = shaded(30.0);
    assert!(usual > 27.0, "{usual}");
}

/// Skin with `look` on it, in face widths; a face 300 pixels wide, seen from the front, made a source.
fn source(look: impl Fn(f32, f32) -> Option<[u8; 3]>) -> Source {
    const SIZE: u32 = 480;
    let mesh = frontal();
    let photo = RgbImage::from_fn(SIZE, SIZE, |x, y| {
        let place = |v: u32| (v as f32 + 0.5 - 240.0) / 300.0;
        Rgb(look(place(x), place(y)).unwrap_or([170, 140, 125]))
    });
    Source::of_mesh(&photo, &mesh)
}

/// A skin's detail where `there` says so, in levels: the least and the most.
fn extremes(source: &Source, there: impl Fn([f32; 3]) -> bool) -> (f32, f32) {
    let (t, skin) = (topology(), &source.view().skin);
    let triangles = t.triangles[..t.skin].iter().filter(|tri| {
        there([0, 1, 2].map(|k| tri.iter().map(|&v| t.canonical[usize::from(v)][k]).sum::<f32>() / 3.0))
    });
    let detail = triangles.map(|tri| {
        let at = |k: usize| tri.iter().map(|&v| skin.uv[usize::from(v)][k]).sum::<f32>() / 3.0;
        skin.texture.mean(at(0), at(1), 1.0)[0] - ZERO
    });
    detail.fold((0.0, 0.0), |(least, most), d| (d.min(least), d.max(most)))
}

/// The darkest that a skin's detail becomes where `there` says so, in levels.
fn darkest(source: &Source, there: impl Fn([f32; 3]) -> bool) -> f32 {
    extremes(source, there).0
}

#[test]
fn the_frame_of_glasses_is_not_part_of_the_person() {
    let frame = |x: f32, y: f32| {
        let rim = ((x.abs() - 0.22).hypot(y + 0.2) - 0.16).abs() < 0.012;
        rim || (y + 0.24).abs() < 0.012 && x.abs() < 0.08
    };
    let cheeks = |[x, y, _]: [f32; 3]| y > -0.1 && y < 0.0 && x.abs() > 0.1 && x.abs() < 0.35;
    // As dark, but too broad to be a frame: a birthmark.
    let mark = |x: f32, y: f32| (x - 0.24).hypot(y + 0.04) < 0.05;
    let with =
        |look: &dyn Fn(f32, f32) -> bool| darkest(&source(|x, y| look(x, y).then_some([40, 30, 30])), cheeks);
    let (glasses, marked) = (with(&frame), with(&mark));
    assert!(glasses > -12.0, "{glasses}");
    assert!(marked < -35.0, "{marked}");
    assert!(worn::Worn::default().at([0.22, -0.04]) == 0.0);
}

#[test]
fn under_a_thin_frame_the_face_keeps_its_shape() {
    let frame = |x: f32, y: f32| {
        let rim = ((x.abs() - 0.22).hypot(y + 0.19) - 0.15).abs() < 0.007;
        rim || (y + 0.22).abs() < 0.007 && x.abs() < 0.075
    };
    // The nose has a dark side.
    let skin = |x: f32| if x > 0.03 && x < 0.13 { [135, 108, 95] } else { [170, 140, 125] };
    let (bare, glasses) = (
        source(|x, _| Some(skin(x))),
        source(|x, y| Some(if frame(x, y) { skin(x).map(|c| c - 45) } else { skin(x) })),
    );
    let cheeks = |[x, y, _]: [f32; 3]| y > -0.08 && y < 0.0 && x.abs() > 0.16 && x.abs() < 0.32;
    let left = darkest(&glasses, cheeks);
    assert!(left > -9.0, "{left}");
    let nose = |[x, y, _]: [f32; 3]| x > 0.05 && x < 0.1 && y > -0.2 && y < 0.0;
    let (with, without) = (darkest(&glasses, nose), darkest(&bare, nose));
    assert!(without < -15.0 && with < 0.6 * without, "{with} {without}");
}

#[test]
fn cloth_before_the_chin_is_taken_out() {
    let before = |x: f32, y: f32| y > 0.36 && x > -0.1;
    let chin = |[x, y, _]: [f32; 3]| y > 0.42 && x.abs() < 0.2;
    let left = |colour: [u8; 3]| darkest(&source(|x, y| before(x, y).then_some(colour)), chin);
    let (cloth, beard) = (left([50, 60, 90]), left([70, 55, 48]));
    assert!(cloth > -30.0 && beard < -45.0, "{cloth} {beard}");
}

#[test]
fn a_socket_in_shadow_is_lightened_and_the_brow_is_not() {
    let shadow = |x: f32, y: f32| x.abs() > 0.08 && x.abs() < 0.36 && y > -0.4 && y < -0.16;
    let source = source(|x, y| shadow(x, y).then_some([60, 45, 40]));
    let (t, skin) = (topology(), &source.view().skin);
    let detail = |[x, y]: [f32; 2]| skin.texture.mean(x, y, 2.0)[0] - ZERO;
    let uv = |v: u16| skin.uv[usize::from(v)];
    let lids = [(105, 159), (334, 386)].map(|(brow, eye)| {
        let (a, b) = (uv(brow), uv(eye));
        detail([0, 1].map(|k| 0.1 * a[k] + 0.9 * b[k]))
    });
    assert!(lids.iter().all(|lid| *lid > -78.0), "{lids:?}");
    let brow = t.left_brow.iter().map(|&v| detail(uv(v))).fold(0.0, f32::min);
    assert!(brow < -60.0, "{brow}");
}

#[test]
fn the_dark_of_an_open_mouth_is_not_the_lips() {
    let mut sheet = half(0.0, true);
    for at in 0..sheet.detail.len() {
        let [x, y] = sheet.layout.face_at(at);
        sheet.facing[at] = 0.9;
        sheet.limit[at] = 400.0;
        sheet.lips[at] = (x.abs() - 0.15).max((y - 0.3).abs() - 0.05).max(0.0);
        sheet.detail[at] = [if y > 0.3 { -130.0 } else { -30.0 }, 0.0, 0.0];
    }
    let found = sheet.look(1.0, &[]);
    sheet.clean(&found);
    let [dark, lips, beard] = [0.33, 0.26, 0.45].map(|y| luma_at(&sheet, [0.0, y]));
    assert!(dark > -68.0 && lips < -25.0 && beard < -120.0, "{dark} {lips} {beard}");
}

#[test]
fn a_fringe_gives_neither_strands_nor_shade_to_the_forehead() {
    let strands = |x: f32, y: f32| {
        let light = ((60.0 * x).sin() * 30.0) as i32;
        (y < -0.33).then(|| [110, 85, 60].map(|c: i32| (c + light) as u8))
    };
    let (bare, hairy) = (source(|_, _| None), source(strands));
    let forehead = |[x, y, _]: [f32; 3]| y < -0.4 && x.abs() < 0.2;
    let detail = darkest(&hairy, forehead);
    assert!(detail > -14.0, "{detail}");
    let shade = |source: &Source| {
        let t = topology();
        let high = (0..VERTICES).filter(|&v| t.canonical[v][1] < -0.4);
        let sum = high.clone().map(|v| luma(&source.view().skin.low[v])).sum::<f32>();
        sum / high.count() as f32
    };
    let (bare, hairy) = (shade(&bare), shade(&hairy));
    assert!((bare - hairy).abs() < 8.0, "{bare} {hairy}");
}

#[test]
fn hair_that_hangs_over_a_brow_does_not_stay_above_it() {
    // The brow itself, and hair from above that comes down to it.
    let brow = |x: f32, y: f32| (x.abs() - 0.22).abs() < 0.12 && (y + 0.37).abs() < 0.02;
    let look = |x: f32, y: f32, hair: bool| match (x, y) {
        _ if brow(x, y) => Some([70, 50, 40]),
        _ if hair && y < -0.39 => {
            Some([105, 80, 55].map(|c: i32| (c + ((90.0 * x).sin() * 25.0) as i32) as u8))
        }
        _ => None,
    };
    let above = |[x, y, _]: [f32; 3]| y < -0.43 && y > -0.5 && x.abs() > 0.1 && x.abs() < 0.3;
    let on = |[x, y, _]: [f32; 3]| (y + 0.37).abs() < 0.012 && x.abs() > 0.12 && x.abs() < 0.26;
    let (bare, hairy) = (source(|x, y| look(x, y, false)), source(|x, y| look(x, y, true)));
    let left = darkest(&hairy, above);
    assert!(left > -16.0, "{left}");
    let (alone, below) = (darkest(&bare, on), darkest(&hairy, on));
    assert!(alone < -40.0 && below < 0.6 * alone, "{alone} {below}");
}

#[test]
fn a_strand_down_one_cheek_is_taken_out_with_its_edge() {
    let strand = |x: f32, y: f32| x > 0.36 + 0.1 * (y - 0.1) && y < 0.15;
    let cheek = |[x, y, _]: [f32; 3]| x > 0.3 && x < 0.46 && y > -0.2 && y < 0.1;
    let left = darkest(&source(|x, y| strand(x, y).then_some([45, 35, 30])), cheek);
    assert!(left > -20.0, "{left}");
}

#[test]
fn shade_on_the_cheeks_is_no_hair_also_beside_it() {
    let shaded = |x: f32, y: f32| {
        let down = smoothstep(-0.34, -0.2, y) * smoothstep(0.42, 0.3, y);
        let shade = 1.0 - 0.75 * down * smoothstep(0.24, 0.4, x.abs());
        [170.0, 140.0, 125.0].map(|c: f32| (c * shade) as u8)
    };
    let hair = |x: f32, y: f32| x.abs() > 0.36 && y < -0.2;
    let cheek = |[x, y, _]: [f32; 3]| x.abs() > 0.36 && x.abs() < 0.43 && y > -0.1 && y < 0.2;
    let alone = darkest(&source(|x, y| Some(shaded(x, y))), cheek);
    let beside = darkest(&source(|x, y| Some(if hair(x, y) { [45, 35, 30] } else { shaded(x, y) })), cheek);
    assert!(alone < -20.0 && beside < 0.6 * alone, "{alone} {beside}");
}

#[test]
fn a_bright_and_wrinkled_forehead_stays() {
    let wrinkles = |_: f32, y: f32| {
        (y < -0.3).then(|| [188, 156, 140].map(|c: i32| (c + ((140.0 * y).sin() * 20.0) as i32) as u8))
    };
    let source = source(wrinkles);
    let (t, skin) = (topology(), &source.view().skin);
    let high = (0..VERTICES).filter(|&v| t.canonical[v][1] < -0.36 && t.canonical[v][0].abs() < 0.2);
    let spread = high
        .map(|v| skin.texture.mean(skin.uv[v][0], skin.uv[v][1], 1.0)[0] - ZERO)
        .fold((0.0f32, 0.0f32), |(low, high), d| (low.min(d), high.max(d)));
    assert!(spread.1 - spread.0 > 12.0, "{spread:?}");
}

#[test]
fn a_raised_brow_stays_with_its_creases_and_a_frown_too() {
    let skin = [170, 140, 125];
    let creases = |_: f32, y: f32| {
        (y < -0.34).then(|| skin.map(|c: i32| (c + ((120.0 * y).sin() * 40.0) as i32) as u8))
    };
    let frown =
        |x: f32, y: f32| ((x.abs() - 0.03).abs() < 0.012 && y > -0.42 && y < -0.26).then_some([80, 55, 45]);
    let forehead = |[x, y, _]: [f32; 3]| y < -0.36 && y > -0.46 && x.abs() < 0.2;
    let (least, most) = extremes(&source(creases), forehead);
    assert!(most - least > 35.0, "{least} {most}");
    let between = darkest(&source(frown), |[x, y, _]| x.abs() < 0.05 && y > -0.4 && y < -0.28);
    assert!(between < -35.0, "{between}");
}

#[test]
fn a_brow_under_hair_has_no_corners() {
    let source = source(|x, y| {
        (y < -0.3).then(|| [95, 72, 50].map(|c: i32| (c + ((90.0 * x).sin() * 20.0) as i32) as u8))
    });
    let skin = &source.view().skin;
    // Along a line through the middle of a brow's hull, from between the brows outwards.
    let (inner, outer) = (skin.uv[55], skin.uv[105]);
    let detail = |t: f32| {
        let at = |k: usize| inner[k] + t * (outer[k] - inner[k]);
        skin.texture.mean(at(0), at(1), 2.0)[0] - ZERO
    };
    let line: Vec<f32> = (-40..=40).map(|i| detail(0.025 * i as f32)).collect();
    let steepest = line.windows(4).map(|d| (d[3] - d[0]).abs()).fold(0.0, f32::max);
    assert!(steepest < 28.0, "{steepest} {line:?}");
    assert!(line.iter().any(|d| *d < -15.0), "what is in its middle stays: {line:?}");
}

#[test]
fn an_ear_beside_the_face_is_taken_out_and_a_beard_there_is_not() {
    let beside = |x: f32, y: f32| x.abs() > 0.4 && y > 0.05;
    let jaw = |[x, y, _]: [f32; 3]| x.abs() > 0.42 && y > 0.1 && y < 0.4;
    let ear = source(|x, y| beside(x, y).then_some(if y < 0.22 { [235, 205, 190] } else { [90, 70, 60] }));
    let (dark, bright) = extremes(&ear, jaw);
    assert!(dark > -25.0 && bright < 25.0, "{dark} {bright}");
    let beard = source(|x, y| (beside(x, y) && y > 0.15).then_some([90, 70, 60]));
    let dark = darkest(&beard, jaw);
    assert!(dark < -35.0, "{dark}");
}

#[test]
fn skin_seen_from_the_side_gives_no_streaks() {
    let mut sheet = half(0.0, true);
    for at in 0..sheet.detail.len() {
        let [x, y] = sheet.layout.face_at(at);
        sheet.facing[at] = if x > 0.2 { 0.02 } else { 0.5 };
        sheet.limit[at] = 62.0;
        sheet.detail[at] = [if (160.0 * y).sin() > 0.0 { 8.0 } else { -8.0 }, 0.0, 0.0];
    }
    // Beside the streaks skin is plain.
    for at in 0..sheet.detail.len() {
        if sheet.layout.face_at(at)[0] < -0.1 {
            sheet.detail[at] = [0.0; 3];
        }
    }
    let found = sheet.look(1.0, &[]);
    sheet.clean(&found);
    let most = |low: f32, high: f32| {
        let within = (0..sheet.detail.len()).filter(|&at| {
            let [x, y] = sheet.layout.face_at(at);
            x > low && x < high && y.abs() < 0.3
        });
        within.map(|at| sheet.detail[at][0].abs()).fold(0.0, f32::max)
    };
    assert!(most(0.25, 0.45) < 3.0, "{}", most(0.25, 0.45));
    assert!(most(0.0, 0.15) > 6.0, "{}", most(0.0, 0.15));
}
