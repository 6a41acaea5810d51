//! Which token Secrets there are, and whose.

use std::collections::{BTreeMap, BTreeSet};

use crate::list_watch::Change;
use crate::object::{Item as _, Object};
use crate::service_account_tokens::secret::TokenSecret;

/// Something to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A Secret that may need something.
    Secret { namespace: String, name: String },
    /// A Secret that is gone, and its account may still list it.
    Reference {
        namespace: String,
        account: String,
        /// Empty when the Secret did not say.
        account_uid: String,
        secret: String,
    },
}

/// Namespace and name.
type Name = (String, String);

/// Whose a Secret is, by its annotations.
#[derive(Debug, Clone)]
struct Owner {
    account: String,
    account_uid: String,
}

/// What the watches have told.
#[derive(Debug, Default)]
pub(super) struct State {
    secrets: BTreeMap<Name, Owner>,
    /// Names of Secrets by the account they name.
    by_account: BTreeMap<Name, BTreeSet<String>>,
    /// Known before the list that is under way and not told again yet.
    unconfirmed: BTreeSet<Name>,
}

impl State {
    /// Takes in a change of a token Secret; returns what is to be looked at.
    pub fn secret(&mut self, change: Change<TokenSecret>) -> Vec<Key> {
        match change {
            Change::Listing => {
                self.unconfirmed = self.secrets.keys().cloned().collect();
                Vec::new()
            }
            Change::Listed => {
                let gone = std::mem::take(&mut self.unconfirmed);
                gone.into_iter().filter_map(|name| self.forget(name)).collect()
            }
            Change::Applied(secret) => {
                let metadata = secret.metadata();
                let name = (metadata.namespace.clone(), metadata.name.clone());
                let owner = Owner {
                    account: secret.account().to_owned(),
                    account_uid: secret.account_uid().to_owned(),
                };
                vec![self.learn(name, owner)]
            }
            Change::Deleted(secret) => {
                let metadata = secret.metadata();
                let name = (metadata.namespace.clone(), metadata.name.clone());
                self.forget(name).into_iter().collect()
            }
        }
    }

    /// Takes in a change of a service account; returns what is to be looked at.
    pub fn account(&mut self, change: Change<Object>) -> Vec<Key> {
        match change {
            Change::Listing => Vec::new(),
            // Accounts may have gone unseen: each Secret asks for its own.
            Change::Listed => self
                .secrets
                .keys()
                .cloned()
                .map(|(namespace, name)| Key::Secret { namespace, name })
                .collect(),
            Change::Applied(account) => {
                let uid = account.metadata.uid.clone();
                self.secrets_of(account, |owner| {
                    !owner.account_uid.is_empty() && owner.account_uid != uid
                })
            }
            Change::Deleted(account) => self.secrets_of(account, |_| true),
        }
    }

    fn secrets_of(&self, account: Object, wanted: impl Fn(&Owner) -> bool) -> Vec<Key> {
        let namespace = account.metadata.namespace;
        let names = self.by_account.get(&(namespace.clone(), account.metadata.name));
        let is_wanted = |name: &&String| {
            self.secrets
                .get(&(namespace.clone(), (*name).clone()))
                .is_some_and(&wanted)
        };
        let names = names.into_iter().flatten().filter(is_wanted);
        names
            .map(|name| Key::Secret {
                namespace: namespace.clone(),
                name: name.clone(),
            })
            .collect()
    }

    fn learn(&mut self, name: Name, owner: Owner) -> Key {
        self.unconfirmed.remove(&name);
        if let Some(before) = self.secrets.get(&name).cloned() {
            self.unlink(&name, &before);
        }
        let (namespace, secret) = name.clone();
        self.by_account
            .entry((namespace.clone(), owner.account.clone()))
            .or_default()
            .insert(secret.clone());
        self.secrets.insert(name, owner);
        Key::Secret {
            namespace,
            name: secret,
        }
    }

    fn forget(&mut self, name: Name) -> Option<Key> {
        self.unconfirmed.remove(&name);
        let owner = self.secrets.remove(&name)?;
        self.unlink(&name, &owner);
        let (namespace, secret) = name;
        Some(Key::Reference {
            namespace,
            account: owner.account,
            account_uid: owner.account_uid,
            secret,
        })
    }

    fn unlink(&mut self, (namespace, secret): &Name, owner: &Owner) {
        let account = (namespace.clone(), owner.account.clone());
        if let Some(names) = self.by_account.get_mut(&account) {
            names.remove(secret);
            if names.is_empty() {
                self.by_account.remove(&account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(name: &str, account: &str, uid: &str) -> TokenSecret {
        let object = json!({"metadata": {"namespace": "n", "name": name, "annotations": {
            "kubernetes.io/service-account.name": account,
            "kubernetes.io/service-account.uid": uid,
            "another": "x",
        }}});
        serde_json::from_value(object).expect("a Secret")
    }

    fn account(name: &str, uid: &str) -> Object {
        serde_json::from_value(json!({"metadata": {"namespace": "n", "name": name, "uid": uid}}))
            .expect("an account")
    }

    fn look(name: &str) -> Key {
        Key::Secret {
            namespace: "n".to_owned(),
            name: name.to_owned(),
        }
    }

    fn reference(secret: &str, account: &str, uid: &str) -> Key {
        Key::Reference {
            namespace: "n".to_owned(),
            account: account.to_owned(),
            account_uid: uid.to_owned(),
            secret: secret.to_owned(),
        }
    }

    #[test]
    fn what_is_looked_at() {
        let mut state = State::default();
        assert_eq!(state.secret(Change::Listing), []);
        assert_eq!(
            state.secret(Change::Applied(secret("a", "app", "u1"))),
            [look("a")]
        );
        assert_eq!(state.secret(Change::Applied(secret("b", "app", ""))), [look("b")]);
        assert_eq!(
            state.secret(Change::Applied(secret("c", "other", "o1"))),
            [look("c")]
        );
        assert_eq!(state.secret(Change::Listed), []);
        assert_eq!(
            state.account(Change::Listed),
            [look("a"), look("b"), look("c")],
            "accounts may have gone unseen"
        );
        assert_eq!(state.account(Change::Applied(account("app", "u1"))), []);
        assert_eq!(
            state.account(Change::Applied(account("app", "u2"))),
            [look("a")],
            "made again"
        );
        assert_eq!(
            state.account(Change::Deleted(account("app", "u1"))),
            [look("a"), look("b")]
        );
        assert_eq!(
            state.secret(Change::Deleted(secret("a", "app", "u1"))),
            [reference("a", "app", "u1")]
        );
        assert_eq!(state.account(Change::Deleted(account("app", "u1"))), [look("b")]);
    }

    #[test]
    fn what_a_list_does_not_tell_again_is_gone() {
        let mut state = State::default();
        state.secret(Change::Applied(secret("a", "app", "u1")));
        state.secret(Change::Applied(secret("b", "app", "u1")));
        assert_eq!(state.secret(Change::Listing), []);
        assert_eq!(
            state.secret(Change::Applied(secret("b", "app", "u1"))),
            [look("b")]
        );
        assert_eq!(state.secret(Change::Listed), [reference("a", "app", "u1")]);
        assert_eq!(state.secret(Change::Listed), []);
    }

    #[test]
    fn annotations_that_change_are_followed() {
        let mut state = State::default();
        state.secret(Change::Applied(secret("a", "app", "")));
        state.secret(Change::Applied(secret("a", "other", "")));
        assert_eq!(state.account(Change::Deleted(account("app", ""))), []);
        assert_eq!(state.account(Change::Deleted(account("other", ""))), [look("a")]);
    }
}
