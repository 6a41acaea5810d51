use std::collections::BTreeMap;

use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn label_selectors_match() {
    let web = labels(&[("app", "web"), ("n", "5")]);
    let cases = [
        ("", true),
        ("app", true),
        ("!app", false),
        ("!gone", true),
        ("app=web", true),
        ("app == web", true),
        ("app=", false),
        ("gone!=x", true),
        ("app!=web", false),
        ("app in (web,db)", true),
        ("app in (in)", false),
        ("app notin (web)", false),
        ("gone notin (web)", true),
        ("gone in ()", false),
        ("app in (,web)", true),
        ("n>4,n<6", true),
        ("n>5", false),
        ("app>1", false),
        (" app = web , n ", true),
    ];
    for (text, expect) in cases {
        let selector = LabelSelector::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(selector.matches(&web), expect, "{text}");
    }
    assert!(
        LabelSelector::parse("x in ()")
            .unwrap()
            .matches(&labels(&[("x", "")]))
    );
    assert!(LabelSelector::parse("").unwrap().is_empty());
}

#[test]
fn label_selector_errors() {
    let cases = [
        (
            "a b",
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("!a b", "found 'b', expected: ',' or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        (
            "a in (b",
            "unable to parse requirement: found '', expected: ',' or ')'",
        ),
        (
            "a=(",
            "unable to parse requirement: found '(', expected: identifier",
        ),
        (
            "n>abc",
            "unable to parse requirement: values[0]: Invalid value: \"abc\": for 'Gt', 'Lt' operators, the value must be \
             an integer",
        ),
    ];
    for (text, expect) in cases {
        assert_eq!(
            LabelSelector::parse(text).unwrap_err().to_string(),
            expect,
            "{text}"
        );
    }
    let starts = [
        (
            "-a",
            "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of",
        ),
        (
            "app=$$",
            "unable to parse requirement: values[0][app]: Invalid value: \"$$\": a valid label must be",
        ),
    ];
    for (text, expect) in starts {
        let error = LabelSelector::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(expect), "{error}");
    }
}

#[test]
fn label_selectors_survive_anything() {
    let alphabet = ["a", "=", "!", "(", ")", ",", ">", "in", " ", "é", "\0", "notin"];
    for seed in 0..20_000_usize {
        let mut state = seed;
        let text: String = (0..6)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                alphabet[(state >> 33) % alphabet.len()]
            })
            .collect();
        let _ = LabelSelector::parse(&text);
        let _ = FieldSelector::parse(&text);
    }
}

#[test]
fn field_selectors() {
    let field = |path: &str| match path {
        "type" => Some("Opaque".to_owned()),
        "odd" => Some("a,b=c\\".to_owned()),
        _ => None,
    };
    let cases = [
        ("", true),
        ("type=Opaque", true),
        ("type==Opaque", true),
        ("type!=Opaque", false),
        ("gone=", true),
        ("gone!=x,type=Opaque", true),
        ("odd=a\\,b\\=c\\\\", true),
    ];
    for (text, expect) in cases {
        let selector = FieldSelector::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(selector.matches(field), expect, "{text}");
        assert_eq!(FieldSelector::parse(&selector.to_string()).unwrap(), selector);
    }
    let errors = [
        ("x", "invalid selector: 'x'; can't understand 'x'"),
        ("a=\\x", "invalid field selector: invalid escape sequence: \\x"),
        (
            "a=b=c",
            "invalid field selector: unescaped character in value: 61",
        ),
    ];
    for (text, expect) in errors {
        assert_eq!(FieldSelector::parse(text).unwrap_err().to_string(), expect);
    }
    assert_eq!(
        FieldSelector::parse("metadata.name=x,type!=y")
            .unwrap()
            .requires("metadata.name"),
        Some("x")
    );
}

#[test]
fn what_is_left_to_ask_of_a_known_field() {
    for (text, left) in [
        ("", ""),
        ("metadata.name=x", ""),
        ("metadata.name==x,type=y", "type=y"),
        ("metadata.name!=z", ""),
        ("metadata.name=x,metadata.name!=x", "metadata.name!=x"),
        ("metadata.name=z", "metadata.name=z"),
        ("metadata.namespace=x", "metadata.namespace=x"),
    ] {
        let selector = FieldSelector::parse(text).unwrap();
        assert_eq!(selector.given("metadata.name", "x").to_string(), left, "{text}");
    }
}
