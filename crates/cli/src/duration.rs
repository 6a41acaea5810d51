//! Durations as Go writes them: `1h0m0s`, `1m30s`, `250ms`.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotADuration;

impl std::fmt::Display for NotADuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("expected a duration such as 30s, 5m or 1h30m")
    }
}

impl std::error::Error for NotADuration {}

/// Reads a duration; `0` alone needs no unit, negative ones are refused.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(NotADuration);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split(after, |c| !c.is_ascii_digit() && c != '.');
        total = total.checked_add(part(number, unit)?).ok_or(NotADuration)?;
        rest = after;
    }
    Ok(total)
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

fn part(number: &str, unit: &str) -> Result<Duration, NotADuration> {
    let number: f64 = number.parse().map_err(|_| NotADuration)?;
    let seconds = match unit {
        "h" => 3600.0,
        "m" => 60.0,
        "s" => 1.0,
        "ms" => 1e-3,
        "us" | "µs" => 1e-6,
        "ns" => 1e-9,
        _ => return Err(NotADuration),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| NotADuration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_go() {
        let cases = [
            ("0", Some(0)),
            ("60s", Some(60_000)),
            ("1h0m0s", Some(3_600_000)),
            ("1m30s", Some(90_000)),
            ("250ms", Some(250)),
            ("1.5h", Some(5_400_000)),
            ("", None),
            ("60", None),
            ("s", None),
            ("-1s", None),
            ("1.2.3s", None),
            ("5 m", None),
            ("1d", None),
            ("99999999999999999999h", None),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(
                parse(text).ok(),
                milliseconds.map(Duration::from_millis),
                "{text:?}"
            );
        }
    }
}
