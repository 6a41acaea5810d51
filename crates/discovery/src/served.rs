use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// One resource as the server offers it in one group-version.
///
/// The order of a table of these is visible to clients: groups and versions are listed in the order
/// of first appearance, and `kubectl` prefers earlier groups for ambiguous names. The first version
/// of a group is its preferred one. Resources inside a group-version are listed by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServedResource {
    /// API group, empty for the core group.
    pub group: String,
    /// Version inside the group, `v1`.
    pub version: String,
    /// Kind of one object, `Secret`.
    pub kind: String,
    /// Kind of a collection, `SecretList`.
    pub list_kind: String,
    /// The name in URLs, `secrets`.
    pub plural: String,
    /// Name for one object on command lines, `secret`.
    pub singular: String,
    /// Abbreviations on command lines, `cm`.
    pub short_names: Vec<String>,
    /// Categories the resource belongs to, `all`.
    pub categories: Vec<String>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs of discovery: `create delete deletecollection get list patch update watch`. They decide
    /// which operations OpenAPI describes.
    pub verbs: Vec<String>,
    /// What can be asked of one object besides itself.
    pub subresources: Vec<ServedSubresource>,
    /// Group, version and kind objects are stored as, the input of `storageVersionHash`. An empty
    /// kind means that nothing is stored (`tokenreviews`) and leaves the hash out.
    pub storage_version_kind: (String, String, String),
}

/// One subresource of a [`ServedResource`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServedSubresource {
    /// Last part of the URL, `status`.
    pub name: String,
    /// API group of the kind that travels.
    pub group: String,
    /// Version of the kind that travels.
    pub version: String,
    /// Kind that travels, `TokenRequest`. A kind that ends in `Options` marks a connection
    /// (`pods/exec` with `PodExecOptions`).
    pub kind: String,
    /// Verbs of discovery.
    pub verbs: Vec<String>,
}

impl ServedResource {
    pub(crate) fn serves(&self, verb: &str) -> bool {
        self.verbs.iter().any(|served| served == verb)
    }

    pub(crate) fn storage_version_hash(&self) -> Option<String> {
        let (group, version, kind) = &self.storage_version_kind;
        (!kind.is_empty()).then(|| storage_version_hash(group, version, kind))
    }

    pub(crate) fn sorted_subresources(&self) -> Vec<&ServedSubresource> {
        let mut subresources: Vec<_> = self.subresources.iter().collect();
        subresources.sort_by(|a, b| a.name.cmp(&b.name));
        subresources
    }
}

impl ServedSubresource {
    pub(crate) fn serves(&self, verb: &str) -> bool {
        self.verbs.iter().any(|served| served == verb)
    }
}

/// `storageVersionHash` of a resource: standard base64 of the first eight bytes of the SHA-256 of
/// `group/version/kind` (api-conventions §2.1).
pub fn storage_version_hash(group: &str, version: &str, kind: &str) -> String {
    let digest = Sha256::digest(format!("{group}/{version}/{kind}"));
    STANDARD.encode(&digest[..8])
}

/// Group-versions in the order the table first names them.
pub(crate) fn group_versions(served: &[ServedResource]) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for resource in served {
        let group_version = (resource.group.as_str(), resource.version.as_str());
        if !found.contains(&group_version) {
            found.push(group_version);
        }
    }
    found
}

/// Named groups (not the core group) with their versions, preferred version first.
pub(crate) fn named_groups(served: &[ServedResource]) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (group, version) in group_versions(served) {
        match groups.iter_mut().find(|(name, _)| *name == group) {
            _ if group.is_empty() => {}
            Some((_, versions)) => versions.push(version),
            None => groups.push((group, vec![version])),
        }
    }
    groups
}

/// The resources of one group-version, ordered by name.
pub(crate) fn resources_of<'a>(
    served: &'a [ServedResource],
    group: &str,
    version: &str,
) -> Vec<&'a ServedResource> {
    let mut resources: Vec<_> = served
        .iter()
        .filter(|resource| resource.group == group && resource.version == version)
        .collect();
    resources.sort_by(|a, b| a.plural.cmp(&b.plural));
    resources
}

pub(crate) fn sorted(words: &[String]) -> Vec<&str> {
    let mut sorted: Vec<_> = words.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    sorted
}
