//! Bytes as lower-case hexadecimal text.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A SHA-256 as 64 digits.
pub(crate) fn digits(hash: &[u8; 32]) -> [u8; 64] {
    let mut out = [0; 64];
    for (pair, byte) in out.chunks_exact_mut(2).zip(hash) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    let pairs = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    pairs.collect()
}

/// The 32 bytes of 64 digits; lower-case ones only, so that one value has one text.
pub(crate) fn decode_hash(text: &[u8]) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(hash)
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let hash: [u8; 32] = std::array::from_fn(|at| (at * 9) as u8);
        assert_eq!(encode(&hash).as_bytes(), digits(&hash));
        assert_eq!(decode_hash(&digits(&hash)), Some(hash));
        for bad in ["", "0", "g", "A", " "] {
            let text = format!("{bad}{}", "0".repeat(63));
            let expected = (bad == "0").then_some([0; 32]);
            assert_eq!(decode_hash(text.as_bytes()), expected, "{bad}");
        }
    }
}
