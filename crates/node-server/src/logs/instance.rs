//! Which of a container's instances has the log that is wanted, and in which words there is none.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, Pod};

use crate::streams::{bare, statuses};

/// There is no log (the kubelet's words; pods-and-kubelet §11).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoLog {
    /// Nothing is known of the container yet.
    #[error("container {container:?} in pod {pod:?} is not available")]
    NotAvailable {
        /// The container.
        container: String,
        /// Its pod.
        pod: String,
    },
    /// It has not started.
    #[error("container {container:?} in pod {pod:?} is waiting to start{why}")]
    Waiting {
        /// The container.
        container: String,
        /// Its pod.
        pod: String,
        /// Why, with what stands before it.
        why: String,
    },
    /// It has ended without leaving a trace.
    #[error("container {container:?} in pod {pod:?} is terminated")]
    Terminated {
        /// The container.
        container: String,
        /// Its pod.
        pod: String,
    },
    /// There was none before.
    #[error("previous terminated container {container:?} in pod {pod:?} not found")]
    NoPrevious {
        /// The container.
        container: String,
        /// Its pod.
        pod: String,
    },
}

/// The bare id of the instance of `container` whose log is wanted.
///
/// # Errors
/// [`NoLog`].
pub fn choose(pod: &Pod, container: &str, previous: bool) -> Result<String, NoLog> {
    let pod_name = pod.metadata.name.clone().unwrap_or_default();
    let container_name = container.to_owned();
    let Some(status) = statuses(pod).find(|status| status.name == container) else {
        return Err(NoLog::NotAvailable {
            container: container_name,
            pod: pod_name,
        });
    };
    let nothing = ContainerState::default();
    let state = status.state.as_ref().unwrap_or(&nothing);
    let last = status
        .last_state
        .as_ref()
        .and_then(|last| last.terminated.as_ref());
    let last_id = last.and_then(id_of);
    let terminated = NoLog::Terminated {
        container: container_name.clone(),
        pod: pod_name.clone(),
    };
    let id = if previous {
        last_id.ok_or(NoLog::NoPrevious {
            container: container_name,
            pod: pod_name,
        })?
    } else if state.running.is_some() {
        status.container_id.as_deref().ok_or(terminated)?
    } else if let Some(ended) = &state.terminated {
        id_of(ended).or(last_id).ok_or(terminated)?
    } else if last.is_some() {
        last_id.ok_or(terminated)?
    } else {
        let reason = state.waiting.as_ref().map(|waiting| waiting.reason.as_deref());
        return Err(NoLog::Waiting {
            container: container_name,
            pod: pod_name,
            why: match reason {
                Some(Some("ErrImagePull")) => ": image can't be pulled".to_owned(),
                Some(Some("ImagePullBackOff")) => ": trying and failing to pull image".to_owned(),
                Some(reason) => format!(": {}", reason.unwrap_or_default()),
                None => " - no logs yet".to_owned(),
            },
        });
    };
    Ok(bare(id).to_owned())
}

fn id_of(terminated: &ContainerStateTerminated) -> Option<&str> {
    terminated.container_id.as_deref().filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(status: serde_json::Value, previous: bool, expect: &str) {
        let mut status = status;
        if status.is_object() {
            for (key, value) in [("name", json!("c")), ("image", json!("")), ("imageID", json!(""))] {
                status[key] = value;
            }
            status["ready"] = json!(false);
            status["restartCount"] = json!(0);
        }
        let statuses = if status.is_null() {
            json!([])
        } else {
            json!([status])
        };
        let pod = json!({"metadata": {"name": "p"}, "status": {"containerStatuses": statuses}});
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let got = choose(&pod, "c", previous).unwrap_or_else(|error| error.to_string());
        assert_eq!(got, expect);
    }

    fn ended(id: &str) -> serde_json::Value {
        json!({"terminated": {"exitCode": 0, "containerID": id}})
    }

    #[test]
    fn instances() {
        let waiting = |reason: &str| json!({"state": {"waiting": {"reason": reason}}});
        let starts = "container \"c\" in pod \"p\" is waiting to start";
        check(
            json!(null),
            false,
            "container \"c\" in pod \"p\" is not available",
        );
        check(
            waiting("ContainerCreating"),
            false,
            &format!("{starts}: ContainerCreating"),
        );
        check(
            waiting("ErrImagePull"),
            false,
            &format!("{starts}: image can't be pulled"),
        );
        check(
            waiting("ImagePullBackOff"),
            false,
            &format!("{starts}: trying and failing to pull image"),
        );
        check(json!({"state": {}}), false, &format!("{starts} - no logs yet"));
        let running = json!({"state": {"running": {}}, "containerID": "containerd://new", "lastState": ended("containerd://old")});
        check(running.clone(), false, "new");
        check(running, true, "old");
        let none_before = "previous terminated container \"c\" in pod \"p\" not found";
        check(
            json!({"state": {"running": {}}, "containerID": "containerd://new"}),
            true,
            none_before,
        );
        check(json!({"lastState": ended("")}), true, none_before);
        check(json!({"state": ended("containerd://a")}), false, "a");
        let terminated = "container \"c\" in pod \"p\" is terminated";
        check(json!({"state": ended("")}), false, terminated);
        check(
            json!({"state": ended(""), "lastState": ended("containerd://b")}),
            false,
            "b",
        );
        check(
            json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended("containerd://b")}),
            false,
            "b",
        );
        check(
            json!({"state": {"waiting": {}}, "lastState": ended("")}),
            false,
            terminated,
        );
    }
}
