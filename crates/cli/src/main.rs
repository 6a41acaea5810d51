//! The `strongroom` program: reads what is wanted, puts the parts together, and runs them.

mod address;
mod command;
mod command_line;
mod config_file;
mod control;
mod data_dir;
mod duration;
mod kubeconfig_file;
mod logging;
mod misread;
mod output;
mod panic_hook;
mod pki;
mod random;
mod root_key;
mod server;
mod settings;
mod shutdown;
mod tls;

use std::process::ExitCode;

use mimalloc::MiMalloc;
use strongroom_hardening::{WipingAllocator, harden_process};

use crate::command_line::{Refusal, Subcommands};

#[global_allocator]
static ALLOCATOR: WipingAllocator<MiMalloc> = WipingAllocator::over(MiMalloc);

/// It failed; the message says why and what to do.
const FAILURE: u8 = 1;
/// It was not asked for in a way that makes sense.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let shortfalls = harden_process();
    panic_hook::install();
    // Fails only if a provider is installed already, and nothing here installs another.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

    let command = match command_line::parse(std::env::args_os()) {
        Ok(command_line) => command_line.command,
        Err(refusal) => return refuse(refusal),
    };
    let outcome = match command {
        Subcommands::Up(up) => up.run(&shortfalls),
        Subcommands::Serve(serve) => serve.run(&shortfalls),
        Subcommands::Node(node) => node.run(&shortfalls),
        Subcommands::Run(run) => return run.run(),
        Subcommands::Kubeconfig(kubeconfig) => kubeconfig.run(),
        Subcommands::Backup(backup) => backup.run(),
        Subcommands::Restore(restore) => restore.run(),
        Subcommands::Access(access) => return access.run(),
        Subcommands::Audit(audit) => audit.run(),
        Subcommands::Version(version) => version.run(),
        Subcommands::Completion(completion) => completion.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(FAILURE)
        }
    }
}

fn refuse(refusal: Refusal) -> ExitCode {
    match refusal {
        Refusal::Usage(error) => {
            let _ = error.print();
            if error.use_stderr() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::SUCCESS
            }
        }
        Refusal::ConfigFile(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(USAGE)
        }
    }
}
