use strongroom_objects::schema::schema;

use super::*;

const POD: &str = "Pod";
const SECRET: &str = "Secret";

fn shape(kind: &str) -> Shape<'static> {
    Shape::root(schema().kind("", "v1", kind).unwrap())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn faults() {
    let several = "errors:\n  .a: field not declared in schema\n  .b: field not declared in schema";
    for (kind, configuration, expect) in [
        (
            SECRET,
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"a":"x"}}"#,
            "",
        ),
        (SECRET, r#"{"data":null,"type":null,"immutable":true}"#, ""),
        (SECRET, r#"{"foo":1}"#, ".foo: field not declared in schema"),
        (SECRET, r#"{"a":1,"b":2}"#, several),
        (
            SECRET,
            r#"{"metadata":{"foo":1}}"#,
            ".metadata.foo: field not declared in schema",
        ),
        (SECRET, r#"{"data":"s3cret"}"#, ".data: expected map, got string"),
        (
            SECRET,
            r#"{"data":{"a":7}}"#,
            ".data.a: expected string, got number",
        ),
        (
            SECRET,
            r#"{"data":{"a":[1,2]}}"#,
            ".data.a: expected string, got list",
        ),
        (
            SECRET,
            r#"{"immutable":"yes"}"#,
            ".immutable: expected boolean, got string",
        ),
        (SECRET, r#"{"type":{}}"#, ".type: expected string, got map"),
        (SECRET, r#"{"metadata":[]}"#, ".metadata: expected map, got list"),
        (
            SECRET,
            r#"{"metadata":{"generation":"1"}}"#,
            ".metadata.generation: expected numeric (int or float), got string",
        ),
        (
            SECRET,
            r#"{"metadata":{"creationTimestamp":[]}}"#,
            ".metadata.creationTimestamp: expected any scalar, got list",
        ),
        (
            SECRET,
            r#"{"metadata":{"finalizers":["a.b/c","a.b/c"]}}"#,
            r#".metadata.finalizers: duplicate entries for key [="a.b/c"]"#,
        ),
        (
            SECRET,
            r#"{"metadata":{"ownerReferences":[{"uid":"u"},{"uid":"u"}]}}"#,
            r#".metadata.ownerReferences: duplicate entries for key [uid="u"]"#,
        ),
        (
            POD,
            r#"{"spec":{"containers":[{"name":"c","foo":1}]}}"#,
            r#".spec.containers[name="c"].foo: field not declared in schema"#,
        ),
        (
            POD,
            r#"{"spec":{"containers":[{"image":"c"}]}}"#,
            r#".spec.containers: element 0: associative list with keys has an element that omits key field "name" (and doesn't have default value)"#,
        ),
        (
            POD,
            r#"{"spec":{"containers":[null]}}"#,
            ".spec.containers: element 0: associative list with keys may not have a null element",
        ),
        (
            POD,
            r#"{"spec":{"containers":[1]}}"#,
            ".spec.containers: element 0: associative list with keys may not have non-map elements",
        ),
        (
            POD,
            r#"{"spec":{"containers":[{"name":"c","ports":[{"containerPort":80},{"containerPort":80,"protocol":"TCP"}]}]}}"#,
            r#".spec.containers[name="c"].ports: duplicate entries for key [containerPort=80,protocol="TCP"]"#,
        ),
        (
            POD,
            r#"{"spec":{"containers":[{"name":"c","ports":[{"containerPort":80},{"containerPort":80,"protocol":"UDP"}]}]}}"#,
            "",
        ),
        (POD, r#"{"spec":{"tolerations":[{"key":"a"},{"key":"a"}]}}"#, ""),
        (
            POD,
            r#"{"spec":{"tolerations":[{"foo":"a"}]}}"#,
            ".spec.tolerations[0].foo: field not declared in schema",
        ),
        (
            POD,
            r#"{"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":1,"memory":"1Gi"}}}]}}"#,
            "",
        ),
        (
            POD,
            r#"{"spec":{"containers":[{"name":{},"image":"c"}]}}"#,
            r#".spec.containers: element 0: associative list with keys has an element whose key field "name" is not a scalar"#,
        ),
    ] {
        let faults = check(shape(kind), &json(configuration))
            .err()
            .map(|faults| faults.to_string())
            .unwrap_or_default();
        assert_eq!(faults, expect, "{configuration}");
    }
}

#[test]
fn many_faults_make_no_long_answer() {
    let configuration: Map<String, Value> = (0..100_000)
        .map(|number| (format!("f{number}"), Value::Null))
        .collect();
    let faults = check(shape(SECRET), &Value::Object(configuration)).unwrap_err();
    assert_eq!(faults.to_string().lines().count(), 1 + MAX_ERRORS);
}

#[test]
fn stated_fields() {
    for (kind, configuration, expect) in [
        (
            SECRET,
            r#"{"data":{"a":"x","b":"y"},"type":"t"}"#,
            r#"{"f:data":{"f:a":{},"f:b":{}},"f:type":{}}"#,
        ),
        (SECRET, r#"{"data":{}}"#, r#"{"f:data":{}}"#),
        (SECRET, r#"{"data":null}"#, r#"{"f:data":{}}"#),
        (SECRET, r#"{"immutable":null}"#, r#"{"f:immutable":{}}"#),
        (
            SECRET,
            r#"{"stringData":{"a":"x"}}"#,
            r#"{"f:stringData":{"f:a":{}}}"#,
        ),
        (
            SECRET,
            r#"{"metadata":{"labels":{"a":"1"},"annotations":{}}}"#,
            r#"{"f:metadata":{"f:annotations":{},"f:labels":{"f:a":{}}}}"#,
        ),
        (
            SECRET,
            r#"{"metadata":{"finalizers":["a/b"],"ownerReferences":[{"uid":"u","name":"n"}]}}"#,
            r#"{"f:metadata":{"f:finalizers":{"v:\"a/b\"":{}},"f:ownerReferences":{"k:{\"uid\":\"u\"}":{}}}}"#,
        ),
        (SECRET, r#"{"metadata":{"finalizers":[]}}"#, "{}"),
        (
            POD,
            r#"{"spec":{"containers":[{"name":"c","ports":[{"containerPort":80}],"args":["x"]}]}}"#,
            r#"{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:args":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}"#,
        ),
        (
            POD,
            r#"{"spec":{"containers":[{"name":"c","env":[{"name":"e","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]}]}}"#,
            r#"{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:env":{"k:{\"name\":\"e\"}":{".":{},"f:name":{},"f:valueFrom":{"f:secretKeyRef":{}}}},"f:name":{}}}}}"#,
        ),
        (
            POD,
            r#"{"spec":{"nodeSelector":{"a":"b"},"tolerations":[{"key":"a"}]}}"#,
            r#"{"f:spec":{"f:nodeSelector":{},"f:tolerations":{}}}"#,
        ),
        (
            POD,
            r#"{"spec":{"volumes":[{"name":"v","secret":{"secretName":"s","items":[{"key":"a"}]}}]}}"#,
            r#"{"f:spec":{"f:volumes":{"k:{\"name\":\"v\"}":{".":{},"f:name":{},"f:secret":{"f:items":{},"f:secretName":{}}}}}}"#,
        ),
        (
            POD,
            r#"{"spec":{"containers":[{"name":"c","volumeMounts":[{"mountPath":"/m","name":"v"}],"resources":{"limits":{"cpu":"1"}}}]}}"#,
            r#"{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:name":{},"f:resources":{"f:limits":{"f:cpu":{}}},"f:volumeMounts":{"k:{\"mountPath\":\"/m\"}":{".":{},"f:mountPath":{},"f:name":{}}}}}}}"#,
        ),
        (
            "ServiceAccount",
            r#"{"secrets":[{"name":"a"}],"imagePullSecrets":[{"name":"b"}]}"#,
            r#"{"f:imagePullSecrets":{},"f:secrets":{"k:{\"name\":\"a\"}":{}}}"#,
        ),
        (
            POD,
            r#"{"spec":{"imagePullSecrets":[{"name":"b"}]}}"#,
            r#"{"f:spec":{"f:imagePullSecrets":{"k:{\"name\":\"b\"}":{}}}}"#,
        ),
    ] {
        let stated = field_set(shape(kind), &json(configuration));
        assert_eq!(stated.to_fields_v1().to_string(), expect, "{configuration}");
    }
}

#[test]
fn named_fields() {
    for (kind, fields, expect) in [
        (
            SECRET,
            r#"{"f:data":{"f:a":{}}}"#,
            r#"{"f:data":{".":{},"f:a":{}}}"#,
        ),
        (
            POD,
            r#"{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{"f:resources":{"f:limits":{"f:cpu":{}}}}}}}"#,
            r#"{"f:spec":{".":{},"f:containers":{".":{},"k:{\"name\":\"c\"}":{"f:resources":{".":{},"f:limits":{".":{},"f:cpu":{}}}}}}}"#,
        ),
        (SECRET, r#"{"f:foo":{"f:a":{}}}"#, r#"{"f:foo":{"f:a":{}}}"#),
    ] {
        let named = with_named_fields(Set::from_fields_v1(&json(fields)).unwrap(), shape(kind));
        assert_eq!(named.to_fields_v1().to_string(), expect, "{fields}");
    }
}
