//! Which function answers which request.

use http::header::ACCEPT;
use http::{Method, Response};
use strongroom_objects::Status;
use strongroom_resources::{Resource, find, serves};

use crate::body::{Body, RequestBody};
use crate::pipeline::Admitted;
use crate::{
    audit_head, binding, connect, delete, documents, eviction, get, health, issuer_documents, list, metrics,
    respond, reviews, token_request, watch, write,
};

/// A request about a served resource.
pub(crate) struct Target {
    /// The row of the table.
    pub resource: &'static Resource,
    /// Empty for cluster-scoped resources and requests across namespaces.
    pub namespace: String,
    /// Empty for collections.
    pub name: String,
    /// Empty for the object itself.
    pub subresource: String,
}

impl Target {
    /// Storage key of the object.
    pub fn key(&self) -> String {
        self.resource.key(&self.namespace, &self.name)
    }
}

type Answer = Result<Response<Body>, Box<Status>>;

/// Answers an admitted request.
pub(crate) async fn dispatch<B>(request: Admitted<'_, B>) -> Answer
where
    B: RequestBody,
{
    if !request.info.is_resource {
        return path(&request);
    }
    let Some(target) = target(&request)? else {
        return Ok(respond::page_not_found());
    };
    match request.info.verb {
        _ if request.info.connects() => connect::answer(request, target).await,
        "get" => get::answer(request, target).await,
        "list" => list::answer(request, target).await,
        "watch" => watch::answer(request, target).await,
        "create" if target.subresource == "token" => token_request::answer(request, target).await,
        "create" if target.subresource == "binding" => binding::answer(request, target).await,
        "create" if target.subresource == "eviction" => eviction::answer(request, target).await,
        "create" if !target.resource.is_kept() => reviews::answer(request, target).await,
        "create" => write::create(request, target).await,
        "update" => write::update(request, target).await,
        "patch" => write::patch(request, target).await,
        "delete" => delete::answer(request, target).await,
        "deletecollection" => delete::collection(request, target).await,
        _ => Err(method_not_allowed()),
    }
}

fn path<B>(request: &Admitted<'_, B>) -> Answer {
    let path = request.info.path.as_str();
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Ok(match path {
            "/healthz" | "/livez" | "/readyz" | "/metrics" | "/version" => {
                respond::text(http::StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed\n")
            }
            _ => respond::page_not_found(),
        });
    }
    if let Some(response) = health::answer(request.server, path, request.query) {
        return Ok(response);
    }
    if path == "/metrics" {
        return Ok(metrics::answer(request.server));
    }
    match path {
        audit_head::PATH => Ok(audit_head::answer(request.server)),
        issuer_documents::CONFIGURATION | issuer_documents::KEYS => {
            Ok(issuer_documents::answer(request.server, path))
        }
        _ => documents::answer(request, request.header(&ACCEPT)),
    }
}

/// The served resource that the URL names; `None` where not even the group is served (api-conventions §1).
fn target<B>(request: &Admitted<'_, B>) -> Result<Option<Target>, Box<Status>> {
    let info = request.info;
    if !serves(&info.group, None) {
        return Ok(None);
    }
    let not_found = || Box::new(Status::page_not_found());
    let resource = find(&info.group, &info.version, &info.resource).ok_or_else(not_found)?;
    if info.trailing {
        return Err(not_found());
    }
    // `/namespaces/a` is about the namespace itself, which lives in none.
    let namespace = if resource.namespaced {
        info.namespace.clone()
    } else {
        String::new()
    };
    if !resource.namespaced && !info.namespace.is_empty() && info.resource != "namespaces" {
        return Err(not_found());
    }
    let name = if info.names_object {
        info.name.clone()
    } else {
        String::new()
    };
    let across_namespaces = resource.namespaced && namespace.is_empty();
    if across_namespaces && !matches!(info.verb, "list" | "watch") {
        return Err(if info.verb == "get" {
            not_found()
        } else {
            method_not_allowed()
        });
    }
    let target = Target {
        resource,
        namespace,
        name,
        subresource: info.subresource.clone(),
    };
    check_verb(&target, info.verb, not_found)?;
    Ok(Some(target))
}

fn check_verb(target: &Target, verb: &str, not_found: impl Fn() -> Box<Status>) -> Result<(), Box<Status>> {
    let allowed = if target.subresource.is_empty() {
        // POST goes to collections, PUT and PATCH to objects.
        let right_place = match verb {
            "create" => target.name.is_empty(),
            "update" | "patch" => !target.name.is_empty(),
            _ => true,
        };
        right_place && target.resource.allows(verb)
    } else {
        target
            .resource
            .subresource(&target.subresource)
            .ok_or_else(not_found)?
            .verbs
            .contains(&verb)
    };
    if allowed {
        Ok(())
    } else {
        Err(method_not_allowed())
    }
}

fn method_not_allowed() -> Box<Status> {
    Box::new(Status::method_not_allowed_here())
}
