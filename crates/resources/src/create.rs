//! What a POST makes of a decoded object: a pure function that can be run again with another name.

use strongroom_merge::managed_fields::{Writer, track_update};
use strongroom_objects::{FieldError, Object, Status};

use crate::metadata;
use crate::resource::{Context, Resource};

/// An object that may be stored, and what to tell the client beside it.
#[derive(Debug)]
pub struct Planned {
    /// The object as it will be stored, without a resourceVersion.
    pub object: Object,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
}

/// Turns a decoded `object` into one that may be stored, or says everything that is wrong with it
/// (api-conventions §19).
pub fn plan_create(
    resource: &'static Resource,
    object: Object,
    context: &Context,
) -> Result<Planned, Box<Status>> {
    let mut planned = prepare(resource, object, context)?;
    track(resource, &mut planned.object, context);
    validate(resource, &planned.object)?;
    planned
        .warnings
        .extend(resource.strategy.warnings(&planned.object));
    Ok(planned)
}

/// The same for an object that server-side apply creates, whose managed fields are already right.
pub fn plan_applied_create(
    resource: &'static Resource,
    mut object: Object,
    context: &Context,
) -> Result<Planned, Box<Status>> {
    object.metadata.resource_version.clear();
    let mut planned = prepare(resource, object, context)?;
    validate(resource, &planned.object)?;
    planned
        .warnings
        .extend(resource.strategy.warnings(&planned.object));
    Ok(planned)
}

fn prepare(resource: &Resource, mut object: Object, context: &Context) -> Result<Planned, Box<Status>> {
    if !matches!(object.metadata.resource_version.as_str(), "" | "0") {
        let text = "resourceVersion should not be set on objects to be created";
        return Err(Box::new(Status::unclassified(text)));
    }
    metadata::prepare_create(&mut object.metadata, context);
    resource.strategy.default_fields(&mut object);
    resource.strategy.fold(&mut object);
    resource.strategy.prepare_create(&mut object);
    let warnings = metadata::drop_repeated_owners(&mut object.metadata)
        .into_iter()
        .collect();
    Ok(Planned { object, warnings })
}

fn track(resource: &Resource, object: &mut Object, context: &Context) {
    let api_version = resource.api_version();
    let now = context.timestamp();
    let writer = Writer {
        manager: &context.manager,
        api_version: &api_version,
        subresource: "",
        now: &now,
    };
    object.metadata.managed_fields =
        object.read_as_value(|value| track_update(resource.served_type(), None, value, &writer));
}

fn validate(resource: &Resource, object: &Object) -> Result<(), Box<Status>> {
    let mut errors = Vec::new();
    metadata::validate(resource, object, &mut errors);
    resource.strategy.validate(object, &mut errors);
    refuse(resource, &object.metadata.name, errors)
}

/// `Invalid` with every error, or nothing where there is none.
pub(crate) fn refuse(resource: &Resource, name: &str, errors: Vec<FieldError>) -> Result<(), Box<Status>> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Box::new(Status::invalid(
        resource.group,
        resource.kind,
        name,
        errors,
    )))
}
