//! What the figures were measured on.

use gstfaceswap::{
    control::platform::platform,
    models::{Search, runtime_loaded},
};
use sysinfo::System;

use crate::record::Machine;

pub fn describe() -> Machine {
    let mut platform = platform();
    let machine = platform.machine();
    let thermal = platform.thermal();
    let (major, minor, micro, _) = gst::version();
    Machine {
        chip: machine.chip,
        performance_cores: machine.performance_cores,
        efficiency_cores: machine.efficiency_cores,
        logical_cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_mib: machine.memory >> 20,
        unified_memory: machine.unified_memory,
        accelerators: machine.accelerators,
        system: System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.into()),
        kernel: System::kernel_version().unwrap_or_default(),
        architecture: std::env::consts::ARCH.into(),
        gstreamer: format!("{major}.{minor}.{micro}"),
        onnx_runtime: runtime(),
        load: System::load_average().map_or(0.0, |load| load.one),
        thermal: thermal.heat.name().into(),
        temperature_c: thermal.celsius,
    }
}

/// Version and path of the ONNX Runtime that the models run on.
fn runtime() -> Option<String> {
    let path = runtime_loaded().map(Into::into).or_else(|| Search::default().runtime())?;
    Some(path.file_name()?.to_string_lossy().into_owned())
}
