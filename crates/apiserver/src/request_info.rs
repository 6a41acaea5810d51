//! What a request is about, read from its method and URL alone (api-conventions §1). The path is decoded once, here;
//! authorization and routing both use the result.

use http::Method;
use strongroom_objects::FieldSelector;
use strongroom_resources::options::{Query, percent_decode};
use strongroom_resources::selection::only_name;

/// What a request is about. Fields that do not apply are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestInfo {
    /// Whether the request is about a resource rather than a bare path.
    pub is_resource: bool,
    /// The decoded path.
    pub path: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, or the method in lower case.
    pub verb: &'static str,
    /// API group; empty for core.
    pub group: String,
    /// Version in the group.
    pub version: String,
    /// Namespace of the URL.
    pub namespace: String,
    /// Plural name of the resource.
    pub resource: String,
    /// Part of the object.
    pub subresource: String,
    /// Name of the object; for lists and watches the name their field selector asks for.
    pub name: String,
    /// Whether the URL itself names an object.
    pub names_object: bool,
    /// Segments behind the subresource: no resource that is served has any.
    pub trailing: bool,
}

impl RequestInfo {
    /// Reads `method`, `path` (as sent) and `query`.
    pub fn new(method: &Method, path: &str, query: &Query) -> Self {
        let path = percent_decode(path, false);
        let verb = method_verb(method);
        let mut info = Self {
            verb,
            path,
            ..Self::default()
        };
        let path = info.path.clone();
        let Some(rest) = info.read_group_version(&path) else {
            return info;
        };
        info.read_resource(rest, method, query);
        info
    }

    /// Whether the request goes on to a pod's node, and its answer lasts.
    pub fn connects(&self) -> bool {
        self.is_resource
            && self.group.is_empty()
            && self.resource == "pods"
            && matches!(
                self.subresource.as_str(),
                "attach" | "exec" | "log" | "portforward"
            )
    }

    /// Reads `/api/<version>/` or `/apis/<group>/<version>/` and returns the segments behind it.
    fn read_group_version<'a>(&mut self, path: &'a str) -> Option<Vec<&'a str>> {
        let mut segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        if segments.last() == Some(&"") {
            segments.pop();
        }
        // An empty segment is nothing Kubernetes serves: such paths are no resource paths.
        if segments.iter().any(|segment| segment.is_empty()) {
            return None;
        }
        let (head, taken) = match *segments.first()? {
            "api" if segments.len() >= 3 => (("", segments[1]), 2),
            "apis" if segments.len() >= 4 => ((segments[1], segments[2]), 3),
            _ => return None,
        };
        self.group = head.0.to_owned();
        self.version = head.1.to_owned();
        Some(segments.split_off(taken))
    }

    fn read_resource(&mut self, mut segments: Vec<&str>, method: &Method, query: &Query) {
        self.is_resource = true;
        let mut watch_path = false;
        if segments[0] == "watch" && segments.len() > 1 {
            watch_path = true;
            segments.remove(0);
        }
        if segments[0] == "namespaces" && segments.len() > 1 {
            segments[1].clone_into(&mut self.namespace);
            if segments.len() > 2 && !matches!(segments[2], "status" | "finalize") {
                segments.drain(..2);
            }
        }
        let mut segments = segments.into_iter().map(str::to_owned);
        self.resource = segments.next().unwrap_or_default();
        self.name = segments.next().unwrap_or_default();
        self.subresource = segments.next().unwrap_or_default();
        self.trailing = segments.next().is_some();
        self.names_object = !self.name.is_empty();
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let watches = is_read && (watch_path || (!self.names_object && query.flag("watch")));
        self.verb = match (method_verb(method), self.names_object) {
            (_, _) if watches => "watch",
            ("get", false) => "list",
            ("delete", false) => "deletecollection",
            (verb, _) => verb,
        };
        // What deletes a collection carries no name, whatever it selects (auth §5.2).
        if !self.names_object && matches!(self.verb, "list" | "watch") {
            self.read_selected_name(query);
        }
    }

    fn read_selected_name(&mut self, query: &Query) {
        let Some(text) = query.get("fieldSelector") else {
            return;
        };
        let selector = FieldSelector::parse(text).ok();
        if let Some(name) = selector.as_ref().and_then(only_name)
            && strongroom_resources::names::path_segment(name).is_empty()
        {
            name.clone_into(&mut self.name);
        }
    }
}

fn method_verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::HEAD => "head",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        Method::OPTIONS => "options",
        _ => "unknown",
    }
}

/// The verb of a request that is about a bare path: its method in lower case.
pub fn path_verb(method: &Method) -> String {
    method.as_str().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `verb group/version namespace resource name subresource`, with `-` for what is empty.
    fn check(method: Method, url: &str, expect: &str) {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let info = RequestInfo::new(&method, path, &Query::parse(query));
        let dash = |text: &str| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text.to_owned()
            }
        };
        let got = if info.is_resource {
            format!(
                "{} {}/{} {} {} {} {}",
                info.verb,
                info.group,
                info.version,
                dash(&info.namespace),
                info.resource,
                dash(&info.name),
                dash(&info.subresource)
            )
        } else {
            format!("path {}", info.path)
        };
        assert_eq!(got, expect, "{method} {url}");
    }

    #[test]
    fn urls() {
        let get = |url, expect| check(Method::GET, url, expect);
        get("/api/v1/namespaces/a/secrets/b", "get /v1 a secrets b -");
        get("/api/v1/namespaces/a/secrets/b/", "get /v1 a secrets b -");
        get("/api/v1/namespaces/a/secrets/b?watch=1", "get /v1 a secrets b -");
        get("/api/v1/namespaces/a/secrets?watch=1", "watch /v1 a secrets - -");
        get(
            "/api/v1/namespaces/a/secrets?watch=false",
            "list /v1 a secrets - -",
        );
        get(
            "/api/v1/secrets?fieldSelector=metadata.name%3Db",
            "list /v1 - secrets b -",
        );
        get("/api/v1/watch/namespaces/a/secrets/b", "watch /v1 a secrets b -");
        get("/api/v1/watch/secrets", "watch /v1 - secrets - -");
        get("/api/v1/namespaces/a", "get /v1 a namespaces a -");
        get("/api/v1/namespaces/a/status", "get /v1 a namespaces a status");
        get("/api/v1/namespaces", "list /v1 - namespaces - -");
        get(
            "/apis/coordination.k8s.io/v1/namespaces/a/leases/b",
            "get coordination.k8s.io/v1 a leases b -",
        );
        get(
            "/apis/coordination.k8s.io/v1",
            "path /apis/coordination.k8s.io/v1",
        );
        get("/api/v1", "path /api/v1");
        get("//api/v1/secrets", "path //api/v1/secrets");
        get("/healthz", "path /healthz");
        check(
            Method::DELETE,
            "/api/v1/namespaces/a/secrets",
            "deletecollection /v1 a secrets - -",
        );
        check(
            Method::POST,
            "/api/v1/namespaces/a/secrets",
            "create /v1 a secrets - -",
        );
        check(
            Method::PUT,
            "/api/v1/namespaces/a/finalize",
            "update /v1 a namespaces a finalize",
        );
    }
}
