//! Why a container is not running, in the words of pods-and-kubelet §5.1.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStateWaiting, Pod};

use crate::backoff::go_seconds;
use crate::pod;

/// A waiting state: reason and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// One word, as `kubectl get pods` shows it.
    pub reason: String,
    /// One sentence, if there is more to say.
    pub message: Option<String>,
}

/// Nothing is wrong; the container is about to be made.
pub const CONTAINER_CREATING: &str = "ContainerCreating";
/// Init containers come first.
pub const POD_INITIALIZING: &str = "PodInitializing";
/// The pull failed.
pub const ERR_IMAGE_PULL: &str = "ErrImagePull";
/// The pull failed and is tried again later.
pub const IMAGE_PULL_BACK_OFF: &str = "ImagePullBackOff";
/// The image is not there and must not be pulled.
pub const ERR_IMAGE_NEVER_PULL: &str = "ErrImageNeverPull";
/// The image's name is none.
pub const INVALID_IMAGE_NAME: &str = "InvalidImageName";
/// The runtime could not be asked about the image.
pub const IMAGE_INSPECT_ERROR: &str = "ImageInspectError";
/// The container's environment, volumes or security context cannot be had.
pub const CREATE_CONTAINER_CONFIG_ERROR: &str = "CreateContainerConfigError";
/// The runtime refused to make the container.
pub const CREATE_CONTAINER_ERROR: &str = "CreateContainerError";
/// The runtime refused to start the container.
pub const RUN_CONTAINER_ERROR: &str = "RunContainerError";
/// The `postStart` hook failed and the container was stopped.
pub const POST_START_HOOK_ERROR: &str = "PostStartHookError";
/// The container ends again and again.
pub const CRASH_LOOP_BACK_OFF: &str = "CrashLoopBackOff";

impl Waiting {
    /// A reason with a message.
    #[must_use]
    pub fn new(reason: &str, message: impl Into<String>) -> Waiting {
        Waiting {
            reason: reason.to_owned(),
            message: Some(message.into()).filter(|message| !message.is_empty()),
        }
    }

    /// A reason that says it all.
    #[must_use]
    pub fn bare(reason: &str) -> Waiting {
        Waiting {
            reason: reason.to_owned(),
            message: None,
        }
    }

    /// `CreateContainerConfigError` with the error's own text.
    #[must_use]
    pub fn config_error(error: &dyn std::fmt::Display) -> Waiting {
        Waiting::new(CREATE_CONTAINER_CONFIG_ERROR, error.to_string())
    }

    /// `CrashLoopBackOff`, with the whole delay (not what is left of it).
    #[must_use]
    pub fn crash_loop(pod: &Pod, container: &str, delay_seconds: i64) -> Waiting {
        let delay = go_seconds(delay_seconds);
        let pod = pod::display(pod);
        Waiting::new(
            CRASH_LOOP_BACK_OFF,
            format!("back-off {delay} restarting failed container={container} pod={pod}"),
        )
    }

    /// A failed pull with what the runtime said: `RegistryUnavailable` or `SignatureValidationFailed` if its error begins
    /// with that word, else [`Waiting::image_pull`].
    #[must_use]
    pub fn of_pull_error(image: &str, error: &str) -> Waiting {
        let known = [
            ("RegistryUnavailable", "the registry is unavailable"),
            ("SignatureValidationFailed", "the signature validation failed"),
        ];
        for (reason, text) in known {
            if let Some(more) = error.strip_prefix(reason) {
                return Waiting::new(
                    reason,
                    format!("image pull failed for {image} because {text}{more}"),
                );
            }
        }
        Waiting::image_pull(&error)
    }

    /// `ErrImagePull` with what the runtime or registry said.
    #[must_use]
    pub fn image_pull(error: &dyn std::fmt::Display) -> Waiting {
        Waiting::new(ERR_IMAGE_PULL, error.to_string())
    }

    /// `ImagePullBackOff` with the last error.
    #[must_use]
    pub fn image_pull_back_off(image: &str, last_error: &str) -> Waiting {
        Waiting::new(
            IMAGE_PULL_BACK_OFF,
            format!("Back-off pulling image \"{image}\": {ERR_IMAGE_PULL}: {last_error}"),
        )
    }

    /// `ErrImageNeverPull`.
    #[must_use]
    pub fn image_never_pull(image: &str) -> Waiting {
        let message = format!("Container image \"{image}\" is not present with pull policy of Never");
        Waiting::new(ERR_IMAGE_NEVER_PULL, message)
    }

    pub(crate) fn to_state(&self) -> ContainerStateWaiting {
        ContainerStateWaiting {
            reason: Some(self.reason.clone()),
            message: self.message.clone(),
        }
    }
}

/// What containers are said to wait for: `attempts` is why the last try to start each failed, `decided` what is waited
/// for now. Between two tries a container that could not be started goes on saying why, which tells more than that the
/// next try is put off; kubelet says the one and the other in turn.
#[must_use]
pub fn shown(
    attempts: &BTreeMap<String, Waiting>,
    decided: &BTreeMap<String, Waiting>,
) -> BTreeMap<String, Waiting> {
    let mut shown = attempts.clone();
    for (name, waiting) in decided {
        let tells_less = waiting.reason == CRASH_LOOP_BACK_OFF;
        if tells_less && attempts.get(name).is_some_and(|failed| failed.message.is_some()) {
            continue;
        }
        shown.insert(name.clone(), waiting.clone());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_start_is_told_until_the_next_one() {
        let missing = Waiting::config_error(&"secret \"s\" not found");
        let creating = Waiting::bare(CONTAINER_CREATING);
        let back_off = Waiting::new(CRASH_LOOP_BACK_OFF, "back-off 10s restarting");
        let pull = Waiting::image_pull(&"no such image");
        let check = |attempt: Option<&Waiting>, decided: Option<&Waiting>, expect: Option<&Waiting>| {
            let of = |waiting: Option<&Waiting>| {
                let waiting = waiting.map(|waiting| ("c".to_owned(), waiting.clone()));
                waiting.into_iter().collect::<BTreeMap<_, _>>()
            };
            assert_eq!(shown(&of(attempt), &of(decided)), of(expect));
        };
        check(None, None, None);
        check(Some(&missing), None, Some(&missing));
        check(None, Some(&back_off), Some(&back_off));
        check(Some(&missing), Some(&back_off), Some(&missing));
        check(Some(&creating), Some(&back_off), Some(&back_off));
        check(Some(&missing), Some(&pull), Some(&pull));
    }
}
