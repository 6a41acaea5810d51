use super::*;

const REFUSED: &str = "refused";

/// `expect` is the patched document or [`REFUSED`] for an operation that cannot be carried out.
fn check(document: &str, patch: &str, expect: &str) {
    let document: Value = serde_json::from_str(document).unwrap();
    match json_patch(&document, patch.as_bytes()) {
        Ok(patched) => assert_eq!(patched.to_string(), expect, "{document} + {patch}"),
        Err(PatchError::Failed(_)) => assert_eq!(expect, REFUSED, "{document} + {patch}"),
        Err(error) => panic!("{document} + {patch}: {error}"),
    }
}

#[test]
fn operations() {
    for (document, patch, expect) in [
        // add
        (
            r#"{"a":1}"#,
            r#"[{"op":"add","path":"/b","value":2}]"#,
            r#"{"a":1,"b":2}"#,
        ),
        (
            r#"{"a":1}"#,
            r#"[{"op":"add","path":"/a","value":{"b":[]}}]"#,
            r#"{"a":{"b":[]}}"#,
        ),
        (
            r#"{"a":[1,3]}"#,
            r#"[{"op":"add","path":"/a/1","value":2}]"#,
            r#"{"a":[1,2,3]}"#,
        ),
        (
            r#"{"a":[1]}"#,
            r#"[{"op":"add","path":"/a/-","value":2}]"#,
            r#"{"a":[1,2]}"#,
        ),
        (
            r#"{"a":[1]}"#,
            r#"[{"op":"add","path":"/a/1","value":2}]"#,
            r#"{"a":[1,2]}"#,
        ),
        (
            r#"{"a":[1]}"#,
            r#"[{"op":"add","path":"/a/-1","value":2}]"#,
            r#"{"a":[1,2]}"#,
        ),
        (
            r#"{"a":[1]}"#,
            r#"[{"op":"add","path":"/a/2","value":2}]"#,
            REFUSED,
        ),
        (
            r#"{"a":[1]}"#,
            r#"[{"op":"add","path":"/a/x","value":2}]"#,
            REFUSED,
        ),
        (r#"{"a":1}"#, r#"[{"op":"add","path":"/b/c","value":2}]"#, REFUSED),
        (r#"{"a":1}"#, r#"[{"op":"add","path":"/a/c","value":2}]"#, REFUSED),
        (
            r#"{}"#,
            r#"[{"op":"add","path":"/a~1b~0c","value":1}]"#,
            r#"{"a/b~c":1}"#,
        ),
        (r#"{}"#, r#"[{"op":"add","path":"/","value":1}]"#, r#"{"":1}"#),
        // remove
        (
            r#"{"a":1,"b":2}"#,
            r#"[{"op":"remove","path":"/a"}]"#,
            r#"{"b":2}"#,
        ),
        (
            r#"{"a":[1,2,3]}"#,
            r#"[{"op":"remove","path":"/a/0"}]"#,
            r#"{"a":[2,3]}"#,
        ),
        (
            r#"{"a":[1,2,3]}"#,
            r#"[{"op":"remove","path":"/a/-1"}]"#,
            r#"{"a":[1,2]}"#,
        ),
        (r#"{"a":[1]}"#, r#"[{"op":"remove","path":"/a/1"}]"#, REFUSED),
        (r#"{"a":1}"#, r#"[{"op":"remove","path":"/b"}]"#, REFUSED),
        (r#"{"a":1}"#, r#"[{"op":"remove","path":""}]"#, REFUSED),
        // replace
        (
            r#"{"a":1}"#,
            r#"[{"op":"replace","path":"/a","value":2}]"#,
            r#"{"a":2}"#,
        ),
        (
            r#"{"a":[1]}"#,
            r#"[{"op":"replace","path":"/a/0","value":2}]"#,
            r#"{"a":[2]}"#,
        ),
        (
            r#"{"a":[1]}"#,
            r#"[{"op":"replace","path":"/a/1","value":2}]"#,
            REFUSED,
        ),
        (
            r#"{"a":1}"#,
            r#"[{"op":"replace","path":"","value":{"b":2}}]"#,
            r#"{"b":2}"#,
        ),
        (r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":2}]"#, REFUSED),
        // move and copy
        (
            r#"{"a":1}"#,
            r#"[{"op":"move","from":"/a","path":"/b"}]"#,
            r#"{"b":1}"#,
        ),
        (
            r#"{"a":[1,2]}"#,
            r#"[{"op":"move","from":"/a/0","path":"/a/1"}]"#,
            r#"{"a":[2,1]}"#,
        ),
        (
            r#"{"a":1}"#,
            r#"[{"op":"move","from":"/x","path":"/b"}]"#,
            REFUSED,
        ),
        (
            r#"{"a":{}}"#,
            r#"[{"op":"move","from":"/a","path":"/a/b"}]"#,
            REFUSED,
        ),
        (
            r#"{"a":{"b":1}}"#,
            r#"[{"op":"copy","from":"/a","path":"/c"}]"#,
            r#"{"a":{"b":1},"c":{"b":1}}"#,
        ),
        (
            r#"{"a":{"b":1}}"#,
            r#"[{"op":"copy","from":"/a","path":"/a/c"}]"#,
            r#"{"a":{"b":1,"c":{"b":1}}}"#,
        ),
        // test
        (
            r#"{"a":{"b":[1]}}"#,
            r#"[{"op":"test","path":"/a","value":{"b":[1]}}]"#,
            r#"{"a":{"b":[1]}}"#,
        ),
        (r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":2}]"#, REFUSED),
        (r#"{"a":1}"#, r#"[{"op":"test","path":"/a"}]"#, REFUSED),
        (r#"{"a":1}"#, r#"[{"op":"test","path":"/b","value":1}]"#, REFUSED),
        (
            r#"{"a":1}"#,
            r#"[{"op":"test","path":"","value":{"a":1}}]"#,
            r#"{"a":1}"#,
        ),
        // a later failure undoes everything
        (
            r#"{"a":1}"#,
            r#"[{"op":"add","path":"/b","value":2},{"op":"test","path":"/a","value":2}]"#,
            REFUSED,
        ),
        (r#"{"a":1}"#, r#"[{"op":"frobnicate","path":"/a"}]"#, REFUSED),
        (r#"{"a":1}"#, r#"[{"path":"/a"}]"#, REFUSED),
        (r#"{"a":1}"#, r#"[{"op":"remove"}]"#, REFUSED),
        (r#"{"a":1}"#, r#"[null]"#, REFUSED),
        (r#"{"a":1}"#, "[]", r#"{"a":1}"#),
    ] {
        check(document, patch, expect);
    }
}

#[test]
fn quirks_that_clients_rely_on() {
    for (document, patch, expect) in [
        (
            r#"{}"#,
            r#"[{"op":"replace","path":"/a","value":1}]"#,
            r#"{"a":1}"#,
        ),
        (r#"{}"#, r#"[{"op":"add","path":"/a"}]"#, r#"{"a":null}"#),
        (r#"{}"#, r#"[{"op":"test","path":"/a","value":null}]"#, r#"{}"#),
        (r#"{}"#, r#"[{"op":"test","path":"/a"}]"#, r#"{}"#),
        (r#"{}"#, r#"[{"op":"test","path":"/a/b","value":null}]"#, REFUSED),
        (
            r#"{"data":{"a":1}}"#,
            r#"[{"op":"remove","path":"x/data/a"}]"#,
            r#"{"data":{}}"#,
        ),
        (r#"{"data":1}"#, r#"[{"op":"remove","path":"data"}]"#, REFUSED),
        // kubectl's migration of client-side apply, and kubectl on a Secret's data and stringData.
        (
            r#"{"metadata":{"resourceVersion":"7","managedFields":[]}}"#,
            r#"[{"op":"replace","path":"/metadata/managedFields","value":[{"manager":"kubectl"}]},
                {"op":"replace","path":"/metadata/resourceVersion","value":"7"}]"#,
            r#"{"metadata":{"managedFields":[{"manager":"kubectl"}],"resourceVersion":"7"}}"#,
        ),
        (
            r#"{"data":{}}"#,
            r#"[{"op":"add","path":"/stringData","value":{"a":"x"}}]"#,
            r#"{"data":{},"stringData":{"a":"x"}}"#,
        ),
    ] {
        check(document, patch, expect);
    }
}

#[test]
fn malformed() {
    for patch in ["", "{", "{}", "1", "null", r#"[1]"#, r#"["a"]"#, r#"[[]]"#] {
        let refused = json_patch(&Value::Null, patch.as_bytes());
        assert!(
            matches!(refused, Err(PatchError::Malformed(_))),
            "{patch}: {refused:?}"
        );
    }
}

#[test]
fn errors_carry_no_values() {
    for patch in [
        r#"[{"op":"test","path":"/a","value":"s3cret"}]"#,
        r#"[{"op":"add","path":"/x/y","value":"s3cret"}]"#,
    ] {
        let document = serde_json::json!({"a": "hidden"});
        let error = json_patch(&document, patch.as_bytes()).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("s3cret") && !text.contains("hidden"), "{text}");
    }
}

#[test]
fn at_most_ten_thousand_operations() {
    let patch = |count: usize| {
        format!(
            "[{}]",
            vec![r#"{"op":"add","path":"/a","value":1}"#; count].join(",")
        )
    };
    let empty = serde_json::json!({});
    assert_eq!(
        json_patch(&empty, patch(10_000).as_bytes()).unwrap().to_string(),
        r#"{"a":1}"#
    );
    let error = json_patch(&empty, patch(10_001).as_bytes()).unwrap_err();
    assert_eq!(error, PatchError::TooManyOperations(10_001));
    assert_eq!(
        error.to_string(),
        "The allowed maximum operations in a JSON patch is 10000, got 10001"
    );
}

#[test]
fn copy_bombs_are_refused() {
    // Each step doubles the document: 2^30 values after thirty.
    let doubling = vec![r#"{"op":"copy","from":"/a","path":"/a/-"}"#; 30].join(",");
    check(r#"{"a":["0123456789"]}"#, &format!("[{doubling}]"), REFUSED);
    let copies = vec![r#"{"op":"copy","from":"/a","path":"/b/-"}"#; 10_000].join(",");
    check(
        &format!(r#"{{"a":"{}","b":[]}}"#, "x".repeat(1000)),
        &format!("[{copies}]"),
        REFUSED,
    );
}

#[test]
fn nesting_bombs_are_refused() {
    let deeper = r#"{"op":"add","path":"/b","value":{}},{"op":"move","from":"/a","path":"/b/a"},{"op":"move","from":"/b","path":"/a"}"#;
    check(
        r#"{"a":{}}"#,
        &format!("[{}]", vec![deeper; 100].join(",")),
        REFUSED,
    );
    let path: String = "/a".repeat(70);
    check(
        "{}",
        &format!(r#"[{{"op":"add","path":"{path}","value":1}}]"#),
        REFUSED,
    );
}

#[test]
fn shifting_bombs_are_refused() {
    let shifts = vec![r#"{"op":"add","path":"/a/0","value":1}"#; 9_000].join(",");
    let elements = vec!["1"; 100_000].join(",");
    check(
        &format!(r#"{{"a":[{elements}]}}"#),
        &format!("[{shifts}]"),
        REFUSED,
    );
}
