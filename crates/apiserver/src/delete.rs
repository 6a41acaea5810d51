//! DELETE of one object and of collections (api-conventions §9).

use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Response, StatusCode};
use strongroom_access::Identity;
use strongroom_objects::conform::conform;
use strongroom_objects::json::{self, Limits};
use strongroom_objects::yaml;
use strongroom_objects::{Map, Object, Status, Value, protobuf, schema};
use strongroom_resources::decode::Format;
use strongroom_resources::options::{ListOptions, Query};
use strongroom_resources::selection::Selection;
use strongroom_resources::{Context, DeleteOptions, Deletion, parse_delete_options, plan_delete};
use strongroom_storage::{Committed, Range, Transaction};

use crate::admission::{self, PlannedWrite};
use crate::body::{Body, RequestBody};
use crate::continue_token::ContinueToken;
use crate::encode::{Form, ListMetadata, content_type, encode};
use crate::get::{form, not_found, store_error};
use crate::negotiation::{Accepted, Shape, Transform, body_format};
use crate::pipeline::{Admitted, default_manager};
use crate::respond;
use crate::routes::Target;
use crate::server::ApiServer;
use crate::stored::{Stored, to_stored_bytes};
use crate::write::{new_context, seal};

type Answer = Result<Response<Body>, Box<Status>>;

/// Objects of a collection that are read, then deleted, at a time.
const COLLECTION_PAGE: usize = 500;
const CONFLICT_TRIES: usize = 1000;

/// Answers DELETE of one object.
pub(crate) async fn answer<B>(mut request: Admitted<'_, B>, target: Target) -> Answer
where
    B: RequestBody,
{
    let form = form(&request, &target, Shape::One)?;
    let context = new_context(default_manager(&request.headers));
    let server = request.server;
    let body = request.read_body().await?;
    let options = read_options(request.query, &request.headers, &body)?;
    let deleter = Deleter {
        user: request.user,
        options: &options,
        context: &context,
    };
    let deleted = delete_object(server, &target, &deleter).await?;
    respond_deleted(&form, &target, &options, deleted)
}

/// Who deletes, and how.
pub(crate) struct Deleter<'a> {
    pub user: &'a Identity,
    pub options: &'a DeleteOptions,
    pub context: &'a Context,
}

/// An object that a DELETE was about.
pub(crate) struct Deleted {
    object: Object,
    /// It is gone, rather than marked and waiting.
    removed: bool,
}

/// Plans the deletion and commits it on the condition that nobody has written meanwhile; if somebody has, once more.
///
/// # Errors
/// 404, 409 for a precondition that does not hold, 403 for a node that reaches too far.
pub(crate) async fn delete_object(
    server: &ApiServer,
    target: &Target,
    deleter: &Deleter<'_>,
) -> Result<Deleted, Box<Status>> {
    let Deleter {
        user,
        options,
        context,
    } = *deleter;
    let store = server.0.store.store();
    let key = bytes::Bytes::from(target.key());
    for _ in 0..CONFLICT_TRIES {
        let record = store.get(&key).await.map_err(|error| store_error(&error))?;
        let record = record.ok_or_else(|| not_found(target))?;
        let stored = Stored::open(&server.0.store, &record)?.object(target.resource)?;
        admission::check(
            server,
            &PlannedWrite {
                user,
                target,
                old: Some(&stored),
                new: None,
            },
        )?;
        let (transaction, mut object, removed) =
            match plan_delete(target.resource, &stored, options, context)? {
                Deletion::Pending => {
                    return Ok(Deleted {
                        object: stored,
                        removed: false,
                    });
                }
                Deletion::Remove => (Transaction::remove(key.clone(), record.modified), stored, true),
                Deletion::Mark(marked) => {
                    let bytes = to_stored_bytes(target.resource, (*marked).clone())?;
                    let value = seal(server, &key, &bytes)?;
                    (
                        Transaction::replace(key.clone(), value, record.modified),
                        *marked,
                        false,
                    )
                }
            };
        if options.dry_run {
            return Ok(Deleted { object, removed });
        }
        let committed = store
            .commit(transaction)
            .await
            .map_err(|error| store_error(&error))?;
        if let Committed::Applied { revision } = committed {
            server.0.authorization.settle(target.resource, revision).await;
            if !removed {
                object.metadata.resource_version = revision.to_string();
            }
            return Ok(Deleted { object, removed });
        }
    }
    let text = "too many other writers were faster; please try again";
    Err(Box::new(Status::conflict(
        target.resource.group,
        target.resource.plural,
        &target.name,
        text,
    )))
}

fn respond_deleted(form: &Form, target: &Target, options: &DeleteOptions, deleted: Deleted) -> Answer {
    let resource = target.resource;
    let Deleted { object, removed } = deleted;
    if !removed || resource.returns_deleted_object {
        let code = if !removed && options.orphan_refused {
            StatusCode::ACCEPTED
        } else {
            StatusCode::OK
        };
        let body = form.object(&object)?;
        return Ok(respond::answer(code, content_type(form.accepted.format), body));
    }
    // A Status never becomes a Table.
    let accepted = Accepted {
        transform: Transform::None,
        ..form.accepted
    };
    let status = Status::deleted(
        resource.group,
        resource.plural,
        &target.name,
        &object.metadata.uid,
    );
    let body = encode(&Value::Object(status.to_value()), accepted)?;
    Ok(respond::answer(
        StatusCode::OK,
        content_type(accepted.format),
        body,
    ))
}

/// Answers DELETE of a collection: deletes what is selected and lists it as it was.
pub(crate) async fn collection<B>(mut request: Admitted<'_, B>, target: Target) -> Answer
where
    B: RequestBody,
{
    let form = form(&request, &target, Shape::List)?;
    let list = ListOptions::parse(request.query)?;
    let context = new_context(default_manager(&request.headers));
    let server = request.server;
    let query = request.query.clone();
    let body = request.read_body().await?;
    let options = read_options(&query, &request.headers, &body)?;
    let selection = Selection::new(target.resource, list.label_selector, list.field_selector)?;
    let mut sweep = Sweep {
        server,
        user: request.user,
        target: &target,
        form: &form,
        selection,
        options,
        context,
        limit: list.limit,
        listed: Vec::new(),
        count: 0,
    };
    let start = list
        .continue_token
        .as_deref()
        .map(ContinueToken::decode)
        .transpose()?;
    let metadata = sweep.run(start.map(|token| token.start)).await?;
    let Sweep { listed, .. } = sweep;
    respond_collection(&form, &metadata, listed)
}

/// A collection that is being deleted.
struct Sweep<'a> {
    server: &'a ApiServer,
    user: &'a Identity,
    target: &'a Target,
    form: &'a Form,
    selection: Selection,
    options: DeleteOptions,
    context: Context,
    limit: usize,
    /// The items deleted so far, encoded.
    listed: Vec<u8>,
    count: usize,
}

impl Sweep<'_> {
    async fn run(&mut self, start: Option<String>) -> Result<ListMetadata, Box<Status>> {
        let prefix = self.target.resource.prefix(&self.target.namespace);
        let mut metadata = ListMetadata::default();
        let mut start = start.map(|start| bytes::Bytes::from(format!("{prefix}{start}")));
        loop {
            let range = Range {
                prefix: prefix.clone().into(),
                start: start.take(),
                limit: COLLECTION_PAGE,
                max_bytes: 4 << 20,
                at: None,
            };
            let page = self
                .server
                .0
                .store
                .store()
                .range(range)
                .await
                .map_err(|error| store_error(&error))?;
            metadata.resource_version = metadata.resource_version.max(page.revision);
            for record in &page.records {
                if self.limit > 0 && self.count == self.limit {
                    let start = String::from_utf8_lossy(&record.key[prefix.len()..]).into_owned();
                    let revision = Some(metadata.resource_version);
                    metadata.continue_token = ContinueToken {
                        revision,
                        start,
                        left: None,
                    }
                    .encode();
                    return Ok(metadata);
                }
                self.delete(record).await?;
            }
            start = page.next_start();
            if start.is_none() {
                return Ok(metadata);
            }
        }
    }

    async fn delete(&mut self, record: &strongroom_storage::Record) -> Result<(), Box<Status>> {
        let resource = self.target.resource;
        let stored = Stored::open(&self.server.0.store, record)?;
        let object = stored.object(resource)?;
        if !self.selection.selects(resource, &object) {
            return Ok(());
        }
        let one = Target {
            resource,
            namespace: object.metadata.namespace.clone(),
            name: object.metadata.name.clone(),
            subresource: String::new(),
        };
        let deleter = Deleter {
            user: self.user,
            options: &self.options,
            context: &self.context,
        };
        match delete_object(self.server, &one, &deleter).await {
            // Somebody else deleted it meanwhile.
            Err(status) if status.code == 404 => {}
            other => drop(other?),
        }
        if self.form.accepted.format == Format::Protobuf {
            self.form.protobuf_item(&stored, &mut self.listed)?;
        } else {
            if self.count > 0 {
                self.listed.push(b',');
            }
            self.form.list_item(&stored, &mut self.listed)?;
        }
        self.count += 1;
        Ok(())
    }
}

fn respond_collection(form: &Form, metadata: &ListMetadata, items: Vec<u8>) -> Answer {
    let accepted = form.accepted;
    let body = if accepted.format == Format::Protobuf {
        form.protobuf_list(metadata, &items)?
    } else {
        let mut text = Vec::with_capacity(items.len() + 256);
        form.list_start(&mut text);
        text.extend_from_slice(&items);
        form.list_end(metadata, &mut text);
        if accepted.format == Format::Json && !accepted.pretty {
            text
        } else {
            let parsed = json::parse(&text, &Limits::STORED);
            encode(
                &parsed
                    .map_err(|error| Box::new(Status::internal(&error.to_string())))?
                    .value,
                accepted,
            )?
        }
    };
    Ok(respond::answer(
        StatusCode::OK,
        content_type(accepted.format),
        body,
    ))
}

/// `DeleteOptions` from the body, or from the query where there is no body.
fn read_options(query: &Query, headers: &HeaderMap, body: &[u8]) -> Result<DeleteOptions, Box<Status>> {
    if body.is_empty() {
        return parse_delete_options(&from_query(query)?);
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let map = decode_options(body, body_format(content_type)?)?;
    let mut map = map;
    if !map.contains_key("dryRun") && !query.all("dryRun").is_empty() {
        map.insert("dryRun".to_owned(), query.all("dryRun").into());
    }
    parse_delete_options(&map)
}

fn from_query(query: &Query) -> Result<Map, Box<Status>> {
    let mut map = Map::new();
    if let Some(policy) = query.get("propagationPolicy") {
        map.insert("propagationPolicy".to_owned(), policy.into());
    }
    if query.get("orphanDependents").is_some() {
        map.insert(
            "orphanDependents".to_owned(),
            query.flag("orphanDependents").into(),
        );
    }
    if query.get("dryRun").is_some() {
        map.insert("dryRun".to_owned(), query.all("dryRun").into());
    }
    if let Some(text) = query.get("gracePeriodSeconds") {
        let seconds: i64 = text.parse().map_err(|_| {
            let text = format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
            Box::new(Status::bad_request(&text))
        })?;
        map.insert("gracePeriodSeconds".to_owned(), seconds.into());
    }
    Ok(map)
}

fn decode_options(body: &[u8], format: Format) -> Result<Map, Box<Status>> {
    let kind = schema()
        .type_named("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")
        .ok_or_else(|| Box::new(Status::internal("no schema for DeleteOptions")))?;
    let refuse = |problem: &dyn std::fmt::Display| {
        Box::new(Status::bad_request(&format!(
            "DeleteOptions in the request's body cannot be read: {problem}"
        )))
    };
    let value = match format {
        Format::Json => {
            json::parse(body, &Limits::REQUEST)
                .map_err(|error| refuse(&error))?
                .value
        }
        Format::Yaml => {
            yaml::parse(body, &Limits::REQUEST)
                .map_err(|error| refuse(&error))?
                .value
        }
        Format::Protobuf => {
            let envelope = protobuf::open_envelope(body).map_err(|error| refuse(&error))?;
            let map =
                protobuf::decode(kind, envelope.raw, &Limits::REQUEST).map_err(|error| refuse(&error))?;
            Value::Object(map)
        }
    };
    let given = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !matches!(given, "" | "DeleteOptions") {
        let text = format!("converting ({given}) to (v1.DeleteOptions): unknown conversion");
        return Err(Box::new(Status::bad_request(&text)));
    }
    Ok(conform(kind, value).map_err(|error| refuse(&error))?.value)
}
