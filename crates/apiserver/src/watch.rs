//! WATCH: the present state if wanted, then every change, as frames of one long answer (api-conventions §11).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use strongroom_objects::Status;
use strongroom_resources::decode::Format;
use strongroom_resources::options::ListOptions;
use strongroom_resources::selection::Selection;
use strongroom_storage::{Change, Event, Range, Record, Revision, Watch, WatchError};
use tokio::time::{Instant, Sleep};

use crate::authorization::Permission;
use crate::body::{Body, BrokenOff};
use crate::encode::Form;
use crate::event_frame::{EventType, Framing};
use crate::frames::FrameKey;
use crate::get::{form, store_error};
use crate::limits::Seat;
use crate::negotiation::Shape;
use crate::pipeline::Admitted;
use crate::routes::Target;
use crate::server::ApiServer;
use crate::stored::Stored;
use crate::trail::TellEnd;
use crate::{respond, versions, websocket};

const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// A last bookmark goes out this long before a watch ends, so that the next one resumes close by.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
/// No watch is open for longer, whatever its client asks for: later times cannot be told.
const LONGEST: Duration = Duration::from_hours(24 * 365);
/// Records of the present state read at a time.
const INITIAL_PAGE: usize = 64;
const INITIAL_PAGE_BYTES: usize = 256 * 1024;

/// Answers with a watch.
pub(crate) async fn answer<B>(
    mut request: Admitted<'_, B>,
    target: Target,
) -> Result<Response<Body>, Box<Status>> {
    let form = form(&request, &target, Shape::Watch)?;
    let options = ListOptions::parse(&watch_query(request.query))?;
    let upgrade = websocket::handshake(&request.headers, request.upgrade.take())?;
    let seat = request.seat.take();
    let code = if upgrade.is_some() {
        StatusCode::SWITCHING_PROTOCOLS
    } else {
        StatusCode::OK
    };
    let mut permission = Permission::new(&request);
    let held = Held {
        lost: Box::pin(async move { permission.lost().await }),
        _seat: seat,
    };
    let mut watching = Watching::start(request.server, &target, form, options, held).await?;
    request.trail.started(request.server, code.as_u16()).await?;
    // Not before: a watch that is refused has no end of its own.
    watching.end = Some(request.trail.until_end(request.server, code.as_u16()));
    if let Some(handshake) = upgrade {
        return Ok(handshake.serve(watching));
    }
    let content_type = match form.accepted.format {
        Format::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        _ => "application/json",
    };
    let frames = futures::stream::unfold(Box::new(watching), |mut watching| async {
        let frame = watching.next_frame().await?;
        Some((Ok::<_, BrokenOff>(frame), watching))
    });
    Ok(respond::answer(
        StatusCode::OK,
        content_type,
        Body::flowing(frames),
    ))
}

/// The deprecated `/watch/` paths mean `watch=true`.
fn watch_query(query: &strongroom_resources::options::Query) -> strongroom_resources::options::Query {
    query.clone().with("watch", "true")
}

/// A watch that is under way.
pub(crate) struct Watching {
    server: ApiServer,
    form: Form,
    framing: Framing,
    selection: Selection,
    /// The only key that may match.
    only_key: Option<Bytes>,
    initial: Option<Initial>,
    source: Watch,
    pending: VecDeque<Bytes>,
    bookmarks: bool,
    /// When there is something to do though nothing happens: a bookmark, or the end.
    alarm: Pin<Box<Sleep>>,
    deadline: Instant,
    /// No frame has been sent yet: a Table's columns go with the first.
    first: bool,
    finished: bool,
    held: Held,
    /// Tells the audit log when the watch is dropped.
    end: Option<TellEnd>,
}

/// What a watch has for as long as it is open.
struct Held {
    /// Ends with the 403 once the permission is lost. One future for all of the watch: to make it anew for each event
    /// would cost as much as the event.
    lost: Pin<Box<dyn Future<Output = Box<Status>> + Send>>,
    _seat: Option<Seat>,
}

/// The present state, sent before changes.
struct Initial {
    prefix: Bytes,
    start: Option<Bytes>,
    revision: Revision,
    /// Whether a bookmark says where it ends.
    announce_end: bool,
}

/// From where a watch begins.
enum From {
    /// From the present state.
    State { announce_end: bool },
    /// From changes after a revision.
    After(Revision),
}

impl Watching {
    async fn start(
        server: &ApiServer,
        target: &Target,
        form: Form,
        options: ListOptions,
        held: Held,
    ) -> Result<Self, Box<Status>> {
        let from = begin(server, &options).await?;
        let resource = target.resource;
        let selection = Selection::new(resource, options.label_selector, options.field_selector)?;
        let only_name = only_name(target, &selection).map(str::to_owned);
        let only_key: Option<Bytes> = only_name
            .as_ref()
            .map(|name| resource.key(&target.namespace, name).into());
        // Nodes watch one Secret by name, many nodes the same one: whoever asks for nothing else shares frames.
        let selection = match &only_name {
            Some(name) => selection.given_name(name),
            None => selection,
        };
        let prefix = only_key
            .clone()
            .unwrap_or_else(|| resource.prefix(&target.namespace).into());
        let store = server.0.store.store();
        let mut pending = VecDeque::new();
        let mut finished = false;
        let framing = Framing::new(form.accepted.format);
        let (initial, after) = match from {
            From::State { announce_end } => {
                let revision = store.revision();
                (
                    Some(Initial {
                        prefix: prefix.clone(),
                        start: None,
                        revision,
                        announce_end,
                    }),
                    revision,
                )
            }
            From::After(revision) => (None, revision),
        };
        let source = store.watch(prefix.clone(), after).or_else(|error| {
            pending.push_back(framing.error(&expired(after, &error.to_string())));
            finished = true;
            store.watch(prefix, store.revision())
        });
        let lifetime = lifetime(server, options.timeout_seconds);
        let now = Instant::now();
        let first_alarm = match options.allow_bookmarks {
            true => BOOKMARK_EVERY.min(lifetime.saturating_sub(BOOKMARK_BEFORE_END)),
            false => lifetime,
        };
        Ok(Self {
            server: server.clone(),
            form,
            framing,
            selection,
            only_key,
            initial,
            source: source.map_err(|error| store_error(&error))?,
            pending,
            bookmarks: options.allow_bookmarks,
            alarm: Box::pin(tokio::time::sleep_until(now + first_alarm)),
            deadline: now + lifetime,
            first: true,
            finished,
            held,
            end: None,
        })
    }

    /// How frames are delimited.
    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// The next frame; `None` when the watch is over. Cancel-safe.
    pub(crate) async fn next_frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.pending.pop_front() {
                return Some(frame);
            }
            if self.finished {
                return None;
            }
            if self.initial.is_some() {
                self.add_initial_page().await;
                continue;
            }
            tokio::select! {
                biased;
                batch = self.source.next() => self.add_batch(batch),
                status = self.held.lost.as_mut() => self.fail(&status),
                () = self.alarm.as_mut() => self.on_time(),
            }
        }
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        if now >= self.deadline {
            self.finished = true;
            return;
        }
        let before_end = self.deadline - BOOKMARK_BEFORE_END;
        let next = if now >= before_end {
            self.deadline
        } else {
            before_end.min(now + BOOKMARK_EVERY)
        };
        self.alarm.as_mut().reset(next);
        self.add_bookmark(self.source.progress(), false);
    }

    fn add_bookmark(&mut self, revision: Revision, end_of_initial: bool) {
        let object = self.form.bookmark(revision, end_of_initial, self.first);
        self.add(self.framing.value(EventType::Bookmark, &object));
    }

    fn add(&mut self, frame: Result<Bytes, Box<Status>>) {
        self.first = false;
        match frame {
            Ok(frame) => self.pending.push_back(frame),
            Err(status) => self.fail(&status),
        }
    }

    fn fail(&mut self, status: &Status) {
        self.pending.push_back(self.framing.error(status));
        self.finished = true;
    }

    async fn add_initial_page(&mut self) {
        let Some(initial) = &self.initial else { return };
        let range = Range {
            prefix: initial.prefix.clone(),
            start: initial.start.clone(),
            limit: INITIAL_PAGE,
            max_bytes: INITIAL_PAGE_BYTES,
            at: Some(initial.revision),
        };
        let page = match self.server.0.store.store().range(range).await {
            Ok(page) => page,
            Err(error) => return self.fail(&store_error(&error)),
        };
        for record in &page.records {
            if self.is_wanted(&record.key) {
                self.add_present(record);
            }
        }
        let next = page.next_start();
        let Some(initial) = &mut self.initial else { return };
        if next.is_some() {
            initial.start = next;
            return;
        }
        let (revision, announce_end) = (initial.revision, initial.announce_end);
        self.initial = None;
        if announce_end && self.bookmarks {
            self.add_bookmark(revision, true);
        }
    }

    fn is_wanted(&self, key: &Bytes) -> bool {
        self.only_key.as_ref().is_none_or(|only| only == key)
    }

    // An object of the present state that cannot be read is left out, as in a list.
    fn add_present(&mut self, record: &Record) {
        let Ok(stored) = Stored::open(&self.server.0.store, record) else {
            return;
        };
        match self.selects(&stored) {
            Ok(false) => {}
            Ok(true) => {
                let frame = self.frame(EventType::Added, &stored);
                self.add(frame);
            }
            Err(status) => self.fail(&status),
        }
    }

    fn selects(&self, stored: &Stored) -> Result<bool, Box<Status>> {
        if self.selection.is_everything() {
            return Ok(true);
        }
        let resource = self.form.resource;
        let sketch = stored.sketch(resource, &self.selection)?;
        Ok(self.selection.selects(resource, &sketch))
    }

    fn add_batch(&mut self, batch: Result<Vec<Arc<Event>>, WatchError>) {
        match batch {
            Ok(events) => {
                for event in &events {
                    if self.finished {
                        return;
                    }
                    if !self.is_wanted(&event.key) {
                        continue;
                    }
                    if let Err(status) = self.add_event(event) {
                        self.fail(&status);
                    }
                }
            }
            Err(WatchError::Closed) => self.finished = true,
            Err(error) => self.fail(&expired(self.source.progress(), &error.to_string())),
        }
    }

    fn add_event(&mut self, event: &Event) -> Result<(), Box<Status>> {
        if self.selection.is_everything() {
            return self.add_unselected(event);
        }
        let store = &self.server.0.store;
        let previous = event
            .previous
            .as_ref()
            .map(|record| Stored::open(store, record))
            .transpose()?;
        let was_selected = previous
            .as_ref()
            .map_or(Ok(false), |previous| self.selects(previous))?;
        let current = match &event.change {
            Change::Put(record) => Some(Stored::open(store, record)?),
            Change::Delete => None,
        };
        let is_selected = current
            .as_ref()
            .map_or(Ok(false), |current| self.selects(current))?;
        let frame = match (was_selected, is_selected, previous, current) {
            (true, true, _, Some(current)) => self.frame(EventType::Modified, &current),
            (false, true, _, Some(current)) => self.frame(EventType::Added, &current),
            (true, false, Some(previous), _) => self.frame(EventType::Deleted, &previous.at(event.revision)),
            _ => return Ok(()),
        };
        self.add(frame);
        Ok(())
    }

    fn add_unselected(&mut self, event: &Event) -> Result<(), Box<Status>> {
        let shared = self.form.direct().map(|extent| FrameKey {
            revision: event.revision,
            key: event.key.clone(),
            group: self.form.resource.group,
            extent,
            protobuf: self.form.accepted.format == Format::Protobuf,
        });
        if let Some(frame) = shared.as_ref().and_then(|key| self.server.0.frames.get(key)) {
            self.add(Ok(frame));
            return Ok(());
        }
        let store = &self.server.0.store;
        let frame = match (&event.change, &event.previous) {
            (Change::Put(record), _) => {
                let event_type = if record.created == record.modified {
                    EventType::Added
                } else {
                    EventType::Modified
                };
                self.frame(event_type, &Stored::open(store, record)?)
            }
            (Change::Delete, Some(previous)) => self.frame(
                EventType::Deleted,
                &Stored::open(store, previous)?.at(event.revision),
            ),
            // Nothing is known of what was deleted: its record was damaged.
            (Change::Delete, None) => return Ok(()),
        };
        if let (Some(key), Ok(frame)) = (shared, &frame) {
            self.server.0.frames.keep(key, frame.clone());
        }
        self.add(frame);
        Ok(())
    }

    fn frame(&self, event_type: EventType, stored: &Stored) -> Result<Bytes, Box<Status>> {
        if let Some(extent) = self.form.direct() {
            return self
                .framing
                .stored(event_type, stored, self.form.resource, extent);
        }
        let object = self
            .form
            .event_json(&stored.object(self.form.resource)?, self.first);
        self.framing.value(event_type, &object)
    }
}

/// The name of the one object that is watched.
fn only_name<'a>(target: &'a Target, selection: &'a Selection) -> Option<&'a str> {
    if !target.name.is_empty() {
        return Some(&target.name);
    }
    let is_one_object = !target.namespace.is_empty() || !target.resource.namespaced;
    selection.only_name().filter(|_| is_one_object)
}

fn lifetime(server: &ApiServer, timeout_seconds: Option<u64>) -> Duration {
    match timeout_seconds {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds).min(LONGEST),
        _ => {
            let shortest = server.0.min_request_timeout;
            let [random] = crate::random::bytes::<1>();
            shortest + shortest.mul_f64(f64::from(random) / 256.0)
        }
    }
}

async fn begin(server: &ApiServer, options: &ListOptions) -> Result<From, Box<Status>> {
    let revision = match options.resource_version.as_deref() {
        None | Some("0") => None,
        Some(text) => Some(versions::parse(text, "resourceVersion")?),
    };
    match (options.send_initial_events, revision) {
        (Some(true), revision) => {
            if let Some(revision) = revision {
                versions::wait_for(server, revision).await?;
            }
            Ok(From::State { announce_end: true })
        }
        (_, Some(revision)) => Ok(From::After(revision)),
        (None, None) => Ok(From::State { announce_end: false }),
        (Some(false), None) => Ok(From::After(server.0.store.store().revision())),
    }
}

fn expired(revision: Revision, problem: &str) -> Status {
    tracing::debug!(revision, problem, "a watch fell behind");
    Status::expired(&format!("too old resource version: {revision} ({problem})"))
}
