//! Both engines pass the one suite.

use std::sync::Arc;

use crate::RecordKey;
use crate::conformance::{self, Engine};
use crate::embedded::{Embedded, EmbeddedOptions};
use crate::event_log::WindowLimits;
use crate::memory::Memory;
use crate::store::Store;

struct InMemory;

impl Engine for InMemory {
    async fn make(&self, window_events: usize) -> Arc<dyn Store> {
        Arc::new(Memory::new(WindowLimits {
            events: window_events,
            bytes: 1 << 20,
        }))
    }
}

struct OnDisk {
    directory: tempfile::TempDir,
    made: std::cell::Cell<u32>,
}

impl Engine for OnDisk {
    async fn make(&self, window_events: usize) -> Arc<dyn Store> {
        self.made.set(self.made.get() + 1);
        let directory = self.directory.path().join(self.made.get().to_string());
        let mut options = EmbeddedOptions::new(directory, [1; 16]);
        options.window = WindowLimits {
            events: window_events,
            bytes: 1 << 20,
        };
        options.record_key = Some(RecordKey::new(&[9; 32]));
        Arc::new(Embedded::open(&options).expect("open"))
    }
}

#[tokio::test]
async fn memory() {
    conformance::run(&InMemory).await;
}

#[tokio::test]
async fn embedded() {
    let directory = tempfile::tempdir().expect("directory");
    conformance::run(&OnDisk {
        directory,
        made: 0.into(),
    })
    .await;
}
