//! Starting one container: image, environment, mounts, the runtime's two calls, and the hook after them.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use strongroom_cri::Runtime;
use strongroom_cri::messages::container::{Mount, MountPropagation};
use strongroom_delivery::{SubPath, bind_sub_path};
use strongroom_node_plan::actions::StartContainer;
use strongroom_node_plan::environment::{Environment, Sources, command_line, environment, sub_path};
use strongroom_node_plan::events::{self, Hook};
use strongroom_node_plan::handler::of_hook;
use strongroom_node_plan::observed::{Observed, Sandbox};
use strongroom_node_plan::pod::{self, Member};
use strongroom_node_plan::security::{security, share, verify_non_root};
use strongroom_node_plan::volumes::kind;
use strongroom_node_plan::waiting::{self, Waiting};
use strongroom_node_plan::{probes, termination};

use super::{Worker, config_error};
use crate::container_config::{Parts, container_config, image_user};
use crate::hosts_file;
use crate::reach::{Target, reach};
use crate::sandbox_config::{hostname, sandbox_config};
use crate::volume_keeper::specs;

/// A hook may take this long, as it has no limit of its own.
const HOOK: Duration = Duration::from_secs(10 * 60);

impl Worker {
    /// Starts a container.
    ///
    /// # Errors
    /// What it waits for; events are told already.
    pub(super) async fn start_container(
        &mut self,
        runtime: &Runtime,
        pod: &Arc<Pod>,
        observed: &Observed,
        step: StartContainer,
    ) -> Result<(), Waiting> {
        let Some(found) = pod::member(pod, &step.name) else {
            return Err(config_error(&"the pod has no such container"));
        };
        let Some(sandbox) = observed.sandbox().filter(|sandbox| sandbox.ready).cloned() else {
            return Err(Waiting::bare(waiting::CONTAINER_CREATING));
        };
        if step.attempt != 0 {
            self.backoffs.next(&step.backoff_key, Timestamp::now());
        }
        let sandbox_config = sandbox_config(&self.context, pod, sandbox.attempt);
        let sooner = self.sooner();
        let pull = self
            .pulls
            .ensure(&self.context, runtime, pod, &found, sandbox_config.clone());
        let image = tokio::select! {
            image = pull => image?,
            () = sooner => return Err(Waiting::bare(waiting::CONTAINER_CREATING)),
        };
        let user = image_user(&image);
        let config = self
            .configure(pod, &found, &sandbox, &step, &image.id, &user)
            .await
            .inspect_err(|waiting| {
                let message = waiting.message.clone().unwrap_or_default();
                self.context.events.tell(pod, events::failed(&found, &message));
            })?;
        let failed = |reason: &str, error: &strongroom_cri::Error| {
            let text = error.as_rpc_error();
            let text = text
                .split_once(" desc = ")
                .map_or(text.as_str(), |(_, desc)| desc);
            self.context.events.tell(pod, events::failed(&found, &text));
            Waiting::new(reason, text)
        };
        let id = runtime
            .create_container(&sandbox.id, config, sandbox_config)
            .await
            .map_err(|error| failed(waiting::CREATE_CONTAINER_ERROR, &error))?;
        self.context.events.tell(pod, events::created(&found));
        let hook = of_hook(found.container, Hook::PostStart);
        let has_hook = !matches!(hook, Ok(None));
        if has_hook {
            self.probing.results().post_start(&id, true);
        }
        runtime
            .start_container(&id)
            .await
            .map_err(|error| failed(waiting::RUN_CONTAINER_ERROR, &error))?;
        self.context.events.tell(pod, events::started(&found));
        if has_hook {
            self.run_post_start(runtime, pod, &found, &sandbox, id, hook);
        }
        Ok(())
    }

    /// The hook runs beside everything else; when it fails, the container is stopped.
    fn run_post_start(
        &self,
        runtime: &Runtime,
        pod: &Arc<Pod>,
        found: &Member<'_>,
        sandbox: &Sandbox,
        id: String,
        hook: Result<
            Option<strongroom_node_plan::handler::Handler>,
            strongroom_node_plan::handler::HandlerError,
        >,
    ) {
        let (context, runtime, pod) = (Arc::clone(&self.context), runtime.clone(), Arc::clone(pod));
        let (results, mailbox) = (Arc::clone(self.probing.results()), Arc::clone(&self.mailbox));
        let name = found.container.name.clone();
        let target = Target {
            container: id.clone(),
            address: sandbox.ips.first().cloned(),
        };
        tokio::spawn(async move {
            let outcome = match hook {
                Ok(Some(handler)) => reach(&runtime, &target, &handler, HOOK).await,
                Ok(None) => probes::Outcome::Success,
                Err(error) => probes::Outcome::Failure(error.to_string()),
            };
            let worked = matches!(outcome, probes::Outcome::Success | probes::Outcome::Warning(_));
            if !worked && let Some(found) = pod::member(&pod, &name) {
                context
                    .events
                    .tell(&pod, events::hook_failed(&found, Hook::PostStart));
                let why = format!("Container {name} failed postStart hook");
                context.events.tell(&pod, events::killing(&found, Some(&why)));
                let grace = Duration::from_secs(u64::try_from(pod::grace_seconds(&pod)).unwrap_or(0));
                if let Err(error) = runtime.stop_container(&id, grace).await {
                    tracing::warn!(%error, "a container whose postStart hook failed is not stopped");
                }
            }
            results.post_start(&id, false);
            mailbox.look_at_containers();
        });
    }

    async fn configure(
        &self,
        pod: &Arc<Pod>,
        found: &Member<'_>,
        sandbox: &Sandbox,
        step: &StartContainer,
        image_ref: &str,
        user: &strongroom_node_plan::security::ImageUser,
    ) -> Result<strongroom_cri::messages::container::ContainerConfig, Waiting> {
        let container = found.container;
        verify_non_root(pod, container, user).map_err(|error| config_error(&error))?;
        let services = self.context.services.all();
        let ips = if pod::host_network(pod) {
            self.context.facts.ips.clone()
        } else {
            sandbox.ips.clone()
        };
        let environment = {
            let sources = Sources {
                objects: &*self.context.caches,
                services: services.as_deref(),
                node: &self.context.facts,
                pod_ips: &ips,
                names: self.context.config.env_names,
            };
            environment(pod, container, &sources).map_err(|error| config_error(&error))?
        };
        for event in &environment.events {
            self.context.events.tell(pod, event.clone());
        }
        let command_line = command_line(container, &environment).map_err(|error| config_error(&error))?;
        let share = share(pod, found, &self.context.facts).map_err(|error| config_error(&error))?;
        let security = security(pod, container);
        let mounts = self.mounts(pod, found, step.attempt, &environment, &ips).await?;
        Ok(container_config(
            &self.context,
            pod,
            found,
            Parts {
                attempt: step.attempt,
                image_ref,
                image_user: user,
                environment: &environment,
                command_line: &command_line,
                mounts,
                security: &security,
                share,
            },
        ))
    }

    async fn mounts(
        &self,
        pod: &Arc<Pod>,
        found: &Member<'_>,
        attempt: u32,
        environment: &Environment,
        ips: &[String],
    ) -> Result<Vec<Mount>, Waiting> {
        let places = self.context.places.pod(pod::uid(pod));
        let volumes = self.keeper.volumes();
        let container = found.container;
        let mut mounts = Vec::new();
        let mut binds = Vec::new();
        for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
            let volume = specs(pod).find(|volume| volume.name == mount.name);
            let (Some(volume), Some(path)) = (volume, volumes.paths.get(&mount.name)) else {
                let text = format!(
                    "cannot find volume \"{}\" to mount into container \"{}\"",
                    mount.name, container.name
                );
                return Err(config_error(&text));
            };
            let part = sub_path(mount, environment).map_err(|error| config_error(&error))?;
            let host_path = match part {
                None => path.clone(),
                Some(part) => {
                    let place = places.sub_path(&mount.name, &container.name, index);
                    binds.push((path.clone(), mount.name.clone(), part, place.clone()));
                    place
                }
            };
            let propagation = match mount.mount_propagation.as_deref() {
                Some("HostToContainer") => MountPropagation::HostToContainer,
                Some("Bidirectional") => MountPropagation::Bidirectional,
                _ => MountPropagation::Private,
            };
            mounts.push(Mount {
                container_path: absolute(&mount.mount_path),
                host_path: host_path.display().to_string(),
                readonly: mount.read_only == Some(true) || kind(volume).always_read_only(),
                selinux_relabel: false,
                propagation: propagation as i32,
            });
        }
        let covers = |path: &str| mounts.iter().any(|mount| mount.container_path == path);
        let mut own = Vec::new();
        let hosts = (!covers("/etc/hosts")).then(|| {
            let machine = fs::read_to_string("/etc/hosts").unwrap_or_default();
            let name = hostname(pod, &self.context.config.name);
            (places.hosts(), hosts_file::text(pod, &name, ips, &machine))
        });
        if let Some((path, _)) = &hosts {
            own.push(plain("/etc/hosts", path));
        }
        let message_path = termination::path(container).to_owned();
        let message = (!covers(&message_path)).then(|| places.termination_log(&container.name, attempt));
        if let Some(path) = &message {
            own.push(plain(&message_path, path));
        }
        mounts.extend(own);
        let logs = self
            .context
            .places
            .pod_logs(pod::namespace(pod), pod::name(pod), pod::uid(pod))
            .join(&container.name);
        let name = container.name.clone();
        let prepared = tokio::task::spawn_blocking(move || {
            for (volume, volume_mount, part, place) in &binds {
                let request = SubPath {
                    volume_mount,
                    container: &name,
                    sub_path: part,
                };
                bind_sub_path(volume, &request, place).map_err(|error| {
                    tracing::debug!(error = %innermost(&error), "a subPath cannot be bound");
                    config_error(&error)
                })?;
            }
            let io = |error: io::Error| {
                config_error(&format!("failed to make the container's own files: {error}"))
            };
            fs::create_dir_all(&logs).map_err(io)?;
            if let Some((path, text)) = &hosts {
                write(path, text, 0o644).map_err(io)?;
            }
            if let Some(path) = &message {
                write(path, "", 0o666).map_err(io)?;
            }
            Ok(())
        });
        match prepared.await {
            Ok(prepared) => prepared.map(|()| mounts),
            Err(_) => Err(config_error(&"failed to prepare the container's files")),
        }
    }
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

fn plain(container_path: &str, host_path: &Path) -> Mount {
    Mount {
        container_path: container_path.to_owned(),
        host_path: host_path.display().to_string(),
        ..Mount::default()
    }
}

/// Written in place: the file may be mounted in containers.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if fs::read_to_string(path).is_ok_and(|had| had == text) {
        return Ok(());
    }
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(source) = at {
        text = source.to_string();
        at = source.source();
    }
    text
}
