//! Writes other than apply: who changes a field owns it.

use serde_json::Value;
use strongroom_objects::object::ManagedFieldsEntry;
use strongroom_objects::schema::Type;

use super::managers::{ManagerId, Managers, Operation, entries_of};
use super::{Writer, without_never_tracked};
use crate::compare::{Changes, compare};
use crate::shape::Shape;

/// The managed fields of an object after a create, an update or a patch that is no apply (api-conventions §8).
///
/// `live` is the stored object, `None` on create; `new` is the object to be stored, defaulted and with
/// stringData folded, its `metadata.managedFields` as the client sent it. Both are of type `ty`.
///
/// The list is empty when tracking was cleared: by this write (`[]` or `[{}]`) or by an earlier one.
pub fn track_update(
    ty: &Type,
    live: Option<&Value>,
    new: &Value,
    writer: &Writer<'_>,
) -> Vec<ManagedFieldsEntry> {
    let mut managers = managers_before(live, new, writer);
    if live.is_some() && managers.is_empty() {
        return Vec::new();
    }
    record(&mut managers, ty, live, new, writer, writer.manager);
    managers.encode()
}

/// Makes `manager` the owner of everything that differs between two objects.
pub(super) fn record(
    managers: &mut Managers,
    ty: &Type,
    before: Option<&Value>,
    after: &Value,
    writer: &Writer<'_>,
    manager: &str,
) {
    let changes = compare(Shape::root(ty), before, after);
    let id = ManagerId::new(writer, manager, Operation::Update);
    give_up(managers, &id, &changes);
    if !changes.is_empty() {
        let owned = managers
            .by_id
            .get(&id)
            .map(|managed| managed.fields.clone())
            .unwrap_or_default();
        let owned = owned
            .difference(&changes.removed)
            .union(changes.modified)
            .union(changes.added);
        managers.own(id, without_never_tracked(owned), writer);
    }
    managers.cap();
}

/// Takes changed and removed fields away from everyone but one manager.
pub(super) fn give_up(managers: &mut Managers, id: &ManagerId, changes: &Changes) {
    for fields in [&changes.modified, &changes.added, &changes.removed] {
        managers.take_from_others(id, fields);
    }
}

/// The managed fields to start from: those the client sent, if they can be read; else the stored ones.
fn managers_before(live: Option<&Value>, new: &Value, writer: &Writer<'_>) -> Managers {
    let sent = entries_of(new);
    if !writer.subresource.is_empty() {
        return Managers::of(live);
    }
    if sent.is_some_and(clears) {
        return Managers::default();
    }
    match Managers::decode(sent) {
        Ok(sent) if !sent.is_empty() => sent,
        _ => Managers::of(live),
    }
}

/// `[]` and a list with one empty entry.
fn clears(entries: &Value) -> bool {
    let is_empty = |entry: &Value| match entry {
        Value::Object(members) => members.values().all(|value| value.is_null() || value == ""),
        other => other.is_null(),
    };
    match entries {
        Value::Array(entries) => match entries.as_slice() {
            [] => true,
            [entry] => is_empty(entry),
            _ => false,
        },
        _ => false,
    }
}
