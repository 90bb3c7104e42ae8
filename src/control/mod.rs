//! What the machine is, how it does, and what follows.

pub mod stats;

/// Cores to work on: the physical ones, at least one.
pub fn performance_cores() -> usize {
    let logical = std::thread::available_parallelism().map_or(1, usize::from);
    sysinfo::System::physical_core_count().map_or(logical, |n| n.min(logical)).max(1)
}
