//! TLS for the server: its certificate, whose clients it believes, and reloading both.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use aws_lc_rs::digest::{Context as Digest, SHA256};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use strongroom_access::FrontProxyHeaders;
use strongroom_apiserver::{FrontProxies, Tls, let_in};

/// The files that make up the server's side of TLS, all PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The serving certificate with its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The CAs that clients' certificates may come from.
    pub client_ca: PathBuf,
    /// Proxies in front that are believed.
    pub front_proxies: Option<FrontProxySettings>,
}

/// Proxies in front that are believed.
#[derive(Debug, Clone)]
pub struct FrontProxySettings {
    /// The CAs that their certificates come from, PEM.
    pub ca: PathBuf,
    /// Common names of their certificates; empty for any.
    pub allowed_names: Vec<String>,
    /// The headers in which they name users.
    pub headers: Arc<FrontProxyHeaders>,
}

/// The TLS configuration in use, and the files it came from.
pub struct ReloadingTls {
    files: TlsFiles,
    seen: Vec<u8>,
    current: Arc<ArcSwap<Tls>>,
}

struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Vec<u8>,
    front_proxy_ca: Option<Vec<u8>>,
}

impl ReloadingTls {
    /// Loads the files.
    ///
    /// # Errors
    /// When one is unreadable, or they do not fit together.
    pub fn load(files: TlsFiles) -> anyhow::Result<ReloadingTls> {
        let contents = Contents::read(&files)?;
        let config = server_config(&files, &contents)?;
        let current = Arc::new(ArcSwap::from_pointee(config));
        Ok(ReloadingTls {
            files,
            seen: contents.digest(),
            current,
        })
    }

    /// The configuration for new connections, kept up to date by [`ReloadingTls::reload`].
    pub fn current(&self) -> Arc<ArcSwap<Tls>> {
        Arc::clone(&self.current)
    }

    /// Loads the files again if they changed; says whether they had.
    ///
    /// # Errors
    /// As [`ReloadingTls::load`]; then the last good configuration stays in use.
    pub fn reload(&mut self) -> anyhow::Result<bool> {
        let contents = Contents::read(&self.files)?;
        let digest = contents.digest();
        if digest == self.seen {
            return Ok(false);
        }
        self.current
            .store(Arc::new(server_config(&self.files, &contents)?));
        self.seen = digest;
        Ok(true)
    }
}

impl Contents {
    fn read(files: &TlsFiles) -> anyhow::Result<Contents> {
        Ok(Contents {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
            client_ca: read(&files.client_ca)?,
            front_proxy_ca: match &files.front_proxies {
                Some(proxies) => Some(read(&proxies.ca)?),
                None => None,
            },
        })
    }

    fn digest(&self) -> Vec<u8> {
        let mut digest = Digest::new(&SHA256);
        let empty = Vec::new();
        let front_proxy_ca = self.front_proxy_ca.as_ref().unwrap_or(&empty);
        for part in [&self.certificate, &self.key, &self.client_ca, front_proxy_ca] {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finish().as_ref().to_vec()
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn server_config(files: &TlsFiles, contents: &Contents) -> anyhow::Result<Tls> {
    let chain = certificates(&files.certificate, &contents.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&contents.key)
        .with_context(|| format!("{} holds no private key in PEM form", files.key.display()))?;
    let client_roots = roots(&files.client_ca, &contents.client_ca)?;
    // Clients choose their certificate by the names of the CAs they are told: all of them.
    let mut hinted = client_roots.clone();
    let clients = verifier(client_roots)?;
    let front_proxies = match (&files.front_proxies, &contents.front_proxy_ca) {
        (Some(proxies), Some(pem)) => {
            let proxy_roots = roots(&proxies.ca, pem)?;
            hinted.extend(proxy_roots.roots.iter().cloned());
            Some(FrontProxies {
                verifier: verifier(proxy_roots)?,
                allowed_names: proxies.allowed_names.clone(),
                headers: Arc::clone(&proxies.headers),
            })
        }
        _ => None,
    };
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(let_in(verifier(hinted)?))
        .with_single_cert(chain, key)
        .with_context(|| {
            format!(
                "{} and {} do not belong together",
                files.certificate.display(),
                files.key.display()
            )
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A resumed session would skip the look at the client's certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Tls {
        config: Arc::new(config),
        clients,
        front_proxies,
    })
}

fn roots(path: &Path, pem: &[u8]) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, pem)? {
        roots
            .add(certificate)
            .with_context(|| format!("{} holds a certificate that cannot be used", path.display()))?;
    }
    Ok(roots)
}

fn verifier(roots: RootCertStore) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let builder = WebPkiClientVerifier::builder(Arc::new(roots));
    Ok(builder.allow_unauthenticated().build()?)
}

fn certificates(path: &Path, pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let unreadable = || format!("{} holds no certificate in PEM form", path.display());
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .with_context(unreadable)?;
    if found.is_empty() {
        anyhow::bail!(unreadable());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Names, Pki};

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn changed_files_are_loaded_and_broken_ones_are_not() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::at(dir.path().join("pki"));
        pki.ensure(&Names::of_server("here", &[]), NOW).unwrap();
        let files = TlsFiles {
            certificate: pki.file("apiserver.crt"),
            key: pki.file("apiserver.key"),
            front_proxies: None,
            client_ca: pki.file("ca.crt"),
        };
        let mut tls = ReloadingTls::load(files).unwrap();
        let first = tls.current().load_full();
        assert!(!tls.reload().unwrap());

        pki.ensure(&Names::of_server("there", &[]), NOW).unwrap();
        assert!(tls.reload().unwrap());
        let second = tls.current().load_full();
        assert!(!Arc::ptr_eq(&first, &second));

        let key = std::fs::read(pki.file("apiserver.key")).unwrap();
        for broken in [
            std::fs::read(pki.file("admin.key")).unwrap(),
            b"".to_vec(),
            b"-----BEGIN".to_vec(),
        ] {
            std::fs::write(pki.file("apiserver.key"), broken).unwrap();
            assert!(tls.reload().is_err());
            assert!(Arc::ptr_eq(&second, &tls.current().load_full()));
        }
        std::fs::write(pki.file("apiserver.key"), key).unwrap();
        assert!(!tls.reload().unwrap());
        std::fs::write(pki.file("ca.crt"), b"").unwrap();
        assert!(tls.reload().is_err());
    }
}
