//! The official Python client does create, read, update, patch, watch and delete.

use std::path::Path;
use std::process::Command;

use strongroom_e2e::{Server, python};

#[test]
fn the_official_python_client() {
    let mut server = Server::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/client.py");
    let output = Command::new("timeout")
        .arg("120")
        .arg(python())
        .arg(script)
        .arg(server.kubeconfig())
        .env("HOME", server.scratch())
        .output()
        .expect("Python runs");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    server.assert_healthy();
}
