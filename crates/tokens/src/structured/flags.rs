use std::collections::BTreeMap;

use super::check::url_problem;
use super::issuer::{ClaimRule, Mapping};
use super::{ConfigurationError, Issuer};
use crate::jwt::Algorithm;

/// The `--oidc-*` flags of kube-apiserver, as given.
#[derive(Debug, Clone, Default)]
pub struct OidcFlags {
    /// `--oidc-issuer-url`.
    pub issuer_url: String,
    /// `--oidc-client-id`.
    pub client_id: String,
    /// `--oidc-username-claim`; empty stands for `sub`.
    pub username_claim: String,
    /// `--oidc-username-prefix`; empty stands for `<issuer>#`, or nothing when the claim is `email`; `-` for nothing.
    pub username_prefix: String,
    /// `--oidc-groups-claim`; empty: no groups.
    pub groups_claim: String,
    /// `--oidc-groups-prefix`.
    pub groups_prefix: String,
    /// `--oidc-required-claim`.
    pub required_claims: BTreeMap<String, String>,
    /// `--oidc-signing-algs`; empty stands for RS256.
    pub signing_algorithms: Vec<String>,
    /// Contents of `--oidc-ca-file`.
    pub certificate_authority: Option<String>,
}

impl Issuer {
    /// The one issuer that the flags describe.
    ///
    /// # Errors
    /// Names the flag.
    pub fn from_flags(flags: OidcFlags) -> Result<Issuer, ConfigurationError> {
        let refuse = |flag, problem: &str| ConfigurationError::Flag {
            flag,
            problem: problem.to_owned(),
        };
        if let Some(problem) = url_problem(&flags.issuer_url) {
            return Err(refuse("oidc-issuer-url", problem));
        }
        if flags.client_id.is_empty() {
            return Err(refuse(
                "oidc-client-id",
                "it must be given with --oidc-issuer-url",
            ));
        }
        let claim = Some(flags.username_claim).filter(|claim| !claim.is_empty());
        let claim = claim.unwrap_or_else(|| "sub".to_owned());
        let prefix = match flags.username_prefix.as_str() {
            "-" => String::new(),
            "" if claim == "email" => String::new(),
            "" => format!("{}#", flags.issuer_url),
            given => given.to_owned(),
        };
        let mut algorithms = Vec::new();
        for name in &flags.signing_algorithms {
            let algorithm = Algorithm::from_name(name);
            let problem = "it must name RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384 or PS512";
            algorithms.push(algorithm.ok_or_else(|| refuse("oidc-signing-algs", problem))?);
        }
        if algorithms.is_empty() {
            algorithms.push(Algorithm::Rs256);
        }
        Ok(Issuer {
            discovery_url: super::check::default_discovery_url(&flags.issuer_url),
            url: flags.issuer_url,
            certificate_authority: flags.certificate_authority,
            audiences: vec![flags.client_id],
            algorithms,
            claim_rules: flags
                .required_claims
                .into_iter()
                .map(|(claim, value)| ClaimRule::Equals { claim, value })
                .collect(),
            username: Mapping::Claim { claim, prefix },
            groups: (!flags.groups_claim.is_empty()).then_some(Mapping::Claim {
                claim: flags.groups_claim,
                prefix: flags.groups_prefix,
            }),
            uid: None,
            extra: Vec::new(),
            user_rules: Vec::new(),
        })
    }
}
