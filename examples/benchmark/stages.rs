//! The stages of a frame, without GStreamer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use gstfaceswap::{
    engine::{
        Colorimetry, Engine, Frame, Matrix, Params, PixelFormat, Range, Select, Source, SourceLoader,
        detect::{Canvas, Detector},
    },
    models::{Pack, Search},
};
use image::{RgbImage, imageops};

use crate::{common, common::ms, suite::Suite};

const COLORIMETRY: Colorimetry = Colorimetry { matrix: Matrix::Bt709, range: Range::Limited };
const STAGES: [&str; 5] = ["detect", "landmarks", "light", "draw", "whole"];

pub fn measure(suite: &mut Suite) -> Result<()> {
    detection(suite)?;
    for (width, height, face) in [(960, 540, 200.0), (1920, 1080, 400.0), (1920, 1080, 900.0)] {
        frames(suite, width, height, face)?;
    }
    source(suite)
}

/// The detector alone, at the long side of each `quality`.
fn detection(suite: &mut Suite) -> Result<()> {
    let sides = [("performance", 320), ("balanced", 480), ("quality", 640)];
    let id = |quality: &str, side: usize| format!("stage/detection/{quality}/{side}px");
    if !sides.iter().any(|(quality, side)| suite.wants(&id(quality, *side))) {
        return Ok(());
    }
    let pack = Pack::find(&Search::default())?;
    let mut detector = Detector::load(&pack.detector, 1)?;
    let picture = common::pictures(1920, 1080, 400.0, 1).remove(0);
    for (quality, side) in sides {
        let canvas = canvas(&picture, side);
        let mut found = Vec::with_capacity(512);
        suite.time(&id(quality, side), || {
            detector.detect(&canvas, 0.5, &mut found).expect("a detector that runs");
        });
    }
    Ok(())
}

fn canvas(picture: &RgbImage, side: usize) -> Canvas {
    let mut canvas = Canvas::layout(picture.width() as usize, picture.height() as usize, side);
    let (w, h) = (canvas.content_width, canvas.content_height);
    let small = imageops::resize(picture, w as u32, h as u32, imageops::FilterType::Triangle);
    let area = canvas.width * canvas.height;
    for (x, y, pixel) in small.enumerate_pixels() {
        for channel in 0..3 {
            canvas.rgb[channel * area + y as usize * canvas.width + x as usize] = pixel.0[channel].into();
        }
    }
    canvas
}

/// A frame's stages and the whole of it; the search for newcomers is every tenth frame's.
fn frames(suite: &mut Suite, width: u32, height: u32, face: f32) -> Result<()> {
    let case = |stage: &str| format!("stage/{stage}/{width}x{height}/face={face}");
    let wanted = STAGES.map(|stage| suite.wants(&case(stage)));
    if !wanted.contains(&true) {
        return Ok(());
    }
    let mut stream = Stream::new(&common::pictures(width, height, face, 12), 0)?;
    let mut values = STAGES.map(|_| Vec::with_capacity(1 << 14));
    let budget = suite.budget(Duration::from_secs(3), Duration::from_millis(200));
    (0..10).for_each(|_| _ = stream.frame());
    let started = Instant::now();
    while values[0].len() < 20 || started.elapsed() < budget {
        let times = stream.frame();
        values.iter_mut().zip(times).for_each(|(values, time)| values.push(ms(time)));
    }
    for ((stage, values), wanted) in STAGES.iter().zip(values).zip(wanted) {
        if wanted {
            suite.add_frames(&case(stage), values, None);
        }
    }
    Ok(())
}

/// A photo read, its face found and its texture made.
fn source(suite: &mut Suite) -> Result<()> {
    let id = "stage/source-photo/grace_hopper";
    if suite.wants(id) {
        let pack = Pack::find(&Search::default())?;
        let mut loader = SourceLoader::new(&pack)?;
        suite.time_of(id, || loader.load(&[common::photo("grace_hopper.jpg")]).expect("the photo"));
    }
    Ok(())
}

/// An engine and NV12 frames for it.
pub struct Stream {
    engine: Engine,
    source: Arc<Source>,
    params: Params,
    originals: Vec<Vec<u8>>,
    frame: Vec<u8>,
    size: (usize, usize),
    count: u32,
}

impl Stream {
    pub fn new(pictures: &[RgbImage], threads: usize) -> Result<Stream> {
        let pack = Pack::find(&Search::default())?;
        let (source, _) = SourceLoader::new(&pack)?.load(&[common::photo("grace_hopper.jpg")])?;
        let originals: Vec<Vec<u8>> = pictures.iter().map(common::nv12).collect();
        Ok(Stream {
            engine: Engine::new(&pack, threads)?,
            source,
            params: Params { select: Select::All, ..Params::default() },
            frame: originals[0].clone(),
            size: (pictures[0].width() as usize, pictures[0].height() as usize),
            originals,
            count: 0,
        })
    }

    /// Swaps the next frame; the times in the order of [`STAGES`].
    pub fn frame(&mut self) -> [Duration; 5] {
        self.frame.copy_from_slice(&self.originals[self.count as usize % self.originals.len()]);
        let (w, h) = self.size;
        let (luma, chroma) = self.frame.split_at_mut(w * h);
        let planes = [luma, chroma, &mut [][..]];
        let frame = Frame::new(PixelFormat::Nv12, w, h, planes, [w, w, 0], COLORIMETRY);
        let mut frame = frame.expect("a frame that fits");
        let time = Duration::from_secs_f64(f64::from(self.count) / 60.0);
        self.count += 1;
        let started = Instant::now();
        let report = self.engine.process(&mut frame, &self.source, &self.params, time).expect("a swap");
        let whole = started.elapsed();
        assert!(report.swapped > 0, "no face is swapped in frame {}", self.count);
        let times = report.times;
        [times.detect, times.landmarks, times.swap, times.blend, whole]
    }
}
