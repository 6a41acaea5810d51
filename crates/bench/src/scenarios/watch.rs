//! Watching: how soon an event is where it is waited for, and what waiting costs.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::figure::{Figure, Target};
use crate::histogram::Histogram;
use crate::http1::Connection;
use crate::http2::{self, Incoming};
use crate::requests;
use crate::scenarios::{MEBIBYTE, Setting, milliseconds, populate};
use crate::server::Server;

const WATCHERS: usize = 1_000;
const IDLE_WATCHERS: usize = 10_000;
const STREAMS: usize = 100;
/// Writes in one run, and the pause after each.
const WRITES: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(10);
const REST: Duration = Duration::from_secs(3);

/// The moments at which events came in, of all watchers.
#[derive(Default)]
struct Seen {
    open: usize,
    moments: Vec<Instant>,
}

/// Watches over some connections, each read by its own task.
struct Watchers {
    seen: Rc<RefCell<Seen>>,
    changed: Rc<Notify>,
    readers: Vec<JoinHandle<Result<()>>>,
}

impl Watchers {
    /// Opens `count` watches from `revision`; `name_of` says which Secret each is for.
    async fn open(
        server: &Server,
        count: usize,
        revision: &str,
        name_of: impl Fn(usize) -> String,
    ) -> Result<Self> {
        let mut watchers = Self {
            seen: Rc::default(),
            changed: Rc::default(),
            readers: Vec::new(),
        };
        for first in (0..count).step_by(STREAMS) {
            let mut connection = http2::Connection::open(&server.access).await?;
            for index in first..(first + STREAMS).min(count) {
                let path = format!(
                    "{}?watch=true&resourceVersion={revision}&fieldSelector=metadata.name%3D{}",
                    requests::secrets("bench"),
                    name_of(index)
                );
                connection.request(&http2::Request::get(&path, "application/json"));
            }
            let (seen, changed) = (watchers.seen.clone(), watchers.changed.clone());
            watchers
                .readers
                .push(tokio::task::spawn_local(read(connection, seen, changed)));
        }
        watchers
            .wait_for("watches to open", |seen| seen.open >= count)
            .await?;
        Ok(watchers)
    }

    async fn wait_for(&self, what: &str, reached: impl Fn(&Seen) -> bool) -> Result<()> {
        let began = Instant::now();
        loop {
            let changed = self.changed.notified();
            if reached(&self.seen.borrow()) {
                return Ok(());
            }
            if self.readers.iter().any(JoinHandle::is_finished) {
                bail!("a connection with watches ended");
            }
            if tokio::time::timeout(PATIENCE, changed).await.is_err() && began.elapsed() > PATIENCE {
                let seen = self.seen.borrow();
                bail!(
                    "waited in vain for {what}: {} open, {} events",
                    seen.open,
                    seen.moments.len()
                );
            }
        }
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        for reader in &self.readers {
            reader.abort();
        }
    }
}

async fn read(mut connection: http2::Connection, seen: Rc<RefCell<Seen>>, changed: Rc<Notify>) -> Result<()> {
    loop {
        match connection.next().await? {
            Incoming::Headers {
                ok: true,
                ended: false,
                ..
            } => seen.borrow_mut().open += 1,
            Incoming::Data {
                lines, ended: false, ..
            } => {
                let now = Instant::now();
                seen.borrow_mut().moments.extend(std::iter::repeat_n(now, lines));
            }
            ended => bail!("a watch ended: {ended:?}"),
        }
        changed.notify_waiters();
    }
}

/// Latencies of one run.
#[derive(Default)]
struct Latencies {
    after_answer: Histogram,
    after_request: Histogram,
}

pub async fn measure(setting: &Setting) -> Result<Vec<Figure>> {
    let server = Server::fresh(setting).await?;
    populate::populate(&server, "bench", 0, WATCHERS).await?;
    let revision = revision(&server).await?;
    let one = Watchers::open(&server, WATCHERS, &revision, requests::name).await?;
    let one_figures = fan_out(setting, &server, &one, 1, "one of 1,000 watchers matching").await?;
    drop(one);
    let revision = self::revision(&server).await?;
    let all = Watchers::open(&server, WATCHERS, &revision, |_| requests::name(0)).await?;
    let all_figures = fan_out(setting, &server, &all, WATCHERS, "all of 1,000 watchers matching").await?;
    Ok([one_figures, all_figures].concat())
}

async fn fan_out(
    setting: &Setting,
    server: &Server,
    watchers: &Watchers,
    matching: usize,
    what: &str,
) -> Result<Vec<Figure>> {
    let mut writer = Connection::open(&server.access).await?;
    let (mut p50, mut p99, mut note) = (Vec::new(), Vec::new(), String::new());
    for run in 0..setting.runs {
        let mut latencies = Latencies::default();
        for write in 0..WRITES {
            write_once(
                &mut writer,
                watchers,
                matching,
                run * WRITES + write,
                &mut latencies,
            )
            .await?;
            tokio::time::sleep(PAUSE).await;
        }
        p50.push(milliseconds(latencies.after_request.percentile(50.0)));
        p99.push(milliseconds(latencies.after_request.percentile(99.0)));
        let after = |percent| milliseconds(latencies.after_answer.percentile(percent));
        note = format!(
            "commit included; after the writer's answer: p50 {:.2} ms, p99 {:.2} ms",
            after(50.0),
            after(99.0)
        );
    }
    Ok(vec![
        Figure::new(
            format!("watch, {what}: write → event, p99"),
            "ms",
            Target::AtMost(10.0),
            &p99,
        )
        .note(note),
        Figure::new("  p50", "ms", Target::None, &p50),
    ])
}

/// Writes once and waits until every matching watcher has the event. When the commit was is not
/// seen from outside: it lies between the request and its answer. The figure counts from the
/// request, which is never too good; counted from the answer, a server that delivers to all
/// watchers before it answers the writer would seem to need no time at all.
async fn write_once(
    writer: &mut Connection,
    watchers: &Watchers,
    matching: usize,
    number: usize,
    latencies: &mut Latencies,
) -> Result<()> {
    watchers.seen.borrow_mut().moments.clear();
    let path = format!("{}/{}", requests::secrets("bench"), requests::name(0));
    let patch = format!(r#"{{"metadata":{{"labels":{{"write":"{number}"}}}}}}"#);
    let request = requests::with_body("PATCH", &path, "application/merge-patch+json", &patch);
    let sent = Instant::now();
    let (status, _) = writer.exchange(&request).await?;
    let answered = Instant::now();
    ensure!(status == 200, "the server answered {status}");
    watchers
        .wait_for("events", |seen| seen.moments.len() >= matching)
        .await?;
    for moment in &watchers.seen.borrow().moments {
        latencies
            .after_answer
            .record(moment.saturating_duration_since(answered));
        latencies
            .after_request
            .record(moment.saturating_duration_since(sent));
    }
    Ok(())
}

pub async fn measure_idle(setting: &Setting) -> Result<Vec<Figure>> {
    let server = Server::fresh(setting).await?;
    populate::populate(&server, "bench", 0, 1).await?;
    let mut memory = Vec::new();
    for _ in 0..setting.runs {
        tokio::time::sleep(REST).await;
        let before = server.resident()?;
        let revision = revision(&server).await?;
        let watchers = Watchers::open(&server, IDLE_WATCHERS, &revision, requests::name).await?;
        tokio::time::sleep(REST).await;
        memory.push((server.resident()?.saturating_sub(before)) as f64 / MEBIBYTE);
        drop(watchers);
    }
    // What the allocator keeps after the first run is not taken again by the next, so the first
    // counts.
    let first = memory.first().copied().unwrap_or(f64::NAN);
    let note = format!("first run; all: {memory:.1?}");
    Ok(vec![
        Figure::new(
            "10,000 idle watchers on 100 HTTP/2 connections",
            "MiB",
            Target::AtMost(100.0),
            &[first],
        )
        .note(note),
    ])
}

/// The revision from which watches may begin now.
pub async fn revision(server: &Server) -> Result<String> {
    let body = server
        .expect(&requests::get(
            &format!("{}?limit=1", requests::secrets("bench")),
            "application/json",
        ))
        .await?;
    let list: Value = serde_json::from_slice(&body)?;
    match list["metadata"]["resourceVersion"].as_str() {
        Some(revision) => Ok(revision.to_owned()),
        None => bail!("a list has no resourceVersion"),
    }
}
