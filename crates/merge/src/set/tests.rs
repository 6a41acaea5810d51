use serde_json::Value;

use super::fields_v1::InvalidFields;
use super::*;

fn set(fields: &str) -> Set {
    let fields: Value = serde_json::from_str(fields).unwrap();
    Set::from_fields_v1(&fields).unwrap_or_else(|error| panic!("{fields}: {error}"))
}

fn text(set: &Set) -> String {
    set.to_fields_v1().to_string()
}

const A: &str = r#"{"f:data":{".":{},"f:a":{},"f:b":{}},"f:type":{}}"#;
const B: &str = r#"{"f:data":{"f:b":{},"f:c":{}},"f:metadata":{"f:finalizers":{".":{},"v:\"x/y\"":{}}}}"#;

#[test]
fn reads_what_it_writes() {
    for fields in [
        "{}",
        A,
        B,
        r#"{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{}}}}}"#,
        r#"{"f:x":{"i:0":{},"i:1":{}}}"#,
    ] {
        assert_eq!(text(&set(fields)), fields);
    }
}

#[test]
fn refuses_what_is_no_set() {
    let deep = format!("{}{}{}", r#"{"f:a":"#.repeat(100), "{}", "}".repeat(100));
    let deepest = format!("{}{}{}", r#"{"f:a":"#.repeat(63), "{}", "}".repeat(63));
    for fields in [
        "null",
        "[]",
        "1",
        r#"{"a":{}}"#,
        r#"{"f:a":1}"#,
        r#"{"f:a":null}"#,
        r#"{"q:a":{}}"#,
        &deep,
    ] {
        assert_eq!(
            Set::from_fields_v1(&serde_json::from_str(fields).unwrap()),
            Err(InvalidFields),
            "{fields}"
        );
    }
    assert!(!set(&deepest).is_empty());
}

#[test]
fn algebra() {
    let check = |got: Set, expect: &str| assert_eq!(text(&got), expect);
    check(
        set(A).union(set(B)),
        r#"{"f:data":{".":{},"f:a":{},"f:b":{},"f:c":{}},"f:metadata":{"f:finalizers":{".":{},"v:\"x/y\"":{}}},"f:type":{}}"#,
    );
    check(set(A).intersection(&set(B)), r#"{"f:data":{"f:b":{}}}"#);
    check(
        set(A).difference(&set(B)),
        r#"{"f:data":{".":{},"f:a":{}},"f:type":{}}"#,
    );
    check(
        set(B).difference(&set(A)),
        r#"{"f:data":{"f:c":{}},"f:metadata":{"f:finalizers":{".":{},"v:\"x/y\"":{}}}}"#,
    );
    check(set(A).difference(&set(A)), "{}");
    check(set(A).union(Set::default()), A);
    check(Set::default().union(set(A)), A);
    check(set(A).difference(&Set::default()), A);
}

#[test]
fn takes_single_members() {
    let path = |keys: &[&str]| {
        keys.iter()
            .map(|key| PathElement::parse(key).unwrap())
            .collect::<Vec<_>>()
    };
    let check = |keys: &[&str], expect: &str| {
        let mut rest = set(A);
        rest.take_member(&path(keys));
        assert_eq!(text(&rest), expect);
    };
    check(&["f:data"], r#"{"f:data":{"f:a":{},"f:b":{}},"f:type":{}}"#);
    check(&["f:data", "f:a"], r#"{"f:data":{".":{},"f:b":{}},"f:type":{}}"#);
    check(&["f:type"], r#"{"f:data":{".":{},"f:a":{},"f:b":{}}}"#);
    check(&["f:type", "f:x"], A);
    check(&["f:x", "f:y"], A);
    check(&[], A);
}

#[test]
fn lists_members_before_what_is_below() {
    assert_eq!(set(A).paths(), [".data", ".type", ".data.a", ".data.b"]);
    assert_eq!(
        set(B).paths(),
        [
            ".data.b",
            ".data.c",
            ".metadata.finalizers",
            ".metadata.finalizers[=\"x/y\"]"
        ]
    );
}
