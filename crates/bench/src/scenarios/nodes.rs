//! A fleet: 2,000 nodes, each with a connection and a certificate of its own, each watching the 30 Secrets that its
//! pod uses, as the Node authorizer lets it; then 1,000 of those Secrets change at once.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::figure::{Figure, Target};
use crate::http1::Connection;
use crate::http2::{self, Incoming};
use crate::node;
use crate::requests;
use crate::scenarios::{MEBIBYTE, Setting, populate, watch};
use crate::server::Server;

const NODES: usize = 2_000;
const SECRETS: usize = 1_000;
const SECRETS_OF_A_NODE: usize = 30;
const WRITERS: usize = 16;
/// Connections that are opened at the same time.
const OPENING: usize = 32;
const PATIENCE: Duration = Duration::from_secs(120);

/// What has come in, of all nodes together.
#[derive(Default)]
struct Seen {
    open: Cell<usize>,
    events: Cell<usize>,
    changed: Notify,
}

/// The Secrets that a node uses: spread so that every Secret is used by as many nodes as every other.
fn secrets_of(node: usize) -> impl Iterator<Item = usize> {
    (0..SECRETS_OF_A_NODE).map(move |place| (node * SECRETS_OF_A_NODE + place) % SECRETS)
}

pub async fn measure(setting: &Setting) -> Result<Vec<Figure>> {
    let server = Server::fresh(setting).await?;
    populate::populate(&server, "bench", 0, SECRETS).await?;
    make_pods(&server).await?;
    let seen: Rc<Seen> = Rc::default();
    let readers = open_nodes(&server, &seen).await?;
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for run in 0..setting.runs {
        times.push(burst(&server, &seen, &readers, run).await?.as_secs_f64());
        memory.push(server.resident()? as f64 / MEBIBYTE);
    }
    for reader in readers {
        reader.abort();
    }
    Ok(vec![
        Figure::new(
            "1,000 Secrets change, 60,000 watches of 2,000 nodes: until the last event",
            "s",
            Target::AtMost(2.0),
            &times,
        )
        .note("counted from the first of the 1,000 writes".to_owned()),
        Figure::new(
            "  resident with 2,000 nodes",
            "MiB",
            Target::AtMost(1024.0),
            &memory,
        ),
    ])
}

/// One pod for each node, which uses its Secrets.
async fn make_pods(server: &Server) -> Result<()> {
    let next = Rc::new(Cell::new(0));
    let mut makers = Vec::new();
    for _ in 0..WRITERS {
        let mut connection = Connection::open(&server.access).await?;
        let next = Rc::clone(&next);
        makers.push(tokio::task::spawn_local(async move {
            loop {
                let node = next.replace(next.get() + 1);
                if node >= NODES {
                    return Ok(());
                }
                let volumes: Vec<String> = secrets_of(node)
                    .map(|secret| {
                        let name = requests::name(secret);
                        format!(r#"{{"name":"{name}","secret":{{"secretName":"{name}"}}}}"#)
                    })
                    .collect();
                let body = format!(
                    r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p-{node}"}},"spec":{{"nodeName":"n-{node}","containers":[{{"name":"c","image":"busybox"}}],"volumes":[{}]}}}}"#,
                    volumes.join(",")
                );
                let path = "/api/v1/namespaces/bench/pods";
                let request = requests::with_body("POST", path, "application/json", &body);
                let (status, _) = connection.exchange(&request).await?;
                ensure!(status == 201, "a pod is answered {status}");
            }
        }));
    }
    for maker in makers {
        maker.await??;
    }
    Ok(())
}

async fn open_nodes(server: &Server, seen: &Rc<Seen>) -> Result<Vec<JoinHandle<Result<()>>>> {
    let revision = watch::revision(server).await?;
    let mut readers = Vec::with_capacity(NODES);
    for first in (0..NODES).step_by(OPENING) {
        let nodes = first..(first + OPENING).min(NODES);
        let opening = nodes.map(|node| open(server, node, &revision));
        for connection in futures::future::join_all(opening).await {
            readers.push(tokio::task::spawn_local(listen(connection?, Rc::clone(seen))));
        }
    }
    wait(seen, &readers, "watches to open", |seen| {
        seen.open.get() == NODES * SECRETS_OF_A_NODE
    })
    .await?;
    Ok(readers)
}

/// A node's connection, with its watches asked for.
async fn open(server: &Server, node: usize, revision: &str) -> Result<http2::Connection> {
    let (certificate, key) = node::certificate_of(server, &format!("n-{node}"))?;
    let access = server
        .access
        .with_certificate(certificate.as_bytes(), key.as_bytes())?;
    let mut connection = http2::Connection::open(&access).await?;
    for secret in secrets_of(node) {
        let path = format!(
            "{}?watch=true&fieldSelector=metadata.name%3D{}&resourceVersion={revision}",
            requests::secrets("bench"),
            requests::name(secret),
        );
        connection.request(&http2::Request::get(&path, "application/json"));
    }
    connection.send().await?;
    Ok(connection)
}

async fn listen(mut connection: http2::Connection, seen: Rc<Seen>) -> Result<()> {
    loop {
        match connection.next().await? {
            Incoming::Headers {
                ok: true,
                ended: false,
                ..
            } => seen.open.set(seen.open.get() + 1),
            Incoming::Data {
                lines, ended: false, ..
            } => seen.events.set(seen.events.get() + lines),
            ended => bail!("a watch ended: {ended:?}"),
        }
        seen.changed.notify_waiters();
    }
}

/// Changes every Secret once; how long until every node has heard of all of its own.
async fn burst(
    server: &Server,
    seen: &Rc<Seen>,
    readers: &[JoinHandle<Result<()>>],
    run: usize,
) -> Result<Duration> {
    let mut connections = Vec::new();
    for _ in 0..WRITERS {
        connections.push(Connection::open(&server.access).await?);
    }
    let wanted = seen.events.get() + NODES * SECRETS_OF_A_NODE;
    let next = Rc::new(Cell::new(0));
    let began = Instant::now();
    let writers: Vec<JoinHandle<Result<()>>> = connections
        .into_iter()
        .map(|mut connection| {
            let next = Rc::clone(&next);
            tokio::task::spawn_local(async move {
                loop {
                    let secret = next.replace(next.get() + 1);
                    if secret >= SECRETS {
                        return Ok(());
                    }
                    let path = format!("{}/{}", requests::secrets("bench"), requests::name(secret));
                    let patch = format!(r#"{{"metadata":{{"labels":{{"run":"{run}"}}}}}}"#);
                    let request = requests::with_body("PATCH", &path, "application/merge-patch+json", &patch);
                    let (status, _) = connection.exchange(&request).await?;
                    ensure!(status == 200, "a write is answered {status}");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    wait(seen, readers, "events", |seen| seen.events.get() >= wanted).await?;
    Ok(began.elapsed())
}

async fn wait(
    seen: &Seen,
    readers: &[JoinHandle<Result<()>>],
    what: &str,
    reached: impl Fn(&Seen) -> bool,
) -> Result<()> {
    let began = Instant::now();
    loop {
        let changed = seen.changed.notified();
        if reached(seen) {
            return Ok(());
        }
        if tokio::time::timeout(Duration::from_secs(1), changed)
            .await
            .is_err()
            && readers.iter().any(JoinHandle::is_finished)
        {
            bail!("a node's connection ended");
        }
        if began.elapsed() > PATIENCE {
            bail!(
                "waited in vain for {what}: {} open, {} events",
                seen.open.get(),
                seen.events.get()
            );
        }
    }
}
