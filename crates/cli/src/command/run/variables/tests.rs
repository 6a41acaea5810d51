use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::super::source::{Kind, Wanted, variable};
use super::{Contents, Known, Lacking, NameRule, ValueProblem, assemble, check_names};

fn known() -> Known {
    let contents = |data: &[(&str, &[u8])]| {
        let data = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Zeroizing::new(value.to_vec())));
        Some(Contents {
            data: data.collect(),
            immutable: false,
        })
    };
    let wanted = |kind, name: &str| Wanted {
        kind,
        name: name.to_owned(),
    };
    BTreeMap::from([
        (
            wanted(Kind::Secret, "db"),
            contents(&[("user", b"admin"), ("password", b"s\xff3")]),
        ),
        (
            wanted(Kind::Secret, "odd"),
            contents(&[("1st", b"1"), ("tls.crt", b"c"), ("a-b", b"d")]),
        ),
        (
            wanted(Kind::Secret, "bad"),
            contents(&[("nul", b"a\0b"), ("long", &[b'x'; 131_072]), ("ok", b"k")]),
        ),
        (wanted(Kind::Secret, "absent"), None),
        (
            wanted(Kind::ConfigMap, "db"),
            contents(&[("user", b"nobody"), ("host", b"localhost")]),
        ),
    ])
}

#[test]
fn variables_and_what_is_lacking() {
    let check = |sources: &[&str], rule: NameRule, expect: &[(&str, &str)], lacks: &[&str]| {
        let sources: Vec<_> = sources
            .iter()
            .map(|text| match text.strip_prefix("configmap/") {
                Some(text) => (Kind::ConfigMap, variable(text).unwrap()),
                None => (Kind::Secret, variable(text).unwrap()),
            })
            .collect();
        let (variables, lacking) = assemble(&sources, &known(), rule);
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
            .collect();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(variables, expect, "{sources:?}");
        let lacking: Vec<_> = lacking
            .iter()
            .map(|lacking| match lacking {
                Lacking::Object(wanted) => format!("object {}", wanted.name),
                Lacking::Key { key, keys, .. } => format!("key {key} of {}", keys.join(",")),
                Lacking::Value {
                    key,
                    problem: ValueProblem::Nul,
                    ..
                } => format!("nul {key}"),
                Lacking::Value {
                    key,
                    problem: ValueProblem::TooLong(bytes),
                    ..
                } => format!("long {key} {bytes}"),
                Lacking::Skipped { keys, .. } => format!("skipped {}", keys.join(",")),
            })
            .collect();
        assert_eq!(lacking, lacks, "{sources:?}");
    };
    let relaxed = NameRule::Relaxed;
    check(
        &["db"],
        relaxed,
        &[("password", "s\u{fffd}3"), ("user", "admin")],
        &[],
    );
    check(
        &["db:password=PGPASSWORD"],
        relaxed,
        &[("PGPASSWORD", "s\u{fffd}3")],
        &[],
    );
    check(&["db:user", "odd:1st=user"], relaxed, &[("user", "1")], &[]);
    check(
        &["configmap/db", "db:user"],
        relaxed,
        &[("host", "localhost"), ("user", "admin")],
        &[],
    );
    check(
        &["odd"],
        relaxed,
        &[("1st", "1"), ("a-b", "d"), ("tls.crt", "c")],
        &[],
    );
    check(
        &["odd"],
        NameRule::Strict,
        &[("a-b", "d"), ("tls.crt", "c")],
        &["skipped 1st"],
    );
    check(
        &["absent", "db:user"],
        relaxed,
        &[("user", "admin")],
        &["object absent"],
    );
    check(&["never-heard-of"], relaxed, &[], &["object never-heard-of"]);
    check(&["db:pass=P"], relaxed, &[], &["key pass of password,user"]);
    check(
        &["bad"],
        relaxed,
        &[("ok", "k")],
        &["long long 131072", "nul nul"],
    );
}

#[test]
fn names_that_were_asked_for() {
    for (text, rule, good) in [
        ("db:a=1A", NameRule::Relaxed, true),
        ("db:a=1A", NameRule::Strict, false),
        ("db:a=A B", NameRule::Strict, false),
        ("db:a=A.B-C_1", NameRule::Strict, true),
        ("db", NameRule::Strict, true),
    ] {
        assert_eq!(
            check_names(&[(Kind::Secret, variable(text).unwrap())], rule).is_ok(),
            good,
            "{text}"
        );
    }
}
