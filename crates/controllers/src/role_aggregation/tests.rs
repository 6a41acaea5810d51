//! Who gets which rules.

use serde_json::{Value, json};

use super::*;

fn role(object: Value) -> ClusterRole {
    serde_json::from_value(object).expect("a role")
}

fn rule(resource: &str) -> Value {
    json!({"verbs": ["get"], "apiGroups": [""], "resources": [resource]})
}

/// A role with label `l: <label>` and one rule for each resource.
fn plain(name: &str, label: &str, resources: &[&str]) -> ClusterRole {
    let rules: Vec<_> = resources.iter().map(|resource| rule(resource)).collect();
    role(json!({"metadata": {"name": name, "labels": {"l": label}}, "rules": rules}))
}

/// A role with label `l: <label>` that aggregates the roles with the labels `of`, a selector each.
fn aggregate(name: &str, label: &str, of: &[&str]) -> ClusterRole {
    let selectors: Vec<_> = of
        .iter()
        .map(|label| json!({"matchLabels": {"l": label}}))
        .collect();
    role(json!({
        "metadata": {"name": name, "uid": name, "labels": {"l": label}},
        "rules": [rule("stale")],
        "aggregationRule": {"clusterRoleSelectors": selectors},
    }))
}

fn all(roles: Vec<ClusterRole>) -> Roles {
    roles.into_iter().map(ClusterRole::into_role).collect()
}

/// The resources that `name` should have rules for.
fn check(roles: Vec<ClusterRole>, name: &str, expect: Option<&[&str]>) {
    let roles = all(roles);
    let decided = decide(&roles, name).map(|aggregated| serde_json::to_value(aggregated.rules));
    let expect = expect.map(|resources| resources.iter().map(|resource| rule(resource)).collect::<Value>());
    assert_eq!(decided.map(|rules| rules.expect("JSON")), expect, "{name}");
}

#[test]
fn the_union_in_order_without_duplicates() {
    check(
        vec![
            plain("z", "x", &["pods", "nodes"]),
            plain("b", "x", &["secrets", "pods"]),
            plain("a", "y", &["leases"]),
            plain("c", "", &["events"]),
            aggregate("all", "", &["x", "y", "x"]),
        ],
        "all",
        Some(&["secrets", "pods", "nodes", "leases"]),
    );
}

#[test]
fn nothing_to_do() {
    check(vec![plain("a", "x", &["pods"])], "a", None);
    check(vec![plain("a", "x", &["pods"])], "missing", None);
    check(
        vec![aggregate("all", "", &["x"]), plain("a", "x", &["stale"])],
        "all",
        None,
    );
}

#[test]
fn what_is_selected_no_more_goes() {
    check(vec![aggregate("all", "", &["x"])], "all", Some(&[]));
    check(
        vec![aggregate("all", "", &["x"]), plain("a", "y", &["pods"])],
        "all",
        Some(&[]),
    );
}

#[test]
fn aggregates_of_aggregates() {
    let roles = || {
        vec![
            aggregate("admin", "", &["to-admin", "to-edit"]),
            aggregate("edit", "to-admin", &["to-edit"]),
            plain("p", "to-edit", &["pods"]),
            plain("q", "to-admin", &["roles"]),
        ]
    };
    check(roles(), "edit", Some(&["pods"]));
    check(roles(), "admin", Some(&["pods", "roles"]));
}

#[test]
fn never_itself() {
    check(
        vec![aggregate("all", "x", &["x"]), plain("a", "x", &["pods"])],
        "all",
        Some(&["pods"]),
    );
    check(vec![aggregate("all", "x", &["x"])], "all", Some(&[]));
}

#[test]
fn circles_have_what_their_members_state() {
    let circle = || {
        vec![
            aggregate("a", "a", &["b"]),
            aggregate("b", "b", &["c"]),
            aggregate("c", "c", &["a", "x"]),
            plain("p", "x", &["pods"]),
        ]
    };
    for name in ["a", "b", "c"] {
        check(circle(), name, Some(&["pods"]));
    }
    let alone = || vec![aggregate("a", "a", &["b"]), aggregate("b", "b", &["a"])];
    check(alone(), "a", Some(&[]));
    check(alone(), "b", Some(&[]));
}

#[test]
fn long_chains_end() {
    let mut roles: Vec<_> = (0..300)
        .map(|number| {
            aggregate(
                &format!("r{number:03}"),
                &format!("{number}"),
                &[&format!("{}", number + 1)],
            )
        })
        .collect();
    roles.push(plain("last", "300", &["pods"]));
    check(roles, "r000", Some(&["pods"]));
}

#[test]
fn selectors() {
    let check = |selector: Value, expect: bool| {
        let selector: role::LabelSelector = serde_json::from_value(selector).expect("a selector");
        let labels = BTreeMap::from([("l".to_owned(), "v".to_owned())]);
        assert_eq!(selector.matches(&labels), expect, "{selector:?}");
    };
    let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
    check(json!({}), true);
    check(json!({"matchLabels": {"l": "v"}}), true);
    check(json!({"matchLabels": {"l": "w"}}), false);
    check(json!({"matchLabels": {"l": "v", "m": "v"}}), false);
    check(expression("l", "In", &["v", "w"]), true);
    check(expression("l", "In", &["w"]), false);
    check(expression("m", "In", &[""]), false);
    check(expression("l", "NotIn", &["w"]), true);
    check(expression("l", "NotIn", &["v"]), false);
    check(expression("m", "NotIn", &["v"]), true);
    check(expression("l", "Exists", &[]), true);
    check(expression("m", "Exists", &[]), false);
    check(expression("l", "DoesNotExist", &[]), false);
    check(expression("m", "DoesNotExist", &[]), true);
    check(expression("l", "Like", &["v"]), false);
}

#[test]
fn which_changes_matter() {
    let mut roles = Roles::new();
    let check = |roles: &mut Roles, change, expect: &[&str]| assert_eq!(take(roles, change), expect);
    check(
        &mut roles,
        Change::Applied(aggregate("all", "", &["x"])),
        &["all"],
    );
    check(&mut roles, Change::Applied(plain("a", "x", &["pods"])), &["all"]);
    check(&mut roles, Change::Applied(plain("a", "x", &["pods"])), &[]);
    check(&mut roles, Change::Applied(plain("a", "x", &["nodes"])), &["all"]);
    check(&mut roles, Change::Deleted(plain("a", "x", &["nodes"])), &["all"]);
    check(&mut roles, Change::Deleted(plain("a", "x", &["nodes"])), &[]);
    check(&mut roles, Change::Listed, &["all"]);
    check(&mut roles, Change::Listing, &[]);
}

#[test]
fn rules_that_mean_the_same_are_equal() {
    let from = |rules: Value| {
        role(json!({"metadata": {"name": "r"}, "rules": rules}))
            .into_role()
            .1
            .rules
    };
    assert_eq!(from(Value::Null), from(json!([])));
    assert_eq!(
        from(json!([{"verbs": ["get"], "nonResourceURLs": ["/healthz"], "apiGroups": null}])),
        from(json!([{"verbs": ["get"], "nonResourceURLs": ["/healthz"], "resources": []}]))
    );
}
