//! Messages to JSON text without a tree in between: what every GET and LIST of a stored object does.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::DecodeError;
use super::wire::{
    EntryValue, FIXED64, IntOrString, LENGTH, Reader, VARINT, read_int_or_string, read_map_entry,
    read_only_field, read_timestamp,
};
use crate::json::{self, Checked, Limits, write_string};
use crate::schema::MAX_FIELDS;
use crate::{Field, Kind, Type, go_text, time};

const MAX_DEPTH: usize = 64;

/// Appends an object as JSON, byte for byte what Go's `encoding/json` writes apart from its HTML escapes.
///
/// `kind` is `(apiVersion, kind)`, left out for the items of a list. With a resource version the one in the message
/// is overridden. When an error is returned, `out` is as long as before.
pub fn transcode_json(
    ty: &Type,
    raw: &[u8],
    kind: Option<(&str, &str)>,
    resource_version: Option<u64>,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let start = out.len();
    out.reserve(raw.len() * 3 / 2 + 128);
    out.push(b'{');
    let mut writer = Writer { out, first: true };
    if let Some((api_version, kind)) = kind {
        writer.name("kind");
        write_string(kind, writer.out);
        writer.name("apiVersion");
        write_string(api_version, writer.out);
    }
    let version = resource_version.map_or(Version::Keep, Version::InMetadata);
    let result = writer.members(ty, raw, version, 0);
    match result {
        Ok(()) => out.push(b'}'),
        Err(_) => out.truncate(start),
    }
    result
}

/// Where the resource version is to be replaced.
#[derive(Clone, Copy)]
enum Version {
    Keep,
    InMetadata(u64),
    Here(u64),
}

/// Where the occurrences of a field are.
#[derive(Clone, Copy)]
struct Span {
    /// Offset of the tag of the first occurrence.
    first: u32,
    /// Offset of the tag of the last one.
    last: u32,
    count: u32,
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Nothing has been written into the current object yet.
    first: bool,
}

impl Writer<'_> {
    /// The members of an object, without braces. Protobuf has them in the order of numbers, JSON in that of the Go
    /// struct, so a first pass notes where each field is.
    fn members(&mut self, ty: &Type, raw: &[u8], version: Version, depth: usize) -> Result<(), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        let spans = scan(ty, raw)?;
        for (index, field) in ty.fields.iter().enumerate() {
            let span = spans[index];
            let name = field.json_name;
            match (&field.kind, version) {
                (Kind::Message(embedded), _) if field.inline => {
                    if field.number != 0 {
                        let raw = if span.count == 0 {
                            &[]
                        } else {
                            last_bytes(field, raw, span)?
                        };
                        self.members(embedded, raw, Version::Keep, depth + 1)?;
                    }
                }
                (Kind::Message(metadata), Version::InMetadata(version)) if name == "metadata" => {
                    let raw = if span.count == 0 {
                        &[]
                    } else {
                        last_bytes(field, raw, span)?
                    };
                    self.name(name);
                    self.object(metadata, raw, Version::Here(version), depth)?;
                }
                (Kind::String, Version::Here(version)) if name == "resourceVersion" => {
                    self.name(name);
                    self.out.push(b'"');
                    self.integer(version);
                    self.out.push(b'"');
                }
                _ if span.count == 0 => self.absent(field, depth)?,
                _ => self.present(field, raw, span, depth)?,
            }
        }
        Ok(())
    }

    fn object(&mut self, ty: &Type, raw: &[u8], version: Version, depth: usize) -> Result<(), DecodeError> {
        self.out.push(b'{');
        self.first = true;
        self.members(ty, raw, version, depth + 1)?;
        self.out.push(b'}');
        self.first = false;
        Ok(())
    }

    /// Names of fields need no escapes.
    fn name(&mut self, name: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A field that the message does not have: what Go's JSON writes for its zero value.
    fn absent(&mut self, field: &Field, depth: usize) -> Result<(), DecodeError> {
        let is_struct = matches!(
            field.kind,
            Kind::Message(_)
                | Kind::Time
                | Kind::MicroTime
                | Kind::Duration
                | Kind::Quantity
                | Kind::IntOrString
                | Kind::RawExtension
        );
        if field.pointer || field.omit_zero || (field.omit_empty && !is_struct) || field.number == 0 {
            return Ok(());
        }
        self.name(field.json_name);
        let text: &[u8] = match &field.kind {
            Kind::Message(ty) => return self.object(ty, &[], Version::Keep, depth),
            Kind::Bool => b"false",
            Kind::Int32 | Kind::Int64 | Kind::Float64 | Kind::IntOrString => b"0",
            Kind::String => b"\"\"",
            Kind::Quantity => b"\"0\"",
            Kind::Duration => b"\"0s\"",
            _ => b"null",
        };
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn present(&mut self, field: &Field, raw: &[u8], span: Span, depth: usize) -> Result<(), DecodeError> {
        match &field.kind {
            Kind::List(kind) if field.wrapped => {
                self.name(field.json_name);
                self.wrapped_list(field, kind, last_bytes(field, raw, span)?, depth)
            }
            Kind::List(kind) => self.list(field, kind, raw, span, depth),
            Kind::Map(kind) => self.map(field, kind, raw, span, depth),
            kind => {
                let mut reader = Reader::at(raw, span.last as usize);
                let (_, wire_type) = reader.tag()?.ok_or(DecodeError::Truncated)?;
                match wire_type {
                    VARINT => self.varint(field, kind, reader.varint()?),
                    LENGTH => self.member_bytes(field, kind, reader.bytes()?, depth),
                    FIXED64 if *kind == Kind::Float64 => {
                        self.name(field.json_name);
                        let number = serde_json::Number::from_f64(f64::from_bits(reader.fixed64()?));
                        self.out
                            .extend_from_slice(number.map_or("0".into(), |n| n.to_string()).as_bytes());
                        Ok(())
                    }
                    _ => Err(DecodeError::WireType(field.json_name)),
                }
            }
        }
    }

    fn varint(&mut self, field: &Field, kind: &Kind, raw: u64) -> Result<(), DecodeError> {
        if raw == 0 && field.omit_empty && !field.pointer {
            return Ok(());
        }
        self.name(field.json_name);
        self.varint_value(field, kind, raw)
    }

    fn varint_value(&mut self, field: &Field, kind: &Kind, raw: u64) -> Result<(), DecodeError> {
        match kind {
            Kind::Bool => self
                .out
                .extend_from_slice(if raw == 0 { b"false" } else { b"true" }),
            Kind::Int32 => self.integer(raw as i32),
            Kind::Int64 => self.integer(raw as i64),
            _ => return Err(DecodeError::WireType(field.json_name)),
        }
        Ok(())
    }

    /// A member with a length-delimited value, unless JSON leaves it out.
    fn member_bytes(
        &mut self,
        field: &Field,
        kind: &Kind,
        raw: &[u8],
        depth: usize,
    ) -> Result<(), DecodeError> {
        let left_out = match kind {
            Kind::String | Kind::Bytes => raw.is_empty() && field.omit_empty && !field.pointer,
            Kind::Time | Kind::MicroTime => raw.is_empty() && field.omit_zero,
            _ => false,
        };
        if left_out {
            return Ok(());
        }
        self.name(field.json_name);
        self.bytes_value(field, kind, raw, depth)
    }

    fn bytes_value(
        &mut self,
        field: &Field,
        kind: &Kind,
        raw: &[u8],
        depth: usize,
    ) -> Result<(), DecodeError> {
        match kind {
            Kind::String => write_string(text(field, raw)?, self.out),
            Kind::Bytes => self.base64(raw),
            Kind::Time | Kind::MicroTime => return self.time(field, kind, raw),
            Kind::Quantity => match read_only_field(raw)? {
                Some(quantity) if !quantity.is_empty() => write_string(text(field, quantity)?, self.out),
                _ => self.out.extend_from_slice(b"\"0\""),
            },
            Kind::IntOrString => match read_int_or_string(raw)? {
                IntOrString::Int(integer) => self.integer(integer),
                IntOrString::String(string) => write_string(text(field, string)?, self.out),
            },
            Kind::FieldsV1 | Kind::RawExtension => return self.json(field, raw),
            Kind::Message(ty) => return self.object(ty, raw, Version::Keep, depth),
            Kind::Duration => self.duration(raw)?,
            _ => return Err(DecodeError::WireType(field.json_name)),
        }
        Ok(())
    }

    fn list(
        &mut self,
        field: &Field,
        kind: &Kind,
        raw: &[u8],
        span: Span,
        depth: usize,
    ) -> Result<(), DecodeError> {
        self.name(field.json_name);
        self.out.push(b'[');
        let mut empty = true;
        for_each_occurrence(field, raw, span, |wire_type, reader| {
            if wire_type == LENGTH && matches!(kind, Kind::Bool | Kind::Int32 | Kind::Int64) {
                let mut packed = Reader::new(reader.bytes()?);
                while packed.position < packed.bytes.len() {
                    self.separate(&mut empty);
                    self.varint_value(field, kind, packed.varint()?)?;
                }
                return Ok(());
            }
            self.separate(&mut empty);
            self.element(field, kind, wire_type, reader, depth)
        })?;
        self.out.push(b']');
        Ok(())
    }

    fn wrapped_list(
        &mut self,
        field: &Field,
        kind: &Kind,
        raw: &[u8],
        depth: usize,
    ) -> Result<(), DecodeError> {
        self.out.push(b'[');
        let mut empty = true;
        let mut reader = Reader::new(raw);
        while let Some((number, wire_type)) = reader.tag()? {
            if number == 1 {
                self.separate(&mut empty);
                self.element(field, kind, wire_type, &mut reader, depth)?;
            } else {
                reader.skip(wire_type)?;
            }
        }
        self.out.push(b']');
        Ok(())
    }

    fn element(
        &mut self,
        field: &Field,
        kind: &Kind,
        wire_type: u8,
        reader: &mut Reader,
        depth: usize,
    ) -> Result<(), DecodeError> {
        match wire_type {
            VARINT => self.varint_value(field, kind, reader.varint()?),
            LENGTH => self.bytes_value(field, kind, reader.bytes()?, depth),
            _ => Err(DecodeError::WireType(field.json_name)),
        }
    }

    /// Go writes maps sorted, so entries are written as they come; if they are not sorted, all over again.
    fn map(
        &mut self,
        field: &Field,
        kind: &Kind,
        raw: &[u8],
        span: Span,
        depth: usize,
    ) -> Result<(), DecodeError> {
        self.name(field.json_name);
        let start = self.out.len();
        self.out.push(b'{');
        let mut sorted = true;
        let mut previous: Option<&[u8]> = None;
        for_each_occurrence(field, raw, span, |wire_type, reader| {
            let entry = entry_bytes(field, wire_type, reader)?;
            let (key, value) = read_map_entry(entry)?;
            sorted &= previous.is_none_or(|previous| previous < key);
            if sorted {
                self.separate(&mut previous.is_none());
                previous = Some(key);
                self.map_entry(field, kind, key, value, depth)?;
            }
            Ok(())
        })?;
        if !sorted {
            self.out.truncate(start + 1);
            self.unsorted_map(field, kind, raw, span, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn unsorted_map(
        &mut self,
        field: &Field,
        kind: &Kind,
        raw: &[u8],
        span: Span,
        depth: usize,
    ) -> Result<(), DecodeError> {
        let mut entries = BTreeMap::new();
        for_each_occurrence(field, raw, span, |wire_type, reader| {
            let (key, value) = read_map_entry(entry_bytes(field, wire_type, reader)?)?;
            entries.insert(key, value);
            Ok(())
        })?;
        let mut empty = true;
        for (key, value) in entries {
            self.separate(&mut empty);
            self.map_entry(field, kind, key, value, depth)?;
        }
        Ok(())
    }

    fn map_entry(
        &mut self,
        field: &Field,
        kind: &Kind,
        key: &[u8],
        value: EntryValue,
        depth: usize,
    ) -> Result<(), DecodeError> {
        write_string(text(field, key)?, self.out);
        self.out.push(b':');
        match (kind, value) {
            (Kind::List(kind), EntryValue::Bytes(raw)) => self.wrapped_list(field, kind, raw, depth),
            (Kind::List(kind), _) => self.wrapped_list(field, kind, &[], depth),
            (kind, EntryValue::Bytes(raw)) => self.bytes_value(field, kind, raw, depth),
            (kind, EntryValue::Varint(raw)) => self.varint_value(field, kind, raw),
            (Kind::Bool | Kind::Int32 | Kind::Int64, EntryValue::Missing) => {
                self.varint_value(field, kind, 0)
            }
            (kind, EntryValue::Missing) => self.bytes_value(field, kind, &[], depth),
        }
    }

    fn separate(&mut self, empty: &mut bool) {
        if !*empty {
            self.out.push(b',');
        }
        *empty = false;
    }

    fn integer(&mut self, integer: impl itoa::Integer) {
        self.out
            .extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
    }

    fn base64(&mut self, raw: &[u8]) {
        let start = self.out.len() + 1;
        let length = raw.len().div_ceil(3) * 4;
        self.out.resize(start + length + 1, b'"');
        self.out[start - 1] = b'"';
        let written = STANDARD.encode_slice(raw, &mut self.out[start..start + length]);
        debug_assert_eq!(written.ok(), Some(length), "the length is that of padded base64");
    }

    fn time(&mut self, field: &Field, kind: &Kind, raw: &[u8]) -> Result<(), DecodeError> {
        let (seconds, nanos) = if raw.is_empty() {
            (time::GO_ZERO_SECONDS, 0)
        } else {
            read_timestamp(raw)?
        };
        let nanos = if *kind == Kind::MicroTime { nanos } else { 0 };
        if (seconds, nanos) == (time::GO_ZERO_SECONDS, 0) {
            self.out.extend_from_slice(b"null");
            return Ok(());
        }
        let moment =
            time::from_seconds_and_nanos(seconds, nanos).ok_or(DecodeError::InvalidTime(field.json_name))?;
        self.out.push(b'"');
        if *kind == Kind::MicroTime {
            self.out
                .extend_from_slice(time::write_micros(moment, &mut [0; time::MICROS_LENGTH]));
        } else {
            self.out
                .extend_from_slice(time::write_seconds(moment, &mut [0; time::SECONDS_LENGTH]));
        }
        self.out.push(b'"');
        Ok(())
    }

    fn duration(&mut self, raw: &[u8]) -> Result<(), DecodeError> {
        let mut nanoseconds = 0;
        let mut reader = Reader::new(raw);
        while let Some((number, wire_type)) = reader.tag()? {
            match (number, wire_type) {
                (1, VARINT) => nanoseconds = reader.varint()? as i64,
                _ => reader.skip(wire_type)?,
            }
        }
        write_string(&go_text::duration(nanoseconds), self.out);
        Ok(())
    }

    /// Line breaks would split the lines of a watch, so text with space in it is written anew.
    fn json(&mut self, field: &Field, raw: &[u8]) -> Result<(), DecodeError> {
        let Some(raw) = read_only_field(raw)?.filter(|raw| !raw.is_empty()) else {
            self.out.extend_from_slice(b"null");
            return Ok(());
        };
        let invalid = || DecodeError::InvalidJson(field.json_name);
        match json::check(raw) {
            Checked::Invalid => return Err(invalid()),
            Checked::Compact => self.out.extend_from_slice(raw),
            Checked::Spaced => {
                let parsed = json::parse(raw, &Limits::STORED).map_err(|_| invalid())?;
                json::write(&parsed.value, self.out);
            }
        }
        Ok(())
    }
}

fn scan(ty: &Type, raw: &[u8]) -> Result<[Span; MAX_FIELDS], DecodeError> {
    let mut spans = [Span {
        first: 0,
        last: 0,
        count: 0,
    }; MAX_FIELDS];
    let mut reader = Reader::new(raw);
    loop {
        let position = u32::try_from(reader.position).map_err(|_| DecodeError::Truncated)?;
        let Some((number, wire_type)) = reader.tag()? else {
            return Ok(spans);
        };
        reader.skip(wire_type)?;
        if let Some(index) = ty.index_of_number(number) {
            let span = &mut spans[index];
            if span.count == 0 {
                span.first = position;
            }
            span.last = position;
            span.count += 1;
        }
    }
}

fn for_each_occurrence<'a>(
    field: &Field,
    raw: &'a [u8],
    span: Span,
    mut each: impl FnMut(u8, &mut Reader<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut reader = Reader::at(raw, span.first as usize);
    let mut left = span.count;
    while left > 0 {
        let (number, wire_type) = reader.tag()?.ok_or(DecodeError::Truncated)?;
        if number == field.number {
            each(wire_type, &mut reader)?;
            left -= 1;
        } else {
            reader.skip(wire_type)?;
        }
    }
    Ok(())
}

fn last_bytes<'a>(field: &Field, raw: &'a [u8], span: Span) -> Result<&'a [u8], DecodeError> {
    let mut reader = Reader::at(raw, span.last as usize);
    let (_, wire_type) = reader.tag()?.ok_or(DecodeError::Truncated)?;
    entry_bytes(field, wire_type, &mut reader)
}

fn entry_bytes<'a>(field: &Field, wire_type: u8, reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    if wire_type == LENGTH {
        reader.bytes()
    } else {
        Err(DecodeError::WireType(field.json_name))
    }
}

fn text<'a>(field: &Field, raw: &'a [u8]) -> Result<&'a str, DecodeError> {
    std::str::from_utf8(raw).map_err(|_| DecodeError::InvalidUtf8(field.json_name))
}
