//! What Kubernetes' own signers give, and to whom (auth §9).

use std::collections::BTreeSet;

use crate::CertificateRequest;

#[cfg(test)]
mod tests;

const NODE_PREFIX: &str = "system:node:";
const NODES: &str = "system:nodes";

const DIGITAL_SIGNATURE: &str = "digital signature";
const KEY_ENCIPHERMENT: &str = "key encipherment";
const CLIENT_AUTH: &str = "client auth";
const SERVER_AUTH: &str = "server auth";

/// A signer whose certificates come from the cluster's own authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// `kubernetes.io/kube-apiserver-client`: clients of the API server, whoever they are.
    ApiServerClient,
    /// `kubernetes.io/kube-apiserver-client-kubelet`: nodes, as clients of the API server.
    ApiServerClientKubelet,
    /// `kubernetes.io/kubelet-serving`: nodes, as servers.
    KubeletServing,
}

/// What a certificate of one of these signers may be used for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Usages {
    pub digital_signature: bool,
    pub key_encipherment: bool,
    pub client_auth: bool,
    pub server_auth: bool,
}

/// Why a signer does not give what is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// A node's certificate is for the one group of nodes.
    #[error("subject organization is not system:nodes")]
    NotOfNodes,
    /// A node's certificate is for a node.
    #[error("subject common name does not begin with system:node:")]
    NotANode,
    /// A server is found by a name or an address.
    #[error("DNS or IP subjectAltName is required")]
    NoName,
    /// Clients have no host name.
    #[error("DNS subjectAltNames are not allowed")]
    DnsName,
    /// Nodes have no mail.
    #[error("Email subjectAltNames are not allowed")]
    Email,
    /// Clients have no address.
    #[error("IP subjectAltNames are not allowed")]
    Address,
    /// Nodes have no URI.
    #[error("URI subjectAltNames are not allowed")]
    Uri,
    /// A node's certificate is for these usages, with or without key encipherment.
    #[error("usages did not match [{0}]")]
    Usages(String),
    /// A usage that clients have no need of.
    #[error("invalid usage for client certificate: {0}")]
    ClientUsage(String),
    /// A client's certificate is for clients.
    #[error("missing required usage for client certificate: client auth")]
    NoClientAuth,
}

impl Signer {
    /// The signer of this name, if its certificates come from the cluster's own authority.
    pub fn named(name: &str) -> Option<Signer> {
        let all = [
            Signer::ApiServerClient,
            Signer::ApiServerClientKubelet,
            Signer::KubeletServing,
        ];
        all.into_iter().find(|signer| signer.name() == name)
    }

    /// Its name, as requests name it.
    pub fn name(self) -> &'static str {
        match self {
            Signer::ApiServerClient => "kubernetes.io/kube-apiserver-client",
            Signer::ApiServerClientKubelet => "kubernetes.io/kube-apiserver-client-kubelet",
            Signer::KubeletServing => "kubernetes.io/kubelet-serving",
        }
    }

    /// What the certificate may be used for, if the signer gives it.
    ///
    /// # Errors
    /// When it does not, with the reason that Kubernetes gives.
    pub fn accept(self, request: &CertificateRequest, usages: &[&str]) -> Result<Usages, Unacceptable> {
        match self {
            Signer::ApiServerClient => check_client_usages(usages)?,
            Signer::ApiServerClientKubelet => check_kubelet_client(request, usages)?,
            Signer::KubeletServing => check_kubelet_serving(request, usages)?,
        }
        Ok(Usages {
            digital_signature: usages.contains(&DIGITAL_SIGNATURE),
            key_encipherment: usages.contains(&KEY_ENCIPHERMENT),
            client_auth: usages.contains(&CLIENT_AUTH),
            server_auth: usages.contains(&SERVER_AUTH),
        })
    }
}

fn check_client_usages(usages: &[&str]) -> Result<(), Unacceptable> {
    let known = [DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, CLIENT_AUTH];
    if let Some(other) = usages.iter().find(|usage| !known.contains(usage)) {
        return Err(Unacceptable::ClientUsage((*other).to_owned()));
    }
    if usages.contains(&CLIENT_AUTH) {
        Ok(())
    } else {
        Err(Unacceptable::NoClientAuth)
    }
}

fn check_kubelet_client(request: &CertificateRequest, usages: &[&str]) -> Result<(), Unacceptable> {
    let names = &request.names;
    refuse(!is_of_nodes(request), Unacceptable::NotOfNodes)?;
    refuse(!names.dns.is_empty(), Unacceptable::DnsName)?;
    refuse(!names.email.is_empty(), Unacceptable::Email)?;
    refuse(!names.ip.is_empty(), Unacceptable::Address)?;
    refuse(!names.uri.is_empty(), Unacceptable::Uri)?;
    refuse(!is_a_node(request), Unacceptable::NotANode)?;
    check_usages(usages, CLIENT_AUTH)
}

fn check_kubelet_serving(request: &CertificateRequest, usages: &[&str]) -> Result<(), Unacceptable> {
    let names = &request.names;
    refuse(!is_of_nodes(request), Unacceptable::NotOfNodes)?;
    refuse(names.dns.is_empty() && names.ip.is_empty(), Unacceptable::NoName)?;
    refuse(!names.email.is_empty(), Unacceptable::Email)?;
    refuse(!names.uri.is_empty(), Unacceptable::Uri)?;
    check_usages(usages, SERVER_AUTH)?;
    refuse(!is_a_node(request), Unacceptable::NotANode)
}

fn refuse(condition: bool, reason: Unacceptable) -> Result<(), Unacceptable> {
    if condition { Err(reason) } else { Ok(()) }
}

fn is_of_nodes(request: &CertificateRequest) -> bool {
    request.subject.organizations().eq([NODES])
}

fn is_a_node(request: &CertificateRequest) -> bool {
    request.subject.common_name().starts_with(NODE_PREFIX)
}

/// RSA keys encipher, others do not, and nobody looks at which it is.
fn check_usages(usages: &[&str], purpose: &str) -> Result<(), Unacceptable> {
    let usages: BTreeSet<&str> = usages.iter().copied().collect();
    let mut wanted = BTreeSet::from([DIGITAL_SIGNATURE, purpose]);
    if usages == wanted {
        return Ok(());
    }
    wanted.insert(KEY_ENCIPHERMENT);
    if usages == wanted {
        return Ok(());
    }
    let wanted: Vec<&str> = wanted.into_iter().collect();
    Err(Unacceptable::Usages(wanted.join(" ")))
}
