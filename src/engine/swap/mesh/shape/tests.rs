use super::*;

fn posed(angle: f32, scale: f32) -> Box<Mesh> {
    let (sin, cos) = angle.sin_cos();
    let mut mesh = topology().canonical.clone();
    for p in mesh.iter_mut() {
        let [x, y, z] = *p;
        *p = [scale * (cos * x + sin * z) + 300.0, scale * y + 200.0, scale * (cos * z - sin * x)];
    }
    mesh
}

#[test]
fn pose_is_found_and_undone() {
    for angle in [-0.8f32, 0.0, 0.3] {
        let mesh = posed(angle, 150.0);
        let pose = Pose::of(&mesh);
        assert!((pose.scale - 150.0).abs() < 0.1, "{angle} {pose:?}");
        assert!((pose.angle(&Pose::of(&topology().canonical)) - angle.abs()).abs() < 1e-2);
        for (p, own) in mesh.iter().zip(topology().canonical.iter()) {
            let back = pose.undo(*p);
            assert!((0..3).all(|k| (back[k] - own[k]).abs() < 1e-3));
        }
    }
}

#[test]
fn harmonic_weights_are_means() {
    let t = &*TABLES;
    for row in t.spread.chunks_exact(t.fixed.len()) {
        let sum: f32 = row.iter().sum();
        assert!((sum - 1.0).abs() < 1e-3 && row.iter().all(|w| *w > -1e-4), "{sum}");
    }
}

#[test]
fn the_same_face_in_another_pose_moves_nothing() {
    let mut usual = Usual::default();
    let mesh = posed(0.2, 100.0);
    usual.observe(&mesh, Duration::from_millis(40));
    let mut out = mesh.clone();
    usual.move_towards(&Shape::of(&posed(0.0, 300.0)), 1.0, &mesh, &mut out);
    let most = mesh.iter().zip(out.iter()).map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1]));
    assert!(most.fold(0.0, f32::max) < 0.2);
}

#[test]
fn wider_set_eyes_are_moved_all_the_way_by_half_of_shape_and_the_oval_stays() {
    let t = topology();
    let mut wide = topology().canonical.clone();
    for set in [&t.left_eye, &t.right_eye] {
        for &v in set {
            let v = usize::from(v);
            wide[v][0] += 0.03 * wide[v][0].signum();
        }
    }
    let mut usual = Usual::default();
    let mesh = posed(0.0, 100.0);
    usual.observe(&mesh, Duration::from_millis(40));
    let mut out = mesh.clone();
    assert!(usual.move_towards(&Shape::of(&wide), 0.5, &mesh, &mut out));
    for &v in &t.left_eye {
        let moved = out[usize::from(v)][0] - mesh[usize::from(v)][0];
        assert!((moved - 3.0).abs() < 0.2, "{moved}");
    }
    for &v in &t.oval {
        let v = usize::from(v);
        assert!((out[v][0] - mesh[v][0]).abs() < 0.05);
    }
    assert!(!usual.move_towards(&Shape::of(&posed(1.2, 100.0)), 1.0, &mesh, &mut out));
}

/// How far `vertex` is moved in x and y, in face widths, by `shape` towards a face whose vertices are where `change`
/// has them.
fn moved(shape: f32, vertex: usize, change: impl Fn(&mut Mesh)) -> [f32; 2] {
    let mut source = topology().canonical.clone();
    change(&mut source);
    let mut usual = Usual::default();
    let mesh = posed(0.0, 100.0);
    usual.observe(&mesh, Duration::from_millis(40));
    let mut out = mesh.clone();
    assert!(usual.move_towards(&Shape::of(&source), shape, &mesh, &mut out));
    [0, 1].map(|k| 0.01 * (out[vertex][k] - mesh[vertex][k]))
}

#[test]
fn cheeks_and_chin_get_the_sources_outline_and_the_forehead_keeps_its_own() {
    const CHEEK: usize = 58;
    const CHIN: usize = 152;
    const FOREHEAD: usize = 10;
    // Narrower below the nose, where the pose is not taken from, and longer.
    let narrow = |source: &mut Mesh| {
        for &v in &topology().oval {
            let p = &mut source[usize::from(v)];
            if p[1] > 0.1 {
                p[0] *= 0.9;
                p[1] += 0.04;
            }
        }
    };
    let [across, down] = moved(0.5, CHEEK, narrow);
    assert!((across + 0.1 * topology().canonical[CHEEK][0]).abs() < 0.004, "{across}");
    assert!((down - 0.7 * 0.04).abs() < 0.004, "{down}");
    let chin = moved(0.5, CHIN, narrow);
    assert!(chin[0].abs() < 0.002 && (chin[1] - 0.7 * 0.04).abs() < 0.004, "{chin:?}");
    assert!(moved(0.5, FOREHEAD, narrow).iter().all(|o| o.abs() < 0.002));
    let far = moved(1.0, CHIN, |source| source[CHIN][1] += 1.0);
    assert!(far[1] < 0.15, "{far:?} is more than anyone's chin");
}

#[test]
fn lips_go_all_the_way_by_half_of_shape_and_brows_most_of_it_by_all() {
    let [outer, inner] = [17, 14];
    for (shape, share) in [(0.25, 0.5), (0.5, 1.0), (1.0, 1.0)] {
        let thick = |v| moved(shape, v, |source| source[outer][1] += 0.02)[1];
        let thicker = thick(outer) - thick(inner);
        assert!((thicker - share * 0.02).abs() < 0.002, "shape {shape}: {thicker}");
    }
    let brows = &topology().right_brow;
    let lower = |source: &mut Mesh| brows.iter().for_each(|&v| source[usize::from(v)][1] += 0.02);
    for (shape, share) in [(0.5, 0.4), (1.0, 0.8)] {
        let [_, down] = moved(shape, usize::from(brows[0]), lower);
        assert!((down - share * 0.02).abs() < 0.003, "shape {shape}: {down}");
    }
}

#[test]
fn eyes_slant_and_half_of_shape_moves_the_whole_nose() {
    let change = |source: &mut Mesh| {
        source[33][1] -= 0.02;
        source[1][1] -= 0.03;
    };
    let down = |v: usize| moved(0.5, v, change)[1];
    assert!(down(33) - down(133) < -0.01, "{} {}", down(33), down(133));
    assert!((down(1) + 0.03).abs() < 0.003, "{}", down(1));
}
