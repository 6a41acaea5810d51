use super::*;
use crate::rbac::LabelSelector;

fn find(kind: &str, name: &str) -> Object {
    let found = objects()
        .into_iter()
        .find(|object| object.kind == kind && object.metadata.name == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn the_table_is_complete_and_well_formed() {
    let objects = objects();
    let count = |kind: &str| objects.iter().filter(|object| object.kind == kind).count();
    assert_eq!(
        ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"].map(count),
        [72, 53, 7, 7]
    );
    let mut names: Vec<_> = objects
        .iter()
        .map(|object| (&object.kind, &object.metadata.namespace, &object.metadata.name))
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), objects.len(), "every object once");
    for object in &objects {
        let metadata = &object.metadata;
        assert_eq!(metadata.labels["kubernetes.io/bootstrapping"], "rbac-defaults");
        assert_eq!(metadata.annotations[AUTOUPDATE_ANNOTATION], "true");
        if object.kind.ends_with("Role") {
            let role = Role::from_object(object).unwrap();
            assert!(!role.rules.is_empty(), "{}", role.name);
            for rule in &role.rules {
                assert!(!rule.verbs.is_empty());
                assert_ne!(rule.resources.is_empty(), rule.non_resource_urls.is_empty());
                assert_eq!(rule.resources.is_empty(), rule.api_groups.is_empty());
            }
        } else {
            let binding = Binding::from_object(object).unwrap();
            let target = (&binding.role_ref.kind, &binding.namespace, &binding.role_ref.name);
            assert!(names.contains(&target), "{target:?}");
        }
    }
}

#[test]
fn aggregated_roles_hold_the_rules_of_their_parts() {
    let rules = |name: &str| Role::from_object(&find("ClusterRole", name)).unwrap().rules;
    let holds = |name: &str, part: &str| rules(part).iter().all(|rule| rules(name).contains(rule));
    assert!(holds("view", "system:aggregate-to-view"));
    assert!(holds("edit", "view") && holds("edit", "system:aggregate-to-edit"));
    assert!(holds("admin", "edit") && holds("admin", "system:aggregate-to-admin"));
    assert!(!holds("view", "edit") && !holds("edit", "admin"));
    let secrets = |rule: &PolicyRule| rule.resources.iter().any(|own| own == "secrets" || own == "*");
    assert!(!rules("view").iter().any(secrets));
    assert!(rules("edit").iter().any(secrets));
}

#[test]
fn what_is_missing_is_brought_back_and_what_is_extra_stays() {
    let wanted = find("ClusterRole", "system:basic-user");
    assert_eq!(reconcile(None, &wanted), Some(Change::Create(wanted.clone())));
    assert_eq!(reconcile(Some(&wanted), &wanted), None);

    let mut live = wanted.clone();
    live.metadata.labels = BTreeMap::from([("own".to_owned(), "1".to_owned())]);
    live.metadata.resource_version = "7".to_owned();
    let own = serde_json::json!([{"verbs": ["get"], "apiGroups": ["x"], "resources": ["y"]}]);
    live.body.insert("rules".to_owned(), own);
    let Some(Change::Update(merged)) = reconcile(Some(&live), &wanted) else {
        panic!("something is missing");
    };
    assert_eq!(merged.metadata.labels.len(), 2);
    assert_eq!(merged.metadata.resource_version, "7");
    let rules = Role::from_object(&merged).unwrap().rules;
    assert_eq!((rules.len(), rules[0].api_groups[0].as_str()), (3, "x"));
    assert_eq!(reconcile(Some(&merged), &wanted), None);

    live.metadata
        .annotations
        .insert(AUTOUPDATE_ANNOTATION.to_owned(), "false".to_owned());
    assert_eq!(reconcile(Some(&live), &wanted), None);
}

#[test]
fn a_wider_rule_needs_no_narrower_one() {
    let wanted = find("ClusterRole", "system:basic-user");
    let mut live = wanted.clone();
    let all = serde_json::json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
    live.body.insert("rules".to_owned(), all);
    assert_eq!(reconcile(Some(&live), &wanted), None);
}

#[test]
fn bindings_get_their_subjects_and_their_role() {
    let wanted = find("ClusterRoleBinding", "system:public-info-viewer");
    let mut live = wanted.clone();
    live.body.remove("subjects");
    let Some(Change::Update(merged)) = reconcile(Some(&live), &wanted) else {
        panic!("subjects are missing");
    };
    assert_eq!(merged.body["subjects"], wanted.body["subjects"]);

    live.body["roleRef"]["name"] = "other".into();
    live.metadata.uid = "u".to_owned();
    let Some(Change::Replace(new)) = reconcile(Some(&live), &wanted) else {
        panic!("the role is another");
    };
    assert_eq!(new.body["roleRef"], wanted.body["roleRef"]);
    assert!(new.metadata.uid.is_empty());
}

#[test]
fn selectors_are_added_and_rules_left_alone() {
    let wanted = find("ClusterRole", "admin");
    let mut live = wanted.clone();
    live.body.insert("rules".to_owned(), serde_json::json!([]));
    assert_eq!(reconcile(Some(&live), &wanted), None);
    let other = serde_json::json!({"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]});
    live.body.insert("aggregationRule".to_owned(), other);
    let Some(Change::Update(merged)) = reconcile(Some(&live), &wanted) else {
        panic!("a selector is missing");
    };
    let selectors: Vec<LabelSelector> = Role::from_object(&merged).unwrap().aggregation.unwrap();
    assert_eq!(selectors.len(), 2);
}

#[test]
fn a_broken_table_says_where() {
    let cases = [
        ("ClusterRole", "line 1: expected a role"),
        ("  get core pods", "line 1: stands before any role"),
        ("ClusterRole r\n  get core", "line 2: expected a rule"),
        ("ClusterRole r\n\n  bound to nobody", "line 3: expected a subject"),
    ];
    for (table, expected) in cases {
        assert_eq!(parse::parse(table).unwrap_err().to_string(), expected);
    }
}
