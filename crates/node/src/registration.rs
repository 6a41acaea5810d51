//! The Node object: made when the node begins, its status kept true (pods-and-kubelet §10).

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use strongroom_cri::{Error, Runtime};
use strongroom_objects::time;
use tokio::sync::Notify;

use crate::config::Config;
use crate::machine::{Machine, architecture};
use crate::server::Server;

/// How often the status is looked at.
const ROUND: Duration = Duration::from_secs(10);
/// How often it is written when nothing changed.
const HEARTBEAT: SignedDuration = SignedDuration::from_mins(5);
/// After a failure.
const RETRY: Duration = Duration::from_secs(1);
/// At most so many images are listed.
const IMAGES: usize = 50;

/// Keeps the Node object.
pub(crate) struct Registration {
    pub server: Server,
    pub config: Arc<Config>,
    pub machine: Machine,
    pub runtime: Option<Runtime>,
    /// Told once the Node object is there.
    pub registered: Arc<Notify>,
}

/// What the runtime is like at one moment.
#[derive(Debug, Clone, Default)]
struct RuntimeState {
    version: String,
    /// Why pods cannot run.
    problem: Option<String>,
    images: Vec<Value>,
}

impl Registration {
    /// Registers, and keeps the status for ever.
    pub async fn run(self) {
        let path = format!("/api/v1/nodes/{}", self.config.name);
        let mut written: Option<(Value, Timestamp)> = None;
        let mut transitions = Transitions::default();
        let mut is_registered = false;
        loop {
            if !is_registered {
                is_registered = self.register(&path, &mut transitions).await;
                if !is_registered {
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                self.registered.notify_waiters();
                self.registered.notify_one();
            }
            let state = self.look().await;
            let now = Timestamp::now();
            let status = status(&self.config, &self.machine, &state, &mut transitions, now);
            let unchanged = written.as_ref().is_some_and(|(last, at)| {
                without_heartbeats(last) == without_heartbeats(&status) && now.duration_since(*at) < HEARTBEAT
            });
            if !unchanged {
                let patch = json!({ "status": status });
                match self.server.patch(&format!("{path}/status"), &patch).await {
                    Ok(()) => written = Some((status, now)),
                    Err(error) if error.code() == Some(404) => {
                        is_registered = false;
                        written = None;
                        continue;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the node's status is not written");
                        written = None;
                        tokio::time::sleep(RETRY).await;
                        continue;
                    }
                }
            }
            let round = if state.problem.is_some() { RETRY } else { ROUND };
            tokio::time::sleep(round).await;
        }
    }

    /// Makes the Node object, or takes over the one that is there.
    async fn register(&self, path: &str, transitions: &mut Transitions) -> bool {
        match self.server.get::<Value>(path).await {
            Ok(node) => {
                transitions.remember(&node);
                return true;
            }
            Err(error) if error.code() == Some(404) => {}
            Err(error) => {
                tracing::warn!(%error, "the node cannot be registered");
                return false;
            }
        }
        let object = object(&self.config.name);
        match self.server.create("/api/v1/nodes", &object).await {
            Ok(()) => {
                tracing::info!(node = self.config.name, "registered");
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the node cannot be registered");
                error.code() == Some(409)
            }
        }
    }

    async fn look(&self) -> RuntimeState {
        let Some(runtime) = &self.runtime else {
            return RuntimeState {
                problem: Some(format!(
                    "there is no container runtime: {}",
                    self.config.runtime_advice
                )),
                ..RuntimeState::default()
            };
        };
        match ask(runtime).await {
            Ok(state) => state,
            Err(error) => RuntimeState {
                problem: Some(format!(
                    "[container runtime is down: {error}]; {}",
                    self.config.runtime_advice
                )),
                ..RuntimeState::default()
            },
        }
    }
}

async fn ask(runtime: &Runtime) -> Result<RuntimeState, Error> {
    let version = runtime.version().await?;
    let status = runtime.status().await?;
    let problems: Vec<String> = status
        .conditions
        .iter()
        .filter(|condition| !condition.status)
        .map(|condition| {
            format!(
                "container runtime {} not ready: {}={} reason:{} message:{}",
                if condition.kind == "NetworkReady" {
                    "network"
                } else {
                    "status check"
                },
                condition.kind,
                condition.status,
                condition.reason,
                condition.message
            )
        })
        .collect();
    let mut images = runtime.list_images().await?;
    images.sort_by_key(|image| std::cmp::Reverse(image.size));
    let images = images
        .into_iter()
        .take(IMAGES)
        .map(|image| {
            let names: Vec<String> = image.repo_digests.into_iter().chain(image.repo_tags).collect();
            json!({ "names": names, "sizeBytes": image.size })
        })
        .collect();
    Ok(RuntimeState {
        version: format!("{}://{}", version.runtime_name, version.runtime_version),
        problem: (!problems.is_empty()).then(|| problems.join(", ")),
        images,
    })
}

fn object(name: &str) -> Value {
    let architecture = architecture();
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": architecture,
                "beta.kubernetes.io/os": "linux",
                "beta.kubernetes.io/arch": architecture,
            },
        },
        "spec": {},
    })
}

/// Since when each condition has the status it has.
#[derive(Debug, Default)]
struct Transitions {
    since: Map<String, Value>,
}

impl Transitions {
    fn remember(&mut self, node: &Value) {
        let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
        for condition in conditions.into_iter().flatten() {
            if let Some(kind) = condition["type"].as_str() {
                let known = json!([condition["status"], condition["lastTransitionTime"]]);
                self.since.insert(kind.to_owned(), known);
            }
        }
    }

    fn at(&mut self, kind: &str, status: &str, now: &str) -> Value {
        match self.since.get(kind) {
            Some(known) if known[0] == status && known[1].is_string() => known[1].clone(),
            _ => {
                self.since.insert(kind.to_owned(), json!([status, now]));
                json!(now)
            }
        }
    }
}

fn status(
    config: &Config,
    machine: &Machine,
    state: &RuntimeState,
    transitions: &mut Transitions,
    now: Timestamp,
) -> Value {
    let now = time::seconds(now);
    let (ready, reason, message) = match &state.problem {
        None => ("True", "KubeletReady", "kubelet is posting ready status"),
        Some(problem) => ("False", "KubeletNotReady", problem.as_str()),
    };
    let conditions: Vec<Value> = [
        (
            "MemoryPressure",
            "False",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        (
            "DiskPressure",
            "False",
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
        ),
        (
            "PIDPressure",
            "False",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        ("Ready", ready, reason, message),
    ]
    .into_iter()
    .map(|(kind, status, reason, message)| {
        json!({
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": now,
            "lastTransitionTime": transitions.at(kind, status, &now),
        })
    })
    .collect();
    let mut addresses: Vec<Value> = config
        .addresses
        .iter()
        .map(|address| json!({ "type": "InternalIP", "address": address.to_string() }))
        .collect();
    addresses.push(json!({ "type": "Hostname", "address": config.name }));
    let mut info = machine.info.clone();
    info.container_runtime_version = state.version.clone();
    let capacity = machine.capacity(config.max_pods);
    json!({
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": conditions,
        "addresses": addresses,
        "daemonEndpoints": { "kubeletEndpoint": { "Port": config.port } },
        "nodeInfo": info,
        "images": state.images,
    })
}

fn without_heartbeats(status: &Value) -> Value {
    let mut status = status.clone();
    if let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) {
        for condition in conditions {
            condition["lastHeartbeatTime"] = Value::Null;
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn no_runtime_says_what_to_do() {
        let config = Config::new("n1", "/tmp/n".into());
        let machine = Machine::read(Path::new("/"), "v1");
        let state = RuntimeState {
            problem: Some("there is no container runtime: run x".to_owned()),
            ..RuntimeState::default()
        };
        let mut transitions = Transitions::default();
        let first = status(&config, &machine, &state, &mut transitions, Timestamp::UNIX_EPOCH);
        let ready = first["conditions"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(ready["status"], "False");
        assert_eq!(ready["message"], "there is no container runtime: run x");
        let later = Timestamp::from_second(60).unwrap();
        let second = status(&config, &machine, &state, &mut transitions, later);
        assert_eq!(
            second["conditions"][3]["lastTransitionTime"],
            "1970-01-01T00:00:00Z"
        );
        assert_eq!(
            second["conditions"][3]["lastHeartbeatTime"],
            "1970-01-01T00:01:00Z"
        );
        assert_eq!(without_heartbeats(&first), without_heartbeats(&second));
        let third = status(
            &config,
            &machine,
            &RuntimeState::default(),
            &mut transitions,
            later,
        );
        assert_eq!(
            third["conditions"][3]["lastTransitionTime"],
            "1970-01-01T00:01:00Z"
        );
        assert_eq!(third["conditions"][3]["reason"], "KubeletReady");
    }
}
