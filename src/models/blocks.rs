//! Memory for what large models compute with: large blocks come straight from the system and go
//! back at once, where the C library would keep a network's hundreds of megabytes after its run.

use std::{
    alloc::{Layout, alloc, dealloc},
    ffi::c_void,
    ptr,
};

use ort::{
    AsPointer,
    environment::Environment,
    memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType},
    sys::{OrtAllocator, OrtMemoryInfo},
};

/// Blocks of this many bytes and more are mapped.
const LARGE: usize = 1 << 17;
/// Bytes before a block, which hold its size; also what blocks are aligned to, as the runtime's
/// kernels like it.
const HEAD: usize = 64;

/// What the runtime calls. Its functions find the rest behind the first field.
#[repr(C)]
struct Blocks {
    calls: OrtAllocator,
    info: MemoryInfo<'static>,
}

/// Offers these blocks to sessions that ask for the environment's allocators.
///
/// # Errors
/// What the runtime says.
pub(super) fn offer(environment: &Environment) -> ort::Result<()> {
    let info = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default)?;
    // SAFETY: all required functions are set.
    let mut calls = unsafe { OrtAllocator::default() };
    calls.Alloc = Some(give);
    calls.Free = Some(take_back);
    calls.Info = Some(tell);
    calls.Reserve = Some(reserve);
    // As long as the environment, which is never dropped.
    let blocks = Box::leak(Box::new(Blocks { calls, info }));
    // SAFETY: both outlive the process's use of the runtime.
    unsafe {
        let status =
            (ort::api().RegisterAllocator)(environment.ptr().cast_mut(), ptr::from_mut(blocks).cast());
        ort::Error::result_from_status(status)
    }
}

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes, HEAD).ok()
}

/// `size` bytes, null where there are no more.
fn block(size: usize) -> *mut c_void {
    let Some(bytes) = size.checked_add(HEAD) else { return ptr::null_mut() };
    // SAFETY: a private mapping at a place of the system's choice, or a layout of a size above 0.
    // Both start aligned to `HEAD` and hold the size before the block.
    unsafe {
        let start = if bytes >= LARGE {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let start = libc::mmap(ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            if start == libc::MAP_FAILED { ptr::null_mut() } else { start.cast::<u8>() }
        } else {
            layout(bytes).map_or(ptr::null_mut(), |layout| alloc(layout))
        };
        if start.is_null() {
            return ptr::null_mut();
        }
        start.cast::<usize>().write(bytes);
        start.add(HEAD).cast()
    }
}

unsafe extern "system" fn give(_: *mut OrtAllocator, size: usize) -> *mut c_void {
    block(size)
}

unsafe extern "system" fn reserve(_: *const OrtAllocator, size: usize) -> *mut c_void {
    block(size)
}

unsafe extern "system" fn take_back(_: *mut OrtAllocator, block: *mut c_void) {
    if block.is_null() {
        return;
    }
    // SAFETY: the runtime gives back what `block` gave it, once.
    unsafe {
        let start = block.cast::<u8>().sub(HEAD);
        let bytes = start.cast::<usize>().read();
        if bytes >= LARGE {
            libc::munmap(start.cast(), bytes);
        } else if let Some(layout) = layout(bytes) {
            dealloc(start, layout);
        }
    }
}

unsafe extern "system" fn tell(own: *const OrtAllocator) -> *const OrtMemoryInfo {
    // SAFETY: the runtime passes what it was given in `offer`.
    unsafe { (*own.cast::<Blocks>()).info.ptr() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_all_sizes_are_aligned_and_their_own() {
        let sizes = [0, 1, 63, 64, LARGE - HEAD - 1, LARGE - HEAD, LARGE, 5_000_000];
        let blocks = sizes.map(|size| (block(size), size));
        for (i, &(start, size)) in blocks.iter().enumerate() {
            assert_eq!(start as usize % HEAD, 0);
            // SAFETY: the block has that many bytes.
            unsafe { start.cast::<u8>().write_bytes(i as u8, size) };
        }
        for (i, (start, size)) in blocks.into_iter().enumerate() {
            // SAFETY: as above; then it is given back once.
            let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), size) };
            assert!(bytes.iter().all(|b| *b == i as u8));
            unsafe { take_back(ptr::null_mut(), start) };
        }
        assert!(block(usize::MAX).is_null() && block(usize::MAX / 2).is_null());
        unsafe { take_back(ptr::null_mut(), ptr::null_mut()) };
    }
}
