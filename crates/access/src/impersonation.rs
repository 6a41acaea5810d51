//! Acting as somebody else: the `Impersonate-…` headers (auth.md §8).

use std::collections::BTreeMap;

use strongroom_objects::go_text::quote;
use strongroom_objects::names;

use crate::{Attributes, Identity, group, user};

#[cfg(test)]
mod tests;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";
const AUTHENTICATION_GROUP: &str = "authentication.k8s.io";
const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// Who a request wants to act as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Impersonation {
    user: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

/// One thing the real user must be allowed to do: `impersonate` this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    /// Empty or `authentication.k8s.io`.
    pub api_group: &'static str,
    /// `users`, `serviceaccounts`, `groups`, `uids` or `userextras`.
    pub resource: &'static str,
    /// The key of an extra.
    pub subresource: String,
    /// Of a service account.
    pub namespace: String,
    /// The user, group, uid or value of an extra.
    pub name: String,
}

/// Groups, a uid or extras without a user: 400 with this message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("requested {0} without impersonating a user name")]
pub struct NoUser(String);

/// Whether a header belongs to impersonation; such headers are taken off before the request is handled.
pub fn is_impersonation_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [USER, GROUP, UID].contains(&name.as_str()) || name.starts_with(EXTRA)
}

impl Impersonation {
    /// Reads the headers of a request; nothing if it acts as its own user.
    ///
    /// # Errors
    /// [`NoUser`] (400).
    pub fn from_headers<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Option<Impersonation>, NoUser> {
        let mut wanted = Impersonation::default();
        let mut named_user = false;
        let mut named_uid = false;
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            match name.as_str() {
                // Of a header that must not be repeated the first counts.
                USER if !named_user => {
                    named_user = true;
                    value.clone_into(&mut wanted.user);
                }
                UID if !named_uid => {
                    named_uid = true;
                    value.clone_into(&mut wanted.uid);
                }
                GROUP => wanted.groups.push(value.to_owned()),
                _ => {
                    if let Some(key) = name.strip_prefix(EXTRA) {
                        let values = wanted.extra.entry(percent_decoded(key)).or_default();
                        values.push(value.to_owned());
                    }
                }
            }
        }
        if !wanted.user.is_empty() {
            return Ok(Some(wanted));
        }
        if wanted == Impersonation::default() {
            return Ok(None);
        }
        Err(NoUser(wanted.go_syntax()))
    }

    /// What the real user must be allowed, in the order in which Kubernetes asks.
    pub fn checks(&self) -> Vec<Check> {
        let mut checks = vec![match self.service_account() {
            Some((namespace, name)) => Check {
                resource: "serviceaccounts",
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                ..Check::default()
            },
            None => Check {
                resource: "users",
                name: self.user.clone(),
                ..Check::default()
            },
        }];
        checks.extend(self.groups.iter().map(|name| Check {
            resource: "groups",
            name: name.clone(),
            ..Check::default()
        }));
        checks.extend(self.extra.iter().flat_map(|(key, values)| {
            values.iter().map(move |value| Check {
                api_group: AUTHENTICATION_GROUP,
                resource: "userextras",
                subresource: key.clone(),
                name: value.clone(),
                ..Check::default()
            })
        }));
        if !self.uid.is_empty() {
            checks.push(Check {
                api_group: AUTHENTICATION_GROUP,
                resource: "uids",
                name: self.uid.clone(),
                ..Check::default()
            });
        }
        checks
    }

    /// The user to go on as.
    pub fn identity(&self) -> Identity {
        let mut groups = self.groups.clone();
        if let (Some((namespace, _)), true) = (self.service_account(), groups.is_empty()) {
            groups.push("system:serviceaccounts".to_owned());
            groups.push(format!("system:serviceaccounts:{namespace}"));
        }
        let has = |wanted: &str| groups.iter().any(|own| own == wanted);
        if self.user == user::ANONYMOUS {
            if !has(group::UNAUTHENTICATED) {
                groups.push(group::UNAUTHENTICATED.to_owned());
            }
        } else if !has(group::AUTHENTICATED) && !has(group::UNAUTHENTICATED) {
            groups.push(group::AUTHENTICATED.to_owned());
        }
        Identity {
            user: self.user.clone(),
            uid: self.uid.clone(),
            groups,
            extra: self.extra.clone(),
        }
    }

    /// Namespace and name, if the user is a service account's.
    fn service_account(&self) -> Option<(&str, &str)> {
        let (namespace, name) = self.user.strip_prefix(SERVICE_ACCOUNT_PREFIX)?.split_once(':')?;
        let valid = names::dns_label(namespace).is_empty() && names::dns_subdomain(name).is_empty();
        valid.then_some((namespace, name))
    }

    /// As Go prints its `user.DefaultInfo` with `%#v`.
    fn go_syntax(&self) -> String {
        let list = |values: &[String]| {
            let quoted: Vec<String> = values.iter().map(|value| quote(value)).collect();
            format!("[]string{{{}}}", quoted.join(", "))
        };
        let groups = if self.groups.is_empty() {
            "[]string(nil)".to_owned()
        } else {
            list(&self.groups)
        };
        let extra = if self.extra.is_empty() {
            "map[string][]string(nil)".to_owned()
        } else {
            let pairs = self
                .extra
                .iter()
                .map(|(key, values)| format!("{}:{}", quote(key), list(values)));
            format!("map[string][]string{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        };
        format!(
            "&user.DefaultInfo{{Name:{}, UID:{}, Groups:{groups}, Extra:{extra}}}",
            quote(&self.user),
            quote(&self.uid)
        )
    }
}

impl Check {
    /// The question to the authorizers about the real user.
    pub fn attributes<'a>(&'a self, user: &'a Identity) -> Attributes<'a> {
        Attributes {
            namespace: &self.namespace,
            api_group: self.api_group,
            api_version: if self.api_group.is_empty() { "" } else { "v1" },
            resource: self.resource,
            subresource: &self.subresource,
            name: &self.name,
            is_resource_request: true,
            ..Attributes::for_path(user, "impersonate", "")
        }
    }
}

/// The text as it is where it is not properly encoded.
pub(crate) fn percent_decoded(text: &str) -> String {
    decode(text).unwrap_or_else(|| text.to_owned())
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok()
}
