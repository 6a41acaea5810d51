use strongroom_objects::schema::schema;

use super::*;

/// Scenarios are blocks of `kind`, `live`, `patch` and `expect` or `error`, set apart by blank lines; a `kind`
/// holds until the next one. Lines that start with a blank go on with the line before.
fn run(scenarios: &str) {
    let mut kind = "";
    let mut count = 0;
    for block in scenarios.split("\n\n").filter(|block| block.contains("live ")) {
        let (mut live, mut patch, mut expect, mut error) = (Value::Null, Value::Null, None, None);
        for line in block.replace("\n ", " ").lines().collect::<Vec<_>>() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let json =
                || serde_json::from_str::<Value>(rest).unwrap_or_else(|error| panic!("{error}: {line}"));
            match word {
                "kind" => {
                    kind = block
                        .split("kind ")
                        .nth(1)
                        .and_then(|rest| rest.lines().next())
                        .unwrap()
                }
                "live" => live = json(),
                "patch" => patch = json(),
                "expect" => expect = Some(json()),
                "error" => error = Some(rest.to_owned()),
                _ => assert!(word.starts_with('#'), "{line}"),
            }
        }
        count += 1;
        let ty = schema()
            .kind("", "v1", kind)
            .or_else(|| schema().kind("apps", "v1", kind))
            .unwrap();
        match strategic_merge_patch(live, patch, ty) {
            Ok(patched) => assert_eq!(Some(patched), expect, "{block}"),
            Err(refused) => assert_eq!(Some(format!("{refused}")), error, "{block}"),
        }
    }
    assert!(count > 0);
}

#[test]
fn maps() {
    run(include_str!("tests/maps.txt"));
}

#[test]
fn lists() {
    run(include_str!("tests/lists.txt"));
}

#[test]
fn directives() {
    run(include_str!("tests/directives.txt"));
}

#[test]
fn errors() {
    run(include_str!("tests/errors.txt"));
}

#[test]
fn error_variants() {
    let secret = schema().kind("", "v1", "Secret").unwrap();
    let live = serde_json::json!({"metadata": {"finalizers": ["a/a"]}});
    let patch = |text: &str| strategic_merge_patch(live.clone(), serde_json::from_str(text).unwrap(), secret);
    assert!(matches!(
        patch(r#"{"$patch":"explode"}"#),
        Err(PatchError::Unsupported(_))
    ));
    assert!(matches!(patch("[]"), Err(PatchError::Malformed(_))));
    assert!(matches!(
        patch(r#"{"metadata":{"finalizers":[[1]]}}"#),
        Err(PatchError::Failed(_))
    ));
    assert_eq!(patch("null"), Ok(live.clone()));
}

#[test]
fn many_elements() {
    let pod = schema().kind("", "v1", "Pod").unwrap();
    let env = |from: usize| -> Vec<Value> {
        (from..from + 20_000)
            .map(|number| serde_json::json!({"name": format!("n{number}"), "value": "x"}))
            .collect()
    };
    let object = |from| serde_json::json!({"spec": {"containers": [{"name": "c", "env": env(from)}]}});
    let merged = strategic_merge_patch(object(0), object(10_000), pod).unwrap();
    assert_eq!(
        merged["spec"]["containers"][0]["env"].as_array().unwrap().len(),
        30_000
    );
}
