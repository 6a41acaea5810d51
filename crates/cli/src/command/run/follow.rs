//! One object, followed by a watch of its own: no polling, and nothing is taken away while the server is.

use std::fmt;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch::Receiver;
use zeroize::Zeroizing;

use super::source::Wanted;
use super::variables::Contents;
use crate::command::access::connection::deepest;

/// How long one watch lasts, and when it is given up should it not end.
const WATCH_SECONDS: u32 = 290;
const WATCH_PATIENCE: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(15);
const SILENT: &str = "it does not answer";
/// Between attempts: the first pause, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Between attempts while the server refuses.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);

/// What following an object tells.
pub enum Change {
    /// How the object is now; `None` if there is none.
    Seen(Wanted, Option<Contents>),
    /// The object is not followed any more, because of this; it is tried again.
    Lost(Wanted, String),
    /// The object is followed again.
    Found(Wanted),
}

/// Kinds of objects that can be followed.
pub trait Followed:
    Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
    + Clone
    + DeserializeOwned
    + fmt::Debug
    + Send
    + 'static
{
    /// Keys and values.
    fn into_contents(self) -> Contents;
}

impl Followed for Secret {
    fn into_contents(self) -> Contents {
        let data = self.data.unwrap_or_default().into_iter();
        Contents {
            data: data.map(|(key, value)| (key, Zeroizing::new(value.0))).collect(),
            immutable: self.immutable == Some(true),
        }
    }
}

impl Followed for ConfigMap {
    fn into_contents(self) -> Contents {
        let text = self.data.unwrap_or_default().into_iter();
        let binary = self.binary_data.unwrap_or_default().into_iter();
        Contents {
            data: text
                .map(|(key, value)| (key, Zeroizing::new(value.into_bytes())))
                .chain(binary.map(|(key, value)| (key, Zeroizing::new(value.0))))
                .collect(),
            immutable: self.immutable == Some(true),
        }
    }
}

/// Why one watch is over.
enum End {
    /// The object will never change.
    Immutable,
    /// Nobody listens any more.
    Unheard,
    /// Its time was up.
    TimeIsUp,
    /// The server was away for a while, and the connection may not have noticed.
    NewConnection,
    /// The server cannot go on from there: the object is read again.
    StartAgain,
    /// The server refused, with these words.
    Refused(String),
    /// The server is away.
    Away(String),
}

impl From<kube::Error> for End {
    fn from(error: kube::Error) -> End {
        match error {
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
                End::Refused(status.message.clone())
            }
            kube::Error::Api(status) if status.code == 410 => End::StartAgain,
            kube::Error::Api(status) => End::Away(format!("it answered {}: {}", status.code, status.message)),
            error => End::Away(deepest(&error)),
        }
    }
}

/// Follows one object until it is immutable or nobody listens. When `pulse` beats, the connection is given up for
/// a new one.
pub async fn follow<Object: Followed>(
    api: Api<Object>,
    wanted: Wanted,
    changes: Sender<Change>,
    mut pulse: Receiver<u64>,
) {
    let mut follower = Follower {
        api,
        wanted,
        changes,
        version: None,
        too_old: None,
        lost: false,
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        // A step that is given up has told nothing that it will not tell again.
        let end = tokio::select! {
            step = follower.step() => step.err().unwrap_or(End::TimeIsUp),
            Ok(()) = pulse.changed() => End::NewConnection,
        };
        let reason = match end {
            End::Immutable | End::Unheard => return,
            End::TimeIsUp if began.elapsed() > LONGEST_PAUSE => {
                pause = FIRST_PAUSE;
                continue;
            }
            End::NewConnection => {
                pause = FIRST_PAUSE;
                continue;
            }
            End::TimeIsUp => None,
            End::StartAgain => {
                follower.too_old = follower.version.take();
                None
            }
            End::Refused(message) => {
                pause = REFUSED_PAUSE;
                Some(message)
            }
            End::Away(reason) => {
                // A server that lost its memory does not know the version either.
                follower.version = None;
                Some(reason)
            }
        };
        if let Some(reason) = reason
            && !std::mem::replace(&mut follower.lost, true)
            && follower
                .tell(Change::Lost(follower.wanted.clone(), reason))
                .await
                .is_err()
        {
            return;
        }
        // Whatever the server said last, it is worth asking again once it is back.
        let _ = tokio::time::timeout(pause, pulse.changed()).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

struct Follower<Object> {
    api: Api<Object>,
    wanted: Wanted,
    changes: Sender<Change>,
    /// From which resourceVersion to go on; the object is read first if there is none.
    version: Option<String>,
    /// A resourceVersion that the server could not go on from.
    too_old: Option<String>,
    lost: bool,
}

/// What the server answers, if it does in time.
async fn patiently<T>(answer: impl Future<Output = kube::Result<T>>) -> Result<T, End> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answered) => Ok(answered?),
        Err(_) => Err(End::Away(SILENT.to_owned())),
    }
}

impl<Object: Followed> Follower<Object> {
    /// Reads the object if need be, then watches until the watch ends.
    async fn step(&mut self) -> Result<(), End> {
        let selector = format!("metadata.name={}", self.wanted.name);
        let version = match self.version.take() {
            Some(version) => version,
            None => self.read(&selector).await?,
        };
        self.version = Some(version.clone());
        let parameters = WatchParams::default().fields(&selector).timeout(WATCH_SECONDS);
        let deadline = Instant::now() + WATCH_PATIENCE;
        let patience = || deadline.saturating_duration_since(Instant::now());
        let silent = |_| End::Away(SILENT.to_owned());
        let mut events = pin!(patiently(self.api.watch(&parameters, &version)).await?);
        self.found().await?;
        while let Some(event) = tokio::time::timeout(patience(), events.next())
            .await
            .map_err(silent)?
        {
            match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    let version = object.resource_version();
                    self.seen(Some(object.into_contents())).await?;
                    self.version = version;
                }
                WatchEvent::Deleted(object) => {
                    let version = object.resource_version();
                    self.seen(None).await?;
                    self.version = version;
                }
                WatchEvent::Bookmark(bookmark) => self.version = Some(bookmark.metadata.resource_version),
                WatchEvent::Error(status) => return Err(kube::Error::Api(status).into()),
            }
        }
        Ok(())
    }

    /// The object, and from where to watch: by a list of itself, which knows that even if there is no object.
    async fn read(&mut self, selector: &str) -> Result<String, End> {
        let parameters = ListParams::default().fields(selector);
        let listed = patiently(self.api.list(&parameters)).await;
        let (object, version) = match listed {
            Ok(list) => (list.items.into_iter().next(), list.metadata.resource_version),
            // Who may get and watch it needs no list.
            Err(End::Refused(_)) => {
                let object = patiently(self.api.get_opt(&self.wanted.name)).await?;
                let version = object.as_ref().and_then(ResourceExt::resource_version);
                // A version that is too old was tried in vain; without one, a watch begins with what there is.
                let version = version.filter(|version| self.too_old.as_ref() != Some(version));
                (object, version)
            }
            Err(end) => return Err(end),
        };
        self.found().await?;
        self.seen(object.map(Followed::into_contents)).await?;
        Ok(version.unwrap_or_default())
    }

    async fn found(&mut self) -> Result<(), End> {
        if std::mem::take(&mut self.lost) {
            self.tell(Change::Found(self.wanted.clone())).await?;
        }
        Ok(())
    }

    async fn seen(&self, contents: Option<Contents>) -> Result<(), End> {
        let immutable = contents.as_ref().is_some_and(|contents| contents.immutable);
        self.tell(Change::Seen(self.wanted.clone(), contents)).await?;
        if immutable { Err(End::Immutable) } else { Ok(()) }
    }

    async fn tell(&self, change: Change) -> Result<(), End> {
        self.changes.send(change).await.map_err(|_| End::Unheard)
    }
}
