//! For how long a certificate is issued.

/// Certificates hold from a little before they are issued, in seconds: clocks differ.
const BACKDATED: i64 = 5 * 60;
/// Nobody is given less, in seconds.
const SHORTEST: i64 = 10 * 60;
/// From this lifetime on, in seconds, the end is set back like the beginning.
const SHORT: i64 = 8 * 60 * 60;

/// From when to when a certificate holds, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The beginning.
    pub not_before: i64,
    /// The end.
    pub not_after: i64,
}

impl Validity {
    /// What a signer gives that gives at most `longest` seconds, to somebody who asks for `requested` of them or does
    /// not care.
    pub fn granted(requested: Option<i64>, longest: i64, now: i64) -> Validity {
        let lifetime = match requested {
            Some(requested) if requested < longest => requested.max(SHORTEST),
            _ => longest,
        };
        let set_back = if lifetime < SHORT { 0 } else { BACKDATED };
        Validity {
            not_before: now - BACKDATED,
            not_after: now + lifetime - set_back,
        }
    }

    /// The part of it until `end`.
    pub fn until(self, end: i64) -> Validity {
        Validity {
            not_after: self.not_after.min(end),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes() {
        const HOUR: i64 = 3600;
        let check = |requested, expect_end| {
            let validity = Validity::granted(requested, 24 * HOUR, 1_000_000);
            assert_eq!(validity.not_before, 1_000_000 - 300);
            assert_eq!(validity.not_after - 1_000_000, expect_end, "{requested:?}");
        };
        check(None, 24 * HOUR - 300);
        check(Some(24 * HOUR), 24 * HOUR - 300);
        check(Some(25 * HOUR), 24 * HOUR - 300);
        check(Some(9 * HOUR), 9 * HOUR - 300);
        check(Some(HOUR), HOUR);
        check(Some(10), 600);
        check(Some(-10), 600);
        let cut = Validity::granted(None, 24 * HOUR, 1_000_000).until(1_000_060);
        assert_eq!(cut.not_after, 1_000_060);
    }
}
