//! What holds for every OpenAPI document.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Panics unless every reference has a target, every model is referred to, every schema says what
/// it is, and every operation id is used once.
pub(super) fn check(document: &Value, models: &str) {
    let definitions = document.pointer(models).and_then(Value::as_object).unwrap();
    let mut references = BTreeSet::new();
    collect_references(document, &mut references);
    for reference in &references {
        let name = reference.strip_prefix(&format!("#{models}/")).expect(reference);
        assert!(definitions.contains_key(name), "no target: {reference}");
    }
    for (name, schema) in definitions {
        check_schema(name, schema);
        let used = references.contains(&format!("#{models}/{name}"));
        assert!(used || name.ends_with(".WatchEvent"), "unused: {name}");
    }
    check_operations(document["paths"].as_object().unwrap());
}

fn collect_references(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(target) if key == "$ref" => {
                        references.insert(target.clone());
                    }
                    _ => collect_references(value, references),
                }
            }
        }
        Value::Array(elements) => {
            elements
                .iter()
                .for_each(|element| collect_references(element, references));
        }
        _ => {}
    }
}

fn check_schema(at: &str, schema: &Value) {
    let kinds = ["type", "$ref", "allOf", "oneOf"];
    let given = kinds.iter().filter(|kind| schema.get(kind).is_some()).count();
    assert_eq!(given, 1, "{at} is not of one kind: {schema}");
    if schema["type"] == "array" {
        check_schema(&format!("{at}[]"), &schema["items"]);
    }
    if let Some(values) = schema.get("additionalProperties") {
        check_schema(&format!("{at}{{}}"), values);
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        check_schema(&format!("{at}.{name}"), property);
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().unwrap();
        assert!(
            schema["properties"].get(name).is_some(),
            "{at} requires unknown {name}"
        );
    }
}

fn check_operations(paths: &Map<String, Value>) {
    let mut ids = BTreeSet::new();
    for (url, item) in paths {
        let operations = item
            .as_object()
            .unwrap()
            .iter()
            .filter(|(key, _)| *key != "parameters");
        for (method, operation) in operations {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{method} {url}: {id} is used twice");
            assert!(operation["responses"].get("200").is_some(), "{method} {url}");
            let mut names: Vec<_> = parameters(item, operation)
                .map(|parameter| (parameter["in"].as_str(), parameter["name"].as_str()))
                .collect();
            for segment in url.split('/').filter_map(|segment| segment.strip_prefix('{')) {
                let name = segment.strip_suffix('}').unwrap();
                assert!(
                    names.contains(&(Some("path"), Some(name))),
                    "{method} {url}: {name}"
                );
            }
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{method} {url} repeats a parameter");
        }
    }
}

fn parameters<'a>(item: &'a Value, operation: &'a Value) -> impl Iterator<Item = &'a Value> {
    let of = |value: &'a Value| value["parameters"].as_array().into_iter().flatten();
    of(item).chain(of(operation))
}
