//! Connections to nodes: with this server's own certificate, to nodes whose certificate is believed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::location::Location;
use crate::server::ApiServer;

/// How long a node may take to accept a connection, TLS included.
const DIAL: Duration = Duration::from_secs(10);

/// How nodes are spoken to.
#[derive(Debug, Clone)]
pub struct NodeTls {
    verified: Arc<ClientConfig>,
    /// For logs whose reader asked for it: `insecureSkipTLSVerifyBackend`.
    unverified: Arc<ClientConfig>,
}

/// Files that nodes cannot be spoken to with.
#[derive(Debug, thiserror::Error)]
pub enum NodeTlsError {
    /// One of them is no PEM, or holds nothing.
    #[error("the {0} cannot be read")]
    Unreadable(&'static str),
    /// They do not fit together.
    #[error("the certificate, its key and the nodes' CA cannot be used")]
    Unusable(#[from] Error),
}

impl NodeTls {
    /// Shows nodes `certificate` (with its chain), and believes those whose certificate comes from `authority`. All
    /// are PEM.
    ///
    /// # Errors
    /// [`NodeTlsError`].
    pub fn new(certificate: &[u8], key: &[u8], authority: &[u8]) -> Result<Self, NodeTlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for root in certificates(authority, "nodes' CA")? {
            roots.add(root)?;
        }
        let chain = certificates(certificate, "client certificate for nodes")?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| NodeTlsError::Unreadable("private key for nodes"))?;
        let builder = || {
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()
        };
        let verified = builder()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain.clone(), key.clone_key())?;
        let unverified = builder()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyNode(Arc::clone(&provider))))
            .with_client_auth_cert(chain, key)?;
        Ok(Self {
            verified: Arc::new(verified),
            unverified: Arc::new(unverified),
        })
    }
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, NodeTlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|_| NodeTlsError::Unreadable(what))?;
    if all.is_empty() {
        return Err(NodeTlsError::Unreadable(what));
    }
    Ok(all)
}

/// Why a node cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// This server has nothing to show to nodes.
    #[error("this server has no certificate for nodes (--kubelet-client-certificate)")]
    NoCertificate,
    /// No connection, in the words of Go's clients.
    #[error("dial tcp {0}: {1}")]
    Connect(SocketAddr, String),
    /// No TLS: what is there is not the node, or does not believe this server.
    #[error("dial tcp {0}: tls: {1}")]
    Tls(SocketAddr, io::Error),
    /// Too slow.
    #[error("dial tcp {0}: i/o timeout")]
    Timeout(SocketAddr),
}

/// Connects to a node; `insecure` believes whatever answers there.
pub async fn dial(
    server: &ApiServer,
    location: &Location,
    insecure: bool,
) -> Result<TlsStream<TcpStream>, DialError> {
    let tls = server
        .0
        .nodes
        .as_ref()
        .ok_or(DialError::NoCertificate)?
        .load_full();
    let config = if insecure { &tls.unverified } else { &tls.verified };
    let address = SocketAddr::new(location.address, location.port);
    let dialing = async {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| DialError::Connect(address, connect_text(&error)))?;
        let _ = stream.set_nodelay(true);
        TlsConnector::from(Arc::clone(config))
            .connect(ServerName::from(location.address), stream)
            .await
            .map_err(|error| DialError::Tls(address, error))
    };
    let dialed = tokio::time::timeout(DIAL, dialing).await;
    dialed.map_err(|_| DialError::Timeout(address))?
}

fn connect_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        _ => error.to_string(),
    }
}

/// Believes every node that holds the key of the certificate it shows.
#[derive(Debug)]
struct AnyNode(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyNode {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
