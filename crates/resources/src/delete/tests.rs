use serde_json::json;

use super::*;
use crate::table::find;

fn context() -> Context {
    Context {
        now: "2026-01-02T03:04:05Z".parse().expect("a timestamp"),
        manager: "test".to_owned(),
        uid: String::new(),
        name_suffix: String::new(),
    }
}

fn object(plural: &str, finalizers: &[&str]) -> Object {
    let mut object = find("", "v1", plural).expect("served").new_object("x");
    object.metadata.uid = "u".to_owned();
    object.metadata.resource_version = "7".to_owned();
    object.metadata.finalizers = finalizers
        .iter()
        .map(|finalizer| (*finalizer).to_owned())
        .collect();
    object
}

/// `removed`, `pending`, or the finalizers of the marked object.
fn plan(plural: &str, stored: &Object, options: &DeleteOptions) -> String {
    let resource = find("", "v1", plural).expect("served");
    match plan_delete(resource, stored, options, &context()) {
        Ok(Deletion::Remove) => "removed".to_owned(),
        Ok(Deletion::Pending) => "pending".to_owned(),
        Ok(Deletion::Mark(marked)) => {
            assert_eq!(
                marked.metadata.deletion_timestamp.as_deref(),
                Some("2026-01-02T03:04:05Z")
            );
            format!("marked {}", marked.metadata.finalizers.join(","))
        }
        Err(status) => status.message,
    }
}

#[test]
fn deletions() {
    let options = |body| parse_options(serde_json::from_value::<Map>(body).as_ref().expect("an object"));
    let check = |stored: &Object, body, expect: &str| {
        assert_eq!(
            plan("secrets", stored, &options(body).expect("legal options")),
            expect
        );
    };
    check(&object("secrets", &[]), json!({}), "removed");
    check(&object("secrets", &["a.b/c"]), json!({}), "marked a.b/c");
    check(
        &object("secrets", &[]),
        json!({"propagationPolicy": "Foreground"}),
        "marked foregroundDeletion",
    );
    check(
        &object("secrets", &[]),
        json!({"orphanDependents": true}),
        "marked orphan",
    );
    check(
        &object("secrets", &["orphan"]),
        json!({"propagationPolicy": "Background"}),
        "removed",
    );
    check(
        &object("secrets", &[]),
        json!({"preconditions": {"uid": "v"}}),
        "Operation cannot be fulfilled on Secret \"x\": the UID in the precondition (v) does not match the UID in record (u). The object might have been deleted and then recreated",
    );
    check(
        &object("secrets", &[]),
        json!({"preconditions": {"resourceVersion": "6"}}),
        "Operation cannot be fulfilled on Secret \"x\": the ResourceVersion in the precondition (6) does not match the ResourceVersion in record (7). The object might have been modified",
    );
}

#[test]
fn a_namespace_waits_to_be_emptied() {
    let mut namespace = object("namespaces", &[]);
    namespace
        .body
        .insert("spec".to_owned(), json!({"finalizers": ["kubernetes"]}));
    assert_eq!(
        plan("namespaces", &namespace, &DeleteOptions::default()),
        "marked "
    );
    "default".clone_into(&mut namespace.metadata.name);
    assert_eq!(
        plan("namespaces", &namespace, &DeleteOptions::default()),
        "namespaces \"default\" is forbidden: this namespace may not be deleted"
    );
}

#[test]
fn options_are_refused_with_kubernetes_texts() {
    let check = |body, expect: &str| {
        let status = parse_options(serde_json::from_value::<Map>(body).as_ref().expect("an object"))
            .expect_err(expect);
        assert_eq!(
            status.message,
            format!("DeleteOptions.meta.k8s.io \"\" is invalid: {expect}")
        );
    };
    check(
        json!({"propagationPolicy": "X"}),
        "propagationPolicy: Unsupported value: \"X\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
    );
    check(
        json!({"propagationPolicy": "Orphan", "orphanDependents": true}),
        "propagationPolicy: Invalid value: \"Orphan\": orphanDependents and deletionPropagation cannot be both set",
    );
}

#[test]
fn pods_are_given_time() {
    let pod = |node: &str, phase: &str, pending: Option<(&str, i64)>, finalizers: &[&str]| {
        let mut pod = object("pods", finalizers);
        pod.metadata.generation = 1;
        if let Some((due, seconds)) = pending {
            pod.metadata.deletion_timestamp = Some(due.to_owned());
            pod.metadata.deletion_grace_period_seconds = Some(seconds);
        }
        let spec = json!({"nodeName": node, "terminationGracePeriodSeconds": 30});
        pod.body.insert("spec".to_owned(), spec);
        pod.body.insert("status".to_owned(), json!({"phase": phase}));
        pod
    };
    let check = |stored: &Object, seconds: Option<i64>, expect: &str| {
        let options = DeleteOptions {
            grace_period_seconds: seconds,
            ..DeleteOptions::default()
        };
        let resource = find("", "v1", "pods").expect("served");
        let found = match plan_delete(resource, stored, &options, &context()).expect("legal") {
            Deletion::Remove => "removed".to_owned(),
            Deletion::Pending => "pending".to_owned(),
            Deletion::Mark(pod) => format!(
                "{} in {} generation {}",
                pod.metadata.deletion_timestamp.as_deref().unwrap_or_default(),
                pod.metadata.deletion_grace_period_seconds.unwrap_or(-1),
                pod.metadata.generation,
            ),
        };
        assert_eq!(found, expect);
    };
    let running = pod("n", "Running", None, &[]);
    check(&running, None, "2026-01-02T03:04:35Z in 30 generation 2");
    check(&running, Some(5), "2026-01-02T03:04:10Z in 5 generation 2");
    check(&running, Some(-5), "2026-01-02T03:04:06Z in 1 generation 2");
    check(&running, Some(0), "removed");
    check(&pod("", "Pending", None, &[]), None, "removed");
    check(&pod("", "Pending", None, &[]), Some(30), "removed");
    check(&pod("n", "Succeeded", None, &[]), None, "removed");
    check(
        &pod("n", "Running", None, &["a.b/c"]),
        Some(0),
        "2026-01-02T03:04:05Z in 0 generation 2",
    );
    let pending = pod("n", "Running", Some(("2026-01-02T03:04:35Z", 30)), &[]);
    check(&pending, None, "pending");
    check(&pending, Some(30), "pending");
    check(&pending, Some(10), "2026-01-02T03:04:15Z in 10 generation 1");
    check(&pending, Some(0), "removed");
}
