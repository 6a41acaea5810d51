use serde_json::json;

use super::*;

fn object(value: Value) -> Map {
    let Value::Object(map) = value else {
        panic!("not an object")
    };
    map
}

#[test]
fn objects_round_trip() {
    let value = object(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "YQ=="},
        "metadata": {
            "name": "n", "namespace": "ns", "uid": "u", "resourceVersion": "7", "generation": 2,
            "creationTimestamp": "2024-01-02T03:04:05Z", "deletionGracePeriodSeconds": 0,
            "labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["x/y"],
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "q", "controller": false}],
            "managedFields": [{"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                "time": "2024-01-02T03:04:05Z", "fieldsV1": {"f:data": {".": {}}}, "subresource": "status"}],
        },
    }));
    let parsed = Object::from_value(value.clone()).unwrap();
    assert_eq!(parsed.to_value(), value);
    assert_eq!(format!("{parsed:?}"), "Secret ns/n");
}

#[test]
fn sparse_and_malformed_objects() {
    let parsed = Object::from_value(object(json!({"metadata": {"selfLink": "x", "name": "n"}}))).unwrap();
    assert_eq!(parsed.to_value(), object(json!({"metadata": {"name": "n"}})));
    assert_eq!(
        Object::from_value(object(json!({}))).unwrap().to_value(),
        object(json!({"metadata": {}}))
    );
    assert_eq!(
        Object::from_value(object(json!({"kind": 1}))),
        Err(ObjectError::NotAString("kind"))
    );
    assert_eq!(
        Object::from_value(object(json!({"metadata": {"name": 1}}))),
        Err(ObjectError::Metadata)
    );
}
