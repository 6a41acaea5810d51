//! POST to a pod's `eviction`: the pod is deleted as the Eviction says. There are no disruption budgets to ask.

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use strongroom_objects::{Map, Status, Value};
use strongroom_resources::decode::{agree_with_url, decode};
use strongroom_resources::options::{Operation, WriteOptions};
use strongroom_resources::parse_delete_options;

use crate::admission::{NodeRequest, check_node_request};
use crate::binding::payload;
use crate::body::{Body, RequestBody};
use crate::delete::{Deleter, delete_object};
use crate::encode::{content_type, encode};
use crate::get::{form, read};
use crate::negotiation::{Shape, body_format};
use crate::pipeline::{Admitted, default_manager};
use crate::respond;
use crate::routes::Target;
use crate::write::new_context;

/// Answers POST of an Eviction.
pub(crate) async fn answer<B>(
    mut request: Admitted<'_, B>,
    target: Target,
) -> Result<Response<Body>, Box<Status>>
where
    B: RequestBody,
{
    let payload = payload(&target)?;
    let form = form(&request, &payload, Shape::Reply)?;
    let format = body_format(request.header(&CONTENT_TYPE))?;
    let options = WriteOptions::parse(request.query, Operation::Create)?;
    let context = new_context(default_manager(&request.headers));
    let server = request.server;
    let body = request.read_body().await?;
    let mut decoded = decode(payload.resource, &body, format, options.field_validation)?;
    agree_with_url(&mut decoded.object, &target.namespace, None)?;
    if decoded.object.metadata.name != target.name {
        let text = "name in URL does not match name in Eviction object";
        return Err(Box::new(Status::bad_request(text)));
    }
    let pod = Target {
        resource: target.resource,
        namespace: target.namespace.clone(),
        name: target.name.clone(),
        subresource: String::new(),
    };
    let stored = read(server, &pod).await?.object(pod.resource)?;
    check_node_request(&NodeRequest {
        user: request.user,
        target: &target,
        object: &decoded.object,
        pod: Some(&stored),
    })?;
    let empty = Map::new();
    let given = decoded
        .object
        .body
        .get("deleteOptions")
        .and_then(Value::as_object);
    let mut delete = parse_delete_options(given.unwrap_or(&empty))?;
    delete.dry_run |= options.dry_run;
    let deleter = Deleter {
        user: request.user,
        options: &delete,
        context: &context,
    };
    delete_object(server, &pod, &deleter).await?;
    let body = encode(&Value::Object(Status::success().to_value()), form.accepted)?;
    let mut response = respond::answer(StatusCode::CREATED, content_type(form.accepted.format), body);
    respond::add_warnings(&mut response, &decoded.warnings);
    Ok(response)
}
