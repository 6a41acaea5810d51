//! What the container runtime reports of one pod.

use jiff::Timestamp;

/// Everything the runtime knows of one pod.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// Its sandboxes, in any order.
    pub sandboxes: Vec<Sandbox>,
    /// Its containers of all attempts, in any order.
    pub containers: Vec<ContainerRecord>,
}

/// One sandbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Sandbox {
    /// The runtime's id.
    pub id: String,
    /// 0 for the first one, one more for each that replaced another.
    pub attempt: u32,
    /// The runtime says `SANDBOX_READY`.
    pub ready: bool,
    /// The pod's own addresses, the first one first; empty for host network and while there is none.
    pub ips: Vec<String>,
    /// Whether it shares the node's network.
    pub host_network: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One attempt of one container.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerRecord {
    /// The runtime's id, without `containerd://`.
    pub id: String,
    /// The container's name in the pod.
    pub name: String,
    /// 0 for the first one; becomes `restartCount`.
    pub attempt: u32,
    /// The image as the runtime names it; the spec's image is shown when this is empty.
    pub image: String,
    /// The image's id or digest, as status shows it (`imageID`).
    pub image_id: String,
    /// What [`crate::actions::spec_hash`] said when it was made (annotation `io.kubernetes.container.hash`); `None` if
    /// the annotation is lost, which is never taken for a change.
    pub spec_hash: Option<String>,
    /// The sandbox it lives in.
    pub sandbox_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it does now.
    pub state: State,
}

/// What a container does.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Made and not started.
    Created,
    /// Running.
    Running {
        /// Since when.
        started_at: Timestamp,
    },
    /// Ended.
    Exited {
        /// The exit code.
        code: i32,
        /// The runtime's word (`Completed`, `Error`, `OOMKilled`, `StartError`, …); may be empty.
        reason: String,
        /// The runtime's message, empty if none. A termination message read by the node is given to `status` apart.
        message: String,
        /// When it started; `None` if it never did.
        started_at: Option<Timestamp>,
        /// When it ended.
        finished_at: Timestamp,
    },
    /// The runtime does not know.
    Unknown,
}

impl Observed {
    /// The newest sandbox.
    #[must_use]
    pub fn sandbox(&self) -> Option<&Sandbox> {
        self.sandboxes
            .iter()
            .max_by_key(|sandbox| (sandbox.attempt, sandbox.created_at))
    }

    /// The attempts of one container, the newest first.
    #[must_use]
    pub fn attempts(&self, name: &str) -> Vec<&ContainerRecord> {
        let mut found: Vec<_> = self
            .containers
            .iter()
            .filter(|record| record.name == name)
            .collect();
        found.sort_by_key(|record| std::cmp::Reverse((record.attempt, record.created_at)));
        found
    }

    /// The newest attempt of one container.
    #[must_use]
    pub fn latest(&self, name: &str) -> Option<&ContainerRecord> {
        let attempts = self.containers.iter().filter(|record| record.name == name);
        attempts.max_by_key(|record| (record.attempt, record.created_at))
    }

    /// Whether any container may be running.
    #[must_use]
    pub fn any_running(&self) -> bool {
        self.containers
            .iter()
            .any(|record| matches!(record.state, State::Running { .. } | State::Unknown))
    }
}

impl ContainerRecord {
    /// Running now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// The exit code, if it has ended.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        match self.state {
            State::Exited { code, .. } => Some(code),
            _ => None,
        }
    }
}
