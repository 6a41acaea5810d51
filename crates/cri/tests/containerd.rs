//! The client against a real containerd: a pod's life in calls. Needs root and `cargo xtask tools`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use strongroom_containerd::{Containerd, Image, Network, Options, Programs};
use strongroom_cri::Runtime;
use strongroom_cri::messages::container::{
    ContainerConfig, ContainerFilter, ContainerMetadata, ContainerState, ExecRequest, KeyValue,
};
use strongroom_cri::messages::image::ImageSpec;
use strongroom_cri::messages::sandbox::{PodSandboxConfig, PodSandboxFilter, PodSandboxMetadata};

const BUSYBOX: &str = "docker.io/library/busybox:latest";

struct World {
    containerd: Containerd,
    directory: tempfile::TempDir,
}

impl World {
    fn start() -> World {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/runtime");
        assert!(
            tools.exists(),
            "{} is missing: cargo xtask tools",
            tools.display()
        );
        let tools: PathBuf = tools.canonicalize().expect("it exists");
        let programs = Programs::unpacked_at(&tools);
        let directory = tempfile::tempdir().expect("a directory");
        let containerd = Containerd::start(&Options {
            directory: directory.path().join("containerd"),
            programs: programs.clone(),
            network: Network {
                bridge: bridge(),
                subnet: format!("10.251.{}.0/24", std::process::id() % 250),
            },
            ends_with_parent: false,
        })
        .expect("containerd starts");
        let image = Image::busybox(&programs.busybox, &[BUSYBOX]).expect("an image");
        containerd.import(&image).expect("it is imported");
        World {
            containerd,
            directory,
        }
    }
}

fn bridge() -> String {
    format!("sr-cri-{}", std::process::id() % 1_000_000)
}

impl Drop for World {
    fn drop(&mut self) {
        self.containerd.stop();
        let _ = std::process::Command::new("ip")
            .args(["link", "delete", &bridge()])
            .status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pods_life() {
    let world = World::start();
    let runtime = Runtime::at(&world.containerd.endpoint()).expect("an endpoint");
    let version = runtime.version().await.expect("a version");
    assert_eq!(version.runtime_name, "containerd");
    let status = runtime.status().await.expect("a status");
    assert!(
        status.conditions.iter().all(|condition| condition.status),
        "{status:?}"
    );
    let image = runtime
        .image("busybox:latest")
        .await
        .expect("an answer")
        .expect("an image");
    assert!(image.repo_tags.contains(&BUSYBOX.to_owned()), "{image:?}");
    assert_eq!(runtime.image("nowhere/none:1").await.expect("an answer"), None);

    let logs = world.directory.path().join("logs");
    let sandbox_config = PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: "p1".to_owned(),
            uid: "u1".to_owned(),
            namespace: "ns".to_owned(),
            attempt: 0,
        }),
        hostname: "p1".to_owned(),
        log_directory: logs.display().to_string(),
        labels: [("io.kubernetes.pod.uid".to_owned(), "u1".to_owned())].into(),
        ..PodSandboxConfig::default()
    };
    let sandbox = runtime
        .run_pod_sandbox(sandbox_config.clone())
        .await
        .expect("a sandbox");
    let state = runtime.pod_sandbox_status(&sandbox).await.expect("its status");
    let address = state.network.expect("a network").ip;
    assert!(address.starts_with("10.251."), "{address}");

    let config = ContainerConfig {
        metadata: Some(ContainerMetadata {
            name: "c".to_owned(),
            attempt: 0,
        }),
        image: Some(ImageSpec {
            image: image.id.clone(),
            ..ImageSpec::default()
        }),
        command: ["sh", "-c", "echo \"$WORD\"; exec sleep 600"]
            .map(str::to_owned)
            .to_vec(),
        envs: vec![KeyValue {
            key: "WORD".to_owned(),
            value: "schätzchen".as_bytes().to_vec(),
        }],
        log_path: "c/0.log".to_owned(),
        ..ContainerConfig::default()
    };
    assert!(!format!("{config:?}").contains("chen"), "a value in Debug");
    std::fs::create_dir_all(logs.join("c")).expect("a directory");
    let container = runtime
        .create_container(&sandbox, config, sandbox_config)
        .await
        .expect("a container");
    runtime.start_container(&container).await.expect("it starts");
    let state = runtime.container_status(&container).await.expect("its status");
    assert_eq!(state.state(), ContainerState::Running);
    let ran = runtime
        .exec_sync(
            &container,
            ["sh", "-c", "printf %s \"$WORD\"; exit 3"]
                .map(str::to_owned)
                .to_vec(),
            Duration::from_secs(5),
        )
        .await
        .expect("it runs");
    assert_eq!(
        (ran.exit_code, ran.stdout.as_slice()),
        (3, "schätzchen".as_bytes())
    );
    let log = std::fs::read_to_string(logs.join("c/0.log")).expect("a log");
    assert!(log.contains(" stdout F schätzchen"), "{log}");
    let url = runtime
        .exec(ExecRequest {
            container_id: container.clone(),
            cmd: vec!["ls".to_owned()],
            stdout: true,
            ..ExecRequest::default()
        })
        .await
        .expect("a place");
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");

    let (told, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let listening = runtime.clone();
    tokio::spawn(async move {
        listening
            .follow_exits(|id| {
                let _ = told.send(id);
            })
            .await
    });
    // It is subscribed when the request has reached it, which nothing tells.
    tokio::time::sleep(Duration::from_millis(500)).await;
    runtime
        .stop_container(&container, Duration::from_secs(1))
        .await
        .expect("it stops");
    let ended = tokio::time::timeout(Duration::from_secs(5), ends.recv()).await;
    assert_eq!(ended.expect("it is told"), Some(container.clone()));
    let state = runtime.container_status(&container).await.expect("its status");
    assert_eq!(state.state(), ContainerState::Exited);
    assert_ne!(state.finished_at, 0);
    runtime.remove_container(&container).await.expect("it goes");
    runtime.remove_container(&container).await.expect("gone is gone");
    runtime.stop_pod_sandbox(&sandbox).await.expect("it stops");
    runtime.remove_pod_sandbox(&sandbox).await.expect("it goes");
    let left = runtime.list_pod_sandboxes(PodSandboxFilter::default()).await;
    assert!(left.expect("a list").is_empty());
    let left = runtime.list_containers(ContainerFilter::default()).await;
    assert!(left.expect("a list").is_empty());

    let error = runtime.container_status("none").await.expect_err("there is none");
    assert!(error.is_not_found(), "{error:?}");
    let error = runtime
        .pull_image("127.0.0.1:1/none:1", None, None)
        .await
        .expect_err("there is no registry");
    let text = error.as_rpc_error();
    assert!(
        text.starts_with("rpc error: code = Unknown desc = failed to pull"),
        "{text}"
    );
}

#[tokio::test]
async fn nobody_answers() {
    let runtime = Runtime::at("unix:///nowhere/containerd.sock").expect("an endpoint");
    let error = runtime.version().await.expect_err("nobody is there");
    assert!(error.is_unavailable(), "{error:?}");
    assert!(error.to_string().contains("/nowhere/containerd.sock"), "{error}");
    assert!(Runtime::at("tcp://127.0.0.1:1").is_err());
}
