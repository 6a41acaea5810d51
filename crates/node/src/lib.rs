//! Doing it: pods through the container runtime, secrets into their volumes and environment.
//!
//! The node is an ordinary Kubernetes client: it is handed a [`kube::Client`] with the rights of `system:node:<name>`,
//! and cannot tell whether the server is in the same process. What is to be decided, `node-plan` decides; here it is
//! done.
//!
//! | module | what it does |
//! |---|---|
//! | `port` | the node's own API: logs, commands and ports of its pods |
//! | `registration`, `lease` | the Node object, its status, and that it is alive |
//! | `pods` | the pods of this node, a worker for each |
//! | `worker` | one pod's containers: look, ask the plan, act, report |
//! | `volume_keeper` | one pod's volumes, filled anew the moment something in them changes |
//! | `caches`, `tokens`, `services` | what pods need of the server |
//! | `images`, `probing`, `reach` | pulls; probes; how both they and hooks reach into containers |
//! | `sandbox_config`, `container_config`, `hosts_file` | what the runtime is told |
//! | `observe`, `relist` | what the runtime knows, and what changed in it |
//! | `status_writer`, `event_log` | what the server is told |
//! | `log_rotation`, `log_tail` | logs |
//!
//! # Invariants
//!
//! - Ending the node, however suddenly, ends no container and takes no file away; a new one takes them over.
//! - Volumes have a task of their own: nothing that containers do delays an update of their files.
//! - Files that cannot be made anew stay as they are.
//! - Values are never in an event, a status, a log line or an error.

mod api_gate;
mod caches;
mod config;
mod container_config;
mod context;
mod error;
mod event_log;
mod hosts_file;
mod images;
mod lease;
mod log_rotation;
mod log_tail;
mod machine;
mod mailbox;
mod mount_points;
mod observe;
mod places;
mod pods;
mod port;
mod probing;
mod reach;
mod registration;
mod relist;
mod sandbox_config;
mod server;
mod services;
mod status_writer;
mod tokens;
mod volume_keeper;
mod worker;

use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use strongroom_cri::Runtime;
use strongroom_node_plan::node_facts::NodeFacts;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api_gate::ApiGate;
use crate::caches::Caches;
use crate::context::Context;
use crate::event_log::EventLog;
use crate::machine::Machine;
use crate::places::Places;
use crate::pods::Pods;
use crate::registration::Registration;
use crate::server::Server;
use crate::services::Services;
use crate::status_writer::StatusWriter;
use crate::tokens::Tokens;

pub use crate::config::Config;
pub use crate::error::Error;
pub use crate::port::Port;

/// Runs a node until `shutdown` is cancelled, and serves its own port if it has one. Containers, mounts and files stay as they are then.
///
/// # Errors
/// When its directories cannot be made, or the runtime's endpoint is none. A runtime that does not answer is no error:
/// the node says so in its status, and goes on when it does.
pub async fn run(
    client: kube::Client,
    config: Config,
    port: Option<Port>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let places = Places::new(&config.root_dir, &config.pod_logs_dir);
    for (path, mode) in [(places.pods(), 0o750), (places.logs().to_owned(), 0o755)] {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(&path)
            .map_err(|source| Error::Directory { path, source })?;
    }
    let runtime = config.runtime_endpoint.as_deref().map(Runtime::at).transpose()?;
    let config = Arc::new(config);
    let machine = Machine::read(&config.root_dir, &config.version);
    let server = Server::new(client.clone());
    let (events, writing) = EventLog::new(server.clone(), &config.name);
    let gate = match (config.local_api_server, config.addresses.first()) {
        (Some(server), Some(address)) => {
            let gate = ApiGate::open(*address, server).await;
            Some(gate.map_err(|source| Error::ApiGate {
                address: *address,
                source,
            })?)
        }
        _ => None,
    };
    let api_server = match &gate {
        Some(gate) => gate.address().ok(),
        None => config.api_server.clone(),
    };
    let services = Services::new(api_server.as_ref());
    let context = Arc::new(Context {
        facts: NodeFacts {
            name: config.name.clone(),
            ips: config.addresses.iter().map(ToString::to_string).collect(),
            allocatable: machine.capacity(config.max_pods),
            memory_bytes: machine.memory_bytes,
        },
        places,
        runtime: runtime.clone(),
        runtime_name: "containerd".to_owned(),
        caches: Caches::new(server.api(), Tokens::new(server.clone())),
        services: Arc::clone(&services),
        events,
        statuses: StatusWriter::new(server.clone()),
        pulls: Semaphore::new(context::PULLS),
        config: Arc::clone(&config),
    });
    let pods = Arc::new(Pods::default());
    if let Some(port) = port {
        let (context, pods) = (Arc::clone(&context), Arc::clone(&pods));
        let shutdown = shutdown.clone();
        tokio::spawn(port::serve(port, client, context, pods, shutdown));
    }
    let mut tasks = JoinSet::new();
    if let Some(gate) = gate {
        tasks.spawn(gate.serve(Arc::clone(&pods)));
    }
    let registered = Arc::new(Notify::new());
    let registration = Registration {
        server: server.clone(),
        config: Arc::clone(&config),
        machine,
        runtime,
        registered: Arc::clone(&registered),
    };
    let (listed_told, listed) = watch::channel(false);
    tasks.spawn(registration.run());
    tasks.spawn(writing);
    tasks.spawn(lease::keep(server.clone(), config.name.clone()));
    let woken = Arc::clone(&pods);
    tasks.spawn(services.follow(server.clone(), move || woken.look_at_all()));
    tasks.spawn(relist::watch_runtime(
        Arc::clone(&context),
        Arc::clone(&pods),
        listed,
    ));
    tasks.spawn(log_rotation::rotate(Arc::clone(&context)));
    {
        let (context, server, pods) = (Arc::clone(&context), server.clone(), Arc::clone(&pods));
        tasks.spawn(async move {
            registered.notified().await;
            pods::follow(context, server, pods, listed_told).await;
        });
    }
    tokio::select! {
        () = shutdown.cancelled() => {}
        // Every one of them runs for ever, but for `services` without services.
        () = async { while tasks.join_next().await.is_some() {} } => {}
    }
    tasks.shutdown().await;
    Ok(())
}
