//! How does the process keep secrets from those who look at its memory?
//!
//! - [`WipingAllocator`] leaves nothing behind in memory that was freed.
//! - [`LockedBytes`] holds the few bytes that may never be swapped, dumped or inherited.
//! - [`harden_process`] closes the door for core dumps and debuggers.
//!
//! Every measure is best effort: a machine that refuses one still runs, and the refusal is reported as a
//! [`Shortfall`] for the caller to log.

// The only crate that may: an allocator, `mmap` and `prctl` cannot be had without. Each use says why it is sound.
#![allow(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod allocator;
mod locked_bytes;
mod process;
mod shortfall;
mod wipe;

pub use allocator::WipingAllocator;
pub use locked_bytes::LockedBytes;
pub use process::{forbid_new_privileges, harden_process};
pub use shortfall::{Measure, Shortfall};
pub use wipe::wipe_stack;
