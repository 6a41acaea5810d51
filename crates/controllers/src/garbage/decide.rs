//! What is to be done about one object: api-conventions.md §9.

use crate::garbage::graph::{
    Existence, FOREGROUND, Graph, Key, Node, ORPHAN, OwnerKey, Reference, ResourceId,
};
use crate::object::OwnerReference;

/// How the dependents of a deleted object are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// What is to be done about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing.
    Nothing,
    /// Not everything is known yet that this object's dependents depend on; look again later.
    Wait,
    /// Find out whether these owners exist, then decide again.
    LookUp(Vec<(ResourceId, OwnerKey)>),
    /// All its owners are gone or going: delete it.
    Delete(Propagation),
    /// An owner waits for it and it would wait for that owner: let its owners go without it.
    Unblock,
    /// It has an owner still; drop its references to those that are gone or going.
    Disown { uids: Vec<String> },
    /// Free its dependents from it, then remove finalizer `orphan`.
    Orphan { dependents: Vec<Key> },
    /// No dependent blocks its deletion any more: remove finalizer `foregroundDeletion`.
    Release,
    /// It is cluster-scoped and names an owner inside a namespace, so it stays; say so.
    Warn { owner: OwnerReference },
}

/// Decides about the object at `key`. `complete` tells that every resource has been listed, so that
/// the dependents in the graph are all there are.
pub(super) fn decide(graph: &Graph, key: &Key, complete: bool) -> Action {
    let Some(node) = graph.node(key) else {
        return Action::Nothing;
    };
    if node.deleting {
        decide_deleting(graph, node, complete)
    } else {
        decide_owned(graph, key, node)
    }
}

fn decide_deleting(graph: &Graph, node: &Node, complete: bool) -> Action {
    if !node.waits_for_dependents() {
        return Action::Nothing;
    }
    if !complete {
        return Action::Wait;
    }
    if node.orphan {
        return Action::Orphan {
            dependents: graph.dependents(&node.uid).map(|(key, _)| key.clone()).collect(),
        };
    }
    let blocks = |dependent: &Node| {
        dependent
            .owners
            .iter()
            .any(|owner| owner.uid == node.uid && owner.block_owner_deletion == Some(true))
    };
    if graph
        .dependents(&node.uid)
        .any(|(_, dependent)| blocks(dependent))
    {
        return Action::Nothing;
    }
    Action::Release
}

/// The owners of an object, sorted.
#[derive(Default)]
struct Owners {
    unknown: Vec<(ResourceId, OwnerKey)>,
    /// Exist, or cannot be said not to.
    solid: usize,
    gone: Vec<String>,
    /// Exist, and wait in foreground deletion for this object to go first.
    going: Vec<String>,
    into_namespace: Option<OwnerReference>,
}

fn decide_owned(graph: &Graph, key: &Key, node: &Node) -> Action {
    if node.owners.is_empty() {
        return Action::Nothing;
    }
    let owners = sort_owners(graph, key, node);
    if !owners.unknown.is_empty() {
        return Action::LookUp(owners.unknown);
    }
    if let Some(owner) = owners.into_namespace {
        return Action::Warn { owner };
    }
    if owners.solid > 0 {
        let uids: Vec<_> = owners.gone.into_iter().chain(owners.going).collect();
        return if uids.is_empty() {
            Action::Nothing
        } else {
            Action::Disown { uids }
        };
    }
    let has_dependents = graph.dependents(&node.uid).next().is_some();
    if !owners.going.is_empty() && has_dependents {
        let in_circle = graph
            .dependents(&node.uid)
            .any(|(_, dependent)| dependent.deleting && dependent.foreground);
        let blocks = node
            .owners
            .iter()
            .any(|owner| owner.block_owner_deletion == Some(true));
        return if in_circle && blocks {
            Action::Unblock
        } else {
            Action::Delete(Propagation::Foreground)
        };
    }
    let propagation = match node {
        Node { orphan: true, .. } => Propagation::Orphan,
        Node { foreground: true, .. } => Propagation::Foreground,
        _ => Propagation::Background,
    };
    Action::Delete(propagation)
}

fn sort_owners(graph: &Graph, key: &Key, node: &Node) -> Owners {
    let mut owners = Owners::default();
    for reference in &node.owners {
        let (resource, owner) = match graph.resolve(key, reference) {
            Reference::To(resource, owner) => (resource, owner),
            Reference::UnknownKind => {
                owners.solid += 1;
                continue;
            }
            Reference::IntoNamespace => {
                owners.into_namespace = Some(reference.clone());
                continue;
            }
        };
        match graph.existence(resource, &owner) {
            None => owners.unknown.push((resource, owner)),
            Some(Existence::Absent) => owners.gone.push(reference.uid.clone()),
            Some(Existence::Present) => {
                let going = graph
                    .owner_node(resource, &owner)
                    .is_some_and(|owner| owner.deleting && owner.foreground);
                if going {
                    owners.going.push(reference.uid.clone())
                } else {
                    owners.solid += 1
                }
            }
        }
    }
    owners
}

/// The finalizer that an action removes when it has succeeded.
pub(super) fn finalizer_removed_by(action: &Action) -> Option<&'static str> {
    match action {
        Action::Orphan { .. } => Some(ORPHAN),
        Action::Release => Some(FOREGROUND),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
