//! Whatever the networks put out, on its way through decoding, tracking and painting.

use std::time::Duration;

use arbitrary::{Result, Unstructured};

use super::bed::{SOURCE, mesh, number, params, pool};
use crate::engine::{
    Colorimetry, Frame, OnLost, Painter, PixelFormat, Plan, Report,
    analyser::{agree, describe},
    detect::{self, Detection},
    geometry::{Point, Rect},
    identity,
    landmarks::{CropBox, read},
    process::MAX_TRACKS,
    swap::mesh::topology::{Mesh, VERTICES},
    track::{Selector, Tracker},
};

const SIZE: (usize, usize) = (96, 64);

/// Detector and landmark outputs, frame after frame.
pub fn outputs(data: &[u8]) {
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    if u.arbitrary::<u8>()? < 4 {
        let photo = image::RgbImage::from_fn(80, 60, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
        identity::fuzzing::cut(&photo, &mesh(u, (80, 60))?);
        return Ok(());
    }
    let params = params(u)?;
    let (mut tracker, mut selector, mut painter) =
        (Tracker::default(), Selector::default(), Painter::new(pool(), None));
    let (mut plan, mut report, mut found) = (Plan::default(), Report::default(), Vec::new());
    let mut pixels = vec![100u8; SIZE.0 * SIZE.1 * 3 / 2];
    let mut time = Duration::ZERO;
    for _ in 0..u.int_in_range(1..=6)? {
        let step = Duration::from_micros(u.int_in_range(0..=700_000)?);
        time += step;
        detections(u, &mut found)?;
        follow(u, &mut tracker, time, params.smoothing)?;
        admit(u, &mut tracker, &found, time, params.smoothing)?;
        tracker.searched(time, SIZE, false);
        selector.choose(&mut tracker.tracks, params.select, params.max_faces, time);
        plan.clear();
        (plan.time, plan.dt) = (time, step);
        for track in &mut tracker.tracks {
            describe(track, SIZE, &params, true, None, &mut plan);
        }
        let (luma, chroma) = pixels.split_at_mut(SIZE.0 * SIZE.1);
        let planes = [luma, chroma, &mut []];
        let strides = [SIZE.0, SIZE.0, 0];
        let frame = Frame::new(PixelFormat::Nv12, SIZE.0, SIZE.1, planes, strides, Colorimetry::default());
        let mut frame = frame.expect("a frame");
        painter.paint(&mut frame, &plan, &SOURCE, &params, &mut report).expect("painting");
        let bare = |face: &crate::engine::plan::Face| face.live && face.selected && params.opacity > 0.0;
        let wanted = plan.faces.iter().filter(|face| bare(face)).count();
        assert!(params.on_lost == OnLost::Pass || report.swapped + report.held >= wanted);
    }
    Ok(())
}

fn detections(u: &mut Unstructured<'_>, found: &mut Vec<Detection>) -> Result<()> {
    if u.arbitrary::<u8>()? < 200 {
        let pool: Vec<f32> = (0..16).map(|_| number(u)).collect::<Result<_>>()?;
        let (family, threshold, scale) =
            (u.arbitrary()?, number(u)?, 0.01 + f32::from(u.arbitrary::<u16>()?) / 100.0);
        let (step, mut at) = (usize::from(u.arbitrary::<u8>()?) | 1, 0);
        detect::fuzzing::decode(
            family,
            threshold,
            scale,
            |map| {
                at += step;
                pool[(at + at / 16 + 5 * map) % pool.len()]
            },
            found,
        );
        return Ok(());
    }
    let numbers: Vec<f32> = (0..64).map(|_| number(u)).collect::<Result<_>>()?;
    let count = if u.ratio(1, 4)? { 10_000 } else { 700 };
    let of = |at: usize| numbers[at % 64] + if at.is_multiple_of(3) { (at % 1900) as f32 } else { 0.0 };
    detect::fuzzing::offer(
        (0..count).map(|i| Detection {
            rect: Rect::new(of(7 * i), of(7 * i + 1), of(11 * i + 2), of(11 * i + 3)),
            score: numbers[(i * 13) % 64].abs().fract(),
            points: std::array::from_fn(|k| Point::new(of(5 * i + k), of(3 * i + k))),
        }),
        found,
    );
    Ok(())
}

/// Any landmarks for a crop, through the reader of the network's outputs.
fn look(u: &mut Unstructured<'_>, crop: CropBox, out: &mut Mesh) -> Result<f32> {
    if !crop.is_usable() {
        return Ok(f32::NEG_INFINITY);
    }
    let mut points: Vec<f32> = mesh(u, (192, 192))?.into_iter().flatten().collect();
    for _ in 0..u.int_in_range(0..=3)? {
        let at = u.int_in_range(0..=3 * VERTICES - 1)?;
        points[at] = number(u)?;
    }
    if u.ratio(1, 20)? {
        points.truncate(u.int_in_range(0..=3 * VERTICES)?);
    }
    let presence = if u.ratio(3, 4)? { 4.0 } else { number(u)? };
    let logit = read(crop.map(), &points, &[presence], out);
    assert!(logit == f32::NEG_INFINITY || out.iter().flatten().all(|v| v.is_finite()));
    Ok(logit)
}

fn follow(u: &mut Unstructured<'_>, tracker: &mut Tracker, time: Duration, smoothing: f32) -> Result<()> {
    let was: Vec<(u64, Rect)> =
        tracker.tracks.iter().filter(|t| t.is_live()).map(|t| (t.id, t.rect)).collect();
    for index in 0..tracker.tracks.len() {
        let track = &mut tracker.tracks[index];
        if !track.is_live() {
            continue;
        }
        track.presence = look(u, track.crop, &mut track.raw)?;
        if track.presence >= 0.0 {
            track.observe(time, smoothing, SIZE);
        } else {
            tracker.lose(index, time);
        }
    }
    tracker.part(time, &was);
    Ok(())
}

fn admit(
    u: &mut Unstructured<'_>,
    tracker: &mut Tracker,
    found: &[Detection],
    time: Duration,
    smoothing: f32,
) -> Result<()> {
    for d in found {
        if tracker.tracks.len() >= MAX_TRACKS || tracker.covers(d.rect) {
            continue;
        }
        let mut track = tracker.take_lost(d, time).unwrap_or_else(|| tracker.start());
        let crop = CropBox::of_detection(d.rect, d.points[0], d.points[1]);
        track.presence = look(u, crop, &mut track.raw)?;
        if track.presence >= 0.0 && (agree(crop, CropBox::of_mesh(&track.raw)) || u.arbitrary()?) {
            track.observe(time, smoothing, SIZE);
            tracker.tracks.push(track);
        } else if track.is_live() {
            tracker.end(track);
        } else {
            tracker.tracks.push(track);
        }
    }
    Ok(())
}
