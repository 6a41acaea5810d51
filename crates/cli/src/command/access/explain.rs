//! Why somebody may do something, or what is missing.

use std::fmt;

use serde::Serialize;
use strongroom_access::node::{Referenced, node_name};
use strongroom_access::rbac::{Mismatch, NearMiss};
use strongroom_access::{Decision, Identity, decide, group};

use super::answer::{Asked, Given};
use super::cluster::Cluster;
use super::question::{Question, Target};
use super::user::service_account;
use super::words::{listed, shell, shown, verbs};

/// Near misses that people are shown.
const SHOWN: usize = 8;

/// Whether somebody may do something, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    user: String,
    groups: Vec<String>,
    request: Asked,
    /// The server's decision.
    pub allowed: bool,
    allowed_by: Vec<Way>,
    near_misses: Vec<Near>,
    reasons: Vec<String>,
    suggestion: Vec<String>,
    notes: Vec<String>,
    #[serde(skip)]
    question: Question,
}

/// What allows a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "way")]
enum Way {
    /// Nothing is asked of a member of system:masters.
    Masters,
    /// The Node authorizer, because of these pods or, without any, for every node.
    Node { node: String, pods: Vec<String> },
    /// A binding.
    #[serde(rename = "RBAC")]
    Rbac(Box<Given>),
}

/// What would allow it if one thing were different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Near {
    #[serde(flatten)]
    given: Given,
    mismatch: &'static str,
    #[serde(skip)]
    but: String,
}

/// Judges a request as the server does.
pub fn explain(cluster: &Cluster, user: &Identity, question: &Question) -> Explanation {
    let attributes = question.attributes(user);
    let allowed = matches!(
        decide(&cluster.policy, &cluster.graph, &attributes),
        Decision::Allow { .. }
    );
    let by_roles = cluster.policy.explain(&attributes);
    let mut allowed_by = Vec::new();
    let mut reasons = Vec::new();
    if user.is_in(group::MASTERS) {
        allowed_by.push(Way::Masters);
    }
    match cluster.graph.authorize(&attributes) {
        Decision::Allow { .. } => allowed_by.push(by_node(cluster, user, question)),
        Decision::NoOpinion { reason } | Decision::Deny { reason } if !reason.is_empty() => {
            reasons.push(format!("The Node authorizer says: {reason}."));
        }
        _ => {}
    }
    let grants = by_roles.allowed_by.into_iter();
    allowed_by.extend(grants.map(|grant| Way::Rbac(Box::new(grant.into()))));
    reasons.extend(
        by_roles
            .errors
            .iter()
            .map(|error| format!("A binding leads nowhere: {}.", shown(error))),
    );
    let near_misses = if allowed {
        Vec::new()
    } else {
        by_roles
            .near_misses
            .into_iter()
            .map(|miss| near(miss, question))
            .collect()
    };
    let notes = question.notes.iter().chain(&cluster.notes).cloned().collect();
    Explanation {
        user: user.user.clone(),
        groups: user.groups.clone(),
        request: question.into(),
        suggestion: if allowed || node_name(user).is_some() {
            Vec::new()
        } else {
            suggestion(user, question)
        },
        allowed,
        allowed_by,
        near_misses,
        reasons,
        notes,
        question: question.clone(),
    }
}

fn by_node(cluster: &Cluster, user: &Identity, question: &Question) -> Way {
    let node = node_name(user).unwrap_or_default();
    let reached =
        referenced(question).map(|(kind, namespace, name)| cluster.graph.who_can(kind, namespace, name));
    let here = reached
        .unwrap_or_default()
        .into_iter()
        .filter(|reach| reach.node == node);
    Way::Node {
        node: node.to_owned(),
        pods: here
            .map(|reach| format!("{}/{}", question.namespace(), reach.pod))
            .collect(),
    }
}

/// The object that a question is about, if nodes reach such objects by their pods.
pub fn referenced(question: &Question) -> Option<(Referenced, &str, &str)> {
    let Target::Resource {
        served,
        namespace,
        name,
        ..
    } = &question.target
    else {
        return None;
    };
    let kind = match (served.group.as_str(), served.resource.as_str()) {
        ("", "secrets") => Referenced::Secret,
        ("", "configmaps") => Referenced::ConfigMap,
        ("", "serviceaccounts") => Referenced::ServiceAccount,
        ("", "persistentvolumeclaims") => Referenced::PersistentVolumeClaim,
        ("resource.k8s.io", "resourceclaims") => Referenced::ResourceClaim,
        _ => return None,
    };
    (!name.is_empty()).then_some((kind, namespace.as_str(), name.as_str()))
}

fn near(miss: NearMiss, question: &Question) -> Near {
    let given = Given::from(miss.grant);
    let rule = &given.rule;
    let (mismatch, but) = match miss.mismatch {
        Mismatch::Verb => ("Verb", format!("but only for {}", verbs(rule))),
        Mismatch::ResourceName => ("ResourceName", {
            let only = format!("but only for the names {}", listed(&rule.resource_names, ""));
            match &question.target {
                Target::Resource { name, .. } if name.is_empty() => {
                    format!("{only}, and this request carries no name")
                }
                _ => only,
            }
        }),
        Mismatch::Subresource => (
            "Subresource",
            format!(
                "but only for {}: objects and their subresources are given apart",
                listed(&rule.resources, "")
            ),
        ),
        Mismatch::ApiGroup => ("APIGroup", {
            let name = |group: &String| {
                if group.is_empty() {
                    "core".to_owned()
                } else {
                    group.clone()
                }
            };
            let groups: Vec<String> = rule.api_groups.iter().map(name).collect();
            format!("but only for API group {}", listed(&groups, ""))
        }),
        Mismatch::Namespace => (
            "Namespace",
            format!("but only in namespace {}", shown(&given.binding.namespace)),
        ),
    };
    Near { given, mismatch, but }
}

/// The least that would allow it, as commands, quoted for a shell.
fn suggestion(user: &Identity, question: &Question) -> Vec<String> {
    let (place, what) = match &question.target {
        Target::Path(path) => (String::new(), format!("--non-resource-url={}", shell(path))),
        Target::Resource {
            served,
            subresource,
            namespace,
            name,
        } => {
            let group = Some(&served.group).filter(|group| !group.is_empty());
            let group = group.map(|group| format!(".{group}")).unwrap_or_default();
            let part = Some(subresource).filter(|part| !part.is_empty());
            let part = part.map(|part| format!("/{part}")).unwrap_or_default();
            let mut what = format!(
                "--resource={}",
                shell(&format!("{}{group}{part}", served.resource))
            );
            if !name.is_empty() {
                what.push_str(&format!(" --resource-name={}", shell(name)));
            }
            let in_one = served.namespaced && !namespace.is_empty();
            let place = in_one.then(|| format!(" -n {}", shell(namespace)));
            (place.unwrap_or_default(), what)
        }
    };
    let kind = if place.is_empty() { "clusterrole" } else { "role" };
    let (who, subject) = match service_account(&user.user) {
        Some((namespace, name)) => (name, format!("--serviceaccount={namespace}:{name}")),
        None => (user.user.as_str(), format!("--user={}", user.user)),
    };
    let role = object_name(&format!("{} {}", question.verb, question.object()));
    let binding = object_name(&format!("{who} {role}"));
    let (verb, subject) = (shell(&question.verb), shell(&subject));
    vec![
        format!("kubectl create {kind} {role}{place} --verb={verb} {what}"),
        format!("kubectl create {kind}binding {binding}{place} --{kind}={role} {subject}"),
    ]
}

/// A name that the API takes, made of what a text has of letters and digits.
fn object_name(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let words = lower.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        "everything".to_owned()
    } else {
        words.join("-")
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, question) = (shown(&self.user), &self.question);
        if self.allowed {
            writeln!(f, "Yes, {user} may {question}.\n")?;
        } else {
            writeln!(f, "No, {user} may not {question}.\n")?;
        }
        for way in &self.allowed_by {
            self.write_way(f, way)?;
        }
        if !self.near_misses.is_empty() {
            writeln!(f, "What comes near:")?;
        }
        for near in self.near_misses.iter().take(SHOWN) {
            writeln!(f, "  {}, {}.", near.given.sentence(), near.but)?;
            writeln!(f, "    It allows {}.", near.given.rule(question))?;
        }
        match self.near_misses.len().saturating_sub(SHOWN) {
            0 => {}
            more => writeln!(f, "  And {more} more, which -o json shows.")?,
        }
        for reason in &self.reasons {
            writeln!(f, "{reason}")?;
        }
        if !self.allowed {
            self.write_missing(f)?;
        }
        for note in &self.notes {
            writeln!(f, "\nNote: {note}")?;
        }
        Ok(())
    }
}

impl Explanation {
    fn write_way(&self, f: &mut fmt::Formatter<'_>, way: &Way) -> fmt::Result {
        match way {
            Way::Masters => writeln!(
                f,
                "  The group system:masters may do everything, and no role can take that away."
            ),
            Way::Node { node, pods } if pods.is_empty() => {
                writeln!(
                    f,
                    "  The Node authorizer allows it to node {} itself.",
                    shown(node)
                )
            }
            Way::Node { node, pods } => writeln!(
                f,
                "  The Node authorizer allows it, because pods on node {} use it: {}.",
                shown(node),
                listed(pods, "")
            ),
            Way::Rbac(given) => {
                writeln!(f, "  {}.", given.sentence())?;
                writeln!(f, "    It allows {}.", given.rule(&self.question))
            }
        }
    }

    fn write_missing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = listed(&self.groups, "");
        if self.near_misses.is_empty() && self.reasons.is_empty() {
            writeln!(
                f,
                "Nothing that comes near is bound to {} or to the groups {groups}.",
                shown(&self.user)
            )?;
        }
        if self.suggestion.is_empty() {
            return writeln!(
                f,
                "A node reads what the pods on it use, and no role is needed for that."
            );
        }
        writeln!(f, "\nThis would allow it, and no more:")?;
        for command in &self.suggestion {
            writeln!(f, "  {command}")?;
        }
        Ok(())
    }
}
