//! POST to a service account's `token`: a new token, bound to what the caller names (auth §3.3).

use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::{Response, header};
use jiff::Timestamp;
use serde_json::json;
use strongroom_objects::{Object, Status, Value};
use strongroom_resources::decode::decode;
use strongroom_resources::options::{Operation, WriteOptions};
use strongroom_resources::{TOKEN_REQUESTS, find};
use strongroom_tokens::service_account::request::{
    BoundKind, BoundObject, BoundReference, TokenRequest, plan_token_request,
};
use strongroom_tokens::service_account::{Reference, issue};

use crate::admission::{NodeRequest, check_node_request};
use crate::body::{Body, RequestBody};
use crate::encode::content_type;
use crate::get::{form, read};
use crate::negotiation::{Shape, body_format};
use crate::pipeline::{Admitted, default_manager};
use crate::reviews::track;
use crate::routes::Target;
use crate::server::ApiServer;
use crate::{random, respond};

const CREDENTIAL: &str = "authentication.kubernetes.io/issued-credential-id";

/// Answers with a token.
pub(crate) async fn answer<B>(
    mut request: Admitted<'_, B>,
    target: Target,
) -> Result<Response<Body>, Box<Status>>
where
    B: RequestBody,
{
    let payload = Target {
        resource: &TOKEN_REQUESTS,
        namespace: target.namespace.clone(),
        name: target.name.clone(),
        subresource: target.subresource.clone(),
    };
    let form = form(&request, &payload, Shape::Reply)?;
    let options = WriteOptions::parse(request.query, Operation::Create)?;
    let format = body_format(request.header(&CONTENT_TYPE))?;
    let body = request.read_body().await?;
    if body.is_empty() {
        return Err(Box::new(Status::bad_request("the request has no body")));
    }
    let decoded = decode(&TOKEN_REQUESTS, &body, format, options.field_validation)?;
    let (namespace, name) = (&target.namespace, &target.name);
    let asked = TokenRequest::read(&decoded.object.to_value(), namespace, name)?;

    let server = request.server;
    let account = read_object(server, &target).await?;
    let object = match &asked.bound {
        Some(reference) => bound_object(server, namespace, reference).await?,
        None => None,
    };
    check_node_request(&NodeRequest {
        user: request.user,
        target: &target,
        object: &decoded.object,
        pod: object.as_ref().filter(|object| object.kind == "Pod"),
    })?;
    let bound = match (&asked.bound, &object) {
        (Some(reference), Some(object)) => Some(facts(server, reference, object).await?),
        (Some(reference), None) => return Err(missing(reference)),
        (None, _) => None,
    };
    let settings = &server.0.authentication.service_accounts;
    let now = Timestamp::now();
    let reference = Reference {
        name: name.clone(),
        uid: account.metadata.uid.clone(),
    };
    let plan = plan_token_request(
        &asked,
        namespace,
        &reference,
        bound.as_ref(),
        &settings.tokens,
        now,
        &random::uuid(),
    )?;
    let token = issue(&settings.signing_key, &plan.claims);
    request.trail.note(CREDENTIAL, plan.credential_id);

    let mut object = decoded.object;
    let metadata = &mut object.metadata;
    metadata.name.clone_from(name);
    metadata.namespace.clone_from(namespace);
    metadata.uid.clone_from(&account.metadata.uid);
    metadata.creation_timestamp = Some(strongroom_objects::time::seconds(now));
    let bound_reference = object
        .body
        .get("spec")
        .and_then(|spec| spec.get("boundObjectRef"));
    let spec = json!({
        "audiences": plan.audiences,
        "expirationSeconds": plan.expiration_seconds,
        "boundObjectRef": bound_reference.cloned().unwrap_or(Value::Null),
    });
    object.body.insert("spec".to_owned(), spec);
    track(&mut object, &payload, &default_manager(&request.headers), now);
    let status = json!({
        "token": token,
        "expirationTimestamp": strongroom_objects::time::seconds(plan.expiration),
    });
    object.body.insert("status".to_owned(), status);

    let body = form.object(&object)?;
    let mut response = respond::answer(StatusCode::CREATED, content_type(form.accepted.format), body);
    response
        .headers_mut()
        .insert(header::PRAGMA, header::HeaderValue::from_static("no-cache"));
    let warnings: Vec<String> = decoded.warnings.into_iter().chain(plan.warning).collect();
    respond::add_warnings(&mut response, &warnings);
    Ok(response)
}

async fn read_object(server: &ApiServer, target: &Target) -> Result<Object, Box<Status>> {
    read(server, target).await?.object(target.resource)
}

fn plural(kind: BoundKind) -> &'static str {
    match kind {
        BoundKind::Pod => "pods",
        BoundKind::Secret => "secrets",
        BoundKind::Node => "nodes",
    }
}

fn missing(reference: &BoundReference) -> Box<Status> {
    Box::new(Status::not_found("", plural(reference.kind), &reference.name))
}

/// The object that the token is to be bound to, if it exists.
async fn bound_object(
    server: &ApiServer,
    namespace: &str,
    reference: &BoundReference,
) -> Result<Option<Object>, Box<Status>> {
    let namespace = if reference.kind == BoundKind::Node {
        ""
    } else {
        namespace
    };
    named(server, plural(reference.kind), namespace, &reference.name).await
}

/// What the token says of the object that it is bound to.
async fn facts(
    server: &ApiServer,
    reference: &BoundReference,
    object: &Object,
) -> Result<BoundObject, Box<Status>> {
    let spec = |field: &str| {
        let text = object.body.get("spec").and_then(|spec| spec.get(field));
        text.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let node = match (reference.kind, spec("nodeName")) {
        (BoundKind::Pod, name) if !name.is_empty() => {
            let uid = named(server, "nodes", "", &name)
                .await?
                .map(|node| node.metadata.uid);
            Some(Reference {
                name,
                uid: uid.unwrap_or_default(),
            })
        }
        _ => None,
    };
    Ok(BoundObject {
        uid: object.metadata.uid.clone(),
        service_account: spec("serviceAccountName"),
        node,
    })
}

/// An object of the core group; `None` when it is not there or its kind is not served.
async fn named(
    server: &ApiServer,
    plural: &str,
    namespace: &str,
    name: &str,
) -> Result<Option<Object>, Box<Status>> {
    let Some(resource) = find("", "v1", plural) else {
        return Ok(None);
    };
    let target = Target {
        resource,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource: String::new(),
    };
    match read_object(server, &target).await {
        Ok(object) => Ok(Some(object)),
        Err(status) if status.code == 404 => Ok(None),
        Err(status) => Err(status),
    }
}
