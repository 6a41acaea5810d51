//! The ways in which somebody may do something.

use serde::Serialize;
use strongroom_access::rbac::{Grant, PolicyRule, Subject};

use super::question::{Question, Target};
use super::words::{self, shown};

/// Who somebody is, with the namespace of a service account filled in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Who {
    /// `User`, `Group`, `ServiceAccount`, `Node` or `Pod`.
    pub kind: String,
    /// Empty for all but service accounts and pods.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// A binding, with the role it gives and the rule in it that counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Given {
    /// To whom.
    pub subject: Who,
    /// By which binding.
    pub binding: Named,
    /// Which role.
    pub role: Named,
    /// The rule of the role.
    pub rule: PolicyRule,
}

/// An object of a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Named {
    /// Its kind.
    pub kind: String,
    /// Its namespace, if it lives in one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What is asked, as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    verb: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    subresource: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
}

impl Who {
    /// Somebody that a binding in `namespace` names.
    pub fn of(subject: &Subject, namespace: &str) -> Who {
        let namespace = match (subject.kind.as_str(), subject.namespace.as_str()) {
            ("ServiceAccount", "") => namespace,
            ("ServiceAccount", own) => own,
            _ => "",
        };
        Who {
            kind: subject.kind.clone(),
            namespace: namespace.to_owned(),
            name: subject.name.clone(),
        }
    }

    /// Somebody by kind and name.
    pub fn named(kind: &str, namespace: &str, name: &str) -> Who {
        Who {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl From<Grant> for Given {
    fn from(grant: Grant) -> Given {
        let clusterwide = grant.namespace.is_empty();
        let role_namespace = if grant.role.kind == "Role" {
            grant.namespace.clone()
        } else {
            String::new()
        };
        Given {
            subject: Who::of(&grant.subject, &grant.namespace),
            binding: Named {
                kind: if clusterwide {
                    "ClusterRoleBinding"
                } else {
                    "RoleBinding"
                }
                .to_owned(),
                namespace: grant.namespace,
                name: grant.binding,
            },
            role: Named {
                kind: grant.role.kind,
                namespace: role_namespace,
                name: grant.role.name,
            },
            rule: grant.rule,
        }
    }
}

impl Given {
    /// `RoleBinding shop/readers gives Role reader to User alice`.
    pub fn sentence(&self) -> String {
        format!(
            "{} gives {} {} to {}",
            self.binding,
            self.role.kind,
            shown(&self.role.name),
            self.subject
        )
    }

    /// What the rule allows, with what the question is about first.
    pub fn rule(&self, question: &Question) -> String {
        let resource = match &question.target {
            Target::Path(path) => path.clone(),
            Target::Resource {
                served, subresource, ..
            } if subresource.is_empty() => served.resource.clone(),
            Target::Resource {
                served, subresource, ..
            } => format!("{}/{subresource}", served.resource),
        };
        words::rule(&self.rule, &resource)
    }
}

impl From<&Question> for Asked {
    fn from(question: &Question) -> Asked {
        let mut asked = Asked {
            verb: question.verb.clone(),
            path: None,
            group: None,
            resource: None,
            subresource: String::new(),
            namespace: String::new(),
            name: String::new(),
        };
        match &question.target {
            Target::Path(path) => asked.path = Some(path.clone()),
            Target::Resource {
                served,
                subresource,
                namespace,
                name,
            } => {
                asked.group = Some(served.group.clone());
                asked.resource = Some(served.resource.clone());
                asked.subresource.clone_from(subresource);
                asked.namespace.clone_from(namespace);
                asked.name.clone_from(name);
            }
        }
        asked
    }
}

/// `User alice`, `ServiceAccount shop/web`.
impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_named(f, &self.kind, &self.namespace, &self.name)
    }
}

/// `RoleBinding shop/readers`.
impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_named(f, &self.kind, &self.namespace, &self.name)
    }
}

fn write_named(f: &mut std::fmt::Formatter<'_>, kind: &str, namespace: &str, name: &str) -> std::fmt::Result {
    write!(f, "{} ", shown(kind))?;
    if !namespace.is_empty() {
        write!(f, "{}/", shown(namespace))?;
    }
    f.write_str(&shown(name))
}
