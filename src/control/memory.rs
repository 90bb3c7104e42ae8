//! What memory the process may have, and what the element's parts get of it.

use std::num::NonZeroUsize;

use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

const MIB: u64 = 1 << 20;
/// Share of the budget from where parts are to shrink.
const NEAR: f64 = 0.9;

/// Memory at one moment, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident, of this process.
    pub resident: u64,
    /// What the machine, or the control group that the process is in, can still give; 0: unknown.
    pub available: u64,
    pub total: u64,
}

/// Reads [`Memory`] and the processor time of this process.
#[derive(Debug)]
pub struct Gauge {
    system: System,
    pid: Pid,
}

impl Gauge {
    /// `None` where the system does not tell.
    pub fn new() -> Option<Self> {
        let what = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
        let (system, pid) = (System::new_with_specifics(what).ok()?, sysinfo::get_current_pid().ok()?);
        Some(Gauge { system, pid })
    }

    /// Now, and the processor time since the last look: 100 = one core. Takes a fraction of a
    /// millisecond; not for each frame.
    pub fn read(&mut self) -> (Memory, f64) {
        let what = ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), false, what);
        self.system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let process = self.system.process(self.pid);
        let group = self.system.cgroup_limits();
        let (free, whole) = (self.system.available_memory(), self.system.total_memory());
        let memory = Memory {
            resident: process.map_or(0, |process| process.memory()),
            available: group.as_ref().map_or(free, |group| free.min(group.free_memory)),
            total: group.as_ref().map_or(whole, |group| whole.min(group.total_memory)),
        };
        (memory, process.map_or(0.0, |process| process.cpu_usage().into()))
    }
}

/// Resident memory that the process may have. Before it is passed frames in flight, batches and
/// caches shrink, each down to one; what that leaves is told by the governor's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    bytes: u64,
}

impl Default for Budget {
    /// Without end.
    fn default() -> Self {
        Budget { bytes: u64::MAX }
    }
}

impl Budget {
    /// Of `max_memory` MiB; of 0: what the process has `now`, and half of what is free.
    pub fn new(max_memory: u32, now: Memory) -> Self {
        match (max_memory, now.available) {
            (0, 0) => Budget::default(),
            (0, available) => Budget { bytes: now.resident + available / 2 },
            (mib, _) => Budget { bytes: u64::from(mib) * MIB },
        }
    }

    /// How many of `wanted` pieces of so many bytes half of what is left `now` holds; at least one.
    pub fn fit(&self, now: Memory, wanted: usize, bytes_each: u64) -> usize {
        let left = self.bytes.saturating_sub(now.resident) / 2;
        let fits = usize::try_from(left / bytes_each.max(1)).unwrap_or(usize::MAX);
        fits.clamp(1, wanted.max(1))
    }

    /// Entries that a cache may keep: at most `most`, of so many bytes each, in a 32nd of the budget.
    pub fn entries(&self, most: NonZeroUsize, bytes_each: u64) -> NonZeroUsize {
        let fits = usize::try_from(self.bytes / 32 / bytes_each.max(1)).unwrap_or(usize::MAX);
        NonZeroUsize::new(fits.min(most.get())).unwrap_or(NonZeroUsize::MIN)
    }

    /// Whether so many resident bytes are near it, or past it.
    pub fn is_near(&self, resident: u64) -> bool {
        resident as f64 >= NEAR * self.bytes as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(resident: u64, available: u64) -> Memory {
        Memory { resident: resident * MIB, available: available * MIB, total: 4096 * MIB }
    }

    #[test]
    fn this_process_has_memory_and_leaves_some() {
        let (memory, cpu) = Gauge::new().unwrap().read();
        assert!(memory.resident > MIB && memory.resident < memory.total, "{memory:?}");
        assert!(memory.available > 0 && memory.available <= memory.total, "{memory:?}");
        assert!(cpu >= 0.0);
    }

    #[test]
    fn a_budget_of_none_is_half_of_what_is_free() {
        let budget = Budget::new(0, now(100, 1000));
        assert!(!budget.is_near(100 * MIB));
        assert!(!budget.is_near(539 * MIB) && budget.is_near(541 * MIB));
        assert_eq!(Budget::new(0, Memory::default()), Budget::default());
        assert!(!Budget::default().is_near(u64::MAX / 2));
    }

    #[test]
    fn parts_shrink_to_what_is_left_but_not_away() {
        let budget = Budget::new(200, now(100, 1000));
        // Half of 100 MiB.
        assert_eq!(budget.fit(now(100, 1000), 16, 3 * MIB), 16);
        assert_eq!(budget.fit(now(100, 1000), 16, 10 * MIB), 5);
        assert_eq!(budget.fit(now(190, 1000), 16, 10 * MIB), 1);
        assert_eq!(budget.fit(now(300, 1000), 16, 10 * MIB), 1);
        assert_eq!(budget.fit(now(100, 1000), 0, 10 * MIB), 1);
    }

    #[test]
    fn caches_shrink_with_the_budget() {
        let most = NonZeroUsize::new(1024).unwrap();
        let entries = |mib| Budget::new(mib, now(100, 1000)).entries(most, 2048).get();
        assert_eq!([entries(0), entries(64), entries(32), entries(1)], [1024, 1024, 512, 16]);
        assert_eq!(Budget::new(1, now(1, 1)).entries(most, 100 * MIB).get(), 1);
    }
}
