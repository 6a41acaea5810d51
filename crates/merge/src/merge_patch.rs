//! JSON merge patch, RFC 7386.

use serde_json::Value;

/// Applies a merge patch: objects merge key by key, `null` removes a key, everything else replaces.
///
/// Recursion is as deep as `patch`, which the parser bounds.
pub fn merge_patch(document: Value, patch: Value) -> Value {
    let Value::Object(changes) = patch else {
        return patch;
    };
    let mut members = match document {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    };
    for (key, change) in changes {
        if change.is_null() {
            members.remove(&key);
        } else {
            let before = members.remove(&key).unwrap_or(Value::Null);
            members.insert(key, merge_patch(before, change));
        }
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: &str, patch: &str, expect: &str) {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(
            merge_patch(parse(document), parse(patch)),
            parse(expect),
            "{document} + {patch}"
        );
    }

    #[test]
    fn follows_rfc_7386() {
        check(r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#);
        check(r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#);
        check(r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#);
        check(r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#);
        check(r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#);
        check(r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#);
        check(
            r#"{"a":{"b":"c"}}"#,
            r#"{"a":{"b":"d","c":null}}"#,
            r#"{"a":{"b":"d"}}"#,
        );
        check(r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#);
        check(r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#);
        check(r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#);
        check(r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#);
        check(r#"[1,2]"#, r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#);
        check(r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#);
    }

    #[test]
    fn secrets() {
        check(
            r#"{"data":{"a":"eA==","b":"eQ=="}}"#,
            r#"{"data":{"a":null}}"#,
            r#"{"data":{"b":"eQ=="}}"#,
        );
        check(r#"{"data":{"a":"eA=="}}"#, r#"{"data":null}"#, r#"{}"#);
        check(
            r#"{"data":{"a":"eA=="}}"#,
            r#"{"stringData":{"a":null}}"#,
            r#"{"data":{"a":"eA=="},"stringData":{}}"#,
        );
        check(r#"{"data":{"a":"eA=="}}"#, r#"{}"#, r#"{"data":{"a":"eA=="}}"#);
    }
}
