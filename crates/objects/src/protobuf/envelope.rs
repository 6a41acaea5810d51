//! `k8s\0` and `runtime.Unknown`, which say what a message is (api-conventions.md §4.1); and the one field of a
//! stored message that is not known before it is stored.

use super::DecodeError;
use super::wire::{LENGTH, Reader, write_bytes, write_message, write_tag, write_varint};
use crate::Type;

/// What every enveloped message begins with.
pub const MAGIC: [u8; 4] = *b"k8s\0";

/// A message and what it is.
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    /// `v1` or `group/version`.
    pub api_version: &'a str,
    /// `Secret`.
    pub kind: &'a str,
    /// The bare message.
    pub raw: &'a [u8],
}

/// What it is, not what is in it.
impl std::fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Envelope({} {}, {} bytes)",
            self.api_version,
            self.kind,
            self.raw.len()
        )
    }
}

/// Takes the envelope off.
pub fn open_envelope(bytes: &[u8]) -> Result<Envelope<'_>, DecodeError> {
    let unknown = bytes.strip_prefix(&MAGIC).ok_or(DecodeError::NoEnvelope)?;
    let mut envelope = Envelope {
        api_version: "",
        kind: "",
        raw: &[],
    };
    let mut reader = Reader::new(unknown);
    while let Some((number, wire_type)) = reader.tag()? {
        match (number, wire_type) {
            (1, LENGTH) => read_type_meta(reader.bytes()?, &mut envelope)?,
            (2, LENGTH) => envelope.raw = reader.bytes()?,
            _ => reader.skip(wire_type)?,
        }
    }
    Ok(envelope)
}

fn read_type_meta<'a>(bytes: &'a [u8], envelope: &mut Envelope<'a>) -> Result<(), DecodeError> {
    let text = |bytes, field| std::str::from_utf8(bytes).map_err(|_| DecodeError::InvalidUtf8(field));
    let mut reader = Reader::new(bytes);
    while let Some((number, wire_type)) = reader.tag()? {
        match (number, wire_type) {
            (1, LENGTH) => envelope.api_version = text(reader.bytes()?, "apiVersion")?,
            (2, LENGTH) => envelope.kind = text(reader.bytes()?, "kind")?,
            _ => reader.skip(wire_type)?,
        }
    }
    Ok(())
}

/// Appends a message in its envelope.
pub fn write_envelope(api_version: &str, kind: &str, raw: &[u8], out: &mut Vec<u8>) {
    out.reserve(raw.len() + api_version.len() + kind.len() + 32);
    out.extend_from_slice(&MAGIC);
    let type_meta = |out: &mut Vec<u8>| {
        write_bytes(1, api_version.as_bytes(), out);
        write_bytes(2, kind.as_bytes(), out);
        Ok::<(), std::convert::Infallible>(())
    };
    let Ok(()) = write_message(1, out, type_meta);
    write_bytes(2, raw, out);
    write_bytes(3, &[], out);
    write_bytes(4, &[], out);
}

/// The part of an object's message that is its metadata, as a message of its own: every kind numbers it alike, so
/// what is left is a `PartialObjectMetadata`. Empty for an object without metadata.
pub fn only_metadata(raw: &[u8]) -> Result<&[u8], DecodeError> {
    let mut reader = Reader::new(raw);
    let mut metadata: &[u8] = &[];
    loop {
        let start = reader.position;
        let Some((number, wire_type)) = reader.tag()? else {
            return Ok(metadata);
        };
        reader.skip(wire_type)?;
        if number == METADATA {
            metadata = &raw[start..reader.position];
        }
    }
}

/// The fields of a message that have one of `names`, as a message.
pub fn only_fields(ty: &Type, raw: &[u8], names: &[&str]) -> Result<Vec<u8>, DecodeError> {
    let wanted = |number| {
        let field = ty.fields.iter().find(|field| field.number == number);
        field.is_some_and(|field| names.contains(&field.json_name))
    };
    let mut out = Vec::new();
    let mut reader = Reader::new(raw);
    loop {
        let start = reader.position;
        let Some((number, wire_type)) = reader.tag()? else {
            return Ok(out);
        };
        reader.skip(wire_type)?;
        if wanted(number) {
            out.extend_from_slice(&raw[start..reader.position]);
        }
    }
}

const METADATA: u32 = 1;
const RESOURCE_VERSION: u32 = 6;

/// Appends the message of an object with `metadata.resourceVersion` replaced: stored messages do not have it.
pub fn set_resource_version(raw: &[u8], resource_version: u64, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let mut buffer = itoa::Buffer::new();
    let version = buffer.format(resource_version).as_bytes();
    out.reserve(raw.len() + version.len() + 8);
    let mut reader = Reader::new(raw);
    let mut done = false;
    loop {
        let start = reader.position;
        let Some((number, wire_type)) = reader.tag()? else {
            break;
        };
        if number == METADATA && wire_type == LENGTH && !done {
            replace_in_metadata(reader.bytes()?, version, out)?;
            done = true;
        } else {
            reader.skip(wire_type)?;
            out.extend_from_slice(&raw[start..reader.position]);
        }
    }
    if !done {
        replace_in_metadata(&[], version, out)?;
    }
    Ok(())
}

fn replace_in_metadata(metadata: &[u8], version: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let (before, after) = around_version(metadata)?;
    let length = before.len() + after.len() + 2 + version.len();
    write_tag(METADATA, LENGTH, out);
    write_varint(length as u64, out);
    out.extend_from_slice(before);
    write_bytes(RESOURCE_VERSION, version, out);
    out.extend_from_slice(after);
    Ok(())
}

/// What stands before and after the resource version, which may be missing.
fn around_version(metadata: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let mut reader = Reader::new(metadata);
    loop {
        let start = reader.position;
        let Some((number, wire_type)) = reader.tag()? else {
            return Ok((metadata, &[]));
        };
        if number > RESOURCE_VERSION {
            return Ok(metadata.split_at(start));
        }
        reader.skip(wire_type)?;
        if number == RESOURCE_VERSION {
            return Ok((&metadata[..start], &metadata[reader.position..]));
        }
    }
}
