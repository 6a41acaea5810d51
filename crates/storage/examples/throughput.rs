//! Commits a second for 1, 16, 64 and 256 concurrent writers of values as a Secret of 1 KiB has
//! them when sealed, every one acknowledged durable. The server's figure cannot be better.
//!
//! `taskset -c 0 cargo run --release -p strongroom-storage --example throughput [seconds] [keys] [directory]`
//! and, after killing that, `… throughput open DIRECTORY`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use strongroom_storage::{Embedded, EmbeddedOptions, Range, RecordKey, Store, Transaction, Write};

const VALUE: usize = 1_340;

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|argument| argument == "open").is_some() {
        let directory = arguments.next().expect("a directory");
        return open_after_kill(&directory);
    }
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(3.0);
    let keys = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000);
    let directory = arguments
        .next()
        .unwrap_or_else(|| "/tmp/strongroom-throughput".into());
    // What an earlier run left.
    let _ = std::fs::remove_dir_all(&directory);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.expect("runtime").block_on(run(seconds, keys, &directory));
}

async fn run(seconds: f64, keys: u64, directory: &str) {
    let mut options = EmbeddedOptions::new(directory, [7; 16]);
    options.record_key = Some(RecordKey::new(&[7; 32]));
    let store = Arc::new(Embedded::open(&options).expect("open"));
    for (label, writers, update) in [
        ("create", 1, false),
        ("create", 16, false),
        ("create", 64, false),
        ("create", 256, false),
        ("load", 256, false),
        ("update", 1, true),
        ("update", 16, true),
        ("update", 64, true),
        ("update", 256, true),
    ] {
        if label == "load" {
            load(&store, keys).await;
        } else {
            let keys = if update { Some(keys) } else { None };
            measure(&store, label, writers, keys, seconds).await;
        }
    }
    read(store.as_ref(), keys).await;
    store.compact(store.revision()).await.expect("compact");
    reopen(store, &options).await;
}

async fn measure(store: &Arc<Embedded>, label: &str, writers: u64, keys: Option<u64>, seconds: f64) {
    static CREATED: AtomicU64 = AtomicU64::new(0);
    let stop = Arc::new(AtomicBool::new(false));
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let (store, stop) = (Arc::clone(store), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut random = writer.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1;
                let mut latencies = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let key = match keys {
                        Some(keys) => key("loaded", (random >> 33) % keys),
                        None => key("created", CREATED.fetch_add(1, Ordering::Relaxed)),
                    };
                    let begin = Instant::now();
                    commit(store.as_ref(), key).await;
                    latencies.push(begin.elapsed());
                }
                latencies
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("writer"));
    }
    let (elapsed, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    latencies.sort_unstable();
    let count = latencies.len();
    println!(
        "{label} {writers:>3} writers: {:>6.0} commits/s, {:>5.1} µs CPU each, p50 {:?}, p99 {:?}, max {:?}",
        count as f64 / elapsed,
        cpu / count as f64 * 1e6,
        latencies[count / 2],
        latencies[count * 99 / 100],
        latencies[count - 1],
    );
}

fn key(kind: &str, index: u64) -> Bytes {
    Bytes::from(format!(
        "/registry/secrets/{kind}-{:03}/secret-{index:07}",
        index % 100
    ))
}

async fn commit(store: &Embedded, key: Bytes) {
    let value = Bytes::from(vec![0x5a; VALUE]);
    let writes = vec![Write::Put { key, value }];
    let transaction = Transaction {
        conditions: Vec::new(),
        writes,
    };
    store.commit(transaction).await.expect("commit");
}

async fn load(store: &Arc<Embedded>, keys: u64) {
    let start = Instant::now();
    for first in (0..keys).step_by(500) {
        let value = Bytes::from(vec![0x5a; VALUE]);
        let put = |index| Write::Put {
            key: key("loaded", index),
            value: value.clone(),
        };
        let writes = (first..keys.min(first + 500)).map(put).collect();
        let transaction = Transaction {
            conditions: Vec::new(),
            writes,
        };
        store.commit(transaction).await.expect("commit");
    }
    println!("load {keys}: {:?}", start.elapsed());
}

async fn read(store: &Embedded, keys: u64) {
    let (start, mut random) = (Instant::now(), 1_u64);
    const READS: u32 = 100_000;
    for _ in 0..READS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let key = key("loaded", (random >> 33) % keys);
        assert!(store.get(&key).await.expect("get").is_some());
    }
    println!("get of {keys} keys: {:?} each", start.elapsed() / READS);
    let mut range = Range {
        limit: 500,
        ..Range::prefix("/registry/secrets/loaded-")
    };
    let (start, mut records) = (Instant::now(), 0);
    while records < 10_000.min(keys as usize) {
        let page = store.range(range.clone()).await.expect("range");
        records += page.records.len();
        range.start = page.next_start();
    }
    println!("list of {records} in pages of 500: {:?}", start.elapsed());
    println!("resident: {} MiB, {:?}", resident() >> 20, store.status());
}

async fn reopen(store: Arc<Embedded>, options: &EmbeddedOptions) {
    let start = Instant::now();
    store.close().await;
    println!("close: {:?}", start.elapsed());
    let start = Instant::now();
    let store = Embedded::open(options).expect("open");
    println!("open: {:?} at revision {}", start.elapsed(), store.revision());
}

/// How long a store takes to open that a killed run left.
fn open_after_kill(directory: &str) {
    let mut options = EmbeddedOptions::new(directory, [7; 16]);
    options.record_key = Some(RecordKey::new(&[7; 32]));
    let start = Instant::now();
    let store = Embedded::open(&options).expect("open");
    println!(
        "open: {:?} at revision {}, {:?}",
        start.elapsed(),
        store.revision(),
        store.status().keys
    );
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("stat");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .expect("fields")
        .split_whitespace()
        .collect();
    let ticks = |index: usize| fields[index].parse::<f64>().expect("ticks");
    (ticks(11) + ticks(12)) / 100.0
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: usize = status
        .split_whitespace()
        .nth(1)
        .expect("pages")
        .parse()
        .expect("pages");
    pages * 4096
}
