//! The four patch types: from a stored object and a patch to the object the client wants (api-conventions §7, §8).

use strongroom_merge::managed_fields::{ApplyError, Writer, apply};
use strongroom_merge::{PatchError, json_patch, merge_patch, strategic_merge_patch};
use strongroom_objects::json::{self, Limits, Parsed};
use strongroom_objects::yaml;
use strongroom_objects::{FieldError, Map, Object, Status, StatusCause, Value};

use crate::decode::{settle, strict_problems};
use crate::options::{FieldValidation, WriteOptions};
use crate::resource::{Context, Resource};

/// The media type of a patch decides how it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' merge by list keys.
    Strategic,
    /// Server-side apply.
    Apply,
}

impl PatchType {
    /// Media types as requests name them, in the order that messages list them.
    pub const MEDIA_TYPES: [(&'static str, Self); 4] = [
        ("application/json-patch+json", Self::Json),
        ("application/merge-patch+json", Self::Merge),
        ("application/strategic-merge-patch+json", Self::Strategic),
        ("application/apply-patch+yaml", Self::Apply),
    ];

    /// The type that `media_type` (without parameters) stands for.
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        Self::MEDIA_TYPES
            .iter()
            .find(|(name, _)| *name == media_type)
            .map(|(_, patch_type)| *patch_type)
    }
}

/// A patch whose body has been read once; it is applied again whenever another writer won.
#[derive(Debug)]
pub struct Patch {
    body: Body,
    duplicates: Vec<String>,
}

enum Body {
    Json(Vec<u8>),
    Merge(Value),
    Strategic(Value),
    Apply(Map),
}

// A patch may hold secret values.
impl std::fmt::Debug for Body {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[patch]")
    }
}

/// The object a patch asks for, and what to tell the client about it.
#[derive(Debug)]
pub struct Patched {
    /// The object, conformed to its kind.
    pub object: Object,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
}

impl Patch {
    /// Reads the body of a patch to `resource`.
    pub fn parse(
        resource: &Resource,
        patch_type: PatchType,
        body: &[u8],
        validation: FieldValidation,
    ) -> Result<Self, Box<Status>> {
        if patch_type == PatchType::Apply {
            return Self::parse_applied(resource, body, validation);
        }
        let parsed = json::parse(body, &Limits::REQUEST)
            .map_err(|error| bad_request(format!("error decoding patch: {error}")))?;
        let body = match (patch_type, parsed.value) {
            (PatchType::Json, Value::Array(_)) => Body::Json(body.to_vec()),
            (PatchType::Merge, value @ Value::Object(_)) => Body::Merge(value),
            (PatchType::Strategic, value @ Value::Object(_)) => Body::Strategic(value),
            (PatchType::Json, _) => {
                return Err(bad_request(
                    "error decoding patch: a JSON patch is a list of operations".to_owned(),
                ));
            }
            _ => {
                return Err(bad_request(
                    "error decoding patch: the patch is no object".to_owned(),
                ));
            }
        };
        Ok(Self {
            body,
            duplicates: parsed.duplicates,
        })
    }

    fn parse_applied(
        resource: &Resource,
        body: &[u8],
        validation: FieldValidation,
    ) -> Result<Self, Box<Status>> {
        let Parsed { value, duplicates } = yaml::parse(body, &Limits::REQUEST)
            .map_err(|error| bad_request(format!("error decoding YAML: {error}")))?;
        let Value::Object(mut applied) = value else {
            return Err(bad_request(
                "error decoding YAML: the configuration is no object".to_owned(),
            ));
        };
        if validation == FieldValidation::Strict && !duplicates.is_empty() {
            let text = strict_problems(&duplicates, &[]).join(", ");
            return Err(bad_request(format!("error strict decoding YAML: {text}")));
        }
        if applied.values().map(field_count).sum::<usize>() > MAX_APPLIED_FIELDS {
            let text = format!("a configuration may have at most {MAX_APPLIED_FIELDS} fields");
            return Err(Box::new(Status::too_large(&text)));
        }
        check_applied_kind(resource, &applied)?;
        if applied
            .get("metadata")
            .is_some_and(|metadata| metadata.get("managedFields").is_some_and(|v| !v.is_null()))
        {
            return Err(bad_request("metadata.managedFields must be nil".to_owned()));
        }
        if let Some(Value::Object(metadata)) = applied.get_mut("metadata") {
            metadata.retain(|_, value| !value.is_null());
        }
        Ok(Self {
            body: Body::Apply(applied),
            duplicates,
        })
    }

    /// Whether this is server-side apply, which creates what is missing.
    pub fn is_apply(&self) -> bool {
        matches!(self.body, Body::Apply(_))
    }

    /// Applies the patch to `live`, which only server-side apply can do without.
    pub fn apply(
        &self,
        resource: &'static Resource,
        subresource: &str,
        live: Option<&Object>,
        options: &WriteOptions,
        context: &Context,
    ) -> Result<Patched, Box<Status>> {
        let live = live.map(|object| Value::Object(object.to_value()));
        let patched = match &self.body {
            Body::Apply(applied) => {
                let writer = Writer {
                    manager: &context.manager,
                    api_version: &resource.api_version(),
                    subresource,
                    now: &context.timestamp(),
                };
                let mut written = applied.clone();
                if let Some(part) = written_elsewhere(resource, subresource) {
                    written.remove(part);
                }
                let applied_value = Value::Object(written);
                let force = options.force;
                let merged = apply(
                    resource.served_type(),
                    live.as_ref(),
                    applied_value,
                    &writer,
                    force,
                )
                .map_err(apply_status)?;
                return self.finish_apply(resource, applied, merged, options);
            }
            Body::Json(operations) => json_patch(&live.unwrap_or_default(), operations),
            Body::Merge(patch) => Ok(merge_patch(live.unwrap_or_default(), patch.clone())),
            Body::Strategic(patch) => {
                strategic_merge_patch(live.unwrap_or_default(), patch.clone(), resource.served_type())
            }
        };
        self.finish(resource, patched.map_err(patch_status)?, options)
    }

    fn finish(
        &self,
        resource: &Resource,
        patched: Value,
        options: &WriteOptions,
    ) -> Result<Patched, Box<Status>> {
        let Value::Object(map) = patched else {
            return Err(undecodable("the patched object is no object"));
        };
        check_patched_kind(resource, &map)?;
        let settled = settle(resource, map).map_err(|error| undecodable(&error.to_string()))?;
        let problems = strict_problems(&self.duplicates, &settled.unknown);
        if options.field_validation == FieldValidation::Strict && !problems.is_empty() {
            return Err(undecodable(&format!(
                "strict decoding error: {}",
                problems.join(", ")
            )));
        }
        let warnings = if options.field_validation == FieldValidation::Warn {
            problems
        } else {
            Vec::new()
        };
        Ok(Patched {
            object: settled.object,
            warnings,
        })
    }

    fn finish_apply(
        &self,
        resource: &Resource,
        applied: &Map,
        merged: Value,
        options: &WriteOptions,
    ) -> Result<Patched, Box<Status>> {
        let Value::Object(map) = merged else {
            return Err(Box::new(Status::internal(
                "the applied configuration is no object",
            )));
        };
        let settled = settle(resource, map).map_err(|error| {
            let text = format!(
                "failed to convert new object ({}; {}) to proper version: {error}",
                namespaced_name(applied),
                group_version_kind(applied)
            );
            Box::new(Status::unclassified(&text))
        })?;
        let warnings = if options.field_validation == FieldValidation::Warn {
            strict_problems(&self.duplicates, &[])
        } else {
            Vec::new()
        };
        Ok(Patched {
            object: settled.object,
            warnings,
        })
    }
}

/// Fields of one applied configuration: each costs a multiple of its size while owners are compared.
const MAX_APPLIED_FIELDS: usize = 20_000;

fn field_count(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.values().map(field_count).sum::<usize>().max(1),
        Value::Array(list) => list.iter().map(field_count).sum::<usize>().max(1),
        _ => 1,
    }
}

/// The part that an endpoint leaves to another: it is neither applied nor owned (api-conventions §8).
fn written_elsewhere(resource: &Resource, subresource: &str) -> Option<&'static str> {
    match subresource {
        "" => resource.subresource("status").map(|_| "status"),
        "approval" | "status" => Some("spec"),
        _ => None,
    }
}

fn bad_request(text: String) -> Box<Status> {
    Box::new(Status::bad_request(&text))
}

fn text<'a>(map: &'a Map, field: &str) -> &'a str {
    map.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn namespaced_name(applied: &Map) -> String {
    let metadata = applied.get("metadata").and_then(Value::as_object);
    let part = |field| metadata.map_or("", |metadata| text(metadata, field));
    format!("{}/{}", part("namespace"), part("name"))
}

/// Go's print of a group, version and kind: `/v1, Kind=Secret`.
fn group_version_kind(applied: &Map) -> String {
    let api_version = text(applied, "apiVersion");
    let group_version = if api_version.contains('/') {
        api_version.to_owned()
    } else {
        format!("/{api_version}")
    };
    format!("{group_version}, Kind={}", text(applied, "kind"))
}

fn check_applied_kind(resource: &Resource, applied: &Map) -> Result<(), Box<Status>> {
    if text(applied, "apiVersion") == resource.api_version() && text(applied, "kind") == resource.kind {
        return Ok(());
    }
    Err(bad_request(format!(
        "invalid object type: {}",
        group_version_kind(applied)
    )))
}

/// A patch may not make another kind of an object.
fn check_patched_kind(resource: &Resource, patched: &Map) -> Result<(), Box<Status>> {
    if text(patched, "apiVersion") == resource.api_version() && text(patched, "kind") == resource.kind {
        return Ok(());
    }
    Err(undecodable("the patch changes apiVersion or kind"))
}

/// 422 with an empty kind; upstream puts the whole object into the message, which would show secret values.
fn undecodable(problem: &str) -> Box<Status> {
    let error = FieldError::invalid("patch", "<object redacted>", problem);
    Box::new(Status::invalid("", "", "", vec![error]))
}

fn patch_status(error: PatchError) -> Box<Status> {
    Box::new(match error {
        PatchError::Malformed(_) => Status::bad_request(&error.to_string()),
        PatchError::TooManyOperations(count) => Status::too_large(&format!(
            "The allowed maximum operations in a JSON patch is 10000, got {count}"
        )),
        PatchError::Failed(_) => Status::unprocessable(),
        PatchError::Unsupported(problem) => Status::unclassified(&problem),
    })
}

fn apply_status(error: ApplyError) -> Box<Status> {
    Box::new(match error {
        ApplyError::Conflicts(conflicts) => {
            let causes = conflicts.iter().flat_map(|conflict| {
                let cause =
                    |path: &String| StatusCause::new("FieldManagerConflict", &conflict.message(), path);
                conflict.paths.iter().map(cause)
            });
            let causes = causes.collect();
            Status::apply_conflict(&ApplyError::Conflicts(conflicts).to_string(), causes)
        }
        ApplyError::TypedPatch(text) => Status::unclassified(&text),
        ApplyError::ManagedFieldsNotNil => Status::bad_request(&error.to_string()),
    })
}
