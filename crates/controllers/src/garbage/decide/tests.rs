//! Scenarios: objects appear, change and go; then one of them is decided about.

use serde_json::{Value, json};

use super::*;
use crate::garbage::graph::KindOf;
use crate::object::Object;

const CONFIG_MAPS: ResourceId = ResourceId(0);
const SECRETS: ResourceId = ResourceId(1);
const NAMESPACES: ResourceId = ResourceId(2);

fn graph() -> Graph {
    let mut graph = Graph::default();
    let kind = |kind: &str, resource, namespaced| {
        (
            ("v1".to_owned(), kind.to_owned()),
            KindOf { resource, namespaced },
        )
    };
    let kinds = [
        kind("ConfigMap", CONFIG_MAPS, true),
        kind("Secret", SECRETS, true),
        kind("Namespace", NAMESPACES, false),
    ];
    graph.set_kinds(kinds.into());
    graph
}

/// An object in namespace `n` whose uid is `u-NAME`.
fn object(name: &str, more: Value) -> crate::object::Metadata {
    let mut metadata =
        json!({"name": name, "namespace": "n", "uid": format!("u-{name}"), "resourceVersion": "1"});
    for (field, value) in more.as_object().into_iter().flatten() {
        metadata[field] = value.clone();
    }
    serde_json::from_value::<Object>(json!({"metadata": metadata}))
        .expect("an object")
        .metadata
}

fn owned_by(kind: &str, names: &[&str]) -> Value {
    let owner = |name: &&str| json!({"apiVersion": "v1", "kind": kind, "name": name, "uid": format!("u-{name}"), "blockOwnerDeletion": true});
    json!({"ownerReferences": names.iter().map(owner).collect::<Vec<_>>()})
}

fn deleting(finalizer: &str) -> Value {
    json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [finalizer]})
}

fn merged(one: Value, other: Value) -> Value {
    let mut fields = one.as_object().cloned().unwrap_or_default();
    fields.extend(other.as_object().cloned().unwrap_or_default());
    Value::Object(fields)
}

fn key(resource: ResourceId, name: &str) -> Key {
    Key {
        resource,
        namespace: "n".to_owned(),
        name: name.to_owned(),
    }
}

fn owner(name: &str) -> OwnerKey {
    OwnerKey {
        uid: format!("u-{name}"),
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: "n".to_owned(),
        name: name.to_owned(),
    }
}

fn learn(graph: &mut Graph, name: &str, existence: Existence) {
    graph.learn(graph.epoch(), owner(name), existence);
}

/// Builds a graph with secret `s` owned by config maps `owners`, and decides about `s`.
fn check(owners: &[&str], events: impl FnOnce(&mut Graph), expect: Action) {
    let mut graph = graph();
    graph.apply(SECRETS, &object("s", owned_by("ConfigMap", owners)));
    events(&mut graph);
    assert_eq!(decide(&graph, &key(SECRETS, "s"), true), expect);
}

fn delete(propagation: Propagation) -> Action {
    Action::Delete(propagation)
}

#[test]
fn an_object_lives_while_an_owner_lives() {
    use Existence::{Absent, Present};
    use Propagation::Background;
    check(&["a"], |_| {}, Action::LookUp(vec![(CONFIG_MAPS, owner("a"))]));
    check(&["a"], |graph| learn(graph, "a", Present), Action::Nothing);
    check(&["a"], |graph| learn(graph, "a", Absent), delete(Background));
    check(
        &["a", "b"],
        |graph| {
            learn(graph, "a", Absent);
            learn(graph, "b", Present)
        },
        Action::Disown {
            uids: vec!["u-a".to_owned()],
        },
    );
    check(
        &["a", "b"],
        |graph| {
            learn(graph, "a", Absent);
            learn(graph, "b", Absent)
        },
        delete(Background),
    );
    check(
        &["a", "b"],
        |graph| learn(graph, "a", Absent),
        Action::LookUp(vec![(CONFIG_MAPS, owner("b"))]),
    );
    check(&[], |_| {}, Action::Nothing);
}

#[test]
fn a_deletion_seen_counts_at_once_and_for_good() {
    use Existence::Present;
    check(
        &["a"],
        |graph| {
            learn(graph, "a", Present);
            graph.delete(CONFIG_MAPS, &object("a", json!({})));
        },
        delete(Propagation::Background),
    );
    check(
        &["a"],
        |graph| {
            graph.delete(CONFIG_MAPS, &object("a", json!({})));
            learn(graph, "a", Present);
        },
        delete(Propagation::Background),
    );
    check(
        &["a"],
        |graph| {
            learn(graph, "a", Present);
            graph.delete(CONFIG_MAPS, &object("a", json!({"uid": "other"})));
        },
        Action::Nothing,
    );
}

#[test]
fn a_list_that_does_not_tell_an_object_tells_that_it_is_gone() {
    let look_up = || Action::LookUp(vec![(CONFIG_MAPS, owner("a"))]);
    // A plain owner may have gone unseen, so it is looked up anew.
    check(
        &["a"],
        |graph| {
            learn(graph, "a", Existence::Present);
            graph.begin_list(CONFIG_MAPS);
            assert_eq!(graph.end_list(CONFIG_MAPS), [key(SECRETS, "s")]);
        },
        look_up(),
    );
    // What was learnt before the list ended does not count after it.
    check(
        &["a"],
        |graph| {
            let epoch = graph.epoch();
            graph.begin_list(CONFIG_MAPS);
            graph.end_list(CONFIG_MAPS);
            graph.learn(epoch, owner("a"), Existence::Present);
        },
        look_up(),
    );
    // Other resources' lists do not matter, nor does one that tells the object.
    check(
        &["a"],
        |graph| {
            learn(graph, "a", Existence::Present);
            graph.begin_list(SECRETS);
            graph.apply(SECRETS, &object("s", owned_by("ConfigMap", &["a"])));
            graph.end_list(SECRETS);
            learn(graph, "a", Existence::Present);
        },
        Action::Nothing,
    );
    check(
        &["a"],
        |graph| {
            graph.begin_list(SECRETS);
            graph.end_list(SECRETS);
            assert!(graph.node(&key(SECRETS, "s")).is_none());
        },
        Action::Nothing,
    );
}

#[test]
fn an_owner_must_be_where_the_dependent_can_name_it() {
    // The right uid with a wrong name is another owner, and does not spoil the right one.
    check(
        &["a"],
        |graph| {
            learn(graph, "a", Existence::Present);
            let wrong = OwnerKey {
                name: "x".to_owned(),
                ..owner("a")
            };
            graph.learn(graph.epoch(), wrong, Existence::Absent);
        },
        Action::Nothing,
    );
    let mut graph = graph();
    graph.apply(SECRETS, &object("s", owned_by("Pod", &["a"])));
    assert_eq!(
        decide(&graph, &key(SECRETS, "s"), true),
        Action::Nothing,
        "a kind nobody knows"
    );
    graph.apply(SECRETS, &object("s", owned_by("Namespace", &["a"])));
    let cluster_scoped = OwnerKey {
        kind: "Namespace".to_owned(),
        namespace: String::new(),
        ..owner("a")
    };
    assert_eq!(
        decide(&graph, &key(SECRETS, "s"), true),
        Action::LookUp(vec![(NAMESPACES, cluster_scoped)])
    );
    let metadata = object(
        "m",
        merged(owned_by("ConfigMap", &["a"]), json!({"namespace": ""})),
    );
    graph.apply(NAMESPACES, &metadata);
    let at = Key {
        namespace: String::new(),
        ..key(NAMESPACES, "m")
    };
    assert_eq!(
        decide(&graph, &at, true),
        Action::Warn {
            owner: metadata.owner_references[0].clone()
        }
    );
}

#[test]
fn foreground_deletion_waits_for_blocking_dependents() {
    let owner_going = object("a", deleting(FOREGROUND));
    let mut graph = graph();
    graph.apply(SECRETS, &object("s", owned_by("ConfigMap", &["a"])));
    assert_eq!(
        graph.apply(CONFIG_MAPS, &owner_going),
        [key(CONFIG_MAPS, "a"), key(SECRETS, "s")]
    );
    let owner_key = key(CONFIG_MAPS, "a");
    assert_eq!(decide(&graph, &owner_key, true), Action::Nothing, "blocked");
    assert_eq!(
        decide(&graph, &owner_key, false),
        Action::Wait,
        "there may be dependents that are not known yet"
    );
    assert_eq!(
        decide(&graph, &key(SECRETS, "s"), true),
        delete(Propagation::Background)
    );
    let mut not_blocking = owned_by("ConfigMap", &["a"]);
    not_blocking["ownerReferences"][0]["blockOwnerDeletion"] = json!(false);
    assert!(
        graph
            .apply(SECRETS, &object("s", not_blocking))
            .contains(&owner_key)
    );
    assert_eq!(decide(&graph, &owner_key, true), Action::Release);
    graph.apply(SECRETS, &object("s", owned_by("ConfigMap", &["a"])));
    assert_eq!(
        graph.delete(SECRETS, &object("s", json!({}))),
        std::slice::from_ref(&owner_key)
    );
    assert_eq!(decide(&graph, &owner_key, true), Action::Release);
}

#[test]
fn foreground_deletion_goes_down_the_tree_and_out_of_circles() {
    let mut graph = graph();
    graph.apply(CONFIG_MAPS, &object("a", deleting(FOREGROUND)));
    graph.apply(CONFIG_MAPS, &object("b", owned_by("ConfigMap", &["a"])));
    graph.apply(SECRETS, &object("s", owned_by("ConfigMap", &["b"])));
    assert_eq!(
        decide(&graph, &key(CONFIG_MAPS, "b"), true),
        delete(Propagation::Foreground)
    );
    let in_circle = merged(deleting(FOREGROUND), owned_by("ConfigMap", &["b"]));
    graph.apply(CONFIG_MAPS, &object("a", in_circle));
    assert_eq!(decide(&graph, &key(CONFIG_MAPS, "b"), true), Action::Unblock);
    let mut unblocked = owned_by("ConfigMap", &["a"]);
    unblocked["ownerReferences"][0]["blockOwnerDeletion"] = json!(false);
    graph.apply(CONFIG_MAPS, &object("b", unblocked));
    assert_eq!(
        decide(&graph, &key(CONFIG_MAPS, "b"), true),
        delete(Propagation::Foreground)
    );
    assert_eq!(decide(&graph, &key(CONFIG_MAPS, "a"), true), Action::Release);
}

#[test]
fn orphaning_frees_the_dependents() {
    let mut graph = graph();
    graph.apply(SECRETS, &object("s", owned_by("ConfigMap", &["a"])));
    graph.apply(CONFIG_MAPS, &object("a", deleting(ORPHAN)));
    assert_eq!(
        decide(&graph, &key(CONFIG_MAPS, "a"), true),
        Action::Orphan {
            dependents: vec![key(SECRETS, "s")]
        }
    );
    assert_eq!(
        decide(&graph, &key(SECRETS, "s"), true),
        Action::Nothing,
        "its owner still exists"
    );
    graph.apply(SECRETS, &object("s", json!({})));
    assert_eq!(
        decide(&graph, &key(CONFIG_MAPS, "a"), true),
        Action::Orphan {
            dependents: Vec::new()
        }
    );
}

#[test]
fn plain_objects_leave_nothing_behind() {
    let mut graph = graph();
    assert!(graph.apply(SECRETS, &object("s", json!({}))).is_empty());
    assert!(graph.node(&key(SECRETS, "s")).is_none());
    assert!(graph.delete(SECRETS, &object("s", json!({}))).is_empty());
    assert!(
        graph
            .apply(
                SECRETS,
                &object("s", json!({"finalizers": ["example.com/other"]}))
            )
            .is_empty()
    );
    assert!(graph.node(&key(SECRETS, "s")).is_none());
}

#[test]
fn an_object_with_its_own_wishes_is_deleted_by_them() {
    let with_finalizer = |finalizer: &str, expect| {
        let finalizers = json!({"finalizers": [finalizer]});
        check(
            &[],
            |graph| {
                graph.apply(
                    SECRETS,
                    &object("s", merged(owned_by("ConfigMap", &["a"]), finalizers)),
                );
                learn(graph, "a", Existence::Absent);
            },
            delete(expect),
        );
    };
    with_finalizer(ORPHAN, Propagation::Orphan);
    with_finalizer(FOREGROUND, Propagation::Foreground);
    with_finalizer("example.com/other", Propagation::Background);
    check(
        &["a"],
        |graph| {
            graph.apply(
                SECRETS,
                &object(
                    "s",
                    merged(owned_by("ConfigMap", &["a"]), deleting("example.com/other")),
                ),
            );
            learn(graph, "a", Existence::Absent);
        },
        Action::Nothing,
    );
}
