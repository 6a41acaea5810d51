//! The wire format: varints, tags, lengths.

use super::DecodeError;

pub(super) const VARINT: u8 = 0;
pub(super) const FIXED64: u8 = 1;
pub(super) const LENGTH: u8 = 2;
const START_GROUP: u8 = 3;
const END_GROUP: u8 = 4;
const FIXED32: u8 = 5;

/// Groups within groups that are skipped; Kubernetes has none.
const MAX_GROUPS: usize = 16;

/// Walks over the fields of a message.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) position: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, position: 0 }
    }

    pub(super) fn at(bytes: &'a [u8], position: usize) -> Reader<'a> {
        Reader { bytes, position }
    }

    /// The next field number and wire type; `None` at the end.
    pub(super) fn tag(&mut self) -> Result<Option<(u32, u8)>, DecodeError> {
        if self.position >= self.bytes.len() {
            return Ok(None);
        }
        let tag = self.varint()?;
        match u32::try_from(tag >> 3) {
            Ok(number @ 1..=0x1fff_ffff) => Ok(Some((number, (tag & 7) as u8))),
            _ => Err(DecodeError::IllegalTag(tag)),
        }
    }

    /// Most are a single byte.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.bytes.get(self.position) {
            Some(byte) if *byte < 0x80 => {
                self.position += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.position).ok_or(DecodeError::Truncated)?;
            self.position += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Overflow)
    }

    /// Bytes preceded by their length.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.varint()?;
        self.take(usize::try_from(length).map_err(|_| DecodeError::Truncated)?)
    }

    pub(super) fn fixed64(&mut self) -> Result<u64, DecodeError> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(bytes.try_into().unwrap_or_default()))
    }

    #[inline]
    pub(super) fn skip(&mut self, wire_type: u8) -> Result<(), DecodeError> {
        if wire_type == LENGTH {
            self.bytes().map(drop)
        } else {
            self.skip_nested(wire_type, 0)
        }
    }

    fn skip_nested(&mut self, wire_type: u8, groups: usize) -> Result<(), DecodeError> {
        match wire_type {
            VARINT => self.varint().map(drop),
            FIXED64 => self.take(8).map(drop),
            LENGTH => self.bytes().map(drop),
            FIXED32 => self.take(4).map(drop),
            START_GROUP if groups < MAX_GROUPS => loop {
                match self.tag()?.ok_or(DecodeError::Truncated)? {
                    (_, END_GROUP) => return Ok(()),
                    (_, wire_type) => self.skip_nested(wire_type, groups + 1)?,
                }
            },
            START_GROUP => Err(DecodeError::TooDeep),
            other => Err(DecodeError::IllegalTag(other.into())),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.position.checked_add(length).ok_or(DecodeError::Truncated)?;
        let taken = self.bytes.get(self.position..end).ok_or(DecodeError::Truncated)?;
        self.position = end;
        Ok(taken)
    }
}

pub(super) fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn write_tag(number: u32, wire_type: u8, out: &mut Vec<u8>) {
    write_varint(u64::from(number) << 3 | u64::from(wire_type), out);
}

pub(super) fn write_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    write_tag(number, LENGTH, out);
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

pub(super) fn write_integer(number: u32, value: i64, out: &mut Vec<u8>) {
    write_tag(number, VARINT, out);
    write_varint(value as u64, out);
}

/// Writes a nested message whose length is known only afterwards.
pub(super) fn write_message<E>(
    number: u32,
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    write_tag(number, LENGTH, out);
    let start = out.len();
    out.push(0);
    body(out)?;
    let length = out.len() - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
    } else {
        let mut prefix = Vec::with_capacity(5);
        write_varint(length as u64, &mut prefix);
        out.splice(start..=start, prefix);
    }
    Ok(())
}

/// The two fields of a Timestamp message.
pub(super) fn read_timestamp(bytes: &[u8]) -> Result<(i64, i32), DecodeError> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut reader = Reader::new(bytes);
    while let Some((number, wire_type)) = reader.tag()? {
        match (number, wire_type) {
            (1, VARINT) => seconds = reader.varint()? as i64,
            (2, VARINT) => nanos = reader.varint()? as i32,
            _ => reader.skip(wire_type)?,
        }
    }
    Ok((seconds, nanos))
}

/// The content of a message that only has field 1: Quantity, FieldsV1, RawExtension.
pub(super) fn read_only_field(bytes: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
    let mut found = None;
    let mut reader = Reader::new(bytes);
    while let Some((number, wire_type)) = reader.tag()? {
        match (number, wire_type) {
            (1, LENGTH) => found = Some(reader.bytes()?),
            _ => reader.skip(wire_type)?,
        }
    }
    Ok(found)
}

/// An IntOrString.
pub(super) enum IntOrString<'a> {
    Int(i32),
    String(&'a [u8]),
}

pub(super) fn read_int_or_string(bytes: &[u8]) -> Result<IntOrString<'_>, DecodeError> {
    let (mut is_string, mut int, mut string) = (false, 0, &[][..]);
    let mut reader = Reader::new(bytes);
    while let Some((number, wire_type)) = reader.tag()? {
        match (number, wire_type) {
            (1, VARINT) => is_string = reader.varint()? != 0,
            (2, VARINT) => int = reader.varint()? as i32,
            (3, LENGTH) => string = reader.bytes()?,
            _ => reader.skip(wire_type)?,
        }
    }
    Ok(if is_string {
        IntOrString::String(string)
    } else {
        IntOrString::Int(int)
    })
}

/// Key and value of a map entry; a value that is left out is empty.
pub(super) fn read_map_entry(bytes: &[u8]) -> Result<(&[u8], EntryValue<'_>), DecodeError> {
    let (mut key, mut value) = (&[][..], EntryValue::Missing);
    let mut reader = Reader::new(bytes);
    while let Some((number, wire_type)) = reader.tag()? {
        match (number, wire_type) {
            (1, LENGTH) => key = reader.bytes()?,
            (2, LENGTH) => value = EntryValue::Bytes(reader.bytes()?),
            (2, VARINT) => value = EntryValue::Varint(reader.varint()?),
            _ => reader.skip(wire_type)?,
        }
    }
    Ok((key, value))
}

/// What a map entry holds.
#[derive(Clone, Copy)]
pub(super) enum EntryValue<'a> {
    Missing,
    Bytes(&'a [u8]),
    Varint(u64),
}
