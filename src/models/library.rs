//! Execution providers that ship as plugin libraries (ONNX Runtime 1.22 and newer).
//!
//! A library is code: only the file that the user names is loaded, by its own path, never searched
//! for.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use ort::{
    AsPointer, device::Device, environment::Environment, memory::DeviceType, session::builder::SessionBuilder,
};

use super::{ModelError, Provider, runtime};
use crate::sync::lock;

/// The libraries that were registered, by their whole paths, each with its devices: the runtime keeps
/// these in their place.
static REGISTERED: Mutex<Vec<(PathBuf, Vec<usize>)>> = Mutex::new(Vec::new());

/// A device that a plugin library can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryDevice {
    /// ONNX Runtime's name of the provider.
    pub provider: String,
    /// cpu, gpu or npu.
    pub kind: &'static str,
    /// Who made it.
    pub vendor: String,
}

/// Loads the runtime if need be, then a plugin library, and lists the devices that it can use.
///
/// # Errors
/// No such file, no plugin library, or not one that this runtime takes; says which and what to do.
pub fn library_devices(path: &Path, from: Option<&Path>) -> Result<Vec<LibraryDevice>, ModelError> {
    let environment = runtime::load(from)?;
    let own = register(environment, path)?;
    Ok(devices(environment, &own).map(|device| describe(&device)).collect())
}

/// The provider that `wanted` means in a library.
///
/// # Errors
/// As [`library_devices`]; it has no such provider, or none for `device`.
pub(super) fn provider(path: &Path, wanted: Provider, device: Option<&str>) -> Result<Provider, ModelError> {
    let environment = runtime::load(None)?;
    let own = register(environment, path)?;
    choose(environment, path, &own, wanted, device).map(|(_, provider)| provider)
}

/// Has the library's provider run a session that is being made.
///
/// # Errors
/// As [`provider`]; the provider refuses.
pub(super) fn append(
    builder: SessionBuilder,
    path: &Path,
    wanted: Provider,
    device: Option<&str>,
) -> Result<SessionBuilder, ModelError> {
    let environment = runtime::load(None)?;
    let own = register(environment, path)?;
    let (at, _) = choose(environment, path, &own, wanted, device)?;
    let chosen = devices(environment, &own).nth(at);
    builder.with_devices(chosen, None).map_err(|e| error(path, e.message().to_owned()))
}

/// The place of the chosen among the library's devices, and its provider.
fn choose(
    environment: &Environment,
    path: &Path,
    own: &[usize],
    wanted: Provider,
    device: Option<&str>,
) -> Result<(usize, Provider), ModelError> {
    let found: Vec<LibraryDevice> = devices(environment, own).map(|device| describe(&device)).collect();
    pick(&found, wanted, device).map_err(|reason| error(path, reason))
}

fn pick(
    found: &[LibraryDevice],
    wanted: Provider,
    device: Option<&str>,
) -> Result<(usize, Provider), String> {
    if found.is_empty() {
        return Err(
            "it finds no device on this machine that it can use; is the device's driver installed?".into()
        );
    }
    let list = || {
        let each =
            |(i, d): (usize, &LibraryDevice)| format!("{i}: {} on {} of {}", d.provider, d.kind, d.vendor);
        found.iter().enumerate().map(each).collect::<Vec<_>>().join(", ")
    };
    let fits = |d: &LibraryDevice| wanted == Provider::Auto || Provider::of_library(&d.provider) == wanted;
    if !found.iter().any(fits) {
        return Err(format!("it has no provider {wanted}, it has {}; set execution-provider=auto", list()));
    }
    let is_chosen =
        |i: usize, d: &LibraryDevice| device.is_none_or(|name| name == d.kind || name == i.to_string());
    let chosen = found.iter().enumerate().find(|(i, d)| fits(d) && is_chosen(*i, d));
    let (at, chosen) = chosen.ok_or_else(|| {
        let device = device.unwrap_or_default();
        format!("device is {device:?}; give an index or cpu, gpu or npu out of {}", list())
    })?;
    Ok((at, Provider::of_library(&chosen.provider)))
}

/// Registers the library unless it is already; which devices are its own.
fn register(environment: &Environment, path: &Path) -> Result<Vec<usize>, ModelError> {
    let whole = path.canonicalize().map_err(|e| error(path, format!("{e}; check the path")))?;
    if !whole.is_file() {
        return Err(error(path, "it is no file; name the library itself".into()));
    }
    let mut registered = lock(&REGISTERED);
    if let Some((_, own)) = registered.iter().find(|(known, _)| *known == whole) {
        return Ok(own.clone());
    }
    let all = || environment.devices().map(|device| device.ptr() as usize);
    let before: Vec<usize> = all().collect();
    let name = format!("faceswap-{}", registered.len());
    environment.register_ep_library(name, &whole).map_err(|e| {
        let runtime = runtime::loaded().unwrap_or(Path::new("")).display();
        let advice =
            format!("give a plugin library that was made for ONNX Runtime {runtime}, with what it needs");
        error(path, format!("it cannot be used: {}; {advice}", e.message()))
    })?;
    let own: Vec<usize> = all().filter(|device| !before.contains(device)).collect();
    registered.push((whole, own.clone()));
    Ok(own)
}

fn devices<'e>(environment: &'e Environment, own: &'e [usize]) -> impl Iterator<Item = Device<'e>> {
    environment.devices().filter(|device| own.contains(&(device.ptr() as usize)))
}

fn describe(device: &Device<'_>) -> LibraryDevice {
    let hardware = device.hardware_device();
    LibraryDevice {
        provider: device.ep().unwrap_or_default().to_owned(),
        kind: match hardware.ty() {
            DeviceType::GPU => "gpu",
            DeviceType::NPU => "npu",
            _ => "cpu",
        },
        vendor: hardware.vendor().unwrap_or_default().to_owned(),
    }
}

fn error(path: &Path, reason: String) -> ModelError {
    ModelError::Library { path: path.into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_is_the_first_that_was_asked_for() {
        let device =
            |provider: &str, kind| LibraryDevice { provider: provider.into(), kind, vendor: "V".into() };
        let found = [device("OpenVINOExecutionProvider", "cpu"), device("OpenVINOExecutionProvider", "gpu")];
        let picked = |wanted, device| pick(&found, wanted, device);
        assert_eq!(picked(Provider::Auto, None), Ok((0, Provider::OpenVino)));
        assert_eq!(picked(Provider::OpenVino, Some("gpu")), Ok((1, Provider::OpenVino)));
        assert_eq!(picked(Provider::OpenVino, Some("1")), Ok((1, Provider::OpenVino)));
        let wrong = picked(Provider::WebGpu, None).unwrap_err();
        assert!(wrong.contains("no provider webgpu") && wrong.contains("0: OpenVINO"), "{wrong}");
        let absent = picked(Provider::Auto, Some("npu")).unwrap_err();
        assert!(absent.contains("\"npu\"") && absent.contains("1: OpenVINOExecutionProvider on gpu of V"));
        assert!(pick(&[], Provider::Auto, None).unwrap_err().contains("no device"));
        assert_eq!(pick(&[device("New", "npu")], Provider::Auto, None), Ok((0, Provider::Plugin)));
    }
}
