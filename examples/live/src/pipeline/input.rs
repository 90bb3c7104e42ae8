//! Where the picture comes from.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use gst::prelude::*;

use super::{Setup, pan};
use crate::settings::InputKind;

/// Names of the cameras that are there. Takes some hundred milliseconds.
pub fn cameras() -> Vec<String> {
    devices().iter().map(|device| device.display_name().to_string()).collect()
}

fn devices() -> Vec<gst::Device> {
    let monitor = gst::DeviceMonitor::new();
    monitor.add_filter(Some("Video/Source"), None);
    if monitor.start().is_err() {
        return Vec::new();
    }
    let devices = monitor.devices().into_iter().collect();
    monitor.stop();
    devices
}

/// The element that brings the picture, and whether it is live.
///
/// # Errors
/// There is no such camera, file or picture.
pub fn source(setup: &Setup) -> Result<(gst::Element, bool)> {
    match setup.input {
        InputKind::Test => Ok((pan::source()?, true)),
        InputKind::Camera => Ok((camera(&setup.camera)?, true)),
        InputKind::File => Ok((file(&setup.file)?, false)),
    }
}

fn camera(name: &str) -> Result<gst::Element> {
    let devices = devices();
    let found = devices.iter().find(|device| name.is_empty() || device.display_name() == name);
    match found {
        Some(device) => device.create_element(None).context("the camera cannot be used"),
        None if name.is_empty() => {
            bail!("No camera was found. Plug one in, or choose a file or the test picture.")
        }
        None => bail!("The camera “{name}” is not there. Plug it in, or choose another."),
    }
}

fn file(path: &str) -> Result<gst::Element> {
    ensure!(!path.is_empty(), "No video is chosen: drop one here or type its path.");
    let path = Path::new(path);
    ensure!(path.is_file(), "{}: no such file", path.display());
    let path = path.canonicalize().with_context(|| path.display().to_string())?;
    let uri = gst::glib::filename_to_uri(&path, None)?;
    let decode = gst::ElementFactory::make("uridecodebin").property("uri", uri).build()?;
    Ok(decode)
}
