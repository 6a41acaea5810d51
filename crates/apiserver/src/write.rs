//! POST, PUT and PATCH. [`replace`] is what happens to a stored object on PUT and PATCH, from beginning to end;
//! [`create_object`] is the same for something new.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use strongroom_access::Identity;
use strongroom_objects::{Object, Status};
use strongroom_resources::decode::{agree_with_url, decode};
use strongroom_resources::options::{Operation, WriteOptions};
use strongroom_resources::patch::{Patch, PatchType};
use strongroom_resources::{
    Change, Context, Outcome, Planned, Tracking, Update, plan_applied_create, plan_create, plan_update,
};
use strongroom_storage::{Committed, Condition, Revision, Transaction, Write};

use crate::admission::{self, PlannedWrite};
use crate::body::{Body, RequestBody};
use crate::encode::{Form, content_type};
use crate::get::{form, not_found, store_error};
use crate::negotiation::{Shape, body_format};
use crate::pipeline::{Admitted, default_manager};
use crate::routes::Target;
use crate::server::ApiServer;
use crate::stored::{Stored, to_stored_bytes};
use crate::{namespaces, random, respond};

type Answer = Result<Response<Body>, Box<Status>>;

/// Names that are tried for one `generateName`.
const NAME_TRIES: usize = 8;
/// Times that an unconditional write is planned again because another writer was faster.
pub(crate) const CONFLICT_TRIES: usize = 1000;

/// Answers POST.
pub(crate) async fn create<B>(mut request: Admitted<'_, B>, target: Target) -> Answer
where
    B: RequestBody,
{
    let form = form(&request, &target, Shape::One)?;
    let format = body_format(request.header(&CONTENT_TYPE))?;
    let options = WriteOptions::parse(request.query, Operation::Create)?;
    let writer = writer(&request, &options);
    let server = request.server;
    let body = request.read_body().await?;
    let mut decoded = decode(target.resource, &body, format, options.field_validation)?;
    drop(body);
    agree_with_url(&mut decoded.object, &target.namespace, None)?;
    request.trail.creates(&decoded.object.metadata.name);
    let new = New {
        object: decoded.object,
        tracking: Tracking::Update,
    };
    let created = create_object(server, &target, new, writer).await?;
    respond_with(&form, &created, decoded.warnings)
}

/// Answers PUT.
pub(crate) async fn update<B>(mut request: Admitted<'_, B>, target: Target) -> Answer
where
    B: RequestBody,
{
    let form = form(&request, &target, Shape::One)?;
    let format = body_format(request.header(&CONTENT_TYPE))?;
    let options = WriteOptions::parse(request.query, Operation::Update)?;
    let writer = writer(&request, &options);
    let server = request.server;
    let body = request.read_body().await?;
    let mut decoded = decode(target.resource, &body, format, options.field_validation)?;
    drop(body);
    agree_with_url(&mut decoded.object, &target.namespace, Some(&target.name))?;
    let wanted = decoded.object;
    let desire = |live: Option<&Object>| {
        check_uid(&target, live, &wanted)?;
        Ok(Desired {
            object: wanted.clone(),
            tracking: Tracking::Update,
            warnings: Vec::new(),
        })
    };
    let missing = if target.resource.create_on_update {
        Missing::Create
    } else {
        Missing::NotFound
    };
    let written = replace(server, &target, &writer, missing, desire).await?;
    respond_with(&form, &written, decoded.warnings)
}

/// Answers PATCH.
pub(crate) async fn patch<B>(mut request: Admitted<'_, B>, target: Target) -> Answer
where
    B: RequestBody,
{
    let media_type = request.header(&CONTENT_TYPE).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let patch_type = PatchType::from_media_type(media_type)
        .ok_or_else(|| Box::new(Status::unsupported_media_type_here()))?;
    let form = form(&request, &target, Shape::One)?;
    let is_apply = patch_type == PatchType::Apply;
    let operation = if is_apply {
        Operation::Apply
    } else {
        Operation::Patch
    };
    let options = WriteOptions::parse(request.query, operation)?;
    let writer = writer(&request, &options);
    let server = request.server;
    let body = request.read_body().await?;
    let patch = Patch::parse(target.resource, patch_type, &body, options.field_validation)?;
    drop(body);
    let desire = |live: Option<&Object>| {
        let mut patched = patch.apply(
            target.resource,
            &target.subresource,
            live,
            &options,
            &writer.context,
        )?;
        agree_with_url(&mut patched.object, &target.namespace, Some(&target.name))?;
        let tracking = if is_apply {
            Tracking::Applied
        } else {
            Tracking::Update
        };
        Ok(Desired {
            object: patched.object,
            tracking,
            warnings: patched.warnings,
        })
    };
    let missing = if is_apply {
        Missing::Create
    } else {
        Missing::NotFound
    };
    let written = replace(server, &target, &writer, missing, desire).await?;
    respond_with(&form, &written, Vec::new())
}

/// Who writes, and how.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub user: Arc<Identity>,
    /// The moment, the manager and fresh random values, for planning.
    pub context: Context,
    /// Everything but the commit.
    pub dry_run: bool,
}

impl Writer {
    /// The server itself, as `manager`.
    pub fn server(manager: &str) -> Self {
        Self {
            user: Arc::new(Identity::api_server()),
            context: new_context(manager.to_owned()),
            dry_run: false,
        }
    }
}

/// What a PUT or PATCH wants of the stored object.
pub(crate) struct Desired {
    pub object: Object,
    pub tracking: Tracking,
    pub warnings: Vec<String>,
}

/// What to do about an object that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    NotFound,
    Create,
}

/// What a write has done, or in a dry run would have done.
#[derive(Debug)]
pub(crate) struct Written {
    shown: Shown,
    warnings: Vec<String>,
    code: StatusCode,
}

/// What the client is shown of a write.
#[derive(Debug)]
enum Shown {
    /// What was committed, as a GET would show it.
    Committed(Stored),
    /// Nothing was committed, or the object is gone.
    Object(Box<Object>),
}

/// Reads the stored object, lets `desire` say what is wanted of it, plans the change and commits it on the condition
/// that nobody else has written meanwhile; if somebody has, all of it once more.
pub(crate) async fn replace(
    server: &ApiServer,
    target: &Target,
    writer: &Writer,
    missing: Missing,
    desire: impl Fn(Option<&Object>) -> Result<Desired, Box<Status>>,
) -> Result<Written, Box<Status>> {
    let key = bytes::Bytes::from(target.key());
    for _ in 0..CONFLICT_TRIES {
        let record = server
            .0
            .store
            .store()
            .get(&key)
            .await
            .map_err(|error| store_error(&error))?;
        let Some(record) = record else {
            if missing == Missing::NotFound || !target.subresource.is_empty() {
                return Err(not_found(target));
            }
            let Desired {
                object,
                tracking,
                warnings,
            } = desire(None)?;
            check_absent_uid(&object)?;
            let new = New { object, tracking };
            let created = create_object(server, target, new, writer.clone()).await?;
            return Ok(Written {
                warnings: [warnings, created.warnings].concat(),
                ..created
            });
        };
        let stored = Stored::open(&server.0.store, &record)?;
        let old = stored.object(target.resource)?;
        let Desired {
            object: new,
            tracking,
            warnings,
        } = desire(Some(&old))?;
        let update = Update {
            resource: target.resource,
            subresource: &target.subresource,
            old: &old,
            new,
            tracking,
        };
        let mut change = plan_update(update, &writer.context)?;
        admission::check(
            server,
            &PlannedWrite {
                user: &writer.user,
                target,
                old: Some(&old),
                new: Some(&change.object),
            },
        )?;
        change.warnings.splice(0..0, warnings);
        // An object whose sealing is out of date is written again even when nothing else changes.
        if change.outcome == Outcome::Unchanged && stored.is_stale() {
            change.outcome = Outcome::Write;
        }
        if writer.dry_run || change.outcome == Outcome::Unchanged {
            return Ok(Written {
                shown: Shown::Object(Box::new(change.object)),
                warnings: change.warnings,
                code: StatusCode::OK,
            });
        }
        if let Some(written) = commit_change(server, target, &key, record.modified, change).await? {
            return Ok(written);
        }
    }
    Err(too_contended(target))
}

/// Commits what was planned for an object as of `modified`; `None` when another writer was faster.
pub(crate) async fn commit_change(
    server: &ApiServer,
    target: &Target,
    key: &bytes::Bytes,
    modified: Revision,
    change: Change,
) -> Result<Option<Written>, Box<Status>> {
    let Change {
        object,
        outcome,
        warnings,
    } = change;
    // The write that removes the last finalizer answers with the version before (api-conventions §9).
    let (transaction, shown) = match outcome {
        Outcome::Remove => (
            Transaction::remove(key.clone(), modified),
            Shown::Object(Box::new(object)),
        ),
        Outcome::Write | Outcome::Unchanged => {
            let bytes = to_stored_bytes(target.resource, object)?;
            let transaction = Transaction::replace(key.clone(), seal(server, key, &bytes)?, modified);
            (transaction, Shown::Committed(Stored::new(bytes, modified)))
        }
    };
    let committed = server
        .0
        .store
        .store()
        .commit(transaction)
        .await
        .map_err(|error| store_error(&error))?;
    let Committed::Applied { revision } = committed else {
        return Ok(None);
    };
    server.0.authorization.settle(target.resource, revision).await;
    let shown = match shown {
        Shown::Committed(stored) => Shown::Committed(stored.at(revision)),
        removed => removed,
    };
    Ok(Some(Written {
        shown,
        warnings,
        code: StatusCode::OK,
    }))
}

/// An object that does not exist yet.
pub(crate) struct New {
    /// Decoded, and in agreement with the URL.
    pub object: Object,
    /// How its managed fields came about.
    pub tracking: Tracking,
}

/// Admits, plans and commits a new object; a generated name that is taken is followed by another.
pub(crate) async fn create_object(
    server: &ApiServer,
    target: &Target,
    mut new: New,
    mut writer: Writer,
) -> Result<Written, Box<Status>> {
    let resource = target.resource;
    admission::complete(server, &writer.user, target, &mut new.object).await?;
    let generates = new.object.metadata.name.is_empty() && !new.object.metadata.generate_name.is_empty();
    let mut tries = 0;
    loop {
        let namespace = &target.namespace;
        let mut conditions = Vec::new();
        if resource.namespaced {
            let name = &new.object.metadata.name;
            conditions
                .push(namespaces::admit(server, namespace, resource.group, resource.plural, name).await?);
        }
        let Planned { object, warnings } = match new.tracking {
            Tracking::Update => plan_create(resource, new.object.clone(), &writer.context)?,
            Tracking::Applied => plan_applied_create(resource, new.object.clone(), &writer.context)?,
        };
        admission::check(
            server,
            &PlannedWrite {
                user: &writer.user,
                target,
                old: None,
                new: Some(&object),
            },
        )?;
        let name = object.metadata.name.clone();
        let key = bytes::Bytes::from(resource.key(namespace, &name));
        conditions.push(Condition {
            key: key.clone(),
            modified: 0,
        });
        match commit_new(server, target, &key, object, conditions, writer.dry_run).await? {
            NewCommitted::Applied(shown) => {
                return Ok(Written {
                    shown,
                    warnings,
                    code: StatusCode::CREATED,
                });
            }
            NewCommitted::NamespaceChanged => server.0.namespaces.forget(namespace),
            NewCommitted::Taken if generates && tries + 1 < NAME_TRIES => {
                writer.context.name_suffix = random::name_suffix()
            }
            NewCommitted::Taken => {
                return Err(already_exists(server, target, &key, &name, generates).await);
            }
        }
        tries += 1;
        if tries > CONFLICT_TRIES {
            return Err(too_contended(target));
        }
    }
}

enum NewCommitted {
    /// Or, in a dry run, could have been.
    Applied(Shown),
    /// The namespace is no longer what it was when it was asked.
    NamespaceChanged,
    /// There is an object of that name.
    Taken,
}

async fn commit_new(
    server: &ApiServer,
    target: &Target,
    key: &bytes::Bytes,
    object: Object,
    conditions: Vec<Condition>,
    dry_run: bool,
) -> Result<NewCommitted, Box<Status>> {
    let store = server.0.store.store();
    if dry_run {
        // An object that could not be stored is refused all the same.
        to_stored_bytes(target.resource, object.clone())?;
        let existing = store.get(key).await.map_err(|error| store_error(&error))?;
        return Ok(if existing.is_some() {
            NewCommitted::Taken
        } else {
            NewCommitted::Applied(Shown::Object(Box::new(object)))
        });
    }
    let bytes = to_stored_bytes(target.resource, object)?;
    let value = seal(server, key, &bytes)?;
    let writes = vec![Write::Put {
        key: key.clone(),
        value,
    }];
    let committed = store
        .commit(Transaction { conditions, writes })
        .await
        .map_err(|error| store_error(&error))?;
    Ok(match committed {
        Committed::Applied { revision } => {
            server.0.authorization.settle(target.resource, revision).await;
            NewCommitted::Applied(Shown::Committed(Stored::new(bytes, revision)))
        }
        Committed::ConditionFailed { key: failed } if failed == *key => NewCommitted::Taken,
        Committed::ConditionFailed { .. } => NewCommitted::NamespaceChanged,
    })
}

/// Seals what is stored under `key`.
pub(crate) fn seal(
    server: &ApiServer,
    key: &bytes::Bytes,
    bytes: &[u8],
) -> Result<bytes::Bytes, Box<Status>> {
    server
        .0
        .store
        .seal(key, bytes)
        .map_err(|error| Box::new(Status::internal(&error.to_string())))
}

async fn already_exists(
    server: &ApiServer,
    target: &Target,
    key: &[u8],
    name: &str,
    generated: bool,
) -> Box<Status> {
    let resource = target.resource;
    if generated {
        return Box::new(Status::generate_name_conflict(
            resource.group,
            resource.plural,
            name,
        ));
    }
    let mut status = Status::already_exists(resource.group, resource.plural, name);
    let existing = server.0.store.store().get(key).await.ok().flatten();
    let existing =
        existing.and_then(|record| Stored::open(&server.0.store, &record).ok()?.object(resource).ok());
    if existing.is_some_and(|object| object.metadata.deletion_timestamp.is_some()) {
        status.message = format!("object is being deleted: {}", status.message);
    }
    Box::new(status)
}

pub(crate) fn too_contended(target: &Target) -> Box<Status> {
    let text = "too many other writers were faster; please try again";
    Box::new(Status::conflict(
        target.resource.group,
        target.resource.plural,
        &target.name,
        text,
    ))
}

/// 409 when a PUT is meant for another object of the same name (api-conventions §6).
fn check_uid(target: &Target, live: Option<&Object>, wanted: &Object) -> Result<(), Box<Status>> {
    let Some(live) = live else { return Ok(()) };
    let (given, stored) = (&wanted.metadata.uid, &live.metadata.uid);
    if given.is_empty() || given == stored {
        return Ok(());
    }
    let text = format!(
        "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: {stored}",
        target.key()
    );
    Err(Box::new(Status::conflict(
        target.resource.group,
        target.resource.plural,
        &target.name,
        &text,
    )))
}

/// A uid was given for an object that does not exist (api-conventions §8).
fn check_absent_uid(object: &Object) -> Result<(), Box<Status>> {
    let uid = &object.metadata.uid;
    if uid.is_empty() {
        return Ok(());
    }
    let text =
        format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
    Err(Box::new(Status::conflict_text(&text)))
}

fn writer<B>(request: &Admitted<'_, B>, options: &WriteOptions) -> Writer {
    let manager = if options.field_manager.is_empty() {
        default_manager(&request.headers)
    } else {
        options.field_manager.clone()
    };
    Writer {
        user: Arc::clone(request.user),
        context: new_context(manager),
        dry_run: options.dry_run,
    }
}

/// The moment and fresh random values, for planning.
pub(crate) fn new_context(manager: String) -> Context {
    Context {
        now: jiff::Timestamp::now(),
        manager,
        uid: random::uuid(),
        name_suffix: random::name_suffix(),
    }
}

/// Shows what was written, with the warnings that decoding gave before its own.
fn respond_with(form: &Form, written: &Written, decoding: Vec<String>) -> Answer {
    let body = match &written.shown {
        Shown::Committed(stored) => form.stored(stored)?,
        Shown::Object(object) => form.object(object)?,
    };
    let mut response = respond::answer(written.code, content_type(form.accepted.format), body);
    let warnings = [decoding.as_slice(), &written.warnings].concat();
    respond::add_warnings(&mut response, &warnings);
    Ok(response)
}
