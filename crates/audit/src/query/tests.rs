use std::fs;

use super::*;

fn record(line: &str) -> Record {
    Record::parse(line.as_bytes()).unwrap()
}

fn sample() -> Record {
    record(
        r#"{"verb":"get","stage":"ResponseComplete","user":{"username":"system:serviceaccount:shop:web"},
        "objectRef":{"resource":"secrets","namespace":"shop","name":"db"},"responseStatus":{"metadata":{},"code":200},
        "stageTimestamp":"2026-11-22T05:43:00.000001Z","annotations":{"authorization.k8s.io/decision":"allow"}}"#,
    )
}

#[test]
fn what_is_read_leniently() {
    let secret = sample();
    for text in [
        "",
        "get",
        "GET",
        "secrets",
        "secret",
        "get secrets",
        "get secret/db",
        "secret db",
        "* secrets/db",
        "get */db",
        "Secrets",
        "get *",
    ] {
        assert!(What::parse(text).matches(&secret), "{text}");
    }
    for text in [
        "list",
        "configmaps",
        "get secrets/other",
        "delete secrets/db",
        "secrets.apps",
        "/api",
        "s",
    ] {
        assert!(!What::parse(text).matches(&secret), "{text}");
    }
    let token = record(
        r#"{"verb":"create","objectRef":{"resource":"serviceaccounts","name":"x","subresource":"token","apiGroup":""}}"#,
    );
    for text in ["sa", "create serviceaccounts/token", "serviceaccount/x"] {
        assert!(What::parse(text).matches(&token), "{text}");
    }
    let path = record(r#"{"verb":"get","requestURI":"/version?x"}"#);
    assert!(What::parse("get /version").matches(&path));
    assert!(What::parse("/").matches(&path));
    assert!(!What::parse("secrets").matches(&path));
}

#[test]
fn filters_narrow() {
    let secret = sample();
    let time = |text: &str| Some(text.parse().unwrap());
    let who = |who: &str| Filter {
        who: Some(who.to_owned()),
        ..Filter::default()
    };
    for (filter, expected) in [
        (Filter::default(), true),
        (who("system:serviceaccount:shop:web"), true),
        (who("web"), true),
        (who("shop:web"), false),
        (who("alice"), false),
        (
            Filter {
                namespace: Some("shop".to_owned()),
                ..Filter::default()
            },
            true,
        ),
        (
            Filter {
                namespace: Some("bar".to_owned()),
                ..Filter::default()
            },
            false,
        ),
        (
            Filter {
                since: time("2026-11-22T05:43:00Z"),
                ..Filter::default()
            },
            true,
        ),
        (
            Filter {
                since: time("2026-11-22T05:43:01Z"),
                ..Filter::default()
            },
            false,
        ),
        (
            Filter {
                until: time("2026-11-22T05:43:01Z"),
                ..Filter::default()
            },
            true,
        ),
        (
            Filter {
                until: time("2026-11-22T05:43:00Z"),
                ..Filter::default()
            },
            false,
        ),
    ] {
        assert_eq!(filter.matches(&secret), expected, "{filter:?}");
    }
    let mut impersonating = secret;
    impersonating.user.username = "admin".to_owned();
    impersonating.impersonated_user = Some(crate::RecordedUser {
        username: "bob".to_owned(),
        ..Default::default()
    });
    assert!(who("bob").matches(&impersonating) && who("admin").matches(&impersonating));
}

#[test]
fn people_read_one_line() {
    let mut record = sample();
    let expected = "2026-11-22T05:43:00.000001Z system:serviceaccount:shop:web get secrets shop/db 200 allow";
    assert_eq!(record.to_string(), expected);
    record.user.username = "evil\n\u{1b}[2J".to_owned();
    assert!(!record.to_string().contains(char::is_control));
    assert_eq!(Record::default().to_string(), "- - - - -");
}

#[test]
fn files_are_read_in_their_order_past_bad_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let rotated = directory.path().join("audit-2026-01-01T00-00-00.000.log");
    fs::write(&rotated, "{\"verb\":\"get\"}\nbad\n{\"verb\":\"list\"}\n").unwrap();
    fs::write(&path, "{\"verb\":\"watch\"}\n{\"verb\":\"torn").unwrap();
    let files = files_of(&path).unwrap();
    assert_eq!(files, [rotated, path]);
    let found: Vec<_> = query(files, Filter::default())
        .map(|record| {
            record.map_or_else(
                |error| error.to_string().replace(directory.path().to_str().unwrap(), ""),
                |record| record.verb,
            )
        })
        .collect();
    let bad = "/audit-2026-01-01T00-00-00.000.log line 2: this is not an audit event";
    assert_eq!(found, ["get", bad, "list", "watch"]);
    let missing = query(vec![directory.path().join("no")], Filter::default()).next();
    assert!(matches!(missing, Some(Err(QueryError::Read { .. }))));
}
