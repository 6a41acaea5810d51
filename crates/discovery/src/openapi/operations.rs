//! The operations of a table of served resources: one list from which both versions of OpenAPI are
//! written. URL forms: api-conventions §1.

mod group_version;

use super::parameters::Parameter;
use super::{Kind, OBJECT_MEDIA_TYPES, meta};
use crate::served::{self, ServedResource};

pub(crate) use group_version::group_version;

/// One URL with its operations.
pub(crate) struct Path<'a> {
    pub(crate) url: String,
    /// Parameters of every operation.
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) operations: Vec<Operation<'a>>,
}

/// One HTTP method on one URL.
pub(crate) struct Operation<'a> {
    /// `get`, `post`, …
    pub(crate) method: &'static str,
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) tag: String,
    /// `x-kubernetes-action` and `x-kubernetes-group-version-kind`.
    pub(crate) action: Option<(&'static str, Kind<'a>)>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<Body<'a>>,
    pub(crate) produces: Vec<&'static str>,
    /// Status codes with what comes back.
    pub(crate) responses: Vec<(u16, Model<'a>)>,
}

/// What a request carries.
pub(crate) enum Body<'a> {
    /// An object that must be there.
    Object(Kind<'a>),
    /// `DeleteOptions`, which may be left out.
    DeleteOptions,
    /// A patch of an object, in one of the patch media types.
    Patch(Kind<'a>),
}

/// What an answer carries.
#[derive(Clone, Copy)]
pub(crate) enum Model<'a> {
    /// An object.
    Kind(Kind<'a>),
    /// The document of `/version`.
    Version,
    /// Text or a stream of bytes.
    Text,
}

/// Every path of every document: the roots, then each group with its versions.
pub(crate) fn all(served: &[ServedResource]) -> Vec<Path<'_>> {
    let mut paths = vec![version()];
    let group_versions = served::group_versions(served);
    if group_versions.iter().any(|(group, _)| group.is_empty()) {
        paths.push(core_versions());
    }
    paths.push(group_list());
    paths.extend(served::named_groups(served).iter().map(|(name, _)| group(name)));
    for (group, version) in group_versions {
        paths.extend(group_version(served, group, version));
    }
    paths
}

/// `/version/`.
pub(crate) fn version<'a>() -> Path<'a> {
    let mut path = document(
        "/version/".into(),
        "getCodeVersion".into(),
        "version".into(),
        "the version of the server",
        Model::Version,
    );
    path.operations[0].produces = vec!["application/json"];
    path
}

/// `/api/`.
pub(crate) fn core_versions<'a>() -> Path<'a> {
    let id = "getCoreAPIVersions".into();
    document(
        "/api/".into(),
        id,
        "core".into(),
        "the served versions of the core group",
        Model::Kind(meta("APIVersions")),
    )
}

/// `/apis/`.
pub(crate) fn group_list<'a>() -> Path<'a> {
    let id = "getAPIVersions".into();
    document(
        "/apis/".into(),
        id,
        "apis".into(),
        "the served groups",
        Model::Kind(meta("APIGroupList")),
    )
}

/// `/apis/<group>/`.
pub(crate) fn group<'a>(name: &str) -> Path<'a> {
    let id = format!("get{}APIGroup", camel_case(name));
    document(
        format!("/apis/{name}/"),
        id,
        lower_camel_case(name),
        "the served versions of the group",
        Model::Kind(meta("APIGroup")),
    )
}

fn document<'a>(url: String, id: String, tag: String, what: &str, model: Model<'a>) -> Path<'a> {
    let operation = Operation {
        method: "get",
        id,
        description: format!("get {what}"),
        tag,
        action: None,
        parameters: vec![],
        body: None,
        produces: OBJECT_MEDIA_TYPES.to_vec(),
        responses: vec![(200, model)],
    };
    Path {
        url,
        parameters: vec![],
        operations: vec![operation],
    }
}

/// The description of an answer's status code.
pub(crate) fn reason(code: u16) -> &'static str {
    match code {
        201 => "Created",
        202 => "Accepted",
        _ => "OK",
    }
}

/// `rbac.authorization.k8s.io` → `RbacAuthorization`.
fn camel_case(group: &str) -> String {
    let short = group.strip_suffix(".k8s.io").unwrap_or(group);
    short.split(['.', '-']).map(upper_first).collect()
}

/// `rbac.authorization.k8s.io` → `rbacAuthorization`.
fn lower_camel_case(group: &str) -> String {
    let mut name = camel_case(group);
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    name
}

fn upper_first(word: &str) -> String {
    let mut word = word.to_owned();
    if let Some(first) = word.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    word
}
