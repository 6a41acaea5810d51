//! Reading from the server.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::header::ACCEPT;
use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::resource::{self, Served};
use super::user;
use crate::data_dir::DataDir;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const PAGE: usize = 500;
const PATIENCE: Duration = Duration::from_secs(15);

/// A server, and who asks it.
pub struct Connection {
    client: Client,
    server: String,
}

/// Why something was not read.
#[derive(Debug)]
enum ReadError {
    /// The reader is not allowed to; the server's words.
    Forbidden(String),
    /// Anything else.
    Failed(anyhow::Error),
}

impl Connection {
    /// With the kubeconfig that was named; else, unless a data directory was, the environment's; else the
    /// administrator's in the data directory.
    pub async fn open(kubeconfig: Option<&Path>, data_dir: Option<&Path>) -> anyhow::Result<Connection> {
        let config = configuration(kubeconfig, data_dir).await?;
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).context("The kubeconfig cannot be used")?;
        Ok(Connection { client, server })
    }

    /// The namespace that the kubeconfig names, or `default`.
    pub fn default_namespace(&self) -> &str {
        self.client.default_namespace()
    }

    /// The server's resources, the core group's first.
    pub async fn served(&self) -> anyhow::Result<Vec<Served>> {
        let mut found = Vec::new();
        for path in ["/api", "/apis"] {
            let document = self.get(path, DISCOVERY).await.map_err(ReadError::into_error)?;
            found.extend(resource::served(&document));
        }
        Ok(found)
    }

    /// All that decides. Without the right to read the roles of all namespaces, those of one are enough.
    pub async fn cluster(&self, served: &[Served], namespace: &str) -> anyhow::Result<Cluster> {
        let mut cluster = Cluster::default();
        for role in self.rbac("clusterroles", "").await? {
            cluster.put_role(role);
        }
        for binding in self.rbac("clusterrolebindings", "").await? {
            cluster.put_binding(binding);
        }
        for role in self.namespaced(&mut cluster, "roles", namespace).await? {
            cluster.put_role(role);
        }
        for binding in self.namespaced(&mut cluster, "rolebindings", namespace).await? {
            cluster.put_binding(binding);
        }
        let has_pods = |one: &Served| one.group.is_empty() && one.resource == "pods";
        if served.iter().any(has_pods) {
            self.pods(&mut cluster).await?;
        }
        Ok(cluster)
    }

    async fn pods(&self, cluster: &mut Cluster) -> anyhow::Result<()> {
        match self.list("/api/v1/pods").await {
            Ok(pods) => {
                cluster.knows_pods = true;
                pods.into_iter().for_each(|pod| cluster.put_pod(pod));
            }
            Err(ReadError::Forbidden(_)) => cluster
                .notes
                .push("You may not list pods, so what nodes reach through them is not known.".to_owned()),
            Err(ReadError::Failed(error)) => return Err(error),
        }
        Ok(())
    }

    async fn namespaced(
        &self,
        cluster: &mut Cluster,
        resource: &str,
        namespace: &str,
    ) -> anyhow::Result<Vec<Value>> {
        match self.list(&format!("{RBAC}/{resource}")).await {
            Ok(items) => Ok(items),
            Err(ReadError::Failed(error)) => Err(error),
            Err(ReadError::Forbidden(_)) if !namespace.is_empty() => {
                let items = self.rbac(resource, namespace).await?;
                cluster.notes.push(format!(
                    "You may not list {resource} of other namespaces, so only those of {namespace} were looked at."
                ));
                Ok(items)
            }
            Err(ReadError::Forbidden(message)) => Err(self.what_to_ask_for(&message).await),
        }
    }

    async fn rbac(&self, resource: &str, namespace: &str) -> anyhow::Result<Vec<Value>> {
        let path = match namespace {
            "" => format!("{RBAC}/{resource}"),
            namespace => format!("{RBAC}/namespaces/{namespace}/{resource}"),
        };
        match self.list(&path).await {
            Ok(items) => Ok(items),
            Err(ReadError::Failed(error)) => Err(error),
            Err(ReadError::Forbidden(message)) => Err(self.what_to_ask_for(&message).await),
        }
    }

    /// What an administrator has to do so that the reader gets an answer.
    async fn what_to_ask_for(&self, message: &str) -> anyhow::Error {
        let subject = self.whoami().await.map_or_else(
            || "--user=YOU".to_owned(),
            |name| match user::service_account(&name) {
                Some((namespace, account)) => format!("--serviceaccount={namespace}:{account}"),
                None => format!("--user={}", super::words::shell(&name)),
            },
        );
        let resources = ["clusterroles", "clusterrolebindings", "roles", "rolebindings"]
            .map(|resource| format!("{resource}.rbac.authorization.k8s.io"))
            .join(",");
        anyhow::anyhow!(
            "You may not read what decides about access: {message}.\n\
             Ask an administrator to run:\n  \
             kubectl create clusterrole access-reader --verb=get,list --resource={resources}\n  \
             kubectl create clusterrolebinding access-readers --clusterrole=access-reader {subject}\n\
             What you may do yourself, `kubectl auth can-i --list` tells without it."
        )
    }

    async fn whoami(&self) -> Option<String> {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let request = Request::builder()
            .method(Method::POST)
            .uri("/apis/authentication.k8s.io/v1/selfsubjectreviews")
            .header("Content-Type", "application/json")
            .body(body.to_string().into_bytes())
            .ok()?;
        let answer = self.client.request_text(request).await.ok()?;
        let answer: Value = serde_json::from_str(&answer).ok()?;
        Some(answer.pointer("/status/userInfo/username")?.as_str()?.to_owned())
    }

    async fn list(&self, path: &str) -> Result<Vec<Value>, ReadError> {
        let mut items = Vec::new();
        let mut query = format!("{path}?limit={PAGE}");
        loop {
            let mut page = self.get(&query, "application/json").await?;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            match page.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(token) if !token.is_empty() => {
                    query = format!("{path}?limit={PAGE}&continue={}", escaped(token));
                }
                _ => return Ok(items),
            }
        }
    }

    async fn get(&self, path: &str, accept: &str) -> Result<Value, ReadError> {
        let request = Request::builder()
            .uri(path)
            .header(ACCEPT, accept)
            .body(Vec::new())
            .map_err(|error| ReadError::Failed(error.into()))?;
        let answered = tokio::time::timeout(PATIENCE, self.client.request_text(request)).await;
        let text = match answered {
            Ok(Ok(text)) => text,
            Ok(Err(kube::Error::Api(status))) => return Err(self.refused(*status)),
            Ok(Err(error)) => return Err(ReadError::Failed(self.unreachable(&deepest(&error)))),
            Err(_) => return Err(ReadError::Failed(self.unreachable("it does not answer"))),
        };
        serde_json::from_str(&text).map_err(|_| {
            let server = &self.server;
            ReadError::Failed(anyhow::anyhow!(
                "{server} answered {path} with something else than JSON"
            ))
        })
    }

    fn refused(&self, status: kube::core::Status) -> ReadError {
        let server = &self.server;
        match status.code {
            403 => ReadError::Forbidden(status.message),
            401 => ReadError::Failed(anyhow::anyhow!(
                "The server {server} does not know you; look at the credentials in the kubeconfig, or take another \
                 one with --kubeconfig."
            )),
            code => ReadError::Failed(anyhow::anyhow!(
                "The server {server} answered {code}: {}",
                status.message
            )),
        }
    }

    fn unreachable(&self, reason: &str) -> anyhow::Error {
        anyhow::anyhow!(
            "The server {} cannot be reached: {reason}. Start it with `strongroom up`, or name another one's \
             kubeconfig with --kubeconfig.",
            self.server
        )
    }
}

impl ReadError {
    fn into_error(self) -> anyhow::Error {
        match self {
            ReadError::Forbidden(message) => anyhow::anyhow!("The server refused: {message}"),
            ReadError::Failed(error) => error,
        }
    }
}

/// What the kubeconfig says, wherever it is.
pub async fn configuration(kubeconfig: Option<&Path>, data_dir: Option<&Path>) -> anyhow::Result<Config> {
    let kubeconfig = match kubeconfig {
        Some(path) => read(path)?,
        None => match from_environment(data_dir)? {
            Some(kubeconfig) => kubeconfig,
            None => administrators(data_dir)?,
        },
    };
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .context("The kubeconfig cannot be used")
}

fn from_environment(data_dir: Option<&Path>) -> anyhow::Result<Option<Kubeconfig>> {
    if data_dir.is_some() {
        return Ok(None);
    }
    Kubeconfig::from_env().context("$KUBECONFIG names a file that cannot be used")
}

fn administrators(data_dir: Option<&Path>) -> anyhow::Result<Kubeconfig> {
    let data_dir = DataDir::at(data_dir)?;
    let path = data_dir.kubeconfig();
    if !path.exists() {
        bail!(
            "There is no kubeconfig in {}; name one with --kubeconfig, or say where state is with --data-dir.",
            data_dir.path().display()
        );
    }
    read(&path)
}

fn read(path: &Path) -> anyhow::Result<Kubeconfig> {
    if !path.exists() {
        bail!("There is no kubeconfig {}.", path.display());
    }
    Kubeconfig::read_from(path).with_context(|| format!("{} cannot be used as a kubeconfig", path.display()))
}

/// The last cause is the one that says something.
pub fn deepest(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// For a value in a query.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
