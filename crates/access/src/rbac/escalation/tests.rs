use super::super::{LabelSelector, RoleRef, Subject, rule_allows};
use super::*;

fn list(text: &str) -> Vec<String> {
    match text {
        "-" => Vec::new(),
        text => text
            .split(',')
            .map(|word| if word == "core" { "" } else { word }.to_owned())
            .collect(),
    }
}

/// `verbs groups resources names`, or `verbs path paths`; `-` is an empty list and `core` the core group.
fn rule(text: &str) -> PolicyRule {
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        [verbs, "path", paths] => PolicyRule {
            verbs: list(verbs),
            non_resource_urls: list(paths),
            ..PolicyRule::default()
        },
        [verbs, groups, resources, names] => PolicyRule {
            verbs: list(verbs),
            api_groups: list(groups),
            resources: list(resources),
            resource_names: list(names),
            ..PolicyRule::default()
        },
        _ => panic!("{text}"),
    }
}

fn rules(texts: &[&str]) -> Vec<PolicyRule> {
    texts.iter().map(|text| rule(text)).collect()
}

/// A policy in which `u` of groups g1 and g2 holds the rules in a namespace, or everywhere if that is empty.
fn holding(namespace: &str, held: &[&str]) -> Policy {
    let mut policy = Policy::default();
    policy.put_role(Role {
        name: "held".to_owned(),
        rules: rules(held),
        ..Role::default()
    });
    policy.put_binding(binding(namespace, "ClusterRole", "held"));
    policy
}

fn binding(namespace: &str, kind: &str, role: &str) -> Binding {
    Binding {
        namespace: namespace.to_owned(),
        name: "b".to_owned(),
        role_ref: RoleRef {
            kind: kind.to_owned(),
            name: role.to_owned(),
            ..RoleRef::default()
        },
        subjects: vec![Subject {
            kind: "User".to_owned(),
            name: "u".to_owned(),
            ..Subject::default()
        }],
        ..Binding::default()
    }
}

fn user() -> Identity {
    Identity {
        user: "u".to_owned(),
        groups: vec!["g1".to_owned(), "g2".to_owned()],
        ..Identity::default()
    }
}

fn wanted(namespace: &str, texts: &[&str]) -> Role {
    Role {
        namespace: namespace.to_owned(),
        name: "r".to_owned(),
        rules: rules(texts),
        ..Role::default()
    }
}

const NEVER: &dyn Fn(&Attributes<'_>) -> bool = &|_| false;

#[test]
fn what_is_missing_is_listed() {
    let policy = holding("ns", &["get,list core secrets -", "create apps deployments -"]);
    let role = wanted(
        "ns",
        &[
            "get,list,watch,delete core secrets,pods -",
            "get core secrets a,b",
            "get path /x",
        ],
    );
    let error = policy.check_role_write(&user(), None, &role, NEVER).unwrap_err();
    assert_eq!(error.code(), 403);
    assert_eq!(
        error.to_string(),
        "roles.rbac.authorization.k8s.io \"r\" is forbidden: user \"u\" (groups=[\"g1\" \"g2\"]) is attempting to \
         grant RBAC permissions not currently held:\n\
         {APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\" \"list\" \"watch\" \"delete\"]}\n\
         {APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"watch\" \"delete\"]}\n\
         {NonResourceURLs:[\"/x\"], Verbs:[\"get\"]}"
    );
    let elsewhere = wanted("other", &["get core secrets a"]);
    let error = policy
        .check_role_write(&user(), None, &elsewhere, NEVER)
        .unwrap_err();
    let line = "{APIGroups:[\"\"], Resources:[\"secrets\"], ResourceNames:[\"a\"], Verbs:[\"get\"]}";
    assert!(error.to_string().ends_with(line), "{error}");
    let cluster = wanted("", &["get core secrets -"]);
    let error = policy
        .check_role_write(&user(), None, &cluster, NEVER)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("clusterroles.rbac.authorization.k8s.io \"r\" is forbidden")
    );
}

#[test]
fn what_one_holds_one_may_hand_on() {
    let policy = holding("ns", &["get,list core secrets -"]);
    let role = wanted("ns", &["get core secrets -", "list core secrets a"]);
    assert_eq!(policy.check_role_write(&user(), None, &role, NEVER), Ok(()));
    let master = Identity::api_server();
    let all = wanted("", &["* * * -"]);
    assert_eq!(policy.check_role_write(&master, None, &all, NEVER), Ok(()));
    assert_eq!(policy.check_role_write(&user(), Some(&all), &all, NEVER), Ok(()));
    let mut labelled = all.clone();
    labelled.labels.insert(
        "rbac.authorization.k8s.io/aggregate-to-view".to_owned(),
        "true".to_owned(),
    );
    assert!(
        policy
            .check_role_write(&user(), Some(&all), &labelled, NEVER)
            .is_err()
    );
}

#[test]
fn who_may_escalate_or_bind_needs_nothing_else() {
    let policy = Policy::default();
    let asked = std::cell::RefCell::new(Vec::new());
    let may = |attributes: &Attributes<'_>| {
        let parts = [
            attributes.verb,
            attributes.api_group,
            attributes.resource,
            attributes.namespace,
            attributes.name,
        ];
        asked.borrow_mut().push(parts.join(" "));
        true
    };
    let role = wanted("ns", &["get core secrets -"]);
    policy.check_role_write(&user(), None, &role, &may).unwrap();
    policy
        .check_role_write(&user(), Some(&wanted("ns", &[])), &role, &may)
        .unwrap();
    policy
        .check_binding_write(&user(), None, &binding("ns", "ClusterRole", "c"), &may)
        .unwrap();
    policy
        .check_binding_write(&user(), None, &binding("", "ClusterRole", "c"), &may)
        .unwrap();
    assert_eq!(
        *asked.borrow(),
        [
            "escalate rbac.authorization.k8s.io roles ns ",
            "escalate rbac.authorization.k8s.io roles ns r",
            "bind rbac.authorization.k8s.io clusterroles ns c",
            "bind rbac.authorization.k8s.io clusterroles  c",
        ]
    );
}

#[test]
fn aggregation_needs_everything() {
    let aggregating = Role {
        aggregation: Some(vec![LabelSelector::default()]),
        ..wanted("", &[])
    };
    let almost = holding("", &["* * * -"]);
    let error = almost
        .check_role_write(&user(), None, &aggregating, NEVER)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "clusterroles.rbac.authorization.k8s.io \"r\" is forbidden: must have cluster-admin privileges to use the \
         aggregationRule"
    );
    let old = almost.check_role_write(&user(), Some(&aggregating), &wanted("", &[]), NEVER);
    assert!(old.is_err(), "an old aggregation counts too");
    let all = holding("", &["* * * -", "* path *"]);
    assert_eq!(all.check_role_write(&user(), None, &aggregating, NEVER), Ok(()));
}

#[test]
fn bindings_are_checked_against_their_role() {
    let mut policy = holding("ns", &["get core secrets -"]);
    policy.put_role(Role {
        name: "wide".to_owned(),
        rules: rules(&["* core secrets -"]),
        ..Role::default()
    });
    let check = |binding: Binding| policy.check_binding_write(&user(), None, &binding, NEVER);
    assert_eq!(check(binding("ns", "ClusterRole", "held")), Ok(()));
    let wide = check(binding("ns", "ClusterRole", "wide")).unwrap_err();
    assert_eq!(
        wide.to_string(),
        "rolebindings.rbac.authorization.k8s.io \"b\" is forbidden: user \"u\" (groups=[\"g1\" \"g2\"]) is attempting \
         to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"*\"]}"
    );
    assert_eq!(check(binding("", "ClusterRole", "held")).unwrap_err().code(), 403);
    let missing = check(binding("ns", "Role", "gone")).unwrap_err();
    assert_eq!(
        (missing.code(), missing.to_string().as_str()),
        (404, "rolebindings.rbac.authorization.k8s.io \"gone\" not found")
    );
    let odd = check(binding("ns", "Pod", "p")).unwrap_err();
    assert_eq!(
        (odd.code(), odd.to_string().as_str()),
        (500, "unsupported role reference kind: \"Pod\"")
    );
}

#[test]
fn unresolved_roles_of_the_author_are_mentioned() {
    let mut policy = Policy::default();
    policy.put_binding(binding("ns", "Role", "gone"));
    let error = policy
        .check_role_write(&user(), None, &wanted("ns", &["get core pods -"]), NEVER)
        .unwrap_err();
    let end = "; resolution errors: [role.rbac.authorization.k8s.io \"gone\" not found]";
    assert!(error.to_string().ends_with(end), "{error}");
}

#[test]
fn collection_fields_ask_for_nothing() {
    let old = Object::default();
    let mut new = old.clone();
    new.metadata.finalizers.push("f".to_owned());
    assert!(only_collection_fields_changed(&old, &new));
    new.metadata.labels.insert("a".to_owned(), "b".to_owned());
    assert!(!only_collection_fields_changed(&old, &new));
}

#[test]
fn covering() {
    let cases = [
        ("* * * -", "get core pods/log a", true),
        ("get core pods -", "get core pods/log -", false),
        ("get core */log -", "get core pods/log -", true),
        ("get core */log -", "get core */log -", true),
        ("get core pods/log -", "get core */log -", false),
        ("get core */log -", "get core pods -", false),
        ("get core */log -", "get core pods/log/x -", false),
        ("get,list,watch core secrets -", "* core secrets -", false),
        ("get core secrets a", "get core secrets -", false),
        ("get core secrets a,b", "get core secrets b", true),
        ("get path /a/*", "get path /a/b*", true),
        ("get path /a/*", "get path /a", false),
        ("get path *", "get path /a/*", true),
        ("get path /a", "get path /a*", false),
        ("* * * -", "get path /a", false),
        ("* path *", "get core pods -", false),
    ];
    for (held, wanted, expected) in cases {
        let missing = missing_rules(&rules(&[held]), &rules(&[wanted]));
        assert_eq!(missing.is_empty(), expected, "{held} covers {wanted}");
    }
}

/// Over all rules of a tiny universe: what covering lets pass allows no request that the held rules do not allow; and
/// what it stops does allow one, unless a `*` stands for words that were spelled out.
#[test]
fn covering_agrees_with_what_rules_mean() {
    let verbs = ["get", "list", "*"];
    let groups = ["core", "apps"];
    let resources = ["pods", "pods/log", "*/log", "*"];
    let names = ["-", "a", "a,b"];
    let mut universe = Vec::new();
    for verb in verbs {
        for group in groups {
            for resource in resources {
                universe.extend(names.map(|name| rule(&format!("{verb} {group} {resource} {name}"))));
            }
        }
    }
    universe.extend(["get path /a", "get path /a*", "* path *", "get path /b/*"].map(rule));
    let user = user();
    let mut requests = Vec::new();
    for verb in ["get", "list", "other"] {
        for path in ["/a", "/ab", "/b/", "/c"] {
            requests.push(Attributes::for_path(&user, verb, path));
        }
        for api_group in ["", "apps", "other"] {
            for (resource, subresource) in
                [("pods", ""), ("pods", "log"), ("x", "log"), ("x", ""), ("x", "y")]
            {
                requests.extend(["", "a", "b", "c"].map(|name| Attributes {
                    is_resource_request: true,
                    api_group,
                    resource,
                    subresource,
                    name,
                    ..Attributes::for_path(&user, verb, "")
                }));
            }
        }
    }
    let meaning: Vec<Vec<bool>> = universe.iter().map(|rule| sets::of(rule, &requests)).collect();
    for (first, held) in universe.iter().enumerate() {
        for (second, also_held) in universe.iter().enumerate().skip(first).step_by(7) {
            for (third, wanted) in universe.iter().enumerate() {
                let held_rules = [held.clone(), also_held.clone()];
                let passes = missing_rules(&held_rules, std::slice::from_ref(wanted)).is_empty();
                let harmless = sets::within(&meaning[third], &meaning[first], &meaning[second]);
                assert!(!passes || harmless, "{held} and {also_held} do not mean {wanted}");
                let single = sets::within(&meaning[third], &meaning[first], &meaning[first]);
                assert!(passes || !single, "{held} means {wanted}");
            }
        }
    }
}

/// Sets of requests.
mod sets {
    use super::*;

    pub(super) fn of(rule: &PolicyRule, requests: &[Attributes<'_>]) -> Vec<bool> {
        requests
            .iter()
            .map(|request| rule_allows(rule, request))
            .collect()
    }

    pub(super) fn within(inner: &[bool], one: &[bool], other: &[bool]) -> bool {
        inner
            .iter()
            .zip(one.iter().zip(other))
            .all(|(inner, (one, other))| !inner || *one || *other)
    }
}
