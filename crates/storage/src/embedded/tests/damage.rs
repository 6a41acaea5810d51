//! Damaged files: never a wrong value, never a panic that leaves the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Random, SimulatedDisk, commit, count, open, put_of};
use crate::embedded::table_file::FILE_NAME;
use crate::error::{OpenError, StoreError};
use crate::store::{Range, Record, Store};

async fn filled(keys: u64) -> (Arc<SimulatedDisk>, BTreeMap<Bytes, Record>) {
    let disk = SimulatedDisk::new();
    let store = open(&disk).expect("open");
    let mut random = Random(3);
    for round in 0..keys * 2 {
        let key = format!("/k/{:03}", round % keys);
        let value = vec![random.below(256) as u8; 100 + random.below(900) as usize];
        commit(&store, vec![put_of(&key, &value)]).await.expect("commit");
    }
    let page = store.range(Range::prefix(Bytes::new())).await.expect("range");
    store.close().await;
    (
        disk,
        page.records
            .into_iter()
            .map(|record| (record.key.clone(), record))
            .collect(),
    )
}

#[derive(Debug, Default)]
struct Tally {
    refused_to_open: u64,
    list_failed: u64,
    corrupt: u64,
    missing: u64,
    whole: u64,
}

/// Everything that is returned is right.
async fn check(disk: &Arc<SimulatedDisk>, expected: &BTreeMap<Bytes, Record>, tally: &mut Tally) {
    let store = match open(disk) {
        Ok(store) => store,
        Err(OpenError::Corrupt { .. } | OpenError::WrongKey | OpenError::Format { .. }) => {
            tally.refused_to_open += 1;
            return;
        }
        Err(error) => panic!("{error}"),
    };
    for (key, record) in expected {
        match store.get(key).await {
            Ok(Some(found)) => assert_eq!(&found, record),
            Ok(None) => tally.missing += 1,
            Err(StoreError::Corrupt { key: named }) => assert_eq!(&named, key),
            Err(StoreError::CorruptFile { .. } | StoreError::Io { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    match store.range(Range::prefix(Bytes::new())).await {
        Ok(page) => {
            tally.corrupt += page.corrupt.len() as u64;
            tally.whole += u64::from(page.records.len() == expected.len());
            for record in page.records {
                assert_eq!(expected.get(&record.key), Some(&record));
            }
        }
        Err(StoreError::CorruptFile { .. } | StoreError::Io { .. }) => tally.list_failed += 1,
        Err(error) => panic!("{error}"),
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn flipped_bits_never_give_wrong_values() {
    let (disk, expected) = filled(60).await;
    let files = disk.files();
    let mut random = Random(count("STRONGROOM_SEED", 11));
    let mut tally = Tally::default();
    for _ in 0..count("STRONGROOM_BIT_FLIPS", 300) {
        let damaged = SimulatedDisk::with_files(files.clone());
        damaged.change(FILE_NAME, |content| {
            let byte = random.below(content.len() as u64) as usize;
            content[byte] ^= 1 << random.below(8);
        });
        check(&damaged, &expected, &mut tally).await;
    }
    println!("{tally:?}");
    assert!(tally.corrupt > 0, "some flips hit a record");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pages_swapped_zeroed_or_cut_never_give_wrong_values() {
    const PAGE: usize = 4096;
    let (disk, expected) = filled(60).await;
    let files = disk.files();
    let mut random = Random(count("STRONGROOM_SEED", 12));
    let mut tally = Tally::default();
    for round in 0..count("STRONGROOM_BIT_FLIPS", 100) {
        let damaged = SimulatedDisk::with_files(files.clone());
        damaged.change(FILE_NAME, |content| {
            let pages = (content.len() / PAGE) as u64;
            let (one, other) = (
                random.below(pages) as usize * PAGE,
                random.below(pages) as usize * PAGE,
            );
            match round % 4 {
                0 => content[one..one + PAGE].fill(0),
                1 => content.copy_within(one..one + PAGE, other),
                2 => content.truncate(one + 100),
                _ => {
                    let page = content[one..one + PAGE].to_vec();
                    content.copy_within(other..other + PAGE, one);
                    content[other..other + PAGE].copy_from_slice(&page);
                }
            }
        });
        check(&damaged, &expected, &mut tally).await;
    }
    println!("{tally:?}");
}

/// A damaged record is named, the others are listed, and it can be replaced or deleted.
#[tokio::test]
async fn a_damaged_record_stands_alone() {
    let (disk, expected) = filled(20).await;
    let victim = expected.keys().nth(7).expect("key");
    let value = expected[victim].value.clone();
    disk.change(FILE_NAME, |content| {
        let places: Vec<usize> = (0..content.len() - value.len())
            .filter(|&at| content[at..].starts_with(&value))
            .collect();
        for at in places {
            content[at] ^= 1;
        }
    });
    let store = open(&disk).expect("open");
    assert!(matches!(store.get(victim).await, Err(StoreError::Corrupt { key }) if key == victim));
    let page = store
        .range(Range::prefix(Bytes::from("/k/")))
        .await
        .expect("range");
    assert_eq!(page.corrupt, std::slice::from_ref(victim));
    assert_eq!(page.records.len(), 19);
    assert_eq!(store.status().corrupt_records, 2);
    let mut watch = store.watch(Bytes::new(), store.revision()).expect("watch");
    commit(&store, vec![put_of("/k/007", b"new")])
        .await
        .expect("replace");
    let event = watch.next().await.expect("event").remove(0);
    assert_eq!(event.previous, None, "the damaged value is not shown");
    assert_eq!(
        store.get(victim).await.expect("get").expect("record").value,
        "new"
    );
    assert_eq!(store.status().keys, 20);
    store.close().await;
}

/// Rows moved about in the tables by someone who can write the file but has no key.
#[tokio::test]
async fn older_or_foreign_values_are_refused() {
    use redb::{Builder, ReadableTable};

    use crate::embedded::pages::{Backend, Pages};
    use crate::embedded::tables::CURRENT;

    let (disk, _) = filled(20).await;
    {
        let file = crate::disk::Disk::open(disk.as_ref(), FILE_NAME, false).expect("file");
        let database = Builder::new()
            .create_with_backend(Backend(Pages::new(file)))
            .expect("database");
        let transaction = database.begin_write().expect("transaction");
        {
            let mut current = transaction.open_table(CURRENT).expect("table");
            let row = |key: &[u8]| current.get(key).expect("get").expect("row").value().to_vec();
            let (one, mut two, three) = (row(b"/k/001"), row(b"/k/002"), row(b"/k/003"));
            // An older modified revision under the current value, and another key's record.
            two[8] ^= 1;
            current.insert(&b"/k/002"[..], &two[..]).expect("insert");
            current.insert(&b"/k/001"[..], &three[..]).expect("insert");
            current.insert(&b"/k/new"[..], &one[..]).expect("insert");
        }
        transaction.commit().expect("commit");
    }
    let store = open(&disk).expect("open");
    for key in ["/k/001", "/k/002", "/k/new"] {
        let got = store.get(key.as_bytes()).await;
        assert!(matches!(got, Err(StoreError::Corrupt { .. })), "{key}");
    }
    let page = store
        .range(Range::prefix(Bytes::from("/k/")))
        .await
        .expect("range");
    assert_eq!(page.corrupt, ["/k/001", "/k/002", "/k/new"]);
    assert_eq!(page.records.len(), 18);
    store.close().await;
}

/// An acknowledged frame that is damaged is noticed as long as something was written behind it.
#[tokio::test]
async fn a_damaged_journal_is_refused_and_a_torn_end_is_not() {
    let mut options = super::small();
    options.segment_bytes = 1 << 20;
    options.checkpoint_delay = std::time::Duration::from_secs(3600);
    let disk = SimulatedDisk::new();
    let store = crate::embedded::Embedded::open_on(disk.clone(), &options, None).expect("open");
    for round in 0..10_u8 {
        commit(&store, vec![put_of("/a", &[round; 700])])
            .await
            .expect("commit");
    }
    let files = disk.files();
    let journal = if files["journal-1"].starts_with(b"SRjournl") {
        "journal-1"
    } else {
        "journal-0"
    };
    let reopened = |change: &dyn Fn(&mut Vec<u8>)| {
        let disk = SimulatedDisk::with_files(files.clone());
        disk.change(journal, |content| change(content));
        crate::embedded::Embedded::open_on(disk, &options, None)
    };
    // Frames take 1,024 bytes each, behind a header of 512.
    let frame = |index: usize| 512 + index * 1024;
    let torn = reopened(&|content| content[frame(9) + 600] ^= 1).expect("a torn end");
    assert_eq!(torn.revision(), 9);
    let damaged = reopened(&|content| content[frame(4) + 600] ^= 1);
    assert!(matches!(damaged, Err(OpenError::Corrupt { .. })));
    let whole = reopened(&|_| ()).expect("untouched");
    assert_eq!(whole.revision(), 10);
    store.close().await;
}

#[tokio::test]
async fn another_key_is_refused() {
    let (disk, _) = filled(3).await;
    let mut options = super::small();
    options.record_key = Some(crate::RecordKey::new(&[4; 32]));
    let opened = crate::embedded::Embedded::open_on(disk, &options, None);
    assert!(matches!(opened, Err(OpenError::WrongKey)));
}
