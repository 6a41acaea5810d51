//! What a node may write (auth.md §7.3).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_certificates::{CertificateRequest, Signer};
use strongroom_objects::go_text::quote;
use strongroom_objects::{Map, Object, Value};

use super::references::{MIRROR_ANNOTATION, objects, text};
use super::{Referenced, USER_PREFIX, references};

#[cfg(test)]
mod tests;

const LEASE_NAMESPACE: &str = "kube-node-lease";

/// Labels of Kubernetes that a node may put on itself.
const OWN_LABELS: &[&str] = &[
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// Domains of labels that belong to nodes, with all their subdomains.
const OWN_DOMAINS: &[&str] = &["kubelet.kubernetes.io", "node.kubernetes.io"];

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

/// Whether `node` may do the write. Everything that is not about nodes, pods, leases, tokens or certificates is none
/// of its business.
///
/// # Errors
/// When it reaches beyond the node and its pods.
pub fn restrict(node: &str, write: &NodeWrite<'_>) -> Result<(), Restriction> {
    if node.is_empty() {
        return no("could not determine node from user \"system:node:\"");
    }
    match (write.api_group, write.resource, write.subresource) {
        ("", "nodes", "" | "status") => own_node(node, write),
        ("", "pods", "") => mirror_pod(node, write),
        ("", "pods", "status") => pod_status(node, write),
        ("", "pods", "eviction") => own_pod(node, write.pod.or(write.old), "evict pods"),
        ("", "pods", other) => no(&format!(
            "unexpected pod subresource {}, only 'status' and 'eviction' are allowed",
            quote(other)
        )),
        ("", "serviceaccounts", "token") => token(node, write),
        ("coordination.k8s.io", "leases", _) => lease(node, write),
        ("certificates.k8s.io", "certificatesigningrequests", "") => certificate(node, write),
        _ => Ok(()),
    }
}

fn own_node(node: &str, write: &NodeWrite<'_>) -> Result<(), Restriction> {
    let me = quote(node);
    let name = write.written_name();
    if name != node {
        return no(&format!(
            "node {me} is not allowed to modify node {}",
            quote(name)
        ));
    }
    let Some(new) = write.object else {
        return Ok(());
    };
    let Some(old) = write.old else {
        let labels = forbidden(new.metadata.labels.keys());
        return match labels.as_str() {
            "" => Ok(()),
            labels => no(&format!(
                "node {me} is not allowed to set the following labels: {labels}"
            )),
        };
    };
    if spec_member(new, "taints") != spec_member(old, "taints") {
        return no(&format!("node {me} is not allowed to modify taints"));
    }
    if new.metadata.owner_references != old.metadata.owner_references {
        return no(&format!("node {me} is not allowed to modify ownerReferences"));
    }
    let (new, old) = (&new.metadata.labels, &old.metadata.labels);
    let changed = new
        .keys()
        .chain(old.keys())
        .filter(|key| new.get(*key) != old.get(*key));
    match forbidden(changed).as_str() {
        "" => Ok(()),
        labels => no(&format!("node {me} is not allowed to modify labels: {labels}")),
    }
}

/// The labels that nodes must leave alone, sorted, in one text.
fn forbidden<'a>(labels: impl Iterator<Item = &'a String>) -> String {
    let found: BTreeSet<&str> = labels
        .map(String::as_str)
        .filter(|label| is_forbidden(label))
        .collect();
    found.into_iter().collect::<Vec<_>>().join(", ")
}

fn is_forbidden(label: &str) -> bool {
    let Some((domain, _)) = label.split_once('/') else {
        return false;
    };
    let within = |parent: &str| {
        domain
            .strip_suffix(parent)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if within("node-restriction.kubernetes.io") {
        return true;
    }
    (within("kubernetes.io") || within("k8s.io"))
        && !OWN_LABELS.contains(&label)
        && !OWN_DOMAINS.iter().any(|own| within(own))
}

/// Mirror pods are the only ones that nodes make, and they use nothing that is kept here.
fn mirror_pod(node: &str, write: &NodeWrite<'_>) -> Result<(), Restriction> {
    let me = quote(node);
    match write.verb {
        "delete" | "deletecollection" => own_pod(node, write.old, "delete pods"),
        "create" => {
            let Some(pod) = write.object else {
                return Ok(());
            };
            if !pod.metadata.annotations.contains_key(MIRROR_ANNOTATION) {
                return no(&format!(
                    "pod does not have {} annotation, node {me} can only create mirror pods",
                    quote(MIRROR_ANNOTATION)
                ));
            }
            own_pod(node, Some(pod), "create pods")?;
            owned_by_node(node, pod)?;
            uses_nothing(node, pod)
        }
        other => no(&format!(
            "unexpected operation {}, node {me} can only create and delete mirror pods",
            quote(&other.to_uppercase())
        )),
    }
}

fn owned_by_node(node: &str, pod: &Object) -> Result<(), Restriction> {
    let me = quote(node);
    let [owner] = pod.metadata.owner_references.as_slice() else {
        if pod.metadata.owner_references.is_empty() {
            return Ok(());
        }
        return no(&format!(
            "node {me} can only create pods with a single owner reference set to itself"
        ));
    };
    if (
        owner.api_version.as_str(),
        owner.kind.as_str(),
        owner.name.as_str(),
    ) != ("v1", "Node", node)
    {
        return no(&format!(
            "node {me} can only create pods with an owner reference set to itself"
        ));
    }
    if owner.controller != Some(true) {
        return no(&format!(
            "node {me} can only create pods with a controller owner reference set to itself"
        ));
    }
    if owner.block_owner_deletion == Some(true) {
        return no(&format!(
            "node {me} must not set blockOwnerDeletion on an owner reference"
        ));
    }
    Ok(())
}

fn uses_nothing(node: &str, pod: &Object) -> Result<(), Restriction> {
    let mut plain = pod.clone();
    plain.metadata.annotations.remove(MIRROR_ANNOTATION);
    let uses = references(&plain);
    let problems = [
        (Referenced::ServiceAccount, "a service account"),
        (Referenced::Secret, "secrets"),
        (Referenced::ConfigMap, "configmaps"),
        (Referenced::PersistentVolumeClaim, "persistentvolumeclaims"),
        (Referenced::ResourceClaim, "resourceclaims"),
    ];
    for (kind, what) in problems {
        if uses.iter().any(|(own, _)| *own == kind) {
            return no(&format!(
                "node {} can not create pods that reference {what}",
                quote(node)
            ));
        }
    }
    Ok(())
}

fn pod_status(node: &str, write: &NodeWrite<'_>) -> Result<(), Restriction> {
    own_pod(node, write.old, "update pod status for pods")?;
    let labels = |object: Option<&Object>| object.map(|object| object.metadata.labels.clone());
    if write.object.is_some() && labels(write.object) != labels(write.old) {
        return no(&format!(
            "node {} cannot update labels through pod status",
            quote(node)
        ));
    }
    Ok(())
}

fn own_pod(node: &str, pod: Option<&Object>, what: &str) -> Result<(), Restriction> {
    // What does not exist is answered by the handler.
    let Some(pod) = pod else {
        return Ok(());
    };
    if spec_text(pod, &["nodeName"]) == Some(node) {
        return Ok(());
    }
    no(&format!(
        "node {} can only {what} with spec.nodeName set to itself",
        quote(node)
    ))
}

fn lease(node: &str, write: &NodeWrite<'_>) -> Result<(), Restriction> {
    if write.namespace != LEASE_NAMESPACE {
        return no(&format!(
            "can only access leases in the {} system namespace",
            quote(LEASE_NAMESPACE)
        ));
    }
    if write.written_name() != node {
        return no("can only access node lease with the same name as the requesting node");
    }
    Ok(())
}

/// A node asks for its own certificates only; everything else about them is for the signer to judge.
fn certificate(node: &str, write: &NodeWrite<'_>) -> Result<(), Restriction> {
    let (None, Some(new)) = (write.old, write.object) else {
        return Ok(());
    };
    let signer = Signer::named(spec_text(new, &["signerName"]).unwrap_or_default());
    if !matches!(
        signer,
        Some(Signer::ApiServerClientKubelet | Signer::KubeletServing)
    ) {
        return Ok(());
    }
    let request = STANDARD.decode(spec_text(new, &["request"]).unwrap_or_default());
    match CertificateRequest::from_pem(&request.unwrap_or_default()) {
        Err(problem) => no(&format!("unable to parse csr: {problem}")),
        Ok(request) if request.subject.common_name().strip_prefix(USER_PREFIX) == Some(node) => Ok(()),
        Ok(_) => no(&format!("can only create a node CSR with CN={USER_PREFIX}{node}")),
    }
}

fn token(node: &str, write: &NodeWrite<'_>) -> Result<(), Restriction> {
    let Some(request) = write.object else {
        return no("node requested token not bound to a pod");
    };
    let bound = |name| spec_text(request, &["boundObjectRef", name]).unwrap_or_default();
    if (bound("apiVersion"), bound("kind")) != ("v1", "Pod") || bound("name").is_empty() {
        return no("node requested token not bound to a pod");
    }
    if bound("uid").is_empty() {
        return no("node requested token with a pod binding without a uid");
    }
    let Some(pod) = write.pod else {
        return no(&format!("pod {} not found", quote(bound("name"))));
    };
    if pod.metadata.uid != bound("uid") {
        return no(&format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have \
             been deleted and then recreated",
            bound("uid")
        ));
    }
    if spec_text(pod, &["nodeName"]) != Some(node) {
        return no("node requested token bound to a pod scheduled on a different node");
    }
    let audiences = spec_member(request, "audiences").and_then(Value::as_array);
    let audience = match audiences.map(Vec::as_slice).unwrap_or_default() {
        [] => "",
        [one] => one.as_str().unwrap_or_default(),
        _ => return no("node may only request 0 or 1 audiences"),
    };
    if projects_token_for(pod, audience) {
        return Ok(());
    }
    no(&format!(
        "audience {} not found in pod spec volume, system:node:{node} is not authorized to request tokens for this \
         audience",
        quote(audience)
    ))
}

/// Whether a projected volume of the pod wants a token for the audience; the empty one is the server's own.
fn projects_token_for(pod: &Object, audience: &str) -> bool {
    let spec = pod.body.get("spec").and_then(Value::as_object);
    let volumes = spec.into_iter().flat_map(|spec| objects(spec, "volumes"));
    let projected = volumes.filter_map(|volume| volume.get("projected")?.as_object());
    projected
        .flat_map(|projected| objects(projected, "sources"))
        .filter_map(|source| source.get("serviceAccountToken")?.as_object())
        .any(|token: &Map| text(token, &["audience"]).unwrap_or_default() == audience)
}

impl NodeWrite<'_> {
    /// The name in the URL or, for a create, in the object.
    fn written_name(&self) -> &str {
        if !self.name.is_empty() {
            return self.name;
        }
        self.object
            .map(|object| object.metadata.name.as_str())
            .unwrap_or_default()
    }
}

/// A member of the spec; null and an empty list are nothing.
fn spec_member<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    let member = object.body.get("spec")?.get(name)?;
    let nothing = member.is_null() || member.as_array().is_some_and(Vec::is_empty);
    (!nothing).then_some(member)
}

fn spec_text<'a>(object: &'a Object, path: &[&str]) -> Option<&'a str> {
    text(object.body.get("spec")?.as_object()?, path)
}

fn no(reason: &str) -> Result<(), Restriction> {
    Err(Restriction(reason.to_owned()))
}
