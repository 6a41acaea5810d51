use serde_json::json;

use super::*;

fn read(text: &[u8]) -> Result<Parsed, ParseError> {
    parse(text, &Limits::REQUEST)
}

#[test]
fn documents() {
    let cases: [(&[u8], Value); 10] = [
        (
            b" {\"a\" : [1, -2, 3.5, 1e2, true, false, null, \"x\"]} \n",
            json!({"a": [1, -2, 3.5, 100.0, true, false, null, "x"]}),
        ),
        (
            b"\"\\u00e9\\n\\\"\\\\\\/\\ud83d\\ude00\\b\\f\\r\\t\"",
            json!("é\n\"\\/😀\u{8}\u{c}\r\t"),
        ),
        (
            b"\"\\ud800x\\udc00\\ud800\\u0041\"",
            json!("\u{fffd}x\u{fffd}\u{fffd}A"),
        ),
        (b"\"a\xff\xe2\x82b\"", json!("a\u{fffd}\u{fffd}\u{fffd}b")),
        (b"\"\\n\xff\"", json!("\n\u{fffd}")),
        (b"18446744073709551615", json!(u64::MAX)),
        (b"-9223372036854775808", json!(i64::MIN)),
        (b"[]", json!([])),
        (b"{}", json!({})),
        (b"{\"a\":1,\"a\":2}", json!({"a": 2})),
    ];
    for (text, expect) in cases {
        assert_eq!(
            read(text).unwrap().value,
            expect,
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn errors_are_those_of_go() {
    let cases: [(&str, &str); 22] = [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("\"abc", "unexpected end of JSON input"),
        ("tru", "unexpected end of JSON input"),
        ("xyz", "invalid character 'x' looking for beginning of value"),
        (
            "{a",
            "invalid character 'a' looking for beginning of object key string",
        ),
        (
            "{\"a\":1,}",
            "invalid character '}' looking for beginning of object key string",
        ),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        ("{\"a\":1 2}", "invalid character '2' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("1 2", "invalid character '2' after top-level value"),
        ("\"a\nb\"", "invalid character '\\n' in string literal"),
        ("\"\\x\"", "invalid character 'x' in string escape code"),
        (
            "\"\\u12g4\"",
            "invalid character 'g' in \\u hexadecimal character escape",
        ),
        ("-x", "invalid character 'x' in numeric literal"),
        (
            "1.x",
            "invalid character 'x' after decimal point in numeric literal",
        ),
        ("1ex", "invalid character 'x' in exponent of numeric literal"),
        ("01", "invalid character '1' after top-level value"),
        ("nulL", "invalid character 'L' in literal null (expecting 'l')"),
        ("'", "invalid character '\\'' looking for beginning of value"),
        (
            "1e999",
            "json: cannot unmarshal number into Go value of type float64",
        ),
    ];
    for (text, expect) in cases {
        assert_eq!(read(text.as_bytes()).unwrap_err().to_string(), expect, "{text}");
    }
}

#[test]
fn duplicates_have_full_paths() {
    let text = br#"{"data":{"k":1,"k":2,"k":3},"metadata":{"labels":{"a":1,"a":1}},"l":[{"x":1},{"x":1,"x":2}],"l":1}"#;
    assert_eq!(
        read(text).unwrap().duplicates,
        ["data.k", "metadata.labels.a", "l[1].x", "l"]
    );
    let many = format!(
        "{{{}}}",
        (0..500)
            .map(|i| format!("\"{i}\":1,\"{i}\":2"))
            .collect::<Vec<_>>()
            .join(",")
    );
    assert_eq!(read(many.as_bytes()).unwrap().duplicates.len(), 100);
}

#[test]
fn limits_hold() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(nested(64).as_bytes()).is_ok());
    assert_eq!(read(nested(65).as_bytes()), Err(ParseError::TooDeep));
    assert_eq!(read("[".repeat(1 << 20).as_bytes()), Err(ParseError::TooDeep));

    let wide = |element: &str, count: usize| format!("[{}]", vec![element; count].join(","));
    assert!(read(wide("[]", 100_000).as_bytes()).is_ok());
    assert_eq!(
        read(wide("[]", 1_000_000).as_bytes()),
        Err(ParseError::TooComplex)
    );
    assert_eq!(
        read(wide("{\"\":0}", 100_000).as_bytes()),
        Err(ParseError::TooComplex)
    );
    let secret = format!("{{\"data\":{{\"k\":\"{}\"}}}}", "A".repeat(1_400_000));
    assert!(read(secret.as_bytes()).is_ok());
}

#[test]
fn written_form() {
    let value = json!({"b": [1, {"x": null}, []], "a": "q\"\\\n\u{1}é", "c": {}, "f": 1.5, "n": -1});
    let mut compact = Vec::new();
    write(&value, &mut compact);
    let expect = r#"{"a":"q\"\\\n\u0001é","b":[1,{"x":null},[]],"c":{},"f":1.5,"n":-1}"#;
    assert_eq!(String::from_utf8(compact).unwrap(), expect);
    let mut pretty = Vec::new();
    write_pretty(&json!({"a": [1, {"b": {}}], "c": []}), &mut pretty);
    let expect = "{\n  \"a\": [\n    1,\n    {\n      \"b\": {}\n    }\n  ],\n  \"c\": []\n}";
    assert_eq!(String::from_utf8(pretty).unwrap(), expect);
}

#[test]
fn every_byte_is_escaped_right_in_every_place() {
    for byte in 0..=0x7f_u8 {
        for before in 0..17 {
            let text = format!("{}{}{}", "a".repeat(before), char::from(byte), "é".repeat(5));
            let mut out = Vec::new();
            write_string(&text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            assert_eq!(out, serde_json::to_vec(&text).unwrap());
        }
    }
}

#[test]
fn checking_without_building() {
    let cases: [(&[u8], Checked); 14] = [
        (b"{\"f:data\":{\".\":{},\"f:a\":{}}}", Checked::Compact),
        (b"[1,-2.5e+3,true,false,null,\"\\u00e9\\n\"]", Checked::Compact),
        (b"{\"a\": 1}", Checked::Spaced),
        (b"{}\n", Checked::Spaced),
        (b"", Checked::Invalid),
        (b"{", Checked::Invalid),
        (b"{}{}", Checked::Invalid),
        (b"{1:2}", Checked::Invalid),
        (b"[1,]", Checked::Invalid),
        (b"\"\n\"", Checked::Invalid),
        (b"\"\\x\"", Checked::Invalid),
        (b"\"\\u00g0\"", Checked::Invalid),
        (b"01", Checked::Invalid),
        (b"\"\xff\"", Checked::Invalid),
    ];
    for (text, expect) in cases {
        assert_eq!(check(text), expect, "{}", String::from_utf8_lossy(text));
    }
    assert_eq!(check("[".repeat(1 << 20).as_bytes()), Checked::Invalid);
}
