//! Messages to trees.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::DecodeError;
use super::wire::{
    EntryValue, FIXED64, IntOrString, LENGTH, Reader, VARINT, read_int_or_string, read_map_entry,
    read_only_field, read_timestamp,
};
use crate::json::{Budget, Limits, ParseError};
use crate::zero::{fill_zeros, is_left_out};
use crate::{Field, Kind, Map, Type, Value, go_text, json, time};

/// The object of a bare message, in the same form that [`crate::conform`] gives: without `kind` and `apiVersion`,
/// without what Go's JSON leaves out, with the zero values it does not. Unknown fields are skipped.
pub fn decode(ty: &Type, raw: &[u8], limits: &Limits) -> Result<Map, DecodeError> {
    let mut decoder = Decoder {
        budget: Budget::new(limits.memory),
        depth_left: limits.depth,
        memory: limits.memory,
    };
    let mut object = Map::new();
    decoder.message(ty, raw, &mut object)?;
    Ok(object)
}

struct Decoder {
    budget: Budget,
    depth_left: usize,
    memory: usize,
}

impl From<ParseError> for DecodeError {
    fn from(_: ParseError) -> DecodeError {
        DecodeError::TooComplex
    }
}

impl Decoder {
    fn message(&mut self, ty: &Type, raw: &[u8], object: &mut Map) -> Result<(), DecodeError> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or(DecodeError::TooDeep)?;
        let mut reader = Reader::new(raw);
        while let Some((number, wire_type)) = reader.tag()? {
            match ty.field_numbered(number) {
                Some(field) => self.field(field, wire_type, &mut reader, object)?,
                None => reader.skip(wire_type)?,
            }
        }
        self.depth_left += 1;
        fill_zeros(ty, object);
        Ok(())
    }

    fn field(
        &mut self,
        field: &Field,
        wire_type: u8,
        reader: &mut Reader,
        object: &mut Map,
    ) -> Result<(), DecodeError> {
        let name = field.json_name;
        match &field.kind {
            Kind::Message(embedded) if field.inline => {
                return self.message(embedded, bytes(field, wire_type, reader)?, object);
            }
            Kind::List(kind) if field.wrapped => {
                let list = self.wrapped_list(field, kind, bytes(field, wire_type, reader)?)?;
                object.insert(name.to_owned(), list);
            }
            Kind::List(kind) => self.list_element(field, kind, wire_type, reader, object)?,
            Kind::Map(kind) => self.map_entry(field, kind, bytes(field, wire_type, reader)?, object)?,
            kind => {
                let value = self.single(field, kind, wire_type, reader)?;
                if value.is_null() || is_left_out(field, &value) {
                    object.remove(name);
                } else {
                    self.budget.map_entry(object.len(), name.len())?;
                    object.insert(name.to_owned(), value);
                }
            }
        }
        Ok(())
    }

    /// Numbers may come one by one or packed.
    fn list_element(
        &mut self,
        field: &Field,
        kind: &Kind,
        wire_type: u8,
        reader: &mut Reader,
        object: &mut Map,
    ) -> Result<(), DecodeError> {
        if !object.contains_key(field.json_name) {
            self.budget.map_entry(object.len(), field.json_name.len())?;
        }
        let list = object
            .entry(field.json_name)
            .or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(list) = list else {
            return Err(DecodeError::WireType(field.json_name));
        };
        if wire_type == LENGTH && matches!(kind, Kind::Bool | Kind::Int32 | Kind::Int64) {
            let mut packed = Reader::new(reader.bytes()?);
            while packed.position < packed.bytes.len() {
                self.budget.list_element(list.len())?;
                list.push(self.single(field, kind, VARINT, &mut packed)?);
            }
            return Ok(());
        }
        self.budget.list_element(list.len())?;
        list.push(self.single(field, kind, wire_type, reader)?);
        Ok(())
    }

    fn wrapped_list(&mut self, field: &Field, kind: &Kind, raw: &[u8]) -> Result<Value, DecodeError> {
        let mut list = Vec::new();
        let mut reader = Reader::new(raw);
        while let Some((number, wire_type)) = reader.tag()? {
            if number == 1 {
                self.budget.list_element(list.len())?;
                list.push(self.single(field, kind, wire_type, &mut reader)?);
            } else {
                reader.skip(wire_type)?;
            }
        }
        Ok(Value::Array(list))
    }

    fn map_entry(
        &mut self,
        field: &Field,
        kind: &Kind,
        raw: &[u8],
        object: &mut Map,
    ) -> Result<(), DecodeError> {
        let (key, value) = read_map_entry(raw)?;
        let key = text(field, key)?;
        let value = match (kind, value) {
            (Kind::List(kind), EntryValue::Bytes(raw)) => self.wrapped_list(field, kind, raw)?,
            (Kind::List(_), _) => Value::Array(Vec::new()),
            (kind, EntryValue::Bytes(raw)) => self.length_delimited(field, kind, raw)?,
            (kind, EntryValue::Varint(raw)) => {
                varint_value(kind, raw).ok_or(DecodeError::WireType(field.json_name))?
            }
            (Kind::Bool | Kind::Int32 | Kind::Int64, EntryValue::Missing) => {
                varint_value(kind, 0).ok_or(DecodeError::WireType(field.json_name))?
            }
            (kind, EntryValue::Missing) => self.length_delimited(field, kind, &[])?,
        };
        if !object.contains_key(field.json_name) {
            self.budget.map_entry(object.len(), field.json_name.len())?;
        }
        let map = object
            .entry(field.json_name)
            .or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(map) = map else {
            return Err(DecodeError::WireType(field.json_name));
        };
        self.budget.map_entry(map.len(), key.len())?;
        map.insert(key.to_owned(), value);
        Ok(())
    }

    fn single(
        &mut self,
        field: &Field,
        kind: &Kind,
        wire_type: u8,
        reader: &mut Reader,
    ) -> Result<Value, DecodeError> {
        let mismatch = || DecodeError::WireType(field.json_name);
        match wire_type {
            VARINT => varint_value(kind, reader.varint()?).ok_or_else(mismatch),
            LENGTH => self.length_delimited(field, kind, reader.bytes()?),
            FIXED64 if *kind == Kind::Float64 => Ok(f64::from_bits(reader.fixed64()?).into()),
            _ => Err(mismatch()),
        }
    }

    fn length_delimited(&mut self, field: &Field, kind: &Kind, raw: &[u8]) -> Result<Value, DecodeError> {
        match kind {
            Kind::String => self.string(text(field, raw)?),
            Kind::Bytes => {
                self.budget.string(raw.len().div_ceil(3) * 4)?;
                Ok(Value::String(STANDARD.encode(raw)))
            }
            Kind::Time | Kind::MicroTime => timestamp(field, kind, raw),
            Kind::Duration => duration(raw),
            Kind::Quantity => match read_only_field(raw)? {
                Some(quantity) if !quantity.is_empty() => self.string(text(field, quantity)?),
                _ => self.string("0"),
            },
            Kind::IntOrString => match read_int_or_string(raw)? {
                IntOrString::Int(integer) => Ok(integer.into()),
                IntOrString::String(string) => self.string(text(field, string)?),
            },
            Kind::FieldsV1 | Kind::RawExtension => self.json(field, raw),
            Kind::Message(ty) => {
                let mut object = Map::new();
                self.message(ty, raw, &mut object)?;
                Ok(Value::Object(object))
            }
            _ => Err(DecodeError::WireType(field.json_name)),
        }
    }

    fn string(&mut self, text: &str) -> Result<Value, DecodeError> {
        self.budget.string(text.len())?;
        Ok(Value::String(text.to_owned()))
    }

    fn json(&mut self, field: &Field, raw: &[u8]) -> Result<Value, DecodeError> {
        let Some(raw) = read_only_field(raw)?.filter(|raw| !raw.is_empty()) else {
            return Ok(Value::Null);
        };
        // What the inner tree takes is not subtracted, but it is bounded, and so is the number of such fields.
        self.budget.string(raw.len())?;
        let limits = Limits {
            depth: 64,
            memory: self.memory,
        };
        let parsed = json::parse(raw, &limits).map_err(|_| DecodeError::InvalidJson(field.json_name))?;
        Ok(parsed.value)
    }
}

fn bytes<'a>(field: &Field, wire_type: u8, reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    if wire_type == LENGTH {
        reader.bytes()
    } else {
        Err(DecodeError::WireType(field.json_name))
    }
}

fn text<'a>(field: &Field, raw: &'a [u8]) -> Result<&'a str, DecodeError> {
    std::str::from_utf8(raw).map_err(|_| DecodeError::InvalidUtf8(field.json_name))
}

fn varint_value(kind: &Kind, raw: u64) -> Option<Value> {
    match kind {
        Kind::Bool => Some(Value::Bool(raw != 0)),
        Kind::Int32 => Some((raw as i32).into()),
        Kind::Int64 => Some((raw as i64).into()),
        _ => None,
    }
}

/// Null for Go's zero time.
fn timestamp(field: &Field, kind: &Kind, raw: &[u8]) -> Result<Value, DecodeError> {
    if raw.is_empty() {
        return Ok(Value::Null);
    }
    let (seconds, nanos) = read_timestamp(raw)?;
    let nanos = if *kind == Kind::MicroTime { nanos } else { 0 };
    if (seconds, nanos) == (time::GO_ZERO_SECONDS, 0) {
        return Ok(Value::Null);
    }
    let moment =
        time::from_seconds_and_nanos(seconds, nanos).ok_or(DecodeError::InvalidTime(field.json_name))?;
    Ok(Value::String(if *kind == Kind::MicroTime {
        time::micros(moment)
    } else {
        time::seconds(moment)
    }))
}

fn duration(raw: &[u8]) -> Result<Value, DecodeError> {
    let mut nanoseconds = 0;
    let mut reader = Reader::new(raw);
    while let Some((number, wire_type)) = reader.tag()? {
        match (number, wire_type) {
            (1, VARINT) => nanoseconds = reader.varint()? as i64,
            _ => reader.skip(wire_type)?,
        }
    }
    Ok(Value::String(go_text::duration(nanoseconds)))
}
