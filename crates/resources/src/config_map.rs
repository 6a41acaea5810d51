//! ConfigMaps: `../shared/spec/secrets.md` §5.

use jiff::Timestamp;
use strongroom_objects::{ColumnDefinition, FieldError, Map, Object, Value};

use crate::names::NameRule;
use crate::printing;
use crate::resource::{ALL_VERBS, Resource, StoredAs, Strategy};
use crate::secret::{MAX_SECRET_SIZE, decoded_length, validate_immutable, validate_keys};

/// The row of the table.
pub static CONFIG_MAPS: Resource = Resource {
    group: "",
    version: "v1",
    kind: "ConfigMap",
    plural: "configmaps",
    singular: "configmap",
    short_names: &["cm"],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    storage: StoredAs {
        path: "configmaps",
        api_version: "v1",
        kind: "ConfigMap",
    },
    name_rule: NameRule::Subdomain,
    returns_deleted_object: false,
    create_on_update: false,
    unconditional_update: true,
    selectable_fields: &[],
    strategy: &ConfigMaps,
};

struct ConfigMaps;

impl Strategy for ConfigMaps {
    fn validate(&self, object: &Object, errors: &mut Vec<FieldError>) {
        let (data, binary) = (part(object, "data"), part(object, "binaryData"));
        if let Some(data) = data {
            validate_keys(data, "data", errors);
            for key in data
                .keys()
                .filter(|key| binary.is_some_and(|binary| binary.contains_key(*key)))
            {
                let path = format!("data[{key}]");
                errors.push(FieldError::invalid(
                    &path,
                    key.as_str(),
                    "duplicate of key present in binaryData",
                ));
            }
        }
        if let Some(binary) = binary {
            validate_keys(binary, "binaryData", errors);
        }
        let size = total(data, str::len) + total(binary, decoded_length);
        if size > MAX_SECRET_SIZE {
            errors.push(FieldError::too_long(
                "",
                &format!("may not be more than {MAX_SECRET_SIZE} bytes"),
            ));
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, _subresource: &str, errors: &mut Vec<FieldError>) {
        validate_immutable(new, old, &["data", "binaryData"], errors);
    }

    fn columns(&self) -> Vec<ColumnDefinition> {
        vec![
            printing::name_column(),
            ColumnDefinition::new("Data", "string", "", "How many entries the ConfigMap holds.", 0),
            printing::age_column(),
        ]
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let count = |field| part(object, field).map_or(0, Map::len);
        vec![
            object.metadata.name.clone().into(),
            (count("data") + count("binaryData")).into(),
            printing::age(object, now),
        ]
    }
}

fn part<'a>(object: &'a Object, field: &str) -> Option<&'a Map> {
    object.body.get(field).and_then(Value::as_object)
}

fn total(part: Option<&Map>, length: fn(&str) -> usize) -> usize {
    part.into_iter()
        .flat_map(Map::values)
        .filter_map(Value::as_str)
        .map(length)
        .sum()
}
