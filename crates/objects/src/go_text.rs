//! Texts as Go's `strconv` and `fmt` write them, which API messages are made of.

/// A string in double quotes with Go's escapes, like `%q`.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            ' '..='~' => out.push(character),
            '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ if is_printable(character) => out.push(character),
            '\u{80}'..='\u{ffff}' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => out.push_str(&format!("\\U{:08x}", u32::from(character))),
        }
    }
    out.push('"');
    out
}

/// Close to Go's `unicode.IsPrint` for what is not ASCII.
fn is_printable(character: char) -> bool {
    !character.is_whitespace() && (character.is_alphanumeric() || character.escape_debug().len() == 1)
}

/// Reads `1h2m3.5s` into nanoseconds.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0.0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .filter(|end| *end > 0)?;
        let (number, after) = rest.split_at(digits);
        let units = [
            ("ns", 1e0),
            ("us", 1e3),
            ("µs", 1e3),
            ("ms", 1e6),
            ("s", 1e9),
            ("m", 6e10),
            ("h", 3.6e12),
        ];
        let (unit, factor) = units.into_iter().find(|(unit, _)| after.starts_with(unit))?;
        total += number.parse::<f64>().ok()? * factor;
        rest = &after[unit.len()..];
    }
    let total = if negative { -total } else { total };
    (total.abs() < i64::MAX as f64).then_some(total as i64)
}

/// Nanoseconds as Go prints a duration: `1h0m0s`, `1.5s`, `20ms`, `0s`.
pub fn duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    let fraction = |value: u64, unit: u64, name: &str| {
        let digits = unit.ilog10() as usize;
        let text = format!("{}.{:0digits$}", value / unit, value % unit);
        format!("{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    let text = match total {
        0 => "0s".to_owned(),
        1..1_000 => format!("{total}ns"),
        1_000..1_000_000 => fraction(total, 1_000, "µs"),
        1_000_000..1_000_000_000 => fraction(total, 1_000_000, "ms"),
        _ => {
            let minutes = total / 60_000_000_000;
            let seconds = fraction(total % 60_000_000_000, 1_000_000_000, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::{duration, parse_duration, quote};

    #[test]
    fn durations_round_trip() {
        let second = 1_000_000_000_i64;
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (20_000_000, "20ms"),
            (second, "1s"),
            (3600 * second, "1h0m0s"),
            (90 * second + second / 2, "1m30.5s"),
            (-3 * second, "-3s"),
        ];
        for (nanoseconds, text) in cases {
            assert_eq!(duration(nanoseconds), text);
            assert_eq!(parse_duration(text), Some(nanoseconds));
        }
        for text in ["", "1", "h", "1x", "é", "1.2.3s", "-"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn quoted_as_go_does() {
        let cases = [
            ("a", r#""a""#),
            ("", r#""""#),
            ("a\"b\\", r#""a\"b\\""#),
            ("\n\t\u{7}\0\u{7f}", r#""\n\t\a\x00\x7f""#),
            ("ключ 秘", r#""ключ 秘""#),
            ("\u{85}\u{a0}\u{200b}", r#""\u0085\u00a0\u200b""#),
            ("\u{e0001}", r#""\U000e0001""#),
        ];
        for (text, expect) in cases {
            assert_eq!(quote(text), expect);
        }
    }
}
