//! Times as Kubernetes writes them: RFC 3339 in UTC, whole seconds or exactly six digits.

use jiff::Timestamp;
use jiff::tz::Offset;

/// `2024-01-02T03:04:05Z`; fractions are cut off.
pub fn seconds(time: Timestamp) -> String {
    let mut out = [0; SECONDS_LENGTH];
    String::from_utf8_lossy(write_seconds(time, &mut out)).into_owned()
}

/// `2024-01-02T03:04:05.000006Z`.
pub fn micros(time: Timestamp) -> String {
    let mut out = [0; MICROS_LENGTH];
    String::from_utf8_lossy(write_micros(time, &mut out)).into_owned()
}

/// Reads an RFC 3339 time with any offset; what RFC 3339 does not allow is `None`.
pub fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let separators = bytes.len() >= SECONDS_LENGTH
        && [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
            .iter()
            .all(|(at, byte)| bytes[*at] == *byte);
    let zone_is_whole = text.ends_with('Z')
        || bytes
            .get(bytes.len().checked_sub(6)?)
            .is_some_and(|b| b"+-".contains(b));
    if !separators || !zone_is_whole || bytes[17..19] == *b"60" {
        return None;
    }
    text.parse().ok()
}

/// Seconds since 1970 of Go's zero time, 0001-01-01T00:00:00Z.
pub(crate) const GO_ZERO_SECONDS: i64 = -62_135_596_800;

/// Seconds since 1970, rounded down, and nanoseconds after that cut to microseconds, as protobuf has them.
pub(crate) fn seconds_and_micros(time: Timestamp) -> (i64, i32) {
    let nanosecond = Offset::UTC.to_datetime(time).subsec_nanosecond();
    let seconds = time.as_second() - i64::from(time.subsec_nanosecond() < 0);
    (seconds, nanosecond / 1000 * 1000)
}

/// The inverse; `None` outside the years 1 to 9999, and for Go's zero time, which stands for "not set".
pub(crate) fn from_seconds_and_nanos(seconds: i64, nanos: i32) -> Option<Timestamp> {
    let time = Timestamp::new(seconds, nanos).ok()?;
    (seconds >= GO_ZERO_SECONDS && (seconds, nanos) != (GO_ZERO_SECONDS, 0)).then_some(time)
}

/// Bytes of `2024-01-02T03:04:05Z`.
pub(crate) const SECONDS_LENGTH: usize = 20;
/// Bytes of `2024-01-02T03:04:05.000006Z`.
pub(crate) const MICROS_LENGTH: usize = 27;

/// Writes the text of [`seconds`] without allocating.
pub(crate) fn write_seconds(time: Timestamp, out: &mut [u8; SECONDS_LENGTH]) -> &[u8] {
    out.copy_from_slice(b"0000-00-00T00:00:00Z");
    write_date_and_time(time, out);
    out
}

/// Writes the text of [`micros`] without allocating.
pub(crate) fn write_micros(time: Timestamp, out: &mut [u8; MICROS_LENGTH]) -> &[u8] {
    out.copy_from_slice(b"0000-00-00T00:00:00.000000Z");
    write_date_and_time(time, out);
    let nanosecond = Offset::UTC.to_datetime(time).subsec_nanosecond();
    digits(&mut out[20..26], u32::try_from(nanosecond / 1000).unwrap_or(0));
    out
}

fn write_date_and_time(time: Timestamp, out: &mut [u8]) {
    let time = Offset::UTC.to_datetime(time);
    digits(&mut out[0..4], u32::from(time.year().unsigned_abs()));
    for (at, value) in [
        (5, time.month()),
        (8, time.day()),
        (11, time.hour()),
        (14, time.minute()),
        (17, time.second()),
    ] {
        digits(&mut out[at..at + 2], u32::from(value.unsigned_abs()));
    }
}

fn digits(out: &mut [u8], mut value: u32) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip() {
        let cases = [
            (
                "2024-01-02T03:04:05Z",
                Some(("2024-01-02T03:04:05Z", "2024-01-02T03:04:05.000000Z")),
            ),
            (
                "2024-01-02T03:04:05.123456789Z",
                Some(("2024-01-02T03:04:05Z", "2024-01-02T03:04:05.123456Z")),
            ),
            (
                "2024-01-02T03:04:05+02:00",
                Some(("2024-01-02T01:04:05Z", "2024-01-02T01:04:05.000000Z")),
            ),
            (
                "1969-12-31T23:59:59.5Z",
                Some(("1969-12-31T23:59:59Z", "1969-12-31T23:59:59.500000Z")),
            ),
            (
                "0001-01-01T00:00:00Z",
                Some(("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z")),
            ),
            ("2024-01-02 03:04:05Z", None),
            ("2024-01-02T03:04:05", None),
            ("2024-01-02", None),
            ("2024-13-02T03:04:05Z", None),
            ("", None),
            ("è024-01-02T03:04:05Z", None),
        ];
        for (text, expect) in cases {
            let parsed = parse(text);
            let written = parsed.map(|time| (seconds(time), micros(time)));
            assert_eq!(
                written.as_ref().map(|(s, m)| (s.as_str(), m.as_str())),
                expect,
                "{text}"
            );
        }
    }
}
