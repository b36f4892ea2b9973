//! Memory in large pages.
//!
//! Of a volume in pages of 4 KiB a processor spends more time on finding the pages than on reading them, most
//! of all in a virtual machine. numpy asks for large pages for the same reason.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, which is asked for large pages where much is allocated at once. For programs that
/// hold volumes:
///
/// ```text
/// #[global_allocator]
/// static MEMORY: kernels::LargePages = kernels::LargePages;
/// ```
pub struct LargePages;

// SAFETY: everything is the system's allocator, and how memory is backed is not what it holds.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let memory = unsafe { System.alloc(layout) };
        advise(memory, layout.size(), Advice::Large);
        memory
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let memory = unsafe { System.alloc_zeroed(layout) };
        advise(memory, layout.size(), Advice::Large);
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) };
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        let memory = unsafe { System.realloc(memory, layout, size) };
        advise(memory, size, Advice::Large);
        memory
    }
}

/// How memory that was not touched yet is to be backed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Advice {
    /// By large pages. First touching a volume 4 KiB at a time takes about as long as resampling onto it.
    Large,
    /// By small ones: little of it will be touched.
    Small,
}

/// Only advice: nothing depends on it. Nothing is done for less than a few MiB, which an allocator recycles.
#[cfg(target_os = "linux")]
pub(crate) fn advise(memory: *mut u8, size: usize, advice: Advice) {
    const LARGE: usize = 2 << 20;
    const LEAST: usize = 4 << 20;
    if size < LEAST || memory.is_null() {
        return;
    }
    let start = memory.addr().next_multiple_of(LARGE);
    let length = (memory.addr() + size - start) / LARGE * LARGE;
    let advice = match advice {
        Advice::Large => libc::MADV_HUGEPAGE,
        Advice::Small => libc::MADV_NOHUGEPAGE,
    };
    // SAFETY: the range lies within the memory, and the advice changes how it is backed but not what it holds.
    unsafe { libc::madvise(memory.with_addr(start).cast(), length, advice) };
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn advise(_: *mut u8, _: usize, _: Advice) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_holds_what_was_put_there_however_it_grows() {
        let layout = |size| Layout::from_size_align(size, 8).unwrap();
        for size in [1, 4096, (4 << 20) - 1, 4 << 20, (9 << 20) + 13] {
            // SAFETY: allocated, touched and freed by the same layouts.
            unsafe {
                let memory = LargePages.alloc(layout(size));
                memory.write_bytes(7, size);
                let memory = LargePages.realloc(memory, layout(size), size + (5 << 20));
                assert!(std::slice::from_raw_parts(memory, size).iter().all(|&byte| byte == 7), "{size}");
                memory.add(size).write_bytes(8, 5 << 20);
                LargePages.dealloc(memory, layout(size + (5 << 20)));
                let zeros = LargePages.alloc_zeroed(layout(size));
                assert!(std::slice::from_raw_parts(zeros, size).iter().all(|&byte| byte == 0), "{size}");
                LargePages.dealloc(zeros, layout(size));
            }
        }
    }
}
