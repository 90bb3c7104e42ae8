//! What the system says of this process.

/// Resident memory, bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    pub resident: u64,
    /// The highest so far, where the system is Linux, else as `resident`.
    pub peak: u64,
}

pub fn memory() -> Memory {
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            let kib = line.split_whitespace().find_map(|word| word.parse::<u64>().ok());
            1024 * kib.unwrap_or_default()
        };
        return Memory { resident: field("VmRSS:"), peak: field("VmHWM:") };
    }
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};
    let (Ok(mut system), Ok(pid)) =
        (System::new_with_specifics(RefreshKind::nothing()), sysinfo::get_current_pid())
    else {
        return Memory::default();
    };
    let what = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
    let resident = system.process(pid).map_or(0, |process| process.memory());
    Memory { resident, peak: resident }
}

/// Processor time of this process so far, all threads, in seconds, where the system is Linux.
pub fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum();
    ticks / 100.0
}
