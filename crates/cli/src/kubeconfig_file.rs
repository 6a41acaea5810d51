//! The text of a kubeconfig, and the little that is read back from one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What a kubeconfig needs to say.
#[derive(Clone, Copy)]
pub struct Kubeconfig<'a> {
    /// The server's URL.
    pub server: &'a str,
    /// What the client trusts, PEM.
    pub certificate_authority: &'a str,
    /// The user's name.
    pub user: &'a str,
    /// The user's certificate, PEM.
    pub certificate: &'a str,
    /// Its private key, PEM.
    pub key: &'a str,
}

impl Kubeconfig<'_> {
    /// The file's text: one cluster, one user, one context, certificates embedded.
    pub fn text(&self) -> String {
        let (server, user) = (quoted(self.server), quoted(self.user));
        let context = quoted(&format!("{}@strongroom", self.user));
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             clusters:\n\
             - name: strongroom\n  \
               cluster:\n    \
                 server: {server}\n    \
                 certificate-authority-data: {ca}\n\
             users:\n\
             - name: {user}\n  \
               user:\n    \
                 client-certificate-data: {certificate}\n    \
                 client-key-data: {key}\n\
             contexts:\n\
             - name: {context}\n  \
               context:\n    \
                 cluster: strongroom\n    \
                 user: {user}\n\
             current-context: {context}\n\
             preferences: {{}}\n",
            ca = STANDARD.encode(self.certificate_authority),
            certificate = STANDARD.encode(self.certificate),
            key = STANDARD.encode(self.key),
        )
    }
}

/// The server's URL and the CA in a kubeconfig that Strongroom wrote.
pub struct Cluster {
    /// The server's URL.
    pub server: String,
    /// What the client trusts, PEM.
    pub certificate_authority: String,
}

/// Reads the first cluster of a kubeconfig; `None` if it has none in the form that Strongroom writes.
pub fn cluster_in(text: &str) -> Option<Cluster> {
    let config: Value = serde_saphyr::from_str(text).ok()?;
    let cluster = config.pointer("/clusters/0/cluster")?;
    let ca = cluster.get("certificate-authority-data")?.as_str()?;
    Some(Cluster {
        server: cluster.get("server")?.as_str()?.to_owned(),
        certificate_authority: String::from_utf8(STANDARD.decode(ca).ok()?).ok()?,
    })
}

/// A JSON string is a YAML string, whatever it holds.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample<'a>(server: &'a str, user: &'a str) -> Kubeconfig<'a> {
        Kubeconfig {
            server,
            certificate_authority: "CA",
            user,
            certificate: "CERT",
            key: "KEY",
        }
    }

    #[test]
    fn the_text_is_what_kubectl_reads() {
        let expected = r#"apiVersion: v1
kind: Config
clusters:
- name: strongroom
  cluster:
    server: "https://127.0.0.1:6443"
    certificate-authority-data: Q0E=
users:
- name: "alice"
  user:
    client-certificate-data: Q0VSVA==
    client-key-data: S0VZ
contexts:
- name: "alice@strongroom"
  context:
    cluster: strongroom
    user: "alice"
current-context: "alice@strongroom"
preferences: {}
"#;
        assert_eq!(sample("https://127.0.0.1:6443", "alice").text(), expected);
    }

    #[test]
    fn any_name_survives_yaml() {
        for (server, user) in [
            ("https://[::1]:6443", "system:kube-scheduler"),
            ("https://example.com", "no"),
            ("https://a:1", "x: y # \"z\"\n- {"),
            ("https://a:1", "12"),
            ("https://a:1", "jörg"),
        ] {
            let text = sample(server, user).text();
            let config: Value = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(config.pointer("/users/0/name"), Some(&json!(user)), "{text}");
            assert_eq!(
                config.pointer("/contexts/0/context/user"),
                Some(&json!(user)),
                "{text}"
            );
            assert_eq!(config["current-context"], config["contexts"][0]["name"], "{text}");
            let cluster = cluster_in(&text).unwrap();
            assert_eq!(
                (cluster.server.as_str(), cluster.certificate_authority.as_str()),
                (server, "CA")
            );
        }
    }
}
