use serde_json::{Value, json};

use super::*;
use crate::Policy;

fn groups() -> Vec<String> {
    vec!["dev".to_owned(), "system:authenticated".to_owned()]
}

fn event<'a>() -> Event<'a> {
    Event {
        level: Level::Metadata,
        audit_id: "4c1d",
        stage: Stage::ResponseComplete,
        request_uri: "/api/v1/namespaces/shop/secrets/db?x=1",
        verb: "get",
        user: User::default(),
        impersonated_user: None,
        source_ips: &[],
        user_agent: "",
        object_reference: None,
        response_status: None,
        request_object: None,
        response_object: None,
        request_received: "2026-01-02T03:04:05.000006789Z".parse().unwrap(),
        stage_time: "2026-01-02T03:04:05.12Z".parse().unwrap(),
        annotations: &[],
    }
}

fn read(event: &Event<'_>) -> Value {
    serde_json::from_slice(&event.to_json()).unwrap()
}

#[test]
fn a_whole_event_is_spelled_as_kubernetes_spells_it() {
    let groups = groups();
    let extra = BTreeMap::from([("scopes".to_owned(), vec!["a".to_owned(), "b\"".to_owned()])]);
    let mut event = event();
    event.user = User {
        username: "alice",
        uid: "7",
        groups: &groups,
        extra: Some(&extra),
    };
    event.impersonated_user = Some(User {
        username: "bob",
        ..User::default()
    });
    let addresses = ["10.0.0.1".parse().unwrap(), "::ffff:10.0.0.2".parse().unwrap()];
    event.source_ips = &addresses;
    event.user_agent = "kubectl/1.32";
    event.object_reference = Some(ObjectReference {
        resource: "secrets",
        namespace: "shop",
        name: "db",
        uid: "u",
        api_group: "g",
        api_version: "v1",
        resource_version: "12",
        subresource: "s",
    });
    event.response_status = Some(ResponseStatus {
        code: 403,
        status: "Failure",
        message: "no\nway",
        reason: "Forbidden",
    });
    event.annotations = &[
        ("authorization.k8s.io/decision", "forbid"),
        (chain::SEQUENCE_ANNOTATION, "1"),
    ];
    let expected = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","stage":"ResponseComplete","user":{"username":"alice","uid":"7","groups":["dev","system:authenticated"],"extra":{"scopes":["a","b\""]}},"impersonatedUser":{"username":"bob"},"sourceIPs":["10.0.0.1","10.0.0.2"],"userAgent":"kubectl/1.32","auditID":"4c1d","verb":"get","requestURI":"/api/v1/namespaces/shop/secrets/db?x=1","objectRef":{"resource":"secrets","namespace":"shop","name":"db","uid":"u","apiGroup":"g","apiVersion":"v1","resourceVersion":"12","subresource":"s"},"responseStatus":{"metadata":{},"status":"Failure","message":"no\nway","reason":"Forbidden","code":403},"requestReceivedTimestamp":"2026-01-02T03:04:05.000006Z","stageTimestamp":"2026-01-02T03:04:05.120000Z","annotations":{"authorization.k8s.io/decision":"forbid"}}"#;
    assert_eq!(String::from_utf8(event.to_json()).unwrap(), expected);
}

#[test]
fn what_is_empty_is_not_written() {
    let expected = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","stage":"ResponseComplete","user":{},"auditID":"4c1d","verb":"get","requestURI":"/api/v1/namespaces/shop/secrets/db?x=1","requestReceivedTimestamp":"2026-01-02T03:04:05.000006Z","stageTimestamp":"2026-01-02T03:04:05.120000Z"}"#;
    assert_eq!(String::from_utf8(event().to_json()).unwrap(), expected);
    let mut empty = event();
    empty.object_reference = Some(ObjectReference::default());
    empty.response_status = Some(ResponseStatus::default());
    assert_eq!(read(&empty)["objectRef"], json!({}));
    assert_eq!(read(&empty)["responseStatus"], json!({"metadata": {}}));
}

#[test]
fn whatever_a_client_sends_stays_one_line() {
    let mut event = event();
    for text in [
        "\n",
        "\u{0}\u{1f}\u{7f}",
        "\"}}\n{",
        "\\",
        "ä\u{2028}😀",
        "<script>&",
    ] {
        event.request_uri = text;
        event.user_agent = text;
        event.user.username = text;
        assert!(!event.to_json().contains(&b'\n'));
        let read = read(&event);
        assert_eq!(read["requestURI"], text);
        assert_eq!(read["userAgent"], text);
        assert_eq!(read["user"]["username"], text);
    }
}

#[test]
fn what_needs_escaping_is_found_wherever_it_stands() {
    for length in 1..=25 {
        for at in 0..length {
            for byte in 0..=u8::MAX {
                let mut bytes = vec![b'~'; length];
                bytes[at] = byte;
                let special = byte < b' ' || byte == b'"' || byte == b'\\';
                assert_eq!(is_plain(&bytes), !special, "{byte} at {at} of {length}");
            }
        }
    }
    assert!(is_plain(b""));
}

#[test]
fn moments_are_written_to_the_microsecond() {
    let mut out = Vec::new();
    for moment in [
        "2026-01-02T03:04:05.000006Z",
        "2026-01-02T03:04:05.999999Z",
        "1969-12-31T23:59:59.750000Z",
        "2026-12-31T23:59:59.000000Z",
        "0001-01-01T00:00:00.000001Z",
    ] {
        out.clear();
        time(&mut out, moment.parse().unwrap());
        assert_eq!(String::from_utf8(out.clone()).unwrap(), moment);
    }
}

#[test]
fn addresses_are_written_as_texts_of_them() {
    for text in ["0.0.0.0", "10.200.3.255", "::1", "fe80::1:2"] {
        let mut out = Vec::new();
        address(&mut out, text.parse().unwrap());
        assert_eq!(out, text.as_bytes());
    }
}

#[test]
fn long_user_agents_are_cut() {
    let fits = "x".repeat(1024);
    let mut event = event();
    event.user_agent = &fits;
    assert_eq!(read(&event)["userAgent"], fits.as_str());
    let long = format!("{fits}y");
    event.user_agent = &long;
    assert_eq!(read(&event)["userAgent"], format!("{fits}...TRUNCATED"));
    let wide = "ä".repeat(600) + "x";
    event.user_agent = &wide;
    assert_eq!(
        read(&event)["userAgent"],
        format!("{}...TRUNCATED", "ä".repeat(512))
    );
}

#[test]
fn bodies_go_without_managed_fields_when_asked() {
    let body = json!({
        "metadata": {"name": "x", "managedFields": [1]},
        "items": [{"metadata": {"managedFields": []}, "spec": {"metadata": {"managedFields": 1}}}],
        "status": {"metadata": null},
    });
    let decide = |omit: bool| {
        let text = format!(
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitManagedFields: {omit}\nrules: [{{level: RequestResponse}}]"
        );
        let request = crate::Request {
            resource: "pods",
            is_resource: true,
            ..crate::Request::default()
        };
        Policy::parse(&text).unwrap().decide(&request).unwrap()
    };
    let mut event = event();
    event.request_object = decide(false).request_body(&body);
    event.response_object = decide(true).response_body(&body);
    let read = read(&event);
    assert_eq!(read["requestObject"], body);
    let expected = json!({
        "metadata": {"name": "x"},
        "items": [{"metadata": {}, "spec": {"metadata": {"managedFields": 1}}}],
        "status": {"metadata": null},
    });
    assert_eq!(read["responseObject"], expected);
}
