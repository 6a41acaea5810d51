//! `strongroom-bench`: how fast is it, how much memory does it take, how long until it is ready?
//!
//! The server runs on one core and this load generator on another, with TLS, authorization and
//! encryption on, against an empty data directory of its own. Every figure is the median of
//! several short runs and is printed with their range, beside the target it is measured against.
//!
//! The clients are written by hand (`http1`, `http2`): requests are bytes made beforehand and
//! answers are read no further than needed, so that the generator can ask for more than the server
//! can give. How busy both were is noted with the figures: one that was limited by the generator
//! says so.

mod figure;
mod histogram;
mod history;
mod http1;
mod http2;
mod load;
mod node;
mod requests;
mod scenarios;
mod server;
#[cfg(test)]
mod stub;
mod tls;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};

use crate::figure::Figure;
use crate::scenarios::{SCENARIOS, Scenario, Setting};

/// The core that the load generator stays on; the server has core 0.
const CORE: &str = "1";
/// Set in the process that is on its core already.
const PINNED: &str = "STRONGROOM_BENCH_PINNED";

/// Measures a Strongroom server against its targets.
#[derive(Debug, Parser)]
#[command(after_help = help_after())]
struct Options {
    /// Measure only this; may be given several times (see the list below)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Length of each run
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Runs of each measurement; the median and the range are shown
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Go up to 1,000,000 Secrets (adds several minutes)
    #[arg(long)]
    full: bool,
    /// How to print the figures
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// The server to measure
    #[arg(long, default_value = "target/release/strongroom")]
    server: PathBuf,
    /// Where data directories are made; should be on the kind of disk that matters
    #[arg(long, default_value = "target")]
    scratch: PathBuf,
    /// File to which the figures are added
    #[arg(long, default_value = "target/bench-history.json")]
    history: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

fn help_after() -> String {
    let mut text = String::from("Names for --only:\n");
    for scenario in SCENARIOS {
        text.push_str(&format!("  {:<10} {}\n", scenario.name, scenario.about));
    }
    text.push_str("\nExample: how many reads and writes a second, quickly\n  strongroom-bench --only get --only create --seconds 1");
    text
}

fn main() -> Result<()> {
    let options = Options::parse();
    let chosen = choose(&options.only)?;
    pin()?;
    // Driver events are looked at after every task: a spinning open-loop generator must not keep
    // answers waiting in the socket.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(1)
        .build()?;
    let figures = tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            figures = measure(&options, &chosen) => figures,
            // Leaving in order removes the data directories.
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })?;
    history::append(&options.history, &figures, &options.server)?;
    match options.output {
        Output::Table => print!("{}", figure::table(&figures)),
        Output::Json => println!("{}", serde_json::to_string_pretty(&figures)?),
    }
    Ok(())
}

async fn measure(options: &Options, chosen: &[&Scenario]) -> Result<Vec<Figure>> {
    let setting = Setting {
        server: options.server.clone(),
        scratch: options.scratch.clone(),
        run: Duration::from_secs_f64(options.seconds),
        runs: options.runs.max(1),
        full: options.full,
    };
    let mut figures = Vec::new();
    for scenario in chosen {
        eprintln!("{}: {}", scenario.name, scenario.about);
        let measured = scenario
            .measure(&setting)
            .await
            .with_context(|| format!("measuring {:?}", scenario.name))?;
        for figure in &measured {
            eprintln!("  {}", figure.line());
        }
        figures.extend(measured);
    }
    Ok(figures)
}

fn choose(only: &[String]) -> Result<Vec<&'static Scenario>> {
    if let Some(unknown) = only
        .iter()
        .find(|name| SCENARIOS.iter().all(|scenario| scenario.name != **name))
    {
        let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        bail!(
            "there is nothing to measure called {unknown:?}; there are {}",
            names.join(", ")
        );
    }
    let wanted = |scenario: &&Scenario| only.is_empty() || only.iter().any(|name| name == scenario.name);
    Ok(SCENARIOS.iter().filter(wanted).collect())
}

/// Starts this program again on its own core.
fn pin() -> Result<()> {
    if std::env::var_os(PINNED).is_some() {
        return Ok(());
    }
    if std::thread::available_parallelism()?.get() < 2 {
        eprintln!("warning: only one core, so server and load generator share it");
        return Ok(());
    }
    let error = Command::new("taskset")
        .args(["-c", CORE])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(PINNED, "1")
        .exec();
    Err(error).context("running taskset (package util-linux), which keeps the load generator on its own core")
}
