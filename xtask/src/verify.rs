//! `cargo xtask test` and `cargo xtask soak`.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::process::{cargo, run};
use crate::tools;

/// All that must be green. Goes on after a failure, so that one run names everything.
pub fn test(arguments: &[String]) -> Result<()> {
    // The one waits for the network, the other for the processor.
    let tools = std::thread::spawn(tools::install);
    build()?;
    match tools.join() {
        Ok(installed) => installed?,
        Err(_) => bail!("installing the tools panicked"),
    }
    let mut tests = cargo(&["test", "--no-fail-fast"]);
    tests.args(TARGETS);
    tests.args(arguments);
    if !arguments.is_empty() {
        return run(tests);
    }
    all(vec![
        ("formatting", cargo(&["fmt", "--all", "--", "--check"])),
        ("tests", tests),
        (
            "clippy",
            cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        ),
    ])
}

/// Programs and tests. Named in every step: what is left out changes the features of dependencies, and a second set of
/// features compiles most of them again.
const TARGETS: [&str; 4] = ["--workspace", "--lib", "--bins", "--tests"];

pub fn build() -> Result<()> {
    let mut build = cargo(&["build"]);
    build.args(TARGETS);
    run(build)
}

fn all(steps: Vec<(&str, Command)>) -> Result<()> {
    let start = Instant::now();
    let mut failed = Vec::new();
    for (name, command) in steps {
        let begun = Instant::now();
        if let Err(error) = run(command) {
            eprintln!("{name} failed: {error:#}");
            failed.push(name);
        }
        eprintln!("{name}: {} s", begun.elapsed().as_secs());
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    eprintln!("all green in {} s", start.elapsed().as_secs());
    Ok(())
}

/// The long settings; each can be overridden from outside.
const SOAK: [(&str, &str); 9] = [
    ("STRONGROOM_POWER_IMAGES", "100000"),
    ("STRONGROOM_BIT_FLIPS", "10000"),
    ("STRONGROOM_MODEL_OPERATIONS", "1000000"),
    ("STRONGROOM_MUTATIONS", "20000"),
    ("STRONGROOM_R1_CYCLES", "2000"),
    ("STRONGROOM_R7_FLIPS", "2000"),
    ("STRONGROOM_R14_SECONDS", "60"),
    ("STRONGROOM_R16_SECONDS", "60"),
    ("STRONGROOM_R20_KILLS", "200"),
];

/// Long runs of what `test` runs briefly.
pub fn soak(arguments: &[String]) -> Result<()> {
    tools::install()?;
    build()?;
    let mut command = cargo(&[
        "test",
        "-p",
        "strongroom-e2e",
        "-p",
        "strongroom-storage",
        "--no-fail-fast",
        "--",
    ]);
    command
        .args(arguments)
        .args(["--nocapture", "--test-threads=1", "--include-ignored"]);
    for (name, value) in SOAK {
        if std::env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    run(command)
}
