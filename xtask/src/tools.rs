//! `cargo xtask tools`: what the tests need and a fresh machine lacks, under `target/tools`.

use std::cell::OnceCell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::{Archive, patiently};
use crate::process::{is_root, output};

/// Bump when a recipe changes, so that machines with an older result install again.
const RECIPE: &str = "1";

struct Kubectl {
    directory: &'static str,
    package: &'static str,
    suite: &'static str,
}

const KUBECTLS: [Kubectl; 3] = [
    Kubectl {
        directory: "kubectl-1.20",
        package: "kubernetes-client",
        suite: "bookworm",
    },
    Kubectl {
        directory: "kubectl-1.32",
        package: "kubectl",
        suite: "trixie",
    },
    Kubectl {
        directory: "kubectl-1.36",
        package: "kubectl",
        suite: "sid",
    },
];

const FIXTURES: [&str; 2] = ["golang-k8s-api-dev", "golang-k8s-apimachinery-dev"];

/// What runs pods, images for tests, and a registry of one's own; unpacked, so that no service is started.
const RUNTIME: [&str; 6] = [
    "containerd",
    "runc",
    "containernetworking-plugins",
    "busybox-static",
    "bash-static",
    "docker-registry",
];

/// A database for tests, and of its libraries those that few machines have.
const REDIS: [&str; 5] = [
    "redis-server",
    "redis-tools",
    "libjemalloc2",
    "liblzf1",
    "libatomic1",
];

/// (program, Debian package)
const SYSTEM: [(&str, &str); 9] = [
    ("htpasswd", "apache2-utils"),
    ("iptables", "iptables"),
    ("strace", "strace"),
    ("gdb", "gdb"),
    ("gcore", "gdb"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("mkfs.ext4", "e2fsprogs"),
    ("losetup", "mount"),
];

/// Installs everything; says nothing but one line when all is there.
pub fn install() -> Result<()> {
    install_system()?;
    install_fixtures()?;
    for kubectl in &KUBECTLS {
        install_kubectl(kubectl)?;
    }
    install_python()?;
    install_runtime()?;
    install_redis()?;
    eprintln!("tools: all in {}", tools().display());
    Ok(())
}

/// Upstream's Go sources and round-trip fixtures (`target/tools/kubernetes/usr/share/gocode/src/k8s.io`).
pub fn install_fixtures() -> Result<()> {
    let target = tools().join("kubernetes");
    // Beside the directory, not in it: dpkg unpacks over what is there.
    let known = target.join("usr/share/gocode/src/k8s.io/api/testdata/HEAD");
    if installed(&target) && known.exists() {
        return Ok(());
    }
    eprintln!("tools: Kubernetes' types and fixtures");
    fs::create_dir_all(&target)?;
    with_archive(|archive| {
        for package in FIXTURES {
            let version = archive.unpack(package, "sid", &target)?;
            eprintln!("  {package} {version}");
        }
        Ok(())
    })?;
    mark(&target)
}

/// containerd and what it needs, in `target/tools/runtime`; the directory.
pub fn install_runtime() -> Result<PathBuf> {
    let target = tools().join("runtime");
    if installed(&target) {
        return Ok(target);
    }
    eprintln!("tools: containerd, runc, CNI plugins, busybox, a registry");
    fs::create_dir_all(&target)?;
    with_archive(|archive| {
        for package in RUNTIME {
            let version = archive.unpack(package, "bookworm", &target)?;
            eprintln!("  {package} {version}");
        }
        Ok(())
    })?;
    for program in ["usr/bin/containerd", "usr/sbin/runc"] {
        let mut probe = Command::new(target.join(program));
        probe.arg("--version");
        if output(probe).is_err() {
            apt_install(&["libseccomp2"])?;
        }
    }
    mark(&target)?;
    Ok(target)
}

/// Kubernetes' own conformance tests: the last release of which Debian has the whole source, made with Debian's Go.
const CONFORMANCE: (&str, &str) = ("kubernetes", "bookworm");
const GO: [&str; 2] = ["golang-1.19-go", "golang-1.19-src"];
/// What the suite's image has beside `agnhost`, and no busybox knows.
const NETCAT: [&str; 3] = ["netcat-openbsd", "libbsd0", "libmd0"];

/// `e2e.test` and what its pods run, in `target/tools/conformance`; the directory. Takes ten minutes the first time, and
/// 3 GB while it does.
pub fn install_conformance() -> Result<PathBuf> {
    let target = tools().join("conformance");
    let programs = ["e2e.test", "agnhost", "nnp", "root/bin/nc.openbsd"];
    if installed(&target) && programs.iter().all(|program| target.join(program).exists()) {
        return Ok(target);
    }
    eprintln!("tools: Kubernetes' conformance tests");
    let (package, suite) = CONFORMANCE;
    let work = target.join("work");
    let _ = fs::remove_dir_all(&work);
    let go = work.join("go");
    fs::create_dir_all(&go)?;
    with_archive(|archive| {
        for (packages, place) in [(GO.as_slice(), &go), (&NETCAT, &target.join("root"))] {
            for package in packages {
                let version = archive.unpack(package, suite, place)?;
                eprintln!("  {package} {version}");
            }
        }
        Ok(())
    })?;
    // Where Go looks for a package of this name.
    let source = work.join("gopath/src/k8s.io/kubernetes");
    Archive::open_sources(suite, &work.join("apt"))?.unpack_source(package, &source)?;
    // Generated upstream: files of the repository inside the program, which `--repo-root` names here.
    fs::write(
        source.join("test/e2e/generated/bindata.go"),
        "package generated\n\nimport \"os\"\n\n\
         func Asset(name string) ([]byte, error) { return nil, os.ErrNotExist }\n\n\
         func AssetNames() []string { return nil }\n",
    )?;
    // A namespace is ready when its account is: token Secrets that nobody asked for are not made since 1.24, and this
    // is how later releases of the suite wait.
    let waits = source.join("test/e2e/framework/util.go");
    let text = fs::read_to_string(&waits)?;
    let (old, new) = ("return len(t.Secrets) > 0, nil", "return t != nil, nil");
    if !text.contains(old) {
        bail!("{} is not as expected", waits.display());
    }
    fs::write(&waits, text.replacen(old, new, 1))?;
    let root = go.join("usr/lib/go-1.19");
    for (program, arguments, package) in [
        ("agnhost", ["build", "-o"].as_slice(), "./test/images/agnhost"),
        ("nnp", &["build", "-o"], "./test/images/nonewprivs"),
        ("e2e.test", &["test", "-vet=off", "-c", "-o"], "./test/e2e"),
    ] {
        eprintln!("  compiling {program}");
        let mut compile = Command::new(root.join("bin/go"));
        compile
            .args(arguments)
            .arg(target.join(program))
            .arg(package)
            .current_dir(&source)
            .env("GOROOT", &root)
            .env("GOPATH", work.join("gopath"))
            .env("GOCACHE", work.join("cache"))
            .env("GO111MODULE", "off")
            .env("GOFLAGS", "-trimpath")
            .env("CGO_ENABLED", "0");
        output(compile)?;
    }
    let testing = target.join("repository/test");
    fs::create_dir_all(&testing)?;
    for part in ["conformance", "e2e", "fixtures", "images"] {
        let _ = fs::remove_dir_all(testing.join(part));
        fs::rename(source.join("test").join(part), testing.join(part))?;
    }
    fs::remove_dir_all(&work)?;
    mark(&target)?;
    Ok(target)
}

fn install_redis() -> Result<()> {
    let target = tools().join("redis");
    if installed(&target) {
        return Ok(());
    }
    eprintln!("tools: a database");
    fs::create_dir_all(&target)?;
    with_archive(|archive| {
        for package in REDIS {
            let version = archive.unpack(package, "bookworm", &target)?;
            eprintln!("  {package} {version}");
        }
        Ok(())
    })?;
    mark(&target)
}

fn install_kubectl(kubectl: &Kubectl) -> Result<()> {
    let target = tools().join(kubectl.directory);
    if installed(&target) {
        return Ok(());
    }
    eprintln!("tools: {}", kubectl.directory);
    fs::create_dir_all(&target)?;
    let version = with_archive(|archive| archive.unpack(kubectl.package, kubectl.suite, &target))?;
    let link = target.join("kubectl");
    let _ = fs::remove_file(&link);
    symlink("usr/bin/kubectl", &link)?;
    let mut probe = Command::new(&link);
    probe.args(["version", "--client"]);
    output(probe).with_context(|| format!("{} {version} does not run here", kubectl.package))?;
    eprintln!("  {} {version}", kubectl.package);
    mark(&target)
}

fn install_python() -> Result<()> {
    let target = tools().join("python");
    if installed(&target) {
        return Ok(());
    }
    eprintln!("tools: Python with the official Kubernetes client");
    let _ = fs::remove_dir_all(&target);
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(&target);
    if output(venv).is_err() {
        apt_install(&["python3-venv"])?;
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(&target);
        output(venv)?;
    }
    let pip = |arguments: &[&str]| {
        let mut command = Command::new(target.join("bin/pip"));
        command.args(["install", "--quiet"]).args(arguments);
        output(command)
    };
    patiently("pip", || pip(&["--upgrade", "pip"]))?;
    patiently("kubernetes", || pip(&["kubernetes"]))?;
    mark(&target)
}

fn install_system() -> Result<()> {
    let mut missing: Vec<&str> = SYSTEM
        .iter()
        .filter(|(program, _)| find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("tools: {}", missing.join(" "));
    apt_install(&missing)
}

fn apt_install(packages: &[&str]) -> Result<()> {
    if !is_root()? {
        bail!("please install as root: apt-get install {}", packages.join(" "));
    }
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .arg("-q")
            .args(arguments);
        output(command)
    };
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(packages);
    if apt_get(&install).is_ok() {
        return Ok(());
    }
    patiently("apt-get update", || apt_get(&["update"]))?;
    patiently("apt-get install", || apt_get(&install)).map(drop)
}

/// Where a program of the machine is.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

thread_local! {
    static ARCHIVE: OnceCell<Archive> = const { OnceCell::new() };
}

/// The package lists are fetched once, and only when something is missing.
fn with_archive<T>(then: impl FnOnce(&Archive) -> Result<T>) -> Result<T> {
    ARCHIVE.with(|cell| {
        if cell.get().is_none() {
            let _ = cell.set(Archive::open(&tools().join("apt"))?);
        }
        then(cell.get().context("just set")?)
    })
}

fn tools() -> PathBuf {
    crate::root().join("target/tools")
}

fn marker(target: &Path) -> PathBuf {
    target.join(".recipe")
}

fn installed(target: &Path) -> bool {
    fs::read_to_string(marker(target)).is_ok_and(|recipe| recipe == RECIPE)
}

fn mark(target: &Path) -> Result<()> {
    Ok(fs::write(marker(target), RECIPE)?)
}
