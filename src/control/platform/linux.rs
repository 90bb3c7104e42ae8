//! Linux: thermal zones, frequency caps and processor topology from sysfs; sensors through sysinfo.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use sysinfo::Components;

use super::{Heat, Machine, Platform, Thermal};

/// Degrees below a trip point from where it counts as near.
const NEAR: f32 = 5.0;
/// Shares of the hardware's highest frequency: a lower cap than these is fair, then serious.
const CAPPED: f32 = 0.9;
const SLOWED: f32 = 0.6;

/// What is added to the niceness of threads that no picture waits for.
const NICER: i32 = 5;

/// Lets the scheduler prefer all other threads to the calling one.
pub(super) fn yield_to_others() {
    // On Linux niceness is each thread's own. To raise it is always allowed.
    let _ = rustix::process::nice(NICER);
}

/// Reads below `root`, which is `/` but for tests.
#[derive(Debug)]
pub(super) struct Linux {
    root: PathBuf,
    /// `None` where there are none.
    sensors: Option<Components>,
}

impl Linux {
    pub fn new() -> Self {
        Linux { root: "/".into(), sensors: Components::new_with_refreshed_list().ok() }
    }

    /// The hottest zone against its own trip points.
    fn zones(&self) -> Thermal {
        let mut thermal = Thermal::default();
        for zone in entries(&self.root.join("sys/class/thermal"), "thermal_zone") {
            let Some(celsius) = number(&zone.join("temp")).map(|milli| milli / 1000.0) else { continue };
            // Sensors that are not connected give nonsense.
            if !(1.0..150.0).contains(&celsius) {
                continue;
            }
            thermal.feel(celsius);
            for kind in entries(&zone, "trip_point_").iter().filter(|path| path.ends_with_name("_type")) {
                let at = kind.to_string_lossy().replace("_type", "_temp");
                let Some(trip) = number(Path::new(&at)).map(|milli| milli / 1000.0).filter(|t| *t > 0.0)
                else {
                    continue;
                };
                let heat = match text(kind).as_deref() {
                    Some("critical") if celsius >= trip - NEAR => Heat::Critical,
                    Some("hot" | "passive") if celsius >= trip => Heat::Serious,
                    Some("hot" | "passive") if celsius >= trip - NEAR => Heat::Fair,
                    _ => Heat::Nominal,
                };
                thermal.heat = thermal.heat.max(heat);
            }
        }
        thermal
    }

    /// How far the kernel has lowered the processor's highest frequency.
    fn capped(&self) -> Heat {
        let share = |policy: &PathBuf| {
            let (cap, full) =
                (number(&policy.join("scaling_max_freq"))?, number(&policy.join("cpuinfo_max_freq"))?);
            (full > 0.0).then_some(cap / full)
        };
        let policies = entries(&self.root.join("sys/devices/system/cpu/cpufreq"), "policy");
        match policies.iter().filter_map(share).fold(1.0, f32::min) {
            cap if cap < SLOWED => Heat::Serious,
            cap if cap < CAPPED => Heat::Fair,
            _ => Heat::Nominal,
        }
    }

    /// Processors that the kernel counts among the fast ones; empty where all are alike.
    fn fast(&self) -> BTreeSet<usize> {
        if let Some(list) = text(&self.root.join("sys/devices/cpu_core/cpus")) {
            return cpu_list(&list);
        }
        let cpus = entries(&self.root.join("sys/devices/system/cpu"), "cpu");
        let capacity = |path: &PathBuf| Some((index(path)?, number(&path.join("cpu_capacity"))? as usize));
        let capacities: Vec<(usize, usize)> = cpus.iter().filter_map(capacity).collect();
        let most = capacities.iter().map(|(_, capacity)| *capacity).max().unwrap_or(0);
        let fast: BTreeSet<usize> = capacities.iter().filter(|(_, c)| *c == most).map(|(i, _)| *i).collect();
        if fast.len() == capacities.len() { BTreeSet::new() } else { fast }
    }

    /// Physical cores, and how many of them are fast.
    fn cores(&self) -> Option<(usize, usize)> {
        let fast = self.fast();
        let (mut all, mut quick) = (BTreeSet::new(), BTreeSet::new());
        for cpu in entries(&self.root.join("sys/devices/system/cpu"), "cpu") {
            let Some(index) = index(&cpu) else { continue };
            let topology = cpu.join("topology");
            let Some(core) = text(&topology.join("core_id")) else { continue };
            let core = (text(&topology.join("physical_package_id")), core);
            if fast.is_empty() || fast.contains(&index) {
                quick.insert(core.clone());
            }
            all.insert(core);
        }
        (!all.is_empty()).then_some((all.len(), quick.len()))
    }
}

impl Platform for Linux {
    fn thermal(&mut self) -> Thermal {
        let mut thermal = self.zones();
        thermal.heat = thermal.heat.max(self.capped());
        let Some(sensors) = &mut self.sensors else { return thermal };
        sensors.refresh(false);
        for sensor in &*sensors {
            let Some(celsius) = sensor.temperature().filter(|t| (1.0..150.0).contains(t)) else { continue };
            thermal.feel(celsius);
            if sensor.critical().is_some_and(|critical| critical > 40.0 && celsius >= critical - NEAR) {
                thermal.heat = thermal.heat.max(Heat::Critical);
            }
        }
        thermal
    }

    /// The kernel tells of trip points by netlink only to who may listen; asking is enough.
    fn watch(&mut self, _changed: Box<dyn Fn() + Send + Sync>) {}

    fn machine(&self) -> Machine {
        let info = fs::read_to_string(self.root.join("proc/cpuinfo")).unwrap_or_default();
        let chip = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let kib = fs::read_to_string(self.root.join("proc/meminfo")).unwrap_or_default();
        let kib = kib
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
        let logical = std::thread::available_parallelism().map_or(1, usize::from);
        let (cores, fast) = self.cores().unwrap_or((logical, logical));
        let devices = self.root.join("dev");
        let nvidia = entries(&devices, "nvidia").into_iter().filter(|path| index(path).is_some());
        let others = entries(&devices.join("dri"), "renderD")
            .into_iter()
            .chain(entries(&devices.join("accel"), "accel"));
        Machine {
            chip: chip.map(|(_, name)| name.trim().to_owned()).unwrap_or_default(),
            performance_cores: fast,
            efficiency_cores: cores - fast,
            memory: 1024 * kib.unwrap_or(0u64),
            unified_memory: false,
            accelerators: nvidia.chain(others).map(|path| path.display().to_string()).collect(),
        }
    }
}

trait Name {
    fn ends_with_name(&self, end: &str) -> bool;
}

impl Name for PathBuf {
    fn ends_with_name(&self, end: &str) -> bool {
        self.file_name().is_some_and(|name| name.to_string_lossy().ends_with(end))
    }
}

/// The entries of a folder whose names begin with `start`.
fn entries(folder: &Path, start: &str) -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir(folder) else { return Vec::new() };
    let named = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(start);
    folder.flatten().filter(named).map(|entry| entry.path()).collect()
}

/// The number that a name like `cpu12` ends in.
fn index(path: &Path) -> Option<usize> {
    let name = path.file_name()?.to_string_lossy();
    name.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()
}

fn text(file: &Path) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

fn number(file: &Path) -> Option<f32> {
    text(file)?.parse().ok()
}

/// `0-3,8` as a set.
fn cpu_list(list: &str) -> BTreeSet<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<usize>().ok()?..=last.trim().parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// glibc keeps freed memory of every thread that ever needed some.
#[cfg(target_env = "gnu")]
pub(super) fn give_back_memory() {
    // SAFETY: may be called at any time, from any thread.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine made of files, below a folder of its own.
    fn machine(name: &str, files: &[(&str, &str)]) -> Linux {
        let root = std::env::temp_dir().join(format!("faceswap-linux-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Linux { root, sensors: None }
    }

    fn zone(celsius: u32) -> Linux {
        let temp = format!("{celsius}000\n");
        machine(
            &format!("zone-{celsius}"),
            &[
                ("sys/class/thermal/thermal_zone0/temp", temp.as_str()),
                ("sys/class/thermal/thermal_zone0/trip_point_0_type", "passive\n"),
                ("sys/class/thermal/thermal_zone0/trip_point_0_temp", "80000\n"),
                ("sys/class/thermal/thermal_zone0/trip_point_1_type", "critical\n"),
                ("sys/class/thermal/thermal_zone0/trip_point_1_temp", "100000\n"),
                ("sys/class/thermal/thermal_zone1/temp", "-274000\n"),
            ],
        )
    }

    #[test]
    fn zones_are_hot_by_their_own_trip_points() {
        for (celsius, heat) in
            [(60, Heat::Nominal), (76, Heat::Fair), (81, Heat::Serious), (96, Heat::Critical)]
        {
            let thermal = zone(celsius).thermal();
            assert_eq!(thermal, Thermal { heat, celsius: Some(celsius as f32) });
        }
    }

    #[test]
    fn a_lowered_frequency_cap_is_heat() {
        for (cap, heat) in [("3500000", Heat::Nominal), ("3000000", Heat::Fair), ("1200000", Heat::Serious)] {
            let mut linux = machine(
                &format!("cap-{cap}"),
                &[
                    ("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "3500000\n"),
                    ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", cap),
                ],
            );
            assert_eq!(linux.thermal(), Thermal { heat, celsius: None });
        }
    }

    #[test]
    fn fast_and_slow_cores_are_told_apart() {
        let core = |cpu: usize, core: usize| {
            [
                (format!("sys/devices/system/cpu/cpu{cpu}/topology/core_id"), core.to_string()),
                (format!("sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id"), "0".into()),
            ]
        };
        let mut files: Vec<(String, String)> = [core(0, 0), core(1, 0), core(2, 1), core(3, 2)].concat();
        let made = |name: &str, files: &[(String, String)]| {
            let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
            machine(name, &files).machine()
        };
        let alike = made("alike", &files);
        assert_eq!((alike.performance_cores, alike.efficiency_cores), (3, 0));
        files.push(("sys/devices/cpu_core/cpus".into(), "0-1,2".into()));
        let hybrid = made("hybrid", &files);
        assert_eq!((hybrid.performance_cores, hybrid.efficiency_cores), (2, 1));
        files.pop();
        for (cpu, capacity) in [(0, 1024), (1, 1024), (2, 400), (3, 400)] {
            files.push((format!("sys/devices/system/cpu/cpu{cpu}/cpu_capacity"), capacity.to_string()));
        }
        let arm = made("arm", &files);
        assert_eq!((arm.performance_cores, arm.efficiency_cores), (1, 2));
    }

    #[test]
    fn a_bare_machine_says_little_and_fails_at_nothing() {
        let mut linux = machine("bare", &[]);
        assert_eq!(linux.thermal(), Thermal::default());
        assert!(linux.machine().performance_cores >= 1);
    }
}
