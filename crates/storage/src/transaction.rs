//! Rules every engine shares: what may be asked of a store.

use std::collections::HashSet;

use crate::error::StoreError;
use crate::store::{Range, Revision, Transaction, Write};

/// Sizes a store takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Longest key, in bytes.
    pub key: usize,
    /// Longest value, in bytes. Kubernetes takes requests of 3 MiB; sealing adds a little.
    pub value: usize,
    /// Most bytes of keys and values in a transaction.
    pub bytes: usize,
    /// Most writes and conditions in a transaction.
    pub writes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            key: 4 << 10,
            value: 3_500_000,
            bytes: 3_750_000,
            writes: 4_096,
        }
    }
}

/// Refuses a transaction that no engine takes.
pub(crate) fn check(transaction: &Transaction, limits: &Limits) -> Result<(), StoreError> {
    let writes = transaction.writes.len().max(transaction.conditions.len());
    check_size("transaction of writes", writes, limits.writes)?;
    let mut bytes = 0;
    for write in &transaction.writes {
        if write.key().is_empty() {
            return Err(StoreError::EmptyKey);
        }
        check_size("key of bytes", write.key().len(), limits.key)?;
        bytes += write.key().len();
        if let Write::Put { value, .. } = write {
            check_size("value of bytes", value.len(), limits.value)?;
            bytes += value.len();
        }
    }
    check_size("transaction of bytes", bytes, limits.bytes)?;
    check_unique(&transaction.writes)
}

fn check_size(what: &'static str, size: usize, limit: usize) -> Result<(), StoreError> {
    if size > limit {
        Err(StoreError::TooLarge { what, size, limit })
    } else {
        Ok(())
    }
}

fn check_unique(writes: &[Write]) -> Result<(), StoreError> {
    if writes.len() < 2 {
        return Ok(());
    }
    let mut seen = HashSet::with_capacity(writes.len());
    match writes.iter().find(|write| !seen.insert(write.key())) {
        Some(write) => Err(StoreError::DuplicateKey {
            key: write.key().clone(),
        }),
        None => Ok(()),
    }
}

/// Refuses to read at a revision that is gone or has not come yet.
pub(crate) fn check_readable(
    at: Option<Revision>,
    current: Revision,
    compacted: Revision,
) -> Result<(), StoreError> {
    match at {
        Some(requested) if requested > current => Err(StoreError::FutureRevision { requested, current }),
        Some(requested) if requested < compacted => Err(StoreError::Compacted { requested, compacted }),
        _ => Ok(()),
    }
}

/// Whether the keys under a prefix are counted: counts are kept by directory.
pub(crate) fn is_countable(prefix: &[u8]) -> bool {
    prefix.is_empty() || prefix.ends_with(b"/")
}

/// Whether a page with so many records and bytes of values takes no more.
pub(crate) fn is_page_full(range: &Range, records: usize, bytes: usize) -> bool {
    (range.limit > 0 && records >= range.limit)
        || (range.max_bytes > 0 && records > 0 && bytes >= range.max_bytes)
}
