//! The configuration file: YAML, one setting a line, each named as its flag.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

/// One setting in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The setting's name, as its flag without the dashes.
    pub key: String,
    /// The value as it would be written behind the flag.
    pub value: String,
    /// The line it stands in, counted from 1.
    pub line: u64,
}

/// The settings in a file's text, in their order.
///
/// # Errors
/// When the text is not YAML, not a mapping, names a setting twice, or gives one something else
/// than a single value; the message names the line.
pub fn parse(text: &str) -> anyhow::Result<Vec<Entry>> {
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok(Vec::new());
    }
    let Entries(entries) = serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        anyhow::anyhow!("line {line}: this is not a list of `setting: value`")
    })?;
    let mut settings: Vec<Entry> = Vec::new();
    for (key, value) in entries {
        let line = value.defined.line();
        if settings.iter().any(|earlier| earlier.key == key) {
            anyhow::bail!("line {line}: `{key}` is set twice");
        }
        let value = scalar(&value.value)
            .ok_or_else(|| anyhow::anyhow!("line {line}: `{key}` takes a single value"))?;
        settings.push(Entry { key, value, line });
    }
    Ok(settings)
}

fn scalar(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

struct Entries(Vec<(String, Spanned<serde_json::Value>)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of settings to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_their_lines() {
        let text = "# a comment\nsecure-port: 7443\n\nbind-address: 0.0.0.0\nevent-ttl: \"2h\"\nx: true\n";
        let got = parse(text).unwrap();
        let expected = [
            ("secure-port", "7443", 2),
            ("bind-address", "0.0.0.0", 4),
            ("event-ttl", "2h", 5),
            ("x", "true", 6),
        ];
        let expected = expected.map(|(key, value, line)| Entry {
            key: key.into(),
            value: value.into(),
            line,
        });
        assert_eq!(got, expected);
        assert_eq!(parse("# nothing\n\n").unwrap(), []);
    }

    #[test]
    fn errors_name_the_line() {
        let cases = [
            ("- a\n- b\n", "line 1"),
            ("a: 1\nb: [1, 2]\n", "line 2: `b` takes a single value"),
            ("a: 1\n\nb: {c: 1}\n", "line 3: `b` takes a single value"),
            ("a:\n", "line 1: `a` takes a single value"),
            ("a: 1\nb: 2\na: 3\n", "line 3"),
            ("a: 1\n b: 2\n", "line "),
        ];
        for (text, expected) in cases {
            let got = format!("{:#}", parse(text).unwrap_err());
            assert!(got.contains(expected), "{text:?}: {got}");
        }
    }
}
