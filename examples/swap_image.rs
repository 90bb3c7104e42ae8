//! Swaps the faces of one picture, or of a folder of pictures that are a video's frames, with the
//! engine alone, without GStreamer:
//! `cargo run --release --example swap_image -- SOURCE TARGET OUT [largest|all] [none|mean|light]`.
//! The last is `colour-match`. Of a folder, OUT is one too, and frames follow each other at 25 a second.

use std::{
    error::Error,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use gstfaceswap::{
    engine::{
        Colorimetry, ColourMatch, Engine, Frame, Params, PixelFormat, Select, Source, SourceLoader,
        split_list,
    },
    models::{Pack, Search},
};

const FRAME: Duration = Duration::from_millis(40);

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut next =
        |what: &str| args.next().ok_or(format!("{what} is missing: SOURCE TARGET OUT, pictures or folders"));
    let (source, target, out) =
        (next("SOURCE")?, PathBuf::from(next("TARGET")?), PathBuf::from(next("OUT")?));
    let select = if next("").is_ok_and(|s| s == "all") { Select::All } else { Select::Largest };
    let colour_match = match next("").as_deref() {
        Ok("none") => ColourMatch::None,
        Ok("mean") => ColourMatch::Mean,
        _ => ColourMatch::Light,
    };

    let pack = Pack::find(&Search::default())?;
    let started = Instant::now();
    let mut loader = SourceLoader::new(&pack)?;
    let (source, warnings) = loader.load(&split_list(&source))?;
    for warning in warnings {
        eprintln!("{warning}");
    }
    let mut engine = Engine::new(&pack, 0)?;
    println!("loaded in {:.0} ms", started.elapsed().as_secs_f64() * 1e3);

    let params = Params { select, colour_match, ..Params::default() };
    if !target.is_dir() {
        return swap(&mut engine, &source, &params, &target, &out, Duration::ZERO);
    }
    std::fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    let entries = std::fs::read_dir(&target)?.map(|entry| entry.map(|e| e.path()));
    let mut frames: Vec<PathBuf> = entries.collect::<Result<_, _>>()?;
    frames.sort();
    for (number, frame) in (0u32..).zip(&frames) {
        let name = Path::new(frame.file_name().unwrap_or_default()).with_extension("png");
        swap(&mut engine, &source, &params, frame, &out.join(name), number * FRAME)?;
    }
    Ok(())
}

fn swap(
    engine: &mut Engine,
    source: &Source,
    params: &Params,
    target: &Path,
    out: &Path,
    time: Duration,
) -> Result<(), Box<dyn Error>> {
    let image = image::open(target).map_err(|e| format!("{}: {e}", target.display()))?;
    let mut image = image.into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let data: &mut [u8] = &mut image;
    let strides = [width * 3, 0, 0];
    let planes = [data, &mut [][..], &mut [][..]];
    let mut frame = Frame::new(PixelFormat::Rgb, width, height, planes, strides, Colorimetry::default())?;
    let report = engine.process(&mut frame, source, params, time)?;
    println!("{} faces, {} swapped, {:?}", report.faces.len(), report.swapped, report.times);
    image.save(out).map_err(|e| format!("{}: {e}", out.display()))?;
    Ok(())
}
