//! Developing Strongroom: every command a contributor types, each runnable from a clean clone.

mod conformance;
mod debian;
mod process;
mod runtime;
mod tools;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use process::{cargo, exec, run};

const HELP: &str = "\
Developing Strongroom.

Usage: cargo xtask <command> [arguments]

Commands:
  up           Build the server (release) and run `strongroom up` with the arguments given, pods included
  runtime      Start containerd alone and print its endpoint; Ctrl-C ends it
  test         Everything that must be green: tools, tests, clippy, formatting
  bench        Build everything optimised and measure; arguments go to the bench
  conformance  Kubernetes' own conformance tests, in a Strongroom and a containerd of their own
  soak         The long runs: kill -9 cycles, slow watchers, overload, bit rot
  tools        Install what the tests need into target/tools (kubectl x3, fixtures, Python client)
  schema       Generate the schema table of crate objects anew from Kubernetes' Go types
  help         This text; `cargo xtask <command> --help` has examples
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_else(|| "help".to_owned());
    let rest: Vec<String> = arguments.collect();
    match dispatch(&command, &rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &str, rest: &[String]) -> Result<()> {
    if rest
        .first()
        .is_some_and(|first| first == "--help" || first == "-h")
        && command != "up"
        && command != "bench"
    {
        print!(
            "{}",
            help(command).with_context(|| format!("no command {command}"))?
        );
        return Ok(());
    }
    std::env::set_current_dir(root())?;
    match command {
        "up" => up(rest),
        "runtime" => runtime::alone(),
        "test" => verify::test(rest),
        "bench" => bench(rest),
        "conformance" => conformance::conformance(rest),
        "soak" => verify::soak(rest),
        "tools" => tools::install(),
        "schema" => schema(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("no command `{other}`; `cargo xtask help` lists them"),
    }
}

fn help(command: &str) -> Option<&'static str> {
    Some(match command {
        "test" => {
            "Usage: cargo xtask test [FILTER]\n\n\
             Without FILTER: installs the tools, builds, runs every test of the workspace, clippy with\n\
             warnings denied, and the formatting check; reports all that failed at the end.\n\
             With FILTER: only the tests whose name contains it.\n\n\
             Examples:\n  cargo xtask test\n  cargo xtask test kubectl_\n  cargo test -p strongroom-e2e --test matrix\n"
        }
        "soak" => {
            "Usage: cargo xtask soak [TEST]\n\n\
             The durability, hostile-input and canary tests at their long setting, and the tests that wait for\n\
             minutes: that a token is renewed while its pod runs.\n\n\
             Environment:\n\
             \x20 STRONGROOM_R1_CYCLES   kill -9 cycles (default here 2000)\n\
             \x20 STRONGROOM_R7_FLIPS    random bit flips (default here 2000)\n\
             \x20 STRONGROOM_POWER_IMAGES simulated power cuts of the storage engine (default here 100000)\n\
             \x20 STRONGROOM_BIT_FLIPS   damaged stores of the storage engine (default here 10000)\n\
             \x20 STRONGROOM_R14_SECONDS slow watcher (default here 60)\n\
             \x20 STRONGROOM_R16_SECONDS overload (default here 60)\n\
             \x20 STRONGROOM_R20_KILLS   kills of the node while it delivers (default here 200)\n\n\
             Examples:\n  cargo xtask soak\n  STRONGROOM_R1_CYCLES=10000 cargo xtask soak r1_\n"
        }
        "conformance" => {
            "Usage: cargo xtask conformance [REGEX] [FLAGS]\n\n\
             Runs Kubernetes' own conformance tests, or those whose name matches REGEX, through `strongroom up` with a\n\
             containerd of its own, as root. The suite is made from Debian's source of Kubernetes 1.20, the last that\n\
             Debian has whole, which takes ten minutes once. Flags that begin with -- go to the suite;\n\
             --ginkgo.skip=NONE runs also what xtask/src/conformance.rs leaves out.\n\n\
             Results: target/run/conformance/junit_01.xml; the server's log: target/run/conformance/strongroom.log\n\n\
             Examples:\n  cargo xtask conformance\n  cargo xtask conformance 'Secrets.*Conformance'\n"
        }
        "tools" => {
            "Usage: cargo xtask tools\n\n\
             Installs under target/tools, once; quick when nothing is missing:\n\
             \x20 kubernetes/     Debian's golang-k8s-api-dev and golang-k8s-apimachinery-dev (upstream's round-trip fixtures)\n\
             \x20 kubectl-1.20/, kubectl-1.32/, kubectl-1.36/\n\
             \x20 python/         a virtual environment with the official `kubernetes` client\n\
             \x20 runtime/        containerd, runc, CNI plugins, busybox, bash and docker-registry, unpacked and not started\n\
             and the system packages strace, gdb, curl, e2fsprogs, openssl, iptables and apache2-utils (as root; otherwise\n\
             it says what to install).\n\n\
             Example:\n  cargo xtask tools && target/tools/kubectl-1.20/kubectl version --client\n"
        }
        "runtime" => {
            "Usage: cargo xtask runtime\n\n\
             Starts the containerd of `cargo xtask up` alone, below target/run, and prints its endpoint.\n\n\
             Example:\n  cargo xtask runtime &\n  target/debug/strongroom up --container-runtime-endpoint unix://$PWD/target/run/containerd/containerd.sock\n"
        }
        "schema" => {
            "Usage: cargo xtask schema [ARGUMENTS]\n\n\
             Runs tools/schema-generator over target/tools/kubernetes.\n\nExample:\n  cargo xtask schema\n"
        }
        _ => return None,
    })
}

/// The root of the workspace, wherever the command was typed.
fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map(PathBuf::from).unwrap_or(manifest)
}

fn up(rest: &[String]) -> Result<()> {
    run(cargo(&["build", "--release", "-p", "strongroom"]))?;
    let arguments = runtime::offered(rest);
    exec(
        "target/release/strongroom",
        ["up".to_owned()].iter().chain(&arguments),
    )
}

fn bench(rest: &[String]) -> Result<()> {
    if let Err(error) = tools::install_runtime() {
        eprintln!("no container runtime, so `--only delivery` will fail: {error:#}");
    }
    run(cargo(&[
        "build",
        "--release",
        "-p",
        "strongroom",
        "-p",
        "strongroom-bench",
    ]))?;
    exec("target/release/strongroom-bench", rest)
}

fn schema(rest: &[String]) -> Result<()> {
    tools::install_fixtures()?;
    let mut command = cargo(&["run", "--quiet", "-p", "schema-generator", "--"]);
    command.args(rest);
    run(command)
}
