use std::alloc::{GlobalAlloc, Layout, System};

use crate::wipe::wipe;

/// A global allocator that overwrites memory with zeros before it is freed.
///
/// Buffers that grow are copied and the old place is wiped, so that a `Vec` that was enlarged five times leaves no
/// five half copies. What is freed by C code (aws-lc) does not come through here; aws-lc wipes its own.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: strongroom_hardening::WipingAllocator = strongroom_hardening::WipingAllocator::new();
/// # fn main() {}
/// ```
#[derive(Debug, Default)]
pub struct WipingAllocator<Inner = System> {
    inner: Inner,
}

impl WipingAllocator {
    /// The allocator over the system's own.
    pub const fn new() -> WipingAllocator {
        WipingAllocator::over(System)
    }
}

impl<Inner> WipingAllocator<Inner> {
    /// The allocator over another one.
    pub const fn over(inner: Inner) -> WipingAllocator<Inner> {
        WipingAllocator { inner }
    }
}

// SAFETY: every block comes from `inner` and goes back to it with the layout it was asked for with; between the two
// only the block's own `layout.size()` bytes are written, at a time when their owner has given them up.
unsafe impl<Inner: GlobalAlloc> GlobalAlloc for WipingAllocator<Inner> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed through.
        unsafe { self.inner.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed through.
        unsafe { self.inner.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller gives up `block`, which has `layout.size()` bytes.
        unsafe { wipe(block, layout.size()) };
        // SAFETY: passed through.
        unsafe { self.inner.dealloc(block, layout) };
    }

    /// Never in place: the inner allocator's own `realloc` may move the block and leave the old bytes behind.
    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller guarantees that `new_size`, rounded up to the alignment, does not overflow `isize`.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: `new_size` is not zero, as the caller guarantees.
        let new_block = unsafe { self.inner.alloc(new_layout) };
        if !new_block.is_null() {
            // SAFETY: both blocks are live, distinct, and at least this long.
            unsafe { new_block.copy_from_nonoverlapping(block, layout.size().min(new_size)) };
            // SAFETY: the caller gives up `block`.
            unsafe { self.dealloc(block, layout) };
        }
        new_block
    }
}

#[cfg(test)]
mod tests;
