//! An image for a container: there already, or pulled with the credentials that fit (pods-and-kubelet §7, §8).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Secret};
use strongroom_cri::Runtime;
use strongroom_cri::messages::image::{AuthConfig, Image};
use strongroom_cri::messages::sandbox::PodSandboxConfig;
use strongroom_node_plan::backoff::{Backoffs, pull_key};
use strongroom_node_plan::events;
use strongroom_node_plan::image::{Pull, aggregate, normalize, pull, pull_policy};
use strongroom_node_plan::keyring::Keyring;
use strongroom_node_plan::objects::Objects as _;
use strongroom_node_plan::pod::{self, Member};
use strongroom_node_plan::references::references;
use strongroom_node_plan::waiting::{self, Waiting};

use crate::context::Context;

/// What one pod's pulls came to.
#[derive(Default)]
pub(crate) struct Pulls {
    backoffs: Backoffs,
    last_errors: HashMap<String, String>,
}

impl Pulls {
    /// The container's image, pulled if need be. Tells the events of it.
    ///
    /// # Errors
    /// What the container waits for; events are told already.
    pub async fn ensure(
        &mut self,
        context: &Context,
        runtime: &Runtime,
        pod: &Arc<Pod>,
        member: &Member<'_>,
        sandbox: PodSandboxConfig,
    ) -> Result<Image, Waiting> {
        let tell = |event| context.events.tell(pod, event);
        let written = member.container.image.as_deref().unwrap_or_default();
        let reference = normalize(written).map_err(|error| {
            tell(events::inspect_failed(member, error.to_string()));
            tell(events::failed(member, &waiting::INVALID_IMAGE_NAME));
            error.waiting()
        })?;
        let name = reference.to_string();
        let inspect = async || {
            runtime.image(&name).await.map_err(|error| {
                let text = format!("Failed to inspect image \"{written}\": {}", error.as_rpc_error());
                tell(events::inspect_failed(member, text.clone()));
                Waiting::new(waiting::IMAGE_INSPECT_ERROR, text)
            })
        };
        let present = inspect().await?;
        let policy = pull_policy(member.container.image_pull_policy.as_deref(), written);
        match (pull(policy, present.is_some()), present) {
            (Pull::Use, Some(image)) => {
                tell(events::already_present(member, written));
                return Ok(image);
            }
            (Pull::Refuse, _) => {
                tell(events::image_never_pull(member, written));
                tell(events::failed(member, &waiting::ERR_IMAGE_NEVER_PULL));
                return Err(Waiting::image_never_pull(written));
            }
            _ => {}
        }
        let key = pull_key(pod::uid(pod), &name);
        if self.backoffs.current(&key, Timestamp::now()).is_some() {
            tell(events::pull_back_off(member, written));
            tell(events::failed(member, &waiting::IMAGE_PULL_BACK_OFF));
            let last = self.last_errors.get(&name).map_or("", String::as_str);
            return Err(Waiting::image_pull_back_off(written, last));
        }
        let begun = Instant::now();
        let failure = match credentials(context, pod, &name) {
            Ok(credentials) => {
                let _permit = context.pulls.acquire().await;
                let pulling = Instant::now();
                tell(events::pulling(member, written));
                match fetch(runtime, &name, credentials, sandbox).await {
                    Ok(()) => {
                        let image = inspect().await?.ok_or_else(|| {
                            Waiting::image_pull(&format!("image \"{written}\" is gone after it was pulled"))
                        })?;
                        let took =
                            |since: Instant| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                        tell(events::pulled(
                            member,
                            written,
                            took(pulling),
                            took(begun),
                            image.size,
                        ));
                        self.backoffs.forget(&key);
                        self.last_errors.remove(&name);
                        return Ok(image);
                    }
                    Err(failure) => failure,
                }
            }
            Err(failure) => failure,
        };
        self.backoffs.next(&key, Timestamp::now());
        tell(events::pull_failed(member, written, &failure));
        tell(events::failed(member, &waiting::ERR_IMAGE_PULL));
        let waiting = Waiting::image_pull(&failure);
        self.last_errors.insert(name, failure);
        Err(waiting)
    }
}

/// The credentials to try, in order; none at all means to pull as nobody.
fn credentials(context: &Context, pod: &Arc<Pod>, image: &str) -> Result<Vec<AuthConfig>, String> {
    let mut secrets: Vec<Arc<Secret>> = Vec::new();
    let mut missing = Vec::new();
    for name in references(pod).pull_secrets {
        match context.caches.secret(pod::namespace(pod), &name) {
            Ok(secret) => secrets.push(secret),
            Err(_) => missing.push(name),
        }
    }
    if !missing.is_empty() {
        context.events.tell(pod, events::pull_secrets_missing(&missing));
    }
    let keyring =
        Keyring::of_secrets(secrets.iter().map(AsRef::as_ref)).map_err(|error| error.to_string())?;
    let auth = keyring
        .credentials(image)
        .into_iter()
        .map(|credential| AuthConfig {
            username: credential.username.clone(),
            password: credential.password.to_string(),
            ..AuthConfig::default()
        });
    Ok(auth.collect())
}

async fn fetch(
    runtime: &Runtime,
    image: &str,
    credentials: Vec<AuthConfig>,
    sandbox: PodSandboxConfig,
) -> Result<(), String> {
    let tries: Vec<Option<AuthConfig>> = if credentials.is_empty() {
        vec![None]
    } else {
        credentials.into_iter().map(Some).collect()
    };
    let mut failures = Vec::new();
    for auth in tries {
        match runtime.pull_image(image, auth, Some(sandbox.clone())).await {
            Ok(_) => return Ok(()),
            Err(error) => failures.push(error.as_rpc_error()),
        }
    }
    Err(aggregate(&failures))
}
