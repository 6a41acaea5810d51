//! Who is asked about.

use strongroom_access::{Identity, group, user};

use crate::misread::Misread;

const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
const NODE: &str = "system:node:";
const NODES: &str = "system:nodes";

/// The name in full: `sa:shop/web` stands for `system:serviceaccount:shop:web`.
pub fn full_name(text: &str) -> Result<String, Misread> {
    let Some(account) = text.strip_prefix("sa:") else {
        return if text.is_empty() {
            Err(Misread("a user has a name"))
        } else {
            Ok(text.to_owned())
        };
    };
    match account.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(format!("{SERVICE_ACCOUNT}{namespace}:{name}"))
        }
        _ => Err(Misread("a service account is written sa:NAMESPACE/NAME")),
    }
}

/// The user as the server would see them: in the groups that were given, and in those that follow from the name.
pub fn identity(name: &str, groups: &[String]) -> Identity {
    let mut groups = groups.to_vec();
    let mut add = |group: String| {
        if !groups.contains(&group) {
            groups.push(group);
        }
    };
    if let Some((namespace, _)) = service_account(name) {
        add(SERVICE_ACCOUNTS.to_owned());
        add(format!("{SERVICE_ACCOUNTS}:{namespace}"));
    }
    if name.starts_with(NODE) {
        add(NODES.to_owned());
    }
    add(if name == user::ANONYMOUS {
        group::UNAUTHENTICATED.to_owned()
    } else {
        group::AUTHENTICATED.to_owned()
    });
    Identity {
        user: name.to_owned(),
        groups,
        ..Identity::default()
    }
}

/// A kubelet.
pub fn node(name: &str) -> Identity {
    identity(&format!("{NODE}{name}"), &[])
}

/// Namespace and name of the service account that acts as this user.
pub fn service_account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix(SERVICE_ACCOUNT)?.split_once(':')
}
