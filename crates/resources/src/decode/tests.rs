use super::*;
use crate::table::find;

fn message(body: &str, validation: FieldValidation) -> String {
    let secrets = find("", "v1", "secrets").expect("served");
    match decode(secrets, body.as_bytes(), Format::Json, validation) {
        Ok(decoded) => format!("ok {}", decoded.warnings.join("; ")),
        Err(status) => {
            assert_eq!(status.code, 400, "{}", status.message);
            status.message.clone()
        }
    }
}

#[test]
fn bodies() {
    let check = |body: &str, expect: &str| assert_eq!(message(body, FieldValidation::Warn), expect, "{body}");
    check("{}", "ok ");
    check("null", "ok ");
    check(
        r#"{"dtaa": 1, "metadata": {"name": "a", "x": 1}}"#,
        r#"ok unknown field "dtaa"; unknown field "metadata.x""#,
    );
    check(
        r#"{"data": {"k": "eA==", "k": "eQ=="}}"#,
        r#"ok duplicate field "data.k""#,
    );
    check(
        "",
        "the object provided is unrecognized (must be of type Secret): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)",
    );
    check(
        r#"{"apiVersion": "v1", "kind": "Pod"}"#,
        r#"Pod in version "v1" cannot be handled as a Secret: converting (v1.Pod) to (core.Secret): unknown conversion"#,
    );
    check(
        r#"{"apiVersion": "v2", "kind": "Secret"}"#,
        r#"Secret in version "v2" cannot be handled as a Secret: no kind "Secret" is registered for version "v2" in scheme "pkg/api/legacyscheme/scheme.go:30""#,
    );
    check(
        r#"{"data": {"k": "a"}}"#,
        r#"Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0"#,
    );
    let strict = message(r#"{"dtaa": 1}"#, FieldValidation::Strict);
    assert_eq!(
        strict,
        r#"Secret in version "v1" cannot be handled as a Secret: strict decoding error: unknown field "dtaa""#
    );
}

#[test]
fn names_agree_with_the_url() {
    let check = |name: &str, namespace: &str, url: Option<&str>, expect: &str| {
        let mut object = find("", "v1", "secrets").expect("served").new_object(name);
        namespace.clone_into(&mut object.metadata.namespace);
        let got = agree_with_url(&mut object, "n", url).map_err(|status| status.message);
        assert_eq!(got.err().unwrap_or_default(), expect);
    };
    check("a", "", Some("a"), "");
    check("", "n", None, "");
    check(
        "a",
        "",
        Some("b"),
        "the name of the object (a) does not match the name on the URL (b)",
    );
    check(
        "",
        "",
        Some("b"),
        "the name of the object (b based on URL) was undeterminable: name must be provided",
    );
    check(
        "a",
        "m",
        None,
        "the namespace of the provided object does not match the namespace sent on the request",
    );
}
