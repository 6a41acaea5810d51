//! Bootstrap tokens: Secrets of type `bootstrap.kubernetes.io/token` in `kube-system` (secrets.md §8).

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use strongroom_access::Identity;

use crate::AUTHENTICATED;

/// Where the Secrets are.
pub const NAMESPACE: &str = "kube-system";
/// Their type.
pub const SECRET_TYPE: &str = "bootstrap.kubernetes.io/token";
/// Their names are this and the token's id.
pub const NAME_PREFIX: &str = "bootstrap-token-";
/// The group of every bootstrap token.
pub const GROUP: &str = "system:bootstrappers";

const USER_PREFIX: &str = "system:bootstrap:";
const ID_LENGTH: usize = 6;
const SECRET_LENGTH: usize = 16;

/// A bearer token of the form `id.secret`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BootstrapToken<'a> {
    id: &'a str,
    secret: &'a str,
}

/// Names the token by its id, as its user name does.
impl fmt::Debug for BootstrapToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BootstrapToken")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What matters of a token's Secret. `data` looks up a decoded value of the Secret's `data`.
#[derive(Clone, Copy)]
pub struct TokenSecret<'a> {
    /// `metadata.name`.
    pub name: &'a str,
    /// `type`.
    pub secret_type: &'a str,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Decoded values by key; `None` when the key is absent.
    pub data: &'a dyn Fn(&str) -> Option<Vec<u8>>,
}

/// Why a bootstrap token is refused. For logs: the client sees only `401 Unauthorized`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such Secret, or it is being deleted, or of another type.
    #[error("there is no bootstrap token with this id")]
    NotThere,
    /// `token-secret` or `token-id` differ.
    #[error("the bootstrap token does not match its Secret")]
    Mismatch,
    /// `expiration` has passed or cannot be read.
    #[error("the bootstrap token has expired")]
    Expired,
    /// `usage-bootstrap-authentication` is not `true`.
    #[error("the bootstrap token is not for authentication")]
    Usage,
    /// `auth-extra-groups` names a group outside `system:bootstrappers:`.
    #[error("the bootstrap token's extra groups are invalid")]
    ExtraGroups,
}

impl<'a> BootstrapToken<'a> {
    /// Reads `id.secret`, `^([a-z0-9]{6})\.([a-z0-9]{16})$`; everything else is another kind of token.
    pub fn parse(token: &'a str) -> Option<BootstrapToken<'a>> {
        let (id, secret) = token.split_once('.')?;
        let whole = id.len() == ID_LENGTH && secret.len() == SECRET_LENGTH;
        (whole && is_plain(id) && is_plain(secret)).then_some(BootstrapToken { id, secret })
    }

    /// The six characters that are not secret.
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// Name of the Secret to look up in [`NAMESPACE`].
    pub fn secret_name(&self) -> String {
        format!("{NAME_PREFIX}{}", self.id)
    }

    /// The caller, if the Secret (`None`: there is none) confirms the token.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn authenticate(
        &self,
        secret: Option<&TokenSecret<'_>>,
        now: Timestamp,
    ) -> Result<Identity, Refusal> {
        let secret = secret.filter(|secret| !secret.deleting && secret.secret_type == SECRET_TYPE);
        let secret = secret.ok_or(Refusal::NotThere)?;
        let stored = zeroize::Zeroizing::new(secret.value("token-secret"));
        let matches = verify_slices_are_equal(&stored, self.secret.as_bytes()).is_ok();
        if !matches || secret.value("token-id") != self.id.as_bytes() || secret.name != self.secret_name() {
            return Err(Refusal::Mismatch);
        }
        if secret.is_expired(now) {
            return Err(Refusal::Expired);
        }
        if secret.value("usage-bootstrap-authentication") != b"true" {
            return Err(Refusal::Usage);
        }
        let mut groups = vec![GROUP.to_owned()];
        groups.extend(extra_groups(&secret.value("auth-extra-groups")).ok_or(Refusal::ExtraGroups)?);
        groups.push(AUTHENTICATED.to_owned());
        Ok(Identity {
            user: format!("{USER_PREFIX}{}", self.id),
            groups,
            ..Identity::default()
        })
    }
}

impl TokenSecret<'_> {
    /// Whether `expiration` has passed; one that cannot be read has.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        match self.expiration() {
            Ok(None) => false,
            Ok(Some(at)) => at <= now,
            Err(Unreadable) => true,
        }
    }

    /// `expiration`: when the cleaner must look again.
    ///
    /// # Errors
    /// When it is there and no RFC 3339 time.
    pub fn expiration(&self) -> Result<Option<Timestamp>, Unreadable> {
        let value = self.value("expiration");
        if value.is_empty() {
            return Ok(None);
        }
        let text = std::str::from_utf8(&value).map_err(|_| Unreadable)?;
        strongroom_objects::time::parse(text).map(Some).ok_or(Unreadable)
    }

    /// The id and the secret to sign `cluster-info` with, if this token is for that: right type and name, not expired,
    /// and `usage-bootstrap-signing` is `true`.
    pub fn signs(&self, now: Timestamp) -> Option<(String, zeroize::Zeroizing<String>)> {
        let (id, secret) = (
            self.value("token-id"),
            zeroize::Zeroizing::new(self.value("token-secret")),
        );
        let id = String::from_utf8(id)
            .ok()
            .filter(|id| is_plain(id) && id.len() == ID_LENGTH)?;
        let good = !self.deleting
            && self.secret_type == SECRET_TYPE
            && self.name.strip_prefix(NAME_PREFIX) == Some(&id)
            && self.value("usage-bootstrap-signing") == b"true"
            && !self.is_expired(now);
        let secret = std::str::from_utf8(&secret)
            .ok()
            .filter(|secret| !secret.is_empty())?;
        good.then(|| (id, zeroize::Zeroizing::new(secret.to_owned())))
    }

    fn value(&self, key: &str) -> Vec<u8> {
        (self.data)(key).unwrap_or_default()
    }
}

/// `expiration` is no RFC 3339 time; such a token has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// The detached signature for `data["jws-kubeconfig-<id>"]`: a compact JWS over `kubeconfig` without its middle part.
pub fn sign_kubeconfig(token_id: &str, token_secret: &str, kubeconfig: &str) -> String {
    let header = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","kid":"{token_id}"}}"#));
    let key = hmac::Key::new(hmac::HMAC_SHA256, token_secret.as_bytes());
    let mut signed = header.clone();
    signed.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(kubeconfig, &mut signed);
    let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{header}..{signature}")
}

/// The groups of `auth-extra-groups`, sorted, each once; `None` when one is not allowed.
fn extra_groups(value: &[u8]) -> Option<BTreeSet<String>> {
    let text = std::str::from_utf8(value).ok()?;
    if text.is_empty() {
        return Some(BTreeSet::new());
    }
    let groups = text
        .split(',')
        .map(|group| is_bootstrap_group(group).then(|| group.to_owned()));
    groups.collect()
}

/// `\Asystem:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\z`.
fn is_bootstrap_group(group: &str) -> bool {
    let Some(rest) = group.strip_prefix("system:bootstrappers:") else {
        return false;
    };
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b':' || byte == b'-';
    let ends_plain = rest
        .bytes()
        .last()
        .is_some_and(|byte| byte != b':' && byte != b'-');
    rest.len() <= 256 && ends_plain && rest.bytes().all(allowed)
}

fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}
