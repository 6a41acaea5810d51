//! Trees as text.

use super::write_string;
use crate::Value;

/// Appends the compact form, without a final newline.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    write_value(value, None, out);
}

/// Appends the form with two spaces of indentation, without a final newline.
pub fn write_pretty(value: &Value, out: &mut Vec<u8>) {
    write_value(value, Some(0), out);
}

fn write_value(value: &Value, indent: Option<usize>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(list) if list.is_empty() => out.extend_from_slice(b"[]"),
        Value::Object(map) if map.is_empty() => out.extend_from_slice(b"{}"),
        Value::Array(list) => {
            out.push(b'[');
            for (index, element) in list.iter().enumerate() {
                separate(index, indent, out);
                write_value(element, indent.map(|level| level + 1), out);
            }
            end_line(indent, out);
            out.push(b']');
        }
        Value::Object(map) => {
            out.push(b'{');
            for (index, (key, element)) in map.iter().enumerate() {
                separate(index, indent, out);
                write_string(key, out);
                out.extend_from_slice(if indent.is_some() { b": " } else { b":" });
                write_value(element, indent.map(|level| level + 1), out);
            }
            end_line(indent, out);
            out.push(b'}');
        }
    }
}

fn write_number(number: &serde_json::Number, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    if let Some(integer) = number.as_i64() {
        out.extend_from_slice(buffer.format(integer).as_bytes());
    } else if let Some(integer) = number.as_u64() {
        out.extend_from_slice(buffer.format(integer).as_bytes());
    } else {
        out.extend_from_slice(number.to_string().as_bytes());
    }
}

fn separate(index: usize, indent: Option<usize>, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
    end_line(indent.map(|level| level + 1), out);
}

fn end_line(indent: Option<usize>, out: &mut Vec<u8>) {
    if let Some(level) = indent {
        out.push(b'\n');
        out.resize(out.len() + 2 * level, b' ');
    }
}
