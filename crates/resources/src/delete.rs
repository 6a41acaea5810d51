//! What a DELETE makes of a stored object (api-conventions §9).

use jiff::{SignedDuration, Timestamp};
use strongroom_objects::{FieldError, Map, Object, ObjectMeta, Status, Value, time};

use crate::metadata::{FOREGROUND_DELETION, ORPHAN};
use crate::namespace::PROTECTED_NAMESPACES;
use crate::options::option_error;
use crate::resource::{Context, Resource};

/// What is to become of an object's dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// The object goes now, its dependents afterwards.
    Background,
    /// The dependents go first.
    Foreground,
    /// The dependents stay and forget their owner.
    Orphan,
}

/// `DeleteOptions`, parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Only this very object.
    pub uid: Option<String>,
    /// Only in this version.
    pub resource_version: Option<String>,
    /// What is to become of the dependents; `None` for the resource's default.
    pub propagation: Option<Propagation>,
    /// `orphanDependents: false` was sent: a pending deletion is answered with 202.
    pub orphan_refused: bool,
    /// Seconds that the object is to be given to end by itself; less than none counts as one.
    pub grace_period_seconds: Option<i64>,
    /// Nothing is to be stored.
    pub dry_run: bool,
}

/// What is to happen to the stored object.
#[derive(Debug)]
pub enum Deletion {
    /// It goes at once.
    Remove,
    /// It stays, marked, until its finalizers are gone. The object as it will be stored.
    Mark(Box<Object>),
    /// It is already waiting to go and nothing changes.
    Pending,
}

const POLICIES: [&str; 4] = ["Foreground", "Background", "Orphan", "nil"];

/// Reads a conformed `DeleteOptions` body.
pub fn parse_options(body: &Map) -> Result<DeleteOptions, Box<Status>> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let preconditions = body.get("preconditions");
    let precondition = |field: &str| text(preconditions.and_then(|preconditions| preconditions.get(field)));
    let orphan = body.get("orphanDependents").and_then(Value::as_bool);
    let policy = body.get("propagationPolicy").and_then(Value::as_str);
    let mut errors = Vec::new();
    if let (Some(_), Some(policy)) = (orphan, policy) {
        let detail = "orphanDependents and deletionPropagation cannot be both set";
        errors.push(FieldError::invalid("propagationPolicy", policy, detail));
    }
    let propagation = match policy {
        None => orphan.map(|orphan| {
            if orphan {
                Propagation::Orphan
            } else {
                Propagation::Background
            }
        }),
        Some("Background") => Some(Propagation::Background),
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Orphan") => Some(Propagation::Orphan),
        Some(other) => {
            errors.push(FieldError::not_supported("propagationPolicy", other, &POLICIES));
            None
        }
    };
    let dry_run: Vec<&str> = body
        .get("dryRun")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let dry_run = crate::options::dry_run(&dry_run, &mut errors);
    if !errors.is_empty() {
        return Err(option_error("DeleteOptions", errors));
    }
    Ok(DeleteOptions {
        uid: precondition("uid"),
        resource_version: precondition("resourceVersion"),
        propagation,
        orphan_refused: orphan == Some(false),
        grace_period_seconds: body.get("gracePeriodSeconds").and_then(Value::as_i64),
        dry_run,
    })
}

/// Decides what a DELETE does to `stored`.
pub fn plan_delete(
    resource: &'static Resource,
    stored: &Object,
    options: &DeleteOptions,
    context: &Context,
) -> Result<Deletion, Box<Status>> {
    check_preconditions(resource, stored, options)?;
    check_protected(resource, stored)?;
    let mut object = stored.clone();
    let is_given_time = match give_time(resource, &mut object, options, context) {
        Grace::Over => false,
        Grace::Running => true,
        Grace::Unchanged => return Ok(Deletion::Pending),
    };
    set_propagation(&mut object, options.propagation);
    let is_free = object.metadata.finalizers.is_empty() && !resource.strategy.is_held(&object);
    if is_free && !is_given_time {
        return Ok(Deletion::Remove);
    }
    if object.metadata.deletion_timestamp.is_none() {
        object.metadata.deletion_timestamp = Some(context.timestamp());
        object.metadata.deletion_grace_period_seconds = Some(0);
        // A namespace has no grace period; its phase says that it is going.
        if !resource.namespaced && resource.strategy.is_held(&object) {
            object.metadata.deletion_grace_period_seconds = None;
        }
        resource.strategy.mark_deleting(&mut object);
    }
    if object.metadata == stored.metadata && object.body == stored.body {
        return Ok(Deletion::Pending);
    }
    Ok(Deletion::Mark(Box::new(object)))
}

/// How long an object may still go on by itself.
enum Grace {
    /// Not at all: it goes as soon as nothing holds it.
    Over,
    /// For a time that begins or is cut short now.
    Running,
    /// For the time it was given before.
    Unchanged,
}

/// Gives the object time to end by itself, or shortens the time it was given (pods-and-kubelet §5.6).
fn give_time(resource: &Resource, object: &mut Object, options: &DeleteOptions, context: &Context) -> Grace {
    let requested = options
        .grace_period_seconds
        .map(|seconds| if seconds < 0 { 1 } else { seconds });
    let Some(seconds) = resource.strategy.grace_period(object, requested) else {
        return Grace::Over;
    };
    let metadata = &mut object.metadata;
    let due = match (
        &metadata.deletion_timestamp,
        metadata.deletion_grace_period_seconds,
    ) {
        (None, _) => {
            if metadata.generation > 0 {
                metadata.generation += 1;
            }
            return begin(metadata, context.now, seconds);
        }
        // It was marked by something that knew of no time to give.
        (Some(_), None) => return Grace::Over,
        (Some(due), Some(given)) => {
            // What is asked for decides, not what a fresh deletion would be given.
            let Some(seconds) = requested.filter(|seconds| *seconds < given) else {
                return Grace::Unchanged;
            };
            let begun = time::parse(due).map_or(context.now, |due| moved(due, -given));
            (begun, seconds)
        }
    };
    begin(metadata, due.0, due.1)
}

fn begin(metadata: &mut ObjectMeta, begun: Timestamp, seconds: i64) -> Grace {
    metadata.deletion_timestamp = Some(time::seconds(moved(begun, seconds)));
    metadata.deletion_grace_period_seconds = Some(seconds);
    if seconds == 0 { Grace::Over } else { Grace::Running }
}

/// A moment so many seconds later, or the last there is.
fn moved(moment: Timestamp, seconds: i64) -> Timestamp {
    moment
        .checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(if seconds < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
}

fn set_propagation(object: &mut Object, propagation: Option<Propagation>) {
    let finalizers = &mut object.metadata.finalizers;
    // Without a policy, finalizers that already stand there keep their meaning.
    let Some(propagation) = propagation else { return };
    finalizers.retain(|finalizer| finalizer != ORPHAN && finalizer != FOREGROUND_DELETION);
    match propagation {
        Propagation::Background => {}
        Propagation::Foreground => finalizers.push(FOREGROUND_DELETION.to_owned()),
        Propagation::Orphan => finalizers.push(ORPHAN.to_owned()),
    }
}

fn check_preconditions(
    resource: &Resource,
    stored: &Object,
    options: &DeleteOptions,
) -> Result<(), Box<Status>> {
    let metadata = &stored.metadata;
    let name = &metadata.name;
    if let Some(uid) = options.uid.as_ref().filter(|uid| **uid != metadata.uid) {
        let (plural, text) = if resource.plural == "namespaces" {
            let text = format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                metadata.uid
            );
            (resource.plural, text)
        } else {
            let text = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
                metadata.uid
            );
            (resource.kind, text)
        };
        return Err(Box::new(Status::conflict(resource.group, plural, name, &text)));
    }
    if let Some(version) = options
        .resource_version
        .as_ref()
        .filter(|version| **version != metadata.resource_version)
    {
        let text = format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The object might have been modified",
            metadata.resource_version
        );
        return Err(Box::new(Status::conflict(
            resource.group,
            resource.kind,
            name,
            &text,
        )));
    }
    Ok(())
}

fn check_protected(resource: &Resource, stored: &Object) -> Result<(), Box<Status>> {
    let name = stored.metadata.name.as_str();
    if resource.plural == "namespaces" && PROTECTED_NAMESPACES.contains(&name) {
        let text = "this namespace may not be deleted";
        return Err(Box::new(Status::forbidden(
            resource.group,
            resource.plural,
            name,
            text,
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
