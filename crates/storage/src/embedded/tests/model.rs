//! Random operations on the embedded engine and on the memory engine: both must answer the same.

use std::sync::Arc;

use bytes::Bytes;

use super::{Random, SimulatedDisk, count, open};
use crate::error::StoreError;
use crate::memory::Memory;
use crate::store::{Condition, Event, Range, Revision, Store, Transaction, Write};

const PREFIXES: [&str; 7] = ["", "/", "/a/", "/b/", "/b/0/", "/a", "/none/"];

struct Pair {
    disk: Arc<SimulatedDisk>,
    embedded: Arc<dyn Store>,
    memory: Memory,
    random: Random,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn embedded_answers_like_memory() {
    let operations = count("STRONGROOM_MODEL_OPERATIONS", 20_000);
    let disk = SimulatedDisk::new();
    let embedded: Arc<dyn Store> = Arc::new(open(&disk).expect("open"));
    let random = Random(count("STRONGROOM_SEED", 1));
    let mut pair = Pair {
        disk,
        embedded,
        memory: Memory::default(),
        random,
    };
    for operation in 0..operations {
        match pair.random.below(1000) {
            0..700 => pair.commit().await,
            700..800 => pair.get().await,
            800..950 => pair.range().await,
            950..980 => pair.history().await,
            980..990 => pair.compact().await,
            990..998 => {}
            _ => pair.reopen().await,
        }
        assert_eq!(
            pair.embedded.revision(),
            pair.memory.revision(),
            "operation {operation}"
        );
    }
    pair.history().await;
}

impl Pair {
    fn key(&mut self) -> Bytes {
        let directory = ["/a/", "/b/0/", "/b/1/", "/b/", "/", ""][self.random.below(6) as usize];
        Bytes::from(format!("{directory}k{}", self.random.below(12)))
    }

    fn value(&mut self) -> Bytes {
        let length = match self.random.below(100) {
            0 => 3_000,
            1..10 => 0,
            _ => self.random.below(200),
        };
        (0..length)
            .map(|_| self.random.below(256) as u8)
            .collect::<Vec<u8>>()
            .into()
    }

    async fn commit(&mut self) {
        let mut transaction = Transaction::default();
        for _ in 0..1 + self.random.below(3) {
            let key = self.key();
            if transaction.writes.iter().any(|write| write.key() == &key) {
                continue;
            }
            if self.random.below(3) > 0 {
                // Usually the right revision.
                let record = self.memory.get(&key).await.expect("get");
                let mut modified = record.map_or(0, |record| record.modified);
                if self.random.below(20) == 0 {
                    modified += 1;
                }
                transaction.conditions.push(Condition {
                    key: key.clone(),
                    modified,
                });
            }
            let write = match self.random.below(4) {
                0 => Write::Delete { key },
                _ => Write::Put {
                    key,
                    value: self.value(),
                },
            };
            transaction.writes.push(write);
        }
        let expected = self.memory.commit(transaction.clone()).await.expect("memory");
        let answer = self.embedded.commit(transaction).await.expect("embedded");
        assert_eq!(answer, expected);
    }

    async fn get(&mut self) {
        let key = self.key();
        let expected = self.memory.get(&key).await.expect("memory");
        assert_eq!(self.embedded.get(&key).await.expect("embedded"), expected);
    }

    fn revision(&mut self) -> Revision {
        let back = self.random.below(300);
        (self.memory.revision() + 2).saturating_sub(back)
    }

    async fn range(&mut self) {
        let prefix = PREFIXES[self.random.below(PREFIXES.len() as u64) as usize];
        let range = Range {
            prefix: Bytes::from(prefix),
            start: (self.random.below(3) == 0).then(|| self.key()),
            limit: self.random.below(9) as usize,
            max_bytes: if self.random.below(4) == 0 {
                self.random.below(900) as usize
            } else {
                0
            },
            at: (self.random.below(2) == 0).then(|| self.revision()),
        };
        let expected = self.memory.range(range.clone()).await;
        let page = self.embedded.range(range.clone()).await;
        match (page, expected) {
            (Ok(page), Ok(expected)) => assert_eq!(page, expected, "{range:?}"),
            (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected.to_string()),
            (page, expected) => panic!("{range:?}: {page:?} instead of {expected:?}"),
        }
    }

    /// Everything a new watch gets to see.
    async fn history(&mut self) {
        let prefix = PREFIXES[self.random.below(PREFIXES.len() as u64) as usize];
        let after = self.revision();
        let expected = events(&self.memory, prefix, after).await;
        assert_eq!(
            events(self.embedded.as_ref(), prefix, after).await,
            expected,
            "{prefix} {after}"
        );
    }

    async fn compact(&mut self) {
        let revision = self.revision();
        let expected = self
            .memory
            .compact(revision)
            .await
            .map_err(|error| error.to_string());
        let answer = self
            .embedded
            .compact(revision)
            .await
            .map_err(|error| error.to_string());
        assert_eq!(answer, expected);
        if self.random.below(2) == 0 {
            // Let it be removed for good.
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    /// Stops properly, or as by kill -9: the files as they are at this moment.
    async fn reopen(&mut self) {
        if self.random.below(2) == 0 {
            self.embedded.close().await;
            self.embedded = Arc::new(open(&self.disk).expect("open"));
        } else {
            let disk = SimulatedDisk::with_files(self.disk.files());
            self.embedded.close().await;
            self.embedded = Arc::new(open(&disk).expect("open after a kill"));
            self.disk = disk;
        }
        // What was not yet removed may be read again after a kill; the model has forgotten it.
        self.embedded
            .compact(self.memory.status().compacted)
            .await
            .expect("compact");
        assert_eq!(self.embedded.status().keys, self.memory.status().keys);
    }
}

async fn events(store: &dyn Store, prefix: &str, after: Revision) -> Result<Vec<Arc<Event>>, String> {
    let mut watch = match store.watch(Bytes::copy_from_slice(prefix.as_bytes()), after) {
        Ok(watch) => watch,
        Err(error @ StoreError::Compacted { .. }) => return Err(error.to_string()),
        Err(error) => panic!("{error}"),
    };
    let mut events = Vec::new();
    while watch.progress() < store.revision() && after < store.revision() {
        tokio::select! {
            batch = watch.next() => events.extend(batch.map_err(|error| error.to_string())?),
            // There may be none to come, which only the progress tells.
            () = tokio::time::sleep(std::time::Duration::from_millis(1)) => {}
        }
    }
    Ok(events)
}
