//! What a token Secret needs, by the Secret and its service account.

use serde_json::Value;

use crate::service_account_tokens::secret::Content;

/// A service account that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub name: String,
    pub uid: String,
}

/// What a Secret lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// `ca.crt` is not the cluster's.
    pub root_ca: bool,
    /// `namespace` is empty.
    pub namespace: bool,
    /// `token` is empty.
    pub token: bool,
    /// The annotations do not say which account it is.
    pub annotations: bool,
}

/// What a delete must find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Preconditions {
    pub uid: String,
    pub resource_version: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It is as it should be, or none of this controller's business.
    Nothing,
    /// Its account does not exist: neither must it.
    Delete(Preconditions),
    /// Add what it lacks, for this account.
    Fill(Missing, Account),
}

/// Decides about one Secret. `account` is the account of the name that the Secret gives, `root_ca`
/// the cluster's certificates in base64 (empty: there are none to hand out).
pub(super) fn decide(secret: &Content, account: Option<&Account>, root_ca: &str) -> Action {
    if !secret.is_account_token() || secret.is_deleting() {
        return Action::Nothing;
    }
    let same = |account: &&Account| secret.account_uid().is_empty() || secret.account_uid() == account.uid;
    let Some(account) = account.filter(same) else {
        return Action::Delete(Preconditions {
            uid: secret.metadata("uid").to_owned(),
            resource_version: secret.metadata("resourceVersion").to_owned(),
        });
    };
    let missing = Missing {
        root_ca: !root_ca.is_empty() && secret.value("ca.crt") != root_ca,
        namespace: secret.value("namespace").is_empty(),
        token: secret.value("token").is_empty(),
        annotations: secret.account_uid().is_empty(),
    };
    if missing == Missing::default() {
        Action::Nothing
    } else {
        Action::Fill(missing, account.clone())
    }
}

/// Whether a service account can have this name: it goes into paths, and users write it into
/// annotations as they please.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    name.len() <= 253 && name.bytes().all(allowed) && name.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

/// The service account without its references to a Secret; `None` when it has none, or when it is
/// not the account of that uid (an empty uid is any).
pub(super) fn without_reference(mut account: Value, uid: &str, secret: &str) -> Option<Value> {
    if !uid.is_empty() && account["metadata"]["uid"] != uid {
        return None;
    }
    let references = account.get_mut("secrets")?.as_array_mut()?;
    let before = references.len();
    references.retain(|reference| reference["name"] != secret);
    (references.len() < before).then_some(account)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ROOT_CA: &str = "Q0E=";

    fn account(uid: &str) -> Account {
        Account {
            name: "app".to_owned(),
            uid: uid.to_owned(),
        }
    }

    /// A Secret that has everything, changed by a merge patch.
    fn secret(patch: Value) -> Content {
        fn merge(target: &mut Value, patch: &Value) {
            let Some(fields) = patch.as_object() else {
                return *target = patch.clone();
            };
            for (field, value) in fields {
                merge(&mut target[field], value);
            }
        }
        let mut object = json!({
            "metadata": {
                "namespace": "n", "name": "s", "uid": "s1", "resourceVersion": "7",
                "annotations": {
                    "kubernetes.io/service-account.name": "app",
                    "kubernetes.io/service-account.uid": "u1",
                },
            },
            "type": "kubernetes.io/service-account-token",
            "data": {"ca.crt": ROOT_CA, "namespace": "bg==", "token": "dA=="},
        });
        merge(&mut object, &patch);
        serde_json::from_value(object).expect("a Secret")
    }

    fn check(patch: Value, account: Option<Account>, expect: Action) {
        let decided = decide(&secret(patch.clone()), account.as_ref(), ROOT_CA);
        assert_eq!(decided, expect, "{patch}");
    }

    #[test]
    fn what_is_missing_is_filled() {
        let none = Missing::default();
        let fills = |patch: Value, missing: Missing| {
            check(patch, Some(account("u1")), Action::Fill(missing, account("u1")));
        };
        let token = Missing { token: true, ..none };
        let root_ca = Missing {
            root_ca: true,
            ..none
        };
        let namespace = Missing {
            namespace: true,
            ..none
        };
        let annotations = Missing {
            annotations: true,
            ..none
        };
        fills(json!({"data": {"token": null}}), token);
        fills(json!({"data": {"token": ""}}), token);
        fills(json!({"data": {"ca.crt": null}}), root_ca);
        fills(json!({"data": {"ca.crt": "b2xk"}}), root_ca);
        fills(json!({"data": {"namespace": ""}}), namespace);
        fills(
            json!({"metadata": {"annotations": {"kubernetes.io/service-account.uid": null}}}),
            annotations,
        );
        fills(
            json!({"metadata": {"annotations": {"kubernetes.io/service-account.uid": ""}}, "data": null}),
            Missing {
                root_ca: true,
                namespace: true,
                token: true,
                annotations: true,
            },
        );
    }

    #[test]
    fn what_is_right_is_left_alone() {
        let stays = |patch: Value| check(patch, Some(account("u1")), Action::Nothing);
        stays(json!({}));
        stays(json!({"data": {"extra": "eA=="}}));
        stays(json!({"data": {"namespace": "b3RoZXI="}}));
        stays(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "data": null}));
        stays(json!({"type": "Opaque", "data": null}));
        assert_eq!(
            decide(
                &secret(json!({"data": {"ca.crt": "b3du"}})),
                Some(&account("u1")),
                ""
            ),
            Action::Nothing,
            "there are no certificates to hand out"
        );
    }

    #[test]
    fn without_its_account_it_goes() {
        let delete = || {
            Action::Delete(Preconditions {
                uid: "s1".to_owned(),
                resource_version: "7".to_owned(),
            })
        };
        check(json!({}), None, delete());
        check(json!({}), Some(account("u2")), delete());
        check(
            json!({"metadata": {"annotations": {"kubernetes.io/service-account.uid": null}}, "data": null}),
            None,
            delete(),
        );
        check(json!({"type": "Opaque"}), None, Action::Nothing);
        check(
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            None,
            Action::Nothing,
        );
    }

    #[test]
    fn names_of_accounts() {
        let check = |name: &str, expect: bool| assert_eq!(is_name(name), expect, "{name:?}");
        check("default", true);
        check("a.b-c.0", true);
        check("", false);
        check("..", false);
        check("a/b", false);
        check("a?b", false);
        check("A", false);
        check(&"a".repeat(254), false);
    }

    #[test]
    fn references_are_removed_from_the_right_account() {
        let account = || json!({"metadata": {"uid": "u1"}, "secrets": [{"name": "a"}, {"name": "s"}]});
        let left = Some(json!({"metadata": {"uid": "u1"}, "secrets": [{"name": "a"}]}));
        assert_eq!(without_reference(account(), "u1", "s"), left);
        assert_eq!(without_reference(account(), "", "s"), left);
        assert_eq!(without_reference(account(), "u2", "s"), None);
        assert_eq!(without_reference(account(), "u1", "other"), None);
        assert_eq!(
            without_reference(json!({"metadata": {"uid": "u1"}}), "u1", "s"),
            None
        );
    }
}
