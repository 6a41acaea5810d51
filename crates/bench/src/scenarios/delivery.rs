//! Into the hands of pods: from a Secret's change to its new bytes in the container, from a pod's creation to its
//! running, and what the node's agent takes, on a real containerd.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use strongroom_cri::Runtime;
use strongroom_cri::messages::container::{ContainerConfig, ContainerMetadata, LinuxContainerConfig};
use strongroom_cri::messages::image::ImageSpec;
use strongroom_cri::messages::sandbox::{LinuxPodSandboxConfig, PodSandboxConfig, PodSandboxMetadata};

use crate::figure::{Figure, Target};
use crate::histogram::Histogram;
use crate::http1::Connection;
use crate::node::{Containers, IMAGE, Node};
use crate::requests;
use crate::scenarios::{MEBIBYTE, Setting, milliseconds};
use crate::server::Server;

const PODS: usize = 100;
/// Pods that come later, and how many Secrets each of them mounts: a thousand with those of the first hundred.
const LARGE_PODS: usize = 9;
const SECRETS_OF_A_LARGE_POD: usize = 100;
/// Changes in one run.
const CHANGES: usize = 300;
/// Pods that are started for the comparison with the runtime.
const STARTS: usize = 7;
const POLL: Duration = Duration::from_micros(50);
const PATIENCE: Duration = Duration::from_secs(60);
/// The argument of `sleep` by which a pod's process is found.
const FIRST_SLEEP: usize = 70_000_000;

pub async fn measure(setting: &Setting) -> Result<Vec<Figure>> {
    let containers = Containers::start(setting)?;
    containers.clear().await?;
    let measured = measure_with(setting, &containers).await;
    containers.clear().await?;
    measured
}

async fn measure_with(setting: &Setting, containers: &Containers) -> Result<Vec<Figure>> {
    let server = Server::fresh(setting).await?;
    let node = Node::start(&server, containers, setting).await?;
    let mut api = Api {
        connection: Connection::open(&server.access).await?,
    };
    let mut figures = starts(&mut api, containers).await?;
    let mut mounted = Vec::new();
    for pod in 0..PODS {
        mounted.extend(api.make_pod(pod, 1).await?);
    }
    let mut files = files_of(&mut api, mounted).await?;
    let idle = node.resident()? as f64 / MEBIBYTE;
    figures.extend(changes(&mut api, &files, setting.runs, "100 pods", (5.0, 25.0)).await?);
    let busy = node.resident()? as f64 / MEBIBYTE;
    figures.push(
        Figure::new(
            "node agent, resident with 100 pods",
            "MiB",
            Target::AtMost(40.0),
            &[busy],
        )
        .note(format!("before the changes {idle:.1}")),
    );
    let mut more = Vec::new();
    for pod in PODS..PODS + LARGE_PODS {
        more.extend(api.make_pod(pod, SECRETS_OF_A_LARGE_POD).await?);
    }
    files.extend(files_of(&mut api, more).await?);
    ensure!(files.len() == 1000, "{} Secrets are mounted", files.len());
    figures.extend(
        changes(
            &mut api,
            &files,
            setting.runs,
            "1,000 mounted Secrets",
            (100.0, 100.0),
        )
        .await?,
    );
    Ok(figures)
}

/// A Secret, and where a container sees it.
struct Mounted {
    secret: String,
    pod: usize,
    path: String,
}

/// The file of a Secret as the container sees it.
struct Seen {
    secret: String,
    file: PathBuf,
}

struct Api {
    connection: Connection,
}

impl Api {
    async fn send(&mut self, method: &str, path: &str, body: &Value) -> Result<()> {
        let kind = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = requests::with_body(method, path, kind, &body.to_string());
        let (status, answer) = self.connection.fetch(&request).await?;
        ensure!(
            (200..300).contains(&status),
            "{method} {path} is answered {status}: {}",
            String::from_utf8_lossy(&answer)
        );
        Ok(())
    }

    async fn get(&mut self, path: &str) -> Result<Option<Value>> {
        let (status, body) = self
            .connection
            .fetch(&requests::get(path, "application/json"))
            .await?;
        Ok((status == 200)
            .then(|| serde_json::from_slice(&body))
            .transpose()?)
    }

    /// A pod that sleeps, with so many Secrets.
    async fn make_pod(&mut self, number: usize, secrets: usize) -> Result<Vec<Mounted>> {
        let mut mounted = Vec::new();
        let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
        for secret in 0..secrets {
            let name = format!("s-{number}-{secret}");
            let body = json!({"metadata": {"name": name}, "stringData": {"k": "first"}});
            self.send("POST", &requests::secrets("bench"), &body).await?;
            let path = format!("/v/{secret}");
            volumes.push(json!({"name": name, "secret": {"secretName": name}}));
            mounts.push(json!({"name": name, "mountPath": path}));
            mounted.push(Mounted {
                secret: name,
                pod: number,
                path: format!("{path}/k"),
            });
        }
        let pod = json!({
            "metadata": {"name": format!("p-{number}")},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "volumes": volumes,
                "containers": [{
                    "name": "c", "image": IMAGE, "volumeMounts": mounts,
                    "command": ["sleep", (FIRST_SLEEP + number).to_string()],
                }],
            },
        });
        self.send("POST", PODS_PATH, &pod).await?;
        Ok(mounted)
    }

    async fn until_running(&mut self, number: usize) -> Result<()> {
        let path = format!("{PODS_PATH}/p-{number}");
        let began = Instant::now();
        loop {
            let pod = self.get(&path).await?.context("the pod is gone")?;
            if pod["status"]["phase"] == "Running" {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                bail!("pod {number} does not run: {}", pod["status"]);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

const PODS_PATH: &str = "/api/v1/namespaces/bench/pods";

/// Waits until the pods run, and finds the files in their containers.
async fn files_of(api: &mut Api, mounted: Vec<Mounted>) -> Result<Vec<Seen>> {
    let mut files = Vec::with_capacity(mounted.len());
    let mut root = (usize::MAX, PathBuf::new());
    for Mounted { secret, pod, path } in mounted {
        if root.0 != pod {
            api.until_running(pod).await?;
            root = (pod, root_of(pod)?);
        }
        let file = root.1.join(path.trim_start_matches('/'));
        ensure!(fs::read(&file)? == b"first", "{} is wrong", file.display());
        files.push(Seen { secret, file });
    }
    Ok(files)
}

/// The root of the pod's container, as a process outside sees it.
fn root_of(pod: usize) -> Result<PathBuf> {
    let command = format!("sleep\0{}\0", FIRST_SLEEP + pod);
    for process in fs::read_dir("/proc")?.flatten() {
        let path = process.path();
        if fs::read(path.join("cmdline")).is_ok_and(|line| line == command.as_bytes()) {
            return Ok(path.join("root"));
        }
    }
    bail!("no process of pod {pod}")
}

/// Changes one Secret after the other; `targets` are of the median and the 99th percentile, in milliseconds.
async fn changes(
    api: &mut Api,
    files: &[Seen],
    runs: usize,
    what: &str,
    targets: (f64, f64),
) -> Result<Vec<Figure>> {
    let (mut medians, mut tails) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let mut times = Histogram::default();
        for change in 0..CHANGES {
            // A prime stride, so that neighbours do not share a pod.
            let seen = &files[(change * 37 + run) % files.len()];
            let value = format!("{run}-{change}");
            let path = format!("{}/{}", requests::secrets("bench"), seen.secret);
            api.send("PATCH", &path, &json!({"stringData": {"k": value}}))
                .await?;
            times.record(until_seen(&seen.file, value.as_bytes())?);
        }
        medians.push(milliseconds(times.percentile(50.0)));
        tails.push(milliseconds(times.percentile(99.0)));
    }
    Ok(vec![
        Figure::new(
            format!("change acknowledged → new bytes in the container, {what}: p50"),
            "ms",
            Target::AtMost(targets.0),
            &medians,
        ),
        Figure::new("  p99", "ms", Target::AtMost(targets.1), &tails),
    ])
}

fn until_seen(file: &Path, value: &[u8]) -> Result<Duration> {
    let began = Instant::now();
    loop {
        let now = fs::read(file).with_context(|| format!("{} is missing", file.display()))?;
        if now == value {
            return Ok(began.elapsed());
        }
        if began.elapsed() > Duration::from_secs(10) {
            bail!("{} does not change", file.display());
        }
        std::thread::sleep(POLL);
    }
}

/// What a pod's start takes beside what the runtime takes for the same, in turn.
async fn starts(api: &mut Api, containers: &Containers) -> Result<Vec<Figure>> {
    let runtime = containers.runtime()?;
    let (mut pods, mut bare) = (Vec::new(), Vec::new());
    // The first of each fills caches.
    for round in 0..=STARTS {
        let number = 10_000 + round;
        let began = Instant::now();
        api.make_pod(number, 1).await?;
        api.until_running(number).await?;
        let pod = began.elapsed();
        let path = format!("{PODS_PATH}/p-{number}");
        api.send("DELETE", &path, &json!({"gracePeriodSeconds": 0}))
            .await?;
        let runtime = start_bare(&runtime, number).await?;
        containers.clear().await?;
        if round > 0 {
            pods.push(milliseconds(pod));
            bare.push(milliseconds(runtime));
        }
    }
    let ratios: Vec<f64> = pods.iter().zip(&bare).map(|(pod, bare)| pod / bare).collect();
    Ok(vec![
        Figure::new("a pod's creation until it is Running", "ms", Target::None, &pods),
        Figure::new("  what the runtime alone takes", "ms", Target::None, &bare),
        Figure::new("  one by the other", "x", Target::AtMost(1.5), &ratios),
    ])
}

async fn start_bare(runtime: &Runtime, number: usize) -> Result<Duration> {
    let sandbox = PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: format!("bare-{number}"),
            uid: format!("bare-{number}"),
            namespace: "bench".to_owned(),
            attempt: 0,
        }),
        hostname: format!("bare-{number}"),
        linux: Some(LinuxPodSandboxConfig::default()),
        ..PodSandboxConfig::default()
    };
    let container = ContainerConfig {
        metadata: Some(ContainerMetadata {
            name: "c".to_owned(),
            attempt: 0,
        }),
        image: Some(ImageSpec {
            image: IMAGE.to_owned(),
            ..ImageSpec::default()
        }),
        command: vec!["sleep".to_owned(), (FIRST_SLEEP + number).to_string()],
        linux: Some(LinuxContainerConfig::default()),
        ..ContainerConfig::default()
    };
    let began = Instant::now();
    let id = runtime.run_pod_sandbox(sandbox.clone()).await?;
    let container = runtime.create_container(&id, container, sandbox).await?;
    runtime.start_container(&container).await?;
    Ok(began.elapsed())
}
