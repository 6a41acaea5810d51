//! What machine is this? Read once, from `/proc` and `/etc`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use k8s_openapi::api::core::v1::NodeSystemInfo;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Facts that do not change while the machine runs.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub processors: usize,
    pub memory_bytes: i64,
    pub disk_bytes: u64,
    pub info: NodeSystemInfo,
}

impl Machine {
    /// This machine; `root` is on the disk whose size counts as ephemeral storage.
    pub fn read(root: &Path, version: &str) -> Machine {
        let line = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines().next().unwrap_or_default().trim().to_owned()
        };
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let disk_bytes = rustix::fs::statvfs(root).map_or(0, |disk| disk.f_blocks * disk.f_frsize);
        Machine {
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: total_memory(&memory),
            disk_bytes,
            info: NodeSystemInfo {
                architecture: architecture().to_owned(),
                boot_id: line("/proc/sys/kernel/random/boot_id"),
                kernel_version: line("/proc/sys/kernel/osrelease"),
                kube_proxy_version: String::new(),
                kubelet_version: version.to_owned(),
                machine_id: line("/etc/machine-id"),
                operating_system: "linux".to_owned(),
                os_image: pretty_name(&release),
                system_uuid: line("/sys/class/dmi/id/product_uuid"),
                ..NodeSystemInfo::default()
            },
        }
    }

    /// `capacity`; `allocatable` is the same, because nothing is set aside.
    pub fn capacity(&self, max_pods: u32) -> BTreeMap<String, Quantity> {
        [
            ("cpu", self.processors.to_string()),
            ("memory", format!("{}Ki", self.memory_bytes / 1024)),
            ("ephemeral-storage", format!("{}Ki", self.disk_bytes / 1024)),
            ("pods", max_pods.to_string()),
        ]
        .map(|(name, amount)| (name.to_owned(), Quantity(amount)))
        .into()
    }
}

/// As Go calls it.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn total_memory(meminfo: &str) -> i64 {
    let kibibytes = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<i64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

fn pretty_name(os_release: &str) -> String {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| name.trim_matches(['"', '\'']).to_owned())
        .unwrap_or_else(|| "Linux".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel() {
        assert_eq!(
            total_memory("MemTotal:       24689504 kB\nMemFree: 1 kB\n"),
            24_689_504 * 1024
        );
        assert_eq!(total_memory("nothing"), 0);
        for (text, expect) in [
            ("ID=debian\nPRETTY_NAME=\"Debian 12\"\n", "Debian 12"),
            ("PRETTY_NAME='x'\n", "x"),
            ("", "Linux"),
        ] {
            assert_eq!(pretty_name(text), expect);
        }
    }
}
