//! Asking what one may do: the review resources (auth.md §4). Reading them, and writing their status.

use strongroom_objects::{FieldError, Map, Object, Value};

use crate::node::node_name;
use crate::rbac::Found;
use crate::{Attributes, Decision, Identity};

mod parse;
#[cfg(test)]
mod tests;

/// The question of an access review, ready to be asked about somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReviewAttributes {
    /// Whether the question is about a resource; if not, only `verb` and `path` count.
    pub is_resource_request: bool,
    /// The verb, as written.
    pub verb: String,
    /// The namespace.
    pub namespace: String,
    /// The API group.
    pub api_group: String,
    /// The API version.
    pub api_version: String,
    /// The resource.
    pub resource: String,
    /// The subresource.
    pub subresource: String,
    /// The object's name.
    pub name: String,
    /// The path of a question that is not about a resource.
    pub path: String,
    /// The field selector in its textual form.
    pub field_selector: Option<String>,
    /// The label selector in its textual form.
    pub label_selector: Option<String>,
}

/// A review that is not answered.
#[derive(Debug, Clone, PartialEq)]
pub enum ReviewError {
    /// 422. The Status has an empty kind and no name: `Status::invalid("authorization.k8s.io", "", "", errors)`.
    Invalid(Vec<FieldError>),
    /// 400 with this message.
    BadRequest(String),
}

impl ReviewAttributes {
    /// The question about `user`.
    pub fn attributes<'a>(&'a self, user: &'a Identity) -> Attributes<'a> {
        Attributes {
            namespace: &self.namespace,
            api_group: &self.api_group,
            api_version: &self.api_version,
            resource: &self.resource,
            subresource: &self.subresource,
            name: &self.name,
            is_resource_request: self.is_resource_request,
            field_selector: self.field_selector.as_deref(),
            label_selector: self.label_selector.as_deref(),
            ..Attributes::for_path(user, &self.verb, &self.path)
        }
    }
}

/// Reads a SelfSubjectAccessReview.
///
/// # Errors
/// [`ReviewError::Invalid`] with everything that is wrong.
pub fn self_subject_access_review(review: &Object) -> Result<ReviewAttributes, ReviewError> {
    let mut errors = parse::self_spec_errors(review);
    errors.extend(parse::metadata_error(review, false));
    parse::valid(errors)?;
    Ok(parse::question(review))
}

/// Reads a SubjectAccessReview: whom it is about, and what.
///
/// # Errors
/// [`ReviewError::Invalid`] with everything that is wrong.
pub fn subject_access_review(review: &Object) -> Result<(Identity, ReviewAttributes), ReviewError> {
    let mut errors = parse::subject_spec_errors(review);
    errors.extend(parse::metadata_error(review, false));
    parse::valid(errors)?;
    Ok((parse::subject(review), parse::question(review)))
}

/// Reads a LocalSubjectAccessReview that was sent to `namespace`.
///
/// # Errors
/// [`ReviewError::Invalid`] with everything that is wrong; [`ReviewError::BadRequest`] without a namespace.
pub fn local_subject_access_review(
    review: &Object,
    namespace: &str,
) -> Result<(Identity, ReviewAttributes), ReviewError> {
    let mut errors = parse::subject_spec_errors(review);
    errors.extend(parse::metadata_error(review, true));
    errors.extend(parse::local_errors(review));
    parse::valid(errors)?;
    if namespace.is_empty() {
        return Err(ReviewError::BadRequest(
            "namespace is required on this type: ".to_owned(),
        ));
    }
    if namespace != review.metadata.namespace {
        return Err(ReviewError::BadRequest(format!(
            "spec.resourceAttributes.namespace must match namespace: {namespace}"
        )));
    }
    Ok((parse::subject(review), parse::question(review)))
}

/// The namespace that a SelfSubjectRulesReview asks about.
///
/// # Errors
/// [`ReviewError::BadRequest`] if it names none.
pub fn self_subject_rules_review(review: &Object) -> Result<String, ReviewError> {
    let namespace = parse::spec_text(review, "namespace");
    if namespace.is_empty() {
        return Err(ReviewError::BadRequest("no namespace on request".to_owned()));
    }
    Ok(namespace)
}

/// The `status` of an access review.
pub fn access_status(decision: &Decision) -> Map {
    let (allowed, denied, reason) = match decision {
        Decision::Allow { reason } => (true, false, reason),
        Decision::NoOpinion { reason } => (false, false, reason),
        Decision::Deny { reason } => (false, true, reason),
    };
    let mut status = Map::new();
    status.insert("allowed".to_owned(), Value::Bool(allowed));
    if denied {
        status.insert("denied".to_owned(), Value::Bool(true));
    }
    if !reason.is_empty() {
        status.insert("reason".to_owned(), Value::String(reason.clone()));
    }
    status
}

/// The `status` of a SelfSubjectRulesReview. What the Node authorizer allows to a node is not in any rule, so a
/// node's list is incomplete.
pub fn rules_status(user: &Identity, found: &Found) -> Map {
    let is_node = node_name(user).is_some();
    let mut errors = Vec::new();
    if is_node {
        errors.push("node authorizer does not support user rule resolution".to_owned());
    }
    if !found.errors.is_empty() {
        errors.push(found.error_text());
    }
    let resource_rules = found.resource_rules().map(|rule| {
        members([
            ("verbs", &rule.verbs),
            ("apiGroups", &rule.api_groups),
            ("resources", &rule.resources),
            ("resourceNames", &rule.resource_names),
        ])
    });
    let non_resource_rules = found.non_resource_rules().map(|rule| {
        members([
            ("verbs", &rule.verbs),
            ("nonResourceURLs", &rule.non_resource_urls),
            ("", &Vec::new()),
            ("", &Vec::new()),
        ])
    });
    let mut status = Map::new();
    status.insert("resourceRules".to_owned(), resource_rules.collect());
    status.insert("nonResourceRules".to_owned(), non_resource_rules.collect());
    status.insert("incomplete".to_owned(), Value::Bool(is_node));
    if !errors.is_empty() {
        let text = match errors.as_slice() {
            [only] => only.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        status.insert("evaluationError".to_owned(), Value::String(text));
    }
    status
}

/// `UserInfo` as SelfSubjectReview and TokenReview print it.
pub fn user_info(user: &Identity) -> Map {
    let mut info = Map::new();
    for (name, text) in [("username", &user.user), ("uid", &user.uid)] {
        if !text.is_empty() {
            info.insert(name.to_owned(), Value::String(text.clone()));
        }
    }
    if !user.groups.is_empty() {
        info.insert("groups".to_owned(), Value::from(user.groups.clone()));
    }
    if !user.extra.is_empty() {
        let extra = user
            .extra
            .iter()
            .map(|(key, values)| (key.clone(), Value::from(values.clone())));
        info.insert("extra".to_owned(), Value::Object(extra.collect()));
    }
    info
}

/// The `status` of a SelfSubjectReview.
pub fn self_subject_status(user: &Identity) -> Map {
    Map::from_iter([("userInfo".to_owned(), Value::Object(user_info(user)))])
}

/// The lists that are not empty; verbs always.
fn members(lists: [(&str, &Vec<String>); 4]) -> Value {
    let present = lists
        .into_iter()
        .filter(|(name, list)| *name == "verbs" || !list.is_empty());
    Value::Object(
        present
            .map(|(name, list)| (name.to_owned(), Value::from(list.clone())))
            .collect(),
    )
}
