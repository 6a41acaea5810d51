//! Where the objects come from.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::try_join_all;
use http::Uri;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use tokio::sync::{mpsc, watch};

use super::follow::{self, Change, Followed};
use super::pulse;
use super::source::{Kind, Wanted};
use super::variables::{Contents, Known};
use crate::command::access::connection::{configuration, deepest};

const PATIENCE: Duration = Duration::from_secs(15);
/// Changes that wait to be looked at; a follower waits when there are so many.
const CHANGES: usize = 16;

/// A server, and the namespace of what is read from it.
pub struct Server {
    client: Client,
    url: String,
    /// Where connections go, unless they go through a proxy.
    address: Option<Uri>,
    namespace: String,
}

impl Server {
    /// As other commands find it; the namespace as given, else as in the kubeconfig.
    pub async fn open(
        kubeconfig: Option<&Path>,
        data_dir: Option<&Path>,
        namespace: Option<String>,
    ) -> anyhow::Result<Server> {
        let config = configuration(kubeconfig, data_dir).await?;
        let url = config.cluster_url.to_string();
        let address = config.proxy_url.is_none().then(|| config.cluster_url.clone());
        let client = Client::try_from(config).context("The kubeconfig cannot be used")?;
        let namespace = namespace.unwrap_or_else(|| client.default_namespace().to_owned());
        Ok(Server {
            client,
            url,
            address,
            namespace,
        })
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Reads each object once.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses. That an object does not exist is none.
    pub async fn read_all(&self, wanted: BTreeSet<Wanted>) -> anyhow::Result<Known> {
        let read = wanted.into_iter().map(|wanted| async move {
            let contents = match wanted.kind {
                Kind::Secret => self.read::<Secret>(&wanted).await?,
                Kind::ConfigMap => self.read::<ConfigMap>(&wanted).await?,
            };
            Ok::<_, anyhow::Error>((wanted, contents))
        });
        Ok(try_join_all(read).await?.into_iter().collect())
    }

    /// Tells every change of these objects from now on, beginning with how they are.
    pub fn follow(&self, wanted: BTreeSet<Wanted>) -> mpsc::Receiver<Change> {
        let (sender, receiver) = mpsc::channel(CHANGES);
        let (beats, pulse) = watch::channel(0);
        if let Some(address) = self.address.clone().filter(|_| !wanted.is_empty()) {
            tokio::spawn(pulse::beat(address, beats));
        }
        for wanted in wanted {
            let (sender, pulse) = (sender.clone(), pulse.clone());
            match wanted.kind {
                Kind::Secret => {
                    tokio::spawn(follow::follow(self.api::<Secret>(), wanted, sender, pulse));
                }
                Kind::ConfigMap => {
                    tokio::spawn(follow::follow(self.api::<ConfigMap>(), wanted, sender, pulse));
                }
            }
        }
        receiver
    }

    fn api<Object: Followed>(&self) -> Api<Object> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn read<Object: Followed>(&self, wanted: &Wanted) -> anyhow::Result<Option<Contents>> {
        let answered = tokio::time::timeout(PATIENCE, self.api::<Object>().get_opt(&wanted.name)).await;
        match answered {
            Ok(Ok(object)) => Ok(object.map(Followed::into_contents)),
            Ok(Err(error)) => Err(self.explained(&error)),
            Err(_) => Err(self.unreachable("it does not answer")),
        }
    }

    fn explained(&self, error: &kube::Error) -> anyhow::Error {
        let url = &self.url;
        match error {
            kube::Error::Api(status) if status.code == 401 => anyhow::anyhow!(
                "The server {url} does not know you; look at the credentials in the kubeconfig, or take another one \
                 with --kubeconfig."
            ),
            kube::Error::Api(status) if status.code == 403 => anyhow::anyhow!(
                "The server {url} refused: {}; `strongroom access explain` tells an administrator what is missing.",
                status.message
            ),
            kube::Error::Api(status) => {
                anyhow::anyhow!("The server {url} answered {}: {}", status.code, status.message)
            }
            error => self.unreachable(&deepest(error)),
        }
    }

    fn unreachable(&self, reason: &str) -> anyhow::Error {
        anyhow::anyhow!(
            "The server {} cannot be reached: {reason}. Start it with `strongroom up`, or name another one's \
             kubeconfig with --kubeconfig.",
            self.url
        )
    }
}
