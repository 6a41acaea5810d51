//! Random values that the server hands out: object identities, name suffixes, audit ids. Not for keys.

use std::cell::RefCell;

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

/// Bytes that are asked for at once: the system's generator costs as much for a few as for many.
const POOL: usize = 512;

thread_local! {
    /// Random bytes for identities, and how many of them are used up.
    static IDENTITIES: RefCell<([u8; POOL], usize)> = const { RefCell::new(([0; POOL], POOL)) };
}

/// Bytes for what everybody may see, and nobody has seen before.
fn public_bytes<const N: usize>() -> [u8; N] {
    IDENTITIES.with_borrow_mut(|(pool, used)| {
        if *used + N > POOL {
            *pool = bytes();
            *used = 0;
        }
        let mut taken = [0; N];
        taken.copy_from_slice(&pool[*used..*used + N]);
        *used += N;
        taken
    })
}

/// A version-4 UUID.
pub fn uuid() -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes: [u8; 16] = public_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0x0f] {
            text.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
    text
}

/// Five random letters for `generateName`.
pub fn name_suffix() -> String {
    let bytes: [u8; SUFFIX_LENGTH] = public_bytes();
    bytes
        .iter()
        .map(|byte| char::from(SUFFIX_LETTERS[usize::from(*byte) % SUFFIX_LETTERS.len()]))
        .collect()
}
