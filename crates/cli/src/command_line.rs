//! From arguments, environment and configuration file to a command.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::command::{access, audit, backup, completion, kubeconfig, node, restore, run, serve, up, version};
use crate::config_file::{self, Entry};
use crate::settings::Settings;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "strongroom",
    version,
    about = "A secrets platform that speaks Kubernetes",
    after_help = "Start with `strongroom up`, then follow what it prints.",
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Subcommands,
}

/// One variant for each command; what it does, and how that is explained, is in the file of its name.
#[derive(Debug, Subcommand)]
pub enum Subcommands {
    Up(up::Up),
    Serve(serve::Serve),
    Node(Box<node::Node>),
    Run(run::Run),
    Kubeconfig(kubeconfig::Kubeconfig),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Access(access::Access),
    Audit(audit::Audit),
    Version(version::Version),
    Completion(completion::Completion),
}

/// The flag every command with a configuration file has.
#[derive(Debug, Clone, Args)]
pub struct ConfigFlag {
    /// A YAML file with settings, named as the flags; flags and environment go before it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Why there is no command to run.
#[derive(Debug)]
pub enum Refusal {
    /// What clap says: usage errors, but also help and version.
    Usage(Box<clap::Error>),
    /// The configuration file is not right.
    ConfigFile(anyhow::Error),
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Refusal {
        Refusal::Usage(Box::new(error))
    }
}

/// clap's view of the command line, environment variables included.
pub fn command() -> Command {
    let settings = Settings::augment_args(Command::new("settings"));
    let is_setting = |argument: &clap::Arg| {
        let long = argument.get_long();
        long == Some("config") || settings.get_arguments().any(|setting| setting.get_long() == long)
    };
    with_environment_variables(CommandLine::command(), &is_setting).mut_subcommand("up", |up| {
        up.mut_args(|argument| {
            let is_shown = argument.get_long().is_some_and(|long| up::SHOWN.contains(&long));
            argument.hide(!is_shown)
        })
    })
}

/// Reads arguments, environment and, if one of them names it, the configuration file.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<CommandLine, Refusal> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let matches = command().try_get_matches_from(&arguments)?;
    let Some((name, file)) = config_file_of(&matches) else {
        return Ok(CommandLine::from_arg_matches(&matches)?);
    };
    let command = with_defaults_from(&file, &name).map_err(Refusal::ConfigFile)?;
    let matches = command.try_get_matches_from(&arguments)?;
    Ok(CommandLine::from_arg_matches(&matches)?)
}

/// Settings have one wherever they appear, in commands of commands too.
fn with_environment_variables(command: Command, is_setting: &impl Fn(&clap::Arg) -> bool) -> Command {
    let command = command.mut_args(|argument| {
        if is_setting(&argument) {
            with_environment_variable(argument)
        } else {
            argument
        }
    });
    command.mut_subcommands(|sub| with_environment_variables(sub, is_setting))
}

fn with_environment_variable(argument: clap::Arg) -> clap::Arg {
    let Some(long) = argument.get_long() else {
        return argument;
    };
    let variable = format!("STRONGROOM_{}", long.replace('-', "_").to_ascii_uppercase());
    argument.env(leaked(variable)).hide_env_values(true)
}

fn config_file_of(matches: &ArgMatches) -> Option<(String, PathBuf)> {
    let (name, matches) = matches.subcommand()?;
    let file = matches.try_get_one::<PathBuf>("config").ok().flatten()?;
    Some((name.to_owned(), file.clone()))
}

/// The command line again, the file's values standing in for the defaults.
fn with_defaults_from(file: &Path, subcommand: &str) -> anyhow::Result<Command> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("The configuration file {} cannot be read", file.display()))?;
    let entries = config_file::parse(&text).with_context(|| format!("In {}", file.display()))?;
    let mut command = command();
    for entry in entries {
        check(&command, subcommand, &entry)
            .with_context(|| format!("In {}, line {}", file.display(), entry.line))?;
        command = command.mut_subcommand(subcommand, |sub| set_default(sub, &entry));
    }
    Ok(command)
}

fn argument_of<'a>(command: &'a Command, subcommand: &str, key: &str) -> Option<&'a clap::Arg> {
    let settings = command.find_subcommand(subcommand)?;
    settings.get_arguments().find(|argument| {
        argument.get_long() == Some(key) && !matches!(argument.get_id().as_str(), "config" | "help")
    })
}

fn check(command: &Command, subcommand: &str, entry: &Entry) -> anyhow::Result<()> {
    let Some(argument) = argument_of(command, subcommand, &entry.key) else {
        anyhow::bail!(
            "there is no setting `{}`; see `strongroom {subcommand} --help` for those there are",
            entry.key
        );
    };
    // Alone and without the environment, so that only this value can be what is wrong.
    let alone = Command::new("strongroom").arg(
        clap::Arg::new("value")
            .long(leaked(entry.key.clone()))
            .value_names(argument.get_value_names().unwrap_or_default().to_vec())
            .value_parser(argument.get_value_parser().clone()),
    );
    let attempt = alone.try_get_matches_from(["strongroom", &format!("--{}={}", entry.key, entry.value)]);
    attempt
        .map(drop)
        .map_err(|error| anyhow::anyhow!(first_line(&error)))
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn set_default(settings: Command, entry: &Entry) -> Command {
    settings.mut_args(|argument| {
        if argument.get_long() == Some(&entry.key) {
            argument.default_value(leaked(entry.value.clone()))
        } else {
            argument
        }
    })
}

/// clap borrows names and defaults for as long as the program runs; there are a few dozen at most.
fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[cfg(test)]
mod tests;
