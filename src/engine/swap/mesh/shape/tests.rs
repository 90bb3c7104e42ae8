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
fn wider_set_eyes_are_moved_and_the_oval_stays() {
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
        assert!((moved - 1.5).abs() < 0.2, "{moved}");
    }
    for &v in &t.oval {
        let v = usize::from(v);
        assert!((out[v][0] - mesh[v][0]).abs() < 0.05);
    }
    assert!(!usual.move_towards(&Shape::of(&posed(1.2, 100.0)), 1.0, &mesh, &mut out));
}

#[test]
fn lips_thicken_eyes_slant_and_half_of_shape_moves_the_whole_nose() {
    let mut source = topology().canonical.clone();
    let [outer, inner] = [17, 14];
    source[outer][1] += 0.02;
    source[33][1] -= 0.02;
    source[1][1] -= 0.03;
    let mut usual = Usual::default();
    let mesh = posed(0.0, 100.0);
    usual.observe(&mesh, Duration::from_millis(40));
    let mut out = mesh.clone();
    assert!(usual.move_towards(&Shape::of(&source), 0.5, &mesh, &mut out));
    let moved = |v: usize| out[v][1] - mesh[v][1];
    assert!((moved(outer) - moved(inner) - 1.0).abs() < 0.2, "{} {}", moved(outer), moved(inner));
    assert!(moved(33) - moved(133) < -0.5, "{} {}", moved(33), moved(133));
    assert!((moved(1) + 3.0).abs() < 0.3, "{}", moved(1));
}
