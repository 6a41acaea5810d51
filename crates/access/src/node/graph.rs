//! Which node's pods use which objects.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use strongroom_objects::{Map, Object};

use super::references::text;
use super::{Referenced, references};

#[cfg(test)]
mod tests;

/// The pods of a cluster, what they use and where they run (auth.md §7.2).
///
/// Every used object knows the nodes that use it and by how many pods, so a question is three look-ups, whatever the
/// size of the cluster.
#[derive(Debug, Clone, Default)]
pub struct NodeGraph {
    namespaces: HashMap<String, Namespace>,
    nodes: Nodes,
}

/// Where a node and one of its pods get at an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reach {
    /// The node.
    pub node: String,
    /// The pod, of the object's namespace.
    pub pod: String,
}

type NodeId = u32;

#[derive(Debug, Clone, Default)]
struct Namespace {
    pods: HashMap<Box<str>, Pod>,
    used: HashMap<Referenced, HashMap<Arc<str>, Users>>,
}

#[derive(Debug, Clone)]
struct Pod {
    node: NodeId,
    uses: Box<[(Referenced, Arc<str>)]>,
}

/// The nodes that use one object, sorted, each with the number of its pods that do.
type Users = Vec<(NodeId, u32)>;

/// Names of nodes as numbers. A number lives as long as pods are on its node.
#[derive(Debug, Clone, Default)]
struct Nodes {
    ids: HashMap<Arc<str>, NodeId>,
    names: Vec<(Arc<str>, u32)>,
    free: Vec<NodeId>,
}

impl NodeGraph {
    /// Adds a pod or replaces what was known of it. A pod without a node is used by nobody and forgotten. Returns the
    /// nodes whose paths are others now: none when the pod uses what it used before, where it was before.
    pub fn put_pod(&mut self, pod: &Object) -> Vec<Arc<str>> {
        let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
        let spec = pod.body.get("spec").and_then(|spec| spec.as_object());
        let node = spec.and_then(|spec: &Map| text(spec, &["nodeName"]));
        let node = node.filter(|node| !node.is_empty());
        let uses = references(pod);
        if self.knows(namespace, name, node, &uses) {
            return Vec::new();
        }
        let mut affected: Vec<Arc<str>> = self.remove_pod(namespace, name).into_iter().collect();
        let Some(node) = node else {
            return affected;
        };
        let node = self.nodes.take(node);
        affected.push(Arc::clone(&self.nodes.names[node as usize].0));
        let namespace = self.namespaces.entry(namespace.clone()).or_default();
        let uses = uses
            .into_iter()
            .map(|(kind, name)| (kind, namespace.connect(kind, name, node)))
            .collect();
        namespace.pods.insert(name.as_str().into(), Pod { node, uses });
        affected
    }

    /// Whether the pod is known as being there and using this.
    fn knows(
        &self,
        namespace: &str,
        name: &str,
        node: Option<&str>,
        uses: &BTreeSet<(Referenced, &str)>,
    ) -> bool {
        let known = self
            .namespaces
            .get(namespace)
            .and_then(|known| known.pods.get(name));
        match (known, node) {
            (None, None) => true,
            (Some(pod), Some(node)) => {
                let same =
                    |((kind, name), (own_kind, own_name)): (&(Referenced, &str), &(Referenced, Arc<str>))| {
                        kind == own_kind && *name == &**own_name
                    };
                *self.nodes.names[pod.node as usize].0 == *node
                    && uses.len() == pod.uses.len()
                    && uses.iter().zip(pod.uses.iter()).all(same)
            }
            _ => false,
        }
    }

    /// Forgets a pod, and with it the paths through it. Returns the node that loses them.
    pub fn remove_pod(&mut self, namespace: &str, name: &str) -> Option<Arc<str>> {
        let known = self.namespaces.get_mut(namespace)?;
        let pod = known.pods.remove(name)?;
        for (kind, name) in pod.uses.iter() {
            known.disconnect(*kind, name, pod.node);
        }
        if known.pods.is_empty() {
            self.namespaces.remove(namespace);
        }
        let node = Arc::clone(&self.nodes.names[pod.node as usize].0);
        self.nodes.release(pod.node);
        Some(node)
    }

    /// Whether a pod on the node uses the object.
    pub fn reaches(&self, node: &str, kind: Referenced, namespace: &str, name: &str) -> bool {
        let users = || self.namespaces.get(namespace)?.used.get(&kind)?.get(name);
        let (Some(users), Some(node)) = (users(), self.nodes.ids.get(node)) else {
            return false;
        };
        users.binary_search_by_key(node, |(user, _)| *user).is_ok()
    }

    /// Whether the pod runs on the node.
    pub fn runs(&self, node: &str, namespace: &str, pod: &str) -> bool {
        let pod = self
            .namespaces
            .get(namespace)
            .and_then(|namespace| namespace.pods.get(pod));
        pod.is_some_and(|pod| &*self.nodes.names[pod.node as usize].0 == node)
    }

    /// The nodes that get at an object, with the pods that bring it to them, sorted.
    pub fn who_can(&self, kind: Referenced, namespace: &str, name: &str) -> Vec<Reach> {
        let Some(known) = self.namespaces.get(namespace) else {
            return Vec::new();
        };
        let uses = |pod: &Pod| {
            pod.uses
                .iter()
                .any(|(own, object)| *own == kind && &**object == name)
        };
        let mut found: Vec<Reach> = known
            .pods
            .iter()
            .filter(|(_, pod)| uses(pod))
            .map(|(pod_name, pod)| Reach {
                node: self.nodes.names[pod.node as usize].0.to_string(),
                pod: pod_name.to_string(),
            })
            .collect();
        found.sort();
        found
    }

    /// How many pods are known.
    pub fn pods(&self) -> usize {
        self.namespaces
            .values()
            .map(|namespace| namespace.pods.len())
            .sum()
    }
}

impl std::fmt::Display for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "node {} by its pod {}", self.node, self.pod)
    }
}

impl Namespace {
    fn connect(&mut self, kind: Referenced, name: &str, node: NodeId) -> Arc<str> {
        let objects = self.used.entry(kind).or_default();
        let name: Arc<str> = match objects.get_key_value(name) {
            Some((known, _)) => Arc::clone(known),
            None => name.into(),
        };
        let users = objects.entry(Arc::clone(&name)).or_default();
        match users.binary_search_by_key(&node, |(user, _)| *user) {
            Ok(at) => users[at].1 += 1,
            Err(at) => users.insert(at, (node, 1)),
        }
        name
    }

    fn disconnect(&mut self, kind: Referenced, name: &Arc<str>, node: NodeId) {
        let Some(objects) = self.used.get_mut(&kind) else {
            return;
        };
        let Some(users) = objects.get_mut(name) else {
            return;
        };
        if let Ok(at) = users.binary_search_by_key(&node, |(user, _)| *user) {
            users[at].1 -= 1;
            if users[at].1 == 0 {
                users.remove(at);
            }
        }
        if users.is_empty() {
            objects.remove(name);
        }
    }
}

impl Nodes {
    fn take(&mut self, name: &str) -> NodeId {
        if let Some(&id) = self.ids.get(name) {
            self.names[id as usize].1 += 1;
            return id;
        }
        let name: Arc<str> = name.into();
        let id = match self.free.pop() {
            Some(id) => {
                self.names[id as usize] = (Arc::clone(&name), 1);
                id
            }
            None => {
                self.names.push((Arc::clone(&name), 1));
                NodeId::try_from(self.names.len() - 1).expect("fewer than four billion nodes")
            }
        };
        self.ids.insert(name, id);
        id
    }

    fn release(&mut self, id: NodeId) {
        let (name, pods) = &mut self.names[id as usize];
        *pods -= 1;
        if *pods == 0 {
            if let Entry::Occupied(entry) = self.ids.entry(Arc::clone(name)) {
                entry.remove();
            }
            self.free.push(id);
        }
    }
}
