use super::super::RoleRef;
use super::*;

fn role(namespace: &str, name: &str, verbs: &[&str]) -> Role {
    Role {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        rules: vec![PolicyRule {
            verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            api_groups: vec![String::new()],
            resources: vec!["secrets".to_owned()],
            non_resource_urls: vec!["/metrics".to_owned()],
            ..PolicyRule::default()
        }],
        ..Role::default()
    }
}

fn binding(namespace: &str, name: &str, role: (&str, &str), subjects: &[(&str, &str, &str)]) -> Binding {
    Binding {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        role_ref: RoleRef {
            kind: role.0.to_owned(),
            name: role.1.to_owned(),
            ..RoleRef::default()
        },
        subjects: subjects
            .iter()
            .map(|(kind, namespace, name)| Subject {
                kind: (*kind).to_owned(),
                namespace: (*namespace).to_owned(),
                name: (*name).to_owned(),
                ..Subject::default()
            })
            .collect(),
        ..Binding::default()
    }
}

fn user(name: &str, groups: &[&str]) -> Identity {
    Identity {
        user: name.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..Identity::default()
    }
}

/// What is said to a `get secrets` in a namespace; an allowed one begins with `+`.
fn get(policy: &Policy, user: &Identity, namespace: &str) -> String {
    let attributes = Attributes {
        is_resource_request: true,
        namespace,
        resource: "secrets",
        ..Attributes::for_path(user, "get", "")
    };
    match policy.authorize(&attributes) {
        Decision::Allow { reason } => format!("+{reason}"),
        Decision::NoOpinion { reason } | Decision::Deny { reason } => reason,
    }
}

#[test]
fn decisions_name_binding_role_and_subject() {
    let mut policy = Policy::default();
    policy.put_role(role("ns", "r", &["get"]));
    policy.put_role(role("", "cr", &["get"]));
    policy.put_binding(binding(
        "ns",
        "rb",
        ("Role", "r"),
        &[("User", "", "other"), ("User", "", "u")],
    ));
    policy.put_binding(binding("", "crb", ("ClusterRole", "cr"), &[("Group", "", "g")]));
    policy.put_binding(binding(
        "ns",
        "accounts",
        ("ClusterRole", "cr"),
        &[("ServiceAccount", "", "sa")],
    ));
    let cases = [
        (
            user("u", &[]),
            "ns",
            r#"+RBAC: allowed by RoleBinding "rb/ns" of Role "r" to User "u""#,
        ),
        (user("u", &[]), "elsewhere", ""),
        (
            user("v", &["g"]),
            "",
            r#"+RBAC: allowed by ClusterRoleBinding "crb" of ClusterRole "cr" to Group "g""#,
        ),
        (user("g", &["u"]), "ns", ""),
        (
            user("system:serviceaccount:ns:sa", &[]),
            "ns",
            r#"+RBAC: allowed by RoleBinding "accounts/ns" of ClusterRole "cr" to ServiceAccount "sa/ns""#,
        ),
    ];
    for (user, namespace, expected) in cases {
        assert_eq!(get(&policy, &user, namespace), expected);
    }
}

#[test]
fn roles_that_do_not_exist_are_named() {
    let mut policy = Policy::default();
    let nobody = user("u", &[]);
    let to_u = &[("User", "", "u")];
    policy.put_binding(binding("ns", "a", ("Role", "r"), to_u));
    let missing_role = r#"RBAC: role.rbac.authorization.k8s.io "r" not found"#;
    assert_eq!(get(&policy, &nobody, "ns"), missing_role);
    policy.put_binding(binding("", "b", ("ClusterRole", "c"), to_u));
    assert_eq!(
        get(&policy, &nobody, "ns"),
        r#"RBAC: [clusterrole.rbac.authorization.k8s.io "c" not found, role.rbac.authorization.k8s.io "r" not found]"#
    );
    policy.put_role(role("", "c", &["list"]));
    assert_eq!(get(&policy, &nobody, "ns"), missing_role);
    policy.put_role(role("ns", "r", &["get"]));
    assert!(get(&policy, &nobody, "ns").starts_with('+'));
    policy.remove_role("ns", "r");
    assert_eq!(get(&policy, &nobody, "ns"), missing_role);
}

#[test]
fn a_cluster_role_binding_cannot_give_a_role_of_a_namespace() {
    let mut policy = Policy::default();
    policy.put_role(role("", "r", &["get"]));
    policy.put_binding(binding("", "b", ("Role", "r"), &[("User", "", "u")]));
    let reason = get(&policy, &user("u", &[]), "ns");
    assert_eq!(reason, r#"RBAC: role.rbac.authorization.k8s.io "r" not found"#);
}

#[test]
fn paths_are_granted_by_cluster_role_bindings_alone() {
    let mut policy = Policy::default();
    policy.put_role(role("", "c", &["get"]));
    policy.put_binding(binding("ns", "b", ("ClusterRole", "c"), &[("User", "", "u")]));
    let user = user("u", &[]);
    let attributes = Attributes {
        namespace: "ns",
        ..Attributes::for_path(&user, "get", "/metrics")
    };
    assert!(matches!(
        policy.authorize(&attributes),
        Decision::NoOpinion { .. }
    ));
    policy.put_binding(binding("", "b", ("ClusterRole", "c"), &[("User", "", "u")]));
    assert!(matches!(policy.authorize(&attributes), Decision::Allow { .. }));
}

#[test]
fn replaced_and_removed_bindings_leave_nothing_behind() {
    let mut policy = Policy::default();
    policy.put_role(role("", "c", &["get"]));
    let twice = &[
        ("User", "", "u"),
        ("User", "", "u"),
        ("Group", "", "g"),
        ("ServiceAccount", "", ""),
    ];
    for namespace in ["", "ns"] {
        policy.put_binding(binding(namespace, "b", ("ClusterRole", "c"), twice));
        policy.put_binding(binding(namespace, "b", ("ClusterRole", "gone"), twice));
        policy.remove_binding(namespace, "b");
        policy.remove_binding(namespace, "b");
    }
    policy.remove_role("", "c");
    assert!(policy.subjects.users.is_empty() && policy.subjects.groups.is_empty());
    assert!(policy.role_ids.is_empty() && policy.bindings.is_empty());
    assert_eq!(policy.free.len(), policy.slots.len());
    assert!(policy.slots.iter().all(|slot| slot.references == 0));
}

#[test]
fn ten_thousand_bindings_of_one_user_to_one_role_are_one_look() {
    let mut policy = Policy::default();
    for number in 0..10_000 {
        policy.put_binding(binding(
            "ns",
            &format!("b{number:05}"),
            ("ClusterRole", "c"),
            &[("Group", "", "g")],
        ));
    }
    let member = user("u", &["g"]);
    let missing = r#"RBAC: clusterrole.rbac.authorization.k8s.io "c" not found"#;
    assert_eq!(get(&policy, &member, "ns"), missing);
    assert_eq!(policy.rules_for(&member, "ns").errors.len(), 1);
    policy.put_role(role("", "c", &["get"]));
    assert!(get(&policy, &member, "ns").contains(r#"RoleBinding "b00000/ns""#));
    for number in 1..10_000 {
        policy.remove_binding("ns", &format!("b{number:05}"));
    }
    assert!(get(&policy, &member, "ns").starts_with('+'));
}

#[test]
fn all_rules_of_a_user_are_found() {
    let mut policy = Policy::default();
    policy.put_role(role("", "c", &["get"]));
    policy.put_role(role("ns", "r", &["list"]));
    policy.put_binding(binding(
        "",
        "one",
        ("ClusterRole", "c"),
        &[("Group", "", "g"), ("User", "", "u")],
    ));
    policy.put_binding(binding("ns", "two", ("Role", "r"), &[("User", "", "u")]));
    policy.put_binding(binding("ns", "three", ("Role", "gone"), &[("User", "", "u")]));
    let found = policy.rules_for(&user("u", &["g"]), "ns");
    let verbs: Vec<_> = found
        .resource_rules()
        .map(|rule| rule.verbs[0].as_str())
        .collect();
    assert_eq!(verbs, ["get", "list"]);
    assert_eq!(found.non_resource_rules().count(), 2);
    assert_eq!(
        found.error_text(),
        r#"role.rbac.authorization.k8s.io "gone" not found"#
    );
    assert_eq!(policy.rules_for(&user("u", &[]), "").rules.len(), 1);
}
