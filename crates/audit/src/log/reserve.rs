//! Room on the disk behind the end of the file. A request that is under way when the disk fills up has been done by the
//! time its record is written, so the room for that record is taken before: while there is none, nothing new is begun.

use std::fs::File;

use rustix::fs::{FallocateFlags, fallocate};

/// Tried in this order when the log is opened: on a tiny disk a small reserve, or none, must do.
const SIZES: [u64; 2] = [1 << 20, 256 << 10];
/// This part of the reserve may be used up before more is taken.
const STEP: u64 = 8;

/// What is reserved.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    /// Bytes wanted behind the end; 0 where the file system cannot reserve.
    size: u64,
    /// Offset up to which the disk has room for the file.
    until: u64,
    /// The last attempt to have enough failed.
    pub is_short: bool,
}

impl Reserve {
    /// The largest reserve that the disk allows now.
    pub fn choose(file: &File, length: u64) -> Self {
        for size in SIZES {
            let mut reserve = Self {
                size,
                ..Self::default()
            };
            reserve.fill(file, length);
            if !reserve.is_short {
                return reserve;
            }
        }
        Self::default()
    }

    /// Takes more if enough has been used up.
    pub fn keep_ahead(&mut self, file: &File, length: u64) {
        if self.until < length + (self.size - self.size / STEP) {
            self.fill(file, length);
        }
    }

    /// Takes all that is wanted behind `length`.
    pub fn fill(&mut self, file: &File, length: u64) {
        if self.size == 0 {
            return;
        }
        match fallocate(file, FallocateFlags::KEEP_SIZE, length, self.size) {
            Ok(()) => {
                self.until = length + self.size;
                self.is_short = false;
            }
            Err(_) => self.is_short = true,
        }
    }
}
