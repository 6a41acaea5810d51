//! Builds the tree out of the parser's events.

use std::borrow::Cow;
use std::collections::BTreeMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::scalar;
use crate::json::{Budget, Limits, ParseError, Parsed, Path, Segment, note_duplicate};
use crate::{Map, Value};

pub(super) fn parse(text: &str, limits: &Limits) -> Result<Parsed, ParseError> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    // One more than is allowed, so that it is this module that complains.
    options.block_nesting_limit = limits.depth + 1;
    options.flow_nesting_limit = limits.depth + 1;
    let mut builder = Builder {
        events: Parser::new_from_str_with_options(text, options),
        line: 1,
        depth_left: limits.depth,
        budget: Budget::new(limits.memory),
        duplicates: Vec::new(),
        anchors: BTreeMap::new(),
    };
    let value = builder.document()?;
    Ok(Parsed {
        value,
        duplicates: builder.duplicates,
    })
}

struct Builder<'a> {
    events: Parser<'a, StrInput<'a>>,
    line: usize,
    depth_left: usize,
    budget: Budget,
    duplicates: Vec<String>,
    /// Finished nodes by the number of their anchor.
    anchors: BTreeMap<usize, Value>,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Value, ParseError> {
        loop {
            match self.next()? {
                Event::StreamStart => {}
                Event::DocumentStart(..) => break,
                Event::StreamEnd => return Ok(Value::Null),
                _ => return Err(self.problem("did not find the start of a document")),
            }
        }
        let event = self.next()?;
        let value = self.node(event, &Path::ROOT)?;
        match self.next()? {
            Event::DocumentEnd => Ok(value),
            _ => Err(self.problem("did not find the end of the document")),
        }
    }

    fn next(&mut self) -> Result<Event<'a>, ParseError> {
        let next: Option<Result<(Event, Span), ScanError>> = self.events.next();
        match next {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(error)) => Err(ParseError::Yaml {
                line: error.marker().line(),
                problem: problem_of(&error),
            }),
            None => Err(self.problem("unexpected end of stream")),
        }
    }

    fn problem(&self, problem: &'static str) -> ParseError {
        ParseError::Yaml {
            line: self.line,
            problem,
        }
    }

    fn node(&mut self, event: Event, path: &Path) -> Result<Value, ParseError> {
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (self.scalar(&text, style, tag.as_deref())?, anchor),
            Event::SequenceStart(_, anchor, _) => (self.nested(|builder| builder.sequence(path))?, anchor),
            Event::MappingStart(_, anchor, _) => (self.nested(|builder| builder.mapping(path))?, anchor),
            Event::Alias(anchor) => return self.alias(anchor),
            _ => return Err(self.problem("did not find expected node content")),
        };
        if anchor != 0 {
            self.charge(&value)?;
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn alias(&mut self, anchor: usize) -> Result<Value, ParseError> {
        let Some(value) = self.anchors.get(&anchor).cloned() else {
            return Err(self.problem("anchor value contains itself"));
        };
        // Charged before the copy is kept; a node is never larger than what was charged for it.
        let nested = depth(&value);
        if nested > self.depth_left {
            return Err(ParseError::TooDeep);
        }
        self.charge(&value)?;
        Ok(value)
    }

    /// Counts a copy of a finished node.
    fn charge(&mut self, value: &Value) -> Result<(), ParseError> {
        match value {
            Value::String(text) => self.budget.string(text.len()),
            Value::Array(list) => list.iter().enumerate().try_for_each(|(index, element)| {
                self.budget.list_element(index)?;
                self.charge(element)
            }),
            Value::Object(map) => map.iter().enumerate().try_for_each(|(index, (key, element))| {
                self.budget.map_entry(index, key.len())?;
                self.charge(element)
            }),
            _ => Ok(()),
        }
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Value, ParseError>,
    ) -> Result<Value, ParseError> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or(ParseError::TooDeep)?;
        let value = read(self);
        self.depth_left += 1;
        value
    }

    fn sequence(&mut self, path: &Path) -> Result<Value, ParseError> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Value::Array(list)),
                event => {
                    self.budget.list_element(list.len())?;
                    list.push(self.node(event, &path.child(Segment::Index(list.len())))?);
                }
            }
        }
    }

    fn mapping(&mut self, path: &Path) -> Result<Value, ParseError> {
        let mut map = Map::new();
        let mut merged = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, &Path::ROOT)?;
            let key = self.key(key)?;
            let event = self.next()?;
            let child = path.child(Segment::Key(&key));
            let value = self.node(event, &child)?;
            if is_merge {
                merged.push(value);
                continue;
            }
            if map.contains_key(&key) {
                note_duplicate(&mut self.duplicates, &child);
            } else {
                self.budget.map_entry(map.len(), 0)?;
            }
            map.insert(key, value);
        }
        for source in merged {
            self.merge(source, &mut map)?;
        }
        Ok(Value::Object(map))
    }

    /// `<<: *defaults`: members that are there already win, and of several sources the first.
    fn merge(&mut self, source: Value, map: &mut Map) -> Result<(), ParseError> {
        match source {
            Value::Object(source) => {
                for (key, value) in source {
                    self.budget.map_entry(map.len(), 0)?;
                    map.entry(key).or_insert(value);
                }
                Ok(())
            }
            Value::Array(sources) => sources.into_iter().try_for_each(|source| {
                if source.is_array() {
                    return Err(self.problem("map merge requires map or sequence of maps as the value"));
                }
                self.merge(source, map)
            }),
            _ => Err(self.problem("map merge requires map or sequence of maps as the value")),
        }
    }

    /// Keys that are no strings are taken as their JSON text: `n: x` is `{"false": "x"}`.
    fn key(&self, key: Value) -> Result<String, ParseError> {
        match key {
            Value::String(text) => Ok(text),
            Value::Bool(_) | Value::Number(_) | Value::Null => Ok(key.to_string()),
            Value::Array(_) | Value::Object(_) => Err(self.problem("invalid map key")),
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, ParseError> {
        self.budget.string(text.len())?;
        let tag = tag.map(Tag::to_string);
        let plain = style == ScalarStyle::Plain;
        match tag.as_deref().map(|tag| {
            tag.trim_start_matches("tag:yaml.org,2002:")
                .trim_start_matches("!!")
        }) {
            None if plain => Ok(scalar::resolve(text)),
            None | Some("str" | "!" | "binary") => Ok(Value::String(text.to_owned())),
            Some("int" | "float" | "bool" | "null") => match scalar::resolve(text) {
                Value::String(_) => Err(self.problem("cannot decode a scalar as the type of its tag")),
                value => Ok(value),
            },
            Some(_) if plain => Ok(scalar::resolve(text)),
            Some(_) => Ok(Value::String(text.to_owned())),
        }
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The parser's own texts can hold pieces of the input, so only their kind is kept.
fn problem_of(error: &ScanError) -> &'static str {
    let text: Cow<str> = error.to_string().into();
    let known = [
        ("tab", "found character that cannot start any token"),
        ("nest", "exceeded max depth"),
        ("recursion", "exceeded max depth"),
        ("anchor", "unknown anchor referenced"),
        ("quoted", "found unexpected end of stream"),
        ("mapping values", "mapping values are not allowed in this context"),
        ("indent", "did not find expected key"),
        ("key", "could not find expected ':'"),
        ("directive", "found unknown directive name"),
    ];
    known
        .iter()
        .find(|(word, _)| text.contains(word))
        .map_or("could not be parsed", |(_, problem)| problem)
}
