//! Where signed heads and the keys that sign them come from.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Uri};
use strongroom_audit::{Head, HeadSigner};

use crate::command::access::connection;
use crate::data_dir::DataDir;
use crate::misread::Misread;

const PATH: &str = "/.well-known/strongroom/audit-head";

/// Where a head is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// At a server.
    Url(Uri),
    /// On standard input.
    Input,
    /// In a file.
    File(PathBuf),
}

impl Source {
    /// Reads `-`, a URL, or else a path.
    pub fn parse(text: &str) -> Result<Source, Misread> {
        if text == "-" {
            return Ok(Source::Input);
        }
        if !text.starts_with("https://") && !text.starts_with("http://") {
            return Ok(Source::File(text.into()));
        }
        let uri: Uri = text.parse().map_err(|_| Misread("expected a URL"))?;
        if uri.scheme_str() == Some("http") {
            return Err(Misread(
                "expected https://: nobody vouches for what comes over http",
            ));
        }
        Ok(Source::Url(uri))
    }

    /// The head.
    ///
    /// # Errors
    /// When it cannot be fetched, or is no head. Its signature is not looked at.
    pub fn read(&self, kubeconfig: Option<&Path>, data_dir: Option<&Path>) -> anyhow::Result<Head> {
        let (text, place) = match self {
            Source::File(path) => {
                let text = std::fs::read_to_string(path);
                let text = text.with_context(|| format!("{} cannot be read", path.display()))?;
                (text, path.display().to_string())
            }
            Source::Input => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .context("Standard input cannot be read")?;
                (text, "Standard input".to_owned())
            }
            Source::Url(uri) => (fetch(uri, kubeconfig, data_dir)?, uri.to_string()),
        };
        Head::from_json(&text).with_context(|| format!("{place} holds no audit head"))
    }
}

/// Anyone may fetch it, so no credentials are sent; of a kubeconfig only the CA is used.
fn fetch(uri: &Uri, kubeconfig: Option<&Path>, data_dir: Option<&Path>) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let known = connection::configuration(kubeconfig, data_dir).await;
        if kubeconfig.is_some()
            && let Err(error) = known
        {
            return Err(error);
        }
        let origin = Uri::builder()
            .scheme("https")
            .authority(uri.authority().context("The URL names no server")?.clone())
            .path_and_query("/")
            .build()?;
        let mut config = kube::Config::new(origin);
        config.root_cert = known.ok().and_then(|known| known.root_cert);
        config.read_timeout = config.connect_timeout;
        let client = kube::Client::try_from(config)?;
        let path = match uri.path() {
            "" | "/" => PATH,
            path => path,
        };
        let answer = client
            .request_text(Request::builder().uri(path).body(Vec::new())?)
            .await;
        answer.map_err(|error| {
            anyhow::anyhow!(
                "The audit head at {uri} cannot be fetched: {}. A CA of its own is taken from the kubeconfig \
                 (--kubeconfig).",
                connection::deepest(&error)
            )
        })
    })
}

/// Reads a public key: base64 of 32 bytes, or a file with that in it.
pub fn public_key(text: &str) -> Result<Vec<u8>, Misread> {
    let decoded = |text: &str| STANDARD.decode(text.trim()).ok().filter(|key| key.len() == 32);
    let in_file = || decoded(&std::fs::read_to_string(text).ok()?);
    decoded(text).or_else(in_file).ok_or(Misread(
        "expected the base64 of an Ed25519 key (32 bytes), or a file that holds it",
    ))
}

/// The key of the server that keeps its state in a data directory; nothing if there is none.
///
/// # Errors
/// When its file cannot be used.
pub fn key_of(data_dir: &DataDir) -> anyhow::Result<Option<Vec<u8>>> {
    let path = data_dir.pki().join("audit.key");
    match std::fs::read(&path) {
        Ok(key) => match HeadSigner::from_pkcs8(&key) {
            Ok(signer) => Ok(Some(signer.public_key().to_vec())),
            Err(_) => bail!("{} holds no key for the audit log", path.display()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}
