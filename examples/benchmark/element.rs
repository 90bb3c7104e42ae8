//! The whole element: milliseconds a frame by frame size, engine, format, faces, batch and depth.

use std::{
    collections::BTreeSet,
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::Result;
use gst::{glib, prelude::*};
use gst_video::{VideoFormat, VideoInfo};
use image::RgbImage;

use crate::{
    Args, common,
    common::{Bed, ms},
    suite::Suite,
};

pub const SIZES: [(u32, u32); 5] = [(640, 480), (960, 540), (1280, 720), (1920, 1080), (3840, 2160)];
const FORMATS: [&str; 10] = ["NV12", "I420", "UYVY", "YUY2", "RGB", "BGR", "RGBx", "BGRx", "RGBA", "BGRA"];
const FACES: [usize; 3] = [1, 2, 4];
const BATCHES: [u32; 2] = [1, 4];
const DEPTHS: [u32; 4] = [0, 1, 2, 3];
const WARM: u32 = 20;
/// Bytes of frames that are held at once.
const HELD: usize = 400 << 20;

/// One setting of everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    pub size: (u32, u32),
    pub engine: String,
    pub format: &'static str,
    pub faces: usize,
    pub batch: u32,
    pub depth: u32,
}

impl Case {
    pub fn new(size: (u32, u32), engine: &str) -> Case {
        Case { size, engine: engine.into(), format: "NV12", faces: 1, batch: 1, depth: 0 }
    }

    pub fn id(&self) -> String {
        let Case { size: (width, height), engine, format, faces, batch, depth } = self;
        format!("element/{width}x{height}/{engine}/{format}/faces={faces}/batch={batch}/depth={depth}")
    }

    pub fn info(&self) -> Result<VideoInfo> {
        let format = VideoFormat::from_str(self.format)?;
        Ok(VideoInfo::builder(format, self.size.0, self.size.1).fps(gst::Fraction::new(60, 1)).build()?)
    }

    /// The face is 400 pixels wide at 1920×1080, one of several 240, and in proportion.
    fn pictures(&self) -> Vec<RgbImage> {
        let (width, height) = self.size;
        let scale = height as f32 / 1080.0;
        match self.faces {
            1 => common::pictures(width, height, 400.0 * scale, 8),
            faces => vec![common::crowd(width, height, 240.0 * scale, faces)],
        }
    }

    pub fn frames(&self) -> Result<Vec<Vec<u8>>> {
        let info = self.info()?;
        Ok(self.pictures().iter().map(|picture| common::convert(picture, &info)).collect())
    }

    fn uses_network(&self) -> bool {
        self.engine != "mesh"
    }

    pub fn element(&self, args: &Args) -> gst::Element {
        let (batch, depth) = (self.batch.to_string(), self.depth.to_string());
        let model = args.model.display().to_string();
        let mut properties = vec![
            ("engine", self.engine.as_str()),
            ("batch-size", &batch),
            ("max-in-flight", &depth),
            // Frames wait for the network, and nothing is left out to hold a frame rate.
            ("deterministic", "true"),
            ("select", if self.faces > 1 { "all" } else { "largest" }),
        ];
        if self.uses_network() {
            properties.push(("model-file", &model));
            properties.push(("execution-provider", &args.execution_provider));
        }
        common::element(&properties)
    }
}

/// The engines that the element has, without `auto`.
pub fn engines() -> Vec<String> {
    let element = gst::ElementFactory::make("faceswap").build().expect("the element");
    let kind = element.property_value("engine").type_();
    let class = glib::EnumClass::with_type(kind);
    let values = class.iter().flat_map(|class| class.values());
    values.map(|value| value.nick().to_owned()).filter(|nick| nick != "auto").collect()
}

/// Each frame size with each engine, and at 1920×1080 everything else, one at a time.
fn one_at_a_time() -> BTreeSet<Case> {
    let mut cases = BTreeSet::new();
    for engine in engines() {
        cases.extend(SIZES.map(|size| Case::new(size, &engine)));
        let base = Case::new((1920, 1080), &engine);
        cases.extend(FACES.map(|faces| Case { faces, ..base.clone() }));
        cases.extend(DEPTHS.map(|depth| Case { depth, ..base.clone() }));
        if base.uses_network() {
            cases.extend(BATCHES.map(|batch| Case { batch, faces: 4, ..base.clone() }));
        } else {
            cases.extend(FORMATS.map(|format| Case { format, ..base.clone() }));
        }
    }
    cases
}

fn everything() -> BTreeSet<Case> {
    let mut cases = BTreeSet::new();
    for engine in engines() {
        for size in SIZES {
            for (format, faces) in FORMATS.iter().flat_map(|format| FACES.map(|faces| (format, faces))) {
                for (batch, depth) in BATCHES.iter().flat_map(|batch| DEPTHS.map(|depth| (*batch, depth))) {
                    let case = Case { size, engine: engine.clone(), format, faces, batch, depth };
                    if case.uses_network() || batch == 1 {
                        cases.insert(case);
                    }
                }
            }
        }
    }
    cases
}

pub fn measure(suite: &mut Suite, args: &Args) -> Result<()> {
    let cases = if args.cross { everything() } else { one_at_a_time() };
    for case in cases {
        if !suite.wants(&case.id()) {
            continue;
        }
        if case.uses_network() && !args.model.is_file() {
            suite.skip(&case.id(), format!("{}: no such file", args.model.display()));
            continue;
        }
        let mut bed = Bed::new(case.element(args), &case.info()?, case.frames()?);
        match case.depth {
            0 => one_by_one(suite, &case, &mut bed),
            _ => in_flight(suite, &case, &mut bed),
        }
        let stats = bed.stats();
        for name in ["engine", "execution-provider"] {
            suite.note(name, stats.get::<String>(name).unwrap_or_default());
        }
        for name in ["detect-ms", "landmarks-ms", "swap-ms", "network-ms", "blend-ms"] {
            if let Ok(value) = stats.get::<f64>(name) {
                suite.note(name, format!("{value:.3}"));
            }
        }
        bed.check();
    }
    Ok(())
}

/// Frames after which a case ends, at least, and the time it may take.
fn extent(suite: &Suite, case: &Case) -> (usize, Duration) {
    let least = match (case.uses_network(), suite.is_quick()) {
        (false, false) => 100,
        (false, true) => 20,
        (true, false) => 5,
        (true, true) => 2,
    };
    (least, suite.budget(Duration::from_secs(4), Duration::from_millis(200)))
}

fn one_by_one(suite: &mut Suite, case: &Case, bed: &mut Bed) {
    let (least, budget) = extent(suite, case);
    let warm = if case.uses_network() { 2 } else { WARM };
    for _ in 0..warm {
        bed.frame();
    }
    let mut values = Vec::with_capacity(1 << 14);
    let (started, before) = (Instant::now(), common::allocated().0);
    while values.len() < least || started.elapsed() < budget && values.len() < values.capacity() {
        values.push(ms(bed.frame()));
    }
    let allocations = (common::allocated().0 - before) as f64 / values.len() as f64;
    suite.add_frames(&case.id(), values, Some(allocations));
}

/// Values are means of rounds, since a frame's own time says little with others in flight.
fn in_flight(suite: &mut Suite, case: &Case, bed: &mut Bed) {
    let (least, budget) = extent(suite, case);
    let size = case.info().map_or(1, |info| info.size());
    let frames = (least as u32 / 2).clamp(2, (HELD / size).max(2) as u32);
    bed.flow(if case.uses_network() { 2 } else { WARM }, false);
    let (started, mut values, mut allocations) = (Instant::now(), Vec::new(), 0);
    // A round is one value, and there must be several.
    while values.len() < 3 || started.elapsed() < 2 * budget {
        let flow = bed.flow(frames, false);
        allocations += flow.allocations;
        values.push(ms(flow.spent) / f64::from(frames));
    }
    bed.flow(0, true);
    let count = values.len() as f64 * f64::from(frames);
    suite.add_frames(&case.id(), values, Some(allocations as f64 / count));
}
