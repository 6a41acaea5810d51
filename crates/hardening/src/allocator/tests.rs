use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::WipingAllocator;

/// Stands below the allocator and looks at each block at the last moment at which looking is allowed.
#[derive(Default)]
struct Inspector {
    freed_blocks: AtomicUsize,
    bytes_left_behind: AtomicUsize,
}

// SAFETY: everything is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Inspector {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that reading all of the block below is defined.
        // SAFETY: passed through.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is still live and was initialised as a whole by `alloc`.
        let content = unsafe { std::slice::from_raw_parts(block, layout.size()) };
        let left = content.iter().filter(|byte| **byte != 0).count();
        self.bytes_left_behind.fetch_add(left, Ordering::Relaxed);
        self.freed_blocks.fetch_add(1, Ordering::Relaxed);
        // SAFETY: passed through.
        unsafe { System.dealloc(block, layout) };
    }
}

/// Fills a block, resizes it through `sizes`, frees it; returns how many blocks were freed.
fn check(sizes: &[usize], align: usize) -> usize {
    let allocator = WipingAllocator::over(Inspector::default());
    let mut layout = Layout::from_size_align(sizes[0], align).unwrap();
    // SAFETY: sizes are not zero; each block is used within its layout and freed once with its last layout.
    unsafe {
        let mut block = allocator.alloc(layout);
        block.write_bytes(0xa5, layout.size());
        for size in &sizes[1..] {
            let kept = layout.size().min(*size);
            block = allocator.realloc(block, layout, *size);
            layout = Layout::from_size_align(*size, align).unwrap();
            assert!(block.addr().is_multiple_of(align));
            assert!(
                std::slice::from_raw_parts(block, kept)
                    .iter()
                    .all(|byte| *byte == 0xa5)
            );
            block.write_bytes(0xa5, *size);
        }
        allocator.dealloc(block, layout);
    }
    assert_eq!(
        allocator.inner.bytes_left_behind.load(Ordering::Relaxed),
        0,
        "{sizes:?} align {align}"
    );
    allocator.inner.freed_blocks.load(Ordering::Relaxed)
}

#[test]
fn freed_memory_holds_nothing() {
    for size in [1, 2, 7, 8, 15, 16, 17, 31, 63, 64, 100, 4096, 100_000, 1 << 20] {
        assert_eq!(check(&[size], 1), 1);
        assert_eq!(check(&[size], 4096), 1);
    }
}

#[test]
fn growing_and_shrinking_leave_nothing_behind() {
    assert_eq!(check(&[8, 16, 32, 64, 128, 200_000], 1), 6);
    assert_eq!(check(&[200_000, 10, 3, 1], 8), 4);
    assert_eq!(check(&[64, 64], 64), 2);
}

#[test]
fn zeroed_memory_is_zeroed() {
    let allocator = WipingAllocator::new();
    let layout = Layout::from_size_align(10_000, 16).unwrap();
    // SAFETY: the block is read within its layout and freed once.
    unsafe {
        let block = allocator.alloc_zeroed(layout);
        assert!(
            std::slice::from_raw_parts(block, layout.size())
                .iter()
                .all(|byte| *byte == 0)
        );
        allocator.dealloc(block, layout);
    }
}
