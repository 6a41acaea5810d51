//! Disks that fail and disks that are full.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::simulated_disk::{Faults, PowerCut, Unsynced};
use super::{Random, SimulatedDisk, commit, delete_of, open, put_of};
use crate::error::StoreError;
use crate::store::{Range, Serving, Store};

/// For every n: the n-th sync (or write) of a run fails. Nothing is acknowledged from then on, no
/// file is synced again, and what was acknowledged is there after a restart, even if the kernel
/// has thrown away everything that was not synced.
async fn fail_each(fault: impl Fn(u64) -> Faults, kind: &str) {
    let mut runs_without_failure = 0;
    for n in (0..40).chain((40..400).step_by(13)) {
        let disk = SimulatedDisk::recording(BTreeMap::new());
        let store = open(&disk).expect("open");
        disk.set_faults(fault(n));
        let mut acknowledged = 0;
        let mut failure = None;
        for round in 0..60_u64 {
            let key = format!("/k/{round}");
            let written = commit(&store, vec![put_of(&key, &[7; 900])]).await;
            match (written, &failure) {
                (Ok(revision), None) => {
                    acknowledged = revision;
                    disk.acknowledged(revision);
                }
                (Ok(revision), Some(_)) => panic!("{kind} {n}: {revision} acknowledged after a failure"),
                (Err(StoreError::Failed { reason }), _) => failure = Some(reason),
                (Err(error), _) => panic!("{kind} {n}: {error}"),
            }
            if round == 30 {
                store.compact(acknowledged).await.expect("compact");
            }
        }
        if let Some(failure) = failure {
            let told = tokio::time::timeout(Duration::from_secs(5), store.failed()).await;
            // Journal and table file may fail at the same time: which of them is told first is chance.
            let fault = |reason: &str| reason.split_once(": ").map(|(_, fault)| fault.to_owned());
            assert_eq!(fault(&told.expect("told")), fault(&failure), "{kind} {n}");
            assert!(matches!(store.status().serving, Serving::Failed { .. }));
        } else {
            runs_without_failure += 1;
        }
        store.close().await;
        assert!(!disk.synced_after_failure(), "{kind} {n}: a sync was tried again");
        let mut power = PowerCut::default();
        disk.steps().iter().for_each(|step| power.step(step));
        for unsynced in [Unsynced::Lost, Unsynced::Kept] {
            let disk = SimulatedDisk::with_files(power.image(unsynced, &mut Random(1)));
            let store = open(&disk).expect("open after the failure");
            assert!(store.revision() >= acknowledged, "{kind} {n}");
            let page = store.range(Range::prefix(Bytes::new())).await.expect("range");
            assert!(page.records.len() as u64 >= acknowledged, "{kind} {n}");
            store.close().await;
        }
    }
    assert!(runs_without_failure < 30, "most runs must meet the fault");
}

#[tokio::test]
async fn a_failed_sync_ends_writing() {
    fail_each(
        |n| Faults {
            syncs_left: Some(n),
            ..Faults::default()
        },
        "sync",
    )
    .await;
}

#[tokio::test]
async fn a_failed_write_ends_writing() {
    fail_each(
        |n| Faults {
            writes_left: Some(n),
            ..Faults::default()
        },
        "write",
    )
    .await;
}

async fn fill(store: &dyn Store, from: u64) -> u64 {
    for round in from..from + 10_000 {
        let key = format!("/k/{round:05}");
        match commit(store, vec![put_of(&key, &[7; 900])]).await {
            Ok(_) => {}
            Err(StoreError::Full) => return round,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("never full");
}

async fn until_it_takes_writes(store: &dyn Store) {
    for attempt in 0..100 {
        match commit(store, vec![put_of("/resumed", &[attempt; 900])]).await {
            Ok(_) => return,
            Err(StoreError::Full) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("still full");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_space_returns() {
    let disk = SimulatedDisk::new();
    let store = open(&disk).expect("open");
    commit(&store, vec![put_of("/first", b"x")])
        .await
        .expect("commit");
    disk.set_faults(Faults {
        capacity: Some(disk.used() + (2 << 20)),
        ..Faults::default()
    });
    let full_at = fill(&store, 0).await;
    assert!(full_at > 100, "{full_at}");
    assert_eq!(store.status().serving, Serving::Full);

    let page = store
        .range(Range::prefix(Bytes::from("/k/")))
        .await
        .expect("reads go on");
    assert_eq!(
        page.records.len() as u64,
        full_at,
        "what was acknowledged is there"
    );
    for round in 0..40 {
        let key = format!("/k/{round:05}");
        commit(&store, vec![delete_of(&key)])
            .await
            .expect("deletes go on");
    }
    assert!(matches!(
        commit(&store, vec![put_of("/no", b"x")]).await,
        Err(StoreError::Full)
    ));

    disk.set_faults(Faults::default());
    until_it_takes_writes(&store).await;
    assert_eq!(store.status().serving, Serving::Yes);
    let keys = store.status().keys;
    assert_eq!(keys, full_at - 40 + 2);
    store.close().await;
    let store = open(&disk).expect("open again");
    assert_eq!(store.status().keys, keys);
    assert_eq!(
        store.get(b"/first").await.expect("get").expect("record").value,
        "x"
    );
    store.close().await;
}

/// Where the store itself has filled the disk, deleting makes room.
#[tokio::test]
async fn deleting_makes_room_on_a_full_disk() {
    let disk = SimulatedDisk::new();
    let store = open(&disk).expect("open");
    disk.set_faults(Faults {
        capacity: Some(disk.used() + (4 << 20)),
        ..Faults::default()
    });
    let full_at = fill(&store, 0).await;
    for round in 0..full_at * 3 / 4 {
        let key = format!("/k/{round:05}");
        for attempt in 0.. {
            // The journal may have to wait for the tables.
            match commit(&store, vec![delete_of(&key)]).await {
                Ok(_) => break,
                Err(StoreError::Full) if attempt < 50 => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => panic!("delete {round}: {error}"),
            }
        }
    }
    store.compact(store.revision()).await.expect("compact");
    until_it_takes_writes(&store).await;
    store.close().await;
    assert_eq!(
        open(&disk).expect("open").status().keys,
        full_at - full_at * 3 / 4 + 1
    );
}

#[tokio::test]
async fn a_store_opened_on_a_full_disk_takes_deletes() {
    let disk = SimulatedDisk::new();
    let store = open(&disk).expect("open");
    commit(&store, vec![put_of("/a", b"x"), put_of("/b", b"x")])
        .await
        .expect("commit");
    store.close().await;
    let mut files = disk.files();
    files.remove("reserve");
    let disk = SimulatedDisk::with_files(files);
    disk.set_faults(Faults {
        capacity: Some(disk.used() + (40 << 10)),
        ..Faults::default()
    });
    let store = open(&disk).expect("open");
    assert!(matches!(
        commit(&store, vec![put_of("/c", b"x")]).await,
        Err(StoreError::Full)
    ));
    commit(&store, vec![delete_of("/a")]).await.expect("delete");
    disk.set_faults(Faults::default());
    until_it_takes_writes(&store).await;
    store.close().await;
}
