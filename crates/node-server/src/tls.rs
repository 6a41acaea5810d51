//! The port's side of TLS: its certificate, and whose clients it believes.

use std::sync::Arc;

use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Files that do not make a server.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of them is no PEM, or holds nothing.
    #[error("the {0} cannot be read")]
    Unreadable(&'static str),
    /// They do not fit together.
    #[error("the certificate, its key and the clients' CA do not make a server")]
    Unusable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The configuration of a port that shows `certificate` (with its chain), and believes clients whose certificates come
/// from `client_ca`; others may connect without one. All are PEM.
///
/// # Errors
/// [`TlsError`] for what cannot be used.
pub fn tls_config(certificate: &[u8], key: &[u8], client_ca: &[u8]) -> Result<ServerConfig, TlsError> {
    let unusable = |error: rustls::Error| TlsError::Unusable(Box::new(error));
    let chain = certificates(certificate, "certificate")?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Unreadable("private key"))?;
    let mut roots = RootCertStore::empty();
    for authority in certificates(client_ca, "clients' CA")? {
        roots.add(authority).map_err(unusable)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| TlsError::Unusable(Box::new(error)))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    // A resumed session would skip the look at the client's certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|_| TlsError::Unreadable(what))?;
    if all.is_empty() {
        return Err(TlsError::Unreadable(what));
    }
    Ok(all)
}
