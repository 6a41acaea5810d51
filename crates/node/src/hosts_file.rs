//! A pod's `/etc/hosts`.

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::Pod;
use strongroom_node_plan::pod;

const HEADER: &str = "# Kubernetes-managed hosts file.\n";
const HOST_HEADER: &str = "# Kubernetes-managed hosts file (host network).\n";
const LOCAL: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
                     fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";

/// The file's text. `host` is the machine's own file, for pods on its network.
pub(crate) fn text(pod: &Pod, hostname: &str, addresses: &[String], host: &str) -> String {
    let mut text = String::new();
    if pod::host_network(pod) {
        text.push_str(HOST_HEADER);
        text.push_str(host);
    } else {
        text.push_str(HEADER);
        text.push_str(LOCAL);
        let spec = pod.spec.as_ref();
        let subdomain = spec
            .and_then(|spec| spec.subdomain.as_deref())
            .unwrap_or_default();
        for address in addresses {
            let _ = if subdomain.is_empty() {
                writeln!(text, "{address}\t{hostname}")
            } else {
                let namespace = pod::namespace(pod);
                writeln!(
                    text,
                    "{address}\t{hostname}.{subdomain}.{namespace}.svc.cluster.local\t{hostname}"
                )
            };
        }
    }
    let aliases = pod.spec.as_ref().and_then(|spec| spec.host_aliases.as_deref());
    if let Some(aliases) = aliases.filter(|aliases| !aliases.is_empty()) {
        text.push_str("\n# Entries added by HostAliases.\n");
        for alias in aliases {
            let names = alias.hostnames.as_deref().unwrap_or_default().join("\t");
            let _ = writeln!(text, "{}\t{names}", alias.ip);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn own_address_and_aliases() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "spec": {"containers": [], "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]},
        }))
        .unwrap();
        let text = text(&pod, "p", &["10.0.0.2".to_owned()], "");
        assert!(text.starts_with("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"));
        assert!(text.ends_with("10.0.0.2\tp\n\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n"));
    }
}
