//! A prepared source: the face's pixels, its mesh on them, and its light.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use image::RgbImage;

use super::{
    cut::Cut,
    decode::decode,
    portrait::Portrait,
    prepared::{self, Prepared, View},
};
use crate::{
    engine::{
        EngineError, Identity, Preparer, SourceError,
        detect::{Canvas, Detection, Detector},
        frame::{self, Colorimetry, Frame, PixelFormat},
        geometry::Point,
        landmarks::{CropBox, Landmarker, bounds},
        swap::mesh::{
            self,
            topology::{Mesh, VERTICES},
        },
    },
    models::{ModelError, Pack, hash},
};

/// Detector's long sides tried in turn: the usual one, one for close-ups, one for small faces.
const LONG_SIDES: [usize; 3] = [640, 320, 1280];
const THRESHOLD: f32 = 0.5;
/// Landmark passes: each crop comes from the mesh before it.
const PASSES: usize = 4;
/// Photos that the mesh engine draws from; of more, the best.
const MOST_PHOTOS: usize = 6;
/// Sources of a loader that stay prepared, so that whoever shows one of them again need not wait; a few megabytes each.
const RECENT: usize = 3;
/// A narrower face than this is worth a warning.
const SMALL: f32 = 80.0;

/// A prepared source. Cheap to share; made by [`SourceLoader::load`].
#[derive(Debug)]
pub struct Source {
    /// Told apart from every other source of the process by this.
    id: u64,
    prepared: Arc<Prepared>,
    /// For the swap network, once there is one.
    identity: OnceLock<Arc<Identity>>,
}

impl Source {
    fn of(prepared: Arc<Prepared>) -> Source {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Source { id, prepared, identity: OnceLock::new() }
    }

    /// Of one photo and a mesh on it, by no network.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(in crate::engine) fn of_mesh(photo: &RgbImage, mesh: &Mesh) -> Source {
        mesh::prepare();
        let (cut, portrait) = (Cut::new(photo, Box::new(*mesh)), Portrait::cut(photo, mesh));
        Source::of(Arc::new(Prepared::new(vec![cut], vec![portrait], Vec::new())))
    }

    /// Prepares the source for the network that `preparer` belongs to; once is enough.
    ///
    /// # Errors
    /// A network failed, or the source was loaded without portraits.
    pub fn identify(&self, preparer: &mut Preparer) -> Result<(), String> {
        if self.identity.get().is_none() {
            let identity = preparer.prepare(&self.prepared.portraits)?;
            // Whoever set it meanwhile prepared the same photos.
            let _ = self.identity.set(identity);
        }
        Ok(())
    }

    /// Eye centres, nose tip and mouth corners, left to right, in pixels of the first photo; where
    /// the loader keeps portraits.
    pub fn points(&self) -> Option<[Point; 5]> {
        self.prepared.portraits.first().map(|portrait| portrait.in_photo)
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn portraits(&self) -> &[Portrait] {
        &self.prepared.portraits
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.get().map(Arc::as_ref)
    }

    /// What is drawn.
    pub(crate) fn view(&self) -> &View {
        &self.prepared.view
    }
}

/// What is worth telling the user about a source that was accepted all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceWarning {
    #[error("source image {}: shows {faces} faces, the largest is used", path.display())]
    SeveralFaces { path: PathBuf, faces: usize },
    #[error("source image {}: the face is only {pixels} pixels wide, a larger one looks sharper", path.display())]
    SmallFace { path: PathBuf, pixels: u32 },
    #[error("{0}; it is left out")]
    LeftOut(String),
}

/// Loads source images. Holds its own inference sessions, so it may live on a worker thread.
#[derive(Debug)]
pub struct SourceLoader {
    detector: Detector,
    landmarker: Landmarker,
    /// Digests of both networks' files.
    networks: [String; 2],
    portraits: bool,
    /// The newest last.
    recent: VecDeque<Arc<Prepared>>,
}

impl SourceLoader {
    /// Loads the models, tens of milliseconds.
    ///
    /// # Errors
    /// A model or ONNX Runtime that cannot be loaded.
    pub fn new(pack: &Pack) -> Result<Self, EngineError> {
        mesh::prepare();
        let mut detector = Detector::load(&pack.detector, crate::control::performance_cores())?;
        detector.give_back()?;
        let landmarker = Landmarker::load(&pack.landmarker, 1)?;
        let networks = [hash(&pack.detector.path)?, hash(&pack.landmarker.path)?];
        Ok(SourceLoader { detector, landmarker, networks, portraits: false, recent: VecDeque::new() })
    }

    /// Whether sources are also loaded for a swap network, which looks at every photo.
    pub fn keep_portraits(&mut self, portraits: bool) {
        self.portraits = portraits;
    }

    /// Decodes, finds the face and prepares it; where a source of the same photos lives already, or was
    /// among the last that this loaded, it is shared. `paths` are files or folders of one person's photos, see [`expand`](super::expand). The mesh engine draws each
    /// place of the face from the photo that saw it best, of the six best photos.
    ///
    /// # Errors
    /// The first file's error, when no file is usable.
    pub fn load(&mut self, paths: &[PathBuf]) -> Result<(Arc<Source>, Vec<SourceWarning>), SourceError> {
        let paths = super::expand(paths)?;
        let networks = self.networks.clone();
        let prepared = prepared::shared(&paths, &networks, self.portraits, || self.prepare(&paths))?;
        let warnings = prepared.warnings.clone();
        self.recent.retain(|known| !Arc::ptr_eq(known, &prepared));
        self.recent.push_back(prepared.clone());
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        Ok((Arc::new(Source::of(prepared)), warnings))
    }

    fn prepare(&mut self, paths: &[PathBuf]) -> Result<Prepared, SourceError> {
        let (mut warnings, mut errors) = (Vec::new(), Vec::new());
        let (mut cuts, mut portraits) = (Vec::new(), Vec::new());
        for path in paths {
            match self.face(path, &mut warnings) {
                Ok((image, mesh)) => {
                    if self.portraits {
                        portraits.push(Portrait::cut(&image, &mesh));
                    }
                    cuts.push(Cut::new(&image, mesh));
                    cuts.sort_by(|a: &Cut, b| b.merit.total_cmp(&a.merit));
                    cuts.truncate(MOST_PHOTOS);
                }
                Err(error) => errors.push(error),
            }
        }
        self.detector.forget();
        if cuts.is_empty() {
            let first = errors.into_iter().next();
            return Err(first.unwrap_or_else(|| SourceError::Missing { path: PathBuf::new() }));
        }
        warnings.extend(errors.iter().map(|e| SourceWarning::LeftOut(e.to_string())));
        Ok(Prepared::new(cuts, portraits, warnings))
    }

    /// A photo and the mesh of its largest face.
    fn face(
        &mut self,
        path: &Path,
        warnings: &mut Vec<SourceWarning>,
    ) -> Result<(RgbImage, Box<Mesh>), SourceError> {
        let mut image = decode(path)?;
        let model = |error: ModelError| SourceError::Model { path: path.to_path_buf(), error };
        let (mesh, faces) = self.find(&mut image).map_err(model)?;
        let Some(mesh) = mesh else {
            return Err(SourceError::NoFace { path: path.to_path_buf() });
        };
        if faces > 1 {
            warnings.push(SourceWarning::SeveralFaces { path: path.to_path_buf(), faces });
        }
        let width = bounds(&mesh).width;
        if width < SMALL {
            warnings.push(SourceWarning::SmallFace { path: path.to_path_buf(), pixels: width as u32 });
        }
        Ok((image, mesh))
    }

    /// The mesh of the largest face, and how many faces there are.
    fn find(&mut self, image: &mut RgbImage) -> Result<(Option<Box<Mesh>>, usize), ModelError> {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let data: &mut [u8] = image;
        let planes = [data, &mut [][..], &mut [][..]];
        let strides = [width * 3, 0, 0];
        let frame = Frame::new(PixelFormat::Rgb, width, height, planes, strides, Colorimetry::default());
        let Ok(frame) = frame else {
            return Ok((None, 0));
        };
        let mut detections: Vec<Detection> = Vec::new();
        for long_side in LONG_SIDES {
            let mut canvas = Canvas::layout(width, height, long_side);
            frame::to_canvas(&frame, &mut canvas);
            self.detector.detect(&canvas, THRESHOLD, &mut detections)?;
            detections.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
            for d in &detections {
                if let Some(mesh) = self.mesh(&frame, d)? {
                    return Ok((Some(mesh), detections.len()));
                }
            }
        }
        Ok((None, 0))
    }

    /// The mean over nine crops, since a single one moves with the crop's place by a pixel or so.
    fn mesh(&self, frame: &Frame<'_>, d: &Detection) -> Result<Option<Box<Mesh>>, ModelError> {
        let mut mesh = Box::new([[0.0; 3]; VERTICES]);
        let mut crop = CropBox::of_detection(d.rect, d.points[0], d.points[1]);
        for _ in 0..PASSES {
            if self.landmarker.run(frame, crop, &mut mesh)? < 0.0 {
                return Ok(None);
            }
            crop = CropBox::of_mesh(&mesh);
        }
        let mut sum = Box::new([[0.0; 3]; VERTICES]);
        for look in 0..9 {
            let turned = CropBox {
                side: crop.side * (1.0 + 0.08 * (look / 3 - 1) as f32),
                angle: crop.angle + 0.07 * (look % 3 - 1) as f32,
                ..crop
            };
            if self.landmarker.run(frame, turned, &mut mesh)? < 0.0 {
                return Ok(None);
            }
            for (sum, p) in sum.iter_mut().flatten().zip(mesh.iter().flatten()) {
                *sum += p / 9.0;
            }
        }
        Ok(Some(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Search;

    #[test]
    fn photos_shown_before_stay_prepared_and_then_leave() {
        let search = Search::default();
        let photo =
            search.folders().iter().map(|folder| folder.join("demo/astronaut.png")).find(|p| p.is_file());
        let photo = photo.expect("`make models` brings it");
        let folder = std::env::temp_dir().join(format!("faceswap-recent-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let paths: Vec<PathBuf> = (0..=RECENT).map(|i| folder.join(format!("{i}.png"))).collect();
        for path in &paths {
            std::fs::copy(&photo, path).unwrap();
        }
        let mut loader = SourceLoader::new(&Pack::find(&search).unwrap()).unwrap();
        let mut load = |i: usize| Arc::downgrade(&loader.load(&paths[i..=i]).unwrap().0.prepared);
        let first = load(0);
        let others: Vec<_> = (1..RECENT).map(&mut load).collect();
        assert!(first.ptr_eq(&load(0)) && others.iter().all(|other| other.strong_count() > 0));
        load(RECENT);
        assert_eq!(others[0].strong_count(), 0, "more than the last stay");
        assert!(first.strong_count() > 0, "the order is not that of showing");
        drop(loader);
        assert_eq!(first.strong_count(), 0, "it outlives its loader");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
