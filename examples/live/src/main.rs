//! A window on the `faceswap` element: camera, file or test picture in; preview, recording, virtual
//! camera or network out.
//!
//!     cargo run --release -p faceswap-live

mod app;
mod choices;
mod keys;
mod panels;
mod photo;
mod pipeline;
mod plots;
mod preview;
mod script;
mod settings;
mod toasts;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use eframe::egui::{ViewportBuilder, vec2};

use app::App;
use script::Script;
use settings::Settings;

/// Swap a face live, in a window.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where the settings are kept [default: the user's configuration folder]
    #[arg(long, value_name = "FILE.json")]
    settings: Option<PathBuf>,
    /// Does what the lines of this file say, then quits; see `script.rs`
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Photo, video or swap network to begin with
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("faceswap-live: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<ExitCode> {
    gst::init()?;
    gstfaceswap::plugin_register_static()?;
    let script = args.script.as_deref().map(Script::read).transpose()?;
    let failed = script.as_ref().map(Script::failure);
    let path = args.settings.unwrap_or_else(Settings::path);
    let options = eframe::NativeOptions {
        viewport: ViewportBuilder::default()
            .with_title("faceswap live")
            .with_inner_size(vec2(1280.0, 860.0))
            .with_min_inner_size(vec2(820.0, 560.0))
            .with_drag_and_drop(true),
        ..Default::default()
    };
    let create: eframe::AppCreator<'_> = Box::new(move |context| {
        let mut app = App::new(&context.egui_ctx, path, script)?;
        app.take(args.files.iter().map(PathBuf::as_path));
        Ok(Box::new(app))
    });
    eframe::run_native("faceswap-live", options, create)
        .map_err(|error| anyhow!("{error}"))
        .context("no window can be opened; is there a display?")?;
    let failure = failed.and_then(|failed| failed.lock().ok().and_then(|mut why| why.take()));
    match failure {
        Some(why) => Err(anyhow!("{why}")),
        None => Ok(ExitCode::SUCCESS),
    }
}
