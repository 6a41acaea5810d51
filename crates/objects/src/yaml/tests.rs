use serde_json::json;

use super::*;
use crate::Value;

fn read(text: &str) -> Result<Parsed, ParseError> {
    parse(text.as_bytes(), &Limits::REQUEST)
}

fn check(text: &str, expect: &Value) {
    match read(text) {
        Ok(parsed) => assert_eq!(parsed.value, *expect, "{text}"),
        Err(error) => panic!("{text}: {error}"),
    }
}

#[test]
fn plain_scalars_follow_yaml_1_1() {
    let cases = [
        ("yes", json!(true)),
        ("on", json!(true)),
        ("Off", json!(false)),
        ("n", json!(false)),
        ("~", json!(null)),
        ("0777", json!(511)),
        ("0o17", json!(15)),
        ("0x1F", json!(31)),
        ("0b11", json!(3)),
        ("1_000", json!(1000)),
        ("-12", json!(-12)),
        ("+3", json!(3)),
        ("1.5", json!(1.5)),
        ("1e3", json!(1000.0)),
        ("099", json!(99.0)),
        ("1.2.3", json!("1.2.3")),
        ("10m", json!("10m")),
        ("-", json!([null])),
        ("2024-01-02T03:04:05Z", json!("2024-01-02T03:04:05Z")),
        (".inf", json!(".inf")),
        ("'yes'", json!("yes")),
        ("\"0777\"", json!("0777")),
        ("!!str 12", json!("12")),
        ("YES!", json!("YES!")),
    ];
    for (text, expect) in cases {
        check(text, &expect);
    }
}

#[test]
fn documents() {
    let cases = [
        (
            "n: x\non: z\n1: z\n~: w",
            json!({"false": "x", "true": "z", "1": "z", "null": "w"}),
        ),
        (
            "a: |\n  one\n  two\nb: >-\n  one\n  two\nc: |+\n  x\n\n",
            json!({"a": "one\ntwo\n", "b": "one two", "c": "x\n\n"}),
        ),
        ("a: 1\n---\nb: 2\n", json!({"a": 1})),
        ("---\na: 1\n...\n", json!({"a": 1})),
        ("# comment\na: 1 # more\n", json!({"a": 1})),
        ("", json!(null)),
        ("{\"a\": [1, true, \"x\"]}", json!({"a": [1, true, "x"]})),
        (
            "{a: [1, yes], b: {c: }}",
            json!({"a": [1, true], "b": {"c": null}}),
        ),
        ("- a: 1\n  b: 2\n- [3]\n", json!([{"a": 1, "b": 2}, [3]])),
        ("a: &x {k: v}\nb: *x\n", json!({"a": {"k": "v"}, "b": {"k": "v"}})),
        (
            "a: &x {k: v, l: 1}\nb:\n  <<: *x\n  l: 2\n",
            json!({"a": {"k": "v", "l": 1}, "b": {"k": "v", "l": 2}}),
        ),
    ];
    for (text, expect) in cases {
        check(text, &expect);
    }
}

#[test]
fn duplicates_have_full_paths() {
    assert_eq!(read("data:\n  k: a\n  k: b\n").unwrap().duplicates, ["data.k"]);
    assert_eq!(
        read("data:\n  k: a\n  k: b\n").unwrap().value,
        json!({"data": {"k": "b"}})
    );
    assert_eq!(read("{\"a\":1,\"a\":2}").unwrap().duplicates, ["a"]);
}

#[test]
fn bombs_and_nonsense_are_refused() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            [alias.as_str(); 10].join(",")
        ));
    }
    assert_eq!(read(&bomb), Err(ParseError::TooComplex));
    let mut deep = String::from("a0: &a0 [x]\n");
    for level in 1..200 {
        deep.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(read(&deep), Err(ParseError::TooDeep));
    for text in [
        "a: &x [*x]",
        "a: *gone",
        "a: b: c",
        "\"abc",
        "[1, 2",
        "a:\n\t- b",
        "? [a]\n: b",
        "%",
        "a: 'x",
    ] {
        assert!(
            matches!(read(text), Err(ParseError::Yaml { .. })),
            "{text}: {:?}",
            read(text)
        );
    }
    assert!(read(&"[".repeat(100_000)).is_err());
    assert!(read(&"- ".repeat(10_000)).is_err());
    assert!(
        read("a: secret-value: x")
            .unwrap_err()
            .to_string()
            .find("secret")
            .is_none()
    );
}

#[test]
fn written_documents_read_back() {
    let cases = [
        json!({"a": "yes", "b": "012", "c": "", "d": " x", "e": "x: y", "f": "#", "g": "- a", "h": "multi\nline\n", "i": true}),
        json!({"n": "n", "true": null, "x y": "it's", "0": "~", "-": ":", "k:": "v", "": "e"}),
        json!({"list": [1, [2, [3]], {"a": [], "b": {}, "c": {"d": "e"}}, "x", [{"y": 1}]]}),
        json!({"t": "tab\there", "c": "\u{1}\u{7f}\u{85}\u{feff}", "nl": "\n", "trail": "a \nb", "keep": "a\nb\n\n", "lead": " a\nb"}),
        json!({"deep": {"er": {"text": "one\ntwo", "list": ["one\n\ntwo\n", "x"]}}}),
        json!({"time": "2024-01-02T03:04:05Z", "num": -1.5, "big": u64::MAX, "quote": "\"", "back": "\\", "amp": "&x", "m": "<<"}),
        json!(["é", "日本", "😀", "a#b", "a:b", "...", "---", "a\rb", "="]),
        json!("plain"),
        json!([]),
    ];
    for value in cases {
        let text = write(&value);
        check(&text, &value);
    }
    let expect = "apiVersion: v1\ndata:\n  a: YQ==\nmetadata:\n  finalizers:\n  - x/y\n  generateName: '- x'\n  name: o\n  ownerReferences:\n  - kind: Pod\n    name: p\n  uid: \"123\"\n";
    let value = json!({"apiVersion": "v1", "data": {"a": "YQ=="}, "metadata": {"name": "o", "uid": "123", "generateName": "- x", "finalizers": ["x/y"],
        "ownerReferences": [{"kind": "Pod", "name": "p"}]}});
    assert_eq!(write(&value), expect);
}

#[test]
fn reading_never_panics() {
    let alphabet = [
        "a", ":", " ", "\n", "- ", "[", "]", "{", "}", "&x", "*x", "|", ">", "'", "\"", "#", "?", "!", "%",
        "\t", "é", "---\n", "<<", ",",
    ];
    let mut state = 1_u64;
    for _ in 0..30_000 {
        let text: String = (0..12)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                alphabet[(state >> 33) as usize % alphabet.len()]
            })
            .collect();
        let _ = read(&text);
    }
}
