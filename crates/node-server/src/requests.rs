//! Which function answers which request.

use std::sync::Arc;

use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::json;

use crate::answer::{self, Body};
use crate::server::Inner;
use crate::{logs, streams};

/// Largest number of parameters that are read of a query.
const MAX_PARAMETERS: usize = 1024;

/// A request that may be answered.
pub struct Request {
    pub server: Arc<Inner>,
    pub method: Method,
    pub query: Query,
    pub headers: HeaderMap,
    pub upgrade: Option<hyper::upgrade::OnUpgrade>,
}

/// The parameters of a URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what follows the question mark.
    pub fn parse(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes()).take(MAX_PARAMETERS);
        Self(
            pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// The first value of a parameter, if it is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let first = self.0.iter().find(|(own, _)| own == name);
        first
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(own, _)| own == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is `1` or `true`.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some("1" | "true" | "True" | "TRUE" | "t" | "T"))
    }
}

/// A pod, and perhaps one of its containers, that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    pub namespace: &'a str,
    pub pod: &'a str,
    pub uid: Option<&'a str>,
    pub container: &'a str,
}

/// The first segment of a path, as metrics name it.
pub fn label(path: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "containerLogs",
        "exec",
        "attach",
        "portForward",
        "pods",
        "healthz",
        "metrics",
        "stats",
        "configz",
    ];
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    KNOWN
        .iter()
        .find(|known| **known == first)
        .copied()
        .unwrap_or("other")
}

/// Answers a request that has passed the gate.
pub async fn answer(request: Request, path: &str) -> Response<Body> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let target = |namespace, pod, uid, container| Target {
        namespace,
        pod,
        uid,
        container,
    };
    let reads = request.method == Method::GET;
    let streams = reads || request.method == Method::POST;
    match *segments.as_slice() {
        ["containerLogs", namespace, pod, container] if reads => {
            logs::answer(&request, target(namespace, pod, None, container)).await
        }
        ["exec", namespace, pod, container] if streams => {
            streams::exec(request, target(namespace, pod, None, container)).await
        }
        ["exec", namespace, pod, uid, container] if streams => {
            streams::exec(request, target(namespace, pod, Some(uid), container)).await
        }
        ["attach", namespace, pod, container] if streams => {
            streams::attach(request, target(namespace, pod, None, container)).await
        }
        ["attach", namespace, pod, uid, container] if streams => {
            streams::attach(request, target(namespace, pod, Some(uid), container)).await
        }
        ["portForward", namespace, pod] if streams => {
            streams::port_forward(request, target(namespace, pod, None, "")).await
        }
        ["portForward", namespace, pod, uid] if streams => {
            streams::port_forward(request, target(namespace, pod, Some(uid), "")).await
        }
        ["pods"] if reads => pods(&request.server),
        ["healthz", ..] if reads => healthz(&request.server),
        ["metrics"] if reads => metrics(&request.server),
        ["configz"] if reads => answer::json(&json!({"kubeletconfig": request.server.node.configuration()})),
        ["stats", "summary"] if reads => summary(&request.server),
        [root, ..] if label(root) != "other" => {
            answer::text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        }
        _ => answer::not_found(),
    }
}

fn pods(server: &Inner) -> Response<Body> {
    let items: Vec<_> = server.node.pods();
    let items: Vec<_> = items.iter().map(|pod| pod.as_ref()).collect();
    answer::json(&json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}))
}

fn healthz(server: &Inner) -> Response<Body> {
    match server.node.problem() {
        None => answer::text(StatusCode::OK, "ok"),
        Some(problem) => answer::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("healthz check failed: {problem}\n"),
        ),
    }
}

fn metrics(server: &Inner) -> Response<Body> {
    let mut text = server.metrics.text();
    text.push_str(server.node.metrics().trim_end_matches("# EOF\n"));
    text.push_str("# EOF\n");
    answer::typed(
        StatusCode::OK,
        "text/plain; version=0.0.4; charset=utf-8",
        text.into(),
    )
}

/// Which pods there are; what they use is not measured.
fn summary(server: &Inner) -> Response<Body> {
    let pods: Vec<_> = server
        .node
        .pods()
        .iter()
        .map(|pod| {
            let metadata = &pod.metadata;
            json!({
                "podRef": {"name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid},
                "startTime": pod.status.as_ref().and_then(|status| status.start_time.as_ref()),
            })
        })
        .collect();
    answer::json(&json!({"node": {"nodeName": server.node_name}, "pods": pods}))
}
