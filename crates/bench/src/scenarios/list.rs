//! Listing 10,000 Secrets in one answer: how long, and how much memory while it lasts.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::figure::{Figure, Target};
use crate::http1::Connection;
use crate::requests;
use crate::scenarios::{MEBIBYTE, Setting, milliseconds, populate};
use crate::server::Server;

const SECRETS: usize = 10_000;
/// Memory is idle when nothing was asked for so long.
const REST: Duration = Duration::from_secs(2);

pub async fn measure(setting: &Setting) -> Result<Vec<Figure>> {
    let server = Server::fresh(setting).await?;
    populate::populate(&server, "bench", 0, SECRETS).await?;
    let mut figures = Vec::new();
    let forms = [
        (
            "JSON",
            "application/json",
            Target::AtMost(100.0),
            Target::AtMost(16.0),
        ),
        (
            "protobuf",
            "application/vnd.kubernetes.protobuf",
            Target::None,
            Target::None,
        ),
        (
            "metadata only",
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            Target::None,
            Target::None,
        ),
    ];
    for (form, accept, time_target, memory_target) in forms {
        let (mut times, mut busy, mut memory, mut size) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let request = requests::get(&requests::secrets("bench"), accept);
        let mut connection = Connection::open(&server.access).await?;
        for _ in 0..setting.runs {
            tokio::time::sleep(REST).await;
            let idle = server.resident()?;
            server.reset_peak()?;
            let (began, cpu) = (Instant::now(), server.cpu());
            let (status, length) = connection.exchange(&request).await?;
            times.push(milliseconds(began.elapsed()));
            busy.push((server.cpu() - cpu) * 1000.0);
            memory.push(server.peak()?.saturating_sub(idle) as f64 / MEBIBYTE);
            ensure!(status == 200, "the server answered {status}");
            size = length;
        }
        let what = format!("LIST 10,000 × 1 KiB, {form}");
        let note = format!(
            "{:.1} MiB of answer; server busy for {busy:.0?} ms",
            size as f64 / MEBIBYTE
        );
        figures.push(Figure::new(&what, "ms", time_target, &times).note(note));
        figures.push(Figure::new("  memory above idle", "MiB", memory_target, &memory));
    }
    Ok(figures)
}
