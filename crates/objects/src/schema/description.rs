//! Doc comments of types and fields, for OpenAPI and `kubectl explain`.

use std::collections::HashMap;
use std::io::Read;
use std::sync::LazyLock;

use flate2::read::GzDecoder;

static DESCRIPTIONS: LazyLock<Descriptions> = LazyLock::new(load);

struct Descriptions {
    text: String,
    /// (model name, JSON name or empty) → byte range of the escaped text.
    ranges: HashMap<(&'static str, String), std::ops::Range<usize>>,
}

/// What Kubernetes says about a type, or about one of its fields. Unpacked when first asked for.
pub fn description(model_name: &str, json_name: Option<&str>) -> Option<String> {
    let model_name = super::schema().type_named(model_name)?.model_name;
    let range = DESCRIPTIONS
        .ranges
        .get(&(model_name, json_name.unwrap_or("").to_owned()))?;
    Some(unescape(&DESCRIPTIONS.text[range.clone()]))
}

fn load() -> Descriptions {
    let mut text = String::new();
    let mut decoder = GzDecoder::new(include_bytes!("../../data/descriptions.gz").as_slice());
    decoder
        .read_to_string(&mut text)
        .expect("the committed file is whole");
    let mut ranges = HashMap::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if let Some((model, field, description)) = split(line)
            && let Some(ty) = super::schema().type_named(model)
        {
            let end = offset + line.trim_end_matches('\n').len();
            ranges.insert((ty.model_name, field.to_owned()), end - description.len()..end);
        }
        offset += line.len();
    }
    Descriptions { text, ranges }
}

fn split(line: &str) -> Option<(&str, &str, &str)> {
    let (model, rest) = line.trim_end_matches('\n').split_once('\t')?;
    let (field, description) = rest.split_once('\t')?;
    Some((model, field, description))
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.clone().next() == Some('n') => {
                characters.next();
                out.push('\n');
            }
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}
