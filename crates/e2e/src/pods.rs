//! A server whose node runs pods through a real containerd, and a look into their containers.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use strongroom_containerd::{Containerd, Image, Network, Options as RuntimeOptions, Programs};
use strongroom_cri::Runtime;
use strongroom_cri::messages::container::{ContainerFilter, ContainerState};
use strongroom_cri::messages::sandbox::PodSandboxFilter;

use crate::kubectl::Kubectl;
use crate::server::{Options, Server};
use crate::tools::tool;
use crate::worker::Worker;

/// A busybox that no registry is needed for.
pub const BUSYBOX: &str = "registry.k8s.io/e2e-test-images/busybox:1.37.0-1";
/// A bash as `sh` with busybox' commands: it keeps names that are no identifiers in the environment.
pub const BASH: &str = "docker.io/library/bash:5";

const PATIENCE: Duration = Duration::from_secs(60);
/// Test programs that run at once have a containerd each.
const CONTAINERDS: u32 = 8;

/// The containerd of this test program: started by the first test that needs it, ended with the program.
pub struct Containers {
    /// The daemon.
    pub containerd: Containerd,
    _lock: File,
}

/// The containerd of this test program.
pub fn containers() -> &'static Containers {
    static CONTAINERS: OnceLock<Containers> = OnceLock::new();
    CONTAINERS.get_or_init(|| {
        let (send, receive) = std::sync::mpsc::channel();
        // It ends with the thread that started it, and this one lives as long as the program.
        std::thread::spawn(move || {
            let _ = send.send(start_containerd());
            loop {
                std::thread::park();
            }
        });
        receive.recv().expect("containerd starts")
    })
}

fn start_containerd() -> Containers {
    let programs = Programs::unpacked_at(&tool("runtime"));
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/run");
    fs::create_dir_all(&base).expect("a directory");
    let base = base.canonicalize().expect("it is there");
    for number in 0..CONTAINERDS {
        let directory = base.join(format!("e2e-{number}"));
        fs::create_dir_all(&directory).expect("a directory");
        // The machine's networks are shared by all checkouts on it.
        let lock = std::env::temp_dir().join(format!("strongroom-e2e-containerd-{number}.lock"));
        let lock = File::create(lock).expect("a lock");
        if lock.try_lock().is_err() {
            continue;
        }
        let containerd = Containerd::start(&RuntimeOptions {
            directory,
            programs: programs.clone(),
            network: Network {
                bridge: format!("sr-e2e-{number}"),
                subnet: format!("10.{}.0.0/16", 130 + number),
            },
            ends_with_parent: true,
        })
        .unwrap_or_else(|error| panic!("{error}"));
        let containers = Containers {
            containerd,
            _lock: lock,
        };
        containers.remove_sandboxes(None);
        containers.import_images(&programs);
        return containers;
    }
    panic!("{CONTAINERDS} containerds run already");
}

impl Containers {
    /// Calls of the runtime.
    pub fn call<T>(&self, work: impl AsyncFnOnce(&Runtime) -> T) -> T {
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        tokio.block_on(async {
            let runtime = Runtime::at(&self.containerd.endpoint()).expect("an endpoint");
            work(&runtime).await
        })
    }

    fn import_images(&self, programs: &Programs) {
        let busybox = |names: &[&str]| Image::busybox(&programs.busybox, names).expect("an image");
        if !self.containerd.has_image(BUSYBOX).expect("a list") {
            let names = [
                BUSYBOX,
                "docker.io/library/busybox:latest",
                "docker.io/library/busybox:1.37",
                "registry.k8s.io/busybox:latest",
            ];
            self.containerd.import(&busybox(&names)).expect("an import");
        }
        if !self.containerd.has_image(BASH).expect("a list") {
            let mut image = busybox(&[BASH]);
            let bash = programs.busybox.with_file_name("bash-static");
            let bash = fs::read(bash).expect("bash-static");
            image
                .links
                .retain(|link| link.path != "bin/sh" && link.path != "bin/bash");
            image.files.push(("bin/bash".to_owned(), 0o755, bash.clone()));
            image.files.push(("bin/sh".to_owned(), 0o755, bash));
            self.containerd.import(&image).expect("an import");
        }
    }

    /// Ends all sandboxes, or those of one node.
    fn remove_sandboxes(&self, root_dir: Option<&Path>) {
        let selector =
            root_dir.map(|root| ("strongroom.dev/root-dir".to_owned(), root.display().to_string()));
        self.call(async |runtime| {
            let filter = PodSandboxFilter {
                label_selector: selector.into_iter().collect(),
                ..PodSandboxFilter::default()
            };
            for sandbox in runtime.list_pod_sandboxes(filter).await.unwrap_or_default() {
                let _ = runtime.stop_pod_sandbox(&sandbox.id).await;
                let _ = runtime.remove_pod_sandbox(&sandbox.id).await;
            }
        });
    }
}

/// A server and its node. What its pods leave behind goes when it is dropped.
pub struct Pods {
    /// The server; its process is the node, too.
    pub server: Server,
    /// The administrator's kubectl.
    pub kubectl: Kubectl,
    /// The node's name.
    pub node: String,
    /// The node's process, where it is one of its own.
    pub worker: Option<Worker>,
}

impl Pods {
    /// With the defaults, once the node is ready.
    pub fn start() -> Pods {
        Pods::start_with(Options::default())
    }

    /// With more options, once the node is ready.
    pub fn start_with(mut options: Options) -> Pods {
        let node = format!("node-{}", std::process::id());
        options.arguments.extend([
            "--container-runtime-endpoint".to_owned(),
            containers().containerd.endpoint(),
            "--node-name".to_owned(),
            node.clone(),
            "--node-port".to_owned(),
            "0".to_owned(),
        ]);
        let server = Server::start_with(options);
        let kubectl = Kubectl::new("1.32", &server);
        let pods = Pods {
            server,
            kubectl,
            node,
            worker: None,
        };
        pods.wait_for_node();
        pods
    }

    /// A server, and a node in a process of its own.
    pub fn with_a_worker() -> Pods {
        Pods::with_a_worker_of(0)
    }

    /// The same; the process of the node is of this group.
    pub fn with_a_worker_of(group: u32) -> Pods {
        let mut server = Server::start();
        // So that the node finds it again after a restart.
        server.options().port = server.port();
        let kubectl = Kubectl::new("1.32", &server);
        let worker = Worker::start(&server, &kubectl, group);
        let pods = Pods {
            server,
            kubectl,
            node: worker.name.clone(),
            worker: Some(worker),
        };
        pods.wait_for_node();
        pods
    }

    fn wait_for_node(&self) {
        let pods = self;
        pods.until("the node is ready", || {
            let node = pods.get("node", &pods.node)?;
            let conditions = node["status"]["conditions"].as_array()?.clone();
            conditions
                .iter()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
                .then_some(())
        });
        pods.until("the default service account", || {
            pods.get("serviceaccount", "default")
        });
    }

    /// One object of namespace `default`, if it is there.
    pub fn get(&self, resource: &str, name: &str) -> Option<Value> {
        let ran = self.kubectl.run(&["get", resource, name, "-o", "json"]);
        (ran.code == 0).then(|| serde_json::from_str(&ran.stdout).ok())?
    }

    /// Applies a manifest.
    #[track_caller]
    pub fn apply(&self, manifest: &str) {
        self.kubectl.run_with(&["apply", "-f", "-"], manifest, &[]).ok();
    }

    /// Asks again and again, for a minute.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{what}: not within {} s\n{}",
                PATIENCE.as_secs(),
                self.kubectl
                    .run(&["get", "pods,events", "-A", "-o", "wide"])
                    .stdout
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The pod, once it is in this phase.
    #[track_caller]
    pub fn in_phase(&self, pod: &str, phase: &str) -> Value {
        self.until(&format!("pod {pod} is {phase}"), || {
            self.get("pod", pod)
                .filter(|found| found["status"]["phase"] == phase)
        })
    }

    /// The pod, once it is ready.
    #[track_caller]
    pub fn ready(&self, pod: &str) -> Value {
        self.until(&format!("pod {pod} is ready"), || {
            let found = self.get("pod", pod)?;
            let conditions = found["status"]["conditions"].as_array()?.clone();
            conditions
                .iter()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
                .then_some(found)
        })
    }

    /// The state of a pod's container, once it waits for this reason; its message.
    #[track_caller]
    pub fn waits_for(&self, pod: &str, reason: &str) -> String {
        self.until(&format!("pod {pod} waits for {reason}"), || {
            let found = self.get("pod", pod)?;
            let waiting = found.pointer("/status/containerStatuses/0/state/waiting")?;
            (waiting["reason"] == reason).then(|| waiting["message"].as_str().unwrap_or_default().to_owned())
        })
    }

    /// The messages of a pod's events of this reason.
    pub fn events(&self, pod: &str, reason: &str) -> Vec<String> {
        let selector = format!("--field-selector=involvedObject.name={pod},reason={reason}");
        let list = self.kubectl.json(&["get", "events", &selector, "-o", "json"]);
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|event| event["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Runs a program in a container of a pod, past the API; its output when it ends with 0.
    #[track_caller]
    pub fn run_in(&self, pod: &Value, container: &str, command: &[&str]) -> Option<String> {
        let uid = pod["metadata"]["uid"].as_str().expect("a uid").to_owned();
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        containers().call(async |runtime| {
            let filter = ContainerFilter {
                label_selector: [("io.kubernetes.pod.uid".to_owned(), uid)].into(),
                ..ContainerFilter::default()
            };
            let found = runtime.list_containers(filter).await.ok()?;
            let found = found.into_iter().find(|found| {
                let named = found
                    .metadata
                    .as_ref()
                    .is_some_and(|metadata| metadata.name == container);
                named && found.state() == ContainerState::Running
            })?;
            let ran = runtime
                .exec_sync(&found.id, command, Duration::from_secs(10))
                .await
                .ok()?;
            (ran.exit_code == 0).then(|| String::from_utf8_lossy(&ran.stdout).into_owned())
        })
    }

    /// What a container wrote, past the API: the lines of its log without their prefixes.
    pub fn log_of(&self, pod: &Value, container: &str) -> String {
        let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
        let directory = format!("{}_{}_{}", text("namespace"), text("name"), text("uid"));
        let path = self
            .root_dir()
            .join("logs")
            .join(directory)
            .join(container)
            .join("0.log");
        let log = fs::read_to_string(path).unwrap_or_default();
        log.lines()
            .filter_map(|line| line.splitn(4, ' ').nth(3))
            .fold(String::new(), |text, line| text + line + "\n")
    }

    /// The node's directory.
    pub fn root_dir(&self) -> PathBuf {
        match &self.worker {
            Some(worker) => worker.root_dir(),
            None => self.server.data().join("node"),
        }
    }

    /// A volume on the host; `plugin` is such as `kubernetes.io~secret`.
    pub fn volume(&self, pod: &Value, plugin: &str, name: &str) -> PathBuf {
        let uid = pod["metadata"]["uid"].as_str().expect("a uid");
        self.root_dir()
            .join("pods")
            .join(uid)
            .join("volumes")
            .join(plugin)
            .join(name)
    }

    /// What is mounted below the node's directory.
    pub fn mounts(&self) -> Vec<PathBuf> {
        mounts_below(&self.root_dir())
    }
}

impl Drop for Pods {
    fn drop(&mut self) {
        let root_dir = self.root_dir();
        drop(self.worker.take());
        self.server.kill();
        containers().remove_sandboxes(Some(&root_dir));
        for mount in mounts_below(&root_dir).iter().rev() {
            let _ = Command::new("umount").arg("-l").arg(mount).status();
        }
    }
}

fn mounts_below(directory: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    table
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .map(PathBuf::from)
        .filter(|path| path.starts_with(directory))
        .collect()
}
