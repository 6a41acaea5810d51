//! Moments as people write them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::duration;
use crate::misread::Misread;

/// `2h` or `7d` ago, a moment in RFC 3339, or the beginning of a day in UTC.
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, Misread> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    if let Ok(day) = text.parse::<Date>()
        && let Ok(beginning) = day.to_zoned(TimeZone::UTC)
    {
        return Ok(beginning.timestamp());
    }
    let ago = ago(text).and_then(|ago| now.checked_sub(ago).ok());
    ago.ok_or(Misread(
        "expected a time ago such as 2h or 7d, a moment such as 2026-11-22T05:00:00Z, or a day such as 2026-11-22",
    ))
}

fn ago(text: &str) -> Option<SignedDuration> {
    if let Some(days) = text.strip_suffix('d') {
        return SignedDuration::try_from_hours(days.parse::<u32>().ok()?.checked_mul(24)?.into());
    }
    SignedDuration::try_from(duration::parse(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        let now: Timestamp = "2026-11-22T06:00:00Z".parse().unwrap();
        let cases = [
            ("2h", Some("2026-11-22T04:00:00Z")),
            ("1h30m", Some("2026-11-22T04:30:00Z")),
            ("7d", Some("2026-11-15T06:00:00Z")),
            ("0", Some("2026-11-22T06:00:00Z")),
            ("2026-11-22T05:00:00Z", Some("2026-11-22T05:00:00Z")),
            ("2026-11-22T05:00:00+02:00", Some("2026-11-22T03:00:00Z")),
            ("2026-11-21", Some("2026-11-21T00:00:00Z")),
            ("", None),
            ("yesterday", None),
            ("-2h", None),
            ("d", None),
            ("99999999d", None),
            ("2026-13-01", None),
            ("999999999h", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|moment| moment.parse().unwrap());
            assert_eq!(parse(text, now).ok(), expected, "{text:?}");
        }
    }
}
