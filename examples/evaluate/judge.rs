//! The networks that judge, apart from the engine: landmarks of a crop, and the embedding of a face.

use anyhow::{Context, Result};
use gstfaceswap::{
    engine::{
        Colorimetry, Frame, PixelFormat, Report,
        geometry::{Point, Rect, Similarity},
        topology::{Mesh, VERTICES},
    },
    models::{Pack, Role, Search, Session},
};
use image::RgbImage;

/// Pixels a side of the landmark network's crop, and its side over the face's longer side.
const CROP: usize = 192;
const MARGIN: f32 = 1.5;
/// Pixels a side of the recogniser's face.
const FACE: usize = 112;
/// Where ArcFace networks have the eyes, the nose and the corners of the mouth.
const TEMPLATE: [Point; 5] = [
    Point::new(38.2946, 51.6963),
    Point::new(73.5318, 51.5014),
    Point::new(56.0252, 71.7366),
    Point::new(41.5493, 92.3655),
    Point::new(70.7299, 92.2041),
];
/// Outer and inner corner of each eye, left on screen first; nose tip; corners of the mouth.
const EYES: [[usize; 2]; 2] = [[33, 133], [263, 362]];
const NOSE: usize = 1;
const MOUTH: [usize; 2] = [61, 291];

pub struct Judge {
    landmarks: Session,
    recognizer: Session,
}

/// A face as the judge sees it.
pub struct Seen {
    /// From the crop to the frame.
    pub crop: Similarity,
    pub mesh: Box<Mesh>,
    pub embedding: Vec<f32>,
}

impl Judge {
    pub fn new(search: &Search, pack: &Pack) -> Result<Judge> {
        let recognizer = search.named(Role::Recognizer, "mobilefacenet.onnx")?;
        Ok(Judge {
            landmarks: Session::load(&pack.landmarker, 1)?,
            recognizer: Session::load(&recognizer, 1)?,
        })
    }

    /// Landmarks in frame pixels of the face in `crop`.
    pub fn mesh(&mut self, frame: &RgbImage, crop: Similarity) -> Result<Box<Mesh>> {
        let input = self.landmarks.input(0, &[1, CROP as i64, CROP as i64, 3])?;
        warp(frame, crop, CROP, |at, v| input[at] = v / 255.0);
        self.landmarks.run()?;
        let mut mesh = Box::new([[0.0; 3]; VERTICES]);
        for (vertex, p) in mesh.iter_mut().zip(self.landmarks.output(0).1.chunks_exact(3)) {
            let at = crop.apply(Point::new(p[0], p[1]));
            *vertex = [at.x, at.y, p[2] * crop.scale()];
        }
        Ok(mesh)
    }

    /// The embedding of the face with these landmarks.
    pub fn embed(&mut self, frame: &RgbImage, mesh: &Mesh) -> Result<Vec<f32>> {
        let p = |v: usize| Point::new(mesh[v][0], mesh[v][1]);
        let [right, left] = EYES.map(|[outer, inner]| p(outer).midpoint(p(inner)));
        let points = [right, left, p(NOSE), p(MOUTH[0]), p(MOUTH[1])];
        let map = Similarity::fit(TEMPLATE.into_iter().zip(points)).context("the face has no extent")?;
        let input = self.recognizer.input(0, &[1, FACE as i64, FACE as i64, 3])?;
        warp(frame, map, FACE, |at, v| input[at] = (v - 127.5) / 128.0);
        self.recognizer.run()?;
        Ok(normalised(self.recognizer.output(0).1.to_vec()))
    }

    /// Looks again where `points` (468 landmarks) say that a face is.
    pub fn look(&mut self, frame: &RgbImage, points: &[Point]) -> Result<Seen> {
        let mut mesh = Box::new([[0.0; 3]; VERTICES]);
        for (vertex, p) in mesh.iter_mut().zip(points) {
            *vertex = [p.x, p.y, 0.0];
        }
        let mut crop = crop_of(&mesh);
        mesh = self.mesh(frame, crop)?;
        crop = crop_of(&mesh);
        mesh = self.mesh(frame, crop)?;
        let embedding = self.embed(frame, &mesh)?;
        Ok(Seen { crop, mesh, embedding })
    }

    /// Looks again at the most central of the faces reported of a photo.
    pub fn central(&mut self, photo: &RgbImage, report: &Report) -> Result<Seen> {
        let middle = Point::new(0.5 * photo.width() as f32, 0.5 * photo.height() as f32);
        let away = |rect: Rect| rect.centre().distance(middle);
        let faces = report.faces.iter().filter(|f| !f.landmarks.is_empty());
        let central = faces.min_by(|a, b| away(a.rect).total_cmp(&away(b.rect))).context("no face")?;
        self.look(photo, &central.landmarks)
    }
}

/// The picture as the engine takes it.
pub fn view(picture: &mut RgbImage) -> Result<Frame<'_>> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let data: &mut [u8] = picture;
    let planes = [data, &mut [][..], &mut [][..]];
    Ok(Frame::new(PixelFormat::Rgb, width, height, planes, [width * 3, 0, 0], Colorimetry::default())?)
}

/// `vector` at length 1.
pub fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-9);
    vector.iter_mut().for_each(|v| *v /= norm);
    vector
}

/// Distance between the outer corners of the eyes.
pub fn eye_distance(mesh: &Mesh) -> f32 {
    let [a, b] = EYES.map(|[outer, _]| Point::new(mesh[outer][0], mesh[outer][1]));
    a.distance(b)
}

/// The square around a mesh, its eyes level.
fn crop_of(mesh: &Mesh) -> Similarity {
    let p = |v: usize| Point::new(mesh[v][0], mesh[v][1]);
    let [right, left] = EYES.map(|[outer, inner]| p(outer).midpoint(p(inner)));
    let angle = (left.y - right.y).atan2(left.x - right.x);
    let turn = Similarity { a: angle.cos(), b: angle.sin(), tx: 0.0, ty: 0.0 };
    let back = Similarity { b: -turn.b, ..turn };
    let level = Rect::around((0..VERTICES).map(|v| back.apply(p(v))));
    Similarity::crop(turn.apply(level.centre()), MARGIN * level.width.max(level.height), angle, CROP as f32)
}

/// Samples a square of `size` pixels through `map` (square to frame), bilinear, the mean of a grid
/// where the frame is finer; `put` gets each value (0–255) with its index, RGB interleaved.
pub fn warp(frame: &RgbImage, map: Similarity, size: usize, mut put: impl FnMut(usize, f32)) {
    let grid = (map.scale().ceil() as usize).clamp(1, 8);
    let step = 1.0 / grid as f32;
    for y in 0..size {
        for x in 0..size {
            let mut sum = [0.0; 3];
            for k in 0..grid * grid {
                let (dx, dy) = ((k % grid) as f32 + 0.5, (k / grid) as f32 + 0.5);
                let p = map.apply(Point::new(x as f32 + dx * step, y as f32 + dy * step));
                let value = bilinear(frame, p);
                (0..3).for_each(|c| sum[c] += value[c]);
            }
            (0..3).for_each(|c| put((y * size + x) * 3 + c, sum[c] * step * step));
        }
    }
}

/// Beyond the border there is black.
fn bilinear(frame: &RgbImage, p: Point) -> [f32; 3] {
    let (x, y) = (p.x - 0.5, p.y - 0.5);
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    let mut sum = [0.0; 3];
    for (dx, dy, weight) in
        [(0, 0, (1.0 - fx) * (1.0 - fy)), (1, 0, fx * (1.0 - fy)), (0, 1, (1.0 - fx) * fy), (1, 1, fx * fy)]
    {
        let (x, y) = (x0 as i64 + dx, y0 as i64 + dy);
        let inside =
            (0..i64::from(frame.width())).contains(&x) && (0..i64::from(frame.height())).contains(&y);
        if inside {
            let pixel = frame.get_pixel(x as u32, y as u32).0;
            (0..3).for_each(|c| sum[c] += weight * f32::from(pixel[c]));
        }
    }
    sum
}
