//! POST to a pod's `binding`: the pod is given to a node, once (pods-and-kubelet §10).

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use strongroom_objects::go_text::quote;
use strongroom_objects::{FieldError, Map, Object, Status, Value};
use strongroom_resources::decode::{agree_with_url, decode};
use strongroom_resources::options::{Operation, WriteOptions};
use strongroom_resources::{Change, Outcome, tree};

use crate::admission::{NodeRequest, check_node_request};
use crate::body::{Body, RequestBody};
use crate::encode::{content_type, encode};
use crate::get::{form, not_found, store_error};
use crate::negotiation::{Shape, body_format};
use crate::pipeline::Admitted;
use crate::respond;
use crate::routes::Target;
use crate::server::ApiServer;
use crate::stored::Stored;
use crate::write::{CONFLICT_TRIES, commit_change, too_contended};

#[cfg(test)]
mod tests;

/// Answers POST of a Binding.
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
    let server = request.server;
    let body = request.read_body().await?;
    let mut decoded = decode(payload.resource, &body, format, options.field_validation)?;
    agree_with_url(&mut decoded.object, &target.namespace, None)?;
    let binding = Binding::read(&decoded.object, &target.name)?;
    check_node_request(&NodeRequest {
        user: request.user,
        target: &target,
        object: &decoded.object,
        pod: None,
    })?;
    bind(server, &target, &binding, options.dry_run).await?;
    let body = encode(&Value::Object(Status::success().to_value()), form.accepted)?;
    let mut response = respond::answer(StatusCode::CREATED, content_type(form.accepted.format), body);
    respond::add_warnings(&mut response, &decoded.warnings);
    Ok(response)
}

/// What is sent to the subresource that `target` names, as a target of its own.
pub(crate) fn payload(target: &Target) -> Result<Target, Box<Status>> {
    let subresource = target.resource.subresource(&target.subresource);
    let resource = subresource
        .and_then(|subresource| subresource.payload)
        .ok_or_else(|| Box::new(Status::internal("the table of resources names no payload")))?;
    Ok(Target {
        resource,
        namespace: target.namespace.clone(),
        name: target.name.clone(),
        subresource: target.subresource.clone(),
    })
}

/// Which pod goes where.
#[derive(Debug)]
struct Binding<'a> {
    node: &'a str,
    uid: &'a str,
    resource_version: &'a str,
    object: &'a Object,
}

impl<'a> Binding<'a> {
    fn read(object: &'a Object, pod: &str) -> Result<Self, Box<Status>> {
        if object.metadata.name != pod {
            let text = "name in URL does not match name in Binding object";
            return Err(Box::new(Status::bad_request(text)));
        }
        let target = |field| {
            let target = object.body.get("target");
            target
                .and_then(|target: &Value| target.get(field)?.as_str())
                .unwrap_or_default()
        };
        let mut errors = Vec::new();
        if !matches!(target("kind"), "" | "Node") {
            errors.push(FieldError::not_supported(
                "target.kind",
                target("kind"),
                &["Node", "<empty>"],
            ));
        }
        if target("name").is_empty() {
            errors.push(FieldError::required("target.name", ""));
        }
        if !errors.is_empty() {
            let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
            let text = match texts.as_slice() {
                [one] => one.clone(),
                several => format!("[{}]", several.join(", ")),
            };
            return Err(Box::new(Status::unclassified(&text)));
        }
        Ok(Self {
            node: target("name"),
            uid: &object.metadata.uid,
            resource_version: &object.metadata.resource_version,
            object,
        })
    }
}

async fn bind(
    server: &ApiServer,
    target: &Target,
    binding: &Binding<'_>,
    dry_run: bool,
) -> Result<(), Box<Status>> {
    let key = bytes::Bytes::from(target.key());
    for _ in 0..CONFLICT_TRIES {
        let record = server.0.store.store().get(&key).await;
        let record = record.map_err(|error| store_error(&error))?;
        let record = record.ok_or_else(|| not_found(target))?;
        let pod = Stored::open(&server.0.store, &record)?.object(target.resource)?;
        let bound = assign(pod, binding, Timestamp::now())
            .map_err(|problem| Box::new(Status::conflict("", "pods/binding", &target.name, &problem.0)))?;
        if dry_run {
            return Ok(());
        }
        let change = Change {
            object: bound,
            outcome: Outcome::Write,
            warnings: Vec::new(),
        };
        if commit_change(server, target, &key, record.modified, change)
            .await?
            .is_some()
        {
            return Ok(());
        }
    }
    Err(too_contended(target))
}

/// Why a pod cannot be given to a node.
#[derive(Debug, PartialEq, Eq)]
struct Unassignable(String);

/// The pod on its node.
fn assign(mut pod: Object, binding: &Binding<'_>, now: Timestamp) -> Result<Object, Unassignable> {
    let no = |text: String| Err(Unassignable(text));
    let name = &pod.metadata.name;
    let precondition = |what: &str, wanted: &str, is: &str| {
        format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {is}")
    };
    if !binding.uid.is_empty() && binding.uid != pod.metadata.uid {
        return no(precondition("UID", binding.uid, &pod.metadata.uid));
    }
    if !binding.resource_version.is_empty() && binding.resource_version != pod.metadata.resource_version {
        let is = &pod.metadata.resource_version;
        return no(precondition("ResourceVersion", binding.resource_version, is));
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return no(format!(
            "pod {name} is being deleted, cannot be assigned to a host"
        ));
    }
    let spec = pod.body.get("spec");
    let node = spec
        .and_then(|spec| spec.get("nodeName")?.as_str())
        .unwrap_or_default();
    if !node.is_empty() {
        return no(format!("pod {name} is already assigned to node {}", quote(node)));
    }
    let gates = spec.and_then(|spec| spec.get("schedulingGates")?.as_array());
    if gates.is_some_and(|gates| !gates.is_empty()) {
        return no(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    let annotations = &binding.object.metadata.annotations;
    pod.metadata.annotations.extend(
        annotations
            .iter()
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    tree::object_mut(&mut pod.body, "spec").insert("nodeName".to_owned(), binding.node.into());
    schedule(tree::object_mut(&mut pod.body, "status"), now);
    Ok(pod)
}

/// Sets the condition PodScheduled.
fn schedule(status: &mut Map, now: Timestamp) {
    let conditions = status
        .entry("conditions")
        .or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(conditions) = conditions else {
        return;
    };
    let is_scheduled = |condition: &Value| condition.get("type").is_some_and(|kind| kind == "PodScheduled");
    if conditions.iter().any(|condition| {
        is_scheduled(condition) && condition.get("status").is_some_and(|status| status == "True")
    }) {
        return;
    }
    conditions.retain(|condition| !is_scheduled(condition));
    conditions.push(json!({
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": null,
        "lastTransitionTime": strongroom_objects::time::seconds(now),
    }));
}
