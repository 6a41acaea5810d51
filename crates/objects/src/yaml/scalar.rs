//! What a plain scalar means: the implicit types of YAML 1.1.

use serde_json::Number;

use crate::Value;

/// Resolves a scalar without quotes and without a tag.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
            return Value::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    if text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        && let Some(number) = number(text)
    {
        return Value::Number(number);
    }
    Value::String(text.to_owned())
}

fn number(text: &str) -> Option<Number> {
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| float(text, &digits))
}

/// Decimal, `0x`, `0b`, `0o` and the octal `0777`.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from(u64::from_str_radix(digits, radix).ok()?) * if negative { -1 } else { 1 };
    i64::try_from(value)
        .map(Number::from)
        .or_else(|_| u64::try_from(value).map(Number::from))
        .ok()
}

/// A plain decimal float. Infinities and NaN have no JSON form, so their spellings stay strings.
fn float(text: &str, digits: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mantissa = unsigned.find(['e', 'E']).map_or(unsigned, |end| &unsigned[..end]);
    let exponent = &unsigned[mantissa.len()..];
    let exponent_digits = exponent
        .get(1..)
        .map(|rest| rest.strip_prefix(['-', '+']).unwrap_or(rest));
    let plain = mantissa.bytes().any(|byte| byte.is_ascii_digit())
        && mantissa
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'_')
        && mantissa.matches('.').count() <= 1
        && exponent_digits
            .is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    if plain {
        digits.parse().ok().and_then(Number::from_f64)
    } else {
        None
    }
}

/// Whether a text must be quoted so that it is read back as a string.
pub(super) fn needs_quotes(text: &str) -> bool {
    !matches!(resolve(text), Value::String(_))
}
