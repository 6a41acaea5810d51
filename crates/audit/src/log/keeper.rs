//! The thread that syncs, retries, and removes what is too old.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::config::Fsync;
use super::files;
use super::shared::Shared;

/// So often a failed log is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// So often the head is written beside the log, and the file is looked after.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
const RETENTION: Duration = Duration::from_secs(3600);

pub(super) fn start(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("audit-keeper".to_owned())
        .spawn(move || Keeper::new(&shared).run())
}

struct Keeper<'a> {
    shared: &'a Shared,
    last_sync: Instant,
    last_housekeeping: Instant,
    last_retention: Instant,
    head_written: u64,
}

impl<'a> Keeper<'a> {
    fn new(shared: &'a Shared) -> Self {
        let now = Instant::now();
        Self {
            shared,
            last_sync: now,
            last_housekeeping: now,
            last_retention: now,
            head_written: 0,
        }
    }

    fn run(mut self) {
        self.remove_old();
        loop {
            let wake = self.shared.wait_for_work(self.pause());
            if !self.shared.healthy() {
                self.shared.recover();
                self.shared.make_room();
            }
            let due = match self.shared.config.fsync {
                Fsync::Always => true,
                Fsync::Every(interval) => self.last_sync.elapsed() >= interval || self.shared.sync_wanted(),
            };
            if due || wake.stop {
                // A failure is told to those who wait, and tried again above.
                let _ = self.shared.sync();
                self.last_sync = Instant::now();
            }
            if wake.rotated || self.last_retention.elapsed() >= RETENTION {
                self.remove_old();
            }
            if wake.stop || self.last_housekeeping.elapsed() >= HOUSEKEEPING {
                self.last_housekeeping = Instant::now();
                self.write_head();
                if !wake.stop {
                    self.shared.replace_if_gone();
                }
            }
            if wake.stop {
                return;
            }
        }
    }

    fn pause(&self) -> Duration {
        if !self.shared.healthy() {
            return RETRY;
        }
        let next_sync = match self.shared.config.fsync {
            Fsync::Always => HOUSEKEEPING,
            Fsync::Every(interval) => interval.saturating_sub(self.last_sync.elapsed()),
        };
        next_sync.min(HOUSEKEEPING)
    }

    fn remove_old(&mut self) {
        self.last_retention = Instant::now();
        let config = &self.shared.config;
        let Ok(backups) = files::backups(&config.path) else {
            return;
        };
        let now = Timestamp::now();
        for path in files::superfluous(&backups, config.max_backups, config.max_age_days, now) {
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "an old audit log could not be removed");
                // What is newer stays too: a gap would look like tampering.
                return;
            }
        }
    }

    /// The signed head beside the log, so that `verify` can tell whether the end is missing. Fetched copies are
    /// better: who can change the log can change this file, but not sign another.
    fn write_head(&mut self) {
        let synced = self.shared.synced();
        if synced.sequence == self.head_written {
            return;
        }
        let head = self
            .shared
            .signer
            .sign(synced.sequence, synced.hash, Timestamp::now());
        let path = beside(&self.shared.config.path, ".head");
        let temporary = beside(&self.shared.config.path, ".head.new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options.open(&temporary).and_then(|mut file| {
            io::Write::write_all(&mut file, format!("{}\n", head.to_json()).as_bytes())?;
            fs::rename(&temporary, &path)
        });
        match written {
            Ok(()) => self.head_written = synced.sequence,
            Err(error) => tracing::debug!(%error, "the audit head could not be written beside the log"),
        }
    }
}

fn beside(path: &std::path::Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
