use serde_json::json;

use super::*;
use crate::json::Limits;
use crate::{Map, Type, Value, schema};

fn secret() -> &'static Type {
    schema().kind("", "v1", "Secret").unwrap()
}

fn object(value: Value) -> Map {
    let Value::Object(map) = value else {
        panic!("not an object")
    };
    map
}

fn transcoded(ty: &Type, raw: &[u8], version: Option<u64>) -> String {
    let mut out = Vec::new();
    transcode_json(ty, raw, Some(("v1", "Secret")), version, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// encryption-at-rest.md §5.4.
#[test]
fn worked_example() {
    let value = json!({"metadata": {"name": "a", "namespace": "default", "creationTimestamp": "1970-01-01T00:00:16Z"},
        "data": {"k": "dg=="}, "type": "Opaque"});
    let raw = encode(secret(), &object(value)).unwrap();
    let metadata =
        b"\x0a\x01a\x12\x00\x1a\x07default\x22\x00\x2a\x00\x32\x00\x38\x00\x42\x04\x08\x10\x10\x00";
    let mut expect = vec![0x0a, metadata.len() as u8];
    expect.extend_from_slice(metadata);
    expect.extend_from_slice(b"\x12\x06\x0a\x01k\x12\x01v\x1a\x06Opaque");
    assert_eq!(raw, expect);

    let mut enveloped = Vec::new();
    write_envelope("v1", "Secret", &raw, &mut enveloped);
    assert!(enveloped.starts_with(b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12"));
    assert!(enveloped.ends_with(b"Opaque\x1a\x00\x22\x00"));
    let envelope = open_envelope(&enveloped).unwrap();
    assert_eq!(
        (envelope.api_version, envelope.kind, envelope.raw),
        ("v1", "Secret", raw.as_slice())
    );
    assert_eq!(open_envelope(b"{}").unwrap_err(), DecodeError::NoEnvelope);

    assert_eq!(
        transcoded(secret(), &raw, Some(812)),
        "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"namespace\":\"default\",\
         \"resourceVersion\":\"812\",\"creationTimestamp\":\"1970-01-01T00:00:16Z\"},\
         \"data\":{\"k\":\"dg==\"},\"type\":\"Opaque\"}"
    );
}

#[test]
fn empty_objects_are_written_as_go_writes_them() {
    let raw = encode(secret(), &Map::new()).unwrap();
    assert_eq!(
        raw,
        b"\x0a\x10\x0a\x00\x12\x00\x1a\x00\x22\x00\x2a\x00\x32\x00\x38\x00\x42\x00\x1a\x00"
    );
    assert_eq!(
        transcoded(secret(), &raw, None),
        "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{}}"
    );
    assert_eq!(
        decode(secret(), &raw, &Limits::REQUEST).unwrap(),
        object(json!({"metadata": {}}))
    );
    // The same with nothing at all on the wire.
    assert_eq!(
        transcoded(secret(), &[], None),
        "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{}}"
    );
    assert_eq!(
        decode(secret(), &[], &Limits::REQUEST).unwrap(),
        object(json!({"metadata": {}}))
    );
}

#[test]
fn values_survive_the_round_trip() {
    let pod = schema().kind("", "v1", "Pod").unwrap();
    let value = object(json!({
        "metadata": {"name": "p"},
        "spec": {
            "containers": [{"name": "c", "resources": {"limits": {"cpu": "100m"}},
                "livenessProbe": {"httpGet": {"port": "web", "path": "/"}, "periodSeconds": -1}}],
            "volumes": [{"name": "v", "secret": {"secretName": "s", "optional": false}}],
            "securityContext": {"runAsUser": 0, "supplementalGroups": [1, -2]},
            "tolerations": [{"operator": "Exists", "tolerationSeconds": 0}],
        },
        "status": {"startTime": "2024-01-02T03:04:05Z"},
    }));
    let raw = encode(pod, &value).unwrap();
    assert_eq!(decode(pod, &raw, &Limits::REQUEST).unwrap(), value);

    let review = schema()
        .kind("authentication.k8s.io", "v1", "TokenReview")
        .unwrap();
    let value = object(json!({"metadata": {}, "spec": {},
        "status": {"user": {"username": "u", "extra": {"a": ["b", "c"], "z": []}}}}));
    let raw = encode(review, &value).unwrap();
    assert_eq!(decode(review, &raw, &Limits::REQUEST).unwrap(), value);

    let lease = schema().kind("coordination.k8s.io", "v1", "Lease").unwrap();
    let value = object(json!({"metadata": {}, "spec": {"renewTime": "2024-01-02T03:04:05.000060Z"}}));
    let raw = encode(lease, &value).unwrap();
    assert_eq!(decode(lease, &raw, &Limits::REQUEST).unwrap(), value);
}

#[test]
fn resource_version_is_replaced_in_place() {
    let with = |version: &str| {
        let value =
            json!({"metadata": {"name": "a", "resourceVersion": version, "generation": 3}, "type": "x"});
        encode(secret(), &object(value)).unwrap()
    };
    for before in ["", "7", "123456789012345678"] {
        let mut out = Vec::new();
        set_resource_version(&with(before), 812, &mut out).unwrap();
        assert_eq!(out, with("812"), "{before}");
    }
    let mut out = Vec::new();
    set_resource_version(b"\x0a\x03\x0a\x01a", 5, &mut out).unwrap();
    assert_eq!(out, b"\x0a\x06\x0a\x01a\x32\x015");
    out.clear();
    set_resource_version(b"", 5, &mut out).unwrap();
    assert_eq!(out, b"\x0a\x03\x32\x015");
    assert!(set_resource_version(b"\x0a\x09", 5, &mut Vec::new()).is_err());
}

#[test]
fn hostile_messages_are_errors() {
    let cases: [(&[u8], DecodeError); 8] = [
        (b"\x0a", DecodeError::Truncated),
        (b"\x0a\x05\x0a", DecodeError::Truncated),
        (
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            DecodeError::Truncated,
        ),
        (
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            DecodeError::Overflow,
        ),
        (b"\x00\x00", DecodeError::IllegalTag(0)),
        (b"\x18\x01", DecodeError::WireType("type")),
        (b"\x1a\x01\xff", DecodeError::InvalidUtf8("type")),
        (
            b"\x0a\x0d\x42\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x10",
            DecodeError::Truncated,
        ),
    ];
    for (raw, expect) in cases {
        assert_eq!(
            decode(secret(), raw, &Limits::REQUEST).unwrap_err(),
            expect,
            "{raw:x?}"
        );
        let mut out = b"kept".to_vec();
        assert_eq!(
            transcode_json(secret(), raw, None, None, &mut out).unwrap_err(),
            expect,
            "{raw:x?}"
        );
        assert_eq!(out, b"kept");
    }
    let fields = b"\x0a\x08\x8a\x01\x05\x3a\x03\x0a\x01{";
    assert_eq!(
        decode(secret(), fields, &Limits::REQUEST),
        Err(DecodeError::InvalidJson("fieldsV1"))
    );
    let entries = [&b"\x12\x03\x0a\x01"[..], b"x"].concat().repeat(100);
    let tight = Limits {
        depth: 8,
        memory: 100,
    };
    assert_eq!(decode(secret(), &entries, &tight), Err(DecodeError::TooComplex));
}

#[test]
fn what_go_would_not_write_is_read_all_the_same() {
    // Unsorted and repeated map keys, unknown fields and groups, a repeated scalar.
    let raw = b"\x12\x06\x0a\x01b\x12\x012\x12\x06\x0a\x01a\x12\x011\x12\x06\x0a\x01b\x12\x013\
        \xfa\x01\x01z\xa3\x06\x08\x01\xa4\x06\x1a\x01x\x1a\x01y";
    let expect = "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{},\"data\":{\"a\":\"MQ==\",\"b\":\"Mw==\"},\
         \"type\":\"y\"}";
    assert_eq!(transcoded(secret(), raw, None), expect);
    let tree = json!({"metadata": {}, "data": {"a": "MQ==", "b": "Mw=="}, "type": "y"});
    assert_eq!(decode(secret(), raw, &Limits::REQUEST).unwrap(), object(tree));
}

#[test]
fn raw_json_is_compacted() {
    let raw = b"\x0a\x0f\x8a\x01\x0c\x3a\x0a\x0a\x08{ \"a\":1\n";
    let raw = [raw.as_slice(), b""].concat();
    assert!(transcode_json(secret(), &raw, None, None, &mut Vec::new()).is_err());
    let raw = b"\x0a\x0f\x8a\x01\x0c\x3a\x0a\x0a\x08{\"a\":\n1}";
    assert!(transcoded(secret(), raw, None).contains("\"managedFields\":[{\"fieldsV1\":{\"a\":1}}]"));
}

#[test]
fn wrong_trees_do_not_encode() {
    let cases = [
        (json!({"type": 1}), "type: expected a string"),
        (json!({"data": []}), "data: expected a map"),
        (json!({"data": {"k": "!"}}), "data[k]: expected base64"),
        (
            json!({"metadata": {"finalizers": ["a", 1]}}),
            "metadata.finalizers[1]: expected a string",
        ),
        (
            json!({"metadata": {"generation": "1"}}),
            "metadata.generation: expected an integer",
        ),
    ];
    for (value, expect) in cases {
        assert_eq!(encode(secret(), &object(value)).unwrap_err().to_string(), expect);
    }
}
