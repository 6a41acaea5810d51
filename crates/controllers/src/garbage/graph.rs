//! Who belongs to whom: every object that has owners or waits for its dependents, and nothing
//! about the others.
//!
//! A hundred thousand plain Secrets leave no trace here. An owner is known only by what its
//! dependents say of it ([`OwnerKey`]); whether it exists is learnt by asking once, and forgotten
//! never wrongly: a deletion seen in a watch makes it [`Existence::Absent`], a collection listed
//! afresh makes its owners unknown again.

use std::collections::{BTreeMap, BTreeSet};

use crate::object::{Metadata, OwnerReference};

/// Finalizer of an owner whose dependents are to be deleted first.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer of an owner whose dependents are to be released first.
pub(super) const ORPHAN: &str = "orphan";

/// A resource, whatever its version; index into the collector's table of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ResourceId(pub usize);

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub resource: ResourceId,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    pub name: String,
}

/// An object that owns or is owned.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub uid: String,
    pub resource_version: String,
    pub deleting: bool,
    /// Has finalizer [`FOREGROUND`].
    pub foreground: bool,
    /// Has finalizer [`ORPHAN`].
    pub orphan: bool,
    pub owners: Vec<OwnerReference>,
}

impl Node {
    /// The node for an object, when it needs one.
    fn of(metadata: &Metadata) -> Option<Self> {
        let node = Node {
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
            deleting: metadata.is_deleting(),
            foreground: metadata.has_finalizer(FOREGROUND),
            orphan: metadata.has_finalizer(ORPHAN),
            owners: metadata.owner_references.clone(),
        };
        (node.foreground || node.orphan || !node.owners.is_empty()).then_some(node)
    }

    /// Whether the object's deletion waits for something to be done about its dependents.
    pub fn waits_for_dependents(&self) -> bool {
        self.deleting && (self.foreground || self.orphan)
    }
}

/// An owner as a dependent names it, in the namespace where it must be.
///
/// All of it is the key: one dependent with a wrong name next to a right uid must not make the
/// owner look absent to the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OwnerKey {
    pub uid: String,
    pub api_version: String,
    pub kind: String,
    /// Empty when the owner is cluster-scoped.
    pub namespace: String,
    pub name: String,
}

/// Whether an owner exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existence {
    Present,
    /// For good: uids are never used again.
    Absent,
}

/// What discovery says of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KindOf {
    pub resource: ResourceId,
    pub namespaced: bool,
}

/// Where an owner reference leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// To this owner.
    To(ResourceId, OwnerKey),
    /// To a kind that the server does not have (now).
    UnknownKind,
    /// From a cluster-scoped object into a namespace, which cannot be.
    IntoNamespace,
}

/// The graph. Every method that changes it returns the objects to be looked at because of it.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: BTreeMap<Key, Node>,
    keys: BTreeMap<String, Key>,
    dependents: BTreeMap<String, BTreeSet<Key>>,
    owners: BTreeMap<OwnerKey, Existence>,
    kinds: BTreeMap<(String, String), KindOf>,
    /// Nodes of a resource that its list under way has not told yet.
    untold: BTreeMap<ResourceId, BTreeSet<Key>>,
    /// Grows with every list: what was learnt about owners before is out of date.
    epoch: u64,
}

impl Graph {
    /// Takes over which kinds there are.
    pub fn set_kinds(&mut self, kinds: BTreeMap<(String, String), KindOf>) -> Vec<Key> {
        if kinds == self.kinds {
            return Vec::new();
        }
        self.kinds = kinds;
        self.nodes.keys().cloned().collect()
    }

    pub fn node(&self, key: &Key) -> Option<&Node> {
        self.nodes.get(key)
    }

    /// Objects that name `uid` as an owner.
    pub fn dependents(&self, uid: &str) -> impl Iterator<Item = (&Key, &Node)> {
        let keys = self.dependents.get(uid).into_iter().flatten();
        keys.filter_map(|key| Some((key, self.nodes.get(key)?)))
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the owner exists, if that is known.
    pub fn existence(&self, resource: ResourceId, owner: &OwnerKey) -> Option<Existence> {
        let here = self.owner_node(resource, owner).map(|_| Existence::Present);
        here.or_else(|| self.owners.get(owner).copied())
    }

    /// The owner's own node, when it has one.
    pub fn owner_node(&self, resource: ResourceId, owner: &OwnerKey) -> Option<&Node> {
        let key = self.keys.get(&owner.uid)?;
        let same = key.resource == resource && key.namespace == owner.namespace && key.name == owner.name;
        if same { self.nodes.get(key) } else { None }
    }

    /// Where the reference of an object at `key` leads.
    pub fn resolve(&self, key: &Key, reference: &OwnerReference) -> Reference {
        let Some(kind) = self
            .kinds
            .get(&(reference.api_version.clone(), reference.kind.clone()))
        else {
            return Reference::UnknownKind;
        };
        if kind.namespaced && key.namespace.is_empty() {
            return Reference::IntoNamespace;
        }
        let namespace = if kind.namespaced {
            key.namespace.clone()
        } else {
            String::new()
        };
        let owner = OwnerKey {
            uid: reference.uid.clone(),
            api_version: reference.api_version.clone(),
            kind: reference.kind.clone(),
            namespace,
            name: reference.name.clone(),
        };
        Reference::To(kind.resource, owner)
    }

    /// Takes in the state of an object.
    pub fn apply(&mut self, resource: ResourceId, metadata: &Metadata) -> Vec<Key> {
        let key = Key {
            resource,
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
        };
        if let Some(untold) = self.untold.get_mut(&resource) {
            untold.remove(&key);
        }
        let mut touched = BTreeSet::new();
        if self
            .nodes
            .get(&key)
            .is_some_and(|known| known.uid != metadata.uid)
        {
            touched.extend(self.remove(&key));
        }
        let known = self.unlink(&key);
        touched.extend(known.iter().flat_map(|node| self.waiting_owners(node)));
        if let Some(node) = Node::of(metadata) {
            touched.extend(self.waiting_owners(&node));
            if node.waits_for_dependents() {
                touched.extend(self.dependents.get(&node.uid).into_iter().flatten().cloned());
            }
            touched.insert(key.clone());
            self.link(key, node);
        }
        touched.into_iter().collect()
    }

    /// Takes in that an object is gone.
    pub fn delete(&mut self, resource: ResourceId, metadata: &Metadata) -> Vec<Key> {
        let key = Key {
            resource,
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
        };
        let mut touched = Vec::new();
        if self
            .nodes
            .get(&key)
            .is_some_and(|known| known.uid == metadata.uid)
        {
            touched = self.remove(&key);
        }
        touched.extend(self.owner_gone(&metadata.uid));
        touched
    }

    /// A list of the resource begins.
    pub fn begin_list(&mut self, resource: ResourceId) {
        let of_resource = self.nodes.keys().filter(|key| key.resource == resource);
        self.untold.insert(resource, of_resource.cloned().collect());
    }

    /// The list of the resource is complete.
    pub fn end_list(&mut self, resource: ResourceId) -> Vec<Key> {
        self.epoch += 1;
        let mut touched = BTreeSet::new();
        for key in self.untold.remove(&resource).into_iter().flatten() {
            touched.extend(self.remove(&key));
        }
        let kinds = &self.kinds;
        let of_resource = |owner: &OwnerKey| {
            kinds
                .get(&(owner.api_version.clone(), owner.kind.clone()))
                .is_some_and(|kind| kind.resource == resource)
        };
        let doubtful = self.owners.extract_if(.., |owner, existence| {
            *existence == Existence::Present && of_resource(owner)
        });
        for (owner, _) in doubtful {
            touched.extend(self.dependents.get(&owner.uid).into_iter().flatten().cloned());
        }
        touched.into_iter().collect()
    }

    /// Takes in what a look at the server said about an owner. What was seen in a watch meanwhile
    /// counts more, and so does a list that was completed since `epoch`.
    pub fn learn(&mut self, epoch: u64, owner: OwnerKey, existence: Existence) {
        let current = existence == Existence::Absent || epoch == self.epoch;
        if current
            && self.dependents.contains_key(&owner.uid)
            && self.owners.get(&owner) != Some(&Existence::Absent)
        {
            self.owners.insert(owner, existence);
        }
    }

    fn remove(&mut self, key: &Key) -> Vec<Key> {
        let Some(node) = self.unlink(key) else {
            return Vec::new();
        };
        let mut touched = self.waiting_owners(&node);
        touched.extend(self.owner_gone(&node.uid));
        touched
    }

    /// Every dependent of `uid` has one owner less.
    fn owner_gone(&mut self, uid: &str) -> Vec<Key> {
        let Some(dependents) = self.dependents.get(uid).cloned() else {
            return Vec::new();
        };
        for key in &dependents {
            let owners = self
                .nodes
                .get(key)
                .map(|node| node.owners.clone())
                .unwrap_or_default();
            for reference in owners.iter().filter(|reference| reference.uid == uid) {
                if let Reference::To(_, owner) = self.resolve(key, reference) {
                    self.owners.insert(owner, Existence::Absent);
                }
            }
        }
        dependents.into_iter().collect()
    }

    /// Owners of `node` whose deletion waits for their dependents.
    fn waiting_owners(&self, node: &Node) -> Vec<Key> {
        let owners = node
            .owners
            .iter()
            .filter_map(|reference| self.keys.get(&reference.uid));
        owners
            .filter(|key| self.nodes.get(key).is_some_and(Node::waits_for_dependents))
            .cloned()
            .collect()
    }

    fn link(&mut self, key: Key, node: Node) {
        for reference in &node.owners {
            self.dependents
                .entry(reference.uid.clone())
                .or_default()
                .insert(key.clone());
        }
        self.keys.insert(node.uid.clone(), key.clone());
        self.nodes.insert(key, node);
    }

    fn unlink(&mut self, key: &Key) -> Option<Node> {
        let node = self.nodes.remove(key)?;
        self.keys.remove(&node.uid);
        for reference in &node.owners {
            let Some(dependents) = self.dependents.get_mut(&reference.uid) else {
                continue;
            };
            dependents.remove(key);
            if dependents.is_empty() {
                self.dependents.remove(&reference.uid);
                self.forget_owner(&reference.uid);
            }
        }
        Some(node)
    }

    fn forget_owner(&mut self, uid: &str) {
        let first = OwnerKey {
            uid: uid.to_owned(),
            api_version: String::new(),
            kind: String::new(),
            namespace: String::new(),
            name: String::new(),
        };
        let keys: Vec<_> = self
            .owners
            .range(first..)
            .map(|(owner, _)| owner)
            .take_while(|owner| owner.uid == uid)
            .cloned()
            .collect();
        for key in keys {
            self.owners.remove(&key);
        }
    }
}
