//! What containerd is told.

use std::path::{Path, PathBuf};

use serde_json::json;

/// The image that holds a pod's namespaces.
pub const PAUSE_IMAGE: &str = "registry.k8s.io/pause:3.10";

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Directories with `containerd`, `containerd-shim-runc-v2`, `ctr` and `runc`.
    pub directories: Vec<PathBuf>,
    /// The directory with the CNI plugins.
    pub cni: PathBuf,
    /// A statically linked busybox: the pause image is made of it, and so are the images of tests.
    pub busybox: PathBuf,
}

impl Programs {
    /// As Debian's packages lay them out below `root` (`dpkg -x`).
    pub fn unpacked_at(root: &Path) -> Programs {
        Programs {
            directories: ["usr/bin", "usr/sbin", "bin"]
                .map(|part| root.join(part))
                .to_vec(),
            cni: root.join("usr/lib/cni"),
            busybox: root.join("bin/busybox"),
        }
    }

    /// The path of a program, if it is there.
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        self.directories
            .iter()
            .map(|directory| directory.join(program))
            .find(|path| path.is_file())
    }
}

/// The network of pods.
#[derive(Debug, Clone)]
pub struct Network {
    /// Name of the bridge, at most 15 characters. Two containerds need two.
    pub bridge: String,
    /// IPv4 range of the pods, such as `10.88.0.0/24`; the bridge has its first address.
    pub subnet: String,
}

impl Default for Network {
    fn default() -> Self {
        Network {
            bridge: "strongroom0".to_owned(),
            subnet: "10.244.0.0/24".to_owned(),
        }
    }
}

/// Places below the directory of one containerd.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub root: PathBuf,
    pub state: PathBuf,
    pub socket: PathBuf,
    pub config: PathBuf,
    pub cni: PathBuf,
    pub addresses: PathBuf,
    pub registries: PathBuf,
    pub log: PathBuf,
}

impl Layout {
    pub fn in_directory(directory: &Path) -> Layout {
        Layout {
            root: directory.join("root"),
            state: directory.join("state"),
            socket: directory.join("containerd.sock"),
            config: directory.join("config.toml"),
            cni: directory.join("net.d"),
            addresses: directory.join("addresses"),
            registries: directory.join("certs.d"),
            log: directory.join("containerd.log"),
        }
    }
}

/// The text of `config.toml`.
///
/// `restrict_oom_score_adj`: without CAP_SYS_RESOURCE no process may lower its score, and every sandbox would fail.
pub(crate) fn config_toml(layout: &Layout, programs: &Programs, runc: &Path, snapshotter: &str) -> String {
    let text = |path: &Path| json!(path.display().to_string()).to_string();
    format!(
        r#"version = 2
root = {root}
state = {state}
oom_score = 0
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]

[grpc]
  address = {socket}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true
  disable_hugetlb_controller = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = {cni_programs}
    conf_dir = {cni}
    max_conf_num = 1
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = {registries}
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = {runc}
        SystemdCgroup = false
"#,
        root = text(&layout.root),
        state = text(&layout.state),
        socket = text(&layout.socket),
        cni_programs = text(&programs.cni),
        cni = text(&layout.cni),
        registries = text(&layout.registries),
        runc = text(runc),
    )
}

/// The text of the CNI configuration. Masquerading and host ports need iptables.
pub(crate) fn conflist(layout: &Layout, network: &Network, has_iptables: bool) -> String {
    let mut plugins = vec![json!({
        "type": "bridge",
        "bridge": network.bridge,
        "isGateway": true,
        "ipMasq": has_iptables,
        "hairpinMode": true,
        "ipam": {
            "type": "host-local",
            "dataDir": layout.addresses,
            "ranges": [[{ "subnet": network.subnet }]],
            "routes": [{ "dst": "0.0.0.0/0" }],
        },
    })];
    if has_iptables {
        plugins.push(json!({ "type": "portmap", "capabilities": { "portMappings": true } }));
    }
    json!({ "cniVersion": "1.0.0", "name": network.bridge, "plugins": plugins }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_below_the_directory() {
        let layout = Layout::in_directory(Path::new("/d"));
        let programs = Programs::unpacked_at(Path::new("/tools"));
        let text = config_toml(&layout, &programs, Path::new("/tools/usr/bin/runc"), "native");
        for line in [
            r#"root = "/d/root""#,
            r#"state = "/d/state""#,
            r#"  address = "/d/containerd.sock""#,
            r#"    snapshotter = "native""#,
            r#"    bin_dir = "/tools/usr/lib/cni""#,
            r#"  sandbox_image = "registry.k8s.io/pause:3.10""#,
            "  restrict_oom_score_adj = true",
        ] {
            assert!(text.lines().any(|had| had == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn host_ports_only_with_iptables() {
        let layout = Layout::in_directory(Path::new("/d"));
        for has_iptables in [false, true] {
            let text = conflist(&layout, &Network::default(), has_iptables);
            assert_eq!(text.contains("portmap"), has_iptables);
            assert_eq!(text.contains(r#""ipMasq":true"#), has_iptables);
        }
    }
}
