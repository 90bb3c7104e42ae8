//! Frames of any format, size, stride and offset, read and written in every way there is.

use arbitrary::{Result, Unstructured};

use super::bed::{SOURCE, finite, mesh, params, pool, rect};
use crate::engine::{
    Colorimetry, Frame, Matrix, Painter, PixelFormat, Plan, Range, Report,
    detect::Canvas,
    frame::{self, CropScratch},
    geometry::Point,
    landmarks::CropBox,
    plan::Show,
    swap::cover::Cover,
    track::SceneCut,
};

/// A frame in memory of any layout; what its rows do not cover must stay as it is.
pub fn frame(data: &[u8]) {
    // What the bytes do not reach to is left out.
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let format = *u.choose(&PixelFormat::ALL)?;
    let side = |u: &mut Unstructured<'_>| match u.arbitrary::<u8>()? {
        0..=99 => u.int_in_range(1..=9usize),
        100..=249 => u.int_in_range(1..=140),
        _ => Ok(1 + 61 * usize::from(u.arbitrary::<u8>()?)),
    };
    let (width, height) = (side(u)?, side(u)?);
    let (mut memory, mut strides, mut offsets): ([Vec<u8>; 3], [usize; 3], [usize; 3]) = Default::default();
    let mut fits = true;
    for plane in 0..format.planes() {
        let (row, rows) = format.plane_size(plane, width, height);
        strides[plane] = match u.arbitrary::<u8>()? {
            0..=99 => row,
            100..=239 => row + usize::from(u.arbitrary::<u8>()?),
            240..=249 => u.int_in_range(0..=row)?,
            _ => u.arbitrary()?,
        };
        offsets[plane] = usize::from(u.arbitrary::<u8>()? % 70);
        let whole = strides[plane].saturating_mul(rows.saturating_sub(1)).saturating_add(row);
        let length = match u.arbitrary::<u8>()? {
            0..=229 => whole,
            230..=244 => whole.saturating_add(usize::from(u.arbitrary::<u8>()?)),
            _ => whole.saturating_sub(usize::from(u.arbitrary::<u8>()?)),
        };
        fits &= strides[plane] >= row && length >= whole;
        let seed = u.arbitrary::<u8>()?;
        let bytes = length.min(1 << 22);
        fits &= bytes == length || bytes >= whole;
        memory[plane] = (0..offsets[plane] + bytes).map(|i| (i as u8).wrapping_mul(31) ^ seed).collect();
    }
    let colorimetry = Colorimetry {
        matrix: *u.choose(&[Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020, Matrix::Smpte240m, Matrix::Fcc])?,
        range: *u.choose(&[Range::Limited, Range::Full])?,
    };
    let before = memory.clone();
    let planes = {
        let mut planes = memory.each_mut().into_iter().zip(offsets);
        [(); 3].map(|()| {
            planes.next().map_or(&mut [][..], |(plane, offset): (&mut Vec<u8>, usize)| {
                let from = offset.min(plane.len());
                &mut plane[from..]
            })
        })
    };
    let view = Frame::new(format, width, height, planes, strides, colorimetry);
    assert_eq!(view.is_ok(), fits, "{view:?}");
    let Ok(mut view) = view else { return Ok(()) };
    let used = see(u, &mut view);
    let covered = |plane: usize, at: usize| {
        let (row, rows) = format.plane_size(plane, width, height);
        let Some(at) = at.checked_sub(offsets[plane]) else { return false };
        strides[plane] > 0 && at / strides[plane] < rows && at % strides[plane] < row
    };
    for plane in 0..3 {
        let changed = memory[plane].iter().zip(&before[plane]).enumerate().filter(|(_, (a, b))| a != b);
        changed.for_each(|(at, _)| assert!(covered(plane, at), "byte {at} of plane {plane} is no pixel"));
    }
    used
}

fn see(u: &mut Unstructured<'_>, view: &mut Frame<'_>) -> Result<()> {
    let size = (view.width(), view.height());
    let mut cut = SceneCut::default();
    let _ = (cut.is_cut(view), cut.is_cut(view));
    let mut canvas = Canvas::layout(size.0, size.1, 32 * u.int_in_range(1..=4)?);
    frame::to_canvas(view, &mut canvas);
    assert!(canvas.rgb.iter().all(|v| (0.0..=255.0).contains(v)));
    let mut scratch = CropScratch::default();
    for _ in 0..u.int_in_range(0..=2)? {
        let crop = match u.arbitrary()? {
            true => CropBox::of_mesh(&mesh(u, size)?),
            false => {
                CropBox { centre: Point::new(finite(u)?, finite(u)?), side: finite(u)?, angle: finite(u)? }
            }
        };
        if crop.is_usable() {
            let side = 4 * u.int_in_range(2..=24)?;
            let map =
                crate::engine::geometry::Similarity::crop(crop.centre, crop.side, crop.angle, side as f32);
            let mut out = vec![f32::NAN; 3 * side * side];
            frame::crop(view, map, side, 1.0 / 255.0, &mut scratch, &mut out);
            assert!(out.iter().all(|v| (0.0..=1.0).contains(v)), "{crop:?}");
        }
    }
    let (mut painter, mut plan, mut report) =
        (Painter::new(pool(), None), Plan::default(), Report::default());
    let params = params(u)?;
    for number in 0..u.int_in_range(1..=2u64)? {
        plan.clear();
        (plan.time, plan.dt) =
            (std::time::Duration::from_millis(33 * number), std::time::Duration::from_millis(33));
        for track in 0..u.int_in_range(0..=2u64)? {
            let (raw, drawn) = (mesh(u, size)?, mesh(u, size)?);
            let face = plan.add();
            (face.track, face.live, face.selected) = (track, u.arbitrary()?, true);
            (*face.raw, *face.mesh) = (raw, if u.arbitrary()? { raw } else { drawn });
            (face.rect, face.cover) = (rect(u)?, rect(u)?);
            face.show = match u.int_in_range(0..=4)? {
                0 => Show::Held,
                1 => Show::Cover(Cover::Blur),
                2 => Show::Cover(Cover::Black),
                _ => Show::Swap { relight: true },
            };
        }
        painter.paint(view, &plan, &SOURCE, &params, &mut report).expect("painting");
    }
    Ok(())
}
