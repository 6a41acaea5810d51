//! What lies between a stored value and its plaintext: (prefix, transformer) pairs and how they are tried (§2.1).

use std::fmt;

use zeroize::Zeroizing;

use crate::error::{OpenError, SealError};
use crate::layout::ENCRYPTED_PREFIX;

/// Random bytes for sealing one value, never to be used again: as many as the most demanding layout needs (KMS v2:
/// 32 bytes of info and 12 of nonce). Other layouts use the first few.
pub const RANDOM_LENGTH: usize = 44;

/// A value that was opened.
pub struct Opened {
    /// The plaintext; wiped when dropped.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// Not in the form in which it would be written today: the next write must really write, even when nothing else
    /// changes. Reading alone never rewrites.
    pub stale: bool,
}

impl fmt::Debug for Opened {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Opened")
            .field("stale", &self.stale)
            .finish_non_exhaustive()
    }
}

/// Seals and opens the bytes after a prefix.
pub(crate) trait Transformer: fmt::Debug + Send + Sync {
    /// Appends the sealed value to `out`, which ends with this transformer's prefix.
    fn seal(
        &self,
        storage_key: &[u8],
        plaintext: &[u8],
        random: &[u8; RANDOM_LENGTH],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError>;

    /// Opens what `seal` appended.
    fn open(&self, storage_key: &[u8], sealed: &[u8]) -> Result<Opened, OpenError>;

    /// An upper bound for what `seal` adds to the plaintext, in bytes.
    fn overhead(&self) -> usize;
}

/// A transformer and what stands before its values.
#[derive(Debug)]
pub(crate) struct Prefixed {
    pub(crate) prefix: Vec<u8>,
    pub(crate) transformer: Box<dyn Transformer>,
}

impl Prefixed {
    /// The pair that is offered every value.
    pub(crate) fn identity() -> Prefixed {
        Prefixed {
            prefix: Vec::new(),
            transformer: Box::new(Identity),
        }
    }
}

/// Transformers in order: the first one writes, all whose prefix matches are tried for reading.
#[derive(Debug)]
pub(crate) struct PrefixTransformers {
    first: Prefixed,
    others: Vec<Prefixed>,
    no_match: OpenError,
}

impl PrefixTransformers {
    /// `no_match` is the answer to values that no prefix matches.
    pub(crate) fn new(first: Prefixed, others: Vec<Prefixed>, no_match: OpenError) -> PrefixTransformers {
        PrefixTransformers {
            first,
            others,
            no_match,
        }
    }

    pub(crate) fn push(&mut self, last: Prefixed) {
        self.others.push(last);
    }
}

impl Transformer for PrefixTransformers {
    fn seal(
        &self,
        storage_key: &[u8],
        plaintext: &[u8],
        random: &[u8; RANDOM_LENGTH],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let start = out.len();
        out.extend_from_slice(&self.first.prefix);
        let sealed = self.first.transformer.seal(storage_key, plaintext, random, out);
        sealed.inspect_err(|_| out.truncate(start))
    }

    fn open(&self, storage_key: &[u8], sealed: &[u8]) -> Result<Opened, OpenError> {
        let mut failures = Vec::new();
        for (index, pair) in std::iter::once(&self.first).chain(&self.others).enumerate() {
            let Some(rest) = sealed.strip_prefix(pair.prefix.as_slice()) else {
                continue;
            };
            match pair.transformer.open(storage_key, rest) {
                Ok(opened) => {
                    return Ok(Opened {
                        stale: opened.stale || index != 0,
                        ..opened
                    });
                }
                Err(failure) if failures.contains(&failure) => {}
                Err(failure) => failures.push(failure),
            }
        }
        // Identity matches everything; its refusal says nothing when another provider knew the value.
        if failures.len() > 1 {
            failures.retain(|failure| *failure != OpenError::IdentityReadEncrypted);
        }
        match failures.len() {
            0 => Err(self.no_match.clone()),
            1 => Err(failures.swap_remove(0)),
            _ => Err(OpenError::Several(failures)),
        }
    }

    fn overhead(&self) -> usize {
        self.first.prefix.len() + self.first.transformer.overhead()
    }
}

/// Values as they are. Its prefix is empty, so it is offered every value, and refuses those that are encrypted.
#[derive(Debug)]
struct Identity;

impl Transformer for Identity {
    fn seal(
        &self,
        _storage_key: &[u8],
        plaintext: &[u8],
        _random: &[u8; RANDOM_LENGTH],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        out.extend_from_slice(plaintext);
        Ok(())
    }

    fn open(&self, _storage_key: &[u8], sealed: &[u8]) -> Result<Opened, OpenError> {
        if sealed.starts_with(ENCRYPTED_PREFIX) {
            return Err(OpenError::IdentityReadEncrypted);
        }
        Ok(Opened {
            plaintext: Zeroizing::new(sealed.to_vec()),
            stale: false,
        })
    }

    fn overhead(&self) -> usize {
        0
    }
}
