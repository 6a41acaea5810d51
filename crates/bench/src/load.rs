//! Asking as fast as answers come (closed loop) or at a fixed rate whatever comes (open loop).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::sync::Notify;
use tokio::task::{JoinSet, yield_now};

use crate::histogram::Histogram;
use crate::requests::{Random, Template};
use crate::tls::Access;
use crate::{http1, http2};

/// Where requests come from.
#[derive(Clone)]
pub enum Source {
    /// The same again and again.
    Fixed(Rc<[u8]>),
    /// Each with the next number.
    Counting(Template, Rc<Cell<usize>>),
    /// Each with any number below this.
    Random(Template, Rc<RefCell<Random>>, usize),
}

impl Source {
    fn next(&mut self) -> &[u8] {
        match self {
            Source::Fixed(request) => request,
            Source::Counting(template, counter) => {
                let number = counter.get();
                counter.set(number + 1);
                template.fill(number)
            }
            Source::Random(template, random, below) => {
                let number = random.borrow_mut().next() as usize % *below;
                template.fill(number)
            }
        }
    }
}

/// What a load came to.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// How long it took from the first request to the last answer.
    pub elapsed: Duration,
    /// How long each answer took.
    pub latency: Histogram,
}

impl Load {
    /// Answers per second.
    pub fn rate(&self) -> f64 {
        self.latency.count() as f64 / self.elapsed.as_secs_f64()
    }
}

/// When a closed loop ends.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After this many requests.
    Requests(u64),
}

/// Opens `count` HTTP/1.1 connections.
pub async fn connect(access: &Access, count: usize) -> Result<Vec<http1::Connection>> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        connections.push(http1::Connection::open(access).await?);
    }
    Ok(connections)
}

/// Every connection asks, waits for the answer, and asks again.
pub async fn closed(connections: &mut Vec<http1::Connection>, source: &Source, until: Until) -> Result<Load> {
    let asked = Rc::new(Cell::new(0));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for mut connection in connections.drain(..) {
        let (mut source, asked) = (source.clone(), asked.clone());
        tasks.spawn_local(async move {
            let mut latency = Histogram::default();
            loop {
                let sent = Instant::now();
                let ended = match until {
                    Until::Elapsed(limit) => sent.duration_since(began) >= limit,
                    Until::Requests(limit) => asked.get() >= limit,
                };
                if ended {
                    return Ok::<_, anyhow::Error>((connection, latency));
                }
                asked.set(asked.get() + 1);
                expect_success(connection.exchange(source.next()).await?.0)?;
                latency.record(sent.elapsed());
            }
        });
    }
    let mut load = Load::default();
    while let Some(ended) = tasks.join_next().await {
        let (connection, latency) = ended??;
        connections.push(connection);
        load.latency.add(&latency);
    }
    load.elapsed = began.elapsed();
    Ok(load)
}

/// Asks `rate` times a second at random moments (a Poisson process). A request waits for a free
/// connection if it must, and its time counts from the moment it was due: a slow answer does not
/// make the questions fewer (no coordinated omission).
pub async fn open(
    connections: &mut Vec<http1::Connection>,
    source: &Source,
    rate: f64,
    run: Duration,
) -> Result<Load> {
    let due = Rc::new(RefCell::new(VecDeque::<Instant>::new()));
    let (wake, closed) = (Rc::new(Notify::new()), Rc::new(Cell::new(false)));
    let mut tasks = JoinSet::new();
    for mut connection in connections.drain(..) {
        let (mut source, due, wake, closed) = (source.clone(), due.clone(), wake.clone(), closed.clone());
        tasks.spawn_local(async move {
            let mut latency = Histogram::default();
            loop {
                let next = due.borrow_mut().pop_front();
                match next {
                    Some(moment) => {
                        expect_success(connection.exchange(source.next()).await?.0)?;
                        latency.record(moment.elapsed());
                    }
                    None if closed.get() => return Ok::<_, anyhow::Error>((connection, latency)),
                    None => wake.notified().await,
                }
            }
        });
    }
    let began = Instant::now();
    let mut random = Random::new(rate as u64);
    let mut moment = began;
    while began.elapsed() < run {
        // Spinning: a timer would be a millisecond late, and this core has nothing else to do.
        while moment <= Instant::now() {
            due.borrow_mut().push_back(moment);
            wake.notify_one();
            moment += Duration::from_secs_f64(random.waiting_time() / rate);
        }
        yield_now().await;
    }
    closed.set(true);
    let mut load = Load::default();
    let connection_count = tasks.len();
    for _ in 0..connection_count {
        wake.notify_waiters();
        wake.notify_one();
        if let Some(ended) = tasks.join_next().await {
            let (connection, latency) = ended??;
            connections.push(connection);
            load.latency.add(&latency);
        }
    }
    load.elapsed = began.elapsed();
    Ok(load)
}

/// Keeps `streams` requests under way on one HTTP/2 connection.
pub async fn multiplexed(
    access: &Access,
    request: &http2::Request,
    streams: usize,
    run: Duration,
) -> Result<Load> {
    let mut connection = http2::Connection::open(access).await?;
    let began = Instant::now();
    let mut sent = std::collections::HashMap::new();
    for _ in 0..streams {
        sent.insert(connection.request(request), Instant::now());
    }
    let mut load = Load::default();
    while !sent.is_empty() {
        let (stream, ended) = match connection.next().await? {
            http2::Incoming::Headers { ok: false, .. } => bail!("an answer was not 200"),
            http2::Incoming::Reset { .. } => bail!("the server reset a stream"),
            http2::Incoming::Headers { stream, ended, .. } | http2::Incoming::Data { stream, ended, .. } => {
                (stream, ended)
            }
        };
        if !ended {
            continue;
        }
        if let Some(moment) = sent.remove(&stream) {
            load.latency.record(moment.elapsed());
        }
        if began.elapsed() < run {
            sent.insert(connection.request(request), Instant::now());
        }
    }
    load.elapsed = began.elapsed();
    Ok(load)
}

fn expect_success(status: u16) -> Result<()> {
    if !(200..300).contains(&status) {
        bail!("the server answered {status}");
    }
    Ok(())
}
