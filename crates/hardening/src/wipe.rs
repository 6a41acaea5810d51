use std::arch::asm;
use std::hint::black_box;

use zeroize::Zeroize;

/// Writes zeros over `length` bytes so that no optimizer may leave it out, not even just before `free`.
///
/// # Safety
/// `start` must be valid for writes of `length` bytes, and nothing may rely on their old content.
#[inline]
pub(crate) unsafe fn wipe(start: *mut u8, length: usize) {
    // SAFETY: the caller vouches for the range.
    unsafe { start.write_bytes(0, length) };
    // SAFETY: no instruction is emitted. An asm block that is not `nomem` may read all memory reachable from its
    // operands, so the zeros must have been written by now; nothing is said about the speed of writing them, which
    // is why this is a memset and not a loop of volatile writes.
    unsafe { asm!("/* {0} */", in(reg) start, options(nostack, preserves_flags)) };
}

/// How much stack below the caller is overwritten, in bytes: more than any cipher in use here needs.
const STACK_DEPTH: usize = 16 * 1024;

/// Overwrites the stack that functions called earlier from the same place have used.
///
/// Key material that passes through registers and by-value returns leaves copies in dead stack frames. Call this
/// from the function that called those functions, once it no longer needs them.
#[inline(never)]
pub fn wipe_stack() {
    let mut frame = [0u8; STACK_DEPTH];
    black_box(&mut frame).zeroize();
}
