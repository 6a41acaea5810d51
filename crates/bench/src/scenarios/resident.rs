//! Memory of a server that nobody asks anything, and the start of one that holds nothing.

use std::time::Duration;

use anyhow::Result;

use crate::figure::{Figure, Target};
use crate::scenarios::{MEBIBYTE, Setting, milliseconds, populate};
use crate::server::{Data, Server};

const SECRETS: usize = 10_000;
const REST: Duration = Duration::from_secs(3);
const MEGABYTE: f64 = 1e6;

pub async fn measure(setting: &Setting) -> Result<Vec<Figure>> {
    let (mut first, mut again, mut empty, mut full) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..setting.runs {
        let server = Data::new(setting)?.start().await?;
        first.push(milliseconds(server.ready_after));
        tokio::time::sleep(REST).await;
        empty.push(server.resident()? as f64 / MEBIBYTE);
        let server = server.stop()?.start().await?;
        again.push(milliseconds(server.ready_after));
        server.create_namespace("bench").await?;
        populate::populate(&server, "bench", 0, SECRETS).await?;
        tokio::time::sleep(REST).await;
        full.push(server.resident()? as f64 / MEGABYTE);
    }
    let restarted = restarted(setting).await?;
    Ok(vec![
        Figure::new("ready, very first start", "ms", Target::None, &first)
            .note("makes keys and certificates"),
        Figure::new("ready, empty", "ms", Target::None, &again),
        Figure::new("resident, empty, idle", "MiB", Target::None, &empty),
        Figure::new(
            "resident, 10,000 × 1 KiB Secrets, idle",
            "MB",
            Target::AtMost(80.0),
            &full,
        )
        .note("after writing them"),
        Figure::new("  after a restart", "MB", Target::None, &restarted),
    ])
}

async fn restarted(setting: &Setting) -> Result<Vec<f64>> {
    let mut server = Server::fresh(setting).await?;
    populate::populate(&server, "bench", 0, SECRETS).await?;
    let mut runs = Vec::new();
    for _ in 0..setting.runs {
        server = server.stop()?.start().await?;
        tokio::time::sleep(REST * 2).await;
        runs.push(server.resident()? as f64 / MEGABYTE);
    }
    Ok(runs)
}
