use std::collections::BTreeMap;

use crate::key_service::WrappedKey;

/// Limit of `keyID` and of `encryptedDEKSource`, in bytes.
const FIELD_LIMIT: usize = 1024;
/// Limit of all annotation keys and values together, in bytes.
const ANNOTATIONS_LIMIT: usize = 32 * 1024;

/// How a value's key comes from its `encryptedDEKSource`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceType {
    /// 0, `AES_GCM_KEY`: it is the key.
    Key = 0,
    /// 1, `HKDF_SHA256_XNONCE_AES_GCM_SEED`: the key is derived from it.
    Seed = 1,
}

/// The message `v2.EncryptedObject`, borrowed from the stored value.
#[derive(Debug, PartialEq, Eq)]
pub struct EncryptedObject<'a> {
    /// The sealed value; not empty.
    pub encrypted_data: &'a [u8],
    /// The root key that wrapped the source; 1 to 1024 bytes.
    pub key_id: &'a str,
    /// The wrapped data key or seed; 1 to 1024 bytes.
    pub encrypted_source: &'a [u8],
    /// What the key service wants back; keys are domain names with at least one dot, 32 KiB in all.
    pub annotations: BTreeMap<&'a str, &'a [u8]>,
    /// How to use the unwrapped source.
    pub source_type: SourceType,
}

/// Which rule of §3.1 an `EncryptedObject` breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedObject {
    /// Not a protobuf message, or cut off.
    #[error("not a complete protobuf message")]
    NotProtobuf,
    /// A field that this version does not know: refused rather than silently dropped.
    #[error("unknown field {0}")]
    UnknownField(u64),
    /// A field or annotation that may stand once stands twice.
    #[error("{0} is there more than once")]
    Repeated(&'static str),
    /// A required field is missing or empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// A field beyond its limit.
    #[error("{0} is larger than {1} bytes")]
    TooLarge(&'static str, usize),
    /// A string that is not UTF-8.
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    /// An annotation key that is not a domain name with a dot.
    #[error("an annotation key is not a fully qualified domain name")]
    AnnotationKey,
    /// A type above 1.
    #[error("unknown encryptedDEKSourceType {0}")]
    UnknownSourceType(u64),
}

impl<'a> EncryptedObject<'a> {
    /// Reads a message. Stricter than protobuf asks for: unknown and repeated fields and padded numbers are refused,
    /// so that a changed message is never read as if it were another one.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn decode(message: &'a [u8]) -> Result<EncryptedObject<'a>, MalformedObject> {
        let mut reader = Reader(message);
        let (mut data, mut key_id, mut source, mut source_type) = (None, None, None, None);
        let mut annotations = BTreeMap::new();
        while !reader.is_empty() {
            match reader.varint()? {
                DATA => once(&mut data, reader.bytes()?, "encryptedData")?,
                KEY_ID => once(&mut key_id, utf8(reader.bytes()?, "keyID")?, "keyID")?,
                SOURCE => once(&mut source, reader.bytes()?, "encryptedDEKSource")?,
                ANNOTATION => {
                    let (key, value) = decode_annotation(reader.bytes()?)?;
                    if annotations.insert(key, value).is_some() {
                        return Err(MalformedObject::Repeated("an annotation"));
                    }
                }
                SOURCE_TYPE => {
                    once(
                        &mut source_type,
                        source_type_from(reader.varint()?)?,
                        "encryptedDEKSourceType",
                    )?;
                }
                tag => return Err(MalformedObject::UnknownField(tag >> 3)),
            }
        }
        let object = EncryptedObject {
            encrypted_data: data.unwrap_or_default(),
            key_id: key_id.unwrap_or_default(),
            encrypted_source: source.unwrap_or_default(),
            annotations,
            source_type: source_type.unwrap_or(SourceType::Key),
        };
        object.check()?;
        Ok(object)
    }

    /// The wrapped key in the form that a key service takes.
    pub fn wrapped_key(&self) -> WrappedKey {
        let annotations = self
            .annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.to_vec()));
        WrappedKey {
            key_id: self.key_id.to_owned(),
            ciphertext: self.encrypted_source.to_vec(),
            annotations: annotations.collect(),
        }
    }

    /// Whether the source is exactly this wrapped key.
    pub fn is_wrapped_with(&self, wrapped: &WrappedKey) -> bool {
        self.key_id == wrapped.key_id
            && self.encrypted_source == wrapped.ciphertext
            && self.annotations.len() == wrapped.annotations.len()
            && self.annotations.iter().all(|(key, value)| {
                wrapped
                    .annotations
                    .get(*key)
                    .is_some_and(|expected| expected.as_slice() == *value)
            })
    }

    fn check(&self) -> Result<(), MalformedObject> {
        if self.encrypted_data.is_empty() {
            return Err(MalformedObject::Empty("encryptedData"));
        }
        check_length(self.key_id.len(), "keyID")?;
        check_length(self.encrypted_source.len(), "encryptedDEKSource")?;
        let annotations = self.annotations.iter().map(|(key, value)| (*key, value.len()));
        check_annotations(annotations)
    }
}

/// The bytes before `encryptedData` itself, for data of `length` bytes.
pub(crate) fn write_header(length: usize, out: &mut Vec<u8>) {
    out.push(DATA as u8);
    write_varint(length as u64, out);
}

/// The bytes after `encryptedData`: all other fields, of type 1, in the order in which Go writes them.
///
/// # Errors
/// When the wrapped key breaks a rule of §3.1, and so could not be read again.
pub(crate) fn trailer(wrapped: &WrappedKey) -> Result<Vec<u8>, MalformedObject> {
    check_length(wrapped.key_id.len(), "keyID")?;
    check_length(wrapped.ciphertext.len(), "encryptedDEKSource")?;
    check_annotations(
        wrapped
            .annotations
            .iter()
            .map(|(key, value)| (key.as_str(), value.len())),
    )?;
    let mut out = Vec::new();
    write_bytes(KEY_ID, wrapped.key_id.as_bytes(), &mut out);
    write_bytes(SOURCE, &wrapped.ciphertext, &mut out);
    for (key, value) in &wrapped.annotations {
        let mut entry = Vec::new();
        write_bytes(ENTRY_KEY, key.as_bytes(), &mut entry);
        write_bytes(ENTRY_VALUE, value, &mut entry);
        write_bytes(ANNOTATION, &entry, &mut out);
    }
    write_varint(SOURCE_TYPE, &mut out);
    write_varint(SourceType::Seed as u64, &mut out);
    Ok(out)
}

// Field number and wire type as they stand before each field.
const DATA: u64 = 1 << 3 | 2;
const KEY_ID: u64 = 2 << 3 | 2;
const SOURCE: u64 = 3 << 3 | 2;
const ANNOTATION: u64 = 4 << 3 | 2;
const SOURCE_TYPE: u64 = 5 << 3;
const ENTRY_KEY: u64 = 1 << 3 | 2;
const ENTRY_VALUE: u64 = 2 << 3 | 2;

fn decode_annotation(entry: &[u8]) -> Result<(&str, &[u8]), MalformedObject> {
    let mut reader = Reader(entry);
    let (mut key, mut value) = (None, None);
    while !reader.is_empty() {
        match reader.varint()? {
            ENTRY_KEY => once(
                &mut key,
                utf8(reader.bytes()?, "an annotation key")?,
                "an annotation key",
            )?,
            ENTRY_VALUE => once(&mut value, reader.bytes()?, "an annotation value")?,
            tag => return Err(MalformedObject::UnknownField(tag >> 3)),
        }
    }
    Ok((key.unwrap_or_default(), value.unwrap_or_default()))
}

fn source_type_from(number: u64) -> Result<SourceType, MalformedObject> {
    match number {
        0 => Ok(SourceType::Key),
        1 => Ok(SourceType::Seed),
        _ => Err(MalformedObject::UnknownSourceType(number)),
    }
}

fn once<T>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), MalformedObject> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(MalformedObject::Repeated(name)),
    }
}

fn utf8<'a>(bytes: &'a [u8], name: &'static str) -> Result<&'a str, MalformedObject> {
    std::str::from_utf8(bytes).map_err(|_| MalformedObject::NotUtf8(name))
}

fn check_length(length: usize, name: &'static str) -> Result<(), MalformedObject> {
    match length {
        0 => Err(MalformedObject::Empty(name)),
        1..=FIELD_LIMIT => Ok(()),
        _ => Err(MalformedObject::TooLarge(name, FIELD_LIMIT)),
    }
}

fn check_annotations<'a>(annotations: impl Iterator<Item = (&'a str, usize)>) -> Result<(), MalformedObject> {
    let mut total = 0;
    for (key, value_length) in annotations {
        if !is_domain_name(key) {
            return Err(MalformedObject::AnnotationKey);
        }
        total += key.len() + value_length;
    }
    if total > ANNOTATIONS_LIMIT {
        return Err(MalformedObject::TooLarge("annotations", ANNOTATIONS_LIMIT));
    }
    Ok(())
}

/// DNS-1123 subdomain with at least two labels; one dot at the end is allowed.
fn is_domain_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(is_label)
}

fn write_bytes(tag: u64, bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(tag, out);
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// What is left of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In its shortest form only: any other was not written by an encoder.
    fn varint(&mut self) -> Result<u64, MalformedObject> {
        let mut number = 0u64;
        for shift in (0..63).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(MalformedObject::NotProtobuf)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let padded = *byte == 0 && shift > 0;
                return if padded {
                    Err(MalformedObject::NotProtobuf)
                } else {
                    Ok(number)
                };
            }
        }
        Err(MalformedObject::NotProtobuf)
    }

    fn bytes(&mut self) -> Result<&'a [u8], MalformedObject> {
        let length = usize::try_from(self.varint()?).map_err(|_| MalformedObject::NotProtobuf)?;
        let (bytes, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(MalformedObject::NotProtobuf)?;
        self.0 = rest;
        Ok(bytes)
    }
}
