//! The certificate that a node's own API serves with, where none is given: a key made here, and a certificate that the
//! server's authority signs once somebody has approved it (`kubectl certificate approve`).

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use strongroom_client::request::ApiClient;

use super::bootstrap::{Asked, ask, granted};
use crate::data_dir::{private_directory, write_private};
use crate::pki::{Names, is_good, is_self_signed};
use crate::settings::NODES;

const SIGNER: &str = "kubernetes.io/kubelet-serving";
const USAGES: &[&str] = &["digital signature", "server auth"];
/// How long a request may wait for approval before another is made; the server forgets those that wait for a day.
const PATIENCE: Duration = Duration::from_secs(12 * 60 * 60);
/// How often the certificate is looked at, and asked for again after a failure.
const ROUND: Duration = Duration::from_secs(60);

/// A node's own serving certificate, in files.
#[derive(Clone)]
pub struct ServingCertificate {
    directory: PathBuf,
    node: String,
    address: IpAddr,
}

impl ServingCertificate {
    /// The one in `directory`. Until the server has signed one it is self-signed: nobody believes it, but the port is
    /// there and refuses strangers in the ordinary way.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn prepare(directory: PathBuf, node: &str, address: IpAddr) -> anyhow::Result<ServingCertificate> {
        private_directory(&directory).with_context(|| format!("{} cannot be made", directory.display()))?;
        let serving = ServingCertificate {
            directory,
            node: node.to_owned(),
            address,
        };
        if !serving.is_good() {
            let key = KeyPair::generate()?;
            let certificate = serving.params()?.self_signed(&key)?;
            serving.write(&certificate.pem(), &key)?;
        }
        Ok(serving)
    }

    /// Certificate and key.
    pub fn files(&self) -> [PathBuf; 2] {
        [self.file("crt"), self.file("key")]
    }

    /// Asks the server for a certificate whenever one is due, for ever; calls `renewed` when there is a new one.
    pub async fn keep(self, client: ApiClient, renewed: impl Fn()) {
        loop {
            if self.is_due() {
                match self.renew(&client).await {
                    Ok(()) => renewed(),
                    Err(error) => {
                        tracing::warn!("the node's serving certificate stays as it was: {error:#}");
                    }
                }
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    async fn renew(&self, client: &ApiClient) -> anyhow::Result<()> {
        let key = KeyPair::generate()?;
        let request = self.params()?.serialize_request(&key)?.pem()?;
        let asked = Asked {
            prefix: "node-serving",
            signer: SIGNER,
            usages: USAGES,
        };
        let name = ask(client, &self.node, &request, &asked).await?;
        tracing::warn!(
            "logs, commands and ports of this node's pods cannot be reached before somebody approves its serving \
             certificate: kubectl certificate approve {name}"
        );
        let certificate = tokio::time::timeout(PATIENCE, granted(client, &name))
            .await
            .with_context(|| format!("nobody has approved certificate signing request {name}"))??;
        self.write(&certificate, &key)?;
        tracing::info!("the node's serving certificate is signed");
        Ok(())
    }

    fn params(&self) -> anyhow::Result<CertificateParams> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, NODES);
        let user = format!("system:node:{}", self.node);
        params.distinguished_name.push(DnType::CommonName, user);
        if let Ok(name) = self.node.as_str().try_into() {
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params.subject_alt_names.push(SanType::IpAddress(self.address));
        Ok(params)
    }

    fn is_good(&self) -> bool {
        let [Ok(certificate), Ok(key)] = self.files().map(std::fs::read_to_string) else {
            return false;
        };
        let names = Names::of_node(&self.node, &[self.address]);
        is_good(&certificate, &key, &names, Timestamp::now().as_second())
    }

    fn is_due(&self) -> bool {
        let certificate = std::fs::read_to_string(self.file("crt")).unwrap_or_default();
        !self.is_good() || is_self_signed(&certificate)
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.directory.join(format!("kubelet.{kind}"))
    }

    /// The key goes first, so that a certificate is never without its key.
    fn write(&self, certificate: &str, key: &KeyPair) -> anyhow::Result<()> {
        let key = zeroize::Zeroizing::new(key.serialize_pem());
        for (path, content) in [
            (self.file("key"), key.as_bytes()),
            (self.file("crt"), certificate.as_bytes()),
        ] {
            write(&path, content)?;
        }
        Ok(())
    }
}

fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    write_private(path, content).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_of_its_own_is_there_at_once_and_due() {
        let directory = tempfile::tempdir().unwrap();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let prepare = |node: &str| {
            let path = directory.path().join("pki");
            ServingCertificate::prepare(path, node, address).unwrap()
        };
        let serving = prepare("worker-1");
        assert!(serving.is_good() && serving.is_due());
        let [certificate, _] = serving.files();
        let first = std::fs::read(&certificate).unwrap();
        prepare("worker-1");
        assert_eq!(std::fs::read(&certificate).unwrap(), first);
        prepare("worker-2");
        assert_ne!(std::fs::read(&certificate).unwrap(), first);
    }
}
