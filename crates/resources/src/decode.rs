//! From the bytes of a body to an object of the right kind, or to the sentence that says what is wrong
//! (api-conventions §4, §6). No message contains any of the body but names of fields and kinds.

use strongroom_objects::conform::{ConformError, conform};
use strongroom_objects::json::{self, Limits, Parsed};
use strongroom_objects::yaml;
use strongroom_objects::{Map, Object, ObjectError, Status, Value, protobuf, schema};

use crate::options::FieldValidation;
use crate::resource::Resource;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/json`.
    Json,
    /// `application/yaml`.
    Yaml,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

/// An object as the client sent it, and what to tell the client about it.
#[derive(Debug)]
pub struct Decoded {
    /// The object; fields that its kind does not have are gone.
    pub object: Object,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
}

/// Decodes the body of a create or update of `resource`.
pub fn decode(
    resource: &'static Resource,
    body: &[u8],
    format: Format,
    validation: FieldValidation,
) -> Result<Decoded, Box<Status>> {
    let parsed = parse(resource, body, format)?;
    let Parsed { value, duplicates } = parsed;
    let mut map = match value {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        _ => {
            return Err(unrecognized(
                resource,
                "couldn't get version/kind; the body is no object",
            ));
        }
    };
    check_kind(resource, &mut map)?;
    let conformed = settle(resource, map)
        .map_err(|error| unhandled(resource, resource.kind, resource.version, &error.to_string()))?;
    let problems = strict_problems(&duplicates, &conformed.unknown);
    let mut warnings = Vec::new();
    match validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => warnings = problems,
        FieldValidation::Strict if problems.is_empty() => {}
        FieldValidation::Strict => {
            let text = format!("strict decoding error: {}", problems.join(", "));
            return Err(unhandled(resource, resource.kind, resource.version, &text));
        }
    }
    Ok(Decoded {
        object: conformed.object,
        warnings,
    })
}

/// An object of the right shape, and the fields that its kind does not have.
pub(crate) struct Settled {
    pub object: Object,
    pub unknown: Vec<String>,
}

/// Why a JSON tree is no object of a resource.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettleError {
    #[error(transparent)]
    Conform(#[from] ConformError),
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// Makes a JSON tree an object of `resource`.
pub(crate) fn settle(resource: &Resource, mut map: Map) -> Result<Settled, SettleError> {
    keep_reset_of_managed_fields(&mut map);
    map.insert("apiVersion".to_owned(), resource.api_version().into());
    map.insert("kind".to_owned(), resource.kind.into());
    let conformed = conform(resource.served_type(), Value::Object(map))?;
    let object = Object::from_value(conformed.value)?;
    Ok(Settled {
        object,
        unknown: conformed.unknown,
    })
}

/// Repeated and unknown fields, as warnings and strict errors name them.
pub(crate) fn strict_problems(duplicates: &[String], unknown: &[String]) -> Vec<String> {
    let duplicates = duplicates.iter().map(|path| format!("duplicate field {path:?}"));
    let unknown = unknown.iter().map(|path| format!("unknown field {path:?}"));
    duplicates.chain(unknown).collect()
}

// An empty list of managed fields means "forget who owns what" (api-conventions §8), but empty lists are dropped
// when an object is made to fit its kind; a list of one empty entry means the same and is kept.
fn keep_reset_of_managed_fields(map: &mut Map) {
    let managed = map
        .get_mut("metadata")
        .and_then(|metadata| metadata.get_mut("managedFields"));
    if let Some(Value::Array(entries)) = managed
        && entries.is_empty()
    {
        entries.push(Value::Object(Map::new()));
    }
}

fn parse(resource: &Resource, body: &[u8], format: Format) -> Result<Parsed, Box<Status>> {
    if body.is_empty() {
        let text = "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)";
        return Err(unrecognized(resource, text));
    }
    let refusal = |problem: String| {
        unrecognized(
            resource,
            &format!("couldn't get version/kind; json parse error: {problem}"),
        )
    };
    match format {
        Format::Json => json::parse(body, &Limits::REQUEST).map_err(|error| refusal(error.to_string())),
        Format::Yaml => yaml::parse(body, &Limits::REQUEST).map_err(|error| refusal(error.to_string())),
        Format::Protobuf => parse_protobuf(resource, body),
    }
}

fn parse_protobuf(resource: &Resource, body: &[u8]) -> Result<Parsed, Box<Status>> {
    let bad = |problem: &dyn std::fmt::Display| unrecognized(resource, &problem.to_string());
    let envelope = protobuf::open_envelope(body).map_err(|error| bad(&error))?;
    let mut head = Map::new();
    for (field, value) in [("apiVersion", envelope.api_version), ("kind", envelope.kind)] {
        if !value.is_empty() {
            head.insert(field.to_owned(), value.into());
        }
    }
    check_kind(resource, &mut head)?;
    let map = protobuf::decode(resource.served_type(), envelope.raw, &Limits::REQUEST)
        .map_err(|error| unhandled(resource, resource.kind, resource.version, &error.to_string()))?;
    Ok(Parsed {
        value: Value::Object(map),
        duplicates: Vec::new(),
    })
}

/// The body's kind and version must be the endpoint's; where they are missing they are filled in.
fn check_kind(resource: &Resource, map: &mut Map) -> Result<(), Box<Status>> {
    let text = |field: &str| {
        map.get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (given_version, given_kind) = (text("apiVersion"), text("kind"));
    let expected = resource.api_version();
    let api_version = if given_version.is_empty() {
        &expected
    } else {
        &given_version
    };
    let kind = if given_kind.is_empty() {
        resource.kind
    } else {
        &given_kind
    };
    if *api_version == expected && kind == resource.kind {
        return Ok(());
    }
    let (group, version) = match api_version.split('/').collect::<Vec<_>>()[..] {
        [version] => ("", version),
        [group, version] => (group, version),
        _ => {
            let problem = format!("unexpected GroupVersion string: {api_version}");
            return Err(unrecognized(resource, &problem));
        }
    };
    if schema().kind(group, version, kind).is_none() {
        let problem = format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
        );
        return Err(unhandled(resource, kind, version, &problem));
    }
    if group == resource.group && kind == resource.kind {
        let problem = format!(
            "the API version in the data ({api_version}) does not match the expected API version ({expected})"
        );
        return Err(Box::new(Status::bad_request(&problem)));
    }
    let package = match resource.group.split('.').next() {
        Some("") | None => "core",
        Some(package) => package,
    };
    let problem = format!(
        "converting ({version}.{kind}) to ({package}.{}): unknown conversion",
        resource.kind
    );
    Err(unhandled(resource, kind, version, &problem))
}

fn unrecognized(resource: &Resource, problem: &str) -> Box<Status> {
    let text = format!(
        "the object provided is unrecognized (must be of type {}): {problem}",
        resource.kind
    );
    Box::new(Status::bad_request(&text))
}

fn unhandled(resource: &Resource, kind: &str, version: &str, problem: &str) -> Box<Status> {
    let text = format!(
        "{kind} in version {version:?} cannot be handled as a {}: {problem}",
        resource.kind
    );
    Box::new(Status::bad_request(&text))
}

/// The body's name and namespace must be those of the URL; where they are missing they are filled in
/// (api-conventions §5, §6). `name` is `None` for a create.
pub fn agree_with_url(object: &mut Object, namespace: &str, name: Option<&str>) -> Result<(), Box<Status>> {
    let refuse = |text: String| Err(Box::new(Status::bad_request(&text)));
    if let Some(name) = name {
        if object.metadata.name.is_empty() {
            return refuse(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            ));
        }
        if object.metadata.name != name {
            let own = &object.metadata.name;
            return refuse(format!(
                "the name of the object ({own}) does not match the name on the URL ({name})"
            ));
        }
    }
    if object.metadata.namespace.is_empty() {
        namespace.clone_into(&mut object.metadata.namespace);
    }
    if object.metadata.namespace != namespace {
        let text = "the namespace of the provided object does not match the namespace sent on the request";
        return refuse(text.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
