//! Which requests are recorded, and how much of each (`spec/auth.md` §10.1).
//!
//! Where Kubernetes would record the body of a Secret at the levels `Request` and `RequestResponse`, Strongroom does
//! so only if the rule that matches names the resource itself; see [`Decision::bodies`].

mod file;
mod tree;

use serde_json::Value;

use crate::event::Body;
use crate::stage::{Level, Stage, Stages};

/// Resources whose bodies hold credentials: group, and resource with its subresource.
const GUARDED: [(&str, &str); 3] = [
    ("", "secrets"),
    ("", "serviceaccounts/token"),
    ("authentication.k8s.io", "tokenreviews"),
];

/// An audit policy. The default records the metadata of everything when it is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
}

/// One rule; an empty list stands for anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Rule {
    level: Level,
    users: Vec<String>,
    user_groups: Vec<String>,
    verbs: Vec<String>,
    resources: Vec<GroupResources>,
    namespaces: Vec<String>,
    non_resource_urls: Vec<String>,
    /// The policy's and the rule's.
    omit_stages: Stages,
    omit_managed_fields: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct GroupResources {
    group: String,
    resources: Vec<String>,
    resource_names: Vec<String>,
}

/// What a policy file has wrong, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("audit policy: {position}{message}")]
pub struct PolicyError {
    /// `line 3, column 5: `, or nothing if the file as a whole is wrong.
    position: String,
    message: String,
}

/// What the policy looks at. Fields that do not apply are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// Name of the user.
    pub user: &'a str,
    /// The user's groups.
    pub groups: &'a [String],
    /// Kubernetes' verb, or the method in lower case for a bare path.
    pub verb: &'a str,
    /// Namespace; empty for what is in none.
    pub namespace: &'a str,
    /// API group; empty for core.
    pub api_group: &'a str,
    /// Plural name of the resource.
    pub resource: &'a str,
    /// Part of the object.
    pub subresource: &'a str,
    /// Name of the object.
    pub name: &'a str,
    /// The path.
    pub path: &'a str,
    /// Whether the request is about a resource rather than a bare path.
    pub is_resource: bool,
}

/// What is recorded of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// How much; never [`Level::None`].
    pub level: Level,
    /// When not.
    pub omit_stages: Stages,
    /// Whether bodies go without `metadata.managedFields`.
    pub omit_managed_fields: bool,
    /// Whether bodies may be recorded where the level has them. Never for a Secret, a TokenRequest or a TokenReview
    /// unless the rule names that resource itself, and never for bare paths.
    pub bodies: bool,
}

impl Decision {
    /// Whether there is an event for `stage`.
    pub fn records(&self, stage: Stage) -> bool {
        !self.omit_stages.contains(stage)
    }

    /// Whether the request's body is recorded.
    pub fn wants_request_body(&self) -> bool {
        self.bodies && self.level >= Level::Request
    }

    /// Whether the response's body is recorded.
    pub fn wants_response_body(&self) -> bool {
        self.bodies && self.level >= Level::RequestResponse
    }

    /// The request's body for [`Event::request_object`](crate::Event::request_object), if it may be recorded.
    pub fn request_body<'a>(&self, body: &'a Value) -> Option<Body<'a>> {
        self.wants_request_body()
            .then(|| Body::new(body, self.omit_managed_fields))
    }

    /// The response's body for [`Event::response_object`](crate::Event::response_object), if it may be recorded.
    pub fn response_body<'a>(&self, body: &'a Value) -> Option<Body<'a>> {
        self.wants_response_body()
            .then(|| Body::new(body, self.omit_managed_fields))
    }
}

impl Default for Policy {
    fn default() -> Self {
        let rule = Rule {
            level: Level::Metadata,
            omit_stages: Stages::NONE.with(Stage::RequestReceived),
            ..Rule::default()
        };
        Self { rules: vec![rule] }
    }
}

impl Policy {
    /// Reads a policy file, YAML or JSON.
    ///
    /// # Errors
    /// One sentence that names the line and, within a rule, the rule's index counted from 0.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let rules = file::parse(text)?;
        Ok(Self { rules })
    }

    /// What is recorded of `request`: the first rule that matches says it. `None` if nothing is.
    pub fn decide(&self, request: &Request<'_>) -> Option<Decision> {
        let rule = self.rules.iter().find(|rule| rule.matches(request))?;
        if rule.level == Level::None {
            return None;
        }
        Some(Decision {
            level: rule.level,
            omit_stages: rule.omit_stages,
            omit_managed_fields: rule.omit_managed_fields,
            bodies: request.is_resource && rule.permits_body(request),
        })
    }
}

impl Rule {
    fn matches(&self, request: &Request<'_>) -> bool {
        let member = || {
            self.user_groups
                .iter()
                .any(|group| request.groups.contains(group))
        };
        if !any_or(&self.users, request.user)
            || !(self.user_groups.is_empty() || member())
            || !any_or(&self.verbs, request.verb)
        {
            return false;
        }
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            return request.is_resource
                && any_or(&self.namespaces, request.namespace)
                && (self.resources.is_empty() || self.resources.iter().any(|entry| entry.matches(request)));
        }
        if !self.non_resource_urls.is_empty() {
            return !request.is_resource
                && self
                    .non_resource_urls
                    .iter()
                    .any(|url| url_matches(url, request.path));
        }
        true
    }

    fn permits_body(&self, request: &Request<'_>) -> bool {
        let Some((group, guarded)) = GUARDED.iter().find(|guarded| guards(guarded, request)) else {
            return true;
        };
        self.resources.iter().any(|entry| {
            entry.group == *group
                && entry.permits_name(request.name)
                && entry.resources.iter().any(|resource| resource == guarded)
        })
    }
}

/// Every subresource of a guarded resource is guarded with it.
fn guards((group, guarded): &(&str, &str), request: &Request<'_>) -> bool {
    let (resource, subresource) = guarded.split_once('/').unwrap_or((guarded, ""));
    request.api_group == *group
        && request.resource == resource
        && (subresource.is_empty() || request.subresource == subresource)
}

impl GroupResources {
    fn matches(&self, request: &Request<'_>) -> bool {
        if self.group != request.api_group {
            return false;
        }
        self.resources.is_empty()
            || self.permits_name(request.name)
                && self
                    .resources
                    .iter()
                    .any(|pattern| resource_matches(pattern, request))
    }

    fn permits_name(&self, name: &str) -> bool {
        any_or(&self.resource_names, name)
    }
}

/// `pods` is the resource alone, `pods/log` one subresource, `*/status` that of every resource, `pods/*` the resource
/// with all it has, `*` everything.
fn resource_matches(pattern: &str, request: &Request<'_>) -> bool {
    match pattern.split_once('/') {
        None => pattern == "*" || request.subresource.is_empty() && pattern == request.resource,
        Some(("*", subresource)) => !request.subresource.is_empty() && subresource == request.subresource,
        Some((resource, "*")) => resource == request.resource,
        Some((resource, subresource)) => resource == request.resource && subresource == request.subresource,
    }
}

fn url_matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => pattern == path,
    }
}

fn any_or(list: &[String], wanted: &str) -> bool {
    list.is_empty() || list.iter().any(|entry| entry == wanted)
}

#[cfg(test)]
mod tests;
