//! `Status`, the answer that is not an object: errors, and deletions that are done (api-conventions.md §13).
//!
//! A constructor for each row of that table; the texts are what clients and people compare.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::field_error::{FieldError, aggregate};
use crate::go_text::quote;
use crate::object::to_map;
use crate::{ListMeta, Map};

#[cfg(test)]
mod tests;

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// Always `Status`.
    pub kind: String,
    /// Always `v1`.
    pub api_version: String,
    /// Holds a fresh continue token when a list has expired.
    pub metadata: ListMeta,
    /// `Success` or `Failure`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// For programs; empty where Kubernetes has no word for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What the answer is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<StatusDetails>,
    /// The HTTP status; absent for success.
    #[serde(skip_serializing_if = "is_zero")]
    pub code: u16,
}

impl Default for Status {
    fn default() -> Status {
        Status {
            kind: "Status".to_owned(),
            api_version: "v1".to_owned(),
            metadata: ListMeta::default(),
            status: "Failure".to_owned(),
            message: String::new(),
            reason: String::new(),
            details: None,
            code: 0,
        }
    }
}

/// What a status is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatusDetails {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The resource (`secrets`); for Invalid and for failed preconditions of a delete the kind (`Secret`).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The object's uid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The single complaints.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<StatusCause>,
    /// Seconds; also sent as the header `Retry-After`.
    #[serde(skip_serializing_if = "is_zero_seconds")]
    pub retry_after_seconds: i32,
}

/// One complaint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusCause {
    /// For programs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The field it is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

impl StatusCause {
    /// A cause.
    pub fn new(reason: &str, message: &str, field: &str) -> StatusCause {
        StatusCause {
            reason: reason.to_owned(),
            message: message.to_owned(),
            field: field.to_owned(),
        }
    }
}

impl Status {
    fn new(code: u16, reason: &str, message: String) -> Status {
        Status {
            code,
            reason: reason.to_owned(),
            message,
            ..Status::default()
        }
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> Status {
        let details = self.details.get_or_insert_default();
        (details.group, details.kind, details.name) = (group.to_owned(), kind.to_owned(), name.to_owned());
        self
    }

    fn with_empty_details(mut self) -> Status {
        self.details = Some(StatusDetails::default());
        self
    }

    /// The same status with causes.
    pub fn with_causes(mut self, causes: Vec<StatusCause>) -> Status {
        self.details.get_or_insert_default().causes = causes;
        self
    }

    /// The same status telling clients when to try again.
    pub fn with_retry_after(mut self, seconds: i32) -> Status {
        self.details.get_or_insert_default().retry_after_seconds = seconds;
        self
    }

    /// The HTTP status; 200 for success.
    pub fn code(&self) -> u16 {
        if self.code == 0 { 200 } else { self.code }
    }

    /// Seconds after which to try again, if the status says so.
    pub fn retry_after(&self) -> Option<i32> {
        self.details
            .as_ref()
            .map(|details| details.retry_after_seconds)
            .filter(|seconds| *seconds > 0)
    }

    /// The JSON object.
    pub fn to_value(&self) -> Map {
        to_map(self)
    }

    /// 404 for a named object.
    pub fn not_found(group: &str, resource: &str, name: &str) -> Status {
        let message = format!("{} {} not found", qualified(resource, group), quote(name));
        Status::new(404, "NotFound", message).about(group, resource, name)
    }

    /// 404 for a path that leads nowhere.
    pub fn page_not_found() -> Status {
        Status::new(
            404,
            "NotFound",
            "the server could not find the requested resource".to_owned(),
        )
        .with_empty_details()
    }

    /// 409 for a name that is taken.
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Status {
        let message = format!("{} {} already exists", qualified(resource, group), quote(name));
        Status::new(409, "AlreadyExists", message).about(group, resource, name)
    }

    /// 409 when even generated names are taken.
    pub fn generate_name_conflict(group: &str, resource: &str, name: &str) -> Status {
        let mut status = Status::already_exists(group, resource, name).with_retry_after(1);
        status
            .message
            .push_str(", the server was not able to generate a unique name for the object");
        status
    }

    /// 409: the stored state is not what the writer expects.
    pub fn conflict(group: &str, resource: &str, name: &str, problem: &str) -> Status {
        let what = qualified(resource, group);
        let message = format!(
            "Operation cannot be fulfilled on {what} {}: {problem}",
            quote(name)
        );
        Status::new(409, "Conflict", message).about(group, resource, name)
    }

    /// 409 with a free text.
    pub fn conflict_text(message: &str) -> Status {
        Status::new(409, "Conflict", message.to_owned())
    }

    /// 409: other managers own fields of an applied configuration.
    pub fn apply_conflict(message: &str, causes: Vec<StatusCause>) -> Status {
        Status::conflict_text(message).with_causes(causes)
    }

    /// 422 with the complaints about fields.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: Vec<FieldError>) -> Status {
        let mut message = format!("{} {} is invalid", qualified(kind, group), quote(name));
        if !errors.is_empty() {
            message.push_str(": ");
            message.push_str(&aggregate(&errors));
        }
        let causes = errors.iter().map(FieldError::cause).collect();
        Status::new(422, "Invalid", message)
            .about(group, kind, name)
            .with_causes(causes)
    }

    /// 422 for a patch that does not apply.
    pub fn unprocessable() -> Status {
        let message = "the server rejected our request due to an error in our request";
        Status::new(422, "Invalid", message.to_owned()).with_empty_details()
    }

    /// 400.
    pub fn bad_request(message: &str) -> Status {
        Status::new(400, "BadRequest", message.to_owned())
    }

    /// 401.
    pub fn unauthorized() -> Status {
        Status::new(401, "Unauthorized", "Unauthorized".to_owned())
    }

    /// 403: `secrets "n" is forbidden: <problem>`. Empty name or resource are left out.
    pub fn forbidden(group: &str, resource: &str, name: &str, problem: &str) -> Status {
        let message = match (resource, name) {
            ("", _) => format!("forbidden: {problem}"),
            (_, "") => format!("{} is forbidden: {problem}", qualified(resource, group)),
            _ => format!(
                "{} {} is forbidden: {problem}",
                qualified(resource, group),
                quote(name)
            ),
        };
        Status::forbidden_with(group, resource, name, &message)
    }

    /// 403 with a complete message.
    pub fn forbidden_with(group: &str, resource: &str, name: &str, message: &str) -> Status {
        Status::new(403, "Forbidden", message.to_owned()).about(group, resource, name)
    }

    /// 405: `<action> is not supported on resources of kind "secrets"`.
    pub fn method_not_allowed(group: &str, resource: &str, action: &str) -> Status {
        let what = quote(&qualified(resource, group));
        let message = format!("{action} is not supported on resources of kind {what}");
        Status::new(405, "MethodNotAllowed", message).about(group, resource, "")
    }

    /// 405 for a path that does not know the method.
    pub fn method_not_allowed_here() -> Status {
        let message = "the server does not allow this method on the requested resource";
        Status::new(405, "MethodNotAllowed", message.to_owned()).with_empty_details()
    }

    /// 406; form (a) of api-conventions.md §4 has empty details, form (b) none.
    pub fn not_acceptable(message: &str, with_details: bool) -> Status {
        let status = Status::new(406, "NotAcceptable", message.to_owned());
        if with_details {
            status.with_empty_details()
        } else {
            status
        }
    }

    /// 415.
    pub fn unsupported_media_type(message: &str) -> Status {
        Status::new(415, "UnsupportedMediaType", message.to_owned())
    }

    /// 415 of patch requests.
    pub fn unsupported_media_type_here() -> Status {
        Status::unsupported_media_type("415: Unsupported Media Type").with_empty_details()
    }

    /// 413: `Request entity too large: <detail>`, e.g. `limit is 3145728`.
    pub fn too_large(detail: &str) -> Status {
        Status::new(
            413,
            "RequestEntityTooLarge",
            format!("Request entity too large: {detail}"),
        )
    }

    /// 429.
    pub fn too_many_requests() -> Status {
        let message = "Too many requests, please try again later.";
        Status::new(429, "TooManyRequests", message.to_owned()).with_retry_after(1)
    }

    /// 410: the revision asked for is compacted away.
    pub fn expired(message: &str) -> Status {
        Status::new(410, "Expired", message.to_owned())
    }

    /// 410 for a continue token, with a fresh one for the rest of the list.
    pub fn expired_continue(token: &str) -> Status {
        let mut status = Status::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list \
             without the continue parameter, or use the continue token in this response to retrieve the remainder of \
             the results. Continuing with the provided token results in an inconsistent list - objects that were \
             created, modified, or deleted between the time the first chunk was returned and now may show up in the \
             list.",
        );
        status.metadata.continue_token = token.to_owned();
        status
    }

    /// 410 for good.
    pub fn gone(message: &str) -> Status {
        Status::new(410, "Gone", message.to_owned())
    }

    /// 500: `Internal error occurred: <problem>`.
    pub fn internal(problem: &str) -> Status {
        let cause = StatusCause::new("", problem, "");
        Status::new(
            500,
            "InternalError",
            format!("Internal error occurred: {problem}"),
        )
        .with_causes(vec![cause])
    }

    /// 500 without a reason: errors that Kubernetes passes on raw.
    pub fn unclassified(message: &str) -> Status {
        Status::failure(message, "")
    }

    /// 500 with any message and reason.
    pub fn failure(message: &str, reason: &str) -> Status {
        Status::new(500, reason, message.to_owned())
    }

    /// 500: could not be completed now.
    pub fn server_timeout(group: &str, resource: &str, operation: &str, retry_after: i32) -> Status {
        let what = qualified(resource, group);
        let message = format!(
            "The {operation} operation against {what} could not be completed at this time, please try again."
        );
        Status::new(500, "ServerTimeout", message)
            .about(group, resource, operation)
            .with_retry_after(retry_after)
    }

    /// 504: `Timeout: <message>`.
    pub fn timeout(message: &str) -> Status {
        Status::new(504, "Timeout", format!("Timeout: {message}")).with_empty_details()
    }

    /// 504: the resource version lies in the future.
    pub fn version_too_large(requested: u64, current: u64) -> Status {
        let message = format!("Too large resource version: {requested}, current: {current}");
        let cause = StatusCause::new("ResourceVersionTooLarge", "Too large resource version", "");
        Status::timeout(&message)
            .with_retry_after(1)
            .with_causes(vec![cause])
    }

    /// 503.
    pub fn service_unavailable(message: &str) -> Status {
        Status::new(503, "ServiceUnavailable", message.to_owned())
    }

    /// 507: no room to store anything.
    pub fn insufficient_storage(message: &str) -> Status {
        Status::new(507, "InsufficientStorage", message.to_owned())
    }

    /// 200: the object is gone.
    pub fn deleted(group: &str, resource: &str, name: &str, uid: &str) -> Status {
        let mut status = Status {
            status: "Success".to_owned(),
            ..Status::default()
        }
        .about(group, resource, name);
        status.details.get_or_insert_default().uid = uid.to_owned();
        status
    }

    /// 200 about nothing in particular.
    pub fn success() -> Status {
        Status {
            status: "Success".to_owned(),
            ..Status::default()
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

/// `roles.rbac.authorization.k8s.io`, `secrets`.
fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() {
        name.to_owned()
    } else {
        format!("{name}.{group}")
    }
}

// serde passes references.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(code: &u16) -> bool {
    *code == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero_seconds(seconds: &i32) -> bool {
    *seconds == 0
}
