//! Base64 as Go's `encoding/base64` reads it: standard alphabet, padding required, line breaks skipped, bits after
//! the end ignored.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The canonical text for the same bytes; `None` when `text` is canonical already. The error is the offset that Go
/// complains about.
pub(crate) fn canonical(text: &str) -> Result<Option<String>, usize> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    if STANDARD.decode_vec(text, &mut bytes).is_ok() {
        return Ok(None);
    }
    decode(text.as_bytes()).map(|bytes| Some(STANDARD.encode(bytes)))
}

fn decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut position = 0;
    let mut quantum = [0; 4];
    let mut filled = 0;
    while let Some(byte) = text.get(position) {
        position += 1;
        match byte {
            b'\r' | b'\n' => {}
            b'=' => {
                end(text, position, filled)?;
                push(&quantum[..filled], &mut out);
                return Ok(out);
            }
            _ => {
                quantum[filled] = digit(*byte).ok_or(position - 1)?;
                filled += 1;
                if filled == 4 {
                    push(&quantum, &mut out);
                    filled = 0;
                }
            }
        }
    }
    // Padding is missing; Go points back by the number of digits, whatever line breaks lie between.
    if filled == 0 {
        Ok(out)
    } else {
        Err(position - filled)
    }
}

/// Checks what follows the first `=`, which stands before `position`.
fn end(text: &[u8], mut position: usize, filled: usize) -> Result<(), usize> {
    let skip_breaks = |mut position: usize| {
        while matches!(text.get(position), Some(b'\r' | b'\n')) {
            position += 1;
        }
        position
    };
    if filled < 2 {
        return Err(position - 1);
    }
    if filled == 2 {
        position = skip_breaks(position);
        if text.get(position) != Some(&b'=') {
            return Err(position);
        }
        position += 1;
    }
    position = skip_breaks(position);
    if position < text.len() {
        Err(position)
    } else {
        Ok(())
    }
}

fn push(quantum: &[u8], out: &mut Vec<u8>) {
    let bits = quantum
        .iter()
        .chain([0; 4].iter())
        .take(4)
        .fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit));
    out.extend_from_slice(&bits.to_be_bytes()[1..quantum.len()]);
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn as_go_reads_it() {
        let cases: [(&str, Result<Option<&str>, usize>); 19] = [
            ("", Ok(None)),
            ("dg==", Ok(None)),
            ("dmFs", Ok(None)),
            ("dm\nFs\r\n", Ok(Some("dmFs"))),
            ("dg=\n=\n", Ok(Some("dg=="))),
            ("dh==", Ok(Some("dg=="))),
            ("dmG=", Ok(Some("dmE="))),
            ("\n", Ok(Some(""))),
            ("d", Err(0)),
            ("dg", Err(0)),
            ("dmE", Err(0)),
            ("dmFsd", Err(4)),
            ("dm-s", Err(2)),
            ("dm_s", Err(2)),
            ("=", Err(0)),
            ("d===", Err(1)),
            ("dg=x", Err(3)),
            ("dg=", Err(3)),
            ("dg==dg==", Err(4)),
        ];
        for (text, expect) in cases {
            assert_eq!(
                canonical(text),
                expect.map(|text| text.map(str::to_owned)),
                "{text:?}"
            );
        }
    }
}
