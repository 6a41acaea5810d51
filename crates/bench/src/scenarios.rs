//! What is measured, one file for each.

mod access;
mod create;
mod delivery;
mod get;
mod list;
mod nodes;
mod populate;
mod ready;
mod resident;
mod scale;
mod watch;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Result;

use crate::figure::Figure;
use crate::load::Load;
use crate::server::Shares;

/// How to measure.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The server's program.
    pub server: PathBuf,
    /// Where data directories are made.
    pub scratch: PathBuf,
    /// Length of one run.
    pub run: Duration,
    /// How many runs; at least one.
    pub runs: usize,
    /// Whether to go up to a million Secrets.
    pub full: bool,
}

/// One thing to measure.
pub struct Scenario {
    /// Its name for `--only`.
    pub name: &'static str,
    /// What it tells, in a few words.
    pub about: &'static str,
    begin: for<'a> fn(&'a Setting) -> Measuring<'a>,
}

type Measuring<'a> = Pin<Box<dyn Future<Output = Result<Vec<Figure>>> + 'a>>;

impl Scenario {
    /// Measures it.
    pub async fn measure(&self, setting: &Setting) -> Result<Vec<Figure>> {
        (self.begin)(setting).await
    }
}

/// Everything that is measured, in this order.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "get",
        about: "reading one Secret of 1 KiB, beside /livez",
        begin: |setting| Box::pin(get::measure(setting)),
    },
    Scenario {
        name: "create",
        about: "durable creates with 1, 16, 64 and 256 writers",
        begin: |setting| Box::pin(create::measure(setting)),
    },
    Scenario {
        name: "access",
        about: "what a service-account token and the audit log cost",
        begin: |setting| Box::pin(access::measure(setting)),
    },
    Scenario {
        name: "list",
        about: "listing 10,000 Secrets of 1 KiB at once",
        begin: |setting| Box::pin(list::measure(setting)),
    },
    Scenario {
        name: "watch",
        about: "from commit to event, with 1,000 watchers",
        begin: |setting| Box::pin(watch::measure(setting)),
    },
    Scenario {
        name: "watchers",
        about: "memory for 10,000 idle watchers on 100 connections",
        begin: |setting| Box::pin(watch::measure_idle(setting)),
    },
    Scenario {
        name: "nodes",
        about: "2,000 nodes that watch 30 Secrets each, through a burst of 1,000 changes",
        begin: |setting| Box::pin(nodes::measure(setting)),
    },
    Scenario {
        name: "delivery",
        about: "from a Secret's change to the file in the container, and a pod's start, with a real containerd",
        begin: |setting| Box::pin(delivery::measure(setting)),
    },
    Scenario {
        name: "resident",
        about: "memory and start of a server that is empty, memory with 10,000 Secrets",
        begin: |setting| Box::pin(resident::measure(setting)),
    },
    Scenario {
        name: "ready",
        about: "start with 100,000 Secrets, after a clean stop and after kill -9",
        begin: |setting| Box::pin(ready::measure(setting)),
    },
    Scenario {
        name: "scale",
        about: "cost of an operation with 1,000, 10,000 and 100,000 Secrets (--full: 1,000,000)",
        begin: |setting| Box::pin(scale::measure(setting)),
    },
];

/// Percent of a core that other processes may use before a figure is marked.
const DISTURBED: f64 = 15.0;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// How busy both sides were: `server 98 %, 41 µs each; client 61 %, 25 µs each`.
fn busy_note(shares: Shares, load: &Load) -> String {
    let Shares {
        server,
        client,
        others,
    } = shares;
    let each = |percent: f64| percent / 100.0 * 1e6 / load.rate();
    let limited = if client > 95.0 && server < 90.0 {
        ": limited by the load generator"
    } else {
        ""
    };
    let disturbed = if others > DISTURBED {
        format!("; DISTURBED: other processes {others:.0} %")
    } else {
        String::new()
    };
    format!(
        "server {server:.0} %, {:.0} µs each; client {client:.0} %, {:.0} µs each{limited}{disturbed}",
        each(server),
        each(client)
    )
}
