//! When a service-account token is replaced (pods-and-kubelet §9).

use jiff::{SignedDuration, Timestamp};

#[cfg(test)]
mod tests;

/// A token is replaced when it is this old, however long it lasts.
pub const MAXIMUM_AGE: SignedDuration = SignedDuration::from_hours(24);
/// The most that chance may take off, so that not all pods ask at once.
pub const MAXIMUM_JITTER: SignedDuration = SignedDuration::from_secs(10);

/// When a token issued at `issued_at` that ends at `expires_at` is to be replaced: after 80 % of its life or 24 hours,
/// whichever is first, less a jitter of 0–10 s that the caller draws.
#[must_use]
pub fn refresh_at(issued_at: Timestamp, expires_at: Timestamp, jitter: SignedDuration) -> Timestamp {
    let life = expires_at.duration_since(issued_at).max(SignedDuration::ZERO);
    let share = SignedDuration::from_millis(i64::try_from(life.as_millis() / 5 * 4).unwrap_or(i64::MAX));
    let jitter = jitter.clamp(SignedDuration::ZERO, MAXIMUM_JITTER);
    let age = share
        .min(MAXIMUM_AGE)
        .saturating_sub(jitter)
        .max(SignedDuration::ZERO);
    issued_at.checked_add(age).unwrap_or(Timestamp::MAX)
}
