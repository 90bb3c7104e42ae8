//! Swaps the faces of one picture with the engine alone, without GStreamer:
//! `cargo run --release --example swap_image -- SOURCE TARGET OUT.png [largest|all]`.

use std::{
    error::Error,
    path::PathBuf,
    time::{Duration, Instant},
};

use gstfaceswap::{
    engine::{Colorimetry, Engine, Frame, Params, PixelFormat, Select, SourceLoader, split_list},
    models::{Pack, Search},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = |what: &str| args.next().ok_or(format!("{what} is missing: SOURCE TARGET OUT.png"));
    let (source, target, out) =
        (next("SOURCE")?, PathBuf::from(next("TARGET")?), PathBuf::from(next("OUT.png")?));
    let select = if next("").is_ok_and(|s| s == "all") { Select::All } else { Select::Largest };

    let pack = Pack::find(&Search::default())?;
    let started = Instant::now();
    let mut loader = SourceLoader::new(&pack)?;
    let (source, warnings) = loader.load(&split_list(&source))?;
    for warning in warnings {
        eprintln!("{warning}");
    }
    let mut engine = Engine::new(&pack, 0)?;
    println!("loaded in {:.0} ms", started.elapsed().as_secs_f64() * 1e3);

    let mut image = image::open(&target)?.into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let data: &mut [u8] = &mut image;
    let strides = [width * 3, 0, 0];
    let planes = [data, &mut [][..], &mut [][..]];
    let mut frame = Frame::new(PixelFormat::Rgb, width, height, planes, strides, Colorimetry::default())?;
    let params = Params { select, ..Params::default() };
    let report = engine.process(&mut frame, &source, &params, Duration::ZERO)?;
    println!("{} faces, {} swapped, {:?}", report.faces.len(), report.swapped, report.times);
    image.save(&out)?;
    Ok(())
}
