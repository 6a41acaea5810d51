use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::event::User;
use crate::query::files_of;
use crate::stage::{Level, Stage};
use crate::verify::{HeadCheck, Summary, verify};

fn signer() -> HeadSigner {
    HeadSigner::from_pkcs8(&HeadSigner::generate().unwrap()).unwrap()
}

fn open(config: &LogConfig) -> Log {
    Log::open(config.clone(), signer()).unwrap()
}

fn event(uri: &str) -> Event<'_> {
    Event {
        level: Level::Metadata,
        audit_id: "id",
        stage: Stage::ResponseComplete,
        request_uri: uri,
        verb: "get",
        user: User::default(),
        impersonated_user: None,
        source_ips: &[],
        user_agent: "",
        object_reference: None,
        response_status: None,
        request_object: None,
        response_object: None,
        request_received: Timestamp::UNIX_EPOCH,
        stage_time: Timestamp::UNIX_EPOCH,
        annotations: &[],
    }
}

fn check(path: &Path, head: &Head) -> Summary {
    let summary = verify(&files_of(path).unwrap(), Some(head), Some(&head.public_key));
    summary.unwrap_or_else(|error| panic!("{error}"))
}

fn config(directory: &Path) -> LogConfig {
    LogConfig::new(directory.join("logs/audit.log"))
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never came");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_line_is_in_the_file_when_recording_returns() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let log = open(&config);
    for at in 1..=3 {
        log.record(&event("/x")).unwrap();
        let lines = fs::read_to_string(&config.path).unwrap();
        assert_eq!(lines.lines().count(), at);
        assert!(lines.ends_with(&format!("\"strongroom.dev/audit-sequence\":\"{at}\"}}}}\n")));
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&config.path), 0o600);
    assert_eq!(mode(config.path.parent().unwrap()), 0o700);
    assert_eq!(log.stats().recorded, 3);
    assert!(log.is_healthy());
    log.flush().unwrap();
    assert_eq!(log.head().sequence, 3);
    assert_eq!(
        check(&config.path, &log.head()).head,
        HeadCheck::Holds { behind: 0 }
    );
}

#[test]
fn the_chain_goes_on_across_restarts_and_rotations() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.max_size_bytes = 1500;
    for round in 1..=5 {
        let log = open(&config);
        for _ in 0..4 {
            log.record(&event("/x")).unwrap();
        }
        log.flush().unwrap();
        let summary = check(&config.path, &log.head());
        assert_eq!((summary.first_sequence, summary.records), (1, round * 4));
    }
    assert!(files_of(&config.path).unwrap().len() > 4);
    let head =
        Head::from_json(&fs::read_to_string(directory.path().join("logs/audit.log.head")).unwrap()).unwrap();
    assert_eq!(check(&config.path, &head).head, HeadCheck::Holds { behind: 0 });
    // As a crash between renaming and making leaves it.
    fs::rename(
        &config.path,
        directory.path().join("logs/audit-2199-01-01T00-00-00.000.log"),
    )
    .unwrap();
    let log = open(&config);
    log.record(&event("/x")).unwrap();
    log.flush().unwrap();
    assert_eq!(check(&config.path, &log.head()).records, 21);
}

#[test]
fn old_files_are_removed_from_the_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.max_size_bytes = 1;
    config.max_backups = 3;
    let log = open(&config);
    for _ in 0..20 {
        log.record(&event("/x")).unwrap();
    }
    log.flush().unwrap();
    eventually(|| files_of(&config.path).unwrap().len() == 4);
    let summary = check(&config.path, &log.head());
    assert_eq!((summary.first_sequence, summary.last_sequence), (17, 20));
    assert_eq!(log.stats().rotations, 19);
}

#[test]
fn a_torn_line_is_cut_off_and_said() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let append = |bytes: &[u8]| {
        let mut file = OpenOptions::new().append(true).open(&config.path).unwrap();
        file.write_all(bytes).unwrap();
    };
    open(&config).record(&event("/x")).unwrap();
    append(b"{\"kind\":\"Ev");
    let log = open(&config);
    log.record(&event("/x")).unwrap();
    log.flush().unwrap();
    assert_eq!(check(&config.path, &log.head()).records, 3);
    assert!(
        fs::read_to_string(&config.path)
            .unwrap()
            .contains("11 bytes were cut off")
    );
    drop(log);
    append(&[0; 5000]);
    let log = open(&config);
    assert_eq!(check(&config.path, &log.head()).records, 4);
    drop(log);
    append(b"not a record\n");
    let log = open(&config);
    log.record(&event("/x")).unwrap();
    // The damage stays to be seen, and recording goes on.
    let error = verify(&files_of(&config.path).unwrap(), None, None).unwrap_err();
    assert!(
        error.to_string().contains("line 5: this is not an audit record"),
        "{error}"
    );
    assert_eq!(
        verify(std::slice::from_ref(&config.path), None, None)
            .unwrap()
            .first_sequence,
        5
    );
}

#[test]
fn many_threads_make_one_chain() {
    for fsync in [Fsync::Always, Fsync::Every(Duration::from_millis(5))] {
        let directory = tempfile::tempdir().unwrap();
        let mut config = config(directory.path());
        config.fsync = fsync;
        config.max_size_bytes = 20_000;
        let log = open(&config);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..100).for_each(|_| log.record(&event("/x")).unwrap()));
            }
        });
        if fsync == Fsync::Always {
            assert_eq!(log.head().sequence, 800, "what was recorded is on the disk");
            assert!(log.stats().syncs < 800, "syncs are shared");
        }
        log.flush().unwrap();
        assert_eq!(check(&config.path, &log.head()).records, 800);
    }
}

#[test]
fn batches_drop_what_finds_no_room() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.mode = Mode::Batch;
    config.queue_length = 4;
    let log = open(&config);
    for _ in 0..5000 {
        log.record(&event("/x")).unwrap();
    }
    log.flush().unwrap();
    let stats = log.stats();
    assert_eq!(stats.recorded + stats.dropped, 5000);
    assert_eq!(check(&config.path, &log.head()).records, stats.recorded);
    log.record(&event("/x")).unwrap();
    drop(log);
    let summary = verify(&files_of(&config.path).unwrap(), None, None).unwrap();
    assert_eq!(summary.records, stats.recorded + 1, "closing writes what waits");
}

#[test]
fn a_failed_sync_is_never_repeated_on_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.fsync = Fsync::Always;
    let log = open(&config);
    log.record(&event("/x")).unwrap();
    log.shared.disk_broken.store(true, Relaxed);
    let error = log.record(&event("/x")).unwrap_err();
    assert!(matches!(error, AuditError::Sync { .. }), "{error}");
    eventually(|| log.is_healthy());
    log.record(&event("/x")).unwrap();
    assert_eq!(log.stats().sync_failures, 1);
    assert_eq!(files_of(&config.path).unwrap().len(), 2);
    assert!(
        fs::read_to_string(&config.path)
            .unwrap()
            .contains("records 2 to 2 may not have reached the disk")
    );
    assert_eq!(check(&config.path, &log.head()).records, 4);
}

#[tokio::test]
async fn asynchronous_code_waits_without_its_thread() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.fsync = Fsync::Always;
    let log = open(&config);
    for at in 1..=5 {
        log.record_async(&event("/x")).await.unwrap();
        assert_eq!(log.head().sequence, at);
    }
    log.shared.disk_broken.store(true, Relaxed);
    assert!(log.record_async(&event("/x")).await.is_err());
}

#[test]
fn a_file_that_somebody_removes_is_missed() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let log = open(&config);
    log.record(&event("/x")).unwrap();
    fs::remove_file(&config.path).unwrap();
    let note = "removed or replaced by somebody else";
    eventually(|| fs::read_to_string(&config.path).is_ok_and(|text| text.contains(note)));
    log.record(&event("/x")).unwrap();
    let summary = verify(std::slice::from_ref(&config.path), None, None).unwrap();
    assert_eq!((summary.first_sequence, summary.last_sequence), (2, 3));
}

/// A tiny file system of its own, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        let mounted = mount
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(at)
            .output();
        mounted
            .is_ok_and(|done| done.status.success())
            .then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_and_recovers_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(directory.path()) else {
        eprintln!("skipped: this needs root for a small file system");
        return;
    };
    let config = config(&disk.0);
    let log = open(&config);
    let filler = disk.0.join("filler");
    fs::write(&filler, vec![0; 40_000]).unwrap();
    let mut recorded = 0;
    let error = loop {
        match log.record(&event("/x")) {
            Ok(()) => recorded += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AuditError::Write { .. }), "{error}");
    assert!(!log.is_healthy());
    assert!(matches!(log.record(&event("/x")), Err(AuditError::Failed { .. })));
    thread::sleep(Duration::from_millis(600));
    let lines = fs::read_to_string(&config.path).unwrap();
    let notes = lines.matches("audit-note").count();
    assert!(lines.ends_with('\n'), "nothing of the failed line is left");
    fs::remove_file(&filler).unwrap();
    eventually(|| log.is_healthy());
    log.record(&event("/x")).unwrap();
    log.flush().unwrap();
    let summary = check(&config.path, &log.head());
    assert!(summary.records >= recorded + 2 && summary.records <= recorded + 3 + notes as u64);
    assert!(log.stats().refused >= 2);
}

/// Each try would leave a file, and retention would remove those with records for them.
#[test]
fn a_full_disk_after_a_failed_sync_leaves_no_files() {
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(directory.path()) else {
        eprintln!("skipped: this needs root for a small file system");
        return;
    };
    let config = config(&disk.0);
    let log = open(&config);
    log.record(&event("/x")).unwrap();
    log.flush().unwrap();
    let filler = disk.0.join("filler");
    {
        let mut writer = log.shared.writer.lock().unwrap();
        let _ = fs::write(&filler, vec![0; 100_000]);
        writer.sync_failed("a broken disk".to_owned());
        for _ in 0..60 {
            assert!(writer.recover(shared::note_line("again")).is_err());
        }
    }
    let files = files_of(&config.path).unwrap().len();
    assert!(files <= 2, "{files} files");
    fs::remove_file(&filler).unwrap();
    log.shared.recover();
    log.record(&event("/x")).unwrap();
    log.flush().unwrap();
    assert_eq!(check(&config.path, &log.head()).records, 3);
}
