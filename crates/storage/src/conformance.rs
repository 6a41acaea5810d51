//! What every engine must do, as short scenarios. An engine passes if [`run`] returns.

mod changes;
mod reads;
mod watches;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use crate::store::{Committed, Page, Range, Record, Revision, Store, Transaction, Write};

/// Makes a fresh, empty store for a scenario.
pub trait Engine {
    /// An empty store at revision 0 with room for at most `window_events` events in memory.
    fn make(&self, window_events: usize) -> impl Future<Output = Arc<dyn Store>>;
}

/// Runs every scenario.
///
/// # Panics
/// If the engine does something else than the contract of [`Store`] says.
pub async fn run(engine: &impl Engine) {
    changes::run(engine).await;
    reads::run(engine).await;
    watches::run(engine).await;
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn put_of(key: &str, value: &str) -> Write {
    Write::Put {
        key: bytes(key),
        value: bytes(value),
    }
}

fn delete_of(key: &str) -> Write {
    Write::Delete { key: bytes(key) }
}

async fn commit(store: &dyn Store, writes: Vec<Write>) -> Revision {
    let transaction = Transaction {
        conditions: Vec::new(),
        writes,
    };
    match store.commit(transaction).await.expect("commit") {
        Committed::Applied { revision } => revision,
        failed => panic!("{failed:?}"),
    }
}

async fn put(store: &dyn Store, key: &str, value: &str) -> Revision {
    commit(store, vec![put_of(key, value)]).await
}

async fn delete(store: &dyn Store, key: &str) -> Revision {
    commit(store, vec![delete_of(key)]).await
}

async fn get(store: &dyn Store, key: &str) -> Option<Record> {
    store.get(key.as_bytes()).await.expect("get")
}

async fn list(store: &dyn Store, prefix: &str, at: Option<Revision>) -> Page {
    store
        .range(Range {
            at,
            ..Range::prefix(bytes(prefix))
        })
        .await
        .expect("range")
}

/// `key=value@created/modified`, what scenarios compare.
fn show(record: &Record) -> String {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}={}@{}/{}",
        text(&record.key),
        text(&record.value),
        record.created,
        record.modified
    )
}

fn shown(page: &Page) -> Vec<String> {
    page.records.iter().map(show).collect()
}
