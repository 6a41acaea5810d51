//! What the server itself must always know of some resources: all objects now, then every change, straight from the
//! store. A change is applied a moment after its commit; whoever must not be faster than that waits for
//! [`News::Through`].

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use strongroom_objects::{Object, Status};
use strongroom_resources::Resource;
use strongroom_storage::{Change, Range, Record, Revision, WatchError};

use crate::get::store_error;
use crate::server::ApiServer;
use crate::stored::Stored;

/// Objects read at a time.
const PAGE: usize = 256;
const PAGE_BYTES: usize = 1024 * 1024;
/// Between attempts to read a store that cannot be read; until one succeeds, what was known counts for nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// News of a resource.
pub(crate) enum News {
    /// An object is there, in this state.
    Is(Box<Object>),
    /// An object is gone, or cannot be read.
    Gone {
        /// Empty for cluster-scoped objects.
        namespace: String,
        name: String,
    },
    /// Forget everything: it is told again.
    Again,
    /// Everything up to here has been told.
    Through(Revision),
}

/// Who wants to hear of it.
pub(crate) type Apply = Box<dyn Fn(News) + Send + Sync>;

/// Tells `apply` everything there is of `resource`, and returns a future that tells it every change.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn follow(
    server: &ApiServer,
    resource: &'static Resource,
    apply: Apply,
) -> Result<impl Future<Output = ()> + Send + use<>, Box<Status>> {
    let following = Following {
        server: server.clone(),
        resource,
        apply,
    };
    let revision = following.tell_all().await?;
    Ok(following.run(revision))
}

struct Following {
    server: ApiServer,
    resource: &'static Resource,
    apply: Apply,
}

impl Following {
    async fn run(self, mut revision: Revision) {
        loop {
            match self.tell_changes(revision).await {
                WatchError::Closed => return,
                error => tracing::warn!(resource = ?self.resource, %error, "reading everything again"),
            }
            (self.apply)(News::Again);
            revision = loop {
                match self.tell_all().await {
                    Ok(now) => break now,
                    Err(status) => {
                        tracing::error!(resource = ?self.resource, problem = status.message, "the store cannot be read");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            };
        }
    }

    async fn tell_all(&self) -> Result<Revision, Box<Status>> {
        let mut range = Range {
            prefix: self.resource.prefix("").into(),
            start: None,
            limit: PAGE,
            max_bytes: PAGE_BYTES,
            at: None,
        };
        loop {
            let page = self
                .server
                .0
                .store
                .store()
                .range(range.clone())
                .await
                .map_err(|error| store_error(&error))?;
            for record in &page.records {
                self.tell(record);
            }
            range.at = Some(page.revision);
            range.start = page.next_start();
            if range.start.is_none() {
                (self.apply)(News::Through(page.revision));
                return Ok(page.revision);
            }
        }
    }

    async fn tell_changes(&self, after: Revision) -> WatchError {
        let store = self.server.0.store.store();
        let mut watch = match store.watch(self.resource.prefix("").into(), after) {
            Ok(watch) => watch,
            // Compacted meanwhile, perhaps: what is there now is read again.
            Err(error) => {
                let reason = error.to_string();
                return WatchError::Unreadable { reason };
            }
        };
        loop {
            let events = match watch.next().await {
                Ok(events) => events,
                Err(error) => return error,
            };
            for event in &events {
                match &event.change {
                    Change::Put(record) => self.tell(record),
                    Change::Delete => self.tell_gone(&event.key),
                }
            }
            if let Some(last) = events.last() {
                (self.apply)(News::Through(last.revision));
            }
        }
    }

    /// An object that cannot be read is as good as gone: a role that nobody can read grants nothing.
    fn tell(&self, record: &Record) {
        let opened = Stored::open(&self.server.0.store, record);
        match opened.and_then(|stored| stored.object(self.resource)) {
            Ok(object) => (self.apply)(News::Is(Box::new(object))),
            Err(_) => self.tell_gone(&record.key),
        }
    }

    fn tell_gone(&self, key: &Bytes) {
        let key = String::from_utf8_lossy(key);
        let rest = key.strip_prefix(&self.resource.prefix("")).unwrap_or(&key);
        let (namespace, name) = match rest.split_once('/') {
            Some(parts) if self.resource.namespaced => parts,
            _ => ("", rest),
        };
        (self.apply)(News::Gone {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        });
    }
}
