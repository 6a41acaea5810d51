//! Secrets: `../shared/spec/secrets.md` §1–§4.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use strongroom_objects::{ColumnDefinition, FieldError, Map, Object, Value};

use crate::names::{NameRule, config_key};
use crate::printing;
use crate::resource::{ALL_VERBS, Resource, StoredAs, Strategy};
use crate::tls_pair;

/// The row of the table.
pub static SECRETS: Resource = Resource {
    group: "",
    version: "v1",
    kind: "Secret",
    plural: "secrets",
    singular: "secret",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    storage: StoredAs {
        path: "secrets",
        api_version: "v1",
        kind: "Secret",
    },
    name_rule: NameRule::Subdomain,
    returns_deleted_object: false,
    create_on_update: false,
    unconditional_update: true,
    selectable_fields: &["type"],
    strategy: &Secrets,
};

/// Sum of the decoded values' lengths that a Secret may have, in bytes.
pub const MAX_SECRET_SIZE: usize = 1024 * 1024;

const OPAQUE: &str = "Opaque";
const SERVICE_ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";

struct Secrets;

impl Strategy for Secrets {
    fn default_fields(&self, object: &mut Object) {
        if type_of(object).is_empty() {
            object.body.insert("type".to_owned(), OPAQUE.into());
        }
    }

    fn fold(&self, object: &mut Object) {
        let Some(Value::Object(plain)) = object.body.remove("stringData") else {
            return;
        };
        if plain.is_empty() {
            return;
        }
        let data = object
            .body
            .entry("data")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(data) = data {
            for (key, value) in plain {
                data.insert(key, STANDARD.encode(value.as_str().unwrap_or_default()).into());
            }
        }
    }

    fn validate(&self, object: &Object, errors: &mut Vec<FieldError>) {
        validate_data(object, errors);
        validate_type(object, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, _subresource: &str, errors: &mut Vec<FieldError>) {
        if type_of(new) != type_of(old) {
            errors.push(FieldError::invalid("type", type_of(new), "field is immutable"));
        }
        validate_immutable(new, old, &["data"], errors);
    }

    fn warnings(&self, object: &Object) -> Vec<String> {
        if type_of(object) != "kubernetes.io/tls" {
            return Vec::new();
        }
        let certificate = value(object, "tls.crt").unwrap_or_default();
        let key = value(object, "tls.key").unwrap_or_default();
        tls_pair::check(&certificate, &key)
            .err()
            .map(|error| error.to_string())
            .into_iter()
            .collect()
    }

    fn selectable_field(&self, object: &Object, path: &str) -> Option<String> {
        (path == "type").then(|| type_of(object).to_owned())
    }

    fn columns(&self) -> Vec<ColumnDefinition> {
        vec![
            printing::name_column(),
            ColumnDefinition::new(
                "Type",
                "string",
                "",
                "What the values are for; checked by the server.",
                0,
            ),
            ColumnDefinition::new("Data", "string", "", "How many values the Secret holds.", 0),
            printing::age_column(),
        ]
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        vec![
            object.metadata.name.clone().into(),
            type_of(object).into(),
            data(object).map_or(0, Map::len).into(),
            printing::age(object, now),
        ]
    }
}

fn type_of(object: &Object) -> &str {
    object
        .body
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn data(object: &Object) -> Option<&Map> {
    object.body.get("data").and_then(Value::as_object)
}

fn value(object: &Object, key: &str) -> Option<Vec<u8>> {
    let text = data(object)?.get(key)?.as_str()?;
    STANDARD.decode(text).ok()
}

/// Length in bytes of what canonical base64 `text` stands for.
pub(crate) fn decoded_length(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// Checks every key of `data` and returns the sum of the values' lengths in bytes.
pub(crate) fn validate_keys(data: &Map, field: &str, errors: &mut Vec<FieldError>) {
    for key in data.keys() {
        let path = format!("{field}[{key}]");
        errors.extend(
            config_key(key)
                .into_iter()
                .map(|problem| FieldError::invalid(&path, key.as_str(), &problem)),
        );
    }
}

/// The frozen parts of an object whose stored `immutable` is true (secrets §3.4).
pub(crate) fn validate_immutable(new: &Object, old: &Object, frozen: &[&str], errors: &mut Vec<FieldError>) {
    let is_immutable = |object: &Object| object.body.get("immutable") == Some(&Value::Bool(true));
    if !is_immutable(old) {
        return;
    }
    const DETAIL: &str = "field is immutable when `immutable` is set";
    if !is_immutable(new) {
        errors.push(FieldError::forbidden("immutable", DETAIL));
    }
    for field in frozen {
        if new.body.get(*field) != old.body.get(*field) {
            errors.push(FieldError::forbidden(field, DETAIL));
        }
    }
}

fn validate_data(object: &Object, errors: &mut Vec<FieldError>) {
    let Some(data) = data(object) else { return };
    validate_keys(data, "data", errors);
    let size: usize = data.values().filter_map(Value::as_str).map(decoded_length).sum();
    if size > MAX_SECRET_SIZE {
        let detail = format!("may not be more than {MAX_SECRET_SIZE} bytes");
        errors.push(FieldError::too_long("data", &detail));
    }
}

fn validate_type(object: &Object, errors: &mut Vec<FieldError>) {
    let has = |key: &str| data(object).is_some_and(|data| data.contains_key(key));
    let mut require = |present: bool, key: &str| {
        if !present {
            errors.push(FieldError::required(&format!("data[{key}]"), ""));
        }
    };
    match type_of(object) {
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            require(false, "username");
            require(false, "password");
        }
        "kubernetes.io/ssh-auth" => {
            require(
                value(object, "ssh-privatekey").is_some_and(|key| !key.is_empty()),
                "ssh-privatekey",
            );
        }
        "kubernetes.io/tls" => {
            require(has("tls.crt"), "tls.crt");
            require(has("tls.key"), "tls.key");
        }
        "kubernetes.io/dockercfg" => validate_docker(object, ".dockercfg", errors),
        "kubernetes.io/dockerconfigjson" => validate_docker(object, ".dockerconfigjson", errors),
        "kubernetes.io/service-account-token" => {
            let account = object.metadata.annotations.get(SERVICE_ACCOUNT_NAME);
            if account.is_none_or(String::is_empty) {
                let path = format!("metadata.annotations[{SERVICE_ACCOUNT_NAME}]");
                errors.push(FieldError::required(&path, ""));
            }
        }
        _ => {}
    }
}

fn validate_docker(object: &Object, key: &str, errors: &mut Vec<FieldError>) {
    let path = format!("data[{key}]");
    let Some(content) = value(object, key) else {
        errors.push(FieldError::required(&path, ""));
        return;
    };
    if let Err(problem) = json_object(&content) {
        errors.push(FieldError::invalid(&path, "<secret contents redacted>", &problem));
    }
}

/// Go's answer to decoding `content` into a map; the text never contains any of it beyond one character.
fn json_object(content: &[u8]) -> Result<(), String> {
    let limits = strongroom_objects::json::Limits::REQUEST;
    let parsed = strongroom_objects::json::parse(content, &limits).map_err(|error| error.to_string())?;
    let found = match parsed.value {
        Value::Object(_) | Value::Null => return Ok(()),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
    };
    Err(format!(
        "json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
    ))
}

#[cfg(test)]
mod tests;
