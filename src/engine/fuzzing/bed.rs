//! What the entries share: any numbers, any meshes, a source that no network made.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use image::RgbImage;

use crate::engine::{
    ColourMatch, Masks, OnLost, Owner, Params, Select, Source,
    geometry::Rect,
    pool::Pool,
    swap::mesh::topology::{Mesh, VERTICES, topology},
};

pub(super) static SOURCE: LazyLock<Source> = LazyLock::new(|| {
    let photo = RgbImage::from_fn(160, 160, |x, y| {
        let wave = |k: u32| (128.0 + 90.0 * (0.09 * (x * k) as f32 + 0.07 * y as f32).sin()) as u8;
        image::Rgb([wave(1), wave(2), wave(3)])
    });
    Source::of_mesh(&photo, &placed(80.0, 80.0, 50.0, 0.1))
});

/// Threads that are shared by all runs.
pub(super) fn pool() -> Pool {
    static POOL: LazyLock<Pool> = LazyLock::new(|| Pool::new(1).expect("no threads to start"));
    POOL.clone()
}

/// The canonical face, upright at first, in frame pixels.
fn placed(x: f32, y: f32, scale: f32, angle: f32) -> Mesh {
    let (sin, cos) = angle.sin_cos();
    let mut mesh = *topology().canonical;
    for p in &mut mesh {
        let [u, v, w] = p.map(|v| v * scale);
        *p = [x + cos * u - sin * v, y + sin * u + cos * v, w];
    }
    mesh
}

/// Any bits, often those of numbers that mean something.
pub(super) fn number(u: &mut Unstructured<'_>) -> Result<f32> {
    const ODD: [f32; 12] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
        1e-40,
        88.0,
    ];
    Ok(match u.arbitrary::<u8>()? {
        n @ 0..=63 => ODD[usize::from(n) % ODD.len()],
        64..=159 => f32::from(u.arbitrary::<i16>()?) / 256.0,
        160..=223 => f32::from(u.arbitrary::<u16>()?),
        _ => f32::from_bits(u.arbitrary()?),
    })
}

pub(super) fn finite(u: &mut Unstructured<'_>) -> Result<f32> {
    Ok(Some(number(u)?).filter(|v| v.is_finite()).unwrap_or_default())
}

pub(super) fn rect(u: &mut Unstructured<'_>) -> Result<Rect> {
    Ok(Rect::new(finite(u)?, finite(u)?, finite(u)?, finite(u)?))
}

/// A mesh of finite numbers: a face anywhere, of any size, with some vertices wherever they like.
pub(super) fn mesh(u: &mut Unstructured<'_>, frame: (usize, usize)) -> Result<Mesh> {
    let (width, height) = (frame.0 as f32, frame.1 as f32);
    let share = |u: &mut Unstructured<'_>| Ok(f32::from(u.arbitrary::<u8>()?) / 255.0);
    let mut mesh = match u.arbitrary::<u8>()? {
        0..=199 => placed(
            width * (1.6 * share(u)? - 0.3),
            height * (1.6 * share(u)? - 0.3),
            width.max(height) * (0.02 + 0.8 * share(u)?),
            6.3 * share(u)?,
        ),
        _ => placed(finite(u)?, finite(u)?, finite(u)?, share(u)?),
    };
    for _ in 0..u.int_in_range(0..=6)? {
        let (vertex, axis) = (u.int_in_range(0..=VERTICES - 1)?, u.int_in_range(0..=2)?);
        mesh[vertex][axis] = finite(u)?;
    }
    for v in mesh.iter_mut().flatten() {
        *v = if v.is_finite() { *v } else { 0.0 };
    }
    Ok(mesh)
}

/// Settings within their ranges, as the element's properties see to.
pub(super) fn params(u: &mut Unstructured<'_>) -> Result<Params> {
    let unit = |u: &mut Unstructured<'_>| Ok(f32::from(u.arbitrary::<u8>()?) / 255.0);
    let d = Params::default();
    Ok(Params {
        select: *u.choose(&[
            Select::Largest,
            Select::All,
            Select::Centre,
            Select::LeftMost,
            Select::Bottom,
        ])?,
        max_faces: u.int_in_range(1..=64)?,
        opacity: unit(u)?,
        shape: unit(u)?,
        sharpness: 2.0 * unit(u)? - 1.0,
        smoothing: unit(u)?,
        mask_blur: unit(u)?,
        mask_padding: [100.0 * unit(u)?, 100.0 * unit(u)?, 100.0 * unit(u)?, 100.0 * unit(u)?],
        masks: if u.arbitrary()? { Masks::BOX } else { Masks::default() },
        mouth: if u.arbitrary()? { Owner::Source } else { Owner::Target },
        eyes: if u.arbitrary()? { Owner::Source } else { Owner::Target },
        colour_match: *u.choose(&[ColourMatch::None, ColourMatch::Mean, ColourMatch::Light])?,
        on_lost: *u.choose(&[OnLost::Pass, OnLost::Hold, OnLost::Blur, OnLost::Black])?,
        label: u.arbitrary()?,
        ..d
    })
}
