//! What the machine is, how it does, and what follows.

pub mod governor;
pub mod memory;
pub mod monitor;
pub mod platform;
pub mod stats;

/// Threads to start where the user asks for `wanted`: 0 = one a performance core, and at most one a
/// processor.
pub fn threads(wanted: usize) -> usize {
    match wanted {
        0 => performance_cores(),
        n => n.min(std::thread::available_parallelism().map_or(n, usize::from)),
    }
}

/// Physical cores to work on: the fast ones, at least one.
pub fn performance_cores() -> usize {
    static CORES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *CORES.get_or_init(|| {
        let logical = std::thread::available_parallelism().map_or(1, usize::from);
        platform::platform().machine().performance_cores.clamp(1, logical)
    })
}
