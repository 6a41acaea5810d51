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

/// Lower-case digits only: one value has one text.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: u8| DIGITS.iter().position(|known| *known == digit);
    let pairs = text.chunks(2).map(|pair| match pair {
        [high, low] => Some((value(*high)? << 4 | value(*low)?) as u8),
        _ => None,
    });
    pairs.collect()
}

pub(crate) fn decode_hash(text: &[u8]) -> Option<[u8; 32]> {
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let hash: [u8; 32] = std::array::from_fn(|at| (at * 9) as u8);
        assert_eq!(encode(&hash).as_bytes(), digits(&hash));
        assert_eq!(decode_hash(&digits(&hash)), Some(hash));
        for bad in ["0", "0g", "AB", " 1"] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }
}
