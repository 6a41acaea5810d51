//! Pods for tests.

use serde_json::json;
use strongroom_objects::{Object, Value};

use super::PODS;
use crate::decode::{Format, decode};
use crate::options::FieldValidation;
use crate::resource::Context;
use crate::update::{Change, Tracking, Update, plan_update};
use crate::{Planned, plan_create};

pub(super) fn context() -> Context {
    Context {
        now: "2026-01-02T03:04:05Z".parse().expect("a timestamp"),
        manager: "test".to_owned(),
        uid: "6d4c0000-0000-4000-8000-000000000000".to_owned(),
        name_suffix: "bcdfg".to_owned(),
    }
}

/// A pod as a client sends it.
pub(super) fn sent(fields: &Value) -> Object {
    let mut body = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}});
    merge(&mut body, fields);
    let text = body.to_string();
    decode(&PODS, text.as_bytes(), Format::Json, FieldValidation::Strict)
        .expect("decodes")
        .object
}

/// A pod with one container `c` and what else `spec` says of it.
pub(super) fn with_spec(spec: &Value) -> Object {
    let mut whole = json!({"containers": [{"name": "c", "image": "busybox:1"}]});
    merge(&mut whole, spec);
    sent(&json!({"spec": whole}))
}

/// A pod whose only container is what `container` says.
pub(super) fn with_container(container: &Value) -> Object {
    let mut whole = json!({"name": "c", "image": "busybox:1"});
    merge(&mut whole, container);
    sent(&json!({"spec": {"containers": [whole], "volumes": [{"name": "v"}]}}))
}

/// What is stored of a pod, or everything that is wrong with it.
pub(super) fn create(pod: Object) -> Result<Object, String> {
    let planned = plan_create(&PODS, pod, &context());
    planned
        .map(|Planned { object, .. }| object)
        .map_err(|status| complaints(&status.message))
}

pub(super) fn update(old: &Object, new: Object, subresource: &str) -> Result<Change, String> {
    let update = Update {
        resource: &PODS,
        subresource,
        old,
        new,
        tracking: Tracking::Update,
    };
    plan_update(update, &context()).map_err(|status| complaints(&status.message))
}

fn complaints(message: &str) -> String {
    message.trim_start_matches("Pod \"p\" is invalid: ").to_owned()
}

/// Sets the members of `more`, member by member where both are objects.
fn merge(value: &mut Value, more: &Value) {
    match (value, more) {
        (Value::Object(members), Value::Object(more)) => {
            for (name, member) in more {
                merge(members.entry(name).or_insert(Value::Null), member);
            }
        }
        (value, more) => *value = more.clone(),
    }
}
