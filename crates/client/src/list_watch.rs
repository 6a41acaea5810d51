//! A collection as a stream of changes that never ends and never fails.
//!
//! List in pages, then watch from the list's revision; a watch that ends is resumed from the last
//! revision seen; what cannot be resumed (410) or is not understood is listed again; every failure
//! is followed by a growing pause.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Write;
use std::time::{Duration, Instant};

use futures::stream::{BoxStream, StreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::object::{Object, Versioned};
use crate::request::{ApiClient, Form, Lines, Page, RequestError, decode};

/// Items per page of a list.
const PAGE: usize = 500;
/// Pauses after failures: the first, doubling up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A watch that ended before this counts as failed, lest a server that ends every watch at once be
/// asked without pause.
const SHORT_WATCH: Duration = Duration::from_secs(1);

/// What to list and watch.
#[derive(Debug, Clone)]
pub struct Collection {
    /// `/api/v1/secrets`, over all namespaces.
    pub path: String,
    /// `metadata.name=default`
    pub field_selector: Option<Cow<'static, str>>,
    /// Whole objects or only their metadata.
    pub form: Form,
    /// Rest after each page of a list for this many times as long as the page took: 0 is full
    /// speed, 4 leaves four fifths of the server to everybody else.
    pub rest_factor: u32,
}

/// One step in the life of a collection.
#[derive(Debug, PartialEq)]
pub enum Change<T> {
    /// A list begins: what exists will be told again with `Applied`.
    Listing,
    /// The list is complete: whatever was known before `Listing` and was not told since is gone.
    Listed,
    /// The object exists like this.
    Applied(T),
    /// The object is gone; this was its last state.
    Deleted(T),
}

/// The collection's changes, for ever. Dropping the stream ends its requests.
pub fn list_watch<T: Versioned>(api: ApiClient, collection: Collection) -> BoxStream<'static, Change<T>> {
    list_watch_within(api, collection, LONGEST_PAUSE)
}

/// As [`list_watch`], never resting longer than this after a failure.
pub fn list_watch_within<T: Versioned>(
    api: ApiClient,
    collection: Collection,
    longest_pause: Duration,
) -> BoxStream<'static, Change<T>> {
    let state = ListWatch {
        longest_pause,
        api,
        collection,
        phase: Phase::Start,
        failures: 0,
    };
    futures::stream::unfold(state, |mut state| async move {
        let change = state.next().await;
        Some((change, state))
    })
    .boxed()
}

struct ListWatch<T> {
    api: ApiClient,
    collection: Collection,
    phase: Phase<T>,
    failures: u32,
    longest_pause: Duration,
}

enum Phase<T> {
    Start,
    List {
        continue_token: String,
        items: VecDeque<T>,
        listed_at: Option<String>,
    },
    Watch {
        from: String,
        open: Option<OpenWatch>,
    },
}

struct OpenWatch {
    lines: Lines,
    opened: Instant,
}

/// The next phase, and what to tell, if anything.
type Step<T> = (Phase<T>, Option<Change<T>>);

impl<T: Versioned> ListWatch<T> {
    async fn next(&mut self) -> Change<T> {
        loop {
            let phase = std::mem::replace(&mut self.phase, Phase::Start);
            let (phase, change) = match phase {
                Phase::Start => (Phase::first_page(), Some(Change::Listing)),
                Phase::List {
                    continue_token,
                    items,
                    listed_at,
                } => self.list(continue_token, items, listed_at).await,
                Phase::Watch { from, open: None } => self.open(from).await,
                Phase::Watch {
                    from,
                    open: Some(open),
                } => self.follow(from, open).await,
            };
            self.phase = phase;
            if let Some(change) = change {
                return change;
            }
        }
    }

    /// Tells the items at hand, then fetches the next page. `listed_at` is the list's revision once
    /// the last page is at hand.
    async fn list(
        &mut self,
        continue_token: String,
        mut items: VecDeque<T>,
        listed_at: Option<String>,
    ) -> Step<T> {
        if let Some(item) = items.pop_front() {
            return (
                Phase::List {
                    continue_token,
                    items,
                    listed_at,
                },
                Some(Change::Applied(item)),
            );
        }
        if let Some(from) = listed_at {
            return (Phase::Watch { from, open: None }, Some(Change::Listed));
        }
        let began = Instant::now();
        match self
            .api
            .list(&self.collection.list_path(&continue_token), self.collection.form)
            .await
        {
            Ok(page) => {
                self.failures = 0;
                tokio::time::sleep(began.elapsed() * self.collection.rest_factor).await;
                (Phase::after_page(page), None)
            }
            Err(error) => {
                self.pause("list", &error).await;
                if error.is_gone() {
                    (Phase::Start, None)
                } else {
                    (
                        Phase::List {
                            continue_token,
                            items,
                            listed_at,
                        },
                        None,
                    )
                }
            }
        }
    }

    async fn open(&mut self, from: String) -> Step<T> {
        match self
            .api
            .watch(&self.collection.watch_path(&from), self.collection.form)
            .await
        {
            Ok(lines) => (
                Phase::Watch {
                    from,
                    open: Some(OpenWatch {
                        lines,
                        opened: Instant::now(),
                    }),
                },
                None,
            ),
            Err(error) => {
                self.pause("watch", &error).await;
                if error.is_gone() {
                    (Phase::Start, None)
                } else {
                    (Phase::Watch { from, open: None }, None)
                }
            }
        }
    }

    async fn follow(&mut self, from: String, mut open: OpenWatch) -> Step<T> {
        match open.lines.next().await {
            Ok(Some(line)) => match read_event::<T>(&self.collection.path, &line) {
                Ok(WatchEvent::Changed(revision, change)) => {
                    self.failures = 0;
                    (
                        Phase::Watch {
                            from: revision,
                            open: Some(open),
                        },
                        Some(change),
                    )
                }
                Ok(WatchEvent::Bookmark(revision)) => (
                    Phase::Watch {
                        from: revision,
                        open: Some(open),
                    },
                    None,
                ),
                Ok(WatchEvent::Ended) => {
                    self.rest().await;
                    (Phase::Start, None)
                }
                Err(error) => {
                    self.pause("watch", &error).await;
                    (Phase::Start, None)
                }
            },
            Ok(None) => {
                if open.opened.elapsed() < SHORT_WATCH {
                    self.rest().await;
                } else {
                    self.failures = 0;
                }
                (Phase::Watch { from, open: None }, None)
            }
            Err(error) => {
                self.pause("watch", &error).await;
                (Phase::Watch { from, open: None }, None)
            }
        }
    }

    async fn pause(&mut self, verb: &str, error: &RequestError) {
        tracing::debug!(verb, collection = %self.collection.path, %error, "trying again");
        self.rest().await;
    }

    async fn rest(&mut self) {
        let pause = (FIRST_PAUSE * 2u32.saturating_pow(self.failures)).min(self.longest_pause);
        self.failures = (self.failures + 1).min(16);
        tokio::time::sleep(pause).await;
    }
}

impl<T> Phase<T> {
    fn first_page() -> Self {
        Phase::List {
            continue_token: String::new(),
            items: VecDeque::new(),
            listed_at: None,
        }
    }

    fn after_page(page: Page<T>) -> Self {
        let last = page.metadata.continue_token.is_empty();
        Phase::List {
            continue_token: page.metadata.continue_token,
            items: page.items.into(),
            listed_at: last.then_some(page.metadata.resource_version),
        }
    }
}

impl Collection {
    fn list_path(&self, continue_token: &str) -> String {
        let mut path = format!("{}?limit={PAGE}", self.path);
        if !continue_token.is_empty() {
            let _ = write!(path, "&continue={}", escape(continue_token));
        }
        self.push_selector(&mut path);
        path
    }

    fn watch_path(&self, from: &str) -> String {
        // Watches of different collections end at different times.
        let seconds = 280 + self.path.len() % 60;
        let mut path = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={from}",
            self.path
        );
        self.push_selector(&mut path);
        path
    }

    fn push_selector(&self, path: &mut String) {
        if let Some(selector) = &self.field_selector {
            let _ = write!(path, "&fieldSelector={}", escape(selector));
        }
    }
}

/// Percent-encodes a query value.
pub fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

enum WatchEvent<T> {
    /// The revision to resume from, and the change.
    Changed(String, Change<T>),
    /// The revision to resume from.
    Bookmark(String),
    /// The server says that this watch cannot go on (`ERROR`, mostly 410).
    Ended,
}

/// Reads one line of a watch. The line is decoded twice because `type` decides what `object` is.
fn read_event<T: Versioned>(path: &str, line: &[u8]) -> Result<WatchEvent<T>, RequestError> {
    #[derive(Deserialize)]
    struct Tag {
        #[serde(rename = "type")]
        kind: String,
    }
    #[derive(Deserialize)]
    #[serde(bound = "T: DeserializeOwned")]
    struct Body<T> {
        object: T,
    }
    let kind = decode::<Tag>(path, line)?.kind;
    let changed = |change: fn(T) -> Change<T>| {
        let object = decode::<Body<T>>(path, line)?.object;
        Ok(WatchEvent::Changed(
            object.resource_version().to_owned(),
            change(object),
        ))
    };
    match kind.as_str() {
        "ADDED" | "MODIFIED" => changed(Change::Applied),
        "DELETED" => changed(Change::Deleted),
        "BOOKMARK" => Ok(WatchEvent::Bookmark(
            decode::<Body<Object>>(path, line)?
                .object
                .metadata
                .resource_version,
        )),
        _ => Ok(WatchEvent::Ended),
    }
}

#[cfg(test)]
mod tests;
