//! What holds whatever is written.

use super::managers::{ManagerId, Managers, Operation};
use super::*;
use crate::set::Set;
use crate::shape::Shape;
use crate::typed::field_set;

#[test]
fn doing_it_again_changes_nothing() {
    let ty = kind("Secret");
    let new = secret(json!({"a": "eA==", "b": "eQ=="}));
    let first = with_entries(new.clone(), track_update(ty, None, &new, &writer("m", NOW)));
    for manager in ["m", "other"] {
        let again = with_entries(
            new.clone(),
            track_update(ty, Some(&first), &new, &writer(manager, LATER)),
        );
        assert_eq!(again, first);
    }
    let applied = secret(json!({"a": "eA==", "c": "eg=="}));
    let second = apply(ty, Some(&first), applied.clone(), &writer("a", NOW), false).unwrap();
    let third = apply(ty, Some(&second), applied, &writer("a", LATER), false).unwrap();
    assert_eq!(third, second);
}

/// Random updates and forced applies of two managers: every field has an owner, and an applier who applies
/// nothing takes only its own fields along.
#[test]
fn random_writes() {
    let mut random = Random(7);
    for _ in 0..300 {
        // Somebody always owns the type: without any owner, updates would not be tracked.
        let base = object(&json!({}));
        let entries = track_update(kind("Secret"), None, &base, &writer("base", NOW));
        let mut live = with_entries(base, entries);
        for _ in 0..12 {
            live = random_write(&mut random, &live);
            every_field_has_an_owner(&live);
        }
        applying_nothing_takes_only_ones_own(&live);
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn object(data: &Value) -> Value {
    let mut object =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "type": "Opaque"});
    if data.as_object().is_some_and(|data| !data.is_empty()) {
        object["data"] = data.clone();
    }
    object
}

fn random_write(random: &mut Random, live: &Value) -> Value {
    let mut data = serde_json::Map::new();
    for key in ["a", "b", "c", "d"] {
        match random.below(4) {
            0 => data.insert(key.into(), "MQ==".into()),
            1 => data.insert(key.into(), "Mg==".into()),
            _ => None,
        };
    }
    let mut object = object(&Value::Object(data));
    let manager = if random.below(2) == 0 { "a" } else { "b" };
    if random.below(3) == 0 {
        let entries = track_update(kind("Secret"), Some(live), &object, &writer(manager, NOW));
        with_entries(object, entries)
    } else {
        object.as_object_mut().unwrap().remove("type");
        apply(kind("Secret"), Some(live), object, &writer(manager, NOW), true).unwrap()
    }
}

fn every_field_has_an_owner(object: &Value) {
    let managers = Managers::of(Some(object)).by_id.into_values();
    let owned = managers.fold(Set::default(), |all, managed| all.union(managed.fields));
    let ownerless = without_never_tracked(field_set(Shape::root(kind("Secret")), object)).difference(&owned);
    assert_eq!(ownerless.paths(), Vec::<String>::new(), "{object}");
}

fn applying_nothing_takes_only_ones_own(live: &Value) {
    let nothing = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
    let left = apply(kind("Secret"), Some(live), nothing, &writer("a", LATER), false).unwrap();
    let id = ManagerId::new(&writer("a", NOW), "a", Operation::Apply);
    let mut others = Managers::of(Some(live));
    let mine = others
        .by_id
        .remove(&id)
        .map(|managed| managed.fields)
        .unwrap_or_default();
    for (key, value) in live["data"].as_object().into_iter().flatten() {
        let path = fields(&json!({"f:data": {format!("f:{key}"): {}}}));
        let owns = |set: &Set| set.intersection(&path) == path;
        let stays = !owns(&mine) || others.by_id.values().any(|managed| owns(&managed.fields));
        assert_eq!(
            left["data"].get(key),
            Some(value).filter(|_| stays),
            "{key} of {live}"
        );
    }
    if left.get("data").is_none() {
        others.take_from_others(&id, &fields(&json!({"f:data": {}})));
    }
    assert_eq!(Managers::of(Some(&left)), others);
}

fn fields(fields: &Value) -> Set {
    Set::from_fields_v1(fields).unwrap()
}

#[test]
fn hostile_entries_do_no_harm() {
    let ty = kind("Secret");
    let deep = (0..200).fold(json!({}), |below, _| json!({"f:a": below}));
    let many: serde_json::Map<String, Value> = (0..10_000)
        .map(|number| (format!("f:{number}"), json!({})))
        .collect();
    for fields in [deep, json!({"f:data": many}), json!({"v:[[[[": {}}), json!([])] {
        let mut object = secret(json!({"a": "eA=="}));
        object["metadata"]["managedFields"] = json!([{"manager": "m", "operation": "Update", "apiVersion": "v1",
            "fieldsType": "FieldsV1", "fieldsV1": fields}]);
        let tracked = track_update(ty, None, &object, &writer("w", NOW));
        assert!(tracked.iter().any(|entry| entry.manager == "w"));
        assert!(
            apply(
                ty,
                Some(&object),
                secret(json!({"b": "eA=="})),
                &writer("w", NOW),
                false
            )
            .is_ok()
        );
    }
}

/// Anything quadratic would take minutes. `examples/speed.rs` measures.
#[test]
fn many_keys() {
    const KEYS: usize = 10_000;
    let ty = kind("Secret");
    let object = |from: usize| {
        let data: serde_json::Map<_, _> = (from..from + KEYS)
            .map(|key| (format!("k{key}"), json!("eA==")))
            .collect();
        secret(Value::Object(data))
    };
    let created = with_entries(object(0), track_update(ty, None, &object(0), &writer("m", NOW)));
    let updated = object(KEYS / 2);
    let entries = track_update(ty, Some(&created), &updated, &writer("o", NOW));
    let updated = with_entries(updated, entries);
    let applied = apply(ty, Some(&updated), object(KEYS), &writer("a", NOW), true).unwrap();
    let dropped = apply(ty, Some(&applied), object(2 * KEYS), &writer("a", NOW), true).unwrap();
    // Of the first apply's keys, the half that the updater had before it was shared stays.
    assert_eq!(dropped["data"].as_object().unwrap().len(), KEYS + KEYS);
}

/// Trees of Pod-like names and whatever values: everything returns.
#[test]
fn whatever_is_sent_is_survived() {
    let ty = kind("Pod");
    let mut random = Random(11);
    let mut refused = 0;
    for _ in 0..3_000 {
        let mut live = random_tree(&mut random, 6);
        let patch = random_tree(&mut random, 6);
        let tracked = track_update(ty, Some(&live), &patch, &writer("m", NOW));
        let _ = track_update(ty, None, &live, &writer("m", NOW));
        let _ = crate::strategic_merge_patch(live.clone(), patch.clone(), ty);
        let _ = crate::merge_patch(live.clone(), patch.clone());
        let _ = crate::json_patch(&live, patch.to_string().as_bytes());
        super::super::apply::set_managed_fields(&mut live, tracked);
        refused += usize::from(apply(ty, Some(&live), patch, &writer("a", NOW), true).is_err());
    }
    assert!(refused < 3_000);
}

fn random_tree(random: &mut Random, levels: u64) -> Value {
    const NAMES: [&str; 24] = [
        "metadata",
        "spec",
        "containers",
        "name",
        "env",
        "ports",
        "containerPort",
        "protocol",
        "finalizers",
        "labels",
        "ownerReferences",
        "uid",
        "volumes",
        "tolerations",
        "resources",
        "limits",
        "$patch",
        "$retainKeys",
        "managedFields",
        "$setElementOrder/containers",
        "$setElementOrder/finalizers",
        "$deleteFromPrimitiveList/finalizers",
        "fieldsV1",
        "f:spec",
    ];
    let leaves = [
        json!("a"),
        json!("b"),
        json!(1),
        json!(1.5),
        json!(null),
        json!(true),
        json!("delete"),
        json!("replace"),
    ];
    match random.below(if levels == 0 { 1 } else { 4 }) {
        0 => leaves[random.below(8) as usize].clone(),
        1 => (0..random.below(4))
            .map(|_| random_tree(random, levels - 1))
            .collect(),
        _ => {
            let names = (0..random.below(5))
                .map(|_| NAMES[random.below(24) as usize].to_owned())
                .collect::<Vec<_>>();
            names
                .into_iter()
                .map(|name| (name, random_tree(random, levels - 1)))
                .collect()
        }
    }
}
