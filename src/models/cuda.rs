//! Tensors that stay on an NVIDIA card, at the same addresses from run to run, so that the card can
//! replay a run as one recorded graph of its work.

use std::{
    ffi::c_void,
    ptr,
    sync::{
        Mutex, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
};

use libloading::Library;
use once_cell::sync::OnceCell;
use ort::{
    AsPointer,
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::RunOptions,
    value::{DynTensor, TensorElementType},
};

use super::loaded::Loaded;
use crate::sync::lock;

type Status = i32;
type Address = u64;

/// What is used of the driver's interface; the runtime's own provider has loaded it by then.
struct Driver {
    get_device: unsafe extern "C" fn(*mut i32, i32) -> Status,
    retain_context: unsafe extern "C" fn(*mut *mut c_void, i32) -> Status,
    use_context: unsafe extern "C" fn(*mut c_void) -> Status,
    to_device: unsafe extern "C" fn(Address, *const c_void, usize) -> Status,
    to_host: unsafe extern "C" fn(*mut c_void, Address, usize) -> Status,
    pin: unsafe extern "C" fn(*mut c_void, usize, u32) -> Status,
    unpin: unsafe extern "C" fn(*mut c_void) -> Status,
    _library: Library,
}

static DRIVER: OnceCell<Driver> = OnceCell::new();

impl Driver {
    fn get() -> Result<&'static Driver, String> {
        DRIVER.get_or_try_init(|| {
            let name = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
            let error = |e: libloading::Error| e.to_string();
            // SAFETY: the names and types are those of cuda.h (driver interface, 4.1 and newer).
            unsafe {
                let library = Library::new(name).map_err(error)?;
                Ok(Driver {
                    get_device: *library.get("cuDeviceGet").map_err(error)?,
                    retain_context: *library.get("cuDevicePrimaryCtxRetain").map_err(error)?,
                    use_context: *library.get("cuCtxSetCurrent").map_err(error)?,
                    to_device: *library.get("cuMemcpyHtoD_v2").map_err(error)?,
                    to_host: *library.get("cuMemcpyDtoH_v2").map_err(error)?,
                    pin: *library.get("cuMemHostRegister_v2").map_err(error)?,
                    unpin: *library.get("cuMemHostUnregister").map_err(error)?,
                    _library: library,
                })
            }
        })
    }

    /// The context that the runtime uses as well. It lives as long as the process.
    fn context(&self, device: i32) -> Result<usize, String> {
        let (mut handle, mut context) = (0, ptr::null_mut());
        // SAFETY: both are written before they are read, unless the call fails.
        unsafe {
            check("the device", (self.get_device)(&mut handle, device))?;
            check("its context", (self.retain_context)(&mut context, handle))?;
        }
        Ok(context as usize)
    }
}

fn check(what: &str, status: Status) -> Result<(), String> {
    if status == 0 { Ok(()) } else { Err(format!("CUDA: {what}: error {status}")) }
}

/// While a graph is recorded no other thread may have the card allocate or copy: those that do hold
/// this for reading.
static RECORDING: RwLock<()> = RwLock::new(());
/// Held while a session is made or a graph recorded, so that neither keeps runs waiting for the other.
static PREPARING: Mutex<()> = Mutex::new(());

/// Runs `work`, which may use a card, while no graph is recorded.
pub(super) fn using<R>(work: impl FnOnce() -> R) -> R {
    let _using = RECORDING.read();
    work()
}

/// Runs `work`, which makes a session, while no graph is recorded.
pub(super) fn preparing<R>(work: impl FnOnce() -> R) -> R {
    let _preparing = lock(&PREPARING);
    work()
}

/// Runs `work`, which records a graph, while nobody else uses a card.
fn recording<R>(work: impl FnOnce() -> R) -> R {
    let _preparing = lock(&PREPARING);
    let _recording = RECORDING.write();
    work()
}

/// Has runs that are not [resident](Resident) leave no graph behind.
pub(super) fn unrecorded(options: &mut RunOptions) -> ort::Result<()> {
    options.set("gpu_graph_id", "-1")
}

/// A tensor in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host<'t> {
    pub kind: TensorElementType,
    pub shape: &'t [i64],
    pub data: *mut c_void,
}

/// A tensor in memory, and its place on the card.
struct Mirror {
    device: DynTensor,
    address: Address,
    host: *mut c_void,
    bytes: usize,
    pinned: bool,
}

/// Inputs and outputs of one set of shapes on the card.
pub(super) struct Resident {
    inputs: Vec<Mirror>,
    outputs: Vec<Mirror>,
    options: RunOptions,
    context: usize,
    /// Graphs are the thread's that they were recorded on.
    recorded: Option<ThreadId>,
}

// SAFETY: the pointers are to memory of tensors that go wherever this goes, see `Resident::new`.
unsafe impl Send for Resident {}

impl std::fmt::Debug for Resident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resident").field("recorded", &self.recorded).finish_non_exhaustive()
    }
}

impl Resident {
    /// Makes room on the card for these tensors in memory.
    ///
    /// # Safety
    /// They must neither move nor end before this does.
    ///
    /// # Errors
    /// What the driver or the runtime says.
    pub unsafe fn new<'t>(
        loaded: &Loaded,
        inputs: impl Iterator<Item = Host<'t>>,
        outputs: impl Iterator<Item = Host<'t>>,
    ) -> Result<Resident, String> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let error = |e: ort::Error| e.message().to_owned();
        let driver = Driver::get()?;
        let context = driver.context(loaded.device)?;
        let info = MemoryInfo::new(
            AllocationDevice::CUDA,
            loaded.device,
            AllocatorType::Device,
            MemoryType::Default,
        );
        let allocator = Allocator::new(&loaded.session, info.map_err(error)?).map_err(error)?;
        let mut options = RunOptions::new().map_err(error)?;
        options.set("gpu_graph_id", NEXT.fetch_add(1, Ordering::Relaxed).to_string()).map_err(error)?;
        let mut resident =
            Resident { inputs: Vec::new(), outputs: Vec::new(), options, context, recorded: None };
        // SAFETY: the context is the driver's own.
        check("its context", unsafe { (driver.use_context)(context as *mut c_void) })?;
        for host in inputs {
            resident.inputs.push(Mirror::new(driver, &allocator, host)?);
        }
        for host in outputs {
            resident.outputs.push(Mirror::new(driver, &allocator, host)?);
        }
        Ok(resident)
    }

    /// Copies the inputs to the card, runs the model there, and copies the outputs back.
    ///
    /// # Errors
    /// What the driver or the runtime says.
    pub fn run(&mut self, loaded: &Loaded) -> Result<(), String> {
        let here = thread::current().id();
        if self.recorded == Some(here) {
            return using(|| self.replay(loaded));
        }
        recording(|| self.replay(loaded))?;
        self.recorded = Some(here);
        Ok(())
    }

    fn replay(&mut self, loaded: &Loaded) -> Result<(), String> {
        let driver = Driver::get()?;
        // SAFETY: the addresses are of tensors of that many bytes; the run has ended when it returns.
        unsafe {
            check("its context", (driver.use_context)(self.context as *mut c_void))?;
            for input in &self.inputs {
                check("copying to it", (driver.to_device)(input.address, input.host, input.bytes))?;
            }
            self.start(loaded)?;
            for output in &self.outputs {
                check("copying from it", (driver.to_host)(output.host, output.address, output.bytes))?;
            }
        }
        Ok(())
    }

    unsafe fn start(&mut self, loaded: &Loaded) -> Result<(), String> {
        const MOST: usize = super::session::MOST_PORTS;
        let (mut input_names, mut inputs) = ([ptr::null(); MOST], [ptr::null(); MOST]);
        let (mut output_names, mut outputs) = ([ptr::null(); MOST], [ptr::null_mut(); MOST]);
        for (i, (name, mirror)) in loaded.input_names.iter().zip(&self.inputs).enumerate() {
            (input_names[i], inputs[i]) = (name.as_ptr(), mirror.device.ptr());
        }
        for (i, (name, mirror)) in loaded.output_names.iter().zip(&mut self.outputs).enumerate() {
            (output_names[i], outputs[i]) = (name.as_ptr(), mirror.device.ptr_mut());
        }
        // SAFETY: as in `Session`; there are at most so many inputs and outputs, as was checked there.
        unsafe {
            let status = (ort::api().Run)(
                loaded.session.ptr().cast_mut(),
                self.options.ptr(),
                input_names.as_ptr(),
                inputs.as_ptr(),
                self.inputs.len(),
                output_names.as_ptr(),
                self.outputs.len(),
                outputs.as_mut_ptr(),
            );
            ort::Error::result_from_status(status).map_err(|e| e.message().to_owned())
        }
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let Ok(driver) = Driver::get() else { return };
        for mirror in self.inputs.iter().chain(&self.outputs).filter(|mirror| mirror.pinned) {
            // SAFETY: it was pinned, and is there still.
            unsafe {
                (driver.use_context)(self.context as *mut c_void);
                (driver.unpin)(mirror.host);
            }
        }
    }
}

impl Mirror {
    fn new(driver: &Driver, allocator: &Allocator, host: Host<'_>) -> Result<Mirror, String> {
        let error = |e: ort::Error| e.message().to_owned();
        let mut device = DynTensor::new(allocator, host.kind, host.shape.to_vec()).map_err(error)?;
        let address = device.data_ptr_mut() as Address;
        let elements = host.shape.iter().product::<i64>().max(0) as usize;
        let bytes = host.kind.byte_size(elements).unwrap_or(0);
        // Copies are faster where it can be. SAFETY: the memory is the tensor's, of that size.
        let pinned = unsafe { (driver.pin)(host.data, bytes, 0) == 0 };
        Ok(Mirror { device, address, host: host.data, bytes, pinned })
    }
}
