//! What is measured on a clip: once on its own frames, then for each source, then against itself.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use gstfaceswap::{
    engine::{
        Analyser, Engine, Painter, Params, Plan, Quality, Report, Select, Source, SourceLoader,
        geometry::Rect, topology::Mesh,
    },
    models::{Pack, Search},
};
use image::RgbImage;

use crate::{
    clip::Clip,
    judge::{Judge, Seen, eye_distance, normalised, view},
    region::Region,
    scores, sheet,
};

/// One person who is put in.
pub struct Person {
    pub name: String,
    pub source: Arc<Source>,
    pub photo: RgbImage,
    /// The face in the source photo.
    pub seen: Seen,
    /// The gallery's entry of the same person.
    pub entry: usize,
}

/// A measured frame of the clip itself.
pub struct Probe {
    pub number: usize,
    pub seen: Seen,
    pub region: Region,
    eyes: f32,
    sharpness: f64,
    /// Mean absolute difference to the next frame.
    motion: Option<f64>,
}

pub struct Target {
    pub clip: Clip,
    pub probes: Vec<Probe>,
    /// Mean over the measured frames.
    pub embedding: Vec<f32>,
    /// The analysis of every frame, which is the same whoever is put in.
    plans: Vec<Plan>,
    /// The chosen face's box in every frame.
    rects: Vec<Option<Rect>>,
    /// Which frames are painted.
    painted: Vec<bool>,
}

/// A measured frame of a swapped clip.
pub struct Measured {
    pub number: usize,
    /// Entry of the gallery that is most alike; the target's own comes last.
    pub nearest: Option<usize>,
    pub cosine: f64,
    pub other: f64,
    pub landmark: f64,
    /// The same with `shape` 0.
    pub unshaped: f64,
    pub sharpness: f64,
}

/// A clip with one person put in.
pub struct Swapped {
    pub frames: Vec<Measured>,
    pub flicker: f64,
    /// Input and output at this person's moment of the clip.
    pub moment: [RgbImage; 2],
    /// Output at the clip's middle.
    pub still: RgbImage,
}

/// A clip with its own face put in: the mean squared error and SSIM of each measured frame.
#[derive(Default)]
pub struct Own {
    pub frames: Vec<(f64, f64)>,
    /// Measured frames whose opposite shows no usable face.
    pub skipped: usize,
}

/// What one thread needs.
pub struct Worker {
    analyser: Analyser,
    painter: Painter,
    /// Paints the same frames with `shape` 0.
    unshaped: Painter,
    report: Report,
    loader: SourceLoader,
    pub judge: Judge,
    file: PathBuf,
}

impl Worker {
    /// `file` is written and read again, and left to the caller.
    pub fn new(search: &Search, pack: &Pack, file: PathBuf) -> Result<Worker> {
        let (analyser, painter) = Engine::new(pack, 1)?.split();
        let (_, unshaped) = Engine::new(pack, 1)?.split();
        let (report, loader, judge) =
            (Report::default(), SourceLoader::new(pack)?, Judge::new(search, pack)?);
        Ok(Worker { analyser, painter, unshaped, report, loader, judge, file })
    }

    pub fn load(&mut self, path: PathBuf) -> Result<Arc<Source>> {
        let (source, warnings) = self.loader.load(&[path])?;
        warnings.iter().for_each(|warning| eprintln!("{warning}"));
        Ok(source)
    }

    pub fn photo(&mut self, any: &Source, photo: &RgbImage) -> Result<Seen> {
        let params = Params {
            opacity: 0.0,
            select: Select::All,
            max_faces: 64,
            quality: Quality::Quality,
            ..Params::default()
        };
        self.analyser.reset();
        let mut plan = Plan::default();
        self.look(photo, any, &params, Duration::ZERO, &mut plan)?;
        self.judge.central(photo, &self.report)
    }

    /// Analyses a frame, and reports of it without a change.
    fn look(
        &mut self,
        frame: &RgbImage,
        any: &Source,
        params: &Params,
        time: Duration,
        plan: &mut Plan,
    ) -> Result<()> {
        let mut copy = frame.clone();
        let mut view = view(&mut copy)?;
        self.analyser.analyse(&view, params, time, plan)?;
        let bare = Params { opacity: 0.0, ..*params };
        Ok(self.painter.paint(&mut view, plan, any, &bare, &mut self.report)?)
    }

    /// Follows the face through the untouched clip. Measures every `every`th frame, for which
    /// `lead` frames before it are painted too.
    pub fn target(
        &mut self,
        clip: Clip,
        any: &Source,
        params: &Params,
        every: usize,
        lead: usize,
    ) -> Result<Target> {
        let (mut probes, mut rects, mut plans) = (Vec::new(), Vec::new(), Vec::new());
        self.analyser.reset();
        for (number, frame) in clip.frames.iter().enumerate() {
            let mut plan = Plan::default();
            self.look(frame, any, params, clip.times[number], &mut plan)?;
            plans.push(plan);
            let face = self.report.faces.iter().find(|f| f.swapped);
            rects.push(face.map(|f| f.rect));
            let Some(face) = face.filter(|_| number % every == 0) else { continue };
            let seen = self.judge.look(frame, &face.landmarks)?;
            let region = Region::of_mesh(&seen.mesh, frame);
            let luma = region.luma(frame);
            let motion = clip.frames.get(number + 1);
            let motion = motion.map(|next| scores::mean_absolute(&luma, &region.luma(next), &region.inside));
            let sharpness = scores::sharpness(&luma, region.width, &region.inside);
            let eyes = eye_distance(&seen.mesh);
            probes.push(Probe { number, seen, region, eyes, sharpness, motion });
        }
        let size = probes.first().with_context(|| format!("{}: no face in it", clip.name))?;
        let mut embedding = vec![0.0; size.seen.embedding.len()];
        for probe in &probes {
            embedding.iter_mut().zip(&probe.seen.embedding).for_each(|(sum, v)| *sum += v);
        }
        let mut painted = vec![false; clip.frames.len()];
        for probe in &probes {
            let last = (probe.number + 1).min(painted.len() - 1);
            painted[probe.number.saturating_sub(lead)..=last].fill(true);
        }
        Ok(Target { clip, probes, embedding: normalised(embedding), plans, rects, painted })
    }

    /// Puts `person` in. `moment` (0–1) is where in the clip the pictures are taken.
    pub fn swap(
        &mut self,
        target: &Target,
        person: &Person,
        gallery: &[Vec<f32>],
        params: &Params,
        moment: f64,
        tick: &dyn Fn(),
    ) -> Result<Swapped> {
        let pick = |share: f64| ((target.probes.len() - 1) as f64 * share).round() as usize;
        let (moment, middle) = (pick(moment), pick(0.5));
        let (mut frames, mut pictures, mut still) = (Vec::new(), None, None);
        let (mut moved, mut motion) = (0.0, 0.0);
        let mut last: Option<(&Probe, f64, Vec<f32>)> = None;
        let mut probes = target.probes.iter().enumerate().peekable();
        let flat = Params { shape: 0.0, ..*params };
        let Worker { painter, unshaped, report, judge, .. } = self;
        forget(painter, &person.source, params, report)?;
        forget(unshaped, &person.source, params, report)?;
        for (number, frame) in target.clip.frames.iter().enumerate() {
            tick();
            if !target.painted[number] {
                continue;
            }
            let plan = &target.plans[number];
            let (mut out, mut flat_out) = (frame.clone(), frame.clone());
            painter.paint(&mut view(&mut out)?, plan, &person.source, params, report)?;
            unshaped.paint(&mut view(&mut flat_out)?, plan, &person.source, &flat, report)?;
            if let Some((probe, input, luma)) = last.take() {
                moved += scores::mean_absolute(&luma, &probe.region.luma(&out), &probe.region.inside);
                motion += input;
            }
            let Some((index, probe)) = probes.next_if(|(_, p)| p.number == number) else { continue };
            let mesh = judge.mesh(&out, probe.seen.crop)?;
            let embedding = judge.embed(&out, &mesh)?;
            let flat_mesh = judge.mesh(&flat_out, probe.seen.crop)?;
            let error = |mesh: &Mesh| scores::landmark_error(mesh, &probe.seen.mesh[..], probe.eyes);
            let all = gallery.iter().chain([&target.embedding]).map(Vec::as_slice);
            let luma = probe.region.luma(&out);
            let sharp = scores::sharpness(&luma, probe.region.width, &probe.region.inside);
            frames.push(Measured {
                number,
                nearest: scores::nearest(&embedding, all),
                cosine: scores::cosine(&embedding, &person.seen.embedding),
                other: scores::cosine(&embedding, &gallery[person.entry]),
                landmark: error(&mesh),
                unshaped: error(&flat_mesh),
                sharpness: sharp / probe.sharpness,
            });
            if index == moment {
                pictures = Some([frame, &out].map(|picture| sheet::tile(picture, &probe.seen)));
            }
            if index == middle {
                still = Some(sheet::tile(&out, &probe.seen));
            }
            last = probe.motion.map(|input| (probe, input, luma));
        }
        let pictures = pictures.zip(still).context("no measured frame")?;
        Ok(Swapped { frames, flicker: moved / motion, moment: pictures.0, still: pictures.1 })
    }

    /// Puts the clip's own face in, from the frame half a clip away, as it is or relit.
    pub fn own(&mut self, target: &Target, relight: bool, params: &Params, tick: &dyn Fn()) -> Result<Own> {
        let mut own = Own::default();
        let mut probes = target.probes.iter().peekable();
        let mut source = None;
        let mut loaded_for = None;
        let mut fresh = true;
        for (number, frame) in target.clip.frames.iter().enumerate() {
            tick();
            let Some(&probe) = probes.peek().filter(|_| target.painted[number]) else { continue };
            if loaded_for != Some(probe.number) {
                loaded_for = Some(probe.number);
                source = self.opposite(target, probe.number, relight)?;
            }
            let mut out = frame.clone();
            if let Some(source) = &source {
                let Worker { painter, report, .. } = self;
                if std::mem::take(&mut fresh) {
                    forget(painter, source, params, report)?;
                }
                painter.paint(&mut view(&mut out)?, &target.plans[number], source, params, report)?;
            }
            if number != probe.number {
                continue;
            }
            probes.next();
            if source.is_none() {
                own.skipped += 1;
                continue;
            }
            let region = &probe.region;
            let error = scores::mean_squared(&region.rgb(frame), &region.rgb(&out), &region.inside);
            let alike = scores::ssim(&region.luma(frame), &region.luma(&out), region.width, &region.inside);
            own.frames.push((error, alike));
        }
        Ok(own)
    }

    fn opposite(&mut self, target: &Target, number: usize, relight: bool) -> Result<Option<Arc<Source>>> {
        let frame = target.clip.opposite(number);
        let opposite = (number + target.clip.frames.len() / 2) % target.clip.frames.len();
        let Some(rect) = target.rects[opposite] else { return Ok(None) };
        let wide = rect.scaled(2.0);
        let mut photo = frame.clone();
        if relight {
            relit(&mut photo, rect);
        }
        let (x, y) = (wide.x.max(0.0) as u32, wide.y.max(0.0) as u32);
        image::imageops::crop_imm(&photo, x, y, wide.width as u32, wide.height as u32)
            .to_image()
            .save(&self.file)?;
        Ok(self.loader.load(std::slice::from_ref(&self.file)).ok().map(|(source, _)| source))
    }
}

/// Lets a painter forget what it painted before.
fn forget(painter: &mut Painter, source: &Source, params: &Params, report: &mut Report) -> Result<()> {
    let mut pixel = RgbImage::new(1, 1);
    Ok(painter.paint(&mut view(&mut pixel)?, &Plan::default(), source, params, report)?)
}

/// Shades from .55 to 1.15 across the face, tints, and bends the curve.
fn relit(photo: &mut RgbImage, face: Rect) {
    const GAINS: [f32; 3] = [1.1, 0.97, 0.85];
    for (x, _, pixel) in photo.enumerate_pixels_mut() {
        let across = ((x as f32 + 0.5 - face.x) / face.width).clamp(0.0, 1.0);
        let shade = 0.55 + 0.6 * across;
        for (v, gain) in pixel.0.iter_mut().zip(GAINS) {
            let lit = (f32::from(*v) / 255.0 * shade * gain).min(1.0);
            *v = (255.0 * lit.powf(1.15)).round() as u8;
        }
    }
}
