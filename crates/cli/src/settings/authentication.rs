//! Who is believed to be whom, and who may do what: named as kube-apiserver names them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use strongroom_access::FrontProxyHeaders;

use crate::duration;
use crate::tls::FrontProxySettings;

/// How callers prove who they are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Authentication and authorization")]
pub struct AuthenticationSettings {
    /// Whether requests without credentials are taken, as user system:anonymous
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub anonymous_auth: bool,

    /// Certificates of the CAs of proxies in front, PEM. Whom such a proxy names in its headers is believed
    #[arg(long, value_name = "FILE")]
    pub requestheader_client_ca_file: Option<PathBuf>,

    /// Common names of proxies in front [default: any that the CA has certified]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub requestheader_allowed_names: Vec<String>,

    /// Headers in which proxies name the user
    #[arg(
        long,
        value_name = "HEADERS",
        value_delimiter = ',',
        default_value = "X-Remote-User"
    )]
    pub requestheader_username_headers: Vec<String>,

    /// Headers in which proxies give the user's uid
    #[arg(
        long,
        value_name = "HEADERS",
        value_delimiter = ',',
        default_value = "X-Remote-Uid"
    )]
    pub requestheader_uid_headers: Vec<String>,

    /// Headers in which proxies name the user's groups
    #[arg(
        long,
        value_name = "HEADERS",
        value_delimiter = ',',
        default_value = "X-Remote-Group"
    )]
    pub requestheader_group_headers: Vec<String>,

    /// What the headers with further facts about the user begin with
    #[arg(
        long,
        value_name = "PREFIXES",
        value_delimiter = ',',
        default_value = "X-Remote-Extra-"
    )]
    pub requestheader_extra_headers_prefix: Vec<String>,

    /// Which authorizers are asked, in this order. The only ones there are: Node and RBAC
    #[arg(
        long,
        value_name = "MODES",
        value_delimiter = ',',
        default_value = "Node,RBAC"
    )]
    pub authorization_mode: Vec<String>,

    /// Fixed bearer tokens, CSV: token,user,uid,"group1,group2"
    #[arg(long, value_name = "FILE")]
    pub token_auth_file: Option<PathBuf>,

    /// Whether Secrets of type bootstrap.kubernetes.io/token in kube-system are bearer tokens
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub enable_bootstrap_token_auth: bool,

    /// Issuers of JWTs that are believed, and how their claims become users: an AuthenticationConfiguration
    #[arg(long, value_name = "FILE", conflicts_with = "oidc_issuer_url")]
    pub authentication_config: Option<PathBuf>,

    /// One issuer of JWTs that is believed, https://…
    #[arg(long, value_name = "URL", requires = "oidc_client_id")]
    pub oidc_issuer_url: Option<String>,

    /// The audience that the issuer's tokens must be for
    #[arg(long, value_name = "ID", requires = "oidc_issuer_url")]
    pub oidc_client_id: Option<String>,

    /// The claim that names the user
    #[arg(long, value_name = "CLAIM", default_value = "sub")]
    pub oidc_username_claim: String,

    /// What is put before the user's name [default: the issuer and #, unless the claim is email; - for nothing]
    #[arg(long, value_name = "TEXT")]
    pub oidc_username_prefix: Option<String>,

    /// The claim that names the user's groups
    #[arg(long, value_name = "CLAIM")]
    pub oidc_groups_claim: Option<String>,

    /// What is put before each group's name
    #[arg(long, value_name = "TEXT")]
    pub oidc_groups_prefix: Option<String>,

    /// The CA of the issuer's web server, PEM [default: the system's CAs]
    #[arg(long, value_name = "FILE")]
    pub oidc_ca_file: Option<PathBuf>,

    /// How the issuer's tokens may be signed [default: RS256]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub oidc_signing_algs: Vec<String>,

    /// A claim that tokens must have, key=value; may be given several times
    #[arg(long, value_name = "CLAIM")]
    pub oidc_required_claim: Vec<String>,

    /// The issuer named in service-account tokens; when given several times, the first signs and all are believed
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://kubernetes.default.svc.cluster.local"
    )]
    pub service_account_issuer: Vec<String>,

    /// Keys that service-account tokens may be signed with, PEM, public or private; may be given several times
    /// [default: the signing key]
    #[arg(long, value_name = "FILE")]
    pub service_account_key_file: Vec<PathBuf>,

    /// The private key that signs service-account tokens, PEM [default: pki/sa.key in the data directory]
    #[arg(long, value_name = "FILE")]
    pub service_account_signing_key_file: Option<PathBuf>,

    /// Audiences that the API server answers to [default: the issuers]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub api_audiences: Vec<String>,

    /// The longest life of a service-account token that is asked for; 0 for no limit
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "0s")]
    pub service_account_max_token_expiration: Duration,

    /// Whether the tokens of pods live for a year although they say they need renewal after an hour
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub service_account_extend_token_expiration: bool,

    /// Where the keys of service-account tokens can be fetched [default: this server's /openid/v1/jwks]
    #[arg(long, value_name = "URL")]
    pub service_account_jwks_uri: Option<String>,
}

impl AuthenticationSettings {
    /// Proxies in front that are believed, if any.
    pub fn front_proxies(&self) -> Option<FrontProxySettings> {
        let ca = self.requestheader_client_ca_file.clone()?;
        let headers = FrontProxyHeaders::new(
            &self.requestheader_username_headers,
            &self.requestheader_uid_headers,
            &self.requestheader_group_headers,
            &self.requestheader_extra_headers_prefix,
        );
        Some(FrontProxySettings {
            ca,
            allowed_names: self.requestheader_allowed_names.clone(),
            headers: Arc::new(headers),
        })
    }

    /// Refuses authorizers that Strongroom does not have, above all those that allow everything.
    ///
    /// # Errors
    /// When another mode is named, or RBAC is not.
    pub fn check_authorization_mode(&self) -> anyhow::Result<()> {
        for mode in &self.authorization_mode {
            match mode.as_str() {
                "Node" | "RBAC" => {}
                "AlwaysAllow" => anyhow::bail!(
                    "--authorization-mode=AlwaysAllow would let everyone read every secret, so Strongroom does not \
                     have it; leave the flag out for Node,RBAC."
                ),
                other => anyhow::bail!(
                    "--authorization-mode={other} is not there; leave the flag out for Node,RBAC, which are."
                ),
            }
        }
        if !self.authorization_mode.iter().any(|mode| mode == "RBAC") {
            anyhow::bail!(
                "--authorization-mode needs RBAC: without it nobody but administrators could do anything."
            );
        }
        Ok(())
    }
}
