//! The kubeconfig that names the webhook.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Where records go, and who says so.
#[derive(Clone, Default)]
pub struct WebhookTarget {
    /// `http://` or `https://`, with port and path.
    pub url: String,
    /// PEM of the authorities that the server's certificate is checked against; needed for `https://`.
    pub certificate_authority: Vec<u8>,
    /// The name in the server's certificate, if not that in the URL.
    pub server_name: Option<String>,
    /// PEM of the client's certificate and key.
    pub client_certificate: Option<(Vec<u8>, Vec<u8>)>,
    /// Sent as bearer token.
    pub token: Option<String>,
}

impl std::fmt::Debug for WebhookTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookTarget")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a webhook's kubeconfig, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("audit webhook kubeconfig: {0}")]
pub struct KubeconfigError(String);

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    users: Vec<NamedUser>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    current_context: String,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    #[serde(default)]
    user: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    tls_server_name: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
}

/// The last five are known so that they can be refused rather than passed over.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    username: Option<serde::de::IgnoredAny>,
    password: Option<serde::de::IgnoredAny>,
    exec: Option<serde::de::IgnoredAny>,
    auth_provider: Option<serde::de::IgnoredAny>,
}

impl WebhookTarget {
    /// Reads a kubeconfig: its current context, or the only one. Files it names are read relative to its own directory.
    ///
    /// # Errors
    /// One sentence that names the line or the field.
    pub fn from_kubeconfig_file(path: &Path) -> Result<Self, KubeconfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| KubeconfigError(format!("{}: {error}", path.display())))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        Self::from_kubeconfig(&text, directory)
    }

    /// As [`WebhookTarget::from_kubeconfig_file`], from text.
    ///
    /// # Errors
    /// As there.
    pub fn from_kubeconfig(text: &str, directory: &Path) -> Result<Self, KubeconfigError> {
        let file: File = serde_saphyr::from_str(text).map_err(|error| {
            let place = error.location();
            let place = place.map_or_else(String::new, |place| format!("line {}: ", place.line()));
            let message = error.without_snippet().to_string();
            KubeconfigError(format!("{place}{}", message.lines().next().unwrap_or_default()))
        })?;
        let (cluster, user) = file.chosen()?;
        let url = cluster.server.clone();
        let is_https = url.starts_with("https://");
        if !is_https && !url.starts_with("http://") {
            return Err(KubeconfigError(format!(
                "server `{url}` must begin with https:// or http://"
            )));
        }
        if cluster.insecure_skip_tls_verify {
            let message = "insecure-skip-tls-verify is not supported: name the certificate-authority instead";
            return Err(KubeconfigError(message.to_owned()));
        }
        let reader = Reader { directory };
        let authority = reader.data_or_file(
            "certificate-authority",
            cluster.certificate_authority_data.as_deref(),
            cluster.certificate_authority.as_deref(),
        )?;
        if is_https && authority.is_none() {
            return Err(KubeconfigError(
                "an https:// server needs a certificate-authority".to_owned(),
            ));
        }
        Ok(Self {
            url,
            certificate_authority: authority.unwrap_or_default(),
            server_name: cluster.tls_server_name.clone(),
            client_certificate: reader.client_certificate(user)?,
            token: reader.token(user)?,
        })
    }
}

impl File {
    fn chosen(&self) -> Result<(&Cluster, &User), KubeconfigError> {
        static NOBODY: User = User {
            client_certificate: None,
            client_certificate_data: None,
            client_key: None,
            client_key_data: None,
            token: None,
            token_file: None,
            username: None,
            password: None,
            exec: None,
            auth_provider: None,
        };
        let missing = |what: &str, name: &str| KubeconfigError(format!("there is no {what} named `{name}`"));
        let context = match (self.current_context.as_str(), self.contexts.as_slice()) {
            ("", [only]) => &only.context,
            ("", _) => return Err(KubeconfigError("current-context is missing".to_owned())),
            (name, contexts) => {
                let found = contexts.iter().find(|context| context.name == name);
                &found.ok_or_else(|| missing("context", name))?.context
            }
        };
        let cluster = self
            .clusters
            .iter()
            .find(|cluster| cluster.name == context.cluster);
        let cluster = cluster.ok_or_else(|| missing("cluster", &context.cluster))?;
        if context.user.is_empty() {
            return Ok((&cluster.cluster, &NOBODY));
        }
        let user = self.users.iter().find(|user| user.name == context.user);
        let user = user.ok_or_else(|| missing("user", &context.user))?.user.as_ref();
        let user = user.unwrap_or(&NOBODY);
        let refused = [
            ("username", user.username.is_some()),
            ("password", user.password.is_some()),
            ("exec", user.exec.is_some()),
            ("auth-provider", user.auth_provider.is_some()),
        ];
        match refused.iter().find(|(_, present)| *present) {
            Some((field, _)) => Err(KubeconfigError(format!(
                "{field} is not supported: use a client certificate or a token"
            ))),
            None => Ok((&cluster.cluster, user)),
        }
    }
}

struct Reader<'a> {
    directory: &'a Path,
}

impl Reader<'_> {
    fn data_or_file(
        &self,
        field: &str,
        data: Option<&str>,
        file: Option<&Path>,
    ) -> Result<Option<Vec<u8>>, KubeconfigError> {
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            let decoded = STANDARD.decode(data);
            return decoded
                .map(Some)
                .map_err(|_| KubeconfigError(format!("{field}-data is not base64")));
        }
        let Some(file) = file else {
            return Ok(None);
        };
        let path = self.directory.join(file);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => Err(KubeconfigError(format!("{field} {}: {error}", path.display()))),
        }
    }

    fn client_certificate(&self, user: &User) -> Result<Option<(Vec<u8>, Vec<u8>)>, KubeconfigError> {
        let data = user.client_certificate_data.as_deref();
        let certificate =
            self.data_or_file("client-certificate", data, user.client_certificate.as_deref())?;
        let data = user.client_key_data.as_deref();
        let key = self.data_or_file("client-key", data, user.client_key.as_deref())?;
        match (certificate, key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(KubeconfigError("client-certificate has no client-key".to_owned())),
            (None, Some(_)) => Err(KubeconfigError("client-key has no client-certificate".to_owned())),
        }
    }

    fn token(&self, user: &User) -> Result<Option<String>, KubeconfigError> {
        if let Some(token) = user.token.as_ref().filter(|token| !token.is_empty()) {
            return Ok(Some(token.clone()));
        }
        let bytes = self.data_or_file("tokenFile", None, user.token_file.as_deref())?;
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        let text =
            String::from_utf8(bytes).map_err(|_| KubeconfigError("tokenFile is not text".to_owned()))?;
        Ok(Some(text.trim().to_owned()))
    }
}
