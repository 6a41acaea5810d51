//! GET of one object.

use http::header::{ACCEPT, USER_AGENT};
use http::{Response, StatusCode};
use strongroom_objects::Status;
use strongroom_storage::StoreError;

use crate::body::Body;
use crate::encode::{Form, IncludeObject, content_type};
use crate::negotiation::{Shape, negotiate, wants_pretty};
use crate::pipeline::Admitted;
use crate::respond;
use crate::routes::Target;
use crate::server::ApiServer;
use crate::stored::Stored;
use crate::versions;

/// Answers with one object.
pub(crate) async fn answer<B>(
    request: Admitted<'_, B>,
    target: Target,
) -> Result<Response<Body>, Box<Status>> {
    let form = form(&request, &target, Shape::One)?;
    if let Some(version) = request
        .query
        .get("resourceVersion")
        .filter(|version| !version.is_empty())
    {
        versions::wait_for(request.server, versions::parse(version, "resourceVersion")?).await?;
    }
    let stored = read(request.server, &target).await?;
    let body = form.stored(&stored)?;
    Ok(respond::answer(
        StatusCode::OK,
        content_type(form.accepted.format),
        body,
    ))
}

/// The stored object that `target` names.
pub(crate) async fn read(server: &ApiServer, target: &Target) -> Result<Stored, Box<Status>> {
    let store = &server.0.store;
    let record = store
        .store()
        .get(target.key().as_bytes())
        .await
        .map_err(|error| store_error(&error))?;
    let record = record.ok_or_else(|| not_found(target))?;
    Stored::open(store, &record)
}

/// 404 for the object that `target` names.
pub(crate) fn not_found(target: &Target) -> Box<Status> {
    Box::new(Status::not_found(
        target.resource.group,
        target.resource.plural,
        &target.name,
    ))
}

/// The form in which this request's objects are written.
pub(crate) fn form<B>(request: &Admitted<'_, B>, target: &Target, shape: Shape) -> Result<Form, Box<Status>> {
    if request.query.flag("export") {
        let text = "the export parameter, deprecated since v1.14, is no longer supported";
        return Err(Box::new(Status::bad_request(text)));
    }
    let resource = target.resource;
    let package = match resource.group.split('.').next() {
        Some("") | None => "core",
        Some(package) => package,
    };
    let go_kind = format!("{package}.{}", resource.kind);
    let mut accepted = negotiate(request.header(&ACCEPT), shape, &go_kind)?;
    accepted.pretty = wants_pretty(request.query.get("pretty"), request.header(&USER_AGENT));
    let include = IncludeObject::parse(request.query.get("includeObject"))?;
    Ok(Form {
        resource,
        accepted,
        include,
        now: jiff::Timestamp::now(),
    })
}

/// What the store could not do, as the client is told.
pub(crate) fn store_error(error: &StoreError) -> Box<Status> {
    Box::new(match error {
        StoreError::Compacted { .. } => {
            Status::expired("The resourceVersion for the provided list is too old.")
        }
        StoreError::FutureRevision { requested, current } => Status::version_too_large(*requested, *current),
        StoreError::Full => Status::insufficient_storage(&error.to_string()),
        StoreError::Failed { .. } | StoreError::ShuttingDown => {
            Status::service_unavailable(&error.to_string())
        }
        StoreError::TooLarge { .. } => {
            Status::unclassified(&format!("etcdserver: request is too large: {error}"))
        }
        other => Status::internal(&other.to_string()),
    })
}
