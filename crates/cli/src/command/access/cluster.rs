//! Roles, bindings and pods, as they were read.

use std::collections::BTreeSet;

use serde_json::Value;
use strongroom_access::node::NodeGraph;
use strongroom_access::rbac::{Binding, Policy, Role};
use strongroom_objects::Object;

/// What decides who may do what.
#[derive(Debug, Default)]
pub struct Cluster {
    /// Roles and bindings.
    pub policy: Policy,
    /// What the pods of each node use.
    pub graph: NodeGraph,
    /// The pods themselves.
    pub pods: Vec<Object>,
    /// Whether pods are known at all: the server serves them, and the asker may read them.
    pub knows_pods: bool,
    /// What could not be read or understood.
    pub notes: Vec<String>,
}

impl Cluster {
    /// Adds a Role or ClusterRole.
    pub fn put_role(&mut self, value: Value) {
        match object(value).map(|object| (Role::from_object(&object), object)) {
            Some((Ok(role), _)) => self.policy.put_role(role),
            Some((Err(_), object)) => self.note_malformed("role", &object),
            None => {}
        }
    }

    /// Adds a RoleBinding or ClusterRoleBinding.
    pub fn put_binding(&mut self, value: Value) {
        match object(value).map(|object| (Binding::from_object(&object), object)) {
            Some((Ok(binding), _)) => self.policy.put_binding(binding),
            Some((Err(_), object)) => self.note_malformed("binding", &object),
            None => {}
        }
    }

    /// Adds a Pod.
    pub fn put_pod(&mut self, value: Value) {
        if let Some(pod) = object(value) {
            self.graph.put_pod(&pod);
            self.pods.push(pod);
        }
    }

    /// The nodes that pods run on.
    pub fn nodes(&self) -> BTreeSet<&str> {
        self.pods.iter().filter_map(node_of).collect()
    }

    fn note_malformed(&mut self, what: &str, object: &Object) {
        self.notes.push(format!(
            "The {what} \"{}\" is malformed and counts for nothing.",
            super::words::shown(&object.metadata.name)
        ));
    }
}

/// The node that a pod runs on.
pub fn node_of(pod: &Object) -> Option<&str> {
    let node = pod.body.get("spec")?.get("nodeName")?.as_str()?;
    (!node.is_empty()).then_some(node)
}

fn object(value: Value) -> Option<Object> {
    match value {
        Value::Object(map) => Object::from_value(map).ok(),
        _ => None,
    }
}
