//! Server-side apply: an applier owns what it states, and what it no longer states goes.

use serde_json::{Map, Value};
use strongroom_objects::object::ManagedFieldsEntry;
use strongroom_objects::schema::{GroupVersionKind, Type};

use super::managers::{Managed, ManagerId, Managers, Operation, entries_of};
use super::{ApplyConflict, ApplyError, Writer, last_applied, update, without_never_tracked};
use crate::combine::{merge, remove};
use crate::compare::{Changes, compare};
use crate::set::Set;
use crate::shape::Shape;
use crate::typed::{check, field_set, with_named_fields};

/// The manager that owns what was there before the first apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Applies a configuration to an object (api-conventions §8) and returns the new object with its managed
/// fields, not yet defaulted or validated. With `force`, fields that others own change hands.
///
/// A Secret's `stringData` stays in the result as applied and is owned as such; folding it into `data` is
/// the caller's (secrets.md §2). `live` never has it, so that applying a key which another applier owns is
/// always a conflict.
///
/// `applied` is what the client sent, neither conformed nor defaulted: what it states is owned. The caller
/// has checked `apiVersion` and `kind` and takes fields out that the endpoint resets (`status`).
///
/// # Errors
/// `ManagedFieldsNotNil` and `TypedPatch` for the configuration, `Conflicts` without `force`.
pub fn apply(
    ty: &Type,
    live: Option<&Value>,
    applied: Value,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Value, ApplyError> {
    if entries_of(&applied).is_some_and(|entries| !entries.is_null()) {
        return Err(ApplyError::ManagedFieldsNotNil);
    }
    check(Shape::root(ty), &applied)
        .map_err(|faults| ApplyError::TypedPatch(typed_patch_text(&applied, &faults.to_string())))?;

    let mut managers = Managers::of(live);
    if let (Some(live), true) = (live, managers.is_empty()) {
        update::record(&mut managers, ty, None, live, writer, BEFORE_FIRST_APPLY);
    }
    let last_applied = last_applied::text_for(&applied, live, writer);
    let run = Run {
        ty,
        live,
        writer,
        id: ManagerId::new(writer, writer.manager, Operation::Apply),
    };
    let mut object = run.apply(&mut managers, applied, force)?;
    if let Some(text) = last_applied {
        last_applied::refresh(&mut object, text);
    }
    set_managed_fields(&mut object, managers.encode());
    Ok(object)
}

struct Run<'a> {
    ty: &'a Type,
    live: Option<&'a Value>,
    writer: &'a Writer<'a>,
    id: ManagerId,
}

impl Run<'_> {
    fn shape(&self) -> Shape<'_> {
        Shape::root(self.ty)
    }

    fn apply(&self, managers: &mut Managers, applied: Value, force: bool) -> Result<Value, ApplyError> {
        let stated = field_set(self.shape(), &applied);
        let before = managers
            .by_id
            .get(&self.id)
            .map(|managed| managed.fields.clone())
            .unwrap_or_default();
        let mut object = merge(self.shape(), self.live.map(without_managed_fields), applied);
        self.drop_unstated(&mut object, managers, &before, &stated);

        let changes = compare(self.shape(), self.live, &object);
        let conflicts = self.conflicts(managers, &changes);
        if !force && !conflicts.is_empty() {
            let allowed = last_applied::allowed_conflicts(self.ty, self.live, self.writer);
            let refused = refused(&conflicts, allowed.as_ref());
            if !refused.is_empty() {
                return Err(ApplyError::Conflicts(refused));
            }
        }
        update::give_up(managers, &self.id, &changes);
        managers.own(self.id.clone(), without_never_tracked(stated), self.writer);
        Ok(object)
    }

    /// Takes out what this applier stated before, states no longer, and nobody else owns.
    fn drop_unstated(&self, object: &mut Value, managers: &Managers, before: &Set, stated: &Set) {
        if before.clone().difference(stated).is_empty() {
            return;
        }
        let named = |set: Set| with_named_fields(set, self.shape());
        let fields_of = |object: &Value| named(field_set(self.shape(), object));
        let without = |doomed: &Set| {
            let mut rest = object.clone();
            remove(self.shape(), &mut rest, doomed);
            fields_of(&rest)
        };
        let others = managers.by_id.iter().filter(|(id, _)| **id != self.id);
        let owned = others.fold(stated.clone(), |owned, (_, managed)| {
            owned.union(managed.fields.clone())
        });
        let before = named(before.clone());
        let all = fields_of(object);

        // First everything stated before would go; then only what nobody owns; then only what of that was
        // stated before, so that unowned fields beside it stay.
        let kept = without(&before).union(named(owned));
        let unowned = all.clone().difference(&kept);
        let doomed = all.difference(&without(&unowned)).intersection(&before);
        remove(self.shape(), object, &without_never_tracked(doomed));
    }

    fn conflicts<'m>(&self, managers: &'m Managers, changes: &Changes) -> Vec<(&'m ManagerId, Set)> {
        let others = managers.by_id.iter().filter(|(id, _)| **id != self.id);
        let conflicts = others.map(|(id, Managed { fields, .. })| {
            (
                id,
                fields
                    .intersection(&changes.modified)
                    .union(fields.intersection(&changes.added)),
            )
        });
        conflicts.filter(|(_, fields)| !fields.is_empty()).collect()
    }
}

/// Conflicts that remain when those in `allowed` are forgiven.
fn refused(conflicts: &[(&ManagerId, Set)], allowed: Option<&Set>) -> Vec<ApplyConflict> {
    let none = Set::default();
    let refused = conflicts.iter().map(|(id, fields)| {
        let fields = fields.clone().difference(allowed.unwrap_or(&none));
        ApplyConflict {
            owner: id.label(),
            paths: fields.paths(),
        }
    });
    refused.filter(|conflict| !conflict.paths.is_empty()).collect()
}

fn typed_patch_text(applied: &Value, faults: &str) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let metadata = |member: &str| text(applied.get("metadata").and_then(|metadata| metadata.get(member)));
    let kind = text(applied.get("kind"));
    let gvk = GroupVersionKind::from_api_version(&text(applied.get("apiVersion")), &kind).unwrap_or_default();
    let (namespace, name) = (metadata("namespace"), metadata("name"));
    format!("failed to create typed patch object ({namespace}/{name}; {gvk}): {faults}")
}

fn without_managed_fields(object: &Value) -> Value {
    let Value::Object(members) = object else {
        return object.clone();
    };
    let members = members.iter().map(|(name, value)| match (name.as_str(), value) {
        ("metadata", Value::Object(metadata)) => {
            let kept = metadata.iter().filter(|(name, _)| *name != "managedFields");
            (
                name.clone(),
                kept.map(|(name, value)| (name.clone(), value.clone())).collect(),
            )
        }
        _ => (name.clone(), value.clone()),
    });
    Value::Object(members.collect())
}

pub(super) fn set_managed_fields(object: &mut Value, entries: Vec<ManagedFieldsEntry>) {
    let Value::Object(object) = object else { return };
    let metadata = object
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(metadata) = metadata else { return };
    metadata.remove("managedFields");
    if !entries.is_empty() {
        metadata.insert(
            "managedFields".into(),
            entries.into_iter().map(entry_to_json).collect(),
        );
    }
}

fn entry_to_json(entry: ManagedFieldsEntry) -> Value {
    let mut json = Map::new();
    json.insert("manager".into(), entry.manager.into());
    json.insert("operation".into(), entry.operation.into());
    json.insert("apiVersion".into(), entry.api_version.into());
    json.extend(entry.time.map(|time| ("time".into(), time.into())));
    json.insert("fieldsType".into(), entry.fields_type.into());
    json.extend(entry.fields_v1.map(|fields| ("fieldsV1".into(), fields)));
    if !entry.subresource.is_empty() {
        json.insert("subresource".into(), entry.subresource.into());
    }
    Value::Object(json)
}
