use strongroom_objects::schema::schema;

use super::*;

fn shape(kind: &str) -> Shape<'static> {
    Shape::root(schema().kind("", "v1", kind).unwrap())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn merges() {
    for (kind, live, applied, expect) in [
        (
            "Secret",
            r#"{"data":{"a":"1","b":"2"}}"#,
            r#"{"data":{"b":"3","c":"4"}}"#,
            r#"{"data":{"a":"1","b":"3","c":"4"}}"#,
        ),
        (
            "Secret",
            r#"{"data":{"a":"1"}}"#,
            r#"{"data":null}"#,
            r#"{"data":{"a":"1"}}"#,
        ),
        (
            "Secret",
            r#"{"data":{"a":"1"}}"#,
            r#"{"data":{}}"#,
            r#"{"data":{"a":"1"}}"#,
        ),
        (
            "Secret",
            r#"{"immutable":true}"#,
            r#"{"immutable":null}"#,
            r#"{"immutable":null}"#,
        ),
        ("Secret", r#"{}"#, r#"{"data":{}}"#, r#"{"data":{}}"#),
        (
            "Pod",
            r#"{"spec":{"tolerations":[{"key":"a"}]}}"#,
            r#"{"spec":{"tolerations":[{"key":"b"}]}}"#,
            r#"{"spec":{"tolerations":[{"key":"b"}]}}"#,
        ),
        (
            "Pod",
            r#"{"spec":{"nodeSelector":{"a":"1"}}}"#,
            r#"{"spec":{"nodeSelector":{"b":"1"}}}"#,
            r#"{"spec":{"nodeSelector":{"b":"1"}}}"#,
        ),
        (
            "Pod",
            r#"{"spec":{"containers":[{"name":"c","ports":[{"containerPort":80,"protocol":"TCP","name":"x"}]}]}}"#,
            r#"{"spec":{"containers":[{"name":"c","ports":[{"containerPort":80,"hostPort":1}]}]}}"#,
            r#"{"spec":{"containers":[{"name":"c","ports":[{"containerPort":80,"hostPort":1,"name":"x","protocol":"TCP"}]}]}}"#,
        ),
    ] {
        assert_eq!(
            merge(shape(kind), Some(json(live)), json(applied)),
            json(expect),
            "{live} + {applied}"
        );
    }
}

/// Lists of finalizers, written as words.
#[test]
fn order_of_lists() {
    for (live, applied, expect) in [
        ("a b", "a b", "a b"),
        ("a b", "b a", "b a"),
        ("a b", "", "a b"),
        ("", "a b", "a b"),
        ("a b c", "b", "a b c"),
        ("a b c", "c a", "b c a"),
        ("a x b", "a n b", "a x n b"),
        ("x y", "a", "x y a"),
        ("a x", "a n", "a x n"),
        ("a x b y", "b a", "x b y a"),
        ("a b x c", "c n b", "a x c n b"),
        ("a a b", "b a", "b a"),
        ("x x", "a", "x x a"),
    ] {
        let list = |words: &str| serde_json::json!({"metadata": {"finalizers": words.split_whitespace().collect::<Vec<_>>()}});
        assert_eq!(
            merge(shape("Secret"), Some(list(live)), list(applied)),
            list(expect),
            "{live} + {applied}"
        );
    }
}

#[test]
fn removes() {
    let container = r#"{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":"#;
    for (kind, object, doomed, expect) in [
        (
            "Secret",
            r#"{"data":{"a":"1","b":"2"}}"#,
            r#"{"f:data":{"f:a":{}}}"#.to_owned(),
            r#"{"data":{"b":"2"}}"#,
        ),
        (
            "Secret",
            r#"{"data":{"a":"1"}}"#,
            r#"{"f:data":{"f:a":{}}}"#.to_owned(),
            "{}",
        ),
        (
            "Secret",
            r#"{"data":{"a":"1"}}"#,
            r#"{"f:data":{".":{},"f:b":{}}}"#.to_owned(),
            r#"{"data":{"a":"1"}}"#,
        ),
        ("Secret", r#"{"data":{}}"#, r#"{"f:data":{}}"#.to_owned(), "{}"),
        (
            "Secret",
            r#"{"metadata":{"finalizers":["a","b"]}}"#,
            r#"{"f:metadata":{"f:finalizers":{"v:\"a\"":{}}}}"#.to_owned(),
            r#"{"metadata":{"finalizers":["b"]}}"#,
        ),
        (
            "Secret",
            r#"{"metadata":{"finalizers":["a"],"name":"n"}}"#,
            r#"{"f:metadata":{"f:finalizers":{"v:\"a\"":{}}}}"#.to_owned(),
            r#"{"metadata":{"name":"n"}}"#,
        ),
        (
            "Pod",
            r#"{"spec":{"containers":[{"name":"c"},{"name":"d"}]}}"#,
            format!("{container}{{}}}}}}}}"),
            r#"{"spec":{"containers":[{"name":"d"}]}}"#,
        ),
        (
            "Pod",
            r#"{"spec":{"containers":[{"name":"c","tty":true}]}}"#,
            format!(r#"{container}{{"f:tty":{{}}}}}}}}}}"#),
            r#"{"spec":{"containers":[{"name":"c"}]}}"#,
        ),
        (
            "Pod",
            r#"{"spec":{"nodeSelector":{"a":"1"},"nodeName":"n"}}"#,
            r#"{"f:spec":{"f:nodeSelector":{"f:a":{}}}}"#.to_owned(),
            r#"{"spec":{"nodeSelector":{"a":"1"},"nodeName":"n"}}"#,
        ),
        (
            "Pod",
            r#"{"spec":{"securityContext":{"runAsUser":1}}}"#,
            r#"{"f:spec":{"f:securityContext":{}}}"#.to_owned(),
            "{}",
        ),
    ] {
        let mut object = json(object);
        let before = object.to_string();
        remove(
            shape(kind),
            &mut object,
            &Set::from_fields_v1(&json(&doomed)).unwrap(),
        );
        assert_eq!(object, json(expect), "{before} - {doomed}");
    }
}
