//! Trees as YAML text in block style.

use super::scalar::needs_quotes;
use crate::Value;
use crate::json;

/// The document, with a final newline; keys in order.
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => members(value, 0, &mut out),
        Value::Array(list) if !list.is_empty() => members(value, 0, &mut out),
        _ => {
            scalar(value, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

/// The lines of a list or map that is not empty. The first line is not indented; the caller has begun it.
fn members(value: &Value, indent: usize, out: &mut String) {
    let begin = |index: usize, out: &mut String| {
        if index > 0 {
            out.extend(std::iter::repeat_n(' ', indent));
        }
    };
    match value {
        Value::Object(map) => {
            for (index, (key, value)) in map.iter().enumerate() {
                begin(index, out);
                string(key, indent, true, out);
                out.push(':');
                member(value, indent, out);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                begin(index, out);
                out.push('-');
                element(value, indent, out);
            }
        }
        _ => {}
    }
}

/// What follows `key:`. Lists stand at the indentation of their key, as kubectl prints them.
fn member(value: &Value, indent: usize, out: &mut String) {
    let next = match value {
        Value::Object(map) if !map.is_empty() => indent + 2,
        Value::Array(list) if !list.is_empty() => indent,
        _ => {
            out.push(' ');
            scalar(value, indent + 2, out);
            out.push('\n');
            return;
        }
    };
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', next));
    members(value, next, out);
}

/// What follows `-`.
fn element(value: &Value, indent: usize, out: &mut String) {
    out.push(' ');
    match value {
        Value::Object(map) if !map.is_empty() => members(value, indent + 2, out),
        Value::Array(list) if !list.is_empty() => members(value, indent + 2, out),
        _ => {
            scalar(value, indent + 2, out);
            out.push('\n');
        }
    }
}

fn scalar(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::String(text) => string(text, indent, false, out),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        other => {
            let mut text = Vec::new();
            json::write(other, &mut text);
            out.push_str(&String::from_utf8_lossy(&text));
        }
    }
}

fn string(text: &str, indent: usize, is_key: bool, out: &mut String) {
    if !is_key && is_block(text) {
        block(text, indent, out);
    } else if is_plain(text) {
        out.push_str(text);
    } else if needs_quotes(text) || looks_like_time(text) || text.contains(is_special) {
        double_quoted(text, out);
    } else {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    }
}

/// Several lines that a literal block can hold as they are.
fn is_block(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && text.lines().all(|line| !line.ends_with([' ', '\t']))
        && !text.contains(|c: char| !matches!(c, '\n' | '\t') && is_special(c))
}

fn block(text: &str, indent: usize, out: &mut String) {
    let body = text.strip_suffix('\n');
    out.push_str(match body {
        None => "|-",
        Some(body) if body.ends_with('\n') => "|+",
        Some(_) => "|",
    });
    for line in body.unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', indent.max(2)));
            out.push_str(line);
        }
    }
}

/// Reads back as the same string without quotes.
fn is_plain(text: &str) -> bool {
    let first_is_safe = !text.starts_with(|c: char| " -?:,[]{}#&*!|>'\"%@`".contains(c));
    first_is_safe
        && !needs_quotes(text)
        && !matches!(text, "=" | "<<")
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !text.contains(is_special)
        && !looks_like_time(text)
}

/// YAML 1.1 has times as a type of their own; other readers may take them for one.
fn looks_like_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 8 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-'
}

/// Characters that only double quotes can hold.
fn is_special(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn double_quoted(text: &str, out: &mut String) {
    let mut quoted = Vec::new();
    json::write_string(text, &mut quoted);
    for character in String::from_utf8_lossy(&quoted).chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => out.push(other),
        }
    }
}
