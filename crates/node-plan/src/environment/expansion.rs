//! `$(VAR)` in values, commands and sub-paths.
//!
//! `$$` becomes `$` (so `$$(VAR)` is the text `$(VAR)`); a name that `lookup` does not know stays as written; an
//! opened `$(` without `)` stays; what a variable stands for is never expanded again.

/// The most that one text may become, in bytes: what a Linux process can be given at all.
pub const MAXIMUM_BYTES: usize = 6 << 20;

/// A text would become larger than [`MAXIMUM_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("larger than {MAXIMUM_BYTES} bytes: argument list too long")]
pub struct TooLarge;

/// Fills in what `lookup` knows. Works on bytes, because values may be any. Takes time in proportion to its input and
/// output.
///
/// # Errors
/// [`TooLarge`].
pub fn expand<'a>(
    input: &[u8],
    mut lookup: impl FnMut(&str) -> Option<&'a [u8]>,
) -> Result<Vec<u8>, TooLarge> {
    let mut output = Vec::with_capacity(input.len());
    let mut rest = input;
    let last_closer = input.iter().rposition(|byte| *byte == b')');
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        output.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let closes_later = last_closer.is_some_and(|closer| closer >= input.len() - rest.len());
        match rest.first() {
            Some(b'$') => {
                output.push(b'$');
                rest = &rest[1..];
            }
            Some(b'(') if closes_later => {
                let end = rest
                    .iter()
                    .position(|byte| *byte == b')')
                    .unwrap_or(rest.len() - 1);
                let name = &rest[1..end];
                match std::str::from_utf8(name).ok().and_then(&mut lookup) {
                    Some(value) => output.extend_from_slice(value),
                    None => {
                        output.extend_from_slice(b"$(");
                        output.extend_from_slice(name);
                        output.push(b')');
                    }
                }
                rest = &rest[end + 1..];
            }
            _ => output.push(b'$'),
        }
        if output.len() > MAXIMUM_BYTES {
            return Err(TooLarge);
        }
    }
    output.extend_from_slice(rest);
    if output.len() > MAXIMUM_BYTES {
        Err(TooLarge)
    } else {
        Ok(output)
    }
}
