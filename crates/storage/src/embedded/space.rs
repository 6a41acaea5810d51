//! Room on the disk. What is acknowledged has to fit into the tables later, so puts are refused
//! while there is still room for everything the journal holds.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{Disk, is_full};

const RESERVE: &str = "reserve";
/// What a checkpoint needs whatever its size: redb's own records.
const MARGIN: u64 = 512 << 10;
/// Pages that an event copies in the tables, in bytes: one each of three tables.
const PAGES_PER_EVENT: u64 = 3 * 4096;

/// What the journal holds that must fit into the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub events: usize,
    pub bytes: usize,
}

impl std::ops::Add for Load {
    type Output = Load;

    fn add(self, other: Load) -> Load {
        Load {
            events: self.events + other.events,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// Watches over the room on the disk.
#[derive(Debug)]
pub(crate) struct Space {
    disk: Arc<dyn Disk>,
    reserve_bytes: u64,
    /// About what can be written into the tables without making the file larger.
    reusable: AtomicU64,
}

impl Space {
    pub(crate) fn new(disk: Arc<dyn Disk>, reserve_bytes: u64) -> Space {
        Space {
            disk,
            reserve_bytes,
            reusable: AtomicU64::new(0),
        }
    }

    fn available(&self) -> Option<u64> {
        let available = self.disk.available()?;
        Some(available + self.reusable.load(Ordering::Relaxed))
    }

    /// Whether the tables can take so much more. Generous: better refused than not kept.
    pub(crate) fn has_room_for(&self, load: Load) -> bool {
        let needed = MARGIN + PAGES_PER_EVENT * load.events as u64 + 3 * load.bytes as u64;
        self.available().is_none_or(|available| available >= needed)
    }

    /// Whether a disk that was full has enough room to begin again: the reserve, and as much more.
    pub(crate) fn is_enough(&self) -> bool {
        match self.make_reserve() {
            Ok(()) => self
                .available()
                .is_none_or(|available| available >= MARGIN + self.reserve_bytes),
            Err(error) if is_full(&error) => {
                self.reusable.load(Ordering::Relaxed) >= MARGIN + 2 * self.reserve_bytes
            }
            Err(error) => {
                tracing::warn!(%error, "cannot make the reserve file");
                false
            }
        }
    }

    /// Notes that values of so many bytes were removed from the tables.
    pub(crate) fn note_freed(&self, bytes: u64) {
        // Pages are reused whole, and not all of them are empty.
        self.reusable.fetch_add(bytes / 2, Ordering::Relaxed);
    }

    /// Notes that so much was written into the tables.
    pub(crate) fn note_used(&self, load: Load) {
        let used = |reusable: u64| Some(reusable.saturating_sub(2 * load.bytes as u64));
        // The closure never refuses.
        let _ = self
            .reusable
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, used);
    }

    /// Nothing that was thought reusable was.
    pub(crate) fn forget_reusable(&self) {
        self.reusable.store(0, Ordering::Relaxed);
    }

    /// Makes the file that is given up when the disk is full. Written, not just sized, so that the
    /// blocks are really there.
    pub(crate) fn make_reserve(&self) -> io::Result<()> {
        let file = self.disk.open(RESERVE, true)?;
        if file.len()? >= self.reserve_bytes {
            return Ok(());
        }
        let zeros = vec![0; 64 << 10];
        let mut length = 0;
        while length < self.reserve_bytes {
            let step = (self.reserve_bytes - length).min(zeros.len() as u64);
            if let Err(error) = file.write(length, &zeros[..step as usize]) {
                // Half a reserve would only take the room of what is needed now.
                self.disk.remove(RESERVE)?;
                return Err(error);
            }
            length += step;
        }
        file.sync()
    }

    /// Gives up the reserve; whether there was one.
    pub(crate) fn give_up_reserve(&self) -> io::Result<bool> {
        let had_reserve = match self.disk.open(RESERVE, false) {
            Ok(file) => file.len()? > 0,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        self.disk.remove(RESERVE)?;
        Ok(had_reserve)
    }
}
