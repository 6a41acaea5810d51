use serde_json::json;

use super::*;

#[test]
fn texts() {
    let cases = [
        (
            FieldError::required("data[username]", ""),
            "data[username]: Required value",
        ),
        (
            FieldError::required("metadata.name", "name or generateName is required"),
            "metadata.name: Required value: name or generateName is required",
        ),
        (
            FieldError::invalid("type", "kubernetes.io/tls", "field is immutable"),
            "type: Invalid value: \"kubernetes.io/tls\": field is immutable",
        ),
        (
            FieldError::invalid("spec.replicas", -1, "must be greater"),
            "spec.replicas: Invalid value: -1: must be greater",
        ),
        (
            FieldError::invalid("a", json!({"b": [1, "x"]}), "no"),
            "a: Invalid value: {\"b\":[1,\"x\"]}: no",
        ),
        (
            FieldError::too_long("", "may not be more than 5 bytes"),
            "[]: Too long: may not be more than 5 bytes",
        ),
        (
            FieldError::not_supported("fieldValidation", "x", &["", "Ignore"]),
            "fieldValidation: Unsupported value: \"x\": supported values: \"\", \"Ignore\"",
        ),
        (
            FieldError::not_supported("dryRun", json!(["x"]), &["All"]),
            "dryRun: Unsupported value: [\"x\"]: supported values: \"All\"",
        ),
        (
            FieldError::duplicate("a[0].name", "n"),
            "a[0].name: Duplicate value: \"n\"",
        ),
        (
            FieldError::forbidden("force", "not here"),
            "force: Forbidden: not here",
        ),
        (
            FieldError::too_many("env", 3, "must have at most 2 items"),
            "env: Too many: 3: must have at most 2 items",
        ),
    ];
    for (error, expect) in cases {
        assert_eq!(error.to_string(), expect);
        assert_eq!(
            format!("{}: {}", error.cause().field, error.cause().message),
            expect
        );
    }
}

#[test]
fn several_errors_are_one_text() {
    let a = FieldError::required("a", "");
    let b = FieldError::required("b", "");
    assert_eq!(aggregate(&[]), "");
    assert_eq!(aggregate(&[a.clone(), a.clone()]), "a: Required value");
    assert_eq!(
        aggregate(&[a.clone(), b, a]),
        "[a: Required value, b: Required value]"
    );
}
