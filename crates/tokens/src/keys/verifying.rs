use std::fmt;

use aws_lc_rs::signature::ParsedPublicKey;
use rustls_pki_types::pem::SectionKind;
use strongroom_objects::{Map, Value};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::public::PublicKey;
use super::signing::{is_private, public_half, sections};
use super::{KeyError, SigningKey};
use crate::jwt::Algorithm;

/// Public keys, in the order in which they were given.
#[derive(Clone, Default)]
pub struct VerifyingKeys {
    keys: Vec<VerifyingKey>,
}

/// One key, ready for each algorithm it may be used with.
#[derive(Clone)]
pub(crate) struct VerifyingKey {
    /// Empty when its source gives none.
    pub(crate) key_id: String,
    pub(crate) algorithms: Vec<(Algorithm, ParsedPublicKey)>,
    /// What this server publishes of it; empty for outside issuers' keys.
    pub(crate) jwk: Map,
}

impl fmt::Debug for VerifyingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| &key.key_id))
            .finish()
    }
}

impl VerifyingKeys {
    /// Every key in PEM files such as those of `--service-account-key-file`: public keys, certificates, and private
    /// keys, of which the public half counts. A key given twice counts once.
    ///
    /// # Errors
    /// When a file holds no key at all, or one that is not accepted.
    pub fn from_pem<'a>(files: impl IntoIterator<Item = &'a [u8]>) -> Result<VerifyingKeys, KeyError> {
        let mut keys = VerifyingKeys::default();
        for file in files {
            let mut found = false;
            for (kind, der) in sections(file)? {
                if let Some(public) = public_key(kind, &der)? {
                    keys.add(VerifyingKey::of_service_accounts(&public)?);
                    found = true;
                }
            }
            if !found {
                return Err(KeyError::NoKey);
            }
        }
        Ok(keys)
    }

    /// The same keys and the public half of `key`, first: what the server signs it must accept.
    ///
    /// # Errors
    /// When aws-lc does not take the public key back; it does not happen for a key that was read.
    pub fn with_signing_key(mut self, key: &SigningKey) -> Result<VerifyingKeys, KeyError> {
        let own = key.verifying_key()?;
        self.keys.retain(|known| known.key_id != own.key_id);
        self.keys.insert(0, own);
        Ok(self)
    }

    pub(crate) fn of_issuer(keys: Vec<VerifyingKey>) -> VerifyingKeys {
        VerifyingKeys { keys }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a key has this `kid`.
    pub fn has(&self, key_id: &str) -> bool {
        self.keys.iter().any(|key| key.key_id == key_id)
    }

    /// The keys of `algorithm`: those named `key_id` first, then the others.
    pub(crate) fn candidates<'a>(
        &'a self,
        algorithm: Algorithm,
        key_id: &'a str,
    ) -> impl Iterator<Item = &'a ParsedPublicKey> {
        let named = move |key: &&VerifyingKey| !key_id.is_empty() && key.key_id == key_id;
        let others = self.keys.iter().filter(move |key| !named(key));
        let of_algorithm = move |key: &'a VerifyingKey| {
            let mut algorithms = key.algorithms.iter();
            algorithms.find(|(own, _)| *own == algorithm).map(|(_, key)| key)
        };
        self.keys
            .iter()
            .filter(named)
            .chain(others)
            .filter_map(of_algorithm)
    }

    /// The document of `/openid/v1/jwks` (auth.md §3.5).
    pub fn jwks(&self) -> Map {
        let keys = self
            .keys
            .iter()
            .map(|key| Value::Object(key.jwk.clone()))
            .collect();
        Map::from_iter([("keys".to_owned(), Value::Array(keys))])
    }

    /// The algorithms these keys verify service-account tokens with, sorted, each once.
    fn algorithm_names(&self) -> Vec<&'static str> {
        let names = self.keys.iter().flat_map(|key| &key.algorithms);
        let mut names: Vec<_> = names.map(|(algorithm, _)| algorithm.name()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn add(&mut self, key: VerifyingKey) {
        if !self.has(&key.key_id) {
            self.keys.push(key);
        }
    }
}

impl VerifyingKey {
    /// A key of service-account tokens: one algorithm, published under its `kid`.
    pub(super) fn of_service_accounts(public: &PublicKey) -> Result<VerifyingKey, KeyError> {
        let algorithm = public.service_account_algorithm();
        let key = ParsedPublicKey::new(algorithm.verification(), public.spki());
        Ok(VerifyingKey {
            key_id: public.key_id(),
            algorithms: vec![(algorithm, key.map_err(|_| KeyError::Unsupported)?)],
            jwk: public.jwk(),
        })
    }
}

/// The document of `/.well-known/openid-configuration` (auth.md §3.5).
pub fn openid_configuration(issuer: &str, jwks_uri: &str, keys: &VerifyingKeys) -> Map {
    let list = |texts: &[&str]| Value::from(texts.to_vec());
    Map::from_iter([
        ("issuer".to_owned(), Value::from(issuer)),
        ("jwks_uri".to_owned(), Value::from(jwks_uri)),
        ("response_types_supported".to_owned(), list(&["id_token"])),
        ("subject_types_supported".to_owned(), list(&["public"])),
        (
            "id_token_signing_alg_values_supported".to_owned(),
            list(&keys.algorithm_names()),
        ),
    ])
}

fn public_key(kind: SectionKind, der: &[u8]) -> Result<Option<PublicKey>, KeyError> {
    match kind {
        SectionKind::PublicKey => PublicKey::from_spki(der).map(Some),
        SectionKind::Certificate => {
            let (_, certificate) = X509Certificate::from_der(der).map_err(|_| KeyError::Unsupported)?;
            PublicKey::from_spki(certificate.public_key().raw).map(Some)
        }
        private if is_private(private) => public_half(private, der).map(Some),
        _ => Ok(None),
    }
}
