//! Events about pods: told once, counted after that (pods-and-kubelet §5.2, §12.3).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use strongroom_client::list_watch::escape;
use strongroom_node_plan::events::{Event, Recorder};
use tokio::sync::mpsc;

use crate::server::{Server, ServerError};

/// Events that wait for the server; more are dropped, as they are only told once in a while.
const WAITING: usize = 1000;
/// How often, and how far apart, the server is tried.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// Where events are told. Cloning is cheap; telling never waits.
#[derive(Clone)]
pub(crate) struct EventLog {
    told: mpsc::Sender<Told>,
}

struct Told {
    pod: Arc<Pod>,
    event: Event,
    at: Timestamp,
}

impl EventLog {
    /// The log, and the task that writes it.
    pub fn new(server: Server, node: &str) -> (EventLog, impl Future<Output = ()> + use<>) {
        let (told, mut waiting) = mpsc::channel::<Told>(WAITING);
        let mut writer = Writer {
            server,
            node: node.to_owned(),
            recorder: Recorder::default(),
        };
        let task = async move {
            while let Some(told) = waiting.recv().await {
                writer.write(told).await;
            }
        };
        (EventLog { told }, task)
    }

    /// Tells of a pod.
    pub fn tell(&self, pod: &Arc<Pod>, event: Event) {
        let told = Told {
            pod: Arc::clone(pod),
            event,
            at: Timestamp::now(),
        };
        if self.told.try_send(told).is_err() {
            tracing::debug!("an event is dropped: too many wait");
        }
    }
}

struct Writer {
    server: Server,
    node: String,
    recorder: Recorder,
}

impl Writer {
    async fn write(&mut self, told: Told) {
        let recorded = self.recorder.record(&told.pod, &told.event, &self.node, told.at);
        let Some(record) = recorded else {
            return;
        };
        let namespace = told.pod.metadata.namespace.as_deref().unwrap_or_default();
        let collection = format!("/api/v1/namespaces/{}/events", escape(namespace));
        if let Some(patch) = &record.patch {
            let name = record.event.metadata.name.as_deref().unwrap_or_default();
            let path = format!("{collection}/{}", escape(name));
            match patiently(|| self.server.patch(&path, patch)).await {
                Ok(()) => return,
                // It has expired: it begins anew.
                Err(error) if error.code() == Some(404) => {}
                Err(error) => {
                    tracing::debug!(%error, "an event is not counted");
                    return;
                }
            }
        }
        let Ok(object) = serde_json::to_value(&record.event) else {
            return;
        };
        if let Err(error) = patiently(|| self.server.create(&collection, &object)).await {
            tracing::debug!(%error, "an event is not recorded");
        }
    }
}

/// While the server cannot be reached, an event is tried again a few times; then it is lost.
async fn patiently<F>(mut attempt: impl FnMut() -> F) -> Result<(), ServerError>
where
    F: Future<Output = Result<(), ServerError>>,
{
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(error) if error.code().is_none() => tokio::time::sleep(PAUSE).await,
            answered => return answered,
        }
    }
    attempt().await
}
