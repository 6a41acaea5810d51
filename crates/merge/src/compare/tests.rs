use strongroom_objects::schema::schema;

use super::*;

/// `expect` lists the paths, each after `+` (added), `~` (modified) or `-` (removed).
fn check(kind: &str, before: &str, after: &str, expect: &str) {
    let ty = schema()
        .kind("", "v1", kind)
        .or_else(|| schema().kind("apps", "v1", kind))
        .unwrap();
    let json =
        |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let before_object = (!before.is_empty()).then(|| json(before));
    let changes = compare(Shape::root(ty), before_object.as_ref(), &json(after));
    let marked = |mark: &str, set: &Set| {
        set.paths()
            .into_iter()
            .map(|path| format!("{mark}{path}"))
            .collect::<Vec<_>>()
    };
    let found = [
        marked("+", &changes.added),
        marked("~", &changes.modified),
        marked("-", &changes.removed),
    ]
    .concat();
    assert_eq!(
        found,
        expect.split_whitespace().collect::<Vec<_>>(),
        "{before} -> {after}"
    );
    assert_eq!(changes.is_empty(), expect.is_empty());
}

#[test]
fn maps() {
    check(
        "Secret",
        r#"{"data":{"a":"1","b":"1"}}"#,
        r#"{"data":{"b":"2","c":"1"}}"#,
        "+.data.c ~.data.b -.data.a",
    );
    check("Secret", r#"{}"#, r#"{"data":{"a":"1"}}"#, "+.data +.data.a");
    check("Secret", r#"{"data":{"a":"1"}}"#, r#"{}"#, "-.data -.data.a");
    check("Secret", r#"{"data":{"a":"1"}}"#, r#"{"data":{}}"#, "-.data.a");
    check("Secret", r#"{"data":{}}"#, r#"{"data":null}"#, "~.data");
    check("Secret", r#"{"data":{}}"#, r#"{"data":{}}"#, "");
    check("Secret", r#"{"data":{"a":"1"}}"#, r#"{"data":"x"}"#, "~.data");
    check(
        "Secret",
        r#"{"immutable":true}"#,
        r#"{"immutable":null}"#,
        "~.immutable",
    );
    check(
        "Secret",
        r#"{"metadata":{"managedFields":[]}}"#,
        r#"{"metadata":{"managedFields":[{}]}}"#,
        "",
    );
    check("Secret", r#"{"foo":{"a":1}}"#, r#"{"foo":{"a":2}}"#, "~.foo");
    check(
        "Pod",
        r#"{"spec":{"nodeSelector":{"a":"1"}}}"#,
        r#"{"spec":{"nodeSelector":{"b":"1"}}}"#,
        "~.spec.nodeSelector",
    );
}

#[test]
fn lists() {
    check(
        "Secret",
        r#"{"metadata":{"finalizers":["a","b"]}}"#,
        r#"{"metadata":{"finalizers":["b","c"]}}"#,
        r#"+.metadata.finalizers[="c"] -.metadata.finalizers[="a"]"#,
    );
    check(
        "Secret",
        r#"{"metadata":{"finalizers":["a","b"]}}"#,
        r#"{"metadata":{"finalizers":["b","a"]}}"#,
        "",
    );
    check(
        "Secret",
        r#"{"metadata":{"finalizers":["a"]}}"#,
        r#"{"metadata":{"finalizers":["a","a"]}}"#,
        r#"~.metadata.finalizers[="a"]"#,
    );
    check(
        "Pod",
        r#"{"spec":{"containers":[{"name":"c","image":"1"},{"name":"d"}]}}"#,
        r#"{"spec":{"containers":[{"name":"e"},{"name":"c","image":"2"}]}}"#,
        r#"+.spec.containers[name="e"] +.spec.containers[name="e"].name ~.spec.containers[name="c"].image
           -.spec.containers[name="d"] -.spec.containers[name="d"].name"#,
    );
    check(
        "Pod",
        r#"{"spec":{"tolerations":[{"key":"a"}]}}"#,
        r#"{"spec":{"tolerations":[{"key":"b"}]}}"#,
        "~.spec.tolerations",
    );
    check(
        "Pod",
        r#"{"spec":{"containers":[7]}}"#,
        r#"{"spec":{"containers":[8]}}"#,
        "~.spec.containers[0]",
    );
}

/// Objects carry the zero values that Go writes; nobody comes to own them.
#[test]
fn zero_values() {
    check(
        "Pod",
        "",
        r#"{"metadata":{},"spec":{"containers":[]},"status":{}}"#,
        "~.spec.containers",
    );
    check(
        "Pod",
        "",
        r#"{"spec":{"nodeName":"n"},"status":{}}"#,
        "+.spec.nodeName",
    );
    check(
        "Node",
        "",
        r#"{"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{"machineID":""}}}"#,
        "",
    );
    check(
        "Pod",
        "",
        r#"{"spec":{"containers":[{"name":"c","resources":{}}]}}"#,
        r#"+.spec.containers[name="c"] +.spec.containers[name="c"].name +.spec.containers[name="c"].resources"#,
    );
    check(
        "Deployment",
        "",
        r#"{"spec":{"strategy":{"rollingUpdate":{}},"template":{"spec":{}}}}"#,
        "+.spec.strategy.rollingUpdate",
    );
    check("Pod", r#"{"status":{}}"#, "{}", "");
}
