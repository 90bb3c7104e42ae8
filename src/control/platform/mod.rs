//! What the machine is and how hot it runs. One file a platform, behind [`Platform`].

#[cfg(not(target_os = "macos"))]
mod linux;
#[cfg(any(target_os = "macos", feature = "check-macos"))]
#[cfg_attr(not(target_os = "macos"), expect(dead_code, reason = "only type-checked here"))]
mod macos;

use std::fmt::Debug;

/// How hot the machine is, as far as it matters: from serious on it slows itself down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Heat {
    #[default]
    Nominal,
    Fair,
    Serious,
    Critical,
}

impl Heat {
    pub const fn name(self) -> &'static str {
        match self {
            Heat::Nominal => "nominal",
            Heat::Fair => "fair",
            Heat::Serious => "serious",
            Heat::Critical => "critical",
        }
    }
}

/// The thermal state of the moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Thermal {
    pub heat: Heat,
    /// Of the hottest sensor, °C, where there is one.
    pub celsius: Option<f32>,
}

impl Thermal {
    /// Takes a sensor's temperature into account.
    fn feel(&mut self, celsius: f32) {
        self.celsius = Some(self.celsius.map_or(celsius, |hottest| hottest.max(celsius)));
    }
}

/// What the machine is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    pub chip: String,
    /// Physical cores. Where all are alike, they are performance cores.
    pub performance_cores: usize,
    pub efficiency_cores: usize,
    /// Bytes.
    pub memory: u64,
    /// Whether processor and GPU share their memory.
    pub unified_memory: bool,
    /// Device nodes or names of GPUs and neural engines.
    pub accelerators: Vec<String>,
}

/// What only the system can tell. Tests bring their own.
pub trait Platform: Send + Debug {
    /// Takes a fraction of a millisecond; not for the streaming thread.
    fn thermal(&mut self) -> Thermal;

    /// Calls `changed` on some thread whenever the thermal state may have changed, where the system
    /// tells; else it is found out by asking.
    fn watch(&mut self, changed: Box<dyn Fn() + Send + Sync>);

    fn machine(&self) -> Machine;
}

/// That of the system this runs on.
pub fn platform() -> Box<dyn Platform> {
    #[cfg(target_os = "macos")]
    return Box::new(macos::MacOs::new());
    #[cfg(not(target_os = "macos"))]
    return Box::new(linux::Linux::new());
}

/// Asks that the calling thread give way to others, for work that no picture waits for.
pub fn yield_to_others() {
    #[cfg(target_os = "macos")]
    macos::yield_to_others();
    #[cfg(not(target_os = "macos"))]
    linux::yield_to_others();
}

/// Asks that the calling thread run on the fast cores, for work that a picture waits for.
pub fn prefer_fast_cores() {
    #[cfg(target_os = "macos")]
    macos::prefer_fast_cores();
}

/// Gives the system back the memory that was freed but that the process keeps for later, where it
/// does so: after work that needed much. Takes milliseconds; not for the streaming thread.
pub fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    linux::give_back_memory();
}
