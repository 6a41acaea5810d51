//! Names and values, as SYN_STREAM, SYN_REPLY and HEADERS carry them: one zlib stream for each direction of a
//! connection (SPDY/3, §2.6.10).

use bytes::{Buf as _, BufMut as _, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::dictionary::DICTIONARY;
use super::error::FrameError;

/// Largest header block, in bytes, once it is decompressed. Kubernetes' streams have three short names.
pub const MAX_HEADER_BLOCK: usize = 16 * 1024;
/// Most names in a block.
pub const MAX_NAMES: usize = 64;

/// Names in lower case, with their values. Several values of one name are separated by NUL, as on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more; `name` must be in lower case.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// The first value of `name` (in lower case).
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.split('\0').next().unwrap_or_default())
    }

    fn parse(mut block: &[u8]) -> Result<Self, FrameError> {
        let count = take_length(&mut block)?;
        if count > MAX_NAMES {
            return Err(FrameError::HeadersTooLarge);
        }
        let mut headers = Self(Vec::with_capacity(count));
        for _ in 0..count {
            let name = take_text(&mut block)?;
            let value = take_text(&mut block)?;
            if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                return Err(FrameError::Headers("a name that is empty or not in lower case"));
            }
            if headers.0.iter().any(|(own, _)| *own == name) {
                return Err(FrameError::Headers("a name that occurs twice"));
            }
            headers.0.push((name, value));
        }
        if block.has_remaining() {
            return Err(FrameError::Headers("bytes behind the last value"));
        }
        Ok(headers)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.put_u32(self.0.len() as u32);
        for (name, value) in &self.0 {
            for text in [name, value] {
                out.put_u32(text.len() as u32);
                out.put_slice(text.as_bytes());
            }
        }
    }
}

fn take_length(block: &mut &[u8]) -> Result<usize, FrameError> {
    let length = block.try_get_u32().map_err(|_| FrameError::Truncated)?;
    usize::try_from(length).map_err(|_| FrameError::HeadersTooLarge)
}

fn take_text(block: &mut &[u8]) -> Result<String, FrameError> {
    let length = take_length(block)?;
    let (text, rest) = block.split_at_checked(length).ok_or(FrameError::Truncated)?;
    *block = rest;
    let text = std::str::from_utf8(text).map_err(|_| FrameError::Headers("text that is not UTF-8"))?;
    Ok(text.to_owned())
}

/// Decompresses the blocks of one direction, in their order.
pub struct HeaderReader {
    inflate: Decompress,
    /// Where a block is decompressed to: never longer than a block may be.
    block: Vec<u8>,
}

impl HeaderReader {
    /// For a connection that begins.
    pub fn new() -> Self {
        Self {
            inflate: Decompress::new(true),
            block: Vec::new(),
        }
    }

    /// Decompresses and parses one block.
    ///
    /// # Errors
    /// [`FrameError`] for what is no zlib stream with SPDY's dictionary, for blocks that are too large, and for those
    /// that do not parse. The connection cannot go on after that: its blocks hang together.
    pub fn read(&mut self, mut compressed: &[u8]) -> Result<Headers, FrameError> {
        self.block.clear();
        // One byte more than is allowed tells a block that is too large from one that just fits.
        self.block.reserve_exact(MAX_HEADER_BLOCK + 1);
        while !compressed.is_empty() {
            let before = self.inflate.total_in();
            let inflated = self
                .inflate
                .decompress_vec(compressed, &mut self.block, FlushDecompress::Sync);
            let taken = usize::try_from(self.inflate.total_in() - before).unwrap_or(usize::MAX);
            compressed = compressed.get(taken..).unwrap_or_default();
            match inflated {
                Ok(Status::StreamEnd) => return Err(FrameError::Compression),
                Ok(_) if self.block.len() > MAX_HEADER_BLOCK => return Err(FrameError::HeadersTooLarge),
                Ok(_) if taken == 0 => return Err(FrameError::Compression),
                Ok(_) => {}
                Err(error) if error.needs_dictionary().is_some() => {
                    self.inflate
                        .set_dictionary(&DICTIONARY)
                        .map_err(|_| FrameError::Compression)?;
                }
                Err(_) => return Err(FrameError::Compression),
            }
        }
        Headers::parse(&self.block)
    }
}

/// Compresses the blocks of one direction, in their order.
pub struct HeaderWriter {
    deflate: Compress,
    block: Vec<u8>,
}

impl HeaderWriter {
    /// For a connection that begins.
    pub fn new() -> Self {
        let mut deflate = Compress::new(Compression::fast(), true);
        // A fresh stream takes every dictionary.
        let _ = deflate.set_dictionary(&DICTIONARY);
        Self {
            deflate,
            block: Vec::new(),
        }
    }

    /// Appends `headers`, compressed, to `out`.
    pub fn write(&mut self, headers: &Headers, out: &mut BytesMut) {
        self.block.clear();
        headers.write(&mut self.block);
        let mut rest = self.block.as_slice();
        let mut compressed = Vec::with_capacity(self.block.len() + 64);
        loop {
            let before = self.deflate.total_in();
            // Writing to memory that grows does not fail.
            let _ = self
                .deflate
                .compress_vec(rest, &mut compressed, FlushCompress::Sync);
            let taken = usize::try_from(self.deflate.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
            // With room left the flush is complete.
            if rest.is_empty() && compressed.len() < compressed.capacity() {
                break;
            }
            compressed.reserve(256);
        }
        out.extend_from_slice(&compressed);
    }
}
