//! TLS connections to the server, with the kubeconfig's client certificate.

use std::sync::Arc;

use anyhow::{Context, Result};
use base64::Engine;
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where the server is and how to be let in, read from a kubeconfig.
#[derive(Clone)]
pub struct Access {
    /// `127.0.0.1:6443`
    pub address: String,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    bare: Arc<ClientConfig>,
    roots: Arc<rustls::RootCertStore>,
}

/// Which protocol is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1
    Http1,
    /// HTTP/2
    Http2,
}

impl Access {
    /// Reads a kubeconfig with inlined certificates and one cluster.
    pub fn from_kubeconfig(kubeconfig: &str) -> Result<Self> {
        let server = field(kubeconfig, "server")?;
        let address = server
            .trim_start_matches("https://")
            .trim_end_matches('/')
            .to_owned();
        let authority = decode(field(kubeconfig, "certificate-authority-data")?)?;
        let certificate = decode(field(kubeconfig, "client-certificate-data")?)?;
        let key = decode(field(kubeconfig, "client-key-data")?)?;
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&authority) {
            roots.add(certificate?)?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let bare = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(Arc::clone(&roots))
            .with_no_client_auth();
        Ok(Self {
            address,
            bare: Arc::new(bare),
            http1: config(&roots, &certificate, &key, b"http/1.1")?,
            http2: config(&roots, &certificate, &key, b"h2")?,
            roots,
        })
    }

    /// The same server with another client certificate and its key, PEM.
    pub fn with_certificate(&self, certificate: &[u8], key: &[u8]) -> Result<Self> {
        Ok(Self {
            http1: config(&self.roots, certificate, key, b"http/1.1")?,
            http2: config(&self.roots, certificate, key, b"h2")?,
            ..self.clone()
        })
    }

    /// The same server over HTTP/1.1, without a client certificate.
    pub fn without_certificate(&self) -> Self {
        Self {
            http1: Arc::clone(&self.bare),
            http2: Arc::clone(&self.bare),
            ..self.clone()
        }
    }

    /// Opens a connection.
    pub async fn connect(&self, protocol: Protocol) -> Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(&self.address).await?;
        socket.set_nodelay(true)?;
        let config = match protocol {
            Protocol::Http1 => self.http1.clone(),
            Protocol::Http2 => self.http2.clone(),
        };
        let host = self
            .address
            .rsplit_once(':')
            .map_or(self.address.as_str(), |(host, _)| host);
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
        Ok(TlsConnector::from(config).connect(name, socket).await?)
    }
}

fn config(
    roots: &Arc<rustls::RootCertStore>,
    certificate: &[u8],
    key: &[u8],
    protocol: &[u8],
) -> Result<Arc<ClientConfig>> {
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::clone(roots))
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key)?)?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

/// The value of a field anywhere in a YAML or JSON kubeconfig.
fn field<'a>(kubeconfig: &'a str, name: &str) -> Result<&'a str> {
    let unquote = |text: &'a str| text.trim().trim_end_matches(',').trim_matches('"');
    kubeconfig
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("- ").split_once(':'))
        .find(|(key, _)| unquote(key) == name)
        .map(|(_, value)| unquote(value))
        .with_context(|| format!("the kubeconfig has no {name}"))
}

fn decode(base64: &str) -> Result<Vec<u8>> {
    Ok(base64::engine::general_purpose::STANDARD.decode(base64)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let check = |kubeconfig, expect| assert_eq!(field(kubeconfig, "server").ok(), expect);
        check(
            "clusters:\n- cluster:\n    server: https://127.0.0.1:6443\n",
            Some("https://127.0.0.1:6443"),
        );
        check("  - server: \"https://[::1]:1\"\n", Some("https://[::1]:1"));
        check("{\n  \"server\": \"https://a:1\",\n}", Some("https://a:1"));
        check("users: []\n", None);
    }
}
