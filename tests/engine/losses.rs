//! Clips whose face is lost, by what comes before it and by leaving the picture: every frame is looked at for a face
//! that shows unswapped.

use gstfaceswap::engine::{EngineError, KeyCrop, KeySwapper, NetworkFacts, OnLost, PixelFormat};
use gstfaceswap::models::Provider;
use image::imageops;

use super::*;
use crate::common::{film::ffmpeg, folder, shared};

const FRAMES: usize = 56;
/// A face of which less shows than this is no longer a face to anybody.
const SEEN: f64 = 0.25;

/// What a clip shows, and where its face is in each frame.
struct Clip {
    frames: Vec<RgbImage>,
    faces: Vec<Rect>,
}

/// One frame of a scene: the picture, how far its face was moved, and what lies before it.
struct Shot {
    picture: RgbImage,
    moved: f32,
    board: Option<Rect>,
}

type Scene = fn(&Clip, usize) -> Shot;

impl Clip {
    fn read(name: &str) -> Option<Clip> {
        let clip = shared(&format!("clips/{name}.mp4"))?;
        let raw = folder(&format!("losses-{name}")).join("rgb");
        const SIDE: u32 = 360;
        ffmpeg(&format!(
            "-i {} -frames:v {FRAMES} -vf scale={SIDE}:{SIDE} -f rawvideo -pix_fmt rgb24 {}",
            clip.display(),
            raw.display()
        ));
        let bytes = std::fs::read(raw).unwrap();
        let frames = bytes.chunks_exact((3 * SIDE * SIDE) as usize);
        let frames: Vec<RgbImage> =
            frames.map(|frame| RgbImage::from_raw(SIDE, SIDE, frame.to_vec()).unwrap()).collect();
        assert_eq!(frames.len(), FRAMES);
        let mut engine = engine();
        let untouched = Params { opacity: 0.0, ..params() };
        let faces = frames.iter().enumerate().map(|(n, frame)| {
            let mut picture = Picture::of(frame, PixelFormat::Rgb, 0);
            let report = engine.process(&mut picture.frame(), &hopper(), &untouched, at(n as u64)).unwrap();
            report.faces[0].rect
        });
        Some(Clip { faces: faces.collect(), frames })
    }
}

/// How far something is that begins at frame 8 and is back at 48, 0–1–0, and stays there from 20 to 36.
fn there_and_back(n: usize) -> f32 {
    let n = n as f32;
    ((n - 8.0) / 12.0).min((48.0 - n) / 12.0).clamp(0.0, 1.0)
}

/// A board comes from the side, hides the whole face, and goes on to the other side.
fn covered(clip: &Clip, n: usize) -> Shot {
    let (mut picture, face) = (clip.frames[n].clone(), clip.faces[n]);
    let way = there_and_back(n) - 1.0;
    let side = if n < 28 { way } else { -way };
    let size = 1.6 * face.width.max(face.height);
    let centre = face.centre();
    let board = Rect::new(centre.x - 0.5 * size + side * 1.7 * size, centre.y - 0.5 * size, size, size);
    let (width, height) = (board.width as u32, board.height as u32);
    let grain = noise(3).map(|v| 60 + v / 4).take((3 * width * height) as usize).collect();
    let grain = RgbImage::from_raw(width, height, grain).unwrap();
    imageops::overlay(&mut picture, &grain, board.x as i64, board.y as i64);
    Shot { picture, moved: 0.0, board: Some(board) }
}

/// The camera turns away until the face is out of the picture, and back.
fn leaves(clip: &Clip, n: usize) -> Shot {
    let from = &clip.frames[n];
    let moved = (there_and_back(n) * from.width() as f32).round();
    let picture = collage(from.width(), from.height(), &[(from, moved as i64, 0)]);
    Shot { picture, moved, board: None }
}

/// A cut to an empty room and back: the same face in the same place.
fn cut_away(clip: &Clip, n: usize) -> Shot {
    let from = &clip.frames[n];
    if !(14..30).contains(&n) {
        return Shot { picture: from.clone(), moved: 0.0, board: None };
    }
    let picture = RgbImage::from_fn(from.width(), from.height(), |x, y| {
        image::Rgb([40 + (x / 3) as u8, 60 + (y / 4) as u8, 90])
    });
    Shot { picture, moved: 2.0 * from.width() as f32, board: None }
}

/// Whether a face shows as it came: of its middle at least a quarter is in view, and of that most is
/// unchanged. Eyes and mouth are the clip's own, so some always is.
fn is_bare(shot: &Shot, face: Rect, output: &RgbImage) -> bool {
    let (centre, half) = (face.centre(), (0.3 * face.width, 0.3 * face.height));
    let (mut all, mut seen, mut same) = (0.0, 0.0, 0.0);
    for y in (centre.y - half.1) as i64..(centre.y + half.1) as i64 {
        for x in (centre.x - half.0) as i64..(centre.x + half.0) as i64 {
            let (u, v) = ((x as f32 - centre.x) / half.0, (y as f32 - centre.y) / half.1);
            if u * u + v * v > 1.0 {
                continue;
            }
            all += 1.0;
            let x = x + shot.moved as i64;
            let inside = x >= 0 && y >= 0 && x < i64::from(output.width()) && y < i64::from(output.height());
            let hidden = shot.board.is_some_and(|board| {
                let (x, y) = (x as f32, y as f32);
                x > board.x - 2.0 && y > board.y - 2.0 && x < board.x + board.width + 2.0
            });
            if !inside || hidden {
                continue;
            }
            seen += 1.0;
            let (x, y) = (x as u32, y as u32);
            let (before, after) = (shot.picture.get_pixel(x, y).0, output.get_pixel(x, y).0);
            same += f64::from(u8::from((0..3).all(|k| before[k].abs_diff(after[k]) <= 2)));
        }
    }
    seen > SEEN * all && same > 0.5 * seen
}

/// Paints key frames blue, in place of a network.
#[derive(Debug)]
struct Blue;

impl KeySwapper for Blue {
    fn swap(&mut self, crop: &KeyCrop<'_>, out: &mut [f32]) -> Result<(), String> {
        let area = crop.side * crop.side;
        out[..2 * area].fill(30.0);
        out[2 * area..].fill(220.0);
        Ok(())
    }
}

fn hybrid() -> Engine {
    let facts = NetworkFacts {
        name: "blue".into(),
        sha256: String::new(),
        licence: "none".into(),
        provider: Provider::Cpu,
        measured: None,
        batch: 1,
    };
    let engine = engine();
    engine.network_port().offer_key_frames_by(Box::new(Blue), 64, facts).unwrap();
    engine
}

/// The frames in which a scene shows the face as it came, and those in which it was not swapped afresh.
fn bare(
    mut engine: Engine,
    clip: &Clip,
    scene: Scene,
    on_lost: OnLost,
) -> Result<(Vec<usize>, usize), EngineError> {
    let (source, params) = (hopper(), Params { on_lost, ..params() });
    let (mut bare, mut lost) = (Vec::new(), 0);
    for n in 0..FRAMES {
        let shot = scene(clip, n);
        let mut picture = Picture::of(&shot.picture, PixelFormat::Rgb, 0);
        let report = engine.process(&mut picture.frame(), &source, &params, at(n as u64))?;
        lost += usize::from(report.swapped == 0);
        let [pixels, ..] = picture.planes;
        let output = RgbImage::from_raw(shot.picture.width(), shot.picture.height(), pixels).unwrap();
        if is_bare(&shot, clip.faces[n], &output) {
            bare.push(n);
        }
    }
    Ok((bare, lost))
}

fn never_bare(clip: &str, scene: Scene) {
    let Some(clip) = Clip::read(clip) else { return };
    for on_lost in [OnLost::Hold, OnLost::Blur, OnLost::Black] {
        for (name, engine) in [("mesh", engine()), ("hybrid", hybrid())] {
            // What they do while the face is lost is the same.
            if name == "hybrid" && on_lost == OnLost::Black {
                continue;
            }
            let (bare, lost) = bare(engine, &clip, scene, on_lost).unwrap();
            println!("{name}, {on_lost:?}: {lost} of {FRAMES} frames without the face, bare: {bare:?}");
            assert!(lost >= 8, "{name}, {on_lost:?}: it was lost in {lost} frames only");
            assert!(bare.is_empty(), "{name}, {on_lost:?}: the face shows unswapped in frames {bare:?}");
        }
    }
}

#[test]
fn a_face_behind_a_board_never_shows_unswapped() {
    never_bare("talk_d20", covered);
}

#[test]
fn a_face_that_leaves_and_comes_back_never_shows_unswapped() {
    never_bare("talk_d18", leaves);
}

#[test]
fn a_face_after_a_cut_never_shows_unswapped() {
    never_bare("talk_d14", cut_away);
}

#[test]
fn the_count_of_bare_frames_can_tell() {
    let Some(clip) = Clip::read("talk_d19") else { return };
    let (bare, _) = bare(
        engine(),
        &clip,
        |clip, n| Shot { board: None, moved: 0.0, picture: clip.frames[n].clone() },
        OnLost::Hold,
    )
    .unwrap();
    assert!(bare.is_empty(), "{bare:?}");
    let untouched = Shot { board: None, moved: 0.0, picture: clip.frames[0].clone() };
    assert!(is_bare(&untouched, clip.faces[0], &clip.frames[0]));
}
