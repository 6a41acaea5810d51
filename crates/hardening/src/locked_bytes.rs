use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::slice;

use crate::shortfall::{Measure, Shortfall};
use crate::wipe::wipe;

/// Bytes in pages of their own that are not swapped, not dumped, not inherited, and wiped when dropped.
///
/// Where the kernel has `memfd_secret` the pages are taken out of the kernel's own memory map too: not even root
/// reads them through `/proc/<pid>/mem`. (While such pages exist the kernel refuses to hibernate.) Elsewhere they
/// are anonymous pages with `mlock`, `MADV_DONTDUMP` and `MADV_WIPEONFORK`.
///
/// One page at least per value: for root keys, not for values in general.
pub struct LockedBytes {
    pages: NonNull<u8>,
    mapped: usize,
    length: usize,
    shortfalls: Vec<Shortfall>,
}

// SAFETY: the pages are owned by this value alone and reached only through `&self` and `&mut self`.
unsafe impl Send for LockedBytes {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for LockedBytes {}

impl LockedBytes {
    /// `length` zero bytes. Protections that the machine refused are in [`LockedBytes::shortfalls`].
    ///
    /// # Errors
    /// When there is no memory to map at all.
    pub fn zeroed(length: usize) -> io::Result<LockedBytes> {
        let mapped = whole_pages(length)?;
        match map_secret(mapped) {
            Ok(pages) => Ok(LockedBytes::over_secret_pages(pages, mapped, length)),
            Err(source) => {
                let shortfall = Shortfall {
                    measure: Measure::SecretMemory,
                    source,
                };
                LockedBytes::over_anonymous_pages(map_anonymous(mapped)?, mapped, length, shortfall)
            }
        }
    }

    /// A copy of `bytes`. Wipe the original afterwards.
    ///
    /// # Errors
    /// As [`LockedBytes::zeroed`].
    pub fn copy_of(bytes: &[u8]) -> io::Result<LockedBytes> {
        let mut locked = LockedBytes::zeroed(bytes.len())?;
        locked.copy_from_slice(bytes);
        Ok(locked)
    }

    /// The protections these bytes lack, to be logged once. A kernel without `memfd_secret` counts as one.
    pub fn shortfalls(&self) -> &[Shortfall] {
        &self.shortfalls
    }

    fn over_secret_pages(pages: NonNull<u8>, mapped: usize, length: usize) -> LockedBytes {
        let mut locked = LockedBytes {
            pages,
            mapped,
            length,
            shortfalls: Vec::new(),
        };
        // Secret pages are locked and undumpable from birth, but shared with children.
        locked.advise(libc::MADV_DONTFORK, Measure::NotInherited);
        locked
    }

    fn over_anonymous_pages(
        pages: NonNull<u8>,
        mapped: usize,
        length: usize,
        shortfall: Shortfall,
    ) -> io::Result<LockedBytes> {
        let mut locked = LockedBytes {
            pages,
            mapped,
            length,
            shortfalls: vec![shortfall],
        };
        // SAFETY: the pages are mapped; mlock does not change what is in them.
        if unsafe { libc::mlock(pages.as_ptr().cast(), mapped) } != 0 {
            locked.shortfalls.push(Shortfall::from_errno(Measure::Locked));
        }
        locked.advise(libc::MADV_DONTDUMP, Measure::LeftOutOfDumps);
        locked.advise(libc::MADV_WIPEONFORK, Measure::NotInherited);
        Ok(locked)
    }

    fn advise(&mut self, advice: libc::c_int, measure: Measure) {
        // SAFETY: the pages are mapped, and the advices used here change nothing for this process.
        if unsafe { libc::madvise(self.pages.as_ptr().cast(), self.mapped, advice) } != 0 {
            self.shortfalls.push(Shortfall::from_errno(measure));
        }
    }
}

impl Deref for LockedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the first `length` bytes are mapped, initialised (by the kernel, with zeros) and owned by `self`.
        unsafe { slice::from_raw_parts(self.pages.as_ptr(), self.length) }
    }
}

impl DerefMut for LockedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; `&mut self` makes the borrow exclusive.
        unsafe { slice::from_raw_parts_mut(self.pages.as_ptr(), self.length) }
    }
}

impl Drop for LockedBytes {
    fn drop(&mut self) {
        // SAFETY: the pages are mapped until the next line.
        unsafe { wipe(self.pages.as_ptr(), self.mapped) };
        // SAFETY: mapped with this length, and no borrow outlives `self`.
        unsafe { libc::munmap(self.pages.as_ptr().cast(), self.mapped) };
    }
}

impl fmt::Debug for LockedBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LockedBytes")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

fn whole_pages(length: usize) -> io::Result<usize> {
    // SAFETY: sysconf takes and returns a number.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).map_err(io::Error::other)?;
    length
        .max(1)
        .checked_next_multiple_of(page)
        .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
}

fn map_anonymous(length: usize) -> io::Result<NonNull<u8>> {
    map(length, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
}

fn map_secret(length: usize) -> io::Result<NonNull<u8>> {
    let size = libc::off_t::try_from(length).map_err(io::Error::other)?;
    // SAFETY: memfd_secret takes flags only.
    let descriptor = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    let descriptor = libc::c_int::try_from(descriptor).map_err(io::Error::other)?;
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is ours and open.
    let sized = match unsafe { libc::ftruncate(descriptor, size) } {
        0 => map(length, libc::MAP_SHARED, descriptor),
        _ => Err(io::Error::last_os_error()),
    };
    // SAFETY: the descriptor is ours and open; the mapping keeps the pages alive without it.
    unsafe { libc::close(descriptor) };
    sized
}

fn map(length: usize, flags: libc::c_int, descriptor: libc::c_int) -> io::Result<NonNull<u8>> {
    // SAFETY: without MAP_FIXED a new mapping overlaps nothing that is in use.
    let pages = unsafe {
        libc::mmap(
            ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            descriptor,
            0,
        )
    };
    if pages == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(pages.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{LockedBytes, map_anonymous, whole_pages};
    use crate::shortfall::{Measure, Shortfall};

    fn anonymous(length: usize) -> LockedBytes {
        let mapped = whole_pages(length).unwrap();
        let shortfall = Shortfall {
            measure: Measure::SecretMemory,
            source: io::Error::other("not asked for"),
        };
        LockedBytes::over_anonymous_pages(map_anonymous(mapped).unwrap(), mapped, length, shortfall).unwrap()
    }

    /// The `VmFlags` of the mapping that begins where `bytes` begin.
    fn flags(bytes: &LockedBytes) -> Vec<String> {
        let start = format!("{:x}-", bytes.as_ptr().addr());
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = maps.lines().skip_while(|line| !line.starts_with(&start));
        let flags = lines
            .find_map(|line| line.strip_prefix("VmFlags:"))
            .expect("mapping is listed");
        flags.split_whitespace().map(str::to_owned).collect()
    }

    fn has(bytes: &LockedBytes, flag: &str) -> bool {
        flags(bytes).iter().any(|found| found == flag)
    }

    #[test]
    fn locked_bytes_are_locked_undumpable_and_not_inherited() {
        let bytes = LockedBytes::zeroed(32).unwrap();
        assert!(has(&bytes, "lo") && has(&bytes, "dd"), "{:?}", flags(&bytes));
        assert!(has(&bytes, "dc") || has(&bytes, "wf"), "{:?}", flags(&bytes));
    }

    #[test]
    fn without_secret_memory_the_same_holds() {
        let bytes = anonymous(32);
        assert_eq!(bytes.shortfalls().len(), 1, "{:?}", bytes.shortfalls());
        for flag in ["lo", "dd", "wf"] {
            assert!(has(&bytes, flag), "{flag} not in {:?}", flags(&bytes));
        }
    }

    #[test]
    fn bytes_come_back_and_debug_hides_them() {
        for length in [0, 1, 32, 4096, 4097] {
            let content: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let bytes = LockedBytes::copy_of(&content).unwrap();
            assert_eq!(&bytes[..], &content[..]);
            assert_eq!(
                format!("{bytes:?}"),
                format!("LockedBytes {{ length: {length}, .. }}")
            );
        }
    }

    #[test]
    fn secret_memory_is_out_of_reach_of_proc_mem() {
        use std::os::unix::fs::FileExt;
        let bytes = LockedBytes::copy_of(b"root key").unwrap();
        if !bytes.shortfalls().is_empty() {
            return;
        }
        let memory = std::fs::File::open("/proc/self/mem").unwrap();
        let mut seen = [0u8; 8];
        assert!(
            memory
                .read_exact_at(&mut seen, bytes.as_ptr().addr() as u64)
                .is_err()
        );
    }
}
