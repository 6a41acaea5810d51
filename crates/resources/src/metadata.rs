//! `metadata`: what the server fills, what a client may not change, what is wrong with it (api-conventions §5).

use std::collections::BTreeSet;

use strongroom_objects::{FieldError, Object, ObjectMeta, OwnerReference, Value};

use strongroom_objects::names::{label_value, qualified_name};

use crate::names::label_name;
use crate::resource::{Context, Resource};

/// Bytes that all annotation keys and values of one object may have together.
pub const MAX_ANNOTATIONS_SIZE: usize = 256 * 1024;

/// Characters that `generateName` may contribute; the rest are dropped before the random suffix is added.
const MAX_GENERATED_PREFIX: usize = 58;

const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", ORPHAN, FOREGROUND_DELETION];
/// Finalizer of an object whose dependents are to be kept.
pub const ORPHAN: &str = "orphan";
/// Finalizer of an object that waits for its dependents to go first.
pub const FOREGROUND_DELETION: &str = "foregroundDeletion";

/// Sets what only the server may set on a new object.
pub fn prepare_create(metadata: &mut ObjectMeta, context: &Context) {
    metadata.uid.clone_from(&context.uid);
    metadata.creation_timestamp = Some(context.timestamp());
    metadata.deletion_timestamp = None;
    metadata.deletion_grace_period_seconds = None;
    metadata.resource_version.clear();
    if metadata.name.is_empty() && !metadata.generate_name.is_empty() {
        let mut cut = metadata.generate_name.len().min(MAX_GENERATED_PREFIX);
        while !metadata.generate_name.is_char_boundary(cut) {
            cut -= 1;
        }
        metadata.name = format!("{}{}", &metadata.generate_name[..cut], context.name_suffix);
    }
}

/// Takes back what an update may not change without being told so.
pub fn prepare_update(new: &mut ObjectMeta, old: &ObjectMeta) {
    new.generation = old.generation;
    new.creation_timestamp.clone_from(&old.creation_timestamp);
    if new.uid.is_empty() {
        new.uid.clone_from(&old.uid);
    }
    if old.deletion_timestamp.is_some() {
        new.deletion_timestamp.clone_from(&old.deletion_timestamp);
    }
    if new.deletion_grace_period_seconds.is_none() {
        new.deletion_grace_period_seconds = old.deletion_grace_period_seconds;
    }
}

/// Drops repeated owner references and returns the text of the warning about it.
pub fn drop_repeated_owners(metadata: &mut ObjectMeta) -> Option<String> {
    let mut seen: Vec<OwnerReference> = Vec::with_capacity(metadata.owner_references.len());
    let mut repeated = BTreeSet::new();
    for owner in std::mem::take(&mut metadata.owner_references) {
        if seen.contains(&owner) {
            repeated.insert(owner.uid);
        } else {
            seen.push(owner);
        }
    }
    metadata.owner_references = seen;
    if repeated.is_empty() {
        return None;
    }
    let uids: Vec<String> = repeated.into_iter().collect();
    Some(format!(
        ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        uids.join(", ")
    ))
}

/// Everything that is wrong with an object's metadata, whatever it was before.
pub fn validate(resource: &Resource, object: &Object, errors: &mut Vec<FieldError>) {
    let metadata = &object.metadata;
    let rule = resource.name_rule;
    let mut invalid = |path: &str, value: &str, problems: Vec<String>| {
        errors.extend(
            problems
                .iter()
                .map(|problem| FieldError::invalid(path, value, problem)),
        );
    };
    if !metadata.generate_name.is_empty() {
        let problems = rule.check(&metadata.generate_name, true);
        invalid("metadata.generateName", &metadata.generate_name, problems);
    }
    if !metadata.name.is_empty() {
        invalid("metadata.name", &metadata.name, rule.check(&metadata.name, false));
    }
    if resource.namespaced && !metadata.namespace.is_empty() {
        invalid(
            "metadata.namespace",
            &metadata.namespace,
            label_name(&metadata.namespace),
        );
    }
    if metadata.name.is_empty() {
        errors.push(FieldError::required(
            "metadata.name",
            "name or generateName is required",
        ));
    }
    if metadata.generation < 0 {
        let detail = "must be greater than or equal to 0";
        errors.push(FieldError::invalid(
            "metadata.generation",
            metadata.generation,
            detail,
        ));
    }
    validate_labels(metadata, errors);
    validate_annotations(metadata, errors);
    validate_owners(metadata, errors);
    validate_finalizers(metadata, errors);
}

/// Everything that is wrong with the change of an object's metadata.
pub fn validate_update(new: &ObjectMeta, old: &ObjectMeta, errors: &mut Vec<FieldError>) {
    if old.deletion_timestamp.is_some() {
        let added: Vec<String> = new
            .finalizers
            .iter()
            .filter(|finalizer| !old.finalizers.contains(finalizer))
            .map(|finalizer| format!("{finalizer:?}"))
            .collect();
        if !added.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            errors.push(FieldError::forbidden("metadata.finalizers", &detail));
        }
    }
    let mut frozen = |field: &str, new: Value, old: Value| {
        if new != old {
            errors.push(FieldError::invalid(
                &format!("metadata.{field}"),
                new,
                "field is immutable",
            ));
        }
    };
    frozen("name", new.name.as_str().into(), old.name.as_str().into());
    frozen(
        "namespace",
        new.namespace.as_str().into(),
        old.namespace.as_str().into(),
    );
    frozen("uid", new.uid.as_str().into(), old.uid.as_str().into());
    frozen(
        "deletionTimestamp",
        new.deletion_timestamp.clone().into(),
        old.deletion_timestamp.clone().into(),
    );
    frozen(
        "deletionGracePeriodSeconds",
        new.deletion_grace_period_seconds.into(),
        old.deletion_grace_period_seconds.into(),
    );
}

fn validate_labels(metadata: &ObjectMeta, errors: &mut Vec<FieldError>) {
    const PATH: &str = "metadata.labels";
    for (key, value) in &metadata.labels {
        errors.extend(
            qualified_name(key)
                .iter()
                .map(|text| FieldError::invalid(PATH, key.as_str(), text)),
        );
        errors.extend(
            label_value(value)
                .iter()
                .map(|text| FieldError::invalid(PATH, value.as_str(), text)),
        );
    }
}

fn validate_annotations(metadata: &ObjectMeta, errors: &mut Vec<FieldError>) {
    const PATH: &str = "metadata.annotations";
    let mut size = 0;
    for (key, value) in &metadata.annotations {
        size += key.len() + value.len();
        let problems = qualified_name(&key.to_lowercase());
        errors.extend(
            problems
                .iter()
                .map(|text| FieldError::invalid(PATH, key.as_str(), text)),
        );
    }
    if size > MAX_ANNOTATIONS_SIZE {
        let detail = format!("may not be more than {MAX_ANNOTATIONS_SIZE} bytes");
        errors.push(FieldError::too_long(PATH, &detail));
    }
}

fn validate_owners(metadata: &ObjectMeta, errors: &mut Vec<FieldError>) {
    const PATH: &str = "metadata.ownerReferences";
    let mut controllers: Vec<&str> = Vec::new();
    for owner in &metadata.owner_references {
        let mut required = |field: &str, value: &str, detail: &str| {
            if value.is_empty() {
                errors.push(FieldError::invalid(&format!("{PATH}.{field}"), value, detail));
            }
        };
        let version = owner.api_version.rsplit('/').next().unwrap_or_default();
        required("apiVersion", version, "version must not be empty");
        required("kind", &owner.kind, "must not be empty");
        required("name", &owner.name, "must not be empty");
        required("uid", &owner.uid, "must not be empty");
        if owner.api_version == "v1" && owner.kind == "Event" {
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            errors.push(FieldError::invalid(PATH, owner_value(owner), detail));
        }
        if owner.controller == Some(true) {
            if let Some(first) = controllers.first() {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {}",
                    owner.name
                );
                let all = metadata.owner_references.iter().map(owner_value).collect();
                errors.push(FieldError::invalid(PATH, Value::Array(all), &detail));
            }
            controllers.push(&owner.name);
        }
    }
}

fn owner_value(owner: &OwnerReference) -> Value {
    serde_json::to_value(owner).unwrap_or(Value::Null)
}

fn validate_finalizers(metadata: &ObjectMeta, errors: &mut Vec<FieldError>) {
    for (index, finalizer) in metadata.finalizers.iter().enumerate() {
        let path = format!("metadata.finalizers[{index}]");
        let problems = qualified_name(finalizer);
        errors.extend(
            problems
                .iter()
                .map(|text| FieldError::invalid("metadata.finalizers", finalizer.as_str(), text)),
        );
        if !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(&finalizer.as_str()) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(&path, finalizer.as_str(), detail));
        }
    }
    let has = |name: &str| metadata.finalizers.iter().any(|finalizer| finalizer == name);
    if has(ORPHAN) && has(FOREGROUND_DELETION) {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(FieldError::invalid(
            "metadata.finalizers",
            metadata.finalizers.clone(),
            detail,
        ));
    }
}
