//! What is asked, in the words of the API.

use std::fmt;

use anyhow::bail;
use strongroom_access::{Attributes, Identity};

use super::resource::{self, Served};
use super::words::shown;

/// A request that somebody might make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The verb; for a path the HTTP method in lower case.
    pub verb: String,
    /// What it is about.
    pub target: Target,
    /// What the asker should know about how the question was understood.
    pub notes: Vec<String>,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A resource.
    Resource {
        /// What it is.
        served: Served,
        /// The part of it that is meant; empty for the object itself.
        subresource: String,
        /// Empty for all namespaces, and for what lives in none.
        namespace: String,
        /// Empty for all objects.
        name: String,
    },
    /// A path that is no resource.
    Path(String),
}

/// The question of `access explain`: what stands behind the slash is a subresource. What is none and stands there
/// alone is taken for a name, since kubectl writes names so.
pub fn to_explain(
    verb: &str,
    asked: &str,
    name: Option<&str>,
    namespace: &str,
    served: &[Served],
) -> anyhow::Result<Question> {
    if asked.starts_with('/') {
        return about_path(verb, asked, name);
    }
    let (kind, behind) = asked.split_once('/').unwrap_or((asked, ""));
    let served = resource::find(served, kind)?;
    let is_known = behind.is_empty() || behind == "*" || resource::has_part(&served, behind);
    let mut notes = Vec::new();
    let (subresource, name) = match name {
        None if !is_known => {
            notes.push(format!(
                "{} has no subresource {}, so that is taken for a name.",
                served.resource,
                shown(behind)
            ));
            ("", behind)
        }
        name => {
            if !is_known {
                notes.push(format!(
                    "The server has no {}/{}.",
                    served.resource,
                    shown(behind)
                ));
            }
            (behind, name.unwrap_or_default())
        }
    };
    Ok(Question::about(verb, served, subresource, name, namespace, notes))
}

/// The question of `access who-can`: what stands behind the slash is a name.
pub fn about_everyone(
    verb: &str,
    asked: &str,
    subresource: Option<&str>,
    namespace: &str,
    served: &[Served],
) -> anyhow::Result<Question> {
    if asked.starts_with('/') {
        return about_path(verb, asked, subresource);
    }
    let (kind, name) = asked.split_once('/').unwrap_or((asked, ""));
    let served = resource::find(served, kind)?;
    let mut notes = Vec::new();
    if subresource.is_none() && !name.is_empty() && resource::has_part(&served, name) {
        notes.push(format!(
            "\"{name}\" is taken for a name; the subresource is asked for with --subresource {name}."
        ));
    }
    let subresource = subresource.unwrap_or_default();
    Ok(Question::about(verb, served, subresource, name, namespace, notes))
}

fn about_path(verb: &str, path: &str, more: Option<&str>) -> anyhow::Result<Question> {
    if more.is_some() {
        bail!("{path} is a path, which has neither a name nor a subresource; leave it out.");
    }
    Ok(Question {
        verb: verb.to_ascii_lowercase(),
        target: Target::Path(path.to_owned()),
        notes: Vec::new(),
    })
}

impl Question {
    fn about(
        verb: &str,
        served: Served,
        subresource: &str,
        name: &str,
        namespace: &str,
        mut notes: Vec<String>,
    ) -> Question {
        let name = if verb == "create" && subresource.is_empty() && !name.is_empty() {
            notes.push(format!(
                "A create carries no name, so {} does not count.",
                shown(name)
            ));
            ""
        } else {
            name
        };
        // The server sees a request for one Namespace as one in it.
        let namespace = match (served.namespaced, served.resource.as_str()) {
            (true, _) => namespace,
            (false, "namespaces") if served.group.is_empty() => name,
            _ => "",
        };
        Question {
            verb: verb.to_owned(),
            target: Target::Resource {
                subresource: subresource.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                served,
            },
            notes,
        }
    }

    /// Where; empty for all namespaces, or none.
    pub fn namespace(&self) -> &str {
        match &self.target {
            Target::Resource { namespace, .. } => namespace,
            Target::Path(_) => "",
        }
    }

    /// What it is about, in short: `secrets db`, or the path.
    pub fn object(&self) -> String {
        match &self.target {
            Target::Path(path) => path.clone(),
            Target::Resource {
                served,
                subresource,
                name,
                ..
            } => format!("{} {subresource} {name}", served.resource),
        }
    }

    /// The request as authorizers see it.
    pub fn attributes<'a>(&'a self, user: &'a Identity) -> Attributes<'a> {
        match &self.target {
            Target::Path(path) => Attributes::for_path(user, &self.verb, path),
            Target::Resource {
                served,
                subresource,
                namespace,
                name,
            } => Attributes {
                namespace,
                api_group: &served.group,
                api_version: &served.version,
                resource: &served.resource,
                subresource,
                name,
                is_resource_request: true,
                ..Attributes::for_path(user, &self.verb, "")
            },
        }
    }
}

/// `get secrets "db" in namespace shop`.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", shown(&self.verb))?;
        let (served, subresource, namespace, name) = match &self.target {
            Target::Path(path) => return f.write_str(&shown(path)),
            Target::Resource {
                served,
                subresource,
                namespace,
                name,
            } => (served, subresource, namespace, name),
        };
        if served.resource == "*" {
            f.write_str("every resource")?;
        } else {
            f.write_str(&served.resource)?;
            if !served.group.is_empty() {
                write!(f, ".{}", served.group)?;
            }
        }
        if !subresource.is_empty() {
            write!(f, "/{}", shown(subresource))?;
        }
        if !name.is_empty() {
            write!(f, " \"{}\"", shown(name))?;
        }
        match (served.namespaced, namespace.as_str()) {
            (false, _) => Ok(()),
            (true, "") => f.write_str(" in all namespaces"),
            (true, namespace) => write!(f, " in namespace {}", shown(namespace)),
        }
    }
}
