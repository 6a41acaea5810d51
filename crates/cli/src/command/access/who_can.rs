//! Everyone who may do something.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use strongroom_access::node::{Referenced, references};
use strongroom_access::rbac::{Grant, rule_allows};
use strongroom_access::{Decision, Identity, group};

use super::answer::{Asked, Given, Who};
use super::cluster::{Cluster, node_of};
use super::explain::referenced;
use super::question::{Question, Target};
use super::user;
use super::words::{listed, shown, table};

/// A name that no node has: what it may do, every node may.
const ANY_NODE: &str = "*";

/// Everyone who may do something, each way in a row of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Everyone {
    request: Asked,
    who_can: Vec<Row>,
    notes: Vec<String>,
    #[serde(skip)]
    question: Question,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Row {
    who: Who,
    #[serde(flatten)]
    way: Way,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "way")]
enum Way {
    Masters,
    #[serde(rename = "RBAC")]
    Rbac(Box<Given>),
    Node {
        pods: Vec<String>,
    },
    Pod {
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<String>,
    },
}

/// Lists them, sorted by who they are.
pub fn who_can(cluster: &Cluster, question: &Question) -> Everyone {
    let mut rows = BTreeSet::from([Row {
        who: Who::named("Group", "", group::MASTERS),
        way: Way::Masters,
    }]);
    rows.extend(grants(cluster, question).into_iter().map(|grant| {
        let given = Given::from(grant);
        Row {
            who: given.subject.clone(),
            way: Way::Rbac(Box::new(given)),
        }
    }));
    rows.extend(nodes(cluster, question));
    rows.extend(pods(cluster, question));
    let mut notes: Vec<String> = question.notes.iter().chain(&cluster.notes).cloned().collect();
    notes.extend(around(cluster, question));
    Everyone {
        request: question.into(),
        who_can: rows.into_iter().collect(),
        notes,
        question: question.clone(),
    }
}

fn grants(cluster: &Cluster, question: &Question) -> Vec<Grant> {
    let policy = &cluster.policy;
    match &question.target {
        Target::Resource {
            served,
            subresource,
            namespace,
            name,
        } => policy.who_can(
            &question.verb,
            &served.group,
            &served.resource,
            subresource,
            namespace,
            name,
        ),
        Target::Path(_) => grants_of_path(cluster, question),
    }
}

/// Only ClusterRoleBindings say anything about paths.
fn grants_of_path(cluster: &Cluster, question: &Question) -> Vec<Grant> {
    let nobody = Identity::default();
    let attributes = question.attributes(&nobody);
    let mut found = Vec::new();
    for binding in cluster
        .policy
        .bindings()
        .filter(|binding| binding.namespace.is_empty())
    {
        let role = cluster.policy.role("", &binding.role_ref.name);
        let rule = role.and_then(|role| role.rules.iter().find(|rule| rule_allows(rule, &attributes)));
        let Some(rule) = rule.filter(|_| binding.role_ref.kind == "ClusterRole") else {
            continue;
        };
        found.extend(binding.subjects.iter().map(|subject| Grant {
            subject: subject.clone(),
            namespace: String::new(),
            binding: binding.name.clone(),
            role: binding.role_ref.clone(),
            rule: rule.clone(),
        }));
    }
    found
}

/// What the Node authorizer allows, found by asking it for every node that could matter.
fn nodes(cluster: &Cluster, question: &Question) -> Vec<Row> {
    let allows = |node: &str| {
        let user = user::node(node);
        let decision = cluster.graph.authorize(&question.attributes(&user));
        matches!(decision, Decision::Allow { .. })
    };
    if allows(ANY_NODE) {
        return vec![Row {
            who: Who::named("Group", "", "system:nodes"),
            way: Way::Node { pods: Vec::new() },
        }];
    }
    let mut candidates = cluster.nodes();
    if let Target::Resource { name, .. } = &question.target {
        candidates.insert(name);
    }
    let reached =
        referenced(question).map(|(kind, namespace, name)| cluster.graph.who_can(kind, namespace, name));
    let reached = reached.unwrap_or_default();
    let rows = candidates
        .into_iter()
        .filter(|node| !node.is_empty() && allows(node))
        .map(|node| {
            let here = reached.iter().filter(|reach| reach.node == node);
            Row {
                who: Who::named("Node", "", node),
                way: Way::Node {
                    pods: here
                        .map(|reach| format!("{}/{}", question.namespace(), reach.pod))
                        .collect(),
                },
            }
        });
    rows.collect()
}

/// Pods get the content of what they use.
fn pods(cluster: &Cluster, question: &Question) -> Vec<Row> {
    let Some((kind @ (Referenced::Secret | Referenced::ConfigMap), namespace, name)) = referenced(question)
    else {
        return Vec::new();
    };
    if question.verb != "get" {
        return Vec::new();
    }
    let uses = cluster
        .pods
        .iter()
        .filter(|pod| pod.metadata.namespace == namespace && references(pod).contains(&(kind, name)));
    uses.map(|pod| Row {
        who: Who::named("Pod", namespace, &pod.metadata.name),
        way: Way::Pod {
            node: node_of(pod).map(str::to_owned),
        },
    })
    .collect()
}

/// Ways around, which no list of permissions shows.
fn around(cluster: &Cluster, question: &Question) -> Option<String> {
    let (Referenced::Secret, namespace, _) = referenced(question)? else {
        return None;
    };
    (cluster.knows_pods && question.verb == "get" && !namespace.is_empty()).then(|| {
        format!(
            "Whoever may create pods in namespace {namespace} can mount it too; see `strongroom access who-can create \
             pods -n {namespace}`."
        )
    })
}

impl fmt::Display for Everyone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Who can {}:\n", self.question)?;
        let rows: Vec<Vec<String>> = self.who_can.iter().map(|row| row.cells()).collect();
        f.write_str(&table(&["WHO", "WAY", "THROUGH", "GIVES"], &rows))?;
        for note in &self.notes {
            writeln!(f, "\nNote: {note}")?;
        }
        Ok(())
    }
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let (way, through, gives) = match &self.way {
            Way::Masters => (
                "always",
                "membership".to_owned(),
                "everything, whatever roles say".to_owned(),
            ),
            Way::Rbac(given) => ("RBAC", given.binding.to_string(), given.role.to_string()),
            Way::Node { pods } if pods.is_empty() => (
                "node",
                "Node authorizer".to_owned(),
                "what every node needs".to_owned(),
            ),
            Way::Node { pods } => (
                "node",
                "Node authorizer".to_owned(),
                format!("what its pods use: {}", listed(pods, "")),
            ),
            Way::Pod { node } => (
                "pod",
                "its specification".to_owned(),
                match node {
                    Some(node) => format!("what it uses, on node {}", shown(node)),
                    None => "what it uses, once it runs".to_owned(),
                },
            ),
        };
        vec![self.who.to_string(), way.to_owned(), through, gives]
    }
}
