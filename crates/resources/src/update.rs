//! What a PUT or PATCH makes of a stored object: a pure function that is run again whenever another writer won.

use strongroom_merge::managed_fields::{Writer, track_update};
use strongroom_objects::{FieldError, Object, Status, Value};

use crate::create::refuse;
use crate::metadata;
use crate::resource::{Context, Resource};

/// What is to happen to the stored object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing changed; nothing is written.
    Unchanged,
    /// The object is to be replaced.
    Write,
    /// The object was waiting for its finalizers, and the last is gone: it is to be removed.
    Remove,
}

/// The object after an update, and what is to happen.
#[derive(Debug)]
pub struct Change {
    /// The object as it will be stored; where nothing changed, the stored one.
    pub object: Object,
    /// What is to happen to the stored object.
    pub outcome: Outcome,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
}

/// How the managed fields of the new object came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracking {
    /// Compute them: the write was no apply.
    Update,
    /// Server-side apply has already computed them.
    Applied,
}

/// One update to plan.
#[derive(Debug)]
pub struct Update<'a> {
    /// The row of the table.
    pub resource: &'static Resource,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// The object as it is stored.
    pub old: &'a Object,
    /// The object as the client wants it, decoded and conformed.
    pub new: Object,
    /// How its managed fields came about.
    pub tracking: Tracking,
}

/// Decides what an update does, or says everything that is wrong with it (api-conventions §6, §19).
pub fn plan_update(update: Update<'_>, context: &Context) -> Result<Change, Box<Status>> {
    let Update {
        resource,
        subresource,
        old,
        mut new,
        tracking,
    } = update;
    let strategy = resource.strategy;
    let requested_version = std::mem::take(&mut new.metadata.resource_version);
    metadata::prepare_update(&mut new.metadata, &old.metadata);
    strategy.default_fields(&mut new);
    strategy.fold(&mut new);
    strategy.prepare_update(&mut new, old, subresource);
    strategy.set_times(&mut new, old, subresource, context.now);
    let warnings: Vec<String> = metadata::drop_repeated_owners(&mut new.metadata)
        .into_iter()
        .collect();
    check_version(resource, &requested_version, old)?;
    if tracking == Tracking::Update {
        track(resource, subresource, old, &mut new, context);
    }
    new.metadata.resource_version.clone_from(&requested_version);
    validate(resource, subresource, old, &new)?;
    new.metadata
        .resource_version
        .clone_from(&old.metadata.resource_version);
    let mut change = Change {
        outcome: outcome(resource, old, &new),
        object: new,
        warnings,
    };
    change.warnings.extend(strategy.warnings(&change.object));
    if change.outcome == Outcome::Unchanged {
        change.object = old.clone();
    }
    Ok(change)
}

/// 409 when a resourceVersion was given that is not the stored one; `""` and `0` are unconditional where that is
/// allowed.
fn check_version(resource: &Resource, requested: &str, old: &Object) -> Result<(), Box<Status>> {
    if matches!(requested, "" | "0") {
        return if resource.unconditional_update {
            Ok(())
        } else {
            Err(version_required(resource, old))
        };
    }
    if let Err(problem) = parse_version(requested) {
        return Err(Box::new(Status::unclassified(&problem.to_string())));
    }
    if requested != old.metadata.resource_version {
        let text =
            "the object has been modified; please apply your changes to the latest version and try again";
        let name = &old.metadata.name;
        return Err(Box::new(Status::conflict(
            resource.group,
            resource.plural,
            name,
            text,
        )));
    }
    Ok(())
}

/// 422 that names the resource where others name the kind (api-conventions §6).
fn version_required(resource: &Resource, old: &Object) -> Box<Status> {
    let error = FieldError::invalid("metadata.resourceVersion", 0, "must be specified for an update");
    Box::new(Status::invalid(
        resource.group,
        resource.plural,
        &old.metadata.name,
        vec![error],
    ))
}

/// Why a text is no resourceVersion, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Something else than decimal digits.
    #[error("strconv.ParseUint: parsing {0:?}: invalid syntax")]
    Syntax(String),
    /// More than 64 bits.
    #[error("strconv.ParseUint: parsing {0:?}: value out of range")]
    Range(String),
}

/// A resourceVersion as Go parses it.
pub fn parse_version(text: &str) -> Result<u64, VersionError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(VersionError::Syntax(text.to_owned()));
    }
    text.parse().map_err(|_| VersionError::Range(text.to_owned()))
}

fn track(resource: &Resource, subresource: &str, old: &Object, new: &mut Object, context: &Context) {
    let api_version = resource.api_version();
    let now = context.timestamp();
    let writer = Writer {
        manager: &context.manager,
        api_version: &api_version,
        subresource,
        now: &now,
    };
    let live = Value::Object(old.to_value());
    new.metadata.managed_fields =
        new.read_as_value(|wanted| track_update(resource.served_type(), Some(&live), wanted, &writer));
}

fn validate(resource: &Resource, subresource: &str, old: &Object, new: &Object) -> Result<(), Box<Status>> {
    let mut errors = Vec::new();
    metadata::validate_update(&new.metadata, &old.metadata, &mut errors);
    metadata::validate(resource, new, &mut errors);
    resource
        .strategy
        .validate_update(new, old, subresource, &mut errors);
    resource.strategy.validate(new, &mut errors);
    refuse(resource, &old.metadata.name, errors)
}

fn outcome(resource: &Resource, old: &Object, new: &Object) -> Outcome {
    let waits_to_go = new.metadata.deletion_timestamp.is_some()
        && new.metadata.deletion_grace_period_seconds.unwrap_or(0) == 0;
    if waits_to_go && new.metadata.finalizers.is_empty() && !resource.strategy.is_held(new) {
        return Outcome::Remove;
    }
    if same(old, new) {
        Outcome::Unchanged
    } else {
        Outcome::Write
    }
}

/// Whether two versions are the same object; times of managed fields do not count (api-conventions §5).
fn same(old: &Object, new: &Object) -> bool {
    let timeless = |object: &Object| {
        let mut metadata = object.metadata.clone();
        metadata
            .managed_fields
            .iter_mut()
            .for_each(|entry| entry.time = None);
        metadata
    };
    old.body == new.body && (old.metadata == new.metadata || timeless(old) == timeless(new))
}
