use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use zeroize::Zeroizing;

use super::{Keyring, Plaintext};
use crate::error::{KeyServiceError, KeyringError, OpenError};
use crate::key_service::{KeyService, WrappedKey};
use crate::kms_provider::KmsProvider;
use crate::local_key::LocalKey;
use crate::provider::{NamedKey, Provider};
use crate::record_key::RecordKey;

const PLACE: &[u8] = b"/registry/secrets/default/a";
const ELSEWHERE: &[u8] = b"/registry/secrets/default/b";
const VALUE: &[u8] = b"k8s\0 the plaintext value";
const ROOT: [u8; 32] = [0xa1; 32];
const SEED: [u8; 32] = [0xb2; 32];
const RANDOM: [u8; 44] = [0xc3; 44];

fn local_key(root: u8) -> Arc<LocalKey> {
    Arc::new(LocalKey::new(&[root; 32]).unwrap())
}

fn keyring_of(root: u8, seed: u8) -> Keyring {
    Keyring::new("strongroom", local_key(root), [seed; 32], &[3; 12]).unwrap()
}

fn keyring() -> Keyring {
    Keyring::new("strongroom", local_key(ROOT[0]), SEED, &[3; 12]).unwrap()
}

fn named(name: &str, byte: u8) -> NamedKey {
    NamedKey {
        name: name.to_owned(),
        secret: Zeroizing::new(vec![byte; 32]),
    }
}

fn of(providers: Vec<Provider>) -> Keyring {
    Keyring::from_providers(providers, RecordKey::new(&[9; 32]), Plaintext::Write).unwrap()
}

fn sealed_by(keyring: &Keyring) -> Vec<u8> {
    keyring.seal(PLACE, VALUE, &RANDOM).unwrap()
}

/// Whether the value is stale; it must open.
fn stale(keyring: &Keyring, sealed: &[u8]) -> bool {
    let opened = keyring.open(PLACE, sealed).unwrap();
    assert_eq!(**opened.plaintext, *VALUE);
    opened.stale
}

fn refusal(keyring: &Keyring, place: &[u8], sealed: &[u8]) -> String {
    keyring
        .open(place, sealed)
        .expect_err("must be refused")
        .to_string()
}

const NOT_AUTHENTIC: &str =
    "the stored value could not be decrypted: it was changed, moved, or sealed with another key";

#[test]
fn a_value_comes_back_and_is_current() {
    let keyring = keyring();
    let sealed = sealed_by(&keyring);
    assert!(sealed.starts_with(b"k8s:enc:kms:v2:strongroom:\x0a"));
    assert!(!sealed.windows(6).any(|window| window == &VALUE[6..12]));
    assert!(!stale(&keyring, &sealed));
    assert_eq!(
        sealed.capacity() - sealed.len(),
        11 - 2,
        "one allocation of the right size"
    );
}

#[test]
fn a_value_survives_a_restart() {
    let before = sealed_by(&keyring_of(1, 10));
    let after = keyring_of(1, 11);
    assert!(!stale(&after, &before), "another seed alone makes nothing stale");
    assert!(!stale(&after, &before), "from the remembered keys");
}

/// Everything of S18 that can be done to a stored value, on the default keyring.
#[test]
fn whatever_is_done_to_a_value_it_is_refused() {
    let keyring = keyring();
    let sealed = sealed_by(&keyring);
    assert_eq!(refusal(&keyring, ELSEWHERE, &sealed), NOT_AUTHENTIC);
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(keyring.open(PLACE, &changed).is_err(), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert!(keyring.open(PLACE, &sealed[..length]).is_err(), "cut to {length}");
    }
    for byte in 0..=255 {
        assert!(
            keyring.open(PLACE, &[&sealed[..], &[byte]].concat()).is_err(),
            "extended by {byte}"
        );
    }
    for suffix in [&b"\x28\x01"[..], b"\x30\x00", b"\x22\x08\x0a\x03a.b\x12\x011"] {
        assert!(
            keyring.open(PLACE, &[&sealed[..], suffix].concat()).is_err(),
            "extended by {suffix:?}"
        );
    }
}

/// The same, when the value is read after a restart: then the key service unwraps, and nothing may slip past it.
#[test]
fn whatever_is_done_to_an_older_value_it_is_refused() {
    let sealed = sealed_by(&keyring_of(1, 10));
    let keyring = keyring_of(1, 11);
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(keyring.open(PLACE, &changed).is_err(), "bit {bit}");
    }
}

#[test]
fn swapped_prefixes_are_refused() {
    let keyring = keyring()
        .also_reading(Provider::Aesgcm(vec![named("key1", 4)]))
        .unwrap();
    let sealed = sealed_by(&keyring);
    let body = sealed.strip_prefix(b"k8s:enc:kms:v2:strongroom:").unwrap();
    let no_match = "no matching prefix found";
    let refused =
        "no matching prefix found: the value is not encrypted and this store accepts only encrypted values";
    let cases: &[(&[u8], &str)] = &[
        (b"", refused),
        (b"k8s:enc:identity:v1:", no_match),
        (b"k8s:enc:", no_match),
        (b"k8s:enc:kms:v1:strongroom:", no_match),
        (b"k8s:enc:kms:v2:other:", no_match),
        (b"k8s:enc:kms:v2:", no_match),
        (b"k8s:enc:aescbc:v1:key1:", no_match),
        (b"k8s:enc:aesgcm:v1:key1:", NOT_AUTHENTIC),
        (
            b"k8s:enc:aesgcm:v1:other:",
            "no matching key was found for the provided AES transformer",
        ),
    ];
    for (prefix, expected) in cases {
        assert_eq!(
            refusal(&keyring, PLACE, &[*prefix, body].concat()),
            *expected,
            "{prefix:?}"
        );
    }
}

#[test]
fn a_key_id_of_another_root_key_is_refused() {
    let (ours, theirs) = (keyring_of(1, 10), keyring_of(2, 20));
    let sealed = sealed_by(&theirs);
    let their_id = local_key(2).key_id().to_owned();
    assert_eq!(
        refusal(&ours, PLACE, &sealed),
        format!("the data key could not be unwrapped: no root key with the id {their_id:?}")
    );
    let at = sealed
        .windows(their_id.len())
        .position(|window| window == their_id.as_bytes())
        .unwrap();
    let mut swapped = sealed.clone();
    swapped[at..at + their_id.len()].copy_from_slice(local_key(1).key_id().as_bytes());
    assert_eq!(
        refusal(&ours, PLACE, &swapped),
        "the data key could not be unwrapped: the wrapped key was changed or wrapped with another root key"
    );
}

#[test]
fn plaintext_is_refused_unless_it_was_agreed_to() {
    let refused =
        "no matching prefix found: the value is not encrypted and this store accepts only encrypted values";
    for value in [VALUE, b"", b"{}", b"k8s:en"] {
        assert_eq!(refusal(&keyring(), PLACE, value), refused);
    }
    let migrating = keyring().accepting_plaintext().accepting_plaintext();
    assert!(migrating.accepts_plaintext() && !keyring().accepts_plaintext());
    assert!(
        stale(&migrating, VALUE),
        "to be encrypted when it is written next"
    );
    assert!(sealed_by(&migrating).starts_with(b"k8s:enc:kms:v2:strongroom:"));
    assert!(!stale(&migrating, &sealed_by(&migrating)));
    // A changed value is not taken for plaintext.
    let sealed = sealed_by(&migrating);
    assert_eq!(refusal(&migrating, ELSEWHERE, &sealed), NOT_AUTHENTIC);
}

#[test]
fn identity_alone_does_not_read_encrypted_values() {
    let text = "identity transformer tried to read encrypted data";
    assert_eq!(
        refusal(&of(vec![Provider::Identity]), PLACE, &sealed_by(&keyring())),
        text
    );
}

#[test]
fn identity_only_where_it_was_agreed_to() {
    let record_key = || RecordKey::new(&[9; 32]);
    let identity_last = || vec![Provider::Aesgcm(vec![named("key1", 1)]), Provider::Identity];
    let identity_first = || vec![Provider::Identity, Provider::Aesgcm(vec![named("key1", 1)])];
    let made = |providers, plaintext| Keyring::from_providers(providers, record_key(), plaintext);
    assert!(matches!(
        made(identity_last(), Plaintext::Refuse),
        Err(KeyringError::ReadsPlaintext)
    ));
    assert!(matches!(
        made(identity_first(), Plaintext::Refuse),
        Err(KeyringError::WritesPlaintext)
    ));
    assert!(matches!(
        made(identity_first(), Plaintext::Read),
        Err(KeyringError::WritesPlaintext)
    ));
    assert!(matches!(
        keyring().also_reading(Provider::Identity),
        Err(KeyringError::ReadsPlaintext)
    ));
    assert!(made(identity_last(), Plaintext::Read).is_ok());

    // Ending encryption: written as it is, and what is encrypted still read, as stale.
    let ending = made(identity_first(), Plaintext::Write).unwrap();
    assert_eq!(sealed_by(&ending), VALUE);
    assert!(!stale(&ending, VALUE));
    assert!(stale(
        &ending,
        &sealed_by(&made(identity_last(), Plaintext::Read).unwrap())
    ));
}

#[test]
fn every_provider_writes_its_prefix_and_reads_it_back() {
    let kms = KmsProvider::new("my-kms", local_key(1), SEED, &[3; 12]).unwrap();
    let cases = [
        (
            Provider::Aescbc(vec![named("key1", 1)]),
            "k8s:enc:aescbc:v1:key1:",
            true,
        ),
        (
            Provider::Aesgcm(vec![named("key1", 1)]),
            "k8s:enc:aesgcm:v1:key1:",
            false,
        ),
        (
            Provider::Secretbox(vec![named("key1", 1)]),
            "k8s:enc:secretbox:v1:key1:",
            true,
        ),
        (Provider::Kms(kms), "k8s:enc:kms:v2:my-kms:", false),
    ];
    for (provider, prefix, movable) in cases {
        let keyring = of(vec![provider]);
        let sealed = sealed_by(&keyring);
        assert!(sealed.starts_with(prefix.as_bytes()), "{prefix}");
        assert!(!stale(&keyring, &sealed), "{prefix}");
        assert_eq!(keyring.open(ELSEWHERE, &sealed).is_ok(), movable, "{prefix}");
    }
}

/// §6 check 2, and the rules of §2.1 about order.
#[test]
fn rotation() {
    let a = || named("a", 1);
    let b = || named("b", 2);
    for provider in [Provider::Aescbc, Provider::Aesgcm, Provider::Secretbox] {
        let old = sealed_by(&of(vec![provider(vec![a()])]));
        let inside_one_provider = of(vec![provider(vec![b(), a()])]);
        assert!(stale(&inside_one_provider, &old));
        assert!(!stale(&inside_one_provider, &sealed_by(&inside_one_provider)));

        let across_providers = of(vec![provider(vec![b()]), provider(vec![a()])]);
        assert!(
            stale(&across_providers, &old),
            "the first provider does not have the key, the second one does"
        );
        // The second of the same name is tried when the first fails; CBC may take a wrong key for the right one.
        if !matches!(provider(vec![]), Provider::Aescbc(_)) {
            let same_name = of(vec![provider(vec![named("a", 2), a()])]);
            assert!(stale(&same_name, &old));
        }
    }
}

/// The way to a new root key: two providers of one name, told apart by who can unwrap.
#[test]
fn a_new_root_key() {
    let old = sealed_by(&keyring_of(1, 10));
    let reads_old = KmsProvider::new("strongroom", local_key(1), [11; 32], &[3; 12]).unwrap();
    let rotating = keyring_of(2, 20).also_reading(Provider::Kms(reads_old)).unwrap();
    assert!(stale(&rotating, &old));
    let new = sealed_by(&rotating);
    assert!(!stale(&rotating, &new));
    assert!(
        !stale(&keyring_of(2, 21), &new),
        "once everything is rewritten, the old key can go"
    );
}

#[test]
fn failures_are_gathered() {
    let old = sealed_by(&of(vec![Provider::Aesgcm(vec![named("a", 1)])]));
    let no_key = "no matching key was found for the provided AES transformer";
    let check =
        |providers: Vec<Provider>, expected: &str| assert_eq!(refusal(&of(providers), PLACE, &old), expected);
    check(vec![Provider::Aesgcm(vec![named("b", 1)])], no_key);
    check(
        vec![Provider::Aesgcm(vec![named("a", 2), named("a", 3)])],
        NOT_AUTHENTIC,
    );
    check(
        vec![
            Provider::Aesgcm(vec![named("a", 2)]),
            Provider::Aesgcm(vec![named("b", 1)]),
        ],
        &format!("[{NOT_AUTHENTIC}, {no_key}]"),
    );
    check(
        vec![Provider::Aesgcm(vec![named("b", 2)]), Provider::Identity],
        no_key,
    );
    check(
        vec![Provider::Secretbox(vec![named("a", 1)])],
        "no matching prefix found",
    );
    let secretbox = sealed_by(&of(vec![Provider::Secretbox(vec![named("a", 1)])]));
    assert_eq!(
        refusal(
            &of(vec![Provider::Secretbox(vec![named("b", 1)])]),
            PLACE,
            &secretbox
        ),
        "no matching key was found for the provided Secretbox transformer"
    );
}

/// Wraps by writing the key down, and counts; its key id can be chosen.
struct OpenBook {
    key_id: &'static str,
    unwrapped: Arc<AtomicUsize>,
}

impl KeyService for OpenBook {
    fn key_id(&self) -> &str {
        self.key_id
    }

    fn wrap(&self, data_key: &[u8], _random: &[u8; 12]) -> Result<WrappedKey, KeyServiceError> {
        Ok(WrappedKey {
            key_id: self.key_id.to_owned(),
            ciphertext: data_key.to_vec(),
            annotations: BTreeMap::from([("note.example".to_owned(), b"x".to_vec())]),
        })
    }

    fn unwrap(&self, wrapped: &WrappedKey) -> Result<Zeroizing<Vec<u8>>, KeyServiceError> {
        self.unwrapped.fetch_add(1, Ordering::Relaxed);
        Ok(Zeroizing::new(wrapped.ciphertext.clone()))
    }

    fn derive(&self, _label: &str) -> Result<Zeroizing<[u8; 32]>, KeyServiceError> {
        Ok(Zeroizing::new([0; 32]))
    }

    fn describe(&self) -> String {
        "written down".to_owned()
    }
}

fn open_book(key_id: &'static str, seed: u8) -> (Keyring, Arc<AtomicUsize>) {
    let unwrapped = Arc::new(AtomicUsize::new(0));
    let service = OpenBook {
        key_id,
        unwrapped: Arc::clone(&unwrapped),
    };
    (
        Keyring::new("strongroom", Arc::new(service), [seed; 32], &[0; 12]).unwrap(),
        unwrapped,
    )
}

#[test]
fn another_key_id_makes_a_value_stale() {
    let (old, _) = open_book("one", 1);
    let (new, _) = open_book("two", 2);
    assert!(stale(&new, &sealed_by(&old)));
    assert!(!stale(&new, &sealed_by(&new)));
}

#[test]
fn a_value_of_type_0_is_read_and_stale() {
    let (keyring, _) = open_book("one", 1);
    let mut data = Vec::new();
    let key = crate::layout::aesgcm::Key::new(&[7; 32]).unwrap();
    crate::layout::aesgcm::seal(&key, PLACE, VALUE, &[8; 12], &mut data).unwrap();
    let mut sealed = b"k8s:enc:kms:v2:strongroom:".to_vec();
    sealed.extend([0x0a, data.len() as u8]);
    sealed.extend(data);
    sealed.extend(b"\x12\x03one\x1a\x20");
    sealed.extend([7; 32]);
    assert!(stale(&keyring, &sealed));
}

#[test]
fn each_other_data_key_is_unwrapped_once_while_it_is_remembered() {
    let (keyring, unwrapped) = open_book("one", 255);
    stale(&keyring, &sealed_by(&keyring));
    assert_eq!(
        unwrapped.load(Ordering::Relaxed),
        0,
        "its own seed needs no unwrapping"
    );

    let values: Vec<_> = (0..10).map(|seed| sealed_by(&open_book("one", seed).0)).collect();
    for _ in 0..3 {
        values.iter().for_each(|value| assert!(!stale(&keyring, value)));
    }
    assert_eq!(unwrapped.load(Ordering::Relaxed), 10);
}

#[test]
fn the_oldest_of_too_many_data_keys_is_forgotten() {
    let (keyring, unwrapped) = open_book("one", 255);
    let values: Vec<_> = (0..1025u16)
        .map(|number| {
            let service = OpenBook {
                key_id: "one",
                unwrapped: Arc::default(),
            };
            let mut seed = [0; 32];
            seed[..2].copy_from_slice(&number.to_le_bytes());
            sealed_by(&Keyring::new("strongroom", Arc::new(service), seed, &[0; 12]).unwrap())
        })
        .collect();
    values.iter().for_each(|value| assert!(!stale(&keyring, value)));
    assert_eq!(unwrapped.load(Ordering::Relaxed), 1025);
    stale(&keyring, &values[1024]);
    assert_eq!(
        unwrapped.load(Ordering::Relaxed),
        1025,
        "the newest is remembered"
    );
    stale(&keyring, &values[0]);
    assert_eq!(
        unwrapped.load(Ordering::Relaxed),
        1026,
        "the oldest was asked for again"
    );
}

#[test]
fn unusable_providers() {
    type Check = fn(&KeyringError) -> bool;
    let short = NamedKey {
        name: "a".to_owned(),
        secret: Zeroizing::new(vec![1; 31]),
    };
    let cases: Vec<(Vec<Provider>, Check)> = vec![
        (vec![], |error| {
            matches!(error, KeyringError::Missing("providers"))
        }),
        (vec![Provider::Aesgcm(vec![])], |error| {
            matches!(error, KeyringError::Missing("keys"))
        }),
        (vec![Provider::Aescbc(vec![named("", 1)])], |error| {
            matches!(error, KeyringError::InvalidName(_))
        }),
        (vec![Provider::Aescbc(vec![named("a:b", 1)])], |error| {
            matches!(error, KeyringError::InvalidName(_))
        }),
        (vec![Provider::Secretbox(vec![short])], |error| {
            matches!(error, KeyringError::KeyLength { .. })
        }),
    ];
    for (providers, check) in cases {
        let error =
            Keyring::from_providers(providers, RecordKey::new(&[9; 32]), Plaintext::Write).unwrap_err();
        assert!(check(&error), "{error}");
    }
    for name in ["", "a:b"] {
        assert!(matches!(
            Keyring::new(name, local_key(1), SEED, &[0; 12]),
            Err(KeyringError::InvalidName(_))
        ));
    }
}

#[test]
fn record_keys_follow_the_root_key_and_bind_parts() {
    let key = keyring_of(1, 10).record_key();
    let tag = key.tag(&[b"ab", b"c"]);
    assert_eq!(
        keyring_of(1, 99).record_key().tag(&[b"ab", b"c"]),
        tag,
        "after a restart"
    );
    assert!(key.verify(&[b"ab", b"c"], &tag));
    assert!(!key.verify(&[b"a", b"bc"], &tag), "parts do not run together");
    assert!(!key.verify(&[b"abc"], &tag));
    assert!(!key.verify(&[b"ab", b"c"], &tag[..31]));
    assert!(!keyring_of(2, 10).record_key().verify(&[b"ab", b"c"], &tag));
}

#[test]
fn nothing_shows_a_key_or_a_value() {
    let keyring = keyring()
        .also_reading(Provider::Secretbox(vec![named("k", 0xd4)]))
        .unwrap()
        .accepting_plaintext();
    let sealed = sealed_by(&keyring);
    let opened = keyring.open(PLACE, &sealed).unwrap();
    let refused: OpenError = keyring.open(ELSEWHERE, &sealed).unwrap_err();
    let shown = [
        format!("{keyring:?}"),
        format!("{:?}", keyring.record_key()),
        format!("{opened:?}"),
        format!("{refused:?} {refused}"),
        format!("{:?}", *local_key(ROOT[0])),
        format!("{:?}", named("k", 0xd4)),
        format!("{:?}", Provider::Aesgcm(vec![named("k", 0xd4)])),
        format!("{:?}", crate::layout::aesgcm::Key::new(&[0xd4; 32]).unwrap()),
        format!("{:?}", crate::layout::aescbc::Key::new(&[0xd4; 32]).unwrap()),
        format!("{:?}", crate::layout::secretbox::Key::new(&[0xd4; 32]).unwrap()),
        format!("{:?}", crate::layout::kms_v2::Seed::new(&SEED)),
        format!(
            "{:?}",
            crate::layout::kms_v2::DataKey::new(crate::layout::kms_v2::SourceType::Key, &SEED).unwrap()
        ),
        format!("{:?}", crate::hkdf::PseudorandomKey::new(&SEED)),
    ];
    for text in shown {
        for byte in [ROOT[0], SEED[0], 0xd4] {
            for needle in [
                format!("{byte}, {byte}"),
                format!("{byte:02x}{byte:02x}"),
                format!("{byte:02X}{byte:02X}"),
            ] {
                assert!(!text.contains(&needle), "{text}");
            }
        }
        assert!(!text.contains("plaintext value"), "{text}");
    }
}
