//! The test input: a camera that moves slowly over the default pack's photo of an astronaut.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};
use gstfaceswap::models::Search;
use image::{RgbaImage, imageops};

const SIZE: (u32, u32) = (960, 540);
const RATE: i32 = 30;
/// Seconds of a round.
const ROUND: f64 = 12.0;
/// Width of the photo in the picture.
const WIDTH: u32 = 1180;
/// Where the middle of the picture goes to and fro on the scaled photo, in shares of it.
const MIDDLE: (f64, f64) = (0.46, 0.27);
const SWING: (f64, f64) = (0.05, 0.03);

/// Where `make models` puts it.
fn photo() -> Result<PathBuf> {
    let mut places = Search::default().folders().into_iter().map(|folder| folder.join("demo/astronaut.png"));
    places.find(|place| place.is_file()).context("the test picture is not there: run `make models`")
}

/// # Errors
/// The photo is not there or cannot be read.
pub fn source() -> Result<gst::Element> {
    let path = photo()?;
    let picture = image::open(&path).with_context(|| path.display().to_string())?.into_rgba8();
    let height = picture.height() * WIDTH / picture.width().max(1);
    let picture = imageops::resize(&picture, WIDTH, height, imageops::FilterType::CatmullRom);
    let info =
        VideoInfo::builder(VideoFormat::Rgba, SIZE.0, SIZE.1).fps(gst::Fraction::new(RATE, 1)).build()?;
    let frame = Duration::from_secs(1) / RATE as u32;
    let source = gst_app::AppSrc::builder()
        .caps(&info.to_caps()?)
        .format(gst::Format::Time)
        .is_live(true)
        .do_timestamp(true)
        // As a camera, whose frame is as old as it took to expose.
        .min_latency(frame.as_nanos() as i64)
        .stream_type(gst_app::AppStreamType::Stream)
        .build();
    let (mut number, mut due) = (0u64, None);
    source.set_callbacks(
        gst_app::AppSrcCallbacks::builder()
            .need_data(move |source, _| {
                let now = std::time::Instant::now();
                let at = due.map_or(now, |due: std::time::Instant| (due + frame).max(now));
                std::thread::sleep(at - now);
                due = Some(at);
                let mut buffer =
                    gst::Buffer::from_mut_slice(view(&picture, f64::from(number as u32) / f64::from(RATE)));
                if let Some(buffer) = buffer.get_mut() {
                    buffer.set_duration(gst::ClockTime::from_nseconds(frame.as_nanos() as u64));
                }
                number += 1;
                // Refused while the pipeline stops.
                let _ = source.push_buffer(buffer);
            })
            .build(),
    );
    Ok(source.upcast())
}

/// The part of the picture that is seen after that many seconds.
fn view(picture: &RgbaImage, time: f64) -> Vec<u8> {
    let turn = std::f64::consts::TAU * time / ROUND;
    let room = |picture: u32, view: u32| f64::from(picture.saturating_sub(view));
    let place = |middle: f64, swing: f64, picture: u32, view: u32| {
        let from = f64::from(picture) * (middle + swing) - f64::from(view) / 2.0;
        from.clamp(0.0, room(picture, view)) as usize
    };
    let x = place(MIDDLE.0, SWING.0 * turn.sin(), picture.width(), SIZE.0);
    let y = place(MIDDLE.1, SWING.1 * (2.0 * turn).sin(), picture.height(), SIZE.1);
    let (row, width) = (4 * picture.width() as usize, 4 * SIZE.0 as usize);
    let mut out = Vec::with_capacity(width * SIZE.1 as usize);
    for line in picture.as_raw().chunks_exact(row).skip(y).take(SIZE.1 as usize) {
        out.extend_from_slice(&line[4 * x..4 * x + width]);
    }
    out
}
