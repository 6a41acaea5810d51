//! What a volume shall hold.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// The files of one volume, by their path relative to it (`a`, `dir/a.txt`; never absolute, never with `..`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    /// Path to file.
    pub files: BTreeMap<String, File>,
}

/// One file of a volume.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// The bytes, wiped when they are dropped.
    pub content: Zeroizing<Vec<u8>>,
    /// Permission bits, `0..=0o777`.
    pub mode: u32,
    /// The user that owns the file; root unless said otherwise (service account tokens, pods-and-kubelet §3.2).
    pub owner: Option<u32>,
}

impl fmt::Debug for File {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("File")
            .field("bytes", &self.content.len())
            .field("mode", &format_args!("{:#o}", self.mode))
            .field("owner", &self.owner)
            .finish()
    }
}
