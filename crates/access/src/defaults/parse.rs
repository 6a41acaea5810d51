//! Reads the table of default roles. Its first lines say what it looks like.

use std::collections::BTreeMap;

use crate::rbac::{Binding, GROUP, LabelSelector, PolicyRule, Role, RoleRef, Subject};

/// What is wrong, and on which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(super) struct TableError {
    line: usize,
    problem: &'static str,
}

/// The roles and bindings of a table in its order.
pub(super) fn parse(table: &str) -> Result<(Vec<Role>, Vec<Binding>), TableError> {
    let mut roles: Vec<Role> = Vec::new();
    let mut bindings: Vec<Binding> = Vec::new();
    for (index, line) in table.lines().enumerate() {
        let error = |problem| TableError {
            line: index + 1,
            problem,
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_new = !line.starts_with(' ');
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            ["ClusterRole", name] if is_new => roles.push(role("", name)),
            ["Role", name, "in", namespace] if is_new => roles.push(role(namespace, name)),
            _ if is_new => return Err(error("expected a role")),
            words => {
                let role = roles.last_mut().ok_or_else(|| error("stands before any role"))?;
                match *words {
                    ["label", label] => {
                        role.labels.insert(aggregation_label(label), "true".to_owned());
                    }
                    ["aggregates", label] => role.aggregation.get_or_insert_default().push(selector(label)),
                    ["bound", "to", ref subject @ ..] => {
                        let subject = parse_subject(subject).ok_or_else(|| error("expected a subject"))?;
                        bind(&mut bindings, role, &role.name, subject);
                    }
                    ["bound", "as", name, "to", ref subject @ ..] => {
                        let subject = parse_subject(subject).ok_or_else(|| error("expected a subject"))?;
                        bind(&mut bindings, role, name, subject);
                    }
                    ["bound"] => bindings.push(binding(role, &role.name)),
                    ref words => role
                        .rules
                        .push(rule(words).ok_or_else(|| error("expected a rule"))?),
                }
            }
        }
    }
    Ok((roles, bindings))
}

fn role(namespace: &str, name: &str) -> Role {
    Role {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..Role::default()
    }
}

fn aggregation_label(label: &str) -> String {
    format!("{GROUP}/{label}")
}

fn selector(label: &str) -> LabelSelector {
    LabelSelector {
        match_labels: BTreeMap::from([(aggregation_label(label), "true".to_owned())]),
        ..LabelSelector::default()
    }
}

fn parse_subject(words: &[&str]) -> Option<Subject> {
    let (kind, namespace, name) = match words {
        ["user", name] => ("User", "", *name),
        ["group", name] => ("Group", "", *name),
        ["account", account] => {
            let (namespace, name) = account.split_once('/')?;
            ("ServiceAccount", namespace, name)
        }
        _ => return None,
    };
    Some(Subject {
        kind: kind.to_owned(),
        api_group: if namespace.is_empty() { GROUP } else { "" }.to_owned(),
        name: name.to_owned(),
        namespace: namespace.to_owned(),
    })
}

/// Adds the subject to the binding of that name, which it makes if it is not there yet.
fn bind(bindings: &mut Vec<Binding>, role: &Role, name: &str, subject: Subject) {
    let known = bindings
        .iter_mut()
        .find(|known| known.namespace == role.namespace && known.name == name);
    if let Some(known) = known {
        known.subjects.push(subject);
        return;
    }
    bindings.push(Binding {
        subjects: vec![subject],
        ..binding(role, name)
    });
}

fn binding(role: &Role, name: &str) -> Binding {
    let kind = if role.namespace.is_empty() {
        "ClusterRole"
    } else {
        "Role"
    };
    Binding {
        namespace: role.namespace.clone(),
        name: name.to_owned(),
        role_ref: RoleRef {
            api_group: GROUP.to_owned(),
            kind: kind.to_owned(),
            name: role.name.clone(),
        },
        ..Binding::default()
    }
}

fn rule(words: &[&str]) -> Option<PolicyRule> {
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let verbs = |text: &str| {
        text.split(',')
            .flat_map(|verb| match verb {
                "READ" => vec!["get", "list", "watch"],
                "WRITE" => vec!["create", "delete", "deletecollection", "patch", "update"],
                one => vec![one],
            })
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let groups = |text: &str| {
        list(text)
            .into_iter()
            .map(|group| if group == "core" { String::new() } else { group })
            .collect::<Vec<_>>()
    };
    match words {
        [verb, "path", paths] => Some(PolicyRule {
            verbs: verbs(verb),
            non_resource_urls: list(paths),
            ..PolicyRule::default()
        }),
        [verb, group, resources] => Some(PolicyRule {
            verbs: verbs(verb),
            api_groups: groups(group),
            resources: list(resources),
            ..PolicyRule::default()
        }),
        [verb, group, resources, "named", names] => Some(PolicyRule {
            verbs: verbs(verb),
            api_groups: groups(group),
            resources: list(resources),
            resource_names: list(names),
            ..PolicyRule::default()
        }),
        _ => None,
    }
}
