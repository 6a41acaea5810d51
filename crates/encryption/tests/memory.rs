//! S20: after use, the root key is nowhere in the memory of the process, and neither are plaintexts.
//!
//! The canaries are kept inverted here, so that looking for them does not put them there.

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use strongroom_encryption::{KeyService, Keyring, LocalKey, PassphraseCost};
use strongroom_hardening::WipingAllocator;
use zeroize::{Zeroize, Zeroizing};

#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator::new();

type Canary = [u8; 32];

/// Different in every byte, and in no program by accident.
fn inverted_canary(seed: u8) -> Canary {
    std::array::from_fn(|index| !(seed ^ (index as u8).wrapping_mul(0x4d).wrapping_add(0x17)))
}

#[inline(never)]
fn reveal(inverted: &Canary) -> Zeroizing<Vec<u8>> {
    let mut canary = Zeroizing::new(vec![0; 32]);
    canary
        .iter_mut()
        .zip(inverted)
        .for_each(|(byte, inverted)| *byte = !black_box(*inverted));
    canary
}

/// Addresses in readable memory where half a canary stands.
#[inline(never)]
fn sightings(inverted: &Canary) -> Vec<String> {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut found = Vec::new();
    let mut page = vec![0u8; 1 << 20];
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let mut fields = line.split_whitespace();
        let (range, access) = (fields.next().unwrap(), fields.next().unwrap());
        let name = fields.next_back().unwrap_or_default();
        if !access.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let bounds = [start, end].map(|bound| u64::from_str_radix(bound, 16).unwrap());
        let own_buffer = page.as_ptr().addr() as u64..page.as_ptr().addr() as u64 + page.len() as u64;
        let mut at = bounds[0];
        while at < bounds[1] {
            let wanted = page.len().min((bounds[1] - at) as usize);
            // Pages that cannot be read (secret memory) end the mapping.
            let Ok(length @ 1..) = memory.read_at(&mut page[..wanted], at) else {
                break;
            };
            for (offset, window) in page[..length].windows(16).enumerate() {
                let address = at + offset as u64;
                let alike = |half: &[u8]| {
                    window
                        .iter()
                        .zip(half)
                        .all(|(byte, inverted)| *byte == !*inverted)
                };
                if !own_buffer.contains(&address) && (alike(&inverted[..16]) || alike(&inverted[16..])) {
                    found.push(format!("{address:x} {name}"));
                }
            }
            at += length as u64;
        }
        page.as_mut_slice().zeroize();
    }
    found
}

/// All in one frame that has ended by the time memory is searched, as requests have.
#[inline(never)]
fn use_everything(root: &Canary, value: &Canary, passphrase: &Canary) -> (Keyring, Vec<u8>) {
    let service = Arc::new(LocalKey::new(reveal(root)[..].try_into().unwrap()).unwrap());
    let keyring = Keyring::new("strongroom", service.clone(), [7; 32], &[1; 12]).unwrap();
    let other = Keyring::new("strongroom", service.clone(), [8; 32], &[2; 12]).unwrap();
    let sealed = keyring
        .seal(b"/registry/secrets/a/b", &reveal(value), &[3; 44])
        .unwrap();
    for reader in [&keyring, &other] {
        assert_eq!(
            reader.open(b"/registry/secrets/a/b", &sealed).unwrap().plaintext[..],
            reveal(value)[..]
        );
        assert!(reader.open(b"/registry/secrets/a/c", &sealed).is_err());
    }
    service.derive("anything").unwrap();

    let cost = PassphraseCost {
        memory_kib: 1024,
        iterations: 1,
        parallelism: 1,
    };
    let (_, parameters) = LocalKey::new_from_passphrase(&reveal(passphrase), cost, [4; 16]).unwrap();
    LocalKey::from_passphrase(&reveal(passphrase), &parameters).unwrap();
    (keyring, sealed)
}

#[test]
fn keys_and_values_leave_memory() {
    let [root, value, passphrase] = [0x31, 0x72, 0xc4].map(inverted_canary);
    let kept = use_everything(&root, &value, &passphrase);
    strongroom_hardening::wipe_stack();
    for (name, canary) in [
        ("root key", &root),
        ("value", &value),
        ("passphrase", &passphrase),
    ] {
        assert_eq!(sightings(canary), [""; 0], "{name}");
    }
    drop(kept);

    let visible = reveal(&value);
    assert_eq!(
        sightings(&value).len(),
        2,
        "the search finds what is there: both halves"
    );
    drop(visible);
}
