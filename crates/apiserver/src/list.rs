//! LIST: streamed from one revision of the store, page by page, so that memory does not grow with the list
//! (api-conventions §10).

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY};
use http::{Response, StatusCode};
use strongroom_objects::{Status, Value, json as json_text};
use strongroom_resources::decode::Format;
use strongroom_resources::options::{ListOptions, VersionMatch};
use strongroom_resources::selection::Selection;
use strongroom_storage::{Range, Revision, StoreError};

use crate::body::{Body, BrokenOff};
use crate::continue_token::ContinueToken;
use crate::encode::{Form, ListMetadata, content_type, encode};
use crate::get::{form, store_error};
use crate::gzip::Gzip;
use crate::limits::Seat;
use crate::negotiation::Shape;
use crate::pipeline::Admitted;
use crate::respond;
use crate::routes::Target;
use crate::server::ApiServer;
use crate::stored::Stored;
use crate::versions;

/// Records read from the store at a time, and bytes of them.
const PAGE_RECORDS: usize = 256;
const PAGE_BYTES: usize = 512 * 1024;
/// Answers up to this size are sent whole; larger ones flow, and are compressed if the client likes.
const WHOLE: usize = respond::COMPRESS_ABOVE;
/// Size of the pieces in which an answer flows.
const CHUNK: usize = 64 * 1024;

/// Answers with a list.
pub(crate) async fn answer<B>(
    mut request: Admitted<'_, B>,
    target: Target,
) -> Result<Response<Body>, Box<Status>> {
    let form = form(&request, &target, Shape::List)?;
    let options = ListOptions::parse(request.query)?;
    let mut lister = Lister::start(request.server, &target, form, options).await?;
    if form.accepted.format != Format::Json || form.accepted.pretty {
        return whole(&mut lister).await;
    }
    let mut start = Vec::new();
    form.list_start(&mut start);
    lister.fill(&mut start, WHOLE).await?;
    let warnings = lister.warnings();
    let gzip = respond::accepts_gzip(request.header(&ACCEPT_ENCODING)) && start.len() >= WHOLE;
    let finished = lister.finished;
    let body = if finished && !gzip {
        Body::from(start)
    } else {
        flowing(lister, start, gzip.then(Gzip::new), request.seat.take())
    };
    let mut response = respond::answer(StatusCode::OK, content_type(Format::Json), body);
    if gzip {
        response
            .headers_mut()
            .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
            .headers_mut()
            .insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    respond::add_warnings(&mut response, &warnings);
    Ok(response)
}

fn flowing(lister: Lister, start: Vec<u8>, gzip: Option<Gzip>, seat: Option<Seat>) -> Body {
    let state = Some((lister, start, gzip, seat));
    Body::flowing(futures::stream::unfold(state, |state| async {
        let (mut lister, mut chunk, mut gzip, seat) = state?;
        // Others get their turn between two pieces of a long list.
        tokio::task::yield_now().await;
        if chunk.is_empty()
            && let Err(status) = lister.fill(&mut chunk, CHUNK).await
        {
            return Some((Err(BrokenOff(status.message)), None));
        }
        let last = lister.finished;
        if let Some(gzip) = &mut gzip {
            chunk = gzip.compress(&chunk, last);
        }
        let next = (!last).then(|| (lister, Vec::with_capacity(CHUNK + CHUNK / 4), gzip, seat));
        Some((Ok(Bytes::from(chunk)), next))
    }))
}

/// YAML, protobuf and indented JSON need the whole list at once.
async fn whole(lister: &mut Lister) -> Result<Response<Body>, Box<Status>> {
    let accepted = lister.form.accepted;
    let body = if accepted.format == Format::Protobuf {
        let mut items = Vec::new();
        while !lister.finished {
            lister.fill(&mut items, usize::MAX).await?;
        }
        lister.form.protobuf_list(&lister.metadata(), &items)?
    } else {
        let mut text = Vec::new();
        lister.form.list_start(&mut text);
        lister.fill(&mut text, usize::MAX).await?;
        let parsed = json_text::parse(&text, &json_text::Limits::STORED);
        let value: Value = parsed
            .map_err(|error| Box::new(Status::internal(&error.to_string())))?
            .value;
        drop(text);
        encode(&value, accepted)?
    };
    let mut response = respond::answer(StatusCode::OK, content_type(accepted.format), body);
    respond::add_warnings(&mut response, &lister.warnings());
    Ok(response)
}

/// A list that is being read.
pub(crate) struct Lister {
    server: ApiServer,
    form: Form,
    selection: Selection,
    prefix: Bytes,
    start: Option<Bytes>,
    at: Option<Revision>,
    limit: usize,
    emitted: usize,
    /// Objects under the prefix that have not been passed yet; `None` where nobody knows.
    left: Option<u64>,
    more: bool,
    finished: bool,
    unreadable: Vec<String>,
}

impl Lister {
    async fn start(
        server: &ApiServer,
        target: &Target,
        form: Form,
        options: ListOptions,
    ) -> Result<Self, Box<Status>> {
        let resource = target.resource;
        let from = start_of(server, &options, &resource.prefix(&target.namespace)).await?;
        let selection = Selection::new(resource, options.label_selector, options.field_selector)?;
        Ok(Self {
            server: server.clone(),
            form,
            prefix: selected_prefix(target, &selection),
            selection,
            start: from.key,
            at: from.at,
            limit: options.limit,
            emitted: 0,
            left: from.left,
            more: false,
            finished: false,
            unreadable: Vec::new(),
        })
    }

    /// Adds items to `out` until it has `enough` bytes or the list ends; then the end of the list, too.
    async fn fill(&mut self, out: &mut Vec<u8>, enough: usize) -> Result<(), Box<Status>> {
        while !self.finished && out.len() < enough {
            self.add_page(out).await?;
        }
        Ok(())
    }

    async fn add_page(&mut self, out: &mut Vec<u8>) -> Result<(), Box<Status>> {
        let wanted = if self.limit == 0 {
            PAGE_RECORDS
        } else {
            PAGE_RECORDS.min(self.limit - self.emitted + 1)
        };
        let range = Range {
            prefix: self.prefix.clone(),
            start: self.start.clone(),
            limit: wanted,
            max_bytes: PAGE_BYTES,
            at: self.at,
        };
        let page = self
            .server
            .0
            .store
            .store()
            .range(range)
            .await
            .map_err(|error| self.refusal(&error))?;
        if self.at.is_none() {
            self.left = page.total;
        }
        self.at = Some(page.revision);
        for key in &page.corrupt {
            self.note_unreadable(key);
        }
        for record in &page.records {
            if self.limit > 0 && self.emitted == self.limit {
                self.start = Some(record.key.clone());
                self.more = true;
                self.finish(out);
                return Ok(());
            }
            self.left = self.left.map(|left| left.saturating_sub(1));
            match Stored::open(&self.server.0.store, record) {
                Ok(stored) => self.add_item(&stored, out)?,
                Err(_) => self.note_unreadable(&record.key),
            }
        }
        self.start = page.next_start();
        if self.start.is_none() {
            self.finish(out);
        }
        Ok(())
    }

    fn add_item(&mut self, stored: &Stored, out: &mut Vec<u8>) -> Result<(), Box<Status>> {
        let resource = self.form.resource;
        if !self.selection.is_everything()
            && !self
                .selection
                .selects(resource, &stored.sketch(resource, &self.selection)?)
        {
            return Ok(());
        }
        if self.form.accepted.format == Format::Protobuf {
            self.form.protobuf_item(stored, out)?;
        } else {
            if self.emitted > 0 {
                out.push(b',');
            }
            self.form.list_item(stored, out)?;
        }
        self.emitted += 1;
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.finished = true;
        if self.form.accepted.format != Format::Protobuf {
            self.form.list_end(&self.metadata(), out);
        }
    }

    fn metadata(&self) -> ListMetadata {
        let resource_version = self.at.unwrap_or_default();
        let mut metadata = ListMetadata {
            resource_version,
            ..ListMetadata::default()
        };
        if let (true, Some(start)) = (self.more, &self.start) {
            let rest = String::from_utf8_lossy(&start[self.prefix.len()..]).into_owned();
            let left = self.left.filter(|_| self.selection.is_everything());
            let token = ContinueToken {
                revision: Some(resource_version),
                start: rest,
                left,
            };
            metadata.continue_token = token.encode();
            metadata.remaining = left;
        }
        metadata
    }

    fn note_unreadable(&mut self, key: &[u8]) {
        tracing::error!(key = %String::from_utf8_lossy(key), "a stored object cannot be read; it is left out of a list");
        let rest = key.strip_prefix(self.prefix.as_ref()).unwrap_or(key);
        self.unreadable.push(String::from_utf8_lossy(rest).into_owned());
    }

    fn warnings(&self) -> Vec<String> {
        let plural = self.form.resource.plural;
        let warning =
            |name: &String| format!("{plural} {name:?} is damaged in the store and is left out of the list");
        self.unreadable.iter().map(warning).collect()
    }

    fn refusal(&self, error: &StoreError) -> Box<Status> {
        let mut status = store_error(error);
        if let (StoreError::Compacted { .. }, Some(start)) = (error, &self.start) {
            let rest = String::from_utf8_lossy(&start[self.prefix.len()..]).into_owned();
            let token = ContinueToken {
                revision: None,
                start: rest,
                left: None,
            };
            status = Box::new(Status::expired_continue(&token.encode()));
        }
        status
    }
}

/// The one key that can match, or everything in the namespace.
fn selected_prefix(target: &Target, selection: &Selection) -> Bytes {
    match selection.only_name() {
        Some(name) if !target.namespace.is_empty() || !target.resource.namespaced => {
            target.resource.key(&target.namespace, name).into()
        }
        _ => target.resource.prefix(&target.namespace).into(),
    }
}

struct From {
    key: Option<Bytes>,
    at: Option<Revision>,
    left: Option<u64>,
}

/// Where a list begins: a token's place, a given version, or now.
async fn start_of(server: &ApiServer, options: &ListOptions, prefix: &str) -> Result<From, Box<Status>> {
    let version = options
        .resource_version
        .as_deref()
        .filter(|version| *version != "0");
    if let Some(token) = &options.continue_token {
        if version.is_some() {
            let text = "specifying resource version is not allowed when using continue";
            return Err(Box::new(Status::bad_request(text)));
        }
        let token = ContinueToken::decode(token)?;
        let key = format!("{prefix}{}", token.start);
        return Ok(From {
            key: Some(key.into()),
            at: token.revision,
            left: token.left,
        });
    }
    let Some(version) = version else {
        return Ok(From {
            key: None,
            at: None,
            left: None,
        });
    };
    let revision = versions::parse_for_list(version)?;
    versions::wait_for(server, revision).await?;
    let exact = match options.version_match {
        Some(VersionMatch::Exact) => true,
        Some(VersionMatch::NotOlderThan) => false,
        None => options.limit > 0,
    };
    Ok(From {
        key: None,
        at: exact.then_some(revision),
        left: None,
    })
}
