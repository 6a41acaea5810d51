//! What has been decided about a request.

use strongroom_objects::{Object, Value};

use crate::tree::{fill, list, object_mut, objects_mut, part, text};

pub(super) const APPROVED: &str = "Approved";
pub(super) const DENIED: &str = "Denied";
pub(super) const FAILED: &str = "Failed";

/// Whoever writes the status leaves the approval as it was, so that a stale copy of it does no harm; where conditions
/// were added or taken away, validation says so.
pub(super) fn keep_approval(new: &mut Object, old: &Object) {
    for kind in [APPROVED, DENIED] {
        let before: Vec<Value> = of_type(part(old, "status"), kind).cloned().collect();
        let status = object_mut(&mut new.body, "status");
        let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
        let after: Vec<&mut Value> = conditions
            .into_iter()
            .flatten()
            .filter(|condition| text(condition, "type") == kind)
            .collect();
        if after.len() == before.len() {
            for (after, before) in after.into_iter().zip(before) {
                *after = before;
            }
        }
    }
}

/// The conditions of one type.
pub(super) fn of_type<'a>(status: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let conditions = list(status, "conditions").iter();
    conditions.filter(move |condition| text(condition, "type") == kind)
}

/// Fills the times that a writer has left out; a condition that was there already keeps the time of its transition.
pub(super) fn set_times(new: &mut Object, old: &Object, now: &str) {
    let before = list(part(old, "status"), "conditions");
    for condition in objects_mut(object_mut(&mut new.body, "status"), "conditions") {
        let member = |name: &str| condition.get(name).and_then(Value::as_str).unwrap_or_default();
        let same = before.iter().find(|before| {
            ["type", "status"]
                .into_iter()
                .all(|name| text(before, name) == member(name))
        });
        let transition = same.map(|same| text(same, "lastTransitionTime").to_owned());
        let transition = transition.filter(|time| !time.is_empty());
        fill(condition, "lastUpdateTime", now);
        fill(
            condition,
            "lastTransitionTime",
            transition.as_deref().unwrap_or(now),
        );
    }
}
