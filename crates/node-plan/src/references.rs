//! Which objects does a pod need? By every way a pod can name them: volumes, projected volumes, environment, pull
//! secrets; of init containers, sidecars and regular containers.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, Pod, Volume};

use crate::objects::Kind;
use crate::pod;

#[cfg(test)]
mod tests;

/// What a pod needs of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Secrets by name. Pull secrets are among them.
    pub secrets: BTreeMap<String, Need>,
    /// ConfigMaps by name.
    pub config_maps: BTreeMap<String, Need>,
    /// Service-account tokens for projected volumes.
    pub tokens: BTreeSet<TokenReference>,
    /// `imagePullSecrets` in their order, without empty names and repetitions.
    pub pull_secrets: Vec<String>,
}

/// How an object is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Need {
    /// The ways it is named.
    pub uses: BTreeSet<Use>,
    /// Every way that names it calls it optional. A pull secret is always optional.
    pub optional: bool,
}

/// One way a pod names an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// Files of a volume: they change while the pod runs.
    Volume,
    /// Environment: read when a container starts.
    Environment,
    /// Credentials for pulling images.
    ImagePull,
}

/// A token of the pod's service account, as one projected source asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenReference {
    /// The service account, in the pod's namespace.
    pub service_account: String,
    /// The audience; `None` means the API server's.
    pub audience: Option<String>,
    /// The lifetime asked for, in seconds.
    pub expiration_seconds: i64,
}

impl References {
    /// Whether any volume of the pod changes when this object changes.
    #[must_use]
    pub fn in_volume(&self, kind: Kind, name: &str) -> bool {
        let needs = match kind {
            Kind::Secret => &self.secrets,
            Kind::ConfigMap => &self.config_maps,
        };
        needs
            .get(name)
            .is_some_and(|need| need.uses.contains(&Use::Volume))
    }

    fn need(&mut self, kind: Kind, name: &str, use_: Use, optional: Option<bool>) {
        if name.is_empty() {
            return;
        }
        let needs = match kind {
            Kind::Secret => &mut self.secrets,
            Kind::ConfigMap => &mut self.config_maps,
        };
        let optional = optional.unwrap_or(false);
        let need = needs.entry(name.to_owned()).or_insert_with(|| Need {
            uses: BTreeSet::new(),
            optional: true,
        });
        need.uses.insert(use_);
        need.optional &= optional;
    }

    fn volume(&mut self, pod: &Pod, volume: &Volume) {
        if let Some(secret) = &volume.secret {
            self.need(
                Kind::Secret,
                secret.secret_name.as_deref().unwrap_or_default(),
                Use::Volume,
                secret.optional,
            );
        }
        if let Some(config_map) = &volume.config_map {
            self.need(
                Kind::ConfigMap,
                &config_map.name,
                Use::Volume,
                config_map.optional,
            );
        }
        let sources = volume
            .projected
            .as_ref()
            .and_then(|projected| projected.sources.as_deref());
        for source in sources.unwrap_or_default() {
            if let Some(secret) = &source.secret {
                self.need(Kind::Secret, &secret.name, Use::Volume, secret.optional);
            }
            if let Some(config_map) = &source.config_map {
                self.need(
                    Kind::ConfigMap,
                    &config_map.name,
                    Use::Volume,
                    config_map.optional,
                );
            }
            if let Some(token) = &source.service_account_token {
                self.tokens.insert(TokenReference::of(pod, token));
            }
        }
    }

    fn environment(&mut self, container: &Container) {
        for source in container.env_from.as_deref().unwrap_or_default() {
            if let Some(secret) = &source.secret_ref {
                self.need(Kind::Secret, &secret.name, Use::Environment, secret.optional);
            }
            if let Some(config_map) = &source.config_map_ref {
                self.need(
                    Kind::ConfigMap,
                    &config_map.name,
                    Use::Environment,
                    config_map.optional,
                );
            }
        }
        for variable in container.env.as_deref().unwrap_or_default() {
            let Some(source) = &variable.value_from else {
                continue;
            };
            if let Some(secret) = &source.secret_key_ref {
                self.need(Kind::Secret, &secret.name, Use::Environment, secret.optional);
            }
            if let Some(config_map) = &source.config_map_key_ref {
                self.need(
                    Kind::ConfigMap,
                    &config_map.name,
                    Use::Environment,
                    config_map.optional,
                );
            }
        }
    }
}

impl TokenReference {
    /// The token that one projected source of a pod asks for; 3600 s when it does not say.
    #[must_use]
    pub fn of(
        pod: &Pod,
        source: &k8s_openapi::api::core::v1::ServiceAccountTokenProjection,
    ) -> TokenReference {
        TokenReference {
            service_account: pod::service_account(pod).to_owned(),
            audience: source.audience.clone().filter(|audience| !audience.is_empty()),
            expiration_seconds: source.expiration_seconds.unwrap_or(3600),
        }
    }
}

/// Everything the pod names.
#[must_use]
pub fn references(pod: &Pod) -> References {
    let mut references = References::default();
    let Some(spec) = pod::spec(pod) else {
        return references;
    };
    for volume in spec.volumes.as_deref().unwrap_or_default() {
        references.volume(pod, volume);
    }
    for member in pod::members(pod) {
        references.environment(member.container);
    }
    for secret in spec.image_pull_secrets.as_deref().unwrap_or_default() {
        if secret.name.is_empty() || references.pull_secrets.contains(&secret.name) {
            continue;
        }
        references.need(Kind::Secret, &secret.name, Use::ImagePull, Some(true));
        references.pull_secrets.push(secret.name.clone());
    }
    references
}
