//! A container runtime for `cargo xtask up`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use strongroom_containerd::{Containerd, Image, Network, Options, Programs};

use crate::process::is_root;
use crate::tools;

const ENDPOINT: &str = "--container-runtime-endpoint";
/// Names that the examples of the documents use, for the one image that needs no registry.
const BUSYBOX: [&str; 4] = [
    "docker.io/library/busybox:latest",
    "docker.io/library/busybox:1.37",
    "registry.k8s.io/busybox:latest",
    "registry.k8s.io/e2e-test-images/busybox:1.37.0-1",
];

/// The arguments, with a runtime of our own added unless they name one. Where none can be had, pods wait, and this says
/// why.
pub fn offered(arguments: &[String]) -> Vec<String> {
    let mut arguments = arguments.to_vec();
    let named = arguments
        .iter()
        .any(|word| word == ENDPOINT || word.starts_with("--container-runtime-endpoint="));
    let asks = arguments
        .iter()
        .any(|word| ["--help", "-h"].contains(&word.as_str()));
    if named || asks || std::env::var_os("STRONGROOM_CONTAINER_RUNTIME_ENDPOINT").is_some() {
        return arguments;
    }
    match start() {
        Ok(endpoint) => arguments.push(format!("{ENDPOINT}={endpoint}")),
        Err(error) => eprintln!("no container runtime, so pods will wait: {error:#}"),
    }
    arguments
}

/// Starts containerd and waits until it is ended.
pub fn alone() -> Result<()> {
    println!("{}", start()?);
    loop {
        std::thread::park();
    }
}

/// Starts containerd below `target/run`; it ends with this process, which becomes the server.
fn start() -> Result<String> {
    if !is_root()? {
        anyhow::bail!("containerd needs root");
    }
    let programs = Programs::unpacked_at(&tools::install_runtime()?);
    let directory: PathBuf = crate::root().join("target/run/containerd");
    let busybox = programs.busybox.clone();
    let containerd = Containerd::start(&Options {
        directory,
        programs,
        network: Network::default(),
        ends_with_parent: true,
    })
    .context("containerd cannot be started")?;
    if !containerd.has_image(BUSYBOX[0])? {
        containerd.import(&Image::busybox(&busybox, &BUSYBOX)?)?;
    }
    eprintln!("containerd serves {}", containerd.endpoint());
    Ok(containerd.endpoint())
}
