//! Watches: ordered, unique, reliable, atomic, resumable; bookmarks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::{Engine, bytes, commit, delete, delete_of, put, put_of, show};
use crate::error::{StoreError, WatchError};
use crate::store::{Change, Event, Revision, Store};
use crate::watch::Watch;

pub(super) async fn run(engine: &impl Engine) {
    changes_with_previous(engine.make(100).await).await;
    one_revision_in_one_batch(engine.make(100).await).await;
    from_the_past(engine.make(100).await).await;
    from_beyond_the_window(engine.make(3).await).await;
    from_the_future(engine.make(100).await).await;
    idle_while_others_change(engine.make(3).await).await;
    progress_never_overtakes(engine.make(100).await).await;
    cut_off_by_compaction(engine.make(3).await).await;
    dropped_halfway(engine.make(100).await).await;
    resumed_under_load(engine.make(50).await).await;
    closed(engine.make(100).await).await;
}

/// `revision:key=value@created/modified<previous`, or `revision:key-<previous` for a deletion.
fn show_event(event: &Event) -> String {
    let change = match &event.change {
        Change::Put(record) => show(record),
        Change::Delete => format!("{}-", String::from_utf8_lossy(&event.key)),
    };
    let previous = event.previous.as_ref().map_or("none".into(), |record| {
        format!("{}@{}", String::from_utf8_lossy(&record.value), record.modified)
    });
    format!("{}:{change}<{previous}", event.revision)
}

/// The events until `count` have come.
async fn take(watch: &mut Watch, count: usize) -> Vec<String> {
    let mut events = Vec::new();
    while events.len() < count {
        let batch = timeout(Duration::from_secs(10), watch.next())
            .await
            .expect("an event");
        let batch = batch.expect("events");
        assert!(!batch.is_empty());
        events.extend(batch.iter().map(|event| show_event(event)));
    }
    events
}

async fn is_quiet(watch: &mut Watch) -> bool {
    timeout(Duration::from_millis(20), watch.next()).await.is_err()
}

async fn changes_with_previous(store: Arc<dyn Store>) {
    let store = store.as_ref();
    let mut watch = store.watch(bytes("/a/"), 0).unwrap();
    put(store, "/a/1", "x").await;
    put(store, "/b/1", "x").await;
    put(store, "/a/1", "y").await;
    delete(store, "/a/1").await;
    put(store, "/a/1", "z").await;
    let expected = [
        "1:/a/1=x@1/1<none",
        "3:/a/1=y@1/3<x@1",
        "4:/a/1-<y@3",
        "5:/a/1=z@5/5<none",
    ];
    assert_eq!(take(&mut watch, 4).await, expected);
    assert!(is_quiet(&mut watch).await);
}

async fn one_revision_in_one_batch(store: Arc<dyn Store>) {
    let store = store.as_ref();
    let mut watch = store.watch(bytes("/"), 0).unwrap();
    commit(
        store,
        vec![put_of("/b", "1"), put_of("/a", "1"), put_of("/c", "1")],
    )
    .await;
    commit(
        store,
        vec![delete_of("/a"), delete_of("/none"), put_of("/b", "2")],
    )
    .await;
    let mut batches = Vec::new();
    while batches.iter().map(Vec::len).sum::<usize>() < 5 {
        batches.push(watch.next().await.unwrap());
    }
    for pair in batches.windows(2) {
        assert!(pair[0].last().unwrap().revision < pair[1][0].revision);
    }
    let events: Vec<_> = batches.iter().flatten().map(|event| show_event(event)).collect();
    let expected = [
        "1:/b=1@1/1<none",
        "1:/a=1@1/1<none",
        "1:/c=1@1/1<none",
        "2:/a-<1@1",
        "2:/b=2@1/2<1@1",
    ];
    assert_eq!(events, expected);
}

async fn from_the_past(store: Arc<dyn Store>) {
    let store = store.as_ref();
    for value in ["1", "2", "3"] {
        put(store, "/a", value).await;
    }
    for after in 0..3_u64 {
        let mut watch = store.watch(bytes("/"), after).unwrap();
        let expected = (after + 1..=3).map(|revision| revision.to_string());
        let values: Vec<_> = expected.collect();
        let events = take(&mut watch, values.len()).await;
        for (event, value) in events.iter().zip(values) {
            assert!(
                event.starts_with(&format!("{value}:/a={value}@1/{value}")),
                "{event}"
            );
        }
    }
}

/// The window holds three events; what is older comes from the engine's history, the same.
async fn from_beyond_the_window(store: Arc<dyn Store>) {
    let store = store.as_ref();
    commit(store, vec![put_of("/a", "1"), put_of("/b", "1")]).await;
    for value in 2..=9 {
        put(store, "/a", &value.to_string()).await;
    }
    delete(store, "/a").await;
    put(store, "/a", "11").await;
    let mut watch = store.watch(bytes("/"), 0).unwrap();
    let events = take(&mut watch, 12).await;
    assert_eq!(events[..2], ["1:/a=1@1/1<none", "1:/b=1@1/1<none"]);
    assert_eq!(events[2], "2:/a=2@1/2<1@1");
    assert_eq!(
        events[9..],
        ["9:/a=9@1/9<8@8", "10:/a-<9@9", "11:/a=11@11/11<none"]
    );
    let mut narrow = store.watch(bytes("/b"), 0).unwrap();
    assert_eq!(take(&mut narrow, 1).await, ["1:/b=1@1/1<none"]);
    assert_eq!(narrow.progress(), 11);
}

/// etcd #20221: a watch from the future must not deliver what is older.
async fn from_the_future(store: Arc<dyn Store>) {
    let store = store.as_ref();
    put(store, "/a", "1").await;
    let mut watch = store.watch(bytes("/"), 3).unwrap();
    assert_eq!(watch.progress(), 1);
    put(store, "/a", "2").await;
    put(store, "/a", "3").await;
    assert!(is_quiet(&mut watch).await);
    put(store, "/a", "4").await;
    assert_eq!(take(&mut watch, 1).await, ["4:/a=4@1/4<3@3"]);
}

/// A watcher that slept while the window moved on has missed nothing, even after compaction.
async fn idle_while_others_change(store: Arc<dyn Store>) {
    let store = store.as_ref();
    let mut watch = store.watch(bytes("/quiet/"), 0).unwrap();
    for round in 0..20 {
        put(store, "/busy/1", &round.to_string()).await;
    }
    store.compact(15).await.unwrap();
    assert_eq!(watch.progress(), 20);
    put(store, "/quiet/1", "x").await;
    assert_eq!(watch.progress(), 0, "not ahead of an event that is not delivered");
    for round in 0..2 {
        put(store, "/busy/1", &round.to_string()).await;
    }
    assert_eq!(take(&mut watch, 1).await, ["21:/quiet/1=x@21/21<none"]);
    assert_eq!(watch.progress(), 23);
}

/// etcd #15220: a bookmark must not overtake an event.
async fn progress_never_overtakes(store: Arc<dyn Store>) {
    let mut watch = store.watch(bytes("/a/"), 0).unwrap();
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..100 {
                let key = if round % 3 == 0 { "/a/1" } else { "/b/1" };
                put(store.as_ref(), key, &round.to_string()).await;
            }
        })
    };
    let mut seen = 0;
    for _ in 0..34 {
        let progress = watch.progress();
        let batch = watch.next().await.unwrap();
        assert!(
            batch[0].revision > progress,
            "{} after {progress}",
            batch[0].revision
        );
        assert!(watch.progress() >= batch.last().unwrap().revision);
        seen += batch.len();
        if seen == 34 {
            break;
        }
    }
    writer.await.unwrap();
    assert_eq!(watch.progress(), 100);
}

async fn cut_off_by_compaction(store: Arc<dyn Store>) {
    let store = store.as_ref();
    let mut slow = store.watch(bytes("/a"), 0).unwrap();
    for value in 1..=10 {
        put(store, "/a", &value.to_string()).await;
    }
    store.compact(5).await.unwrap();
    let error = slow.next().await.unwrap_err();
    assert_eq!(
        error,
        WatchError::Compacted {
            requested: 0,
            compacted: 5
        }
    );
    let error = store.watch(bytes("/a"), 4).unwrap_err();
    assert!(matches!(
        error,
        StoreError::Compacted {
            requested: 4,
            compacted: 5
        }
    ));
    // etcd #18089: nothing is lost at the boundary.
    let mut watch = store.watch(bytes("/a"), 5).unwrap();
    assert!(take(&mut watch, 5).await[0].starts_with("6:/a=6@1/6<5@5"));
}

/// `next` may be dropped at any point without losing an event.
async fn dropped_halfway(store: Arc<dyn Store>) {
    let mut watch = store.watch(bytes("/"), 0).unwrap();
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..50 {
                put(store.as_ref(), "/a", &round.to_string()).await;
                tokio::task::yield_now().await;
            }
        })
    };
    let mut next = 1;
    while next <= 50 {
        tokio::select! {
            biased;
            batch = watch.next() => {
                for event in batch.unwrap() {
                    assert_eq!(event.revision, next);
                    next += 1;
                }
            }
            () = tokio::task::yield_now() => {}
        }
    }
    writer.await.unwrap();
}

/// Watches that are cut and resumed at their last revision, under writes and compactions.
async fn resumed_under_load(store: Arc<dyn Store>) {
    const EVENTS: Revision = 400;
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 1..=EVENTS {
                let key = format!("/k/{}", round % 7);
                put(store.as_ref(), &key, &round.to_string()).await;
                if round % 50 == 0 {
                    store.compact(round - 45).await.unwrap();
                }
            }
        })
    };
    let mut reached = 0;
    while reached < EVENTS {
        let mut watch = match store.watch(bytes("/k/"), reached) {
            Ok(watch) => watch,
            Err(StoreError::Compacted { compacted, .. }) => {
                assert!(reached < compacted);
                reached = compacted;
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        match watch.next().await {
            Ok(batch) => {
                for event in batch {
                    assert_eq!(event.revision, reached + 1, "none lost, none twice");
                    reached = event.revision;
                }
            }
            Err(WatchError::Compacted { compacted, .. }) => {
                assert!(reached < compacted);
                reached = compacted;
            }
            Err(error) => panic!("{error}"),
        }
    }
    writer.await.unwrap();
}

async fn closed(store: Arc<dyn Store>) {
    put(store.as_ref(), "/a", "1").await;
    let mut watch = store.watch(Bytes::new(), 1).unwrap();
    let waiting = tokio::spawn(async move { watch.next().await });
    tokio::task::yield_now().await;
    store.close().await;
    assert_eq!(waiting.await.unwrap(), Err(WatchError::Closed));
    let transaction = crate::store::Transaction::create(bytes("/b"), bytes("x"));
    assert!(matches!(
        store.commit(transaction).await,
        Err(StoreError::ShuttingDown)
    ));
}
