//! A node of our own: a containerd, and `strongroom node` in a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use serde_json::{Value, json};
use strongroom_containerd::{Containerd, Image, Network, Options, Programs};
use strongroom_cri::Runtime;
use strongroom_cri::messages::sandbox::PodSandboxFilter;

use crate::requests;
use crate::scenarios::Setting;
use crate::server::{self, Server};

/// The image of all pods; nothing pulls it.
pub const IMAGE: &str = "docker.io/library/busybox:1.37";
/// Where `cargo xtask tools` unpacks what containers need.
const PROGRAMS: &str = "target/tools/runtime";
const NETWORK: (&str, &str) = ("sr-bench", "10.140.0.0/16");
const PATIENCE: Duration = Duration::from_secs(60);

/// A containerd; it and all its containers end when dropped.
pub struct Containers {
    containerd: Containerd,
}

impl Containers {
    /// Starts it, below the scratch directory, on all cores.
    pub fn start(setting: &Setting) -> Result<Self> {
        let missing = "there is no container runtime: `cargo xtask tools` unpacks one";
        let programs = Programs::unpacked_at(&fs::canonicalize(PROGRAMS).context(missing)?);
        let directory = fs::canonicalize(&setting.scratch)?.join("run/bench");
        fs::create_dir_all(&directory)?;
        let containerd = Containerd::start(&Options {
            directory,
            programs: programs.clone(),
            network: Network {
                bridge: NETWORK.0.to_owned(),
                subnet: NETWORK.1.to_owned(),
            },
            ends_with_parent: true,
        })
        .context("starting containerd, which needs root")?;
        let everywhere = Command::new("taskset")
            .args(["--all-tasks", "--cpu-list", "--pid", &all_cores()])
            .arg(containerd.pid().to_string())
            .stdout(Stdio::null())
            .status()?;
        ensure!(everywhere.success(), "taskset cannot move containerd");
        if !containerd.has_image(IMAGE)? {
            containerd.import(&Image::busybox(&programs.busybox, &[IMAGE])?)?;
        }
        Ok(Self { containerd })
    }

    /// For calls of the runtime.
    pub fn runtime(&self) -> Result<Runtime> {
        Ok(Runtime::at(&self.containerd.endpoint())?)
    }

    /// Ends all pods.
    pub async fn clear(&self) -> Result<()> {
        let runtime = self.runtime()?;
        for sandbox in runtime.list_pod_sandboxes(PodSandboxFilter::default()).await? {
            runtime.stop_pod_sandbox(&sandbox.id).await?;
            runtime.remove_pod_sandbox(&sandbox.id).await?;
        }
        Ok(())
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        self.containerd.stop();
    }
}

fn all_cores() -> String {
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    match online.trim() {
        "" => "0-1".to_owned(),
        online => online.to_owned(),
    }
}

/// A `strongroom node`; killed when dropped, and what it has mounted is unmounted.
pub struct Node {
    child: Child,
    directory: PathBuf,
}

impl Node {
    /// Starts it and waits until it is ready.
    pub async fn start(server: &Server, containers: &Containers, setting: &Setting) -> Result<Self> {
        let name = "bench-node";
        let directory = fs::canonicalize(server.data_directory())?.join("node");
        fs::create_dir_all(&directory)?;
        let kubeconfig = directory.join("kubeconfig");
        fs::write(&kubeconfig, kubeconfig_of(server, name)?.to_string())?;
        let log = fs::File::create(directory.join("node.log"))?;
        let child = Command::new("taskset")
            .args(["--cpu-list", &all_cores()])
            .arg(&setting.server)
            .arg("node")
            .args(["--node-name", name, "--port", "0"])
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .arg("--root-dir")
            .arg(directory.join("root"))
            .arg("--pod-logs-dir")
            .arg(directory.join("logs"))
            .arg("--container-runtime-endpoint")
            .arg(containers.containerd.endpoint())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting the node with taskset")?;
        let mut node = Self { child, directory };
        let path = format!("/api/v1/nodes/{name}");
        let began = Instant::now();
        while !is_ready(server, &path).await {
            if began.elapsed() > PATIENCE || node.child.try_wait()?.is_some() {
                let log = fs::read_to_string(node.directory.join("node.log")).unwrap_or_default();
                bail!("the node is not ready; it said:\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(node)
    }

    /// Resident memory in bytes, with what is shared.
    pub fn resident(&self) -> Result<u64> {
        server::resident_of(self.child.id())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for point in points.filter(|point| Path::new(point).starts_with(&self.directory)) {
            let _ = Command::new("umount").args(["-l", point]).status();
        }
    }
}

async fn is_ready(server: &Server, path: &str) -> bool {
    let Ok(body) = server.expect(&requests::get(path, "application/json")).await else {
        return false;
    };
    let node: Value = serde_json::from_slice(&body).unwrap_or_default();
    let conditions = node["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// A kubeconfig with a certificate of the cluster's CA. YAML takes JSON.
fn kubeconfig_of(server: &Server, name: &str) -> Result<Value> {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let (certificate, key) = certificate_of(server, name)?;
    let authority = fs::read_to_string(server.pki().join("ca.crt"))?;
    let address = format!("https://{}", server.access.address);
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {
            "server": address, "certificate-authority-data": encode(&authority),
        }}],
        "users": [{"name": "u", "user": {
            "client-certificate-data": encode(&certificate), "client-key-data": encode(&key),
        }}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }))
}

/// A node's certificate and its key, PEM.
pub fn certificate_of(server: &Server, node: &str) -> Result<(String, String)> {
    let read = |name: &str| fs::read_to_string(server.pki().join(name));
    let authority = Issuer::from_ca_cert_pem(&read("ca.crt")?, KeyPair::from_pem(&read("ca.key")?)?)?;
    let mut wanted = CertificateParams::default();
    wanted.distinguished_name = rcgen::DistinguishedName::new();
    let name = &mut wanted.distinguished_name;
    name.push(DnType::OrganizationName, "system:nodes");
    name.push(DnType::CommonName, format!("system:node:{node}"));
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let certificate = wanted.signed_by(&key, &authority)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
