//! `metadata.name=x,type!=Opaque`.

use std::fmt;

use super::SelectorError;

/// All terms must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    /// `metadata.name`.
    pub path: String,
    /// How the field compares with the value.
    pub op: FieldOperator,
    /// Without escapes.
    pub value: String,
}

/// `=` (also written `==`) or `!=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldOperator {
    /// The field has the value; a missing field has the empty one.
    Equal,
    /// It has another.
    NotEqual,
}

impl FieldSelector {
    /// Reads a selector; the empty text selects everything. Terms come out in sorted order, as in Kubernetes.
    pub fn parse(text: &str) -> Result<FieldSelector, SelectorError> {
        let mut parts = split_terms(text);
        parts.sort_unstable();
        let terms = parts.into_iter().filter(|part| !part.is_empty()).map(|part| {
            let malformed = || SelectorError::Term {
                selector: text.to_owned(),
                term: part.to_owned(),
            };
            let (path, op, value) = split_term(part).ok_or_else(malformed)?;
            Ok(FieldTerm {
                path: path.to_owned(),
                op,
                value: unescape(value)?,
            })
        });
        Ok(FieldSelector {
            terms: terms.collect::<Result<_, _>>()?,
        })
    }

    /// The comparisons.
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// Selects everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether an object matches, given its fields.
    pub fn matches(&self, field: impl Fn(&str) -> Option<String>) -> bool {
        self.terms.iter().all(|term| {
            let equal = field(&term.path).unwrap_or_default() == term.value;
            equal == (term.op == FieldOperator::Equal)
        })
    }

    /// What is left to ask of objects whose field `path` has this value.
    #[must_use]
    pub fn given(mut self, path: &str, value: &str) -> FieldSelector {
        self.terms.retain(|term| {
            let holds = (term.value == value) == (term.op == FieldOperator::Equal);
            term.path != path || !holds
        });
        self
    }

    /// The value a field must have, if the selector demands one.
    pub fn requires(&self, path: &str) -> Option<&str> {
        let term = self
            .terms
            .iter()
            .find(|term| term.path == path && term.op == FieldOperator::Equal)?;
        Some(&term.value)
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let op = if term.op == FieldOperator::Equal {
                "="
            } else {
                "!="
            };
            let value = term
                .value
                .replace('\\', "\\\\")
                .replace(',', "\\,")
                .replace('=', "\\=");
            write!(f, "{comma}{}{op}{value}", term.path)?;
        }
        Ok(())
    }
}

/// At commas that no backslash precedes.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                terms.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

fn split_term(term: &str) -> Option<(&str, FieldOperator, &str)> {
    let at = term.find("!=").into_iter().chain(term.find('=')).min()?;
    let (path, rest) = term.split_at(at);
    if let Some(value) = rest.strip_prefix("!=") {
        return Some((path, FieldOperator::NotEqual, value));
    }
    Some((
        path,
        FieldOperator::Equal,
        rest.strip_prefix("==").or_else(|| rest.strip_prefix('='))?,
    ))
}

fn unescape(value: &str) -> Result<String, SelectorError> {
    let mut out = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(special @ ('\\' | ',' | '=')) => out.push(special),
                Some(other) => return Err(SelectorError::Escape(format!("\\{other}"))),
                None => return Err(SelectorError::Escape("\\".to_owned())),
            },
            ',' | '=' => return Err(SelectorError::Unescaped(u32::from(character))),
            other => out.push(other),
        }
    }
    Ok(out)
}
