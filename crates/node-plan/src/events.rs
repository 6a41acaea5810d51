//! What a node tells people about a pod: the events of pods-and-kubelet §5.2 with their exact texts.

use std::fmt::Display;

use k8s_openapi::api::core::v1::Pod;

use crate::backoff::go_seconds;
use crate::pod::{self, Member};

mod recorder;
#[cfg(test)]
mod tests;

pub use recorder::{Record, Recorder};

/// An event about a pod or one of its containers, before it becomes an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Normal or Warning.
    pub severity: Severity,
    /// One word.
    pub reason: &'static str,
    /// One sentence. Never holds a value.
    pub message: String,
    /// `spec.containers{c}` when it is about one container.
    pub field_path: Option<String>,
}

/// The `type` of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// `Normal`.
    Normal,
    /// `Warning`.
    Warning,
}

impl Severity {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Normal => "Normal",
            Severity::Warning => "Warning",
        }
    }
}

impl Event {
    /// A Normal event about the whole pod.
    #[must_use]
    pub fn normal(reason: &'static str, message: impl Into<String>) -> Event {
        Event {
            severity: Severity::Normal,
            reason,
            message: message.into(),
            field_path: None,
        }
    }

    /// A Warning about the whole pod.
    #[must_use]
    pub fn warning(reason: &'static str, message: impl Into<String>) -> Event {
        Event {
            severity: Severity::Warning,
            reason,
            message: message.into(),
            field_path: None,
        }
    }

    /// The same event about one container.
    #[must_use]
    pub fn of(mut self, member: &Member<'_>) -> Event {
        self.field_path = Some(member.field_path());
        self
    }
}

/// An image is being pulled.
#[must_use]
pub fn pulling(member: &Member<'_>, image: &str) -> Event {
    Event::normal("Pulling", format!("Pulling image \"{image}\"")).of(member)
}

/// An image was pulled. Durations in milliseconds; `waited_ms` includes the time in the queue.
#[must_use]
pub fn pulled(member: &Member<'_>, image: &str, took_ms: u64, waited_ms: u64, bytes: u64) -> Event {
    let (took, waited) = (go_milliseconds(took_ms), go_milliseconds(waited_ms));
    let message = format!(
        "Successfully pulled image \"{image}\" in {took} ({waited} including waiting). Image size: {bytes} bytes."
    );
    Event::normal("Pulled", message).of(member)
}

/// An image was there already.
#[must_use]
pub fn already_present(member: &Member<'_>, image: &str) -> Event {
    let message =
        format!("Container image \"{image}\" already present on machine and can be accessed by the pod");
    Event::normal("Pulled", message).of(member)
}

/// A container was made.
#[must_use]
pub fn created(member: &Member<'_>) -> Event {
    Event::normal("Created", "Container created").of(member)
}

/// A container was started.
#[must_use]
pub fn started(member: &Member<'_>) -> Event {
    Event::normal("Started", "Container started").of(member)
}

/// A container is being stopped. `why` replaces the usual text, e.g. `Container c failed liveness probe, will be
/// restarted`.
#[must_use]
pub fn killing(member: &Member<'_>, why: Option<&str>) -> Event {
    let usual = || format!("Stopping container {}", member.container.name);
    Event::normal("Killing", why.map_or_else(usual, str::to_owned)).of(member)
}

/// A pull failed.
#[must_use]
pub fn pull_failed(member: &Member<'_>, image: &str, error: &dyn Display) -> Event {
    Event::warning("Failed", format!("Failed to pull image \"{image}\": {error}")).of(member)
}

/// A container could not be started: `Error: ` and what went wrong (`ErrImagePull`, `secret "n" not found`, …).
#[must_use]
pub fn failed(member: &Member<'_>, error: &dyn Display) -> Event {
    Event::warning("Failed", format!("Error: {error}")).of(member)
}

/// A pull is put off.
#[must_use]
pub fn pull_back_off(member: &Member<'_>, image: &str) -> Event {
    Event::normal("BackOff", format!("Back-off pulling image \"{image}\"")).of(member)
}

/// A restart is put off.
#[must_use]
pub fn crash_back_off(member: &Member<'_>, pod: &Pod) -> Event {
    let name = &member.container.name;
    let message = format!(
        "Back-off restarting failed container {name} in pod {}",
        pod::display(pod)
    );
    Event::warning("BackOff", message).of(member)
}

/// The image is not there and must not be pulled.
#[must_use]
pub fn image_never_pull(member: &Member<'_>, image: &str) -> Event {
    let message = format!("Container image \"{image}\" is not present with pull policy of Never");
    Event::warning("ErrImageNeverPull", message).of(member)
}

/// The image's name cannot be read, or the runtime could not be asked about it.
#[must_use]
pub fn inspect_failed(member: &Member<'_>, message: impl Into<String>) -> Event {
    Event::warning("InspectFailed", message).of(member)
}

/// A volume could not be set up.
#[must_use]
pub fn mount_failed(volume: &str, error: &dyn Display) -> Event {
    Event::warning(
        "FailedMount",
        format!("MountVolume.SetUp failed for volume \"{volume}\" : {error}"),
    )
}

/// Waiting for the volumes ended with an error that belongs to no single one.
#[must_use]
pub fn volumes_failed(error: &dyn Display) -> Event {
    Event::warning(
        "FailedMount",
        format!("Unable to attach or mount volumes: {error}"),
    )
}

/// Pull Secrets are missing; the pull goes on without them.
#[must_use]
pub fn pull_secrets_missing(names: &[String]) -> Event {
    let names = names.join(", ");
    let message = format!(
        "Unable to retrieve some image pull secrets ({names}); attempting to pull the image may not succeed."
    );
    Event::warning("FailedToRetrieveImagePullSecret", message)
}

/// The sandbox could not be made.
#[must_use]
pub fn sandbox_failed(error: &dyn Display) -> Event {
    Event::warning(
        "FailedCreatePodSandBox",
        format!("Failed to create pod sandbox: {error}"),
    )
}

/// The sandbox is dead or of the wrong kind.
#[must_use]
pub fn sandbox_changed() -> Event {
    Event::normal(
        "SandboxChanged",
        "Pod sandbox changed, it will be killed and re-created.",
    )
}

/// Stopping the pod failed and is tried again.
#[must_use]
pub fn kill_failed(error: &dyn Display) -> Event {
    Event::warning("FailedKillPod", format!("error killing pod: {error}"))
}

/// The node cannot take the pod's next step for a reason of its own.
#[must_use]
pub fn sync_failed(error: &dyn Display) -> Event {
    Event::warning("FailedSync", format!("error determining status: {error}"))
}

/// A hook failed.
#[must_use]
pub fn hook_failed(member: &Member<'_>, hook: Hook) -> Event {
    match hook {
        Hook::PostStart => Event::warning("FailedPostStartHook", "PostStartHook failed").of(member),
        Hook::PreStop => Event::warning("FailedPreStopHook", "PreStopHook failed").of(member),
    }
}

/// The two lifecycle hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// After the start.
    PostStart,
    /// Before the end.
    PreStop,
}

/// Older kubelets' word on keys that are no variable names ([`crate::environment::EnvNames::Strict`], §4). `keys` in
/// any order; `kind` is `secret` or `configMap`.
#[must_use]
pub fn invalid_environment_names(mut keys: Vec<String>, kind: &str, namespace: &str, name: &str) -> Event {
    keys.sort();
    let keys = keys.join(", ");
    let message = format!(
        "Keys [{keys}] from the EnvFrom {kind} {namespace}/{name} were skipped since they are considered invalid \
         environment variable names."
    );
    Event::warning("InvalidEnvironmentVariableNames", message)
}

/// The pod outlived its `activeDeadlineSeconds`.
#[must_use]
pub fn deadline_exceeded() -> Event {
    Event::normal(
        "DeadlineExceeded",
        "Pod was active on the node longer than the specified deadline",
    )
}

/// A probe failed, or could not be made.
#[must_use]
pub fn unhealthy(member: &Member<'_>, message: impl Into<String>) -> Event {
    Event::warning("Unhealthy", message).of(member)
}

fn go_milliseconds(milliseconds: u64) -> String {
    if milliseconds < 1000 {
        return format!("{milliseconds}ms");
    }
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    let whole = go_seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
    if rest == 0 {
        return whole;
    }
    let fraction = format!("{rest:03}");
    format!(
        "{}.{}s",
        whole.trim_end_matches('s'),
        fraction.trim_end_matches('0')
    )
}
