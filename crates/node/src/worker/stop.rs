//! Stopping: the `preStop` hook, SIGTERM, and when the grace is over SIGKILL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use strongroom_cri::Runtime;
use strongroom_node_plan::actions::{StopContainer, StopPod};
use strongroom_node_plan::events::{self, Hook};
use strongroom_node_plan::handler::of_hook;
use strongroom_node_plan::observed::Observed;
use strongroom_node_plan::pod;
use strongroom_node_plan::probes::Outcome;

use super::Worker;
use crate::probing::address;
use crate::reach::{Target, reach};

/// What is left for a container after its hook has used the grace up.
const LEAST: Duration = Duration::from_secs(2);

impl Worker {
    /// Stops the pod, stage by stage. Returns early when the pod shall end sooner than was known.
    pub(super) async fn stop_pod(
        &mut self,
        runtime: &Runtime,
        pod: &Arc<Pod>,
        observed: &Observed,
        step: StopPod,
    ) {
        let deadline = Instant::now() + seconds(step.grace_seconds);
        let address = address(&self.context, pod, observed);
        for stage in step.stages {
            if !self
                .stop_containers(runtime, pod, address.clone(), stage, deadline)
                .await
            {
                return;
            }
        }
        for id in &step.sandbox_ids {
            if let Err(error) = runtime.stop_pod_sandbox(id).await {
                self.context
                    .events
                    .tell(pod, events::kill_failed(&error.as_rpc_error()));
                // The plan asks for it again; not at once.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    /// Stops containers together; false when it was cut short because the pod shall end sooner.
    pub(super) async fn stop_containers(
        &mut self,
        runtime: &Runtime,
        pod: &Arc<Pod>,
        address: Option<String>,
        containers: Vec<StopContainer>,
        deadline: Instant,
    ) -> bool {
        let sooner = self.sooner();
        let stops = containers.into_iter().map(|container| {
            let is_first = self.pre_stopped.insert(container.id.clone());
            self.stop_one(runtime, pod, address.clone(), container, deadline, is_first)
        });
        let stops: Vec<_> = stops.collect();
        let all = join_all(stops);
        tokio::select! {
            _ = all => true,
            () = sooner => false,
        }
    }

    fn stop_one(
        &self,
        runtime: &Runtime,
        pod: &Arc<Pod>,
        address: Option<String>,
        step: StopContainer,
        deadline: Instant,
        is_first: bool,
    ) -> impl Future<Output = ()> + use<> {
        let (context, runtime, pod) = (Arc::clone(&self.context), runtime.clone(), Arc::clone(pod));
        async move {
            let found = pod::member(&pod, &step.name);
            let mut grace = deadline
                .saturating_duration_since(Instant::now())
                .min(seconds(step.grace_seconds));
            if let Some(found) = found
                && is_first
            {
                let killing = events::killing(&found, step.message.as_deref());
                context.events.tell(&pod, killing);
                if let Ok(Some(handler)) = of_hook(found.container, Hook::PreStop)
                    && !grace.is_zero()
                {
                    let begun = Instant::now();
                    let target = Target {
                        container: step.id.clone(),
                        address,
                    };
                    let outcome = reach(&runtime, &target, &handler, grace).await;
                    if !matches!(outcome, Outcome::Success | Outcome::Warning(_)) {
                        let failed = events::hook_failed(&found, Hook::PreStop);
                        context.events.tell(&pod, failed);
                    }
                    grace = grace.saturating_sub(begun.elapsed()).max(LEAST);
                }
            }
            if let Err(error) = runtime.stop_container(&step.id, grace).await {
                context
                    .events
                    .tell(&pod, events::kill_failed(&error.as_rpc_error()));
                // The plan asks for it again; not at once.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
