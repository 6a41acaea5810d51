//! Brings stored default objects up to date without taking anything away (auth.md §5.4).

use std::collections::BTreeMap;

use strongroom_objects::{Object, Value};

use super::AUTOUPDATE_ANNOTATION;
use crate::rbac::{Binding, Role, Subject, missing_rules};

/// What must be written so that a default object is as it should be.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The object does not exist.
    Create(Object),
    /// Something is missing; this is the stored object with it. Write it under its resourceVersion.
    Update(Object),
    /// The binding names another role, which cannot be changed: delete the stored object, then create this.
    Replace(Object),
}

/// Compares what is stored with what should be. Extra rules, subjects, labels and annotations stay; an object whose
/// annotation forbids updates stays as it is, and so does one that cannot be read.
pub fn reconcile(live: Option<&Object>, wanted: &Object) -> Option<Change> {
    let Some(live) = live else {
        return Some(Change::Create(wanted.clone()));
    };
    if live
        .metadata
        .annotations
        .get(AUTOUPDATE_ANNOTATION)
        .map(String::as_str)
        == Some("false")
    {
        return None;
    }
    if wanted.kind.ends_with("Binding") {
        return binding(live, wanted);
    }
    let mut merged = live.clone();
    merge_metadata(&mut merged, wanted);
    if wanted.body.contains_key("aggregationRule") {
        aggregation(&mut merged, wanted);
    } else {
        rules(&mut merged, wanted)?;
    }
    (merged != *live).then_some(Change::Update(merged))
}

fn merge_metadata(merged: &mut Object, wanted: &Object) {
    let add = |own: &mut BTreeMap<String, String>, wanted: &BTreeMap<String, String>| {
        for (key, value) in wanted {
            own.entry(key.clone()).or_insert_with(|| value.clone());
        }
    };
    add(&mut merged.metadata.labels, &wanted.metadata.labels);
    add(&mut merged.metadata.annotations, &wanted.metadata.annotations);
}

/// Adds what the wanted rules allow and the live ones do not.
fn rules(merged: &mut Object, wanted: &Object) -> Option<()> {
    let (live, target) = (Role::from_object(merged).ok()?, Role::from_object(wanted).ok()?);
    let missing: Vec<_> = target
        .rules
        .iter()
        .filter(|rule| !missing_rules(&live.rules, std::slice::from_ref(rule)).is_empty())
        .collect();
    if !missing.is_empty() {
        let all: Vec<_> = live.rules.iter().chain(missing).collect();
        merged.body.insert("rules".to_owned(), super::value(&all));
    }
    Some(())
}

/// Adds the selectors that are missing. The rules are left to aggregation.
fn aggregation(merged: &mut Object, wanted: &Object) {
    let selectors = |object: &Object| {
        let rule = object.body.get("aggregationRule").and_then(Value::as_object);
        let list = rule.and_then(|rule| rule.get("clusterRoleSelectors"));
        list.and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let mut all = selectors(merged);
    let before = all.len();
    for selector in selectors(wanted) {
        if !all.contains(&selector) {
            all.push(selector);
        }
    }
    if all.len() != before {
        let rule = serde_json::json!({"clusterRoleSelectors": all});
        merged.body.insert("aggregationRule".to_owned(), rule);
    }
}

fn binding(live: &Object, wanted: &Object) -> Option<Change> {
    let (own, target) = (
        Binding::from_object(live).ok()?,
        Binding::from_object(wanted).ok()?,
    );
    let mut merged = live.clone();
    merge_metadata(&mut merged, wanted);
    let missing: Vec<&Subject> = target
        .subjects
        .iter()
        .filter(|subject| !own.subjects.contains(subject))
        .collect();
    if !missing.is_empty() {
        let all: Vec<_> = own.subjects.iter().chain(missing).collect();
        merged.body.insert("subjects".to_owned(), super::value(&all));
    }
    if own.role_ref != target.role_ref {
        let role_ref = super::value(&target.role_ref);
        merged.body.insert("roleRef".to_owned(), role_ref);
        merged.metadata = clean(&merged);
        return Some(Change::Replace(merged));
    }
    (merged != *live).then_some(Change::Update(merged))
}

/// What a new object may bring along of an old one's metadata.
fn clean(object: &Object) -> strongroom_objects::ObjectMeta {
    strongroom_objects::ObjectMeta {
        name: object.metadata.name.clone(),
        namespace: object.metadata.namespace.clone(),
        labels: object.metadata.labels.clone(),
        annotations: object.metadata.annotations.clone(),
        ..strongroom_objects::ObjectMeta::default()
    }
}
