//! What the runtime knows of a pod, asked for as little as possible.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use strongroom_cri::messages::container::{ContainerFilter, ContainerState, ContainerStatus};
use strongroom_cri::messages::sandbox::{NamespaceMode, PodSandboxFilter, PodSandboxState};
use strongroom_cri::{Error, Runtime};
use strongroom_node_plan::observed::{ContainerRecord, Observed, Sandbox, State};

use crate::sandbox_config::label;

/// One pod's view of the runtime. What cannot change is remembered.
#[derive(Debug, Default)]
pub(crate) struct View {
    addresses: HashMap<String, Vec<String>>,
    ended: HashMap<String, Known>,
    running: HashMap<String, Known>,
}

/// A container's record, and what else is needed of it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub record: ContainerRecord,
    /// Container path to host path.
    pub mounts: BTreeMap<String, String>,
    /// Host path of the log.
    pub log_path: String,
}

/// A look at the runtime.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub observed: Observed,
    /// By container id.
    pub details: HashMap<String, Known>,
}

impl View {
    /// Looks at a pod.
    pub async fn look(&mut self, runtime: &Runtime, uid: &str) -> Result<Look, Error> {
        let selector: BTreeMap<String, String> = [(label::POD_UID.to_owned(), uid.to_owned())].into();
        let sandboxes = runtime
            .list_pod_sandboxes(PodSandboxFilter {
                label_selector: selector.clone(),
                ..PodSandboxFilter::default()
            })
            .await?;
        let containers = runtime
            .list_containers(ContainerFilter {
                label_selector: selector,
                ..ContainerFilter::default()
            })
            .await?;
        let mut look = Look::default();
        for item in sandboxes {
            let ready = item.state() == PodSandboxState::Ready;
            let known = self.addresses.get(&item.id).cloned();
            let (ips, host_network) = match known {
                Some(ips) => (ips, false),
                None if ready => match self.addresses_of(runtime, &item.id).await {
                    Ok(found) => found,
                    // Removed between the list and now.
                    Err(error) if error.is_not_found() => continue,
                    Err(error) => return Err(error),
                },
                None => (Vec::new(), false),
            };
            look.observed.sandboxes.push(Sandbox {
                attempt: item.metadata.map_or(0, |metadata| metadata.attempt),
                ready,
                ips,
                host_network,
                created_at: time(item.created_at).unwrap_or_default(),
                id: item.id,
            });
        }
        let mut running = HashMap::new();
        for item in containers {
            let known = match item.state() {
                ContainerState::Exited => self.ended.get(&item.id),
                ContainerState::Running => self.running.get(&item.id),
                _ => None,
            };
            let known = match known.cloned() {
                Some(known) => known,
                None => match runtime.container_status(&item.id).await {
                    Ok(status) => read(status, &item.pod_sandbox_id),
                    Err(error) if error.is_not_found() => continue,
                    Err(error) => return Err(error),
                },
            };
            match known.record.state {
                State::Exited { .. } => drop(self.ended.insert(item.id.clone(), known.clone())),
                State::Running { .. } => drop(running.insert(item.id.clone(), known.clone())),
                _ => {}
            }
            look.observed.containers.push(known.record.clone());
            look.details.insert(item.id, known);
        }
        self.running = running;
        self.ended.retain(|id, _| look.details.contains_key(id));
        let is_there = |id: &String| look.observed.sandboxes.iter().any(|sandbox| sandbox.id == *id);
        self.addresses.retain(|id, _| is_there(id));
        Ok(look)
    }

    async fn addresses_of(&mut self, runtime: &Runtime, id: &str) -> Result<(Vec<String>, bool), Error> {
        let status = runtime.pod_sandbox_status(id).await?;
        let network = status.network.unwrap_or_default();
        let ips: Vec<String> = std::iter::once(network.ip)
            .chain(network.additional_ips.into_iter().map(|more| more.ip))
            .filter(|ip| !ip.is_empty())
            .collect();
        if !ips.is_empty() {
            self.addresses.insert(id.to_owned(), ips.clone());
        }
        let namespaces = status.linux.and_then(|linux| linux.namespaces);
        let options = namespaces.and_then(|namespaces| namespaces.options);
        let host_network = options.is_some_and(|options| options.network == NamespaceMode::Node as i32);
        Ok((ips, host_network))
    }
}

fn read(status: ContainerStatus, sandbox_id: &str) -> Known {
    let started_at = time(status.started_at);
    let state = match status.state() {
        ContainerState::Created => State::Created,
        ContainerState::Running => State::Running {
            started_at: started_at.or(time(status.created_at)).unwrap_or_default(),
        },
        ContainerState::Exited => State::Exited {
            code: status.exit_code,
            reason: status.reason.clone(),
            message: status.message.clone(),
            started_at,
            finished_at: time(status.finished_at)
                .or(time(status.created_at))
                .unwrap_or_default(),
        },
        ContainerState::Unknown => State::Unknown,
    };
    let metadata = status.metadata.unwrap_or_default();
    let mounts = status.mounts.into_iter();
    Known {
        record: ContainerRecord {
            id: status.id,
            name: metadata.name,
            attempt: metadata.attempt,
            image: status.image.map(|image| image.image).unwrap_or_default(),
            image_id: status.image_ref,
            spec_hash: status.annotations.get("io.kubernetes.container.hash").cloned(),
            sandbox_id: sandbox_id.to_owned(),
            created_at: time(status.created_at).unwrap_or_default(),
            state,
        },
        mounts: mounts
            .map(|mount| (mount.container_path, mount.host_path))
            .collect(),
        log_path: status.log_path,
    }
}

/// Nanoseconds since 1970; 0 is no time.
fn time(nanoseconds: i64) -> Option<Timestamp> {
    if nanoseconds <= 0 {
        return None;
    }
    Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()
}
