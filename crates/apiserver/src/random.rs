//! Random values that the server hands out: object identities, name suffixes, audit ids. Not for keys.

use aws_lc_rs::rand::fill;

/// Letters of generated names: no vowels, so that no words come about (api-conventions §5).
const SUFFIX_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH: usize = 5;

/// `N` random bytes. The system's generator failing leaves nothing sensible to do.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes).expect("the system's random number generator works");
    bytes
}

/// A version-4 UUID.
pub fn uuid() -> String {
    let mut bytes: [u8; 16] = bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

/// Five random letters for `generateName`.
pub fn name_suffix() -> String {
    let bytes: [u8; SUFFIX_LENGTH] = bytes();
    bytes
        .iter()
        .map(|byte| char::from(SUFFIX_LETTERS[usize::from(*byte) % SUFFIX_LETTERS.len()]))
        .collect()
}
