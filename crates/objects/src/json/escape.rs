//! Strings as JSON writes them.

/// Appends a string in quotes. Control characters, quotes and backslashes are escaped.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut written = 0;
    let mut position = 0;
    while let Some(special) = next_special(bytes, position) {
        out.extend_from_slice(&bytes[written..special]);
        write_escape(bytes[special], out);
        position = special + 1;
        written = position;
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        8 => out.extend_from_slice(b"\\b"),
        12 => out.extend_from_slice(b"\\f"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

/// Where the next quote, backslash or control character is; looks at eight bytes at a time.
pub(super) fn next_special(bytes: &[u8], mut position: usize) -> Option<usize> {
    while let Some(chunk) = bytes.get(position..position + 8) {
        let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        let found = special_bytes(word);
        if found != 0 {
            return Some(position + found.trailing_zeros() as usize / 8);
        }
        position += 8;
    }
    let rest = bytes.get(position..)?;
    rest.iter()
        .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))
        .map(|offset| position + offset)
}

/// The lowest set bit marks the first byte below 0x20 or equal to a quote or a backslash. Bits above it may be
/// wrong, because subtraction borrows.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | equal(b'"') | equal(b'\\')) & HIGH
}
