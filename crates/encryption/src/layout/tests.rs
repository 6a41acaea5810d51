//! The vectors of `spec/encryption-at-rest.md` §8, and what each layout must refuse.

use zeroize::Zeroizing;

use super::{aescbc, aesgcm, kms_v2, secretbox};
use crate::error::{KeyringError, OpenError};
use crate::hex;

const STORAGE_KEY: &[u8] = b"/registry/secrets/default/a";
const VALUE: &[u8] = b"k8s-test-value";

const AESCBC: &str = "101112131415161718191a1b1c1d1e1f2470fcd024b20df9480a3b7d40c4c958";
const AESGCM: &str = "202122232425262728292a2bb902d55d18fd697a370a23a2b47d981e70668f45ba4bcecf0fe1d8b26b47";
const SECRETBOX: &str = "404142434445464748494a4b4c4d4e4f5051525354555657\
                         e857db4e43173b05607d8b1366327cde212f26544e34c85eeb2f100d1dec";
const KMS_V2_DATA: &str = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f\
                           202122232425262728292a2b\
                           7fcd83a585d437df9f6a9383531c7d2c2f8d23b55ee7bba07f5e5bedc2ef";

type Open = Box<dyn Fn(&[u8], &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError>>;
type Seal = Box<dyn Fn(&[u8], &[u8], &mut Vec<u8>)>;

struct Layout {
    name: &'static str,
    vector: &'static str,
    seal: Seal,
    open: Open,
    /// Whether the storage key and every bit are authenticated.
    binds_storage_key: bool,
    authentic: bool,
}

fn ascending<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|index| first + index as u8)
}

fn seed() -> [u8; 32] {
    ascending(0)
}

fn layouts() -> Vec<Layout> {
    vec![
        Layout {
            name: "aescbc",
            vector: AESCBC,
            seal: Box::new(|_, value, out| {
                aescbc::seal(&aescbc::Key::new(&seed()).unwrap(), value, &ascending(0x10), out).unwrap();
            }),
            open: Box::new(|_, sealed| aescbc::open(&aescbc::Key::new(&seed()).unwrap(), sealed)),
            binds_storage_key: false,
            authentic: false,
        },
        Layout {
            name: "aesgcm",
            vector: AESGCM,
            seal: Box::new(|place, value, out| {
                aesgcm::seal(
                    &aesgcm::Key::new(&seed()).unwrap(),
                    place,
                    value,
                    &ascending(0x20),
                    out,
                )
                .unwrap();
            }),
            open: Box::new(|place, sealed| aesgcm::open(&aesgcm::Key::new(&seed()).unwrap(), place, sealed)),
            binds_storage_key: true,
            authentic: true,
        },
        Layout {
            name: "secretbox",
            vector: SECRETBOX,
            seal: Box::new(|_, value, out| {
                secretbox::seal(
                    &secretbox::Key::new(&seed()).unwrap(),
                    value,
                    &ascending(0x40),
                    out,
                )
                .unwrap();
            }),
            open: Box::new(|_, sealed| secretbox::open(&secretbox::Key::new(&seed()).unwrap(), sealed)),
            binds_storage_key: false,
            authentic: true,
        },
        Layout {
            name: "kms v2 type 1",
            vector: KMS_V2_DATA,
            seal: Box::new(|place, value, out| {
                let seed = kms_v2::Seed::new(&seed());
                kms_v2::seal_data(&seed, place, value, &ascending(0x80), &ascending(0x20), out).unwrap();
            }),
            open: Box::new(|place, sealed| {
                let key = kms_v2::DataKey::new(kms_v2::SourceType::Seed, &seed()).unwrap();
                kms_v2::open_data(&key, place, sealed)
            }),
            binds_storage_key: true,
            authentic: true,
        },
        Layout {
            name: "kms v2 type 0",
            vector: AESGCM,
            // Never written; what an older kube-apiserver wrote is an aesgcm value.
            seal: Box::new(|place, value, out| {
                aesgcm::seal(
                    &aesgcm::Key::new(&seed()).unwrap(),
                    place,
                    value,
                    &ascending(0x20),
                    out,
                )
                .unwrap();
            }),
            open: Box::new(|place, sealed| {
                let key = kms_v2::DataKey::new(kms_v2::SourceType::Key, &seed()).unwrap();
                kms_v2::open_data(&key, place, sealed)
            }),
            binds_storage_key: true,
            authentic: true,
        },
    ]
}

#[test]
fn vectors() {
    for layout in layouts() {
        let vector = hex::decode(layout.vector).unwrap();
        let mut sealed = b"prefix".to_vec();
        (layout.seal)(STORAGE_KEY, VALUE, &mut sealed);
        assert_eq!(hex::encode(&sealed[6..]), layout.vector, "{} sealed", layout.name);
        assert_eq!(
            **(layout.open)(STORAGE_KEY, &vector).unwrap(),
            *VALUE,
            "{} opened",
            layout.name
        );
    }
}

#[test]
fn every_length_comes_back() {
    for layout in layouts() {
        for length in (0..70).chain([255, 256, 1000, 4096, 100_001]) {
            let value: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let mut sealed = Vec::new();
            (layout.seal)(STORAGE_KEY, &value, &mut sealed);
            assert_eq!(
                **(layout.open)(STORAGE_KEY, &sealed).unwrap(),
                *value,
                "{} {length}",
                layout.name
            );
        }
    }
}

#[test]
fn changed_values_are_refused() {
    for layout in layouts().into_iter().filter(|layout| layout.authentic) {
        let vector = hex::decode(layout.vector).unwrap();
        let check = |what: &str, sealed: &[u8]| {
            assert!(
                (layout.open)(STORAGE_KEY, sealed).is_err(),
                "{}: {what}",
                layout.name
            );
        };
        for bit in 0..vector.len() * 8 {
            let mut changed = vector.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            check(&format!("bit {bit} flipped"), &changed);
        }
        for length in 0..vector.len() {
            check(&format!("cut to {length}"), &vector[..length]);
        }
        for added in [0x00, 0x01, 0xff] {
            check("extended", &[&vector[..], &[added]].concat());
        }
    }
}

#[test]
fn moved_values_are_refused_where_the_storage_key_is_authenticated() {
    for layout in layouts() {
        let vector = hex::decode(layout.vector).unwrap();
        for place in [
            &b"/registry/secrets/default/b"[..],
            b"/registry/secrets/default/",
            b"",
        ] {
            let opened = (layout.open)(place, &vector);
            match layout.binds_storage_key {
                true => assert_eq!(opened.unwrap_err(), OpenError::NotAuthentic, "{}", layout.name),
                false => assert_eq!(**opened.unwrap(), *VALUE, "{}", layout.name),
            }
        }
    }
}

#[test]
fn aescbc_refuses_what_is_not_padded_blocks() {
    let key = aescbc::Key::new(&seed()).unwrap();
    let vector = hex::decode(AESCBC).unwrap();
    for length in 0..vector.len() {
        assert!(aescbc::open(&key, &vector[..length]).is_err(), "cut to {length}");
    }
    assert_eq!(aescbc::open(&key, &vector[..16]), Err(OpenError::TooShort));
    assert_eq!(
        aescbc::open(&key, &[&vector[..], &[0]].concat()),
        Err(OpenError::NotAuthentic)
    );
    // The last byte of the initialisation vector changes the last byte of the one block, the padding's length.
    for changed_by in 1..=255u8 {
        let mut changed = vector.clone();
        changed[15] ^= changed_by;
        match 2 ^ changed_by {
            1 => assert_eq!(aescbc::open(&key, &changed).unwrap().len(), 15),
            _ => assert_eq!(
                aescbc::open(&key, &changed),
                Err(OpenError::NotAuthentic),
                "{changed_by}"
            ),
        }
    }
}

#[test]
fn key_lengths() {
    for length in 0..=64 {
        let bytes = vec![7; length];
        let aes = [16, 24, 32].contains(&length);
        assert_eq!(aescbc::Key::new(&bytes).is_ok(), aes, "aescbc {length}");
        assert_eq!(aesgcm::Key::new(&bytes).is_ok(), aes, "aesgcm {length}");
        assert_eq!(
            secretbox::Key::new(&bytes).is_ok(),
            length == 32,
            "secretbox {length}"
        );
        for source_type in [kms_v2::SourceType::Key, kms_v2::SourceType::Seed] {
            assert_eq!(
                kms_v2::DataKey::new(source_type, &bytes).is_ok(),
                length == 32,
                "kms {length}"
            );
        }
    }
    let refused: KeyringError = aesgcm::Key::new(&[7; 31]).unwrap_err();
    let text = "secret is not of the expected length, got 31, expected one of [16 24 32]";
    assert_eq!(refused.to_string(), text);
}

/// NIST SP 800-38A F.2 (first block) and the GCM specification's test cases 1, 7 and 13 (empty text, zero key).
#[test]
fn all_aes_key_sizes() {
    let cbc = [
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "7649abac8119b246cee98e9b12e9197d",
        ),
        (
            "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
            "4f021db243bc633d7178183a9fa071e8",
        ),
        (
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "f58c4c04d6e5f1ba779eabfb5f7bfbd6",
        ),
    ];
    let block = hex::decode("6bc1bee22e409f96e93d7e117393172a").unwrap();
    for (key, expected) in cbc {
        let mut sealed = Vec::new();
        let key = aescbc::Key::new(&hex::decode(key).unwrap()).unwrap();
        aescbc::seal(&key, &block, &ascending(0), &mut sealed).unwrap();
        assert_eq!(hex::encode(&sealed[16..32]), expected);
        assert_eq!(**aescbc::open(&key, &sealed).unwrap(), *block);
    }
    let gcm = [
        (16, "58e2fccefa7e3061367f1d57a4e7455a"),
        (24, "cd33b28ac773f74ba00ed1f312572435"),
        (32, "530f8afbc74536b9a963b4f1c4cb738b"),
    ];
    for (key_length, tag) in gcm {
        let mut sealed = Vec::new();
        let key = aesgcm::Key::new(&vec![0; key_length]).unwrap();
        aesgcm::seal(&key, b"", b"", &[0; 12], &mut sealed).unwrap();
        assert_eq!(hex::encode(&sealed[12..]), tag);
        assert!(aesgcm::open(&key, b"", &sealed).unwrap().is_empty());
    }
}
