//! SHA-256 of how lines begin. A caller's records begin alike, and where the processor has no instructions for it,
//! hashing is the dearest part of a record: what was hashed for the last one is taken up again.

use std::cell::RefCell;

use aws_lc_rs::digest::{Context, SHA256};

/// Callers that are remembered by each thread, at most.
const CALLERS: usize = 64;
/// Longer beginnings are not kept; nor are those that fill no block of SHA-256.
const LENGTHS: std::ops::Range<usize> = 64..2048;

thread_local! {
    static BEGINNINGS: RefCell<Vec<Option<Beginning>>> = const { RefCell::new(Vec::new()) };
}

struct Beginning {
    bytes: Box<[u8]>,
    hasher: Context,
}

/// The hash of what follows `beginning`, which need not be hashed again.
pub(super) fn hasher_behind(beginning: &[u8]) -> Context {
    if !LENGTHS.contains(&beginning.len()) {
        return hash(beginning);
    }
    BEGINNINGS.with_borrow_mut(|known| {
        known.resize_with(CALLERS, || None);
        let place = &mut known[place(beginning)];
        if let Some(known) = place
            && *known.bytes == *beginning
        {
            return known.hasher.clone();
        }
        let hasher = hash(beginning);
        *place = Some(Beginning {
            bytes: beginning.into(),
            hasher: hasher.clone(),
        });
        hasher
    })
}

fn hash(beginning: &[u8]) -> Context {
    let mut hasher = Context::new(&SHA256);
    hasher.update(beginning);
    hasher
}

/// Two callers at the same place only cost time.
fn place(beginning: &[u8]) -> usize {
    let (eights, _) = beginning.as_chunks();
    let mixed = eights.iter().fold(beginning.len() as u64, |mixed, eight| {
        (mixed.rotate_left(5) ^ u64::from_le_bytes(*eight)).wrapping_mul(0x517c_c1b7_2722_0a95)
    });
    (mixed >> 58) as usize % CALLERS
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::digest;

    use super::*;

    #[test]
    fn the_hash_is_that_of_the_whole() {
        for round in 0..3 {
            for length in (0..300).chain([2047, 2048, 5000]) {
                for caller in 0..3_u8 {
                    let beginning = vec![caller; length];
                    let rest = [round; 70];
                    let mut hasher = hasher_behind(&beginning);
                    hasher.update(&rest);
                    let whole = [&beginning[..], &rest].concat();
                    assert_eq!(hasher.finish().as_ref(), digest(&SHA256, &whole).as_ref());
                }
            }
        }
    }
}
