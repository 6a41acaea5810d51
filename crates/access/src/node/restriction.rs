//! What a node may write (auth.md §7.3).

use strongroom_objects::Object;

#[cfg(test)]
mod tests;

/// A write of a node, as admission sees it.
#[derive(Clone, Copy)]
pub struct NodeWrite<'a> {
    /// `create`, `update`, `patch` or `delete`.
    pub verb: &'a str,
    /// The API group.
    pub api_group: &'a str,
    /// The resource in the plural.
    pub resource: &'a str,
    /// The subresource.
    pub subresource: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The name in the URL; empty for a create.
    pub name: &'a str,
    /// What is to be stored or, for a token, the TokenRequest; nothing for a delete.
    pub object: Option<&'a Object>,
    /// What is stored.
    pub old: Option<&'a Object>,
    /// The stored pod that an eviction or a token request speaks of, if it exists.
    pub pod: Option<&'a Object>,
}

/// Why a node may not write; the text that follows `is forbidden: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Restriction(pub String);

/// Whether `node` may do the write.
///
/// # Errors
/// When it reaches beyond the node and its pods.
pub fn restrict(node: &str, _write: &NodeWrite<'_>) -> Result<(), Restriction> {
    if node.is_empty() {
        return Err(Restriction(
            "could not determine node from user \"system:node:\"".to_owned(),
        ));
    }
    Ok(())
}
