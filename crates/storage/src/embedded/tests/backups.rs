//! Backups and restores, on real files; and what else needs a real directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::{commit, delete_of, put_of, small};
use crate::RecordKey;
use crate::embedded::{Embedded, EmbeddedOptions, restore};
use crate::error::{OpenError, RestoreError, StoreError};
use crate::store::{Range, Store};

fn options(directory: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        directory: directory.to_owned(),
        ..small()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_writes_is_one_revision() {
    let temporary = tempfile::tempdir().expect("directory");
    let store = Arc::new(Embedded::open(&options(&temporary.path().join("data"))).expect("open"));
    commit(store.as_ref(), vec![put_of("/a", b"0"), put_of("/b", b"0")])
        .await
        .expect("commit");
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 1..400_u32 {
                let value = round.to_string();
                let writes = vec![put_of("/a", value.as_bytes()), put_of("/b", value.as_bytes())];
                commit(store.as_ref(), writes).await.expect("commit");
            }
        })
    };
    let file = temporary.path().join("backup");
    let before = store.revision();
    let summary = store.backup(&file).await.expect("backup");
    assert!(summary.revision >= before);
    assert_eq!((summary.records, summary.corrupt.len()), (2, 0));
    assert_eq!(summary.bytes, fs::metadata(&file).expect("file").len());
    assert_eq!(
        fs::metadata(&file).expect("file").permissions().mode() & 0o777,
        0o600
    );
    assert!(matches!(
        store.backup(&file).await,
        Err(StoreError::Exists { .. })
    ));
    writer.await.expect("writer");
    store.close().await;

    let restored = options(&temporary.path().join("restored"));
    let revision = restore(&file, &restored).expect("restore");
    assert_eq!(revision, 2_000_000);
    assert!(matches!(
        restore(&file, &restored),
        Err(RestoreError::NotEmpty { .. })
    ));
    let store = Embedded::open(&restored).expect("open");
    assert_eq!(store.revision(), revision);
    let page = store.range(Range::prefix(Bytes::new())).await.expect("range");
    assert_eq!(
        (page.revision, page.total, page.corrupt.len()),
        (revision, Some(2), 0)
    );
    assert_eq!(page.records[0].value, page.records[1].value, "one revision");
    assert_eq!(page.records[0].modified, summary.revision);
    assert_eq!(page.records[0].created, 1);
    let old = store.watch(Bytes::new(), summary.revision);
    assert!(matches!(old, Err(StoreError::Compacted { .. })));
    assert_eq!(
        commit(&store, vec![delete_of("/a")]).await.expect("commit"),
        revision + 1
    );
    store.close().await;
}

#[tokio::test]
async fn a_damaged_backup_is_refused() {
    let temporary = tempfile::tempdir().expect("directory");
    let store = Embedded::open(&options(&temporary.path().join("data"))).expect("open");
    for round in 0..20 {
        commit(&store, vec![put_of(&format!("/{round}"), &[7; 300])])
            .await
            .expect("commit");
    }
    let file = temporary.path().join("backup");
    store.backup(&file).await.expect("backup");
    store.close().await;
    let whole = fs::read(&file).expect("backup");
    let target = options(&temporary.path().join("restored"));
    let damaged = temporary.path().join("damaged");
    let check = |content: &[u8], what: &str| {
        fs::write(&damaged, content).expect("write");
        let restored = restore(&damaged, &target);
        let refused = matches!(
            restored,
            Err(RestoreError::Damaged { .. } | RestoreError::Format { .. })
        );
        assert!(refused, "{what}: {restored:?}");
    };
    for length in (0..whole.len()).step_by(37) {
        check(&whole[..length], &format!("cut to {length}"));
    }
    for byte in (0..whole.len()).step_by(41) {
        let mut content = whole.clone();
        content[byte] ^= 4;
        check(&content, &format!("byte {byte} changed"));
    }
    check(&[&whole[..], b"x"].concat(), "extended");
    assert!(!target.directory.exists(), "nothing was made of it");
    let other_key = EmbeddedOptions {
        record_key: Some(RecordKey::new(&[8; 32])),
        ..target.clone()
    };
    assert!(matches!(
        restore(&file, &other_key),
        Err(RestoreError::Damaged { .. })
    ));
    restore(&file, &target).expect("the whole one");
}

#[tokio::test]
async fn one_process_at_a_time_and_private_files() {
    let temporary = tempfile::tempdir().expect("directory");
    let directory = temporary.path().join("data");
    let store = Embedded::open(&options(&directory)).expect("open");
    let second = Embedded::open(&options(&directory));
    assert!(matches!(second, Err(OpenError::Locked { pid }) if pid == std::process::id()));
    let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for entry in fs::read_dir(&directory).expect("directory") {
        assert_eq!(mode(&entry.expect("entry").path()), 0o600);
    }
    store.close().await;
    Embedded::open(&options(&directory))
        .expect("the lock is free")
        .close()
        .await;
}
