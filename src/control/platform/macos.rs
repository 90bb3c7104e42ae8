//! macOS: the process's thermal state and its notification, sysctl, and thread QoS classes.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr::{NonNull, null_mut},
};

use block2::RcBlock;
use objc2::{
    rc::Retained,
    runtime::{NSObjectProtocol, ProtocolObject},
};
use objc2_foundation::{
    NSNotification, NSNotificationCenter, NSProcessInfo, NSProcessInfoThermalState,
    NSProcessInfoThermalStateDidChangeNotification,
};

use super::{Heat, Machine, Platform, Thermal};

/// `QOS_CLASS_USER_INITIATED` of `sys/qos.h`.
const USER_INITIATED: u32 = 0x19;
/// `QOS_CLASS_UTILITY` of the same.
const UTILITY: u32 = 0x11;

unsafe extern "C" {
    fn sysctlbyname(
        name: *const c_char,
        old: *mut c_void,
        old_len: *mut usize,
        new: *mut c_void,
        new_len: usize,
    ) -> c_int;
    fn pthread_set_qos_class_self_np(class: u32, relative_priority: c_int) -> c_int;
}

#[derive(Debug)]
pub(super) struct MacOs {
    observer: Option<Observer>,
}

/// Removed from the notification centre when dropped.
#[derive(Debug)]
struct Observer(Retained<ProtocolObject<dyn NSObjectProtocol>>);

// SAFETY: the token is only ever given back to the notification centre, which may be done on any
// thread.
unsafe impl Send for Observer {}

impl Drop for Observer {
    fn drop(&mut self) {
        let token: &ProtocolObject<dyn NSObjectProtocol> = &self.0;
        // SAFETY: the token is the one that the centre gave.
        unsafe { NSNotificationCenter::defaultCenter().removeObserver(token.as_ref()) };
    }
}

impl MacOs {
    pub fn new() -> Self {
        MacOs { observer: None }
    }
}

impl Platform for MacOs {
    fn thermal(&mut self) -> Thermal {
        let heat = match NSProcessInfo::processInfo().thermalState() {
            NSProcessInfoThermalState::Fair => Heat::Fair,
            NSProcessInfoThermalState::Serious => Heat::Serious,
            NSProcessInfoThermalState::Critical => Heat::Critical,
            _ => Heat::Nominal,
        };
        // Apple gives no temperatures to programs.
        Thermal { heat, celsius: None }
    }

    fn watch(&mut self, changed: Box<dyn Fn() + Send + Sync>) {
        // The notification is only sent to who has asked for the state before.
        let _ = self.thermal();
        let block = RcBlock::new(move |_: NonNull<NSNotification>| changed());
        // SAFETY: the block may run on any thread, as what it captures may; the name is a constant
        // of the framework.
        let token = unsafe {
            NSNotificationCenter::defaultCenter().addObserverForName_object_queue_usingBlock(
                Some(NSProcessInfoThermalStateDidChangeNotification),
                None,
                None,
                &block,
            )
        };
        self.observer = Some(Observer(token));
    }

    fn machine(&self) -> Machine {
        let count = |name| integer(name).and_then(|n| usize::try_from(n).ok());
        let physical = count(c"hw.physicalcpu").unwrap_or(1);
        // Only Apple silicon has levels; the first is the fastest.
        let fast = count(c"hw.perflevel0.physicalcpu").unwrap_or(physical);
        let apple = integer(c"hw.optional.arm64") == Some(1);
        let accelerators: &[&str] = if apple { &["gpu", "ane"] } else { &[] };
        Machine {
            chip: string(c"machdep.cpu.brand_string").unwrap_or_default(),
            performance_cores: fast,
            efficiency_cores: physical.saturating_sub(fast),
            memory: integer(c"hw.memsize").unwrap_or(0),
            unified_memory: apple,
            accelerators: accelerators.iter().map(|&name| name.into()).collect(),
        }
    }
}

/// Lets the scheduler keep the calling thread on the performance cores.
pub(super) fn prefer_fast_cores() {
    // SAFETY: concerns the calling thread only. Fails where the thread has left the QoS system,
    // which changes nothing.
    unsafe { pthread_set_qos_class_self_np(USER_INITIATED, 0) };
}

/// Lets the scheduler prefer all other threads to the calling one.
pub(super) fn yield_to_others() {
    // SAFETY: as above.
    unsafe { pthread_set_qos_class_self_np(UTILITY, 0) };
}

/// A number of four or eight bytes.
fn integer(name: &CStr) -> Option<u64> {
    let mut bytes = [0u8; 8];
    match read(name, &mut bytes)? {
        4 => Some(u32::from_ne_bytes(bytes.first_chunk().copied()?).into()),
        8 => Some(u64::from_ne_bytes(bytes)),
        _ => None,
    }
}

fn string(name: &CStr) -> Option<String> {
    let mut bytes = [0u8; 256];
    let len = read(name, &mut bytes)?;
    Some(CStr::from_bytes_until_nul(bytes.get(..len)?).ok()?.to_string_lossy().into_owned())
}

/// Bytes written, `None` where the system knows no such name.
fn read(name: &CStr, to: &mut [u8]) -> Option<usize> {
    let mut len = to.len();
    // SAFETY: the system writes at most `len` bytes, which `to` has.
    let result = unsafe { sysctlbyname(name.as_ptr(), to.as_mut_ptr().cast(), &mut len, null_mut(), 0) };
    (result == 0).then_some(len)
}
