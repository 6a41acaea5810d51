//! Users that a proxy in front has authenticated: the `X-Remote-…` headers (auth.md §2.1). Only a connection whose
//! client certificate is the proxy's own may carry them; who checks that is the caller.

use std::collections::BTreeMap;

use crate::identity::with_authenticated;
use crate::impersonation::percent_decoded;
use crate::{Identity, group};

/// The headers that are believed, in lower case. Of several names for one fact the first that is there counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontProxyHeaders {
    /// The user's name.
    pub users: Vec<String>,
    /// The user's stable id.
    pub uids: Vec<String>,
    /// The user's groups; each value is one.
    pub groups: Vec<String>,
    /// What further facts' headers begin with; the rest is the key, percent-encoded.
    pub extra_prefixes: Vec<String>,
}

impl FrontProxyHeaders {
    /// The headers with these names, however they are capitalised.
    pub fn new(users: &[String], uids: &[String], groups: &[String], extra_prefixes: &[String]) -> Self {
        let lower = |names: &[String]| {
            names
                .iter()
                .map(|name| name.trim().to_ascii_lowercase())
                .collect()
        };
        Self {
            users: lower(users),
            uids: lower(uids),
            groups: lower(groups),
            extra_prefixes: lower(extra_prefixes),
        }
    }

    /// Whom a request's headers name; nothing where they name no user.
    pub fn identity(&self, headers: &[(&str, &str)]) -> Option<Identity> {
        let first = |names: &[String]| {
            let mut values = names.iter().map(|name| {
                let found = headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.trim()).unwrap_or_default()
            });
            values.find(|value| !value.is_empty()).map(str::to_owned)
        };
        let user = first(&self.users)?;
        let named = self.groups.iter().find_map(|name| {
            let values: Vec<String> = headers
                .iter()
                .filter(|(own, value)| own.eq_ignore_ascii_case(name) && !value.is_empty())
                .map(|(_, value)| (*value).to_owned())
                .collect();
            (!values.is_empty()).then_some(values)
        });
        let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            let key = self
                .extra_prefixes
                .iter()
                .find_map(|prefix| name.strip_prefix(prefix.as_str()));
            if let Some(key) = key {
                extra
                    .entry(percent_decoded(key))
                    .or_default()
                    .push((*value).to_owned());
            }
        }
        let mut groups = named.unwrap_or_default();
        // A proxy that has not authenticated its caller says so.
        if user != crate::user::ANONYMOUS {
            groups = with_authenticated(groups);
        } else if !groups.iter().any(|own| own == group::UNAUTHENTICATED) {
            groups.push(group::UNAUTHENTICATED.to_owned());
        }
        Some(Identity {
            user,
            uid: first(&self.uids).unwrap_or_default(),
            groups,
            extra,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_name_a_user() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let believed = FrontProxyHeaders::new(
            &names(&["X-Remote-User", "X-User"]),
            &names(&["X-Remote-Uid"]),
            &names(&["X-Remote-Group"]),
            &names(&["X-Remote-Extra-"]),
        );
        let check = |headers: &[(&str, &str)], expect: &str| {
            let found = believed.identity(headers);
            let found =
                found.map(|who| format!("{} {:?} {:?} {:?}", who.user, who.uid, who.groups, who.extra));
            assert_eq!(found.unwrap_or_default(), expect, "{headers:?}");
        };
        check(&[], "");
        check(&[("x-remote-user", " ")], "");
        check(&[("x-remote-group", "system:masters")], "");
        check(
            &[("x-remote-user", "ann")],
            r#"ann "" ["system:authenticated"] {}"#,
        );
        check(&[("x-user", "ann")], r#"ann "" ["system:authenticated"] {}"#);
        check(
            &[
                ("X-Remote-User", "ann"),
                ("x-remote-uid", "7"),
                ("x-remote-group", "a"),
                ("X-REMOTE-GROUP", "b"),
                ("x-remote-extra-acme.org%2fteam", "t"),
                ("x-other", "z"),
            ],
            r#"ann "7" ["a", "b", "system:authenticated"] {"acme.org/team": ["t"]}"#,
        );
        check(
            &[("x-remote-user", "system:anonymous")],
            r#"system:anonymous "" ["system:unauthenticated"] {}"#,
        );
    }
}
