//! What is known about tokens that were seen before, without keeping any token.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use jiff::{SignedDuration, Timestamp};

/// Successful checks of tokens are believed this long (auth.md §2).
pub const SUCCESS_TTL: SignedDuration = SignedDuration::from_secs(10);

/// Locks are spread over this many parts, so that requests on different processors rarely meet.
const PARTS: usize = 16;

/// Remembers a value for each token, under a keyed hash of the token: neither the token nor anything it could be guessed
/// from stays in memory. Bounded: the oldest entries go first.
///
/// The hash is AES-256-GMAC under a key made for this cache, with one nonce for all. What that gives up, unforgeability
/// towards somebody who sees the tags, is not needed: no tag ever leaves this table. What stays is that two tokens of at
/// most 64 KiB collide with a probability below 2⁻¹¹⁵ for whoever does not know the key, at a tenth of HMAC's cost.
///
/// Two uses: `TokenCache<Arc<BoundClaims>>` with a long life remembers that a signature holds (times, audiences and the
/// store are still asked each time); `TokenCache<Arc<Identity>>` with [`SUCCESS_TTL`] remembers an outside issuer's
/// verdict. Failures are never remembered. Make a new one when the keys or issuers change.
pub struct TokenCache<V> {
    key: LessSafeKey,
    life: SignedDuration,
    part_capacity: usize,
    parts: [Mutex<Part<V>>; PARTS],
}

type Digest = [u8; 16];

struct Part<V> {
    entries: HashMap<Digest, (Timestamp, V)>,
    /// Digests in the order of insertion; may name entries that were replaced since.
    order: VecDeque<(Digest, Timestamp)>,
}

impl<V> fmt::Debug for TokenCache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").finish_non_exhaustive()
    }
}

impl<V: Clone> TokenCache<V> {
    /// An empty cache of about `capacity` entries that live for `life`; `key` is 32 random bytes.
    pub fn new(key: &[u8; 32], capacity: usize, life: SignedDuration) -> TokenCache<V> {
        let part = || {
            Mutex::new(Part {
                entries: HashMap::new(),
                order: VecDeque::new(),
            })
        };
        TokenCache {
            key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a key of 32 bytes")),
            life,
            part_capacity: capacity.div_ceil(PARTS).max(1),
            parts: std::array::from_fn(|_| part()),
        }
    }

    /// The value remembered for `token`, unless it is too old, or from the future because a clock went back.
    pub fn get(&self, token: &str, now: Timestamp) -> Option<V> {
        let digest = self.digest(token);
        let part = self.part(&digest);
        let (since, value) = part.entries.get(&digest)?;
        self.is_fresh(*since, now).then(|| value.clone())
    }

    /// Remembers `value` for `token`.
    pub fn insert(&self, token: &str, value: V, now: Timestamp) {
        let digest = self.digest(token);
        let mut part = self.part(&digest);
        part.entries.insert(digest, (now, value));
        part.order.push_back((digest, now));
        while let Some((oldest, since)) = part.order.front().copied() {
            let full = part.entries.len() > self.part_capacity || part.order.len() > 2 * self.part_capacity;
            if !full && self.is_fresh(since, now) {
                break;
            }
            part.order.pop_front();
            if part
                .entries
                .get(&oldest)
                .is_some_and(|(known, _)| *known == since)
            {
                part.entries.remove(&oldest);
            }
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| lock(part).entries.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_fresh(&self, since: Timestamp, now: Timestamp) -> bool {
        let age = now.duration_since(since);
        age >= SignedDuration::ZERO && age < self.life
    }

    fn digest(&self, token: &str) -> Digest {
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(token.as_bytes()), &mut [])
            .expect("a token is shorter than what GCM can take");
        let mut digest = [0; 16];
        digest.copy_from_slice(tag.as_ref());
        digest
    }

    fn part(&self, digest: &Digest) -> std::sync::MutexGuard<'_, Part<V>> {
        lock(&self.parts[usize::from(digest[0]) % PARTS])
    }
}

/// Nothing in a part can be left half done, so a panic elsewhere does not matter.
fn lock<V>(part: &Mutex<Part<V>>) -> std::sync::MutexGuard<'_, Part<V>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
