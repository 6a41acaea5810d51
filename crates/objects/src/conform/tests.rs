use serde_json::json;

use super::*;
use crate::json::Limits;
use crate::{protobuf, schema};

fn secret() -> &'static Type {
    schema().kind("", "v1", "Secret").unwrap()
}

fn pod() -> &'static Type {
    schema().kind("", "v1", "Pod").unwrap()
}

#[test]
fn secrets_conform() {
    let cases = [
        (json!({}), json!({"metadata": {}})),
        (
            json!({"data": {"a": "YQ==", "b": null, "c": [104, 105], "d": "YQ=\n=", "e": ""}}),
            json!({"metadata": {}, "data": {"a": "YQ==", "b": "", "c": "aGk=", "d": "YQ==", "e": ""}}),
        ),
        (
            json!({"stringData": {"a": null, "b": "x"}, "data": {}}),
            json!({"metadata": {}, "stringData": {"a": "", "b": "x"}}),
        ),
        (
            json!({"immutable": false, "type": "", "metadata": null, "data": null}),
            json!({"metadata": {}, "immutable": false}),
        ),
        (
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "n", "generateName": "", "labels": {},
            "creationTimestamp": null, "generation": 0, "finalizers": []}}),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "n"}}),
        ),
        (
            json!({"metadata": {"creationTimestamp": "2024-01-02T03:04:05.9+01:00"}}),
            json!({"metadata": {"creationTimestamp": "2024-01-02T02:04:05Z"}}),
        ),
        (
            json!({"metadata": {"creationTimestamp": "0001-01-01T00:00:00Z", "labels": {"a": null}}}),
            json!({"metadata": {"labels": {"a": ""}}}),
        ),
        (
            json!({"metadata": {"managedFields": [{"fieldsV1": {"f:a": {"x": null}}, "time": null}]}}),
            json!({"metadata": {"managedFields": [{"fieldsV1": {"f:a": {"x": null}}}]}}),
        ),
    ];
    for (value, expect) in cases {
        let conformed = conform(secret(), value).unwrap();
        assert_eq!(conformed.unknown, Vec::<String>::new());
        assert_eq!(Value::Object(conformed.value.clone()), expect);
        // What is stored reads back the same.
        let raw = protobuf::encode(secret(), &conformed.value).unwrap();
        let mut read = protobuf::decode(secret(), &raw, &Limits::REQUEST).unwrap();
        for name in ["apiVersion", "kind"] {
            read.extend(
                conformed
                    .value
                    .get(name)
                    .map(|value| (name.to_owned(), value.clone())),
            );
        }
        assert_eq!(read, conformed.value);
    }
}

#[test]
fn pods_conform() {
    let value = json!({"spec": {"containers": [{"image": "i", "ports": [{"containerPort": 80}], "x": 1,
        "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}, "env": [{"name": "E", "valueFrom": null}]}],
        "activeDeadlineSeconds": 0, "hostNetwork": false}, "nonsense": {"a": 1}});
    let conformed = conform(pod(), value).unwrap();
    assert_eq!(conformed.unknown, ["nonsense", "spec.containers[0].x"]);
    let expect = json!({"metadata": {}, "status": {}, "spec": {"activeDeadlineSeconds": 0, "containers": [{
        "name": "", "image": "i", "ports": [{"containerPort": 80}], "env": [{"name": "E"}],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}});
    assert_eq!(Value::Object(conformed.value.clone()), expect);
    let raw = protobuf::encode(pod(), &conformed.value).unwrap();
    assert_eq!(
        protobuf::decode(pod(), &raw, &Limits::REQUEST).unwrap(),
        conformed.value
    );
}

#[test]
fn micro_times_have_six_digits() {
    let lease = schema().kind("coordination.k8s.io", "v1", "Lease").unwrap();
    let conformed = conform(lease, json!({"spec": {"renewTime": "2024-01-02T03:04:05.5Z"}})).unwrap();
    assert_eq!(
        conformed.value["spec"]["renewTime"],
        "2024-01-02T03:04:05.500000Z"
    );
}

#[test]
fn errors_are_those_of_go() {
    let cases = [
        (
            json!({"data": {"a": 1}}),
            "json: cannot unmarshal number into Go struct field Secret.data of type []uint8",
        ),
        (
            json!({"data": []}),
            "json: cannot unmarshal array into Go struct field Secret.data of type map[string][]uint8",
        ),
        (
            json!({"data": {"a": [256]}}),
            "json: cannot unmarshal number into Go struct field Secret.data of type uint8",
        ),
        (
            json!({"data": {"a": "abc"}}),
            "illegal base64 data at input byte 0",
        ),
        (
            json!({"data": {"a": "ab-_"}}),
            "illegal base64 data at input byte 2",
        ),
        (
            json!({"stringData": {"a": true}}),
            "json: cannot unmarshal bool into Go struct field Secret.stringData of type string",
        ),
        (
            json!({"type": {}}),
            "json: cannot unmarshal object into Go struct field Secret.type of type string",
        ),
        (
            json!({"metadata": "x"}),
            "json: cannot unmarshal string into Go struct field Secret.metadata of type v1.ObjectMeta",
        ),
        (
            json!({"metadata": {"labels": {"a": 1}}}),
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            json!({"metadata": {"ownerReferences": [{"uid": 1}]}}),
            "json: cannot unmarshal number into Go struct field OwnerReference.metadata.ownerReferences.uid of type string",
        ),
        (
            json!({"metadata": {"generation": 1.5}}),
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.generation of type int64",
        ),
        (
            json!({"metadata": {"creationTimestamp": 1}}),
            "json: cannot unmarshal number into Go value of type string",
        ),
        (
            json!({"metadata": {"creationTimestamp": "x"}}),
            "parsing time in metadata.creationTimestamp: it is not an RFC 3339 time",
        ),
        (
            json!([]),
            "json: cannot unmarshal array into Go value of type v1.Secret",
        ),
    ];
    for (value, expect) in cases {
        assert_eq!(conform(secret(), value).unwrap_err().to_string(), expect);
    }
    let port = json!({"spec": {"containers": [{"ports": [{"containerPort": 4_294_967_296_u64}]}]}});
    assert_eq!(
        conform(pod(), port).unwrap_err().to_string(),
        "json: cannot unmarshal number into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"
    );
    let cpu = json!({"spec": {"containers": [{"resources": {"limits": {"cpu": "x"}}}]}});
    assert!(
        conform(pod(), cpu)
            .unwrap_err()
            .to_string()
            .starts_with("quantities must match the regular expression")
    );
}

#[test]
fn field_names_are_case_sensitive() {
    let conformed = conform(
        secret(),
        json!({"Data": {"a": "YQ=="}, "metadata": {"Name": "x"}}),
    )
    .unwrap();
    assert_eq!(conformed.unknown, ["Data", "metadata.Name"]);
    assert_eq!(Value::Object(conformed.value), json!({"metadata": {}}));
}

#[test]
fn nothing_secret_is_printed() {
    let conformed = conform(secret(), json!({"data": {"a": "c2VjcmV0"}, "x": 1})).unwrap();
    assert_eq!(format!("{conformed:?}"), "Conformed { unknown: 1, .. }");
}
