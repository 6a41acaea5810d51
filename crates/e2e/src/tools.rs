//! What `cargo xtask tools` installed.

use std::path::{Path, PathBuf};

/// A path under `target/tools`; panics with what to do when it is missing.
pub fn tool(path: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .and_then(Path::parent)
        .expect("crates/e2e");
    let found = workspace.join("target/tools").join(path);
    assert!(
        found.exists(),
        "{} is missing: cargo xtask tools",
        found.display()
    );
    found
}

/// The kubectl of a version: `1.20`, `1.32` or `1.36`.
pub fn kubectl_directory(version: &str) -> PathBuf {
    tool(&format!("kubectl-{version}"))
}

/// Python with the official Kubernetes client.
pub fn python() -> PathBuf {
    tool("python").join("bin/python")
}

/// Upstream's own bytes for a kind, such as `core.v1.Secret.pb`.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = tool("kubernetes")
        .join("usr/share/gocode/src/k8s.io/api/testdata/HEAD")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
