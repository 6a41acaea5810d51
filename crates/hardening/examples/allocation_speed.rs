//! What wiping costs: `cargo run --release -p strongroom-hardening --example allocation_speed`.

// Allocators are called directly here.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::time::Instant;

use strongroom_hardening::WipingAllocator;

fn main() {
    println!(
        "{:>9} {:>14} {:>14} {:>14} {:>14}",
        "bytes", "system", "wiping", "grown: system", "grown: wiping"
    );
    for size in [16, 64, 256, 1024, 4096, 16 * 1024, 64 * 1024, 1024 * 1024] {
        let wiping = WipingAllocator::new();
        println!(
            "{size:>9} {:>11.1} ns {:>11.1} ns {:>11.1} ns {:>11.1} ns",
            time(size, || take_and_free(&System, size)),
            time(size, || take_and_free(&wiping, size)),
            time(size, || grow_and_free(&System, size)),
            time(size, || grow_and_free(&wiping, size)),
        );
    }
}

/// Nanoseconds per call, best of many rounds, each too short for other work on the machine to hit all of them.
fn time(size: usize, work: impl Fn()) -> f64 {
    let calls = (3_000_000 / (size + 500)).max(1);
    let round = |_| {
        let start = Instant::now();
        (0..calls).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e9 / calls as f64
    };
    (0..300).map(round).fold(f64::INFINITY, f64::min)
}

/// A buffer that is filled, as buffers are.
fn take_and_free(allocator: &impl GlobalAlloc, size: usize) {
    let layout = Layout::from_size_align(size, 8).expect("a valid layout");
    // SAFETY: `size` is not zero; the block is used within its layout and freed once.
    unsafe {
        let block = black_box(allocator.alloc(layout));
        block.write_bytes(1, size);
        allocator.dealloc(black_box(block), layout);
    }
}

/// A buffer that doubles from 8 bytes until it has `size`, as a `Vec` does.
fn grow_and_free(allocator: &impl GlobalAlloc, size: usize) {
    let mut layout = Layout::from_size_align(8, 8).expect("a valid layout");
    // SAFETY: sizes are not zero; the block is used within its layout and freed once with its last layout.
    unsafe {
        let mut block = black_box(allocator.alloc(layout));
        while layout.size() < size {
            let grown = Layout::from_size_align(layout.size() * 2, 8).expect("a valid layout");
            block = black_box(allocator.realloc(block, layout, grown.size()));
            layout = grown;
        }
        block.write_bytes(1, layout.size());
        allocator.dealloc(black_box(block), layout);
    }
}
