//! A recursive-descent parser with Go's error texts.

use serde_json::Number;

use super::escape::next_special;
use super::{Budget, Limits, ParseError, Parsed};
use crate::{Map, Value};

/// More duplicates than these tell nobody anything.
const MAX_DUPLICATES: usize = 100;

/// Reads one JSON document. Invalid UTF-8 inside strings becomes U+FFFD, one for each byte.
pub fn parse(body: &[u8], limits: &Limits) -> Result<Parsed, ParseError> {
    let mut parser = Parser {
        body,
        position: 0,
        depth_left: limits.depth,
        budget: Budget::new(limits.memory),
        duplicates: Vec::new(),
        scratch: Vec::new(),
    };
    let value = parser.value(&Path::ROOT)?;
    parser.skip_space();
    if parser.position < body.len() {
        return Err(parser.unexpected("after top-level value"));
    }
    Ok(Parsed {
        value,
        duplicates: parser.duplicates,
    })
}

/// The way from the root to a value, kept on the stack of the recursion.
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment<'a>,
}

/// A step of a [`Path`].
pub(crate) enum Segment<'a> {
    Root,
    Key(&'a str),
    /// The key of a map, where the schema tells maps from structs.
    MapKey(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    pub(crate) const ROOT: Path<'static> = Path {
        parent: None,
        segment: Segment::Root,
    };

    pub(crate) fn child(&'a self, segment: Segment<'a>) -> Path<'a> {
        Path {
            parent: Some(self),
            segment,
        }
    }

    /// `spec.containers[0].name`.
    pub(crate) fn text(&self) -> String {
        let mut text = self.parent.map(Path::text).unwrap_or_default();
        match self.segment {
            Segment::Root => {}
            Segment::Key(key) | Segment::MapKey(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
        }
        text
    }

    /// `spec.containers.name`: fields of structs only, as Go's decoding errors have them.
    pub(crate) fn fields(&self) -> String {
        let text = self.parent.map(Path::fields).unwrap_or_default();
        match self.segment {
            Segment::Key(key) if text.is_empty() => key.to_owned(),
            Segment::Key(key) => format!("{text}.{key}"),
            _ => text,
        }
    }
}

/// Notes a key that was there before.
pub(crate) fn note_duplicate(duplicates: &mut Vec<String>, path: &Path) {
    if duplicates.len() < MAX_DUPLICATES {
        let text = path.text();
        if !duplicates.contains(&text) {
            duplicates.push(text);
        }
    }
}

struct Parser<'a> {
    body: &'a [u8],
    position: usize,
    depth_left: usize,
    budget: Budget,
    duplicates: Vec<String>,
    /// Unescaped bytes of the string being read.
    scratch: Vec<u8>,
}

impl Parser<'_> {
    fn value(&mut self, path: &Path) -> Result<Value, ParseError> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.nested(|parser| parser.object(path)),
            Some(b'[') => self.nested(|parser| parser.array(path)),
            Some(b'"') => self.string().map(Value::String),
            Some(b't') => self.literal(b"true", &EXPECT_TRUE).map(|()| Value::Bool(true)),
            Some(b'f') => self.literal(b"false", &EXPECT_FALSE).map(|()| Value::Bool(false)),
            Some(b'n') => self.literal(b"null", &EXPECT_NULL).map(|()| Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Value, ParseError>,
    ) -> Result<Value, ParseError> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or(ParseError::TooDeep)?;
        self.position += 1;
        let value = read(self);
        self.depth_left += 1;
        value
    }

    fn object(&mut self, path: &Path) -> Result<Value, ParseError> {
        let mut map = Map::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Value::Object(map));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.unexpected("after object key"));
            }
            let child = path.child(Segment::Key(&key));
            if map.contains_key(&key) {
                note_duplicate(&mut self.duplicates, &child);
            } else {
                self.budget.map_entry(map.len(), 0)?;
            }
            let value = self.value(&child)?;
            map.insert(key, value);
            self.skip_space();
            if self.take(b'}') {
                return Ok(Value::Object(map));
            }
            if !self.take(b',') {
                return Err(self.unexpected("after object key:value pair"));
            }
        }
    }

    fn array(&mut self, path: &Path) -> Result<Value, ParseError> {
        let mut list = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Value::Array(list));
        }
        loop {
            self.budget.list_element(list.len())?;
            list.push(self.value(&path.child(Segment::Index(list.len())))?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Value::Array(list));
            }
            if !self.take(b',') {
                return Err(self.unexpected("after array element"));
            }
        }
    }

    fn string(&mut self) -> Result<String, ParseError> {
        self.position += 1;
        let start = self.position;
        self.position = next_special(self.body, start).unwrap_or(self.body.len());
        match self.peek() {
            Some(b'"') => {
                let text = decode_utf8(&self.body[start..self.position]);
                self.position += 1;
                self.budget.string(text.len())?;
                Ok(text)
            }
            Some(b'\\') => self.string_with_escapes(start),
            _ => Err(self.unexpected("in string literal")),
        }
    }

    fn string_with_escapes(&mut self, start: usize) -> Result<String, ParseError> {
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.body[start..self.position]);
        loop {
            let plain = next_special(self.body, self.position).unwrap_or(self.body.len());
            self.scratch.extend_from_slice(&self.body[self.position..plain]);
            self.position = plain;
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    let text = decode_utf8(&self.scratch);
                    self.budget.string(text.len())?;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.position += 1;
                    self.escape()?;
                }
                _ => return Err(self.unexpected("in string literal")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ParseError> {
        let byte = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                self.position += 1;
                let character = self.unicode_escape()?;
                self.scratch
                    .extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(self.unexpected("in string escape code")),
        };
        self.scratch.push(byte);
        self.position += 1;
        Ok(())
    }

    /// A surrogate without its other half is U+FFFD, and what follows it stands for itself.
    fn unicode_escape(&mut self) -> Result<char, ParseError> {
        let first = self.hexadecimal()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        let after_first = self.position;
        if first < 0xdc00 && self.body[self.position..].starts_with(b"\\u") {
            self.position += 2;
            let second = self.hexadecimal()?;
            if (0xdc00..0xe000).contains(&second) {
                let combined = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(combined).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
        self.position = after_first;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hexadecimal(&mut self) -> Result<u32, ParseError> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let digit = digit.ok_or_else(|| self.unexpected("in \\u hexadecimal character escape"))?;
            value = value * 16 + digit;
            self.position += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, ParseError> {
        let start = self.position;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits("in numeric literal")?;
        }
        let mut integer = true;
        if self.take(b'.') {
            integer = false;
            self.digits("after decimal point in numeric literal")?;
        }
        if self.take(b'e') || self.take(b'E') {
            integer = false;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits("in exponent of numeric literal")?;
        }
        let text =
            std::str::from_utf8(&self.body[start..self.position]).map_err(|_| ParseError::NumberRange)?;
        number(text, integer).map(Value::Number)
    }

    fn digits(&mut self, context: &'static str) -> Result<(), ParseError> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.unexpected(context));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.position += 1;
        }
        Ok(())
    }

    fn literal(&mut self, word: &'static [u8], contexts: &[&'static str]) -> Result<(), ParseError> {
        self.position += 1;
        for (expected, context) in word[1..].iter().zip(contexts) {
            if !self.take(*expected) {
                return Err(self.unexpected(context));
            }
        }
        Ok(())
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.position += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.body.get(self.position).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn unexpected(&self, context: &'static str) -> ParseError {
        match self.peek() {
            Some(byte) => ParseError::Character {
                character: char::from(byte),
                context,
            },
            None => ParseError::UnexpectedEnd,
        }
    }
}

const EXPECT_TRUE: [&str; 3] = [
    "in literal true (expecting 'r')",
    "in literal true (expecting 'u')",
    "in literal true (expecting 'e')",
];
const EXPECT_FALSE: [&str; 4] = [
    "in literal false (expecting 'a')",
    "in literal false (expecting 'l')",
    "in literal false (expecting 's')",
    "in literal false (expecting 'e')",
];
const EXPECT_NULL: [&str; 3] = [
    "in literal null (expecting 'u')",
    "in literal null (expecting 'l')",
    "in literal null (expecting 'l')",
];

/// An integer where 64 bits suffice, else a float.
fn number(text: &str, integer: bool) -> Result<Number, ParseError> {
    if integer {
        if let Ok(number) = text.parse::<i64>() {
            return Ok(number.into());
        }
        if let Ok(number) = text.parse::<u64>() {
            return Ok(number.into());
        }
    }
    text.parse()
        .ok()
        .and_then(Number::from_f64)
        .ok_or(ParseError::NumberRange)
}

fn decode_utf8(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}
