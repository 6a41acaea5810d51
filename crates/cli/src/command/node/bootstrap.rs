//! A node's first credentials: a bootstrap token, a key made here, and a certificate that the server signs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::{Value, json};
use strongroom_client::request::{ApiClient, Form};

use crate::data_dir::write_private;
use crate::kubeconfig_file::Kubeconfig as KubeconfigFile;
use crate::settings::NODES;

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
/// Somebody may have to approve it by hand.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
const PAUSE: Duration = Duration::from_millis(500);

/// How a node without credentials gets them.
#[derive(Debug, Clone, Args)]
pub struct BootstrapFlags {
    /// The server's URL, for a first start without a kubeconfig
    #[arg(long, value_name = "URL", requires_all = ["token_file", "certificate_authority"], help_heading = "Server")]
    pub server: Option<String>,

    /// A file with a bootstrap token (abcdef.0123456789abcdef), for a first start
    #[arg(long, value_name = "FILE", requires = "server", help_heading = "Server")]
    pub token_file: Option<PathBuf>,

    /// The CA that the server's certificate comes from, PEM, for a first start
    #[arg(long, value_name = "FILE", requires = "server", help_heading = "Server")]
    pub certificate_authority: Option<PathBuf>,
}

impl BootstrapFlags {
    /// Asks the server for a certificate of this node, and writes the kubeconfig that holds it.
    pub async fn run(&self, node: &str, kubeconfig: &Path) -> anyhow::Result<()> {
        let (Some(server), Some(token), Some(authority)) =
            (&self.server, &self.token_file, &self.certificate_authority)
        else {
            bail!(
                "{} does not exist; make one with `strongroom kubeconfig --user system:node:{node} --group {NODES}`, or give \
                 --server, --token-file and --certificate-authority for a first start.",
                kubeconfig.display()
            );
        };
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
        };
        let authority = read(authority)?;
        let token = zeroize::Zeroizing::new(read(token)?);
        let client = client(server, &authority, token.trim()).await?;
        let key = KeyPair::generate()?;
        let user = format!("system:node:{node}");
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, NODES);
        params.distinguished_name.push(DnType::CommonName, &user);
        let request = params.serialize_request(&key)?.pem()?;
        let asked = Asked {
            prefix: "node-csr",
            signer: "kubernetes.io/kube-apiserver-client-kubelet",
            usages: &["digital signature", "client auth"],
        };
        let name = ask(&client, node, &request, &asked).await?;
        tracing::info!(request = name, "waiting for the node's certificate");
        let certificate = tokio::time::timeout(PATIENCE, granted(&client, &name))
            .await
            .with_context(|| {
                format!("nobody has approved certificate signing request {name}; see `kubectl get csr`")
            })??;
        let text = KubeconfigFile {
            server,
            certificate_authority: &authority,
            user: &user,
            certificate: &certificate,
            key: &key.serialize_pem(),
        }
        .text();
        write_private(kubeconfig, text.as_bytes())
            .with_context(|| format!("{} cannot be written", kubeconfig.display()))
    }
}

async fn client(server: &str, authority: &str, token: &str) -> anyhow::Result<ApiClient> {
    // JSON is YAML.
    let text = zeroize::Zeroizing::new(
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "c", "cluster": {
                "server": server,
                "certificate-authority-data": STANDARD.encode(authority),
            }}],
            "users": [{ "name": "u", "user": { "token": token } }],
            "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u" } }],
            "current-context": "x",
        })
        .to_string(),
    );
    let file = Kubeconfig::from_yaml(&text).context("the server's URL cannot be used")?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(ApiClient::named(
        strongroom_client::https::client(&config)?,
        "strongroom-node",
    ))
}

/// What a certificate is asked for.
pub(super) struct Asked {
    /// The beginning of the request's name.
    pub prefix: &'static str,
    /// Who shall sign it.
    pub signer: &'static str,
    /// What it is for.
    pub usages: &'static [&'static str],
}

/// Asks for a certificate; the name of the request.
pub(super) async fn ask(
    client: &ApiClient,
    node: &str,
    request: &str,
    asked: &Asked,
) -> anyhow::Result<String> {
    let object = json!({
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": { "generateName": format!("{}-{node}-", asked.prefix) },
        "spec": {
            "request": STANDARD.encode(request),
            "signerName": asked.signer,
            "usages": asked.usages,
        },
    });
    let made: Value = client.create_returning(REQUESTS, &object).await?;
    let name = made.pointer("/metadata/name").and_then(Value::as_str);
    Ok(name.context("the server gave the request no name")?.to_owned())
}

/// The certificate, once it is signed.
pub(super) async fn granted(client: &ApiClient, name: &str) -> anyhow::Result<String> {
    let path = format!("{REQUESTS}/{name}");
    loop {
        let request: Value = client.get(&path, Form::Object).await?;
        if let Some(certificate) = request.pointer("/status/certificate").and_then(Value::as_str) {
            return Ok(String::from_utf8(STANDARD.decode(certificate)?)?);
        }
        let conditions = request.pointer("/status/conditions").and_then(Value::as_array);
        let refused = conditions
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == "Denied" || condition["type"] == "Failed");
        if let Some(refused) = refused {
            let why = refused["message"].as_str().unwrap_or_default();
            bail!("the node's certificate was refused: {why}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
