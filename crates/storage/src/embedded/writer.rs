//! The one thread that changes the store. It takes whatever transactions are waiting, decides them
//! in order, writes what they change as one frame of the journal, syncs it once, shows the new
//! state to readers and watchers, and only then answers. While it syncs, others queue up, so the
//! groups grow with the load and a lone writer waits for nobody.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::journal::{AppendError, Entry, Journal, encode_entry};
use super::overlay::Overlay;
use super::shared::{Found, Shared};
use super::space::Load;
use crate::disk::is_full;
use crate::error::StoreError;
use crate::event_log::event_bytes;
use crate::store::{Change, Committed, Condition, Event, Record, Revision, Serving, Transaction, Write};

/// Most transactions of a group.
const GROUP: usize = 1024;
/// A group takes no more transactions once it has so many bytes. With the largest transaction on
/// top it still fits into the smallest segment.
const GROUP_BYTES: usize = 2 << 20;
/// A group takes no more transactions after so long.
const GATHERING: Duration = Duration::from_millis(2);

/// How long to wait for the checkpointer before looking whether it has failed.
const PATIENCE: Duration = Duration::from_millis(50);

/// Something for the writer to do.
pub(crate) enum Job {
    Commit(Pending),
    /// Hand everything over to the tables and answer when it is there.
    Flush(oneshot::Sender<Result<(), StoreError>>),
    /// Finish and release the files.
    Close(oneshot::Sender<()>),
}

/// A transaction that waits for its answer.
pub(crate) struct Pending {
    pub transaction: Transaction,
    pub answer: oneshot::Sender<Result<Committed, StoreError>>,
}

pub(crate) struct Writer {
    pub shared: Arc<Shared>,
    pub jobs: mpsc::Receiver<Job>,
    pub journal: Journal,
    pub revision: Revision,
    pub checkpointer: JoinHandle<()>,
}

/// Changes of a group that are decided but not yet written.
#[derive(Default)]
struct Staged {
    payload: Vec<u8>,
    events: Vec<Arc<Event>>,
    latest: HashMap<Bytes, usize>,
    bytes: usize,
    has_put: bool,
}

type Answer = (
    oneshot::Sender<Result<Committed, StoreError>>,
    Result<Committed, StoreError>,
);

impl Writer {
    /// Works until the store is closed or dropped.
    pub(crate) fn run(mut self) {
        let closed = loop {
            let Some(job) = self.jobs.blocking_recv() else {
                break None;
            };
            let (group, control) = self.gather(job);
            self.commit_group(group);
            match control {
                Some(Job::Flush(answer)) => drop(answer.send(self.flush())),
                Some(Job::Close(answer)) => break Some(answer),
                Some(Job::Commit(_)) | None => {}
            }
        };
        self.finish();
        if let Some(answer) = closed {
            // Whoever dropped the receiver does not want to know.
            let _ = answer.send(());
        }
    }

    /// Takes what is waiting behind `first`. While more arrives, whoever is about to send some is let run: each sync
    /// costs the same however many share it. A lone transaction waits for nobody.
    fn gather(&mut self, first: Job) -> (Vec<Pending>, Option<Job>) {
        let mut group = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        let mut at_last_look = 0;
        let began = Instant::now();
        loop {
            match next.take().or_else(|| self.jobs.try_recv().ok()) {
                Some(Job::Commit(pending)) => {
                    bytes += transaction_bytes(&pending.transaction);
                    group.push(pending);
                    if group.len() >= GROUP || bytes >= GROUP_BYTES {
                        return (group, None);
                    }
                }
                Some(control) => return (group, Some(control)),
                None if group.len() > at_last_look && began.elapsed() < GATHERING => {
                    at_last_look = group.len();
                    std::thread::yield_now();
                }
                None => return (group, None),
            }
        }
    }

    fn finish(mut self) {
        self.jobs.close();
        let flushed = self.flush();
        if let Err(error) = flushed {
            tracing::warn!(%error, "closing with changes that only the journal holds");
        }
        self.shared.signal(|signals| signals.stop = true);
        let _ = self.checkpointer.join();
        self.shared.serving.send_if_modified(|serving| {
            let failed = matches!(serving, Serving::Failed { .. });
            if !failed {
                *serving = Serving::Closed;
            }
            !failed
        });
        self.shared.log.close();
        self.shared.lock.lock().expect("lock").take();
    }

    fn commit_group(&mut self, group: Vec<Pending>) {
        if group.is_empty() {
            return;
        }
        let serving = self.shared.serving();
        let mut staged = Staged::default();
        let mut answers: Vec<Answer> = Vec::with_capacity(group.len());
        for Pending { transaction, answer } in group {
            let decided = match &serving {
                Serving::Failed { reason } => Err(StoreError::Failed {
                    reason: reason.clone(),
                }),
                Serving::Full if has_put(&transaction) => Err(StoreError::Full),
                _ => self.decide(&mut staged, transaction),
            };
            answers.push((answer, decided));
        }
        let written = self.make_room(&staged).and_then(|()| self.write(staged));
        for (answer, decided) in answers {
            // The group is decided on the ground of its own changes: if those are not durable,
            // none of its answers holds.
            let decided = match &written {
                Ok(()) => decided,
                Err(error) => decided.and(Err(error.clone().into())),
            };
            let _ = answer.send(decided);
        }
    }

    /// Decides a transaction against the store and what the group has changed so far.
    fn decide(&self, staged: &mut Staged, transaction: Transaction) -> Result<Committed, StoreError> {
        for Condition { key, modified } in &transaction.conditions {
            let found = self.find(staged, key)?;
            if found.map_or(0, |found| found.modified) != *modified {
                return Ok(Committed::ConditionFailed { key: key.clone() });
            }
        }
        let mut before = Vec::with_capacity(transaction.writes.len());
        for write in &transaction.writes {
            before.push(self.find(staged, write.key())?);
        }
        let current = staged.events.last().map_or(self.revision, |event| event.revision);
        let revision = current + 1;
        let first = staged.events.len();
        for (write, before) in transaction.writes.into_iter().zip(before) {
            staged.add(revision, write, before);
        }
        let changed = staged.events.len() > first;
        Ok(Committed::Applied {
            revision: if changed { revision } else { current },
        })
    }

    fn find(&self, staged: &Staged, key: &Bytes) -> Result<Option<Found>, StoreError> {
        if let Some(&index) = staged.latest.get(key) {
            return Ok(match &staged.events[index].change {
                Change::Put(record) => Some(Found::of(record)),
                Change::Delete => None,
            });
        }
        self.shared.find(key)
    }

    /// Refuses a group with puts unless the tables will have room for it, if need be after what
    /// the journal holds has been moved there.
    fn make_room(&mut self, staged: &Staged) -> Result<(), WriteFailure> {
        if !staged.has_put || self.shared.space.has_room_for(self.shared.load() + staged.load()) {
            return Ok(());
        }
        self.flush_all()?;
        if self.shared.space.has_room_for(staged.load()) {
            return Ok(());
        }
        self.shared.set_full(true);
        Err(WriteFailure::Full)
    }

    /// Makes what a group changed durable, then visible.
    fn write(&mut self, staged: Staged) -> Result<(), WriteFailure> {
        let Some(last) = staged.events.last() else {
            return Ok(());
        };
        let after = last.revision;
        if !self.journal.fits(staged.payload.len()) || self.holds_enough() {
            self.rotate()?;
        }
        match self.journal.append(self.revision, after, &staged.payload) {
            Ok(()) => {}
            Err(AppendError::Write(error)) if is_full(&error) => return Err(WriteFailure::Full),
            Err(AppendError::Write(error)) => {
                return Err(self.failed(format!("writing the journal: {error}")));
            }
            Err(AppendError::Sync(error)) => {
                return Err(self.failed(format!("syncing the journal: {error}")));
            }
        }
        self.revision = after;
        {
            let mut view = self.shared.view.write().expect("view");
            for event in &staged.events {
                view.active.push(Arc::clone(event));
            }
            view.revision = after;
            self.shared.revision.store(after, Ordering::Release);
        }
        // Readers come first: who is told of a change can also read it.
        self.shared.log.publish(&staged.events);
        Ok(())
    }

    /// Events hold previous values, which the journal does not.
    fn holds_enough(&self) -> bool {
        self.shared.view.read().expect("view").active.bytes as u64 >= self.journal.segment_bytes()
    }

    fn failed(&self, reason: String) -> WriteFailure {
        self.shared.fail(reason.clone());
        WriteFailure::Failed(reason)
    }

    /// Begins a new segment of the journal and hands what the old one holds to the checkpointer,
    /// once that is done with the segment before.
    fn rotate(&mut self) -> Result<(), WriteFailure> {
        self.wait_until_idle()?;
        let frozen = {
            let mut view = self.shared.view.write().expect("view");
            let active = std::mem::take(&mut view.active);
            let frozen = !active.is_empty();
            view.frozen = frozen.then(|| Arc::<Overlay>::new(active));
            frozen
        };
        if frozen {
            self.shared.signal(|signals| signals.frozen = true);
        }
        match self.journal.rotate() {
            Ok(()) => Ok(()),
            Err(error) if is_full(&error) => Err(WriteFailure::Full),
            Err(error) => Err(self.failed(format!("starting a segment of the journal: {error}"))),
        }
    }

    fn wait_until_idle(&self) -> Result<(), WriteFailure> {
        let mut signals = self.shared.signals.lock().expect("signals");
        loop {
            if let Serving::Failed { reason } = self.shared.serving() {
                return Err(WriteFailure::Failed(reason));
            }
            if !signals.frozen {
                return Ok(());
            }
            if signals.stuck {
                return Err(WriteFailure::Full);
            }
            // A failure of the checkpointer is told without this lock: look now and then.
            let wait = self.shared.signalled.wait_timeout(signals, PATIENCE);
            signals = wait.expect("signals").0;
        }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(self.flush_all()?)
    }

    fn flush_all(&mut self) -> Result<(), WriteFailure> {
        let is_empty = self.shared.view.read().expect("view").active.is_empty();
        if !is_empty {
            self.rotate()?;
        }
        self.wait_until_idle()
    }
}

#[derive(Clone, Debug)]
enum WriteFailure {
    Full,
    Failed(String),
}

impl From<WriteFailure> for StoreError {
    fn from(failure: WriteFailure) -> Self {
        match failure {
            WriteFailure::Full => StoreError::Full,
            WriteFailure::Failed(reason) => StoreError::Failed { reason },
        }
    }
}

impl Staged {
    fn load(&self) -> Load {
        Load {
            events: self.events.len(),
            bytes: self.bytes,
        }
    }

    fn add(&mut self, revision: Revision, write: Write, before: Option<Found>) {
        let key = write.key().clone();
        let (value, change) = match write {
            Write::Put { value, .. } => {
                let created = before.as_ref().map_or(revision, |found| {
                    // A damaged record may claim anything.
                    if found.created < revision {
                        found.created
                    } else {
                        1
                    }
                });
                let record = Record {
                    key: key.clone(),
                    value,
                    created,
                    modified: revision,
                };
                (Some(record.value.clone()), Change::Put(record))
            }
            Write::Delete { .. } if before.is_none() => return,
            Write::Delete { .. } => (None, Change::Delete),
        };
        let created = if let Change::Put(record) = &change {
            record.created
        } else {
            0
        };
        let entry = Entry {
            revision,
            created,
            key: key.clone(),
            value,
        };
        encode_entry(&entry, &mut self.payload);
        let previous = before.and_then(|found| found.record);
        let event = Event {
            revision,
            key,
            change,
            previous,
        };
        self.latest.insert(event.key.clone(), self.events.len());
        self.bytes += event_bytes(&event);
        self.has_put |= matches!(event.change, Change::Put(_));
        self.events.push(Arc::new(event));
    }
}

fn has_put(transaction: &Transaction) -> bool {
    transaction
        .writes
        .iter()
        .any(|write| matches!(write, Write::Put { .. }))
}

fn transaction_bytes(transaction: &Transaction) -> usize {
    let bytes = |write: &Write| match write {
        Write::Put { key, value } => key.len() + value.len(),
        Write::Delete { key } => key.len(),
    };
    transaction.writes.iter().map(bytes).sum()
}
