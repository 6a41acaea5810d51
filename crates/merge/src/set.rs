//! A set of paths into an object: a trie whose nodes may themselves be in the set.

pub mod fields_v1;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::path::PathElement;

/// A set of paths. The root is never a member.
///
/// Invariant: every node is a member or has members below it, so that an empty map is an empty set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    nodes: BTreeMap<PathElement, Node>,
}

/// A path's place in a [`Set`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Whether the path that ends here is in the set.
    pub member: bool,
    /// The paths that go on from here.
    pub below: Set,
}

impl Node {
    /// A path that is in the set and does not go on.
    pub fn leaf() -> Self {
        Node {
            member: true,
            below: Set::default(),
        }
    }

    /// Whether neither this path nor any that goes on from it is in the set.
    pub fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl Set {
    /// Whether no path is in the set.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Puts a whole subtree under one element, replacing what was there; an empty one leaves nothing.
    pub fn put(&mut self, element: PathElement, node: Node) {
        if node.is_empty() {
            self.nodes.remove(&element);
        } else {
            self.nodes.insert(element, node);
        }
    }

    /// What the set has at and below one element.
    pub fn get(&self, element: &PathElement) -> Option<&Node> {
        self.nodes.get(element)
    }

    /// Elements at the top with what is below them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&PathElement, &Node)> {
        self.nodes.iter()
    }

    /// Elements at the top with what is below them, in order.
    pub fn into_nodes(self) -> impl Iterator<Item = (PathElement, Node)> {
        self.nodes.into_iter()
    }

    /// Takes one path out of the set; what goes on from it stays.
    pub fn take_member(&mut self, path: &[PathElement]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let Some(node) = self.nodes.get_mut(first) else {
            return;
        };
        if rest.is_empty() {
            node.member = false;
        } else {
            node.below.take_member(rest);
        }
        if node.is_empty() {
            self.nodes.remove(first);
        }
    }

    /// Paths in either set.
    pub fn union(mut self, other: Set) -> Set {
        if self.is_empty() {
            return other;
        }
        for (element, node) in other.nodes {
            match self.nodes.entry(element) {
                Entry::Vacant(place) => {
                    place.insert(node);
                }
                Entry::Occupied(mut place) => {
                    let mine = place.get_mut();
                    mine.member |= node.member;
                    mine.below = std::mem::take(&mut mine.below).union(node.below);
                }
            }
        }
        self
    }

    /// Paths in both sets.
    pub fn intersection(&self, other: &Set) -> Set {
        let mut both = Set::default();
        for (element, mine) in &self.nodes {
            if let Some(theirs) = other.nodes.get(element) {
                let member = mine.member && theirs.member;
                both.put(
                    element.clone(),
                    Node {
                        member,
                        below: mine.below.intersection(&theirs.below),
                    },
                );
            }
        }
        both
    }

    /// Paths of this set that are not in the other.
    pub fn difference(mut self, other: &Set) -> Set {
        self.subtract(other);
        self
    }

    /// Takes the paths of another set out of this one.
    pub fn subtract(&mut self, other: &Set) {
        for (element, theirs) in &other.nodes {
            if let Some(mine) = self.nodes.get_mut(element) {
                mine.member &= !theirs.member;
                mine.below.subtract(&theirs.below);
                if mine.is_empty() {
                    self.nodes.remove(element);
                }
            }
        }
    }

    /// Calls `visit` for each path in the set: at every level first the members, then what is below.
    pub fn for_each_path(&self, visit: &mut dyn FnMut(&[&PathElement])) {
        self.walk(&mut Vec::new(), visit);
    }

    fn walk<'a>(&'a self, path: &mut Vec<&'a PathElement>, visit: &mut dyn FnMut(&[&PathElement])) {
        for (element, _) in self.nodes.iter().filter(|(_, node)| node.member) {
            path.push(element);
            visit(path);
            path.pop();
        }
        for (element, node) in &self.nodes {
            path.push(element);
            node.below.walk(path, visit);
            path.pop();
        }
    }

    /// All paths as they are shown in conflicts.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.for_each_path(&mut |path| paths.push(path.iter().map(ToString::to_string).collect()));
        paths
    }
}

#[cfg(test)]
mod tests;
