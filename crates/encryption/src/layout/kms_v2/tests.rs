use proptest::prelude::*;

use super::{EncryptedObject, MalformedObject, Seed, SourceType, encrypted_object};
use crate::hex;
use crate::key_service::WrappedKey;

/// `encryptedData` of §8, preceded by its tag and length.
const DATA: &str = "0a4a808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f\
                    202122232425262728292a2b\
                    7fcd83a585d437df9f6a9383531c7d2c2f8d23b55ee7bba07f5e5bedc2ef";
const KEY_ID: &str = "12056b69642d31";
const SOURCE: &str = "1a0c777261707065642d73656564";
const SEED_TYPE: &str = "2801";

fn wrapped() -> WrappedKey {
    WrappedKey {
        key_id: "kid-1".to_owned(),
        ciphertext: b"wrapped-seed".to_vec(),
        annotations: Default::default(),
    }
}

fn message(parts: &[&str]) -> Vec<u8> {
    hex::decode(&parts.concat()).unwrap()
}

#[test]
fn the_data_key_of_the_vector() {
    let seed = Seed::new(&std::array::from_fn(|index| index as u8));
    let info = std::array::from_fn(|index| 0x80 + index as u8);
    assert_eq!(
        hex::encode(&*seed.derive(&info)),
        "8d2f952e07a9c1cd3cea5b9b961cf91ff95cfedffe48886f85604d7874fbf953"
    );
}

#[test]
fn the_message_of_the_vector() {
    let bytes = message(&[DATA, KEY_ID, SOURCE, SEED_TYPE]);
    let object = EncryptedObject::decode(&bytes).unwrap();
    assert_eq!(hex::encode(object.encrypted_data), DATA[4..]);
    assert_eq!(object.source_type, SourceType::Seed);
    assert!(object.is_wrapped_with(&wrapped()));
    assert_eq!(object.wrapped_key(), wrapped());

    let mut written = Vec::new();
    encrypted_object::write_header(object.encrypted_data.len(), &mut written);
    written.extend_from_slice(object.encrypted_data);
    written.extend(encrypted_object::trailer(&wrapped()).unwrap());
    assert_eq!(hex::encode(&written), hex::encode(&bytes));
}

#[test]
fn annotations_come_back_and_decide() {
    let mut with_annotations = wrapped();
    with_annotations
        .annotations
        .insert("a.example".to_owned(), b"1".to_vec());
    with_annotations
        .annotations
        .insert("b.example.".to_owned(), Vec::new());
    let trailer = encrypted_object::trailer(&with_annotations).unwrap();
    let bytes = [message(&[DATA]), trailer].concat();
    let object = EncryptedObject::decode(&bytes).unwrap();
    assert_eq!(object.wrapped_key(), with_annotations);
    assert!(object.is_wrapped_with(&with_annotations));
    assert!(!object.is_wrapped_with(&wrapped()));
}

#[test]
fn the_type_is_key_when_absent() {
    let bytes = message(&[DATA, KEY_ID, SOURCE]);
    assert_eq!(
        EncryptedObject::decode(&bytes).unwrap().source_type,
        SourceType::Key
    );
}

#[test]
fn fields_may_stand_in_any_order() {
    let bytes = message(&[SEED_TYPE, SOURCE, KEY_ID, DATA]);
    assert!(
        EncryptedObject::decode(&bytes)
            .unwrap()
            .is_wrapped_with(&wrapped())
    );
}

#[test]
fn broken_rules() {
    use MalformedObject::{
        AnnotationKey, Empty, NotProtobuf, NotUtf8, Repeated, UnknownField, UnknownSourceType,
    };
    // An annotation "a.b" -> "1".
    let annotation = "22080a03612e62120131";
    let cases: &[(&[&str], MalformedObject)] = &[
        (&[], Empty("encryptedData")),
        (&[KEY_ID, SOURCE, SEED_TYPE], Empty("encryptedData")),
        (&["0a00", KEY_ID, SOURCE], Empty("encryptedData")),
        (&[DATA, SOURCE, SEED_TYPE], Empty("keyID")),
        (&[DATA, "1200", SOURCE], Empty("keyID")),
        (&[DATA, KEY_ID, SEED_TYPE], Empty("encryptedDEKSource")),
        (&[DATA, "1201ff", SOURCE], NotUtf8("keyID")),
        (&[DATA, KEY_ID, SOURCE, "2802"], UnknownSourceType(2)),
        (
            &[DATA, KEY_ID, SOURCE, "28ffffffffffffffff7f"],
            UnknownSourceType((1 << 63) - 1),
        ),
        (&[DATA, KEY_ID, SOURCE, "28ffffffffffffffffff01"], NotProtobuf),
        (&[DATA, KEY_ID, SOURCE, "288100"], NotProtobuf),
        (&[DATA, KEY_ID, SOURCE, "28"], NotProtobuf),
        (&[DATA, KEY_ID, SOURCE, SEED_TYPE, "00"], UnknownField(0)),
        (&[DATA, KEY_ID, SOURCE, SEED_TYPE, "3001"], UnknownField(6)),
        // Known numbers with another wire type.
        (&[DATA, KEY_ID, SOURCE, "2a0101"], UnknownField(5)),
        (&[DATA, KEY_ID, SOURCE, "0801"], UnknownField(1)),
        (&[DATA, DATA, KEY_ID, SOURCE], Repeated("encryptedData")),
        (&[DATA, KEY_ID, KEY_ID, SOURCE], Repeated("keyID")),
        (&[DATA, KEY_ID, SOURCE, SOURCE], Repeated("encryptedDEKSource")),
        (
            &[DATA, KEY_ID, SOURCE, SEED_TYPE, SEED_TYPE],
            Repeated("encryptedDEKSourceType"),
        ),
        (
            &[DATA, KEY_ID, SOURCE, annotation, annotation],
            Repeated("an annotation"),
        ),
        (&[DATA, KEY_ID, SOURCE, "2200"], AnnotationKey),
        // Keys "ab", "A.b", "a..b", "-.b".
        (&[DATA, KEY_ID, SOURCE, "22040a026162"], AnnotationKey),
        (&[DATA, KEY_ID, SOURCE, "22050a03412e62"], AnnotationKey),
        (&[DATA, KEY_ID, SOURCE, "22060a04612e2e62"], AnnotationKey),
        (&[DATA, KEY_ID, SOURCE, "22050a032d2e62"], AnnotationKey),
        (&[DATA, KEY_ID, SOURCE, "22020a05"], NotProtobuf),
        (&[DATA, KEY_ID, SOURCE, "22021801"], UnknownField(3)),
    ];
    for (parts, expected) in cases {
        assert_eq!(
            EncryptedObject::decode(&message(parts)),
            Err(expected.clone()),
            "{parts:?}"
        );
    }
}

#[test]
fn limits_hold_for_reading_and_writing() {
    use MalformedObject::TooLarge;
    // (key id, source, annotation value) in bytes; "a.b" is the annotation's key.
    let cases = [
        (1024, 1024, 32 * 1024 - 3, None),
        (1025, 1, 0, Some(TooLarge("keyID", 1024))),
        (1, 1025, 0, Some(TooLarge("encryptedDEKSource", 1024))),
        (1, 1, 32 * 1024 - 2, Some(TooLarge("annotations", 32 * 1024))),
    ];
    for (key_id, source, value, expected) in cases {
        let wrapped = WrappedKey {
            key_id: "k".repeat(key_id),
            ciphertext: vec![1; source],
            annotations: [("a.b".to_owned(), vec![2; value])].into(),
        };
        assert_eq!(encrypted_object::trailer(&wrapped).err(), expected);

        let mut bytes = message(&[DATA]);
        let mut field = |tag: u8, content: &[u8]| {
            bytes.push(tag);
            // Lengths of this test need one to three groups of seven bits.
            let mut left = content.len();
            while left >= 0x80 {
                bytes.push(left as u8 | 0x80);
                left >>= 7;
            }
            bytes.push(left as u8);
            bytes.extend_from_slice(content);
        };
        field(0x12, wrapped.key_id.as_bytes());
        field(0x1a, &wrapped.ciphertext);
        let mut entry = b"\x0a\x03a.b\x12".to_vec();
        let mut left = value;
        while left >= 0x80 {
            entry.push(left as u8 | 0x80);
            left >>= 7;
        }
        entry.push(left as u8);
        entry.extend(vec![2; value]);
        field(0x22, &entry);
        assert_eq!(EncryptedObject::decode(&bytes).err(), expected);
    }
}

#[test]
fn a_cut_message_is_never_read() {
    let bytes = message(&[DATA, KEY_ID, SOURCE, SEED_TYPE]);
    // Without its last field the message is whole, and of the other type: the tag of the data decides then.
    let whole = bytes.len() - 2;
    for length in (0..bytes.len()).filter(|length| *length != whole) {
        assert!(
            EncryptedObject::decode(&bytes[..length]).is_err(),
            "cut to {length}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = EncryptedObject::decode(&bytes);
    }

    #[test]
    fn what_is_written_is_read(
        data in prop::collection::vec(any::<u8>(), 1..300),
        key_id in "\\PC{1,40}",
        ciphertext in prop::collection::vec(any::<u8>(), 1..200),
        annotations in prop::collection::btree_map(
            "[a-z]{1,5}\\.[a-z0-9]{1,5}",
            prop::collection::vec(any::<u8>(), 0..200),
            0..4,
        ),
    ) {
        let wrapped = WrappedKey { key_id, ciphertext, annotations };
        let mut bytes = Vec::new();
        encrypted_object::write_header(data.len(), &mut bytes);
        bytes.extend_from_slice(&data);
        bytes.extend(encrypted_object::trailer(&wrapped).unwrap());
        let object = EncryptedObject::decode(&bytes).unwrap();
        prop_assert_eq!(object.encrypted_data, &data[..]);
        prop_assert!(object.is_wrapped_with(&wrapped));
        prop_assert_eq!(object.wrapped_key(), wrapped);
    }
}
