//! The difference of two trees as text, for people who wonder what they have changed.

use std::fmt::Write as _;

use strongroom_objects::Value;

/// Lines that a difference may have; more help nobody.
const MAX_LINES: usize = 50;

const REDACTED: &str = "<redacted>";

static NULL: Value = Value::Null;

/// One line with `-` for each value that is gone and one with `+` for each that is new, with its path.
pub(super) fn between(path: &str, old: &Value, new: &Value) -> String {
    let mut lines = Vec::new();
    collect(path, old, new, &mut lines);
    let left_out = lines.len().saturating_sub(MAX_LINES);
    lines.truncate(MAX_LINES);
    let mut text = lines.concat();
    if left_out > 0 {
        let _ = writeln!(text, "  ... {left_out} more");
    }
    text
}

fn collect(path: &str, old: &Value, new: &Value, lines: &mut Vec<String>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in before {
                let other = after.get(name).unwrap_or(&NULL);
                collect(&format!("{path}.{name}"), value, other, lines);
            }
            for (name, value) in after {
                if !before.contains_key(name) {
                    collect(&format!("{path}.{name}"), &NULL, value, lines);
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for index in 0..before.len().max(after.len()) {
                let at = |list: &'_ [Value]| list.get(index).cloned().unwrap_or(Value::Null);
                let path = format!("{path}[{index}]");
                collect(&path, &at(before), &at(after), lines);
            }
        }
        _ => {
            for (sign, value) in [('-', old), ('+', new)] {
                if !value.is_null() {
                    lines.push(format!("{sign} {path}: {}\n", shown(path, value)));
                }
            }
        }
    }
}

/// A value as it may stand in an error: what environment variables are set to is not for everybody's eyes.
fn shown(path: &str, value: &Value) -> Value {
    if path.ends_with(".value") {
        return REDACTED.into();
    }
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), shown(&format!(".{name}"), member)))
            .collect(),
        Value::Array(elements) => elements.iter().map(|element| shown("", element)).collect(),
        plain => plain.clone(),
    }
}
