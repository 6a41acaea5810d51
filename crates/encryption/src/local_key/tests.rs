use super::LocalKey;
use crate::error::KeyServiceError;
use crate::hex;
use crate::key_service::KeyService;

fn key(byte: u8) -> LocalKey {
    LocalKey::new(&[byte; 32]).unwrap()
}

/// Stored data depends on these: they may never change. Computed with Python's hmac module.
#[test]
fn derivations_are_fixed() {
    let key = key(1);
    assert_eq!(key.key_id(), "0660ac310171e5e842e17884d03b02a8");
    assert_eq!(
        hex::encode(&*key.derive("record key v1").unwrap()),
        "39530af0a98e10b2157b884f3218e9b3f6facfd8848e804158030aeb72862124"
    );
    let wrapped = key.wrap(&[2; 32], &[3; 12]).unwrap();
    assert_eq!(
        hex::encode(&wrapped.ciphertext),
        "030303030303030303030303cc9779d1101e4630829b49c1ac8983b8265ed62661c5311264dbf27060ef1122015263a43bce9c62188bc9ce91bcaaa1"
    );
}

#[test]
fn wrapped_keys_come_back() {
    let wrapped = key(1).wrap(b"a data key", &[3; 12]).unwrap();
    assert_eq!(wrapped.key_id, key(1).key_id());
    assert_eq!(**key(1).unwrap(&wrapped).unwrap(), *b"a data key");
}

#[test]
fn changed_wrapped_keys_are_refused() {
    let wrapped = key(1).wrap(&[2; 32], &[3; 12]).unwrap();
    let not_authentic = |changed| matches!(key(1).unwrap(&changed), Err(KeyServiceError::NotAuthentic));
    for index in 0..wrapped.ciphertext.len() {
        let mut changed = wrapped.clone();
        changed.ciphertext[index] ^= 1;
        assert!(not_authentic(changed), "byte {index}");
        let mut cut = wrapped.clone();
        cut.ciphertext.truncate(index);
        assert!(not_authentic(cut), "cut to {index}");
    }
    let mut annotated = wrapped.clone();
    annotated.annotations.insert("a.b".to_owned(), Vec::new());
    assert!(not_authentic(annotated));
    assert!(matches!(
        key(2).unwrap(&wrapped),
        Err(KeyServiceError::UnknownKey { .. })
    ));
    let mut relabelled = wrapped;
    relabelled.key_id = key(2).key_id().to_owned();
    assert!(matches!(
        key(2).unwrap(&relabelled),
        Err(KeyServiceError::NotAuthentic)
    ));
}

#[test]
fn labels_and_roots_give_unrelated_keys() {
    let derived = |root, label: &str| *key(root).derive(label).unwrap();
    assert_eq!(derived(1, "a"), derived(1, "a"));
    assert_ne!(derived(1, "a"), derived(1, "b"));
    assert_ne!(derived(1, "a"), derived(2, "a"));
    // No label reaches a key of another purpose.
    assert_ne!(derived(1, "key-id")[..16], hex::decode(key(1).key_id()).unwrap());
}

#[test]
fn descriptions_say_what_is_protected() {
    assert!(key(1).describe().contains("read from this machine"));
}
