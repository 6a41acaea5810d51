//! Rules about the tree of sources that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that decide: no runtime, no clock, no socket, no file.
const PURE: [&str; 9] = [
    "objects",
    "merge",
    "resources",
    "access",
    "tokens",
    "encryption",
    "discovery",
    "certificates",
    "node-plan",
];

/// What a pure crate must not depend on, directly or through others.
const IMPURE: [&str; 16] = [
    "tokio",
    "hyper",
    "hyper-util",
    "mio",
    "socket2",
    "async-std",
    "smol",
    "reqwest",
    "ureq",
    "redb",
    "kube",
    "tokio-util",
    "tokio-rustls",
    "chrono",
    "strongroom-storage",
    "strongroom-apiserver",
];

/// Past this a file is several files; 600 is where to look again.
const LINES: usize = 900;
const TEST_LINES: usize = 1500;

#[test]
fn pure_crates_depend_on_nothing_that_touches_the_world() {
    for name in PURE {
        let package = format!("strongroom-{name}");
        let dependencies = cargo(&[
            "tree", "-p", &package, "-e", "normal", "--prefix", "none", "--format", "{p}",
        ]);
        for dependency in dependencies.lines().filter_map(|line| line.split(' ').next()) {
            assert!(
                !IMPURE.contains(&dependency),
                "{package} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn dependencies_point_one_way() {
    let check = |package: &str, forbidden: &[&str]| {
        let package = format!("strongroom-{package}");
        let tree = cargo(&[
            "tree", "-p", &package, "-e", "normal", "--prefix", "none", "--format", "{p}",
        ]);
        for name in forbidden {
            let unwanted = format!("strongroom-{name}");
            assert!(
                !tree.lines().any(|line| line.split(' ').next() == Some(&unwanted)),
                "{package} must not know {unwanted}"
            );
        }
    };
    check(
        "storage",
        &["objects", "resources", "access", "apiserver", "merge"],
    );
    check("certificates", &["objects", "resources", "access"]);
    check("encryption", &["objects", "resources", "access", "storage"]);
    check("resources", &["access", "storage", "encryption", "apiserver"]);
    check("access", &["resources", "storage", "encryption", "apiserver"]);
    check(
        "objects",
        &[
            "resources",
            "access",
            "storage",
            "encryption",
            "merge",
            "discovery",
        ],
    );
}

#[test]
fn sources_keep_the_shape_of_the_house() {
    let mut complaints = Vec::new();
    for path in sources() {
        let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines = text.lines().count();
        let limit = if shown.contains("/tests") {
            TEST_LINES
        } else {
            LINES
        };
        if lines > limit {
            complaints.push(format!(
                "{shown}: {lines} lines, more than {limit}: it holds more than one thing"
            ));
        }
        if path.file_name().is_some_and(|name| name == "mod.rs") {
            complaints.push(format!("{shown}: `foo.rs` and `foo/`, not `foo/mod.rs`"));
        }
        if path
            .file_stem()
            .is_some_and(|name| name == "utils" || name == "util" || name == "helpers")
        {
            complaints.push(format!("{shown}: name it after what it holds"));
        }
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.starts_with("pub use ") && line.ends_with("::*;") {
                complaints.push(format!("{shown}:{}: no glob re-exports", number + 1));
            }
            if line.starts_with("pub fn ") && line.contains("-> Result<") && line.contains(", String>") {
                complaints.push(format!(
                    "{shown}:{}: an error is a type, not a String",
                    number + 1
                ));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn unsafe_code_is_in_one_crate() {
    for path in sources() {
        let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let allows = text.contains("allow(unsafe_code)") || text.contains("expect(unsafe_code");
        assert!(
            !allows || shown.starts_with("crates/hardening/") || shown == "xtask/tests/tree.rs",
            "{shown}: unsafe code lives in crate hardening only"
        );
    }
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask has a parent")
        .to_owned()
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![root()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).expect("readable").filter_map(Result::ok) {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && name != ".git" {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
