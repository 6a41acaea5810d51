//! What can be set about how the server speaks to nodes.

use std::path::{Path, PathBuf};

use clap::Args;

/// How the server speaks to nodes, for logs, commands and ports of pods.
#[derive(Debug, Clone, Args)]
pub struct NodeClientSettings {
    /// The certificate that nodes are shown, with its chain, PEM [default: issued by Strongroom's own CA, and renewed]
    #[arg(long, value_name = "FILE", help_heading = "Serving")]
    pub kubelet_client_certificate: Option<PathBuf>,

    /// That certificate's private key, PEM
    #[arg(long, value_name = "FILE", help_heading = "Serving")]
    pub kubelet_client_key: Option<PathBuf>,

    /// Certificates of the CAs that nodes' serving certificates may come from, PEM [default: Strongroom's own CA]
    #[arg(long, value_name = "FILE", help_heading = "Serving")]
    pub kubelet_certificate_authority: Option<PathBuf>,
}

impl NodeClientSettings {
    /// The certificate and key to show to nodes, if they are given rather than issued.
    ///
    /// # Errors
    /// When only one of the two is given.
    pub fn client_files(&self) -> anyhow::Result<Option<(&Path, &Path)>> {
        match (&self.kubelet_client_certificate, &self.kubelet_client_key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            _ => anyhow::bail!(
                "Nodes are shown a certificate with its key: --kubelet-client-certificate and --kubelet-client-key; \
                 give the missing one too."
            ),
        }
    }
}
